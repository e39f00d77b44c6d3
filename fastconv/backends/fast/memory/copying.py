"""Copies between arrays of any strides, on all threads."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fastconv.backends.base import Array
from fastconv.backends.fast.machine.launch import address, by_tasks, launch
from fastconv.backends.fast.memory.copy_kernel import COPY, copy
from fastconv.backends.fast.memory.layout import empty_channels_last, is_channels_last
from fastconv.backends.fast.memory.plan_cache import plan_cache
from fastconv.backends.geometry import CHANNELS_LAST
from fastconv.backends.settings import get_num_threads

SERIAL_NUMBERS = 2**16  # numbers below which one thread does it all
_AXES = 5


def copy_into(target: Array, source: Array) -> None:
    """Copy an array into one of the same shape and dtype that does not overlap it: by NumPy, but for 4 and 8 bytes."""
    if source.itemsize not in (4, 8) or source.ndim > _AXES or not source.size:
        target[...] = source
        return
    block, threads = _plan(source.shape, source.strides, target.strides, source.itemsize, get_num_threads())
    arguments = block.copy()
    arguments[0], arguments[1] = address(source), address(target)
    launch(copy.address(source.itemsize), arguments, threads, threads, source.size, by_tasks(COPY))


def in_order(x: Array) -> Array:
    """Return an array in C order: itself where it is, or a copy."""
    if x.flags.c_contiguous or x.ndim > _AXES or not x.size:
        return np.ascontiguousarray(x)
    y = np.empty(x.shape, x.dtype)
    copy_into(y, x)
    return y


def stored_as(like: Array, x: Array) -> Array:
    """Return `x` with the strides of an array: itself where it has them (axes of one need none), or a copy."""
    if x.flags.aligned and all(size < 2 or own == other for size, own, other in zip(x.shape, x.strides, like.strides)):
        return x
    y = np.empty_like(like)
    copy_into(y, x)
    return y


def empty_in_order_of(x: Array, shape: tuple[int, ...]) -> Array:
    """Uninitialised array of another shape, channels-last if `x` is, else in C order."""
    last = x.ndim in CHANNELS_LAST and is_channels_last(x)
    y: Array = (empty_channels_last if last else np.empty)(shape, x.dtype)
    return y


def concatenated(parts: Sequence[Array], axis: int) -> Array:
    """Arrays of one dtype one after the other along an axis, in the memory order of the first."""
    sizes = [part.shape[axis] for part in parts]
    shape = list(parts[0].shape)
    shape[axis] = sum(sizes)
    y = empty_in_order_of(parts[0], tuple(shape))
    for part, piece in zip(parts, np.split(y, np.cumsum(sizes)[:-1], axis)):
        copy_into(piece, part)
    return y


@plan_cache(512)
def _plan(
    shape: tuple[int, ...], source: tuple[int, ...], target: tuple[int, ...], item: int, threads: int
) -> tuple[Array, int]:
    """Argument block but for the addresses, and threads: the axes by their strides in the target, neighbours in one."""
    merged: list[tuple[int, int, int]] = []
    for size, s, t in sorted(zip(shape, source, target), key=lambda axis: -axis[2]):
        if merged and merged[-1][1:] == (s * size, t * size):
            size *= merged.pop()[0]
        if size > 1 or not merged:
            merged.append((size, s, t))
    axes = [(1, 0, 0)] * (_AXES - len(merged)) + merged
    threads = threads if np.prod(shape) >= SERIAL_NUMBERS else 1
    values = {f"{letter}{i}": axis[k] for i, axis in enumerate(axes) for k, letter in enumerate("NST")}
    return COPY.fill(SOURCE=0, TARGET=0, TASKS=threads, **values), threads

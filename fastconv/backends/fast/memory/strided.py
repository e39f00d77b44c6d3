"""Copies between arrays of any strides, on all threads: the plan of the kernel that does them."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv.backends.base import Array
from fastconv.backends.fast.machine.launch import address, by_tasks, launch
from fastconv.backends.fast.memory.copy_kernel import COPY, copy
from fastconv.backends.fast.memory.plan_cache import plan_cache
from fastconv.backends.settings import get_num_threads

SERIAL_NUMBERS = 2**16  # numbers below which one thread does it all
AXES = 5


def copy_into(target: Array, source: Array) -> None:
    """Copy an array into one of the same shape and dtype that does not overlap it: by NumPy, but for 4 and 8 bytes."""
    if source.itemsize not in (4, 8) or source.ndim > AXES or not source.size:
        target[...] = source
        return
    block, threads = _plan(source.shape, source.strides, target.strides, source.itemsize, get_num_threads())
    arguments = block.copy()
    arguments[0], arguments[1] = address(source), address(target)
    launch(copy.address(source.itemsize), arguments, threads, threads, source.size, by_tasks(COPY))


def clear(target: Array) -> None:
    """Set all numbers of an array to zero."""
    copy_into(target, np.broadcast_to(_zero(target.dtype), target.shape))


@plan_cache(8)
def _zero(dtype: np.dtype[Any]) -> Array:
    return np.zeros((), dtype)


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
    axes = [(1, 0, 0)] * (AXES - len(merged)) + merged
    threads = threads if np.prod(shape) >= SERIAL_NUMBERS else 1
    values = {f"{letter}{i}": axis[k] for i, axis in enumerate(axes) for k, letter in enumerate("NST")}
    return COPY.fill(SOURCE=0, TARGET=0, TASKS=threads, **values), threads

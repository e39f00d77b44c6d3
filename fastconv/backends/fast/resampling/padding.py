"""Padding on the fast engine: a resampling by copies; and its gradient, one launch for each axis."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from fastconv.backends.base import Array
from fastconv.backends.fast.machine.launch import address, by_tasks, launch
from fastconv.backends.fast.memory.copying import empty_in_order_of, in_order
from fastconv.backends.fast.memory.layout import is_channels_last
from fastconv.backends.fast.memory.plan_cache import plan_cache
from fastconv.backends.fast.memory.strided import copy_into
from fastconv.backends.fast.resampling.folding_kernel import FOLD, fold
from fastconv.backends.fast.resampling.resampling import resample
from fastconv.backends.geometry import CHANNELS_FIRST, CHANNELS_LAST
from fastconv.backends.padding import Padded, Pair
from fastconv.backends.settings import get_num_threads

_SERIAL_NUMBERS = 2**16  # numbers below which one thread does it all


def pad(x: Array, pairs: Sequence[Pair], mode: str) -> Array:
    """See `Backend.pad`; the result is channels-last if x is, else in C order."""
    axes = {i: Padded(mode, x.shape[i], *pair) for i, pair in enumerate(pairs) if sum(pair)}
    return resample(x, axes) if axes else _copy(x)


def _copy(x: Array) -> Array:
    y = empty_in_order_of(x, x.shape)
    copy_into(y, x)
    return y


def pad_backward(dy: Array, pairs: Sequence[Pair], mode: str) -> Array:
    """See `Backend.pad_backward`; the result is channels-last if dy is, else in C order."""
    if mode == "zeros" or not any(map(sum, pairs)):
        inside = zip(pairs, dy.shape)
        cells = tuple(slice(before, size - after) for (before, after), size in inside)
        dx = empty_in_order_of(dy, dy[cells].shape)
        copy_into(dx, dy[cells])
        return dx
    last = dy.ndim in CHANNELS_LAST and is_channels_last(dy)
    order = CHANNELS_LAST[dy.ndim] if last else tuple(range(dy.ndim))
    dx = in_order(dy.transpose(order))
    for position, axis in enumerate(order):
        if sum(pairs[axis]):
            dx = _folded(dx, position, pairs[axis], mode)
    return dx.transpose(CHANNELS_FIRST[dy.ndim]) if last else dx


def _folded(dy: Array, axis: int, pair: Pair, mode: str) -> Array:
    """Adjoint of the padding of one axis, in C order."""
    padded = Padded(mode, dy.shape[axis] - sum(pair), *pair)
    before, after = dy.shape[:axis], dy.shape[axis + 1 :]
    dx: Array = np.empty((*before, padded.cells, *after), dy.dtype)
    if dx.size:
        block, threads, _ = _plan(padded, prod(before), prod(after), get_num_threads())
        arguments = block.copy()
        arguments[0], arguments[1] = address(dy), address(dx)
        launch(fold.address(dy.itemsize), arguments, threads, threads, dy.size, by_tasks(FOLD))
    return dx


@plan_cache(256)
def _plan(padded: Padded, outer: int, inner: int, threads: int) -> tuple[Array, int, Array]:
    """Argument block but for the addresses of arrays, threads, and the table that the block points to."""
    copied = np.ascontiguousarray(padded.copied(), np.int64)
    size = padded.before + padded.cells + padded.after
    threads = 1 if outer * size * inner < _SERIAL_NUMBERS else threads
    block = FOLD.fill(
        DY=0, OUT=0, COPIED=address(copied), COPIES=copied.shape[1], OUTER=outer, SIZE=size, CELLS=padded.cells,
        BEFORE=padded.before, INNER=inner, TASKS=threads,
    )  # fmt: skip
    return block, threads, copied

"""Numbers at indices on the fast engine: the gradient of max pooling, unpooling and its gradient."""

from __future__ import annotations

from math import prod

import numpy as np

from fastconv.backends.base import Array
from fastconv.backends.fast.machine.launch import address, by_span, launch
from fastconv.backends.fast.memory.copying import in_order
from fastconv.backends.fast.memory.layout import empty_channels_last, is_channels_last
from fastconv.backends.fast.memory.plan_cache import plan_cache
from fastconv.backends.fast.pool.indices_kernel import AT, AT_INDICES
from fastconv.backends.fast.pool.windows import channel_block
from fastconv.backends.settings import get_num_threads

_SERIAL = 2**13  # indices below which one thread does it all, 2 ns each
_X, _Y, _INDEX = (AT_INDICES.index[name] for name in ("X", "Y", "INDEX"))
_BY_SPAN = by_span(AT_INDICES)


@plan_cache(1024)
def _plan(shape: tuple[int, ...], cells: int, item: int, channels_last: bool, threads: int) -> tuple[Array, int]:
    """Argument block for indices of `shape` into planes of `cells`, and the threads; a plane is one row of cells."""
    batch, channels, count = *shape[:2], prod(shape[2:])
    if prod(shape) < _SERIAL:
        threads = 1
    arguments = AT_INDICES.fill(
        X=0, X_N=cells * channels * item, X_C=item if channels_last else cells * item,
        X_W=channels * item if channels_last else item,
        Y=0, Y_N=count * channels * item, Y_C=item if channels_last else count * item,
        Y_W=channels * item if channels_last else item,
        INDEX=0, CELLS=cells, COUNT=count, FIRST=0, STOP=count, BATCH=batch, CHANNELS=channels,
        CHANNEL_BLOCK=channel_block(batch, channels, threads) if channels_last else 1, TASKS=threads,
    )  # fmt: skip
    return arguments, threads


def _alike(a: Array, b: Array) -> tuple[bool, tuple[Array, Array]]:
    """Give two arrays one memory order: (whether it is channels-last, the arrays)."""
    if a.flags.c_contiguous and b.flags.c_contiguous:
        return False, (a, b)
    if is_channels_last(a) and is_channels_last(b):
        return True, (a, b)
    return False, (in_order(a), in_order(b))


def _run(form: str, x: Array, y: Array, indices: Array, channels_last: bool) -> None:
    if y.size:
        arguments, threads = _plan(y.shape, prod(x.shape[2:]), x.itemsize, channels_last, get_num_threads())
        arguments = arguments.copy()
        arguments[_X], arguments[_Y], arguments[_INDEX] = address(x), address(y), address(indices)
        launch(AT[form].address(x.itemsize), arguments, threads, threads, y.size, _BY_SPAN)


def _placed(form: str, y: Array, indices: Array, shape: tuple[int, ...]) -> Array:
    last, (y, indices) = _alike(y, indices)
    x: Array = (empty_channels_last if last else np.empty)(shape, y.dtype)
    _run(form, x, y, indices, last)
    return x


def max_pool_backward(dy: Array, indices: Array, input_shape: tuple[int, ...]) -> Array:
    """Every gradient goes to the cell that won."""
    return _placed("add", dy, indices, input_shape)


def max_unpool(y: Array, indices: Array, size: tuple[int, ...]) -> Array:
    """Every value goes to its index."""
    return _placed("put", y, indices, (*y.shape[:2], *size))


def max_unpool_backward(dy: Array, indices: Array) -> Array:
    """Every value gets the gradient at its index."""
    last, (dy, indices) = _alike(dy, indices)
    gradient: Array = (empty_channels_last if last else np.empty)(indices.shape, dy.dtype)
    _run("take", dy, gradient, indices, last)
    return gradient

"""Pooling, im2col and col2im on the fast engine."""

from __future__ import annotations

from functools import lru_cache
from math import prod
from typing import Any

import numpy as np

from fastconv.backends.base import Array
from fastconv.backends.fast.memory import empty_channels_last, is_channels_last, zeros_channels_last
from fastconv.backends.fast.workspace import borrowed
from fastconv.geometry import Axis, WindowGeometry
from fastconv.kernels.columns import columns_address
from fastconv.kernels.launch import launch
from fastconv.kernels.pool import pool_address
from fastconv.kernels.windows import WINDOWS
from fastconv.options import get_num_threads

__all__ = ["avg_pool", "avg_pool_backward", "col2im", "im2col", "max_pool", "max_pool_backward"]

_SERIAL_TAPS = 2**16  # window elements below which one thread does it all
_FEW_CHANNELS = 8  # below this, windows are reduced one by one also in channels-last memory
_CHANNEL_BLOCK = 16  # channels of a task of the backward passes, one cache line of float32
_TRIVIAL = Axis(1, 1, 1, 1, 0, 0, 1)


def _three(axes: tuple[Axis, ...]) -> tuple[Axis, ...]:
    return (_TRIVIAL,) * (3 - len(axes)) + axes


def _strides(x: Array) -> tuple[int, ...]:
    """Byte strides (N, C, D, H, W); axes that the array does not have get 0."""
    return (*x.strides[:2], *(0,) * (5 - x.ndim), *x.strides[2:])


@lru_cache(maxsize=512)
def _counts(geometry: WindowGeometry, include_pad: bool) -> tuple[Array, ...]:
    """Divisors along each of three axes."""
    return tuple(
        np.array([len(a.padded_taps(o) if include_pad else a.taps(o)) for o in range(a.out)], np.int64)
        for a in _three(geometry.axes)
    )


def _arguments(x: Array, y: Array | None, geometry: WindowGeometry, **others: int) -> Array:
    """Argument block over x, the plane-sized array, and y, the window-sized one."""
    values: dict[str, int] = dict.fromkeys(WINDOWS.names, 0)
    values.update(zip(("X_N", "X_C", "X_D", "X_H", "X_W"), _strides(x)))
    if y is not None:
        values.update(zip(("Y_N", "Y_C", "Y_D", "Y_H", "Y_W"), _strides(y)))
        values["Y"] = y.ctypes.data
    for letter, axis in zip("DHW", _three(geometry.axes)):
        values[f"IN_{letter}"], values[f"OUT_{letter}"] = axis.size, axis.out
        values[f"K_{letter}"], values[f"S_{letter}"] = axis.kernel, axis.stride
        values[f"DIL_{letter}"], values[f"PAD_{letter}"] = axis.dilation, axis.before
    values.update(X=x.ctypes.data, BATCH=geometry.batch, CHANNELS=geometry.channels, **others)
    return WINDOWS.fill(**values)


def _threads(geometry: WindowGeometry) -> int:
    work = geometry.batch * geometry.channels * geometry.windows * geometry.taps
    return 1 if work < _SERIAL_TAPS else get_num_threads()


def _form(x: Array) -> str:
    return "lanes" if x.shape[1] >= _FEW_CHANNELS and is_channels_last(x) else "plane"


def _like(x: Array, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """Uninitialised array in the memory order of x: channels-last or planes."""
    return empty_channels_last(shape, dtype) if is_channels_last(x) else np.empty(shape, dtype)


def max_pool(x: Array, geometry: WindowGeometry, return_indices: bool) -> tuple[Array, Array | None]:
    """Maxima and their positions."""
    y = _like(x, geometry.output_shape, x.dtype)
    indices = _like(x, geometry.output_shape, np.dtype(np.int64)) if return_indices else None
    if geometry.batch:
        threads = _threads(geometry)
        address = 0 if indices is None else indices.ctypes.data
        arguments = _arguments(x, y, geometry, INDEX=address, TASKS=threads)
        launch(pool_address(f"max_{_form(x)}", x.itemsize, return_indices), arguments, threads, threads)
    return y, indices


def avg_pool(x: Array, geometry: WindowGeometry, count_include_pad: bool) -> Array:
    """Means of the windows."""
    y = _like(x, geometry.output_shape, x.dtype)
    if geometry.batch == 0:
        return y
    threads = _threads(geometry)
    counts = _counts(geometry, count_include_pad)
    row = -(-geometry.channels * 8 // 64) * 64
    with borrowed(row * threads) as scratch:
        arguments = _arguments(
            x, y, geometry, SCRATCH=scratch.ctypes.data, SCRATCH_STRIDE=row, TASKS=threads, **_addresses(counts)
        )
        launch(pool_address(f"avg_{_form(x)}", x.itemsize), arguments, threads, threads)
    return y


def _addresses(counts: tuple[Array, ...]) -> dict[str, int]:
    return {f"COUNT_{letter}": table.ctypes.data for letter, table in zip("DHW", counts)}


def _channel_block(channels: int, lanes: bool) -> int:
    return min(_CHANNEL_BLOCK, channels) if lanes else 1


def avg_pool_backward(dy: Array, geometry: WindowGeometry, count_include_pad: bool) -> Array:
    """Every gradient is shared by the cells of its window."""
    lanes = is_channels_last(dy)
    dx = (zeros_channels_last if lanes else np.zeros)(geometry.input_shape, dy.dtype)
    if geometry.batch:
        threads = _threads(geometry)
        counts = _counts(geometry, count_include_pad)
        block = _channel_block(geometry.channels, lanes)
        arguments = _arguments(dx, dy, geometry, CHANNEL_BLOCK=block, TASKS=threads, **_addresses(counts))
        launch(pool_address("avg_backward", dy.itemsize), arguments, threads, threads)
    return dx


def max_pool_backward(dy: Array, indices: Array, input_shape: tuple[int, ...]) -> Array:
    """Every gradient goes to the cell that won."""
    lanes = is_channels_last(dy) and is_channels_last(indices)
    dx = (zeros_channels_last if lanes else np.zeros)(input_shape, dy.dtype)
    if dy.size == 0:
        return dx
    if not lanes:
        dy, indices = np.ascontiguousarray(dy), np.ascontiguousarray(indices)
    batch, channels = dy.shape[:2]
    windows, cells, item = prod(dy.shape[2:]), prod(input_shape[2:]), dy.itemsize
    cell, channel = (channels * item, item) if lanes else (item, cells * item)
    threads = 1 if dy.size < _SERIAL_TAPS else get_num_threads()
    values = dict.fromkeys(WINDOWS.names, 0)
    values.update(
        X=dx.ctypes.data, X_N=cells * channels * item, X_C=channel, X_W=cell,
        Y=dy.ctypes.data, Y_N=windows * channels * item, Y_C=item if lanes else windows * item,
        Y_W=channels * item if lanes else item, INDEX=indices.ctypes.data, BATCH=batch, CHANNELS=channels,
        OUT_W=windows, CHANNEL_BLOCK=_channel_block(channels, lanes), TASKS=threads,
    )  # fmt: skip
    launch(pool_address("max_backward", item), WINDOWS.fill(**values), threads, threads)
    return dx


def im2col(x: Array, geometry: WindowGeometry) -> Array:
    """Windows as columns."""
    cols = np.empty(geometry.columns_shape, x.dtype)
    if geometry.batch:
        threads = _threads(geometry)
        arguments = _arguments(x, None, geometry, Y=cols.ctypes.data, TASKS=threads)
        launch(columns_address(x.itemsize, scatter=False), arguments, threads, threads)
    return cols


def col2im(cols: Array, geometry: WindowGeometry) -> Array:
    """Columns added back into planes."""
    x = np.zeros(geometry.input_shape, cols.dtype)
    if geometry.batch:
        cols = np.ascontiguousarray(cols)
        threads = _threads(geometry)
        arguments = _arguments(x, None, geometry, Y=cols.ctypes.data, TASKS=threads)
        launch(columns_address(x.itemsize, scatter=True), arguments, threads, threads)
    return x

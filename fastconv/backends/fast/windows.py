"""Pooling, im2col and col2im on the fast engine."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import prod

import numpy as np

from fastconv.backends.base import Array
from fastconv.backends.fast.memory import empty_channels_last, is_channels_last, zeros_channels_last
from fastconv.backends.fast.passes import three_axes
from fastconv.backends.fast.workspace import borrowed, round_up
from fastconv.geometry import WindowGeometry
from fastconv.kernels.addresses import address
from fastconv.kernels.avg_pool import avg_pool_address
from fastconv.kernels.columns import columns_address
from fastconv.kernels.launch import launch
from fastconv.kernels.max_pool import max_pool_address
from fastconv.kernels.windows import WINDOWS
from fastconv.settings import get_num_threads

__all__ = ["avg_pool", "avg_pool_backward", "col2im", "im2col", "max_pool", "max_pool_backward"]

_SERIAL_TAPS = 2**16  # window elements below which one thread does it all
_SERIAL_SCATTER = 2**13  # the same for gradients that are sent to where an index says, 2 ns each
_FEW_CHANNELS = 8  # below this, windows are reduced one by one also in channels-last memory
_CHANNEL_BLOCK = 16  # channels of a task of the backward passes, one cache line of float32
_X, _Y, _INDEX, _SCRATCH = (WINDOWS.index[name] for name in ("X", "Y", "INDEX", "SCRATCH"))


@dataclass(frozen=True)
class WindowPlan:
    """Argument block of one geometry and memory order, but for the addresses of the arrays."""

    arguments: Array
    tables: tuple[Array, ...]  # kept alive: the block holds their addresses
    threads: int
    total_bytes: int  # of the float64 scratch of one task: a number per channel, or per window of a row


def _five(strides: tuple[int, ...]) -> tuple[int, ...]:
    """Byte strides (N, C, D, H, W); axes that the array does not have get 0."""
    return (*strides[:2], *(0,) * (5 - len(strides)), *strides[2:])


def _counts(geometry: WindowGeometry, include_pad: bool) -> tuple[Array, ...]:
    """Divisors along each of three axes."""
    return tuple(
        np.array([len(a.padded_taps(o) if include_pad else a.taps(o)) for o in range(a.out)], np.int64)
        for a in three_axes(geometry.axes)
    )


@lru_cache(maxsize=1024)
def _plan(
    geometry: WindowGeometry,
    x_strides: tuple[int, ...],
    y_strides: tuple[int, ...] | None,
    include_pad: bool,
    channel_block: int,
    threads: int,
) -> WindowPlan:
    """Plan over x, the plane-sized array, and y, the window-sized one (None: contiguous columns)."""
    if geometry.batch * geometry.channels * geometry.windows * geometry.taps < _SERIAL_TAPS:
        threads = 1
    values: dict[str, int] = dict.fromkeys(WINDOWS.names, 0)
    values.update(zip(("X_N", "X_C", "X_D", "X_H", "X_W"), _five(x_strides)))
    if y_strides is not None:
        values.update(zip(("Y_N", "Y_C", "Y_D", "Y_H", "Y_W"), _five(y_strides)))
    tables = _counts(geometry, include_pad)
    for letter, axis, table in zip("DHW", three_axes(geometry.axes), tables):
        values[f"IN_{letter}"], values[f"OUT_{letter}"] = axis.size, axis.out
        values[f"K_{letter}"], values[f"S_{letter}"] = axis.kernel, axis.stride
        values[f"DIL_{letter}"], values[f"PAD_{letter}"] = axis.dilation, axis.before
        values[f"COUNT_{letter}"] = address(table)
    total_bytes = round_up(max(geometry.channels, geometry.out[-1]) * 8)
    values.update(
        BATCH=geometry.batch,
        CHANNELS=geometry.channels,
        CHANNEL_BLOCK=channel_block,
        SCRATCH_STRIDE=total_bytes,
        TASKS=threads,
    )
    return WindowPlan(WINDOWS.fill(**values), tables, threads, total_bytes)


def _launch(kernel: int, plan: WindowPlan, x: Array, y: Array, index: int = 0, scratch: int = 0) -> None:
    arguments = plan.arguments.copy()
    arguments[_X], arguments[_Y] = address(x), address(y)
    arguments[_INDEX], arguments[_SCRATCH] = index, scratch
    launch(kernel, arguments, plan.threads, plan.threads)


def _form(x: Array, *, channels_last: bool) -> str:
    return "lanes" if channels_last and x.shape[1] >= _FEW_CHANNELS else "plane"


def _channel_block(channels: int, *, channels_last: bool) -> int:
    return min(_CHANNEL_BLOCK, channels) if channels_last else 1


def max_pool(x: Array, geometry: WindowGeometry, return_indices: bool) -> tuple[Array, Array | None]:
    """Maxima and their positions, in the memory order of x: channels-last or planes."""
    last = is_channels_last(x)
    empty = empty_channels_last if last else np.empty
    y: Array = empty(geometry.output_shape, x.dtype)
    indices: Array | None = empty(geometry.output_shape, np.dtype(np.int64)) if return_indices else None
    if geometry.batch:
        plan = _plan(geometry, x.strides, y.strides, True, 0, get_num_threads())
        kernel = max_pool_address(_form(x, channels_last=last), x.itemsize, with_index=return_indices)
        _launch(kernel, plan, x, y, index=0 if indices is None else address(indices))
    return y, indices


def avg_pool(x: Array, geometry: WindowGeometry, count_include_pad: bool) -> Array:
    """Means of the windows, in the memory order of x."""
    last = is_channels_last(x)
    y: Array = (empty_channels_last if last else np.empty)(geometry.output_shape, x.dtype)
    if geometry.batch == 0:
        return y
    plan = _plan(geometry, x.strides, y.strides, count_include_pad, 0, get_num_threads())
    _launch_with_totals(_form(x, channels_last=last), plan, x, y)
    return y


def _launch_with_totals(form: str, plan: WindowPlan, x: Array, y: Array) -> None:
    with borrowed(plan.total_bytes * plan.threads) as scratch:
        _launch(avg_pool_address(form, x.itemsize), plan, x, y, scratch=address(scratch))


def avg_pool_backward(dy: Array, geometry: WindowGeometry, count_include_pad: bool) -> Array:
    """Every gradient is shared by the cells of its window."""
    last = is_channels_last(dy)
    dx: Array = (zeros_channels_last if last else np.zeros)(geometry.input_shape, dy.dtype)
    if geometry.batch:
        block = _channel_block(geometry.channels, channels_last=last)
        plan = _plan(geometry, dx.strides, dy.strides, count_include_pad, block, get_num_threads())
        _launch_with_totals(f"{_form(dx, channels_last=last)}_backward", plan, dx, dy)
    return dx


@lru_cache(maxsize=1024)
def _scatter_plan(
    dy_shape: tuple[int, ...], input_shape: tuple[int, ...], item: int, channels_last: bool, threads: int
) -> WindowPlan:
    """Plan of the gradient of max pooling, for which a plane is one row of cells."""
    batch, channels, windows, cells = *dy_shape[:2], prod(dy_shape[2:]), prod(input_shape[2:])
    if prod(dy_shape) < _SERIAL_SCATTER:
        threads = 1
    values: dict[str, int] = dict.fromkeys(WINDOWS.names, 0)
    values.update(
        X_N=cells * channels * item, X_C=item if channels_last else cells * item,
        X_W=channels * item if channels_last else item,
        Y_N=windows * channels * item, Y_C=item if channels_last else windows * item,
        Y_W=channels * item if channels_last else item,
        BATCH=batch, CHANNELS=channels, OUT_W=windows,
        CHANNEL_BLOCK=_channel_block(channels, channels_last=channels_last), TASKS=threads,
    )  # fmt: skip
    return WindowPlan(WINDOWS.fill(**values), (), threads, 0)


def max_pool_backward(dy: Array, indices: Array, input_shape: tuple[int, ...]) -> Array:
    """Every gradient goes to the cell that won."""
    planes = dy.flags.c_contiguous and indices.flags.c_contiguous
    last = not planes and is_channels_last(dy) and is_channels_last(indices)
    dx: Array = (zeros_channels_last if last else np.zeros)(input_shape, dy.dtype)
    if dy.size:
        if not planes and not last:
            dy, indices = np.ascontiguousarray(dy), np.ascontiguousarray(indices)
        plan = _scatter_plan(dy.shape, input_shape, dy.itemsize, last, get_num_threads())
        _launch(max_pool_address("backward", dy.itemsize), plan, dx, dy, index=address(indices))
    return dx


def im2col(x: Array, geometry: WindowGeometry) -> Array:
    """Windows as columns."""
    cols = np.empty(geometry.columns_shape, x.dtype)
    if geometry.batch:
        plan = _plan(geometry, x.strides, None, True, 0, get_num_threads())
        _launch(columns_address(x.itemsize, scatter=False), plan, x, cols)
    return cols


def col2im(cols: Array, geometry: WindowGeometry) -> Array:
    """Columns added back into planes."""
    x: Array = np.zeros(geometry.input_shape, cols.dtype)
    if geometry.batch:
        plan = _plan(geometry, x.strides, None, True, 0, get_num_threads())
        _launch(columns_address(x.itemsize, scatter=True), plan, x, np.ascontiguousarray(cols))
    return x

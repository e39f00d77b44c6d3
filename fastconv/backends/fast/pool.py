"""Max and average pooling on the fast engine, tap by tap, or window by window where that is shorter or safer."""

from __future__ import annotations

import numpy as np

from fastconv.backends.base import Array
from fastconv.backends.fast.boxes import box_avg, box_max, box_spread
from fastconv.backends.fast.memory import channels_last, empty_channels_last, is_channels_last, zeros_channels_last
from fastconv.backends.fast.windows import WindowPlan, launch_windows, plan_windows
from fastconv.backends.fast.workspace import borrowed
from fastconv.geometry import WindowGeometry
from fastconv.kernels.addresses import address
from fastconv.kernels.avg_pool import avg_pool_address
from fastconv.kernels.max_pool import max_pool_address
from fastconv.settings import get_num_threads

__all__ = ["avg_pool", "avg_pool_backward", "in_best_order", "max_pool", "window_sums", "window_sums_backward"]

_FEW_CHANNELS = 8  # below this, windows are reduced one by one also in channels-last memory
_CHANNEL_BLOCK = 16  # channels of a task of the backward passes, one cache line of float32
_SHORT_ROW = 16  # windows of a row below which rows are not worth a loop: channels are, after a change of order
_MANY_TAPS = 512  # from here on a sum in one float64 number would be off by more than 64 eps at worst


def _form(x: Array, *, channels_last: bool) -> str:
    return "lanes" if channels_last and x.shape[1] >= _FEW_CHANNELS else "plane"


def _window_by_window(geometry: WindowGeometry) -> bool:
    """Whether windows are reduced one by one: they are long and few, or too long for one sum.

    It depends on the geometry alone, so that the order of a sum does.
    """
    return geometry.taps >= _MANY_TAPS or geometry.kernel[-1] >= 2 * geometry.out[-1]


def in_best_order(x: Array, geometry: WindowGeometry) -> Array:
    """Return an array of planes in the memory order that its windows are reduced in."""
    if geometry.out[-1] >= _SHORT_ROW or geometry.channels < _FEW_CHANNELS or _window_by_window(geometry):
        return x
    return channels_last(x)


def max_pool(x: Array, geometry: WindowGeometry, return_indices: bool) -> tuple[Array, Array | None]:
    """Maxima and their positions, channels-last or as planes."""
    if _window_by_window(geometry):
        return box_max(x, geometry, return_indices)
    x = in_best_order(x, geometry)
    last = is_channels_last(x)
    empty = empty_channels_last if last else np.empty
    y: Array = empty(geometry.output_shape, x.dtype)
    indices: Array | None = empty(geometry.output_shape, np.dtype(np.int64)) if return_indices else None
    if geometry.batch:
        plan = plan_windows(geometry, x.strides, y.strides, "one", 0, get_num_threads())
        kernel = max_pool_address(_form(x, channels_last=last), x.itemsize, with_index=return_indices)
        launch_windows(kernel, plan, x, y, index=0 if indices is None else address(indices))
    return y, indices


def avg_pool(x: Array, geometry: WindowGeometry, count_include_pad: bool) -> Array:
    """Means of the windows."""
    return _means(x, geometry, "padded" if count_include_pad else "real")


def window_sums(x: Array, geometry: WindowGeometry) -> Array:
    """Sums of the windows."""
    return _means(x, geometry, "one")


def _means(x: Array, geometry: WindowGeometry, divisor: str) -> Array:
    if _window_by_window(geometry):
        return box_avg(x, geometry, divisor)
    x = in_best_order(x, geometry)
    last = is_channels_last(x)
    y: Array = (empty_channels_last if last else np.empty)(geometry.output_shape, x.dtype)
    if geometry.batch:
        plan = plan_windows(geometry, x.strides, y.strides, divisor, 0, get_num_threads())
        _launch_with_totals(_form(x, channels_last=last), plan, x, y)
    return y


def _launch_with_totals(form: str, plan: WindowPlan, x: Array, y: Array, *, by_planes: bool = False) -> None:
    with borrowed(plan.total_bytes * plan.threads) as scratch:
        kernel = avg_pool_address(form, x.itemsize)
        launch_windows(kernel, plan, x, y, scratch=address(scratch), by_planes=by_planes)


def avg_pool_backward(dy: Array, geometry: WindowGeometry, count_include_pad: bool) -> Array:
    """Every gradient is shared by the cells of its window."""
    return _shares(dy, geometry, "padded" if count_include_pad else "real")


def window_sums_backward(dy: Array, geometry: WindowGeometry) -> Array:
    """Every gradient goes to all cells of its window."""
    return _shares(dy, geometry, "one")


def _shares(dy: Array, geometry: WindowGeometry, divisor: str) -> Array:
    if _window_by_window(geometry):
        return box_spread(dy, geometry, divisor)
    dy = in_best_order(dy, geometry)
    last = is_channels_last(dy)
    dx: Array = (zeros_channels_last if last else np.zeros)(geometry.input_shape, dy.dtype)
    if geometry.batch:
        block = min(_CHANNEL_BLOCK, geometry.channels) if last else 1
        plan = plan_windows(geometry, dx.strides, dy.strides, divisor, block, get_num_threads())
        _launch_with_totals(f"{_form(dx, channels_last=last)}_backward", plan, dx, dy, by_planes=True)
    return dx

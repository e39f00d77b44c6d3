"""Maxima and their places on the fast engine: the number of a tap in its window, one byte, where that is enough."""

from __future__ import annotations

from math import prod

import numpy as np

from fastconv.backends.base import Array, PoolGeometry
from fastconv.backends.fast.conv.passes import three_axes
from fastconv.backends.fast.machine.launch import address
from fastconv.backends.fast.memory.copying import in_order
from fastconv.backends.fast.memory.layout import channels_last, empty_channels_last, is_channels_last
from fastconv.backends.fast.memory.plan_cache import plan_cache
from fastconv.backends.fast.pool.indices import max_pool_backward
from fastconv.backends.fast.pool.per_window import max_per_window
from fastconv.backends.fast.pool.places_kernel import add_at_places, indices_of_places
from fastconv.backends.fast.pool.pool import maxima
from fastconv.backends.fast.pool.windows import (
    BY_SPAN,
    SERIAL_TAPS,
    WindowPlan,
    by_axis,
    channel_block,
    launch_windows,
    window_arguments,
)
from fastconv.backends.geometry import AdaptiveGeometry, WindowGeometry, place_bytes
from fastconv.backends.settings import get_num_threads


def _windows(geometry: PoolGeometry) -> WindowGeometry | None:
    return geometry.windows if isinstance(geometry, AdaptiveGeometry) else geometry


def max_pool_places(x: Array, geometry: PoolGeometry) -> tuple[Array, Array]:
    """Maxima, and their places in bytes or their indices."""
    windows, keeps = _windows(geometry), "place" if place_bytes(geometry) == 1 else "index"
    y, places = max_per_window(x, geometry, keeps) if windows is None else maxima(x, windows, keeps)
    assert places is not None
    return y, places


@plan_cache(1024)
def _plan(
    geometry: WindowGeometry, x_strides: tuple[int, ...], y_strides: tuple[int, ...], channels_last: bool, threads: int
) -> WindowPlan:
    """Plan over x, whose strides say what a tap adds to those of the first, and y, the window-sized array."""
    work = geometry.batch * geometry.channels * geometry.windows
    if work * geometry.taps < SERIAL_TAPS:
        threads = 1
    block = channel_block(geometry.batch, geometry.channels, threads) if channels_last else 1
    axes = three_axes(geometry.axes)
    steps = (axis.dilation * step for axis, step in zip(axes, by_axis(x_strides)[2:]))
    taps = np.ix_(*(np.arange(axis.kernel, dtype=np.int64) * step for axis, step in zip(axes, steps)))
    table = np.ascontiguousarray(taps[0] + taps[1] + taps[2])
    arguments = window_arguments(
        by_axis(x_strides), by_axis(y_strides), axes, "one", BATCH=geometry.batch, CHANNELS=geometry.channels,
        CHANNEL_BLOCK=block, TABLE=address(table), TASKS=threads, STOP=geometry.windows,
    )  # fmt: skip
    return WindowPlan(arguments, threads, 0, work, 0, table)


def _run(kernel: int, x: Array, y: Array, places: Array, geometry: WindowGeometry, steps: tuple[int, ...]) -> None:
    if geometry.batch:
        plan = _plan(geometry, steps, y.strides, is_channels_last(places), get_num_threads())
        launch_windows(kernel, plan, x, y, index=address(places), cut=BY_SPAN)


def max_pool_places_backward(dy: Array, places: Array, geometry: PoolGeometry) -> Array:
    """Every gradient goes to the cell that won."""
    windows = _windows(geometry)
    if windows is None or place_bytes(geometry) != 1:
        return max_pool_backward(dy, places, geometry.input_shape)
    last = is_channels_last(places)
    dy = channels_last(dy) if last else in_order(dy)
    dx: Array = (empty_channels_last if last else np.empty)(geometry.input_shape, dy.dtype)
    _run(add_at_places.address(dy.itemsize), dx, dy, places, windows, dx.strides)
    return dx


def max_pool_indices(places: Array, geometry: PoolGeometry) -> Array:
    """Positions in the planes."""
    windows = _windows(geometry)
    if windows is None or place_bytes(geometry) != 1:
        return places
    empty = empty_channels_last if is_channels_last(places) else np.empty
    indices: Array = empty(places.shape, np.dtype(np.int64))
    steps = (prod(windows.size[axis + 1 :]) for axis in range(windows.rank))
    _run(indices_of_places.address(), indices, indices, places, windows, (0, 0, *steps))
    return indices

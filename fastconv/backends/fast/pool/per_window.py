"""Windows one by one on the fast engine: how they are described, and what is done with them."""

from __future__ import annotations

from collections.abc import Iterable
from math import inf, prod
from typing import NamedTuple

import numpy as np

from fastconv.backends.base import Array
from fastconv.backends.fast.conv.passes import three_axes
from fastconv.backends.fast.machine.launch import Cut, address
from fastconv.backends.fast.memory.layout import channels_last, empty_channels_last, is_channels_last
from fastconv.backends.fast.memory.plan_cache import plan_cache
from fastconv.backends.fast.memory.workspace import apart
from fastconv.backends.fast.pool.avg_gradient_per_window_kernel import AVG_GRADIENT_PER_WINDOW
from fastconv.backends.fast.pool.avg_per_window_kernel import AVG_PER_WINDOW, LANE_SUMS
from fastconv.backends.fast.pool.max_per_window_kernel import MAX_PER_WINDOW
from fastconv.backends.fast.pool.maxima_table import maxima_table
from fastconv.backends.fast.pool.windows import (
    BY_SPAN,
    BY_TASKS,
    FEW_CHANNELS,
    SERIAL_TAPS,
    WindowPlan,
    by_axis,
    channel_block,
    empty_maxima,
    form_of,
    launch_windows,
    same_divisor,
    window_arguments,
)
from fastconv.backends.geometry import AdaptiveGeometry, Axis, WindowGeometry
from fastconv.backends.settings import get_num_threads

Geometry = WindowGeometry | AdaptiveGeometry

_FEW_TAPS = 32  # of an adaptive window, up to which a mean is faster over channels, after a change of order
_CHANNEL_BLOCK = 64  # channels of a task: its sums stay in the L1 cache
# Tasks of the forward passes are windows, of some channels, or rows of windows in planes.
_FORWARD: dict[str, Cut | None] = {"lanes": BY_TASKS, "plane": None}


class Line(NamedTuple):
    """The windows along one axis, whose cells are `scale` cells of memory each; steps in bytes of x and y."""

    axis: Axis
    scale: int
    x_step: int
    y_step: int


_NO_LINE = Line(Axis(1, 1, 1, 1, 0, 0, 1), 1, 0, 0)


def _axes(geometry: Geometry) -> tuple[Axis, ...]:
    """Axes of windows; of adaptive ones, which have no kernel of their own, sizes alone."""
    if isinstance(geometry, WindowGeometry):
        return three_axes(geometry.axes)
    return three_axes(tuple(Axis(size, 0, 0, 1, 0, 0, out) for size, out in zip(geometry.size, geometry.out)))


def _is_whole(axis: Axis, adaptive: bool) -> bool:
    """Whether there is one window, and it is the axis."""
    return axis.out == 1 and (adaptive or (len(axis.taps(0)) == axis.size and axis.dilation == 1))


def _divisor_of_one(axis: Axis, divisor: str) -> int:
    """What an axis with one window adds to the divisor."""
    return {"padded": len(axis.padded_taps(0)), "real": len(axis.taps(0)), "one": 1}[divisor]


def _merged(lines: Iterable[Line], divisor: str, adaptive: bool, padded: bool) -> tuple[tuple[Line, ...], int]:
    """Take rows that follow each other in memory, and in every window, for one long row; and their divisor.

    Unless rows may be `padded`, they are those that a window has no taps beside.
    """
    (depth, height, width), factor = lines, 1
    for _ in range(2):
        scale = width.axis.size * width.scale
        adjacent = height.axis.dilation == 1 and height.x_step == scale * width.x_step
        fits = padded or width.axis.kernel == width.axis.size
        if not (adjacent and fits and _is_whole(width.axis, adaptive)):
            break
        factor *= _divisor_of_one(width.axis, divisor)
        width = Line(height.axis, scale, width.x_step, height.y_step)
        depth, height = _NO_LINE, depth
    return (depth, height, width), factor


def _lines(
    geometry: Geometry, x_strides: tuple[int, ...], y_strides: tuple[int, ...], divisor: str, padded: bool
) -> tuple[tuple[Line, ...], int]:
    """Axes of the windows as they lie in memory, see `_merged`."""
    found = zip(_axes(geometry), by_axis(x_strides)[2:], by_axis(y_strides)[2:])
    lines = (Line(axis, 1, x, y) for axis, x, y in found)
    return _merged(lines, divisor, isinstance(geometry, AdaptiveGeometry), padded)


@plan_cache(1024)
def _plan_maxima(
    geometry: Geometry, x_strides: tuple[int, ...], y_strides: tuple[int, ...], form: str, itemsize: int, keeps: str,
    threads: int,
) -> WindowPlan:  # fmt: skip
    """Plan with the table of maxima, where taps that are not on cells count as places, not as positions."""
    padded = keeps != "place"
    lines, _ = _lines(geometry, x_strides, y_strides, "one", padded)
    axes, scales, x_along, y_along = zip(*lines)
    table = maxima_table(axes, x_along, y_along, form, min(_CHANNEL_BLOCK, geometry.channels), itemsize, keeps, scales)
    return _plan(geometry, x_strides, y_strides, "one", threads, padded).with_table(table)


@plan_cache(1024)
def _plan(
    geometry: Geometry, x_strides: tuple[int, ...], y_strides: tuple[int, ...], divisor: str, threads: int,
    padded: bool = True, gradient: bool = False,
) -> WindowPlan:  # fmt: skip
    """Plan over x, the plane-sized array, and y, the window-sized one; for `padded` see `_merged`."""
    (x_n, x_c, *_), (y_n, y_c, *_) = by_axis(x_strides), by_axis(y_strides)
    adaptive = isinstance(geometry, AdaptiveGeometry)
    same = 0 if isinstance(geometry, AdaptiveGeometry) else same_divisor(geometry.axes, divisor)
    lines, factor = _lines(geometry, x_strides, y_strides, divisor, padded)
    work = geometry.batch * geometry.channels * _taps(geometry)
    if work < SERIAL_TAPS:
        threads = 1
    block = min(_CHANNEL_BLOCK, geometry.channels)
    scratch_bytes = apart(LANE_SUMS * block * 8)
    if gradient:  # cells are written whole, but for what other threads have of an image
        block = channel_block(geometry.batch, geometry.channels, threads)
        scratch_bytes = apart(block * 8)
    axes, scales, x_along, y_along = zip(*lines)
    arguments = window_arguments(
        (x_n, x_c, *x_along), (y_n, y_c, *y_along), axes, divisor, BATCH=geometry.batch, CHANNELS=geometry.channels,
        CHANNEL_BLOCK=block, SAME=same, FACTOR=factor, ADAPTIVE=int(adaptive), SCRATCH_STRIDE=scratch_bytes,
        TASKS=threads, STOP=prod(geometry.out), **dict(zip(("SCALE_D", "SCALE_H", "SCALE_W"), scales)),
    )  # fmt: skip
    rows = geometry.batch * geometry.channels * axes[0].out * axes[1].out
    return WindowPlan(arguments, threads, scratch_bytes, work, rows)


def _taps(geometry: Geometry) -> int:
    """Cells that the windows of a plane read, about as many."""
    if isinstance(geometry, WindowGeometry):
        return geometry.windows * geometry.taps
    return prod(map(max, geometry.size, geometry.out))


def _in_best_order(x: Array, geometry: Geometry, most_taps: float) -> Array:
    """Return an array of planes in the memory order that windows of so many taps are reduced in."""
    if not isinstance(geometry, AdaptiveGeometry) or geometry.channels < FEW_CHANNELS:
        return x
    taps = prod(-(-size // out) for size, out in zip(geometry.size, geometry.out))
    return channels_last(x) if taps <= most_taps else x


def avg_per_window(x: Array, geometry: Geometry, divisor: str = "real") -> Array:
    """Means of the windows, in the memory order of x, or channels-last."""
    x = _in_best_order(x, geometry, _FEW_TAPS)
    last = not x.flags.c_contiguous and is_channels_last(x)
    y: Array = (empty_channels_last if last else np.empty)(geometry.output_shape, x.dtype)
    if geometry.batch:
        plan = _plan(geometry, x.strides, y.strides, divisor, get_num_threads())
        form = form_of(geometry.channels, channels_last=last)
        launch_windows(AVG_PER_WINDOW[form].address(x.itemsize), plan, x, y, scratch=True, cut=_FORWARD[form])
    return y


def max_per_window(x: Array, geometry: Geometry, keeps: str) -> tuple[Array, Array | None]:
    """Maxima in the memory order of x, or channels-last, and what is kept of them, of the keys of `KEPT`."""
    x = _in_best_order(x, geometry, inf)
    last = not x.flags.c_contiguous and is_channels_last(x)
    y, kept = empty_maxima(geometry.output_shape, x.dtype, keeps, channels_last=last)
    if geometry.batch:
        form = form_of(geometry.channels, channels_last=last)
        plan = _plan_maxima(geometry, x.strides, y.strides, form, x.itemsize, keeps, get_num_threads())
        kernel, index = MAX_PER_WINDOW[form].address(x.itemsize), 0 if kept is None else address(kept)
        launch_windows(kernel, plan, x, y, index=index, cut=_FORWARD[form])
    return y, kept


@plan_cache(1024)
def _side_by_side(geometry: Geometry) -> bool:
    """Whether every cell is in exactly one window."""
    if isinstance(geometry, AdaptiveGeometry):
        return geometry.windows is not None
    return all(
        axis.before == 0 and axis.dilation == 1 and axis.kernel == axis.stride and axis.out * axis.stride == axis.size
        for axis in geometry.axes
    )


def avg_gradient_per_window(dy: Array, geometry: Geometry, divisor: str = "real") -> Array:
    """Gradient of the means: every gradient is shared by the cells of its window."""
    dy = _in_best_order(dy, geometry, _FEW_TAPS)
    last = dy.shape[1] > 1 and is_channels_last(dy)  # of one cell a plane too: what reads dx likes it better
    fill = _side_by_side(geometry)
    dx: Array = (empty_channels_last if last else np.empty)(geometry.input_shape, dy.dtype)
    if geometry.batch:
        plan = _plan(geometry, dx.strides, dy.strides, divisor, get_num_threads(), gradient=True)
        form = form_of(geometry.channels, channels_last=last)
        kernel = AVG_GRADIENT_PER_WINDOW[form].address(dy.itemsize, fill)
        launch_windows(kernel, plan, dx, dy, scratch=form == "lanes", cut=BY_SPAN)
    return dx

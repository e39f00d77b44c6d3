"""Max, average and adaptive pooling on the fast engine, tap by tap, or by window where that is shorter or safer.

Where a window has many taps, it is done along one axis after the other; see `pool.separable`.
"""

from __future__ import annotations

from dataclasses import replace
from math import gcd, prod

import numpy as np

from fastconv.backends.base import Array
from fastconv.backends.fast.conv.passes import three_axes
from fastconv.backends.fast.machine.launch import address
from fastconv.backends.fast.memory.copying import in_order
from fastconv.backends.fast.memory.layout import (
    channels_last,
    empty_channels_last,
    is_channels_last,
)
from fastconv.backends.fast.memory.plan_cache import plan_cache
from fastconv.backends.fast.pool.avg_gradient_kernel import AVG_GRADIENT
from fastconv.backends.fast.pool.avg_pool_kernel import AVG_POOL
from fastconv.backends.fast.pool.indices import max_unpool_backward
from fastconv.backends.fast.pool.max_pool_kernel import MAX_POOL
from fastconv.backends.fast.pool.maxima_table import maxima_table
from fastconv.backends.fast.pool.per_window import avg_gradient_per_window, avg_per_window, max_per_window
from fastconv.backends.fast.pool.separable import Lines, passes_of_maxima, passes_of_means
from fastconv.backends.fast.pool.windows import (
    BY_TASKS,
    FEW_CHANNELS,
    WindowPlan,
    by_axis,
    empty_maxima,
    form_of,
    launch_windows,
    plan_windows,
    sums_first,
)
from fastconv.backends.geometry import AdaptiveGeometry, Axis, WindowGeometry
from fastconv.backends.settings import get_num_threads

_SHORT_BYTES = 32  # the same for maxima: windows that fill no vector
_SHORT_ROW = 16  # windows of a row below which rows are not worth a loop: channels are, after a change of order
# Taps, by the bytes of a number, from which on a sum in one float64 number could be off by more than 64 eps.
_MANY_TAPS = {8: 120, 4: 512}
_MANY_SHARES = 120  # the same for the gradients that a cell adds up, in its own dtype


def _window_by_window(geometry: WindowGeometry, itemsize: int = 4, passes: int = 1) -> bool:
    """Whether windows are reduced one by one: they are long and few, or too long for one sum of such numbers.

    So are those of one of several passes, whose errors add up. It depends on the geometry and the dtype alone, so that
    the order of a sum does.
    """
    return geometry.taps * passes >= _MANY_TAPS[itemsize] or geometry.kernel[-1] >= 2 * geometry.out[-1]


def in_best_order(x: Array, geometry: WindowGeometry) -> Array:
    """Return an array of planes in the memory order that its windows are reduced in."""
    if geometry.out[-1] >= _SHORT_ROW or geometry.channels < FEW_CHANNELS or _window_by_window(geometry):
        return x
    return channels_last(x)


def max_pool(x: Array, geometry: WindowGeometry, return_indices: bool) -> tuple[Array, Array | None]:
    """Maxima and their positions, channels-last or as planes."""
    return maxima(x, geometry, "index" if return_indices else "value")


def maxima(x: Array, geometry: WindowGeometry, keeps: str) -> tuple[Array, Array | None]:
    """Maxima, and what is kept of them, of the keys of `KEPT`; numbers of taps, which are few, in one pass."""
    passes = passes_of_maxima(geometry, keeps) if keeps != "place" else ()
    y, kept = _maxima(x, passes[0].geometry if passes else geometry, keeps)
    for each in passes[1:]:
        lines = Lines.of(y, each.along)
        best, places = _maxima(lines.array, each.over(lines.array), keeps)
        if kept is not None and places is not None:
            found = max_unpool_backward(Lines.of(kept, each.along).array.view(np.float64), places)
            kept = lines.planes(found.view(np.int64))
        y = lines.planes(best)
    return y, kept


def _maxima(x: Array, geometry: WindowGeometry, keeps: str) -> tuple[Array, Array | None]:
    """Maxima in one pass."""
    if _window_by_window(geometry):
        return max_per_window(x, geometry, keeps)
    if geometry.channels >= FEW_CHANNELS and _inner_windows(geometry.axes[-1]) * x.itemsize < _SHORT_BYTES:
        x = channels_last(x)
    last = is_channels_last(x)
    y, kept = empty_maxima(geometry.output_shape, x.dtype, keeps, channels_last=last)
    if geometry.batch:
        form = form_of(geometry.channels, channels_last=last)
        plan = _plan_maxima(geometry, x.strides, y.strides, form, x.itemsize, keeps, get_num_threads())
        launch_windows(MAX_POOL[form].address(x.itemsize), plan, x, y, index=0 if kept is None else address(kept))
    return y, kept


@plan_cache(1024)
def _plan_maxima(
    geometry: WindowGeometry, x_strides: tuple[int, ...], y_strides: tuple[int, ...], form: str, itemsize: int,
    keeps: str, threads: int,
) -> WindowPlan:  # fmt: skip
    """Plan with the table of maxima."""
    steps = by_axis(x_strides)[2:], by_axis(y_strides)[2:]
    table = maxima_table(three_axes(geometry.axes), *steps, form, geometry.channels, itemsize, keeps)
    return plan_windows(geometry, x_strides, y_strides, "one", threads).with_table(table)


def _inner_windows(axis: Axis) -> int:
    """Windows of a row all of whose taps are on cells."""
    first = -(-axis.before // axis.stride)
    return max(0, min(axis.out, (axis.size - axis.extent + axis.before) // axis.stride + 1) - first)


def avg_pool(x: Array, geometry: WindowGeometry, count_include_pad: bool) -> Array:
    """Means of the windows."""
    return _means(x, geometry, "padded" if count_include_pad else "real")


def window_sums(x: Array, geometry: WindowGeometry) -> Array:
    """Sums of the windows."""
    return _means(x, geometry, "one")


def _means(x: Array, geometry: WindowGeometry, divisor: str) -> Array:
    passes = passes_of_means(geometry)
    if not passes:
        return _means_at_once(x, geometry, divisor)
    x = x if is_channels_last(x) else in_order(x)
    for each in passes:
        lines = Lines.of(x, each.along)
        x = lines.planes(_means_at_once(lines.array, each.over(lines.array), divisor, len(passes)))
    return x


def _means_at_once(x: Array, geometry: WindowGeometry, divisor: str, passes: int = 1) -> Array:
    """Means in one pass, or in one of several."""
    if _window_by_window(geometry, x.itemsize, passes):
        return avg_per_window(x, geometry, divisor)
    x = in_best_order(x, geometry)
    last = is_channels_last(x)
    y: Array = (empty_channels_last if last else np.empty)(geometry.output_shape, x.dtype)
    if geometry.batch:
        plan = plan_windows(geometry, x.strides, y.strides, divisor, get_num_threads())
        form = form_of(geometry.channels, channels_last=last)
        launch_windows(AVG_POOL[form].address(x.itemsize), plan, x, y, scratch=form == "plane")
    return y


def avg_pool_backward(dy: Array, geometry: WindowGeometry, count_include_pad: bool) -> Array:
    """Every gradient is shared by the cells of its window."""
    return _shares(dy, geometry, "padded" if count_include_pad else "real")


def window_sums_backward(dy: Array, geometry: WindowGeometry) -> Array:
    """Every gradient goes to all cells of its window."""
    return _shares(dy, geometry, "one")


def _shares(dy: Array, geometry: WindowGeometry, divisor: str) -> Array:
    """Give every gradient, over its divisor, to the cells of its window.

    A cell adds up the shares of all windows that overlap there. Where these are too many for one sum, one axis is done
    after the other, which is the same, as divisors are products too; and along one axis every other window.
    """
    if _shares_of_cell(geometry) <= _MANY_SHARES:
        return _share_out(dy, geometry, divisor)
    long = [i for i, axis in enumerate(geometry.axes) if axis.kernel > 1]
    if len(long) > 1:
        for i in reversed(long):
            dy = _shares(dy, _along(geometry, dy.shape[2:], i), divisor)
        return dy
    (i,) = long
    return _halves(_over_divisors(dy, geometry.axes[i], i, divisor), geometry, i)


@plan_cache(1024)
def _shares_of_cell(geometry: WindowGeometry) -> int:
    """Windows that have a cell in common, at most, along all axes."""
    return prod(map(_overlap, geometry.axes))


def _overlap(axis: Axis) -> int:
    """Windows that have a cell in common, at most."""
    return min(axis.out, -(-axis.kernel * gcd(axis.stride, axis.dilation) // axis.stride))


def _along(geometry: WindowGeometry, shape: tuple[int, ...], i: int) -> WindowGeometry:
    """Windows along axis i of planes of gradients, of which `shape` are the sizes."""
    axes = [Axis(size, 1, 1, 1, 0, 0, size) for size in shape]
    axes[i] = geometry.axes[i]
    return WindowGeometry(tuple(axes), geometry.batch, geometry.channels)


def _over_divisors(dy: Array, axis: Axis, i: int, divisor: str) -> Array:
    """Gradients over what the means of their windows are divided by, along axis i: the same but for the edges."""
    if divisor == "one":
        return dy
    low, high = (-axis.before, axis.size + axis.after) if divisor == "padded" else (0, axis.size)
    share: Array = dy / dy.dtype.type(axis.kernel)
    first = min(max(0, -(-(low + axis.before) // axis.stride)), axis.out)
    stop = max(first, min(axis.out, (high - axis.extent + axis.before) // axis.stride + 1))
    for o in (*range(first), *range(stop, axis.out)):
        window = (slice(None),) * (2 + i) + (o,)
        share[window] = dy[window] / dy.dtype.type(max(len(axis.taps(o, low, high)), 1))
    return share


def _halves(share: Array, geometry: WindowGeometry, i: int) -> Array:
    """Shares along axis i, of every other window, and of the rest."""
    axis = geometry.axes[i]
    if _overlap(axis) <= _MANY_SHARES:
        return _share_out(share, geometry, "one")
    dx: Array | None = None
    for first in (0, 1):
        skipped = max(0, first * axis.stride - axis.before)  # cells before the first window
        before = max(0, axis.before - first * axis.stride)
        some = share[(slice(None),) * (2 + i) + (slice(first, None, 2),)]
        half = replace(axis, size=axis.size - skipped, stride=2 * axis.stride, before=before, out=some.shape[2 + i])
        axes = (*geometry.axes[:i], half, *geometry.axes[i + 1 :])
        part = _halves(some, WindowGeometry(axes, geometry.batch, geometry.channels), i)
        if dx is None:
            dx = part
        else:
            cells = (slice(None),) * (2 + i) + (slice(skipped, None),)
            with np.errstate(all="ignore"):
                dx[cells] += part
    assert dx is not None
    return dx


def _share_out(dy: Array, geometry: WindowGeometry, divisor: str) -> Array:
    if _window_by_window(geometry):
        return avg_gradient_per_window(dy, geometry, divisor)
    dy = in_best_order(dy, geometry)
    last = is_channels_last(dy)
    dx: Array = (empty_channels_last if last else np.empty)(geometry.input_shape, dy.dtype)
    if geometry.batch:
        plan = plan_windows(geometry, dx.strides, dy.strides, divisor, get_num_threads())
        form = form_of(geometry.channels, channels_last=last)
        scratch = form == "plane" or not sums_first(geometry, divisor)
        launch_windows(AVG_GRADIENT[form].address(dy.itemsize), plan, dx, dy, scratch=scratch, cut=BY_TASKS)
    return dx


def adaptive_avg_pool(x: Array, geometry: AdaptiveGeometry) -> Array:
    """Means of the windows."""
    if geometry.windows is not None:
        return avg_pool(x, geometry.windows, count_include_pad=False)
    return avg_per_window(x, geometry)


def adaptive_avg_pool_backward(dy: Array, geometry: AdaptiveGeometry) -> Array:
    """Every gradient is shared by the cells of its window."""
    if geometry.windows is not None:
        return avg_pool_backward(dy, geometry.windows, count_include_pad=False)
    return avg_gradient_per_window(dy, geometry)


def adaptive_max_pool(x: Array, geometry: AdaptiveGeometry, return_indices: bool) -> tuple[Array, Array | None]:
    """Maxima and their positions."""
    if geometry.windows is not None:
        return max_pool(x, geometry.windows, return_indices)
    return max_per_window(x, geometry, "index" if return_indices else "value")

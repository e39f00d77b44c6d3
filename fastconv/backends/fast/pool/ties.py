"""The gradient of max pooling for all maxima of a window, or shared by them, on the fast engine."""

from __future__ import annotations

from fastconv.backends.base import Array
from fastconv.backends.fast.conv.passes import three_axes
from fastconv.backends.fast.machine.launch import address, by_span, launch
from fastconv.backends.fast.memory.copying import empty_in_order_of, in_order
from fastconv.backends.fast.memory.layout import channels_last, is_channels_last
from fastconv.backends.fast.memory.plan_cache import plan_cache
from fastconv.backends.fast.pool.ties_kernel import MAX_POOL_TIES, TIES
from fastconv.backends.fast.pool.windows import FEW_CHANNELS, SERIAL_TAPS, by_axis, channel_block, window_entries
from fastconv.backends.geometry import WindowGeometry
from fastconv.backends.settings import get_num_threads

_SHORT_BYTES = 32  # of a row of windows: below it, channels are the better loop, after a change of order
_ARRAYS = [TIES.index[name] for name in ("X", "Y", "DX")]
_BY_SPAN = by_span(TIES)


@plan_cache(1024)
def _plan(
    geometry: WindowGeometry, x_strides: tuple[int, ...], y_strides: tuple[int, ...], lanes: bool, ties: str,
    threads: int,
) -> tuple[Array, int, int]:  # fmt: skip
    """Argument block over x, the plane-sized array, and y, the window-sized one; the threads, and the work."""
    work = geometry.batch * geometry.channels * geometry.windows * geometry.taps
    if work < SERIAL_TAPS:
        threads = 1
    block = channel_block(geometry.batch, geometry.channels, threads) if lanes else 1
    entries = window_entries(
        by_axis(x_strides), by_axis(y_strides), three_axes(geometry.axes), "one", BATCH=geometry.batch,
        CHANNELS=geometry.channels, CHANNEL_BLOCK=block, TASKS=threads, STOP=geometry.windows, DX=0,
        SPLIT=int(ties == "split"),
    )  # fmt: skip
    return TIES.fill(**entries), threads, work


def max_pool_ties_backward(dy: Array, x: Array, geometry: WindowGeometry, ties: str) -> Array:
    """Every gradient goes to all cells that have the maximum of its window, or is shared by them."""
    many = geometry.channels >= FEW_CHANNELS
    lanes = many and (is_channels_last(x) or geometry.out[-1] * x.itemsize < _SHORT_BYTES)
    x, dy = ((channels_last if lanes else in_order)(each) for each in (x, dy))
    dx = empty_in_order_of(x, x.shape)
    if geometry.batch:
        arguments, threads, work = _plan(geometry, x.strides, dy.strides, lanes, ties, get_num_threads())
        arguments = arguments.copy()
        arguments[_ARRAYS] = [address(array) for array in (x, dy, dx)]
        kernel = MAX_POOL_TIES["lanes" if lanes else "plane"].address(x.itemsize)
        launch(kernel, arguments, threads, threads, work, _BY_SPAN)
    return dx

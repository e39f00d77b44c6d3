"""Means of windows one by one (see `pool.windows_kernel`), and their gradient.

The taps of a window, counted in row-major order, go to eight sums in turn; every 1,024 taps these are added up and go
to a total that keeps what rounding cuts off (Ogita, Rump and Oishi, 2005, "Accurate sum and dot product", algorithm
4.1). So a mean over any number of cells has an error of a few eps, and the same order in both forms: *lanes*, for
channels-last memory, and *plane*, for any other.
"""

from __future__ import annotations

import numpy as np

from fastconv.backends.fast.machine.intrinsics import (
    clear_bytes,
    load,
    load_at,
    load_double,
    size_of,
    store_double,
    store_number,
    store_number_at,
)
from fastconv.backends.fast.machine.jit import helper
from fastconv.backends.fast.machine.kernel import kernel
from fastconv.backends.fast.machine.runs import GROUP, sum_groups
from fastconv.backends.fast.pool.windows_kernel import WINDOWS, D, H, W, block_at, columns, divisor, row_at, span

CHUNK = 896  # taps, a multiple of GROUP: 112 for each of its sums, whose rounding is bounded by that
LANE_SUMS = GROUP + 2  # float64 numbers per channel that the lanes need: eight sums, the total, what was cut off


@helper
def _fold_half(x, step):
    return (load_double(x, 0) + load_double(x, step)) + (load_double(x, 2 * step) + load_double(x, 3 * step))


@helper
def _fold(sums, step):
    """Sum of eight numbers `step` apart."""
    return _fold_half(sums, step) + _fold_half(sums + 32 * step, step)


@helper
def _two_sum(total, lost, value):
    """(total + value, lost + what rounding cuts off there)."""
    more = total + value
    back = more - total
    return more, lost + ((total - (more - back)) + (value - back))


@helper
def _rounded(total, lost):
    """The total with what was cut off; that is NaN where the total is infinite."""
    both = total + lost
    return both if both == both else total


@helper
def _add_run(sums, tap, x, step, count, number):
    """Add a run of cells to eight sums in turn, beginning with number ``tap % 8``."""
    i = 0
    while i < count and (tap + i) % GROUP:
        place = (tap + i) % GROUP
        store_double(sums, place, load_double(sums, place) + np.float64(load(x + i * step, number)))
        i += 1
    groups = (count - i) // GROUP
    if step == size_of(number) and groups > 0:
        sum_groups(number, sums, x + i * step, groups)
        i += groups * GROUP
    while i < count:
        place = (tap + i) % GROUP
        store_double(sums, place, load_double(sums, place) + np.float64(load(x + i * step, number)))
        i += 1


@helper
def _window_plane(plane, sums, spans, number):
    """Sum of one window of one channel."""
    (d0, depth, d_step, _), (h0, height, h_step, _), (w0, width, w_step, _) = spans
    total, lost, tap = 0.0, 0.0, 0
    clear_bytes(sums, 8 * GROUP)
    for kd in range(depth):
        for kh in range(height):
            row, done = plane + d0 + kd * d_step + h0 + kh * h_step + w0, 0
            while done < width:
                some = min(width - done, CHUNK - tap)
                _add_run(sums, tap, row + done * w_step, w_step, some, number)
                done += some
                tap += some
                if tap == CHUNK:
                    total, lost = _two_sum(total, lost, _fold(sums, 1))
                    clear_bytes(sums, 8 * GROUP)
                    tap = 0
    total, lost = _two_sum(total, lost, _fold(sums, 1))
    return _rounded(total, lost)


@helper
def _fold_lanes(sums, channels):
    """Add the eight sums of every channel to its total, and clear them."""
    total, lost = sums + GROUP * channels * 8, sums + (GROUP + 1) * channels * 8
    for c in range(channels):
        more, cut = _two_sum(load_double(total, c), load_double(lost, c), _fold(sums + c * 8, channels))
        store_double(total, c, more)
        store_double(lost, c, cut)
    clear_bytes(sums, GROUP * channels * 8)


@helper
def _window_lanes(plane, sums, channels, spans, number):
    """Sums of one window, of some channels: left at ``sums + 64 * channels``."""
    (d0, depth, d_step, _), (h0, height, h_step, _), (w0, width, w_step, _) = spans
    tap = 0
    clear_bytes(sums, LANE_SUMS * channels * 8)
    for kd in range(depth):
        for kh in range(height):
            row = plane + d0 + kd * d_step + h0 + kh * h_step + w0
            for kw in range(width):
                x, place = row + kw * w_step, sums + tap % GROUP * channels * 8
                for c in range(channels):
                    store_double(place, c, load_double(place, c) + np.float64(load_at(x, c, number)))
                tap += 1
                if tap == CHUNK:
                    _fold_lanes(sums, channels)
                    tap = 0
    _fold_lanes(sums, channels)
    total, lost = sums + GROUP * channels * 8, sums + (GROUP + 1) * channels * 8
    for c in range(channels):
        store_double(total, c, _rounded(load_double(total, c), load_double(lost, c)))


@kernel(WINDOWS)
def avg_per_window_lanes(args, task, number):
    """Means of some windows, a block of channels at once."""
    step, tasks = args.CHANNEL_BLOCK, args.TASKS
    blocks = (args.CHANNELS + step - 1) // step
    items = args.BATCH * args.OUT_D * args.OUT_H * args.OUT_W * blocks
    sums = args.SCRATCH + task * args.SCRATCH_STRIDE
    for i in range(items * task // tasks, items * (task + 1) // tasks):
        plane, here, channels, od, oh, ow = block_at(args, i, blocks, number)
        spans = span(args, D, od), span(args, H, oh), span(args, W, ow)
        _window_lanes(plane, sums, channels, spans, number)
        count, total = divisor(args, *spans, od, oh, ow), sums + GROUP * channels * 8
        for c in range(channels):
            store_number_at(args.Y + here, c, load_double(total, c) / count if count else np.nan, number)


@kernel(WINDOWS)
def avg_per_window_plane(args, task, number):
    """Means of some windows of one channel."""
    height, tasks = args.OUT_H, args.TASKS
    rows = args.BATCH * args.CHANNELS * args.OUT_D * height
    sums = args.SCRATCH + task * args.SCRATCH_STRIDE
    for row in range(rows * task // tasks, rows * (task + 1) // tasks):
        plane, here, od, oh = row_at(args, row)
        depths, heights = span(args, D, od), span(args, H, oh)
        for ow in range(*columns(args, od * height + oh)):
            widths = span(args, W, ow)
            count = divisor(args, depths, heights, widths, od, oh, ow)
            total = _window_plane(plane, sums, (depths, heights, widths), number)
            store_number(args.Y + here + ow * args.Y_W, total / count if count else np.nan, number)


AVG_PER_WINDOW = {"lanes": avg_per_window_lanes, "plane": avg_per_window_plane}

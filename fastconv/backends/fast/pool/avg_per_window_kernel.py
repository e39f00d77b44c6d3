"""Means of windows one by one (see `pool.windows_kernel`), and their gradient.

Every row of taps goes to eight sums in turn; before one of them has more than 112 taps, they are added up and go to a
total that keeps what rounding cuts off (Ogita, Rump and Oishi, 2005, "Accurate sum and dot product", algorithm 4.1). So
a mean over any number of cells has an error of a few eps, and the same order in both forms: *lanes*, for channels-last
memory, and *plane*, for any other. Windows without such a total, most of them, are summed in registers.
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
from fastconv.backends.fast.pool.channel_sums_kernel import scale_of, scaled
from fastconv.backends.fast.pool.window_sums_kernel import PAIRS, VECTOR, sum_window, sum_window_of_channels
from fastconv.backends.fast.pool.windows_kernel import WINDOWS, D, H, W, block_at, columns, divisor, row_of, span

MOST = 112  # taps of each of the eight sums, whose rounding is bounded by that
CHUNK = MOST * GROUP  # taps of a row
_NO_SPAN = (0, 0, 0, 0)
LANE_SUMS = GROUP + 2  # float64 numbers per channel that the lanes need: eight sums, the total, what was cut off


@helper
def _fold(sums, step):
    """Sum of eight numbers `step` apart."""
    even = (load_double(sums, 0) + load_double(sums, 4 * step)) + (
        load_double(sums, 2 * step) + load_double(sums, 6 * step)
    )
    odd = (load_double(sums, step) + load_double(sums, 5 * step)) + (
        load_double(sums, 3 * step) + load_double(sums, 7 * step)
    )
    return even + odd


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
def _add_run(sums, x, step, count, number):
    """Add a run of cells to eight sums in turn, beginning with the first."""
    groups, done = count // GROUP, 0
    if step == size_of(number) and groups > 0:
        sum_groups(number, sums, x, groups)
        done = groups * GROUP
    for i in range(done, count):
        store_double(sums, i % GROUP, load_double(sums, i % GROUP) + np.float64(load(x + i * step, number)))


@helper
def _is_short(spans):
    """Whether no sum of a window has more than `MOST` taps, and it has any."""
    rows, width = spans[0][1] * spans[1][1], spans[2][1]
    return 0 < rows * width and rows * ((width + GROUP - 1) // GROUP) <= MOST


@helper
def _taps(spans):
    (_, depth, d_step, _), (_, height, h_step, _), (_, width, w_step, _) = spans
    return depth, d_step, height, h_step, width, w_step


@helper
def _window_plane(plane, sums, spans, number):
    """Sum of one window of one channel."""
    (d0, depth, d_step, _), (h0, height, h_step, _), (w0, width, w_step, _) = spans
    if w_step == size_of(number) and _is_short(spans):
        return sum_window(number, plane + d0 + h0 + w0, _taps(spans))
    total, lost, most = 0.0, 0.0, 0
    clear_bytes(sums, 8 * GROUP)
    for kd in range(depth):
        for kh in range(height):
            row, done = plane + d0 + kd * d_step + h0 + kh * h_step + w0, 0
            while done < width:
                some = min(width - done, CHUNK)
                most += (some + GROUP - 1) // GROUP
                if most > MOST:
                    total, lost = _two_sum(total, lost, _fold(sums, 1))
                    clear_bytes(sums, 8 * GROUP)
                    most = (some + GROUP - 1) // GROUP
                _add_run(sums, row + done * w_step, w_step, some, number)
                done += some
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
    """Sum of one window, of some channels: left at ``sums + 64 * channels``."""
    (d0, depth, d_step, _), (h0, height, h_step, _), (w0, width, w_step, _) = spans
    total, lost = sums + GROUP * channels * 8, sums + (GROUP + 1) * channels * 8
    if channels >= VECTOR and _is_short(spans):
        done, x, taps = 0, plane + d0 + h0 + w0, _taps(spans)
        while PAIRS and done + 2 * VECTOR <= channels:
            sum_window_of_channels(2, number, x + done * size_of(number), total + 8 * done, taps)
            done += 2 * VECTOR
        while done < channels:
            done = min(done, channels - VECTOR)
            sum_window_of_channels(1, number, x + done * size_of(number), total + 8 * done, taps)
            done += VECTOR
        return
    most = 0
    clear_bytes(sums, LANE_SUMS * channels * 8)
    for kd in range(depth):
        for kh in range(height):
            row = plane + d0 + kd * d_step + h0 + kh * h_step + w0
            for kw in range(width):
                if kw % CHUNK == 0:
                    more = (min(width - kw, CHUNK) + GROUP - 1) // GROUP
                    if most + more > MOST:
                        _fold_lanes(sums, channels)
                        most = 0
                    most += more
                x, place = row + kw * w_step, sums + kw % GROUP * channels * 8
                for c in range(channels):
                    store_double(place, c, load_double(place, c) + np.float64(load_at(x, c, number)))
    _fold_lanes(sums, channels)
    for c in range(channels):
        store_double(total, c, _rounded(load_double(total, c), load_double(lost, c)))


@kernel(WINDOWS)
def avg_per_window_lanes(args, task, number):
    """Means of some windows, a block of channels at once."""
    step, tasks = args.CHANNEL_BLOCK, args.TASKS
    blocks = (args.CHANNELS + step - 1) // step
    items = args.BATCH * args.OUT_D * args.OUT_H * args.OUT_W * blocks
    sums = args.SCRATCH + task * args.SCRATCH_STRIDE
    found, spans, count = (-1, -1, -1), (_NO_SPAN, _NO_SPAN, _NO_SPAN), 0
    for i in range(items * task // tasks, items * (task + 1) // tasks):
        plane, here, channels, od, oh, ow = block_at(args, i, blocks, number)
        if found != (od, oh, ow):
            spans = span(args, D, od), span(args, H, oh), span(args, W, ow)
            found, count = (od, oh, ow), divisor(args, *spans, od, oh, ow)
        _window_lanes(plane, sums, channels, spans, number)
        scale, total = scale_of(count, number), sums + GROUP * channels * 8
        if count:
            for c in range(channels):
                store_number_at(args.Y + here, c, scaled(load_double(total, c), scale, number), number)
        else:
            for c in range(channels):
                store_number_at(args.Y + here, c, np.nan, number)


@kernel(WINDOWS)
def avg_per_window_plane(args, task, number):
    """Means of some windows of one channel."""
    height, depth, channels, tasks = args.OUT_H, args.OUT_D, args.CHANNELS, args.TASKS
    rows = args.BATCH * channels * depth * height
    sums = args.SCRATCH + task * args.SCRATCH_STRIDE
    row, last = rows * task // tasks, rows * (task + 1) // tasks
    n, c, od, oh = row_of(args, row)
    found, spans, count = (-1, -1, -1), (_NO_SPAN, _NO_SPAN, _NO_SPAN), 0
    while row < last:
        plane = args.X + n * args.X_N + c * args.X_C
        here = args.Y + n * args.Y_N + c * args.Y_C + od * args.Y_D + oh * args.Y_H
        start, stop = columns(args, od * height + oh)
        for ow in range(start, stop):
            if found != (od, oh, ow):  # planes of one window each have the same
                spans = span(args, D, od), span(args, H, oh), span(args, W, ow)
                found, count = (od, oh, ow), divisor(args, *spans, od, oh, ow)
            total = _window_plane(plane, sums, spans, number)
            mean = scaled(total, scale_of(count, number), number) if count else np.nan
            store_number(here + ow * args.Y_W, mean, number)
        row += 1
        oh += 1  # a division takes as long as a short window
        if oh == height:
            oh, od = 0, od + 1
        if od == depth:
            od, c = 0, c + 1
        if c == channels:
            c, n = 0, n + 1


AVG_PER_WINDOW = {"lanes": avg_per_window_lanes, "plane": avg_per_window_plane}

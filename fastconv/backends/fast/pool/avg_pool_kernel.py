"""Average pooling, in the two forms of `pool.max_pool_kernel`, and what its gradient shares. Sums are in float64."""

from __future__ import annotations

import numpy as np

from fastconv.backends.fast.machine.intrinsics import (
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
from fastconv.backends.fast.pool.channel_sums_kernel import scale_of, scaled, sums_of_channels
from fastconv.backends.fast.pool.every_second_kernel import GROUP_BYTES, add_every_second
from fastconv.backends.fast.pool.windows_kernel import (
    WINDOWS,
    D,
    H,
    W,
    columns,
    counted,
    inside,
    row_at,
    whole,
    window,
)


@helper
def row_count(args, od, oh):
    """Divisor of the averages of one row, but for the width where divisors differ."""
    return args.SAME or counted(args, D, od) * counted(args, H, oh)


@helper
def _row(args, plane, depths, heights, kd, kh):
    """Address of the row of one tap."""
    d = depths[0] + kd * args.DIL_D
    h = heights[0] + kh * args.DIL_H
    return plane + d * args.X_D + h * args.X_H


@helper
def _pixel_lanes(args, plane, y, count, depths, heights, ow, number):
    """One output position, all channels."""
    channels = args.CHANNELS
    ws, w0, w1 = window(args, W, ow)
    if count and depths[1] < depths[2] and heights[1] < heights[2] and w0 < w1:
        x = _row(args, plane, depths, heights, depths[1], heights[1]) + (ws + w0 * args.DIL_W) * args.X_W
        rows = depths[2] - depths[1], args.DIL_D * args.X_D, heights[2] - heights[1], args.DIL_H * args.X_H
        taps = rows[0], rows[1], rows[2], rows[3], w1 - w0, args.DIL_W * args.X_W
        sums_of_channels(x, y, channels, taps, (1, 0), scale_of(count, number), number)
    else:
        for c in range(channels):
            store_number_at(y, c, 0.0 if count else np.nan, number)


@helper
def _along(totals, x, step, count, number):
    """Add a cell for each window to the totals."""
    done, lanes, item = 0, GROUP_BYTES // size_of(number), size_of(number)
    if step == item:  # indices that LLVM's vectoriser can follow
        for o in range(count):
            store_double(totals, o, load_double(totals, o) + load_at(x, o, number))
        return
    if step == 2 * item and count > lanes:
        add_every_second(totals, x, (count - 1) // lanes, number)
        done = (count - 1) // lanes * lanes
    for o in range(done, count):
        store_double(totals, o, load_double(totals, o) + load(x + o * step, number))


@helper
def _range(args, start, width):
    """Windows of a row from `start` on that are divided by the same number, and what that is along the width."""
    if args.SAME:
        return 0, width, 1
    first, stop = whole(args, W)
    first = min(max(first - start, 0), width)
    return first, max(first, min(stop - start, width)), args.K_W


@helper
def _means(args, y, total, count, start, width, number):
    """`width` means of one row from their totals; `start` is the first, `count` the divisor but for the width."""
    y_step, (first, stop, taps) = args.Y_W, _range(args, start, width)
    divisor = count * taps
    scale = scale_of(divisor, number)
    if y_step == size_of(number) and divisor:
        for o in range(first, stop):
            store_number_at(y, o, scaled(load_double(total, o), scale, number), number)
    else:
        for o in range(first, stop):
            mean = scaled(load_double(total, o), scale, number) if divisor else np.nan
            store_number(y + o * y_step, mean, number)
    for end in range(2):
        for o in range(stop if end else 0, width if end else first):
            divisor = count * counted(args, W, start + o)
            mean = scaled(load_double(total, o), scale_of(divisor, number), number) if divisor else np.nan
            store_number(y + o * y_step, mean, number)


@helper
def shares_of_row(args, y, share, count, start, width, number):
    """The gradients of one row, over their divisors where these differ, as in `_means`."""
    y_step, (first, stop, taps) = args.Y_W, _range(args, start, width)
    divisor = 1 if args.SAME else count * taps
    scale = scale_of(divisor, number)
    if y_step == size_of(number) and divisor:
        for o in range(first, stop):
            store_double(share, o, scaled(load_at(y, o, number), scale, number))
    else:
        for o in range(first, stop):
            store_double(share, o, scaled(load(y + o * y_step, number), scale, number) if divisor else 0.0)
    for end in range(2):
        for o in range(stop if end else 0, width if end else first):
            divisor = count * counted(args, W, start + o)
            value = load(y + o * y_step, number)
            store_double(share, o, scaled(value, scale_of(divisor, number), number) if divisor else 0.0)


@helper
def _row_plane(args, plane, totals, depths, heights, start, width, number):
    """`width` windows of a row of one channel from `start` on, tap by tap: `_along` for every tap."""
    stride, x_step = args.S_W, args.X_W
    for kd in range(depths[1], depths[2]):
        for kh in range(heights[1], heights[2]):
            row = _row(args, plane, depths, heights, kd, kh)
            for kw in range(args.K_W):
                left = start * stride + kw * args.DIL_W - args.PAD_W
                first, stop = inside(left, stride, args.IN_W, width)
                x = row + (left + first * stride) * x_step
                _along(totals + 8 * first, x, stride * x_step, stop - first, number)


@kernel(WINDOWS)
def avg_pool_lanes(args, task, number):
    """Means in some rows of windows, all channels at once."""
    height, depth, tasks = args.OUT_H, args.OUT_D, args.TASKS
    rows = args.BATCH * depth * height
    for row in range(rows * task // tasks, rows * (task + 1) // tasks):
        n = row // (depth * height)
        od, oh = row // height - n * depth, row % height
        depths, heights = window(args, D, od), window(args, H, oh)
        plane = args.X + n * args.X_N
        target = args.Y + n * args.Y_N + od * args.Y_D + oh * args.Y_H
        same, rows_count = args.SAME, row_count(args, od, oh)
        for ow in range(*columns(args, od * height + oh)):
            count = rows_count if same else rows_count * counted(args, W, ow)
            y = target + ow * args.Y_W
            _pixel_lanes(args, plane, y, count, depths, heights, ow, number)


@kernel(WINDOWS)
def avg_pool_plane(args, task, number):
    """Means in some rows of windows of one channel."""
    height, tasks = args.OUT_H, args.TASKS
    rows = args.BATCH * args.CHANNELS * args.OUT_D * height
    total = args.SCRATCH + task * args.SCRATCH_STRIDE
    for row in range(rows * task // tasks, rows * (task + 1) // tasks):
        plane, here, od, oh = row_at(args, row)
        start, stop = columns(args, od * height + oh)
        width, y = stop - start, args.Y + here + start * args.Y_W
        count, depths, heights = row_count(args, od, oh), window(args, D, od), window(args, H, oh)
        if width:
            for o in range(width):
                store_double(total, o, 0.0)
            _row_plane(args, plane, total, depths, heights, start, width, number)
            _means(args, y, total, count, start, width, number)


AVG_POOL = {"lanes": avg_pool_lanes, "plane": avg_pool_plane}

"""Average pooling and its gradient, in the two forms of `pool.max_pool_kernel`. Sums are taken in float64."""

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
from fastconv.backends.fast.pool.every_second_kernel import GROUP_BYTES, add_every_second, spread_to_every_second
from fastconv.backends.fast.pool.windows_kernel import (
    WINDOWS,
    D,
    H,
    W,
    clear,
    columns,
    counted,
    inside,
    row_at,
    whole,
    window,
)


@helper
def _count(args, od, oh):
    """Divisor of the averages of one row, but for the width where divisors differ."""
    return args.SAME or counted(args, D, od) * counted(args, H, oh)


@helper
def _row(args, plane, depths, heights, kd, kh):
    """Address of the row of one tap."""
    d = depths[0] + kd * args.DIL_D
    h = heights[0] + kh * args.DIL_H
    return plane + d * args.X_D + h * args.X_H


@helper
def _pixel_lanes(args, plane, y, total, count, depths, heights, ow, number):
    """One output position, all channels; `total` is scratch memory."""
    channels, dilation, step = args.CHANNELS, args.DIL_W, args.X_W
    ws, w0, w1 = window(args, W, ow)
    for c in range(channels):
        store_double(total, c, 0.0)
    for kd in range(depths[1], depths[2]):
        for kh in range(heights[1], heights[2]):
            row = _row(args, plane, depths, heights, kd, kh)
            for kw in range(w0, w1):
                x = row + (ws + kw * dilation) * step
                for c in range(channels):
                    store_double(total, c, load_double(total, c) + load_at(x, c, number))
    for c in range(channels):
        store_number_at(y, c, load_double(total, c) / count if count else np.nan, number)


@helper
def _pixel_backward(args, plane, y, count, channels, depths, heights, ow, number):
    """One output position, some channels: its share of the gradient to every cell."""
    ws, w0, w1 = window(args, W, ow)
    for kd in range(depths[1], depths[2]):
        for kh in range(heights[1], heights[2]):
            row = _row(args, plane, depths, heights, kd, kh)
            for kw in range(w0, w1):
                x = row + (ws + kw * args.DIL_W) * args.X_W
                for c in range(channels):
                    store_number_at(x, c, load_at(x, c, number) + load_at(y, c, number) / count, number)


@helper
def _along(numbers, x, step, count, backward, number):
    """Add a cell for each window to the totals `numbers`; backward, the shares `numbers` to the cells."""
    for o in range(count):
        cell = x + o * step
        if backward:
            store_number(cell, load(cell, number) + load_double(numbers, o), number)
        else:
            store_double(numbers, o, load_double(numbers, o) + load(cell, number))


@helper
def _dense(numbers, x, every, count, backward, number):
    """`_along` for every first or second number: indices that LLVM's vectoriser can follow."""
    done, lanes = 0, GROUP_BYTES // size_of(number)
    if every == 2 and count > lanes:
        if backward:
            spread_to_every_second(x, numbers, (count - 1) // lanes, number)
        else:
            add_every_second(numbers, x, (count - 1) // lanes, number)
        done = (count - 1) // lanes * lanes
    for o in range(done, count):
        if backward:
            store_number_at(x, o * every, load_at(x, o * every, number) + load_double(numbers, o), number)
        else:
            store_double(numbers, o, load_double(numbers, o) + load_at(x, o * every, number))


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
    if y_step == size_of(number) and divisor:
        for o in range(first, stop):
            store_number_at(y, o, load_double(total, o) / divisor, number)
    else:
        for o in range(first, stop):
            store_number(y + o * y_step, load_double(total, o) / divisor if divisor else np.nan, number)
    for end in range(2):
        for o in range(stop if end else 0, width if end else first):
            divisor = count * counted(args, W, start + o)
            store_number(y + o * y_step, load_double(total, o) / divisor if divisor else np.nan, number)


@helper
def _shares(args, y, share, count, start, width, number):
    """The gradients of one row over their divisors, as in `_means`."""
    y_step, (first, stop, taps) = args.Y_W, _range(args, start, width)
    divisor = count * taps
    if y_step == size_of(number) and divisor:
        for o in range(first, stop):
            store_double(share, o, load_at(y, o, number) / divisor)
    else:
        for o in range(first, stop):
            store_double(share, o, load(y + o * y_step, number) / divisor if divisor else 0.0)
    for end in range(2):
        for o in range(stop if end else 0, width if end else first):
            divisor = count * counted(args, W, start + o)
            store_double(share, o, load(y + o * y_step, number) / divisor if divisor else 0.0)


@helper
def _row_plane(args, plane, numbers, depths, heights, start, width, backward, number):
    """`width` windows of a row of one channel from `start` on, tap by tap: `_along` for every tap."""
    stride, item = args.S_W, size_of(number)
    step = stride * args.X_W
    for kd in range(depths[1], depths[2]):
        for kh in range(heights[1], heights[2]):
            row = _row(args, plane, depths, heights, kd, kh)
            for k in range(args.K_W):
                kw = args.K_W - 1 - k if backward else k  # a cell gets its shares in the order of the windows
                left = start * stride + kw * args.DIL_W - args.PAD_W
                first, stop = inside(left, stride, args.IN_W, width)
                x, here = row + (left + first * stride) * args.X_W, numbers + 8 * first
                if step == item:
                    _dense(here, x, 1, stop - first, backward, number)
                elif step == 2 * item and (stride == 2 or not backward):  # what lies between is no other task's
                    _dense(here, x, 2, stop - first, backward, number)
                else:
                    _along(here, x, step, stop - first, backward, number)


@kernel(WINDOWS)
def avg_pool_lanes(args, task, number):
    """Means in some rows of windows, all channels at once."""
    height, depth, tasks = args.OUT_H, args.OUT_D, args.TASKS
    rows = args.BATCH * depth * height
    total = args.SCRATCH + task * args.SCRATCH_STRIDE
    for row in range(rows * task // tasks, rows * (task + 1) // tasks):
        n = row // (depth * height)
        od, oh = row // height - n * depth, row % height
        depths, heights = window(args, D, od), window(args, H, oh)
        plane = args.X + n * args.X_N
        target = args.Y + n * args.Y_N + od * args.Y_D + oh * args.Y_H
        same, row_count = args.SAME, _count(args, od, oh)
        for ow in range(*columns(args, od * height + oh)):
            count = row_count if same else row_count * counted(args, W, ow)
            y = target + ow * args.Y_W
            _pixel_lanes(args, plane, y, total, count, depths, heights, ow, number)


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
        count, depths, heights = _count(args, od, oh), window(args, D, od), window(args, H, oh)
        if width:
            for o in range(width):
                store_double(total, o, 0.0)
            _row_plane(args, plane, total, depths, heights, start, width, False, number)
            _means(args, y, total, count, start, width, number)


@kernel(WINDOWS, results="X SCRATCH")
def avg_pool_lanes_backward(args, task, number):
    """On blocks of channels that no other task writes; x is the gradient of the input."""
    channels, step, tasks = args.CHANNELS, args.CHANNEL_BLOCK, args.TASKS
    blocks = (channels + step - 1) // step
    items = args.BATCH * blocks
    for item in range(items * task // tasks, items * (task + 1) // tasks):
        n, first = item // blocks, item % blocks * step
        some = min(step, channels - first)
        plane = args.X + n * args.X_N + first * args.X_C
        source = args.Y + n * args.Y_N + first * args.Y_C
        clear(args, plane, some, number)
        for od in range(args.OUT_D):
            depths = window(args, D, od)
            for oh in range(args.OUT_H):
                heights = window(args, H, oh)
                row = source + od * args.Y_D + oh * args.Y_H
                same, row_count = args.SAME, _count(args, od, oh)
                for ow in range(*columns(args, od * args.OUT_H + oh)):
                    count = row_count if same else row_count * counted(args, W, ow)
                    y = row + ow * args.Y_W
                    if count:
                        _pixel_backward(args, plane, y, count, some, depths, heights, ow, number)


@kernel(WINDOWS, results="X SCRATCH")
def avg_pool_plane_backward(args, task, number):
    """On planes that no other task writes; x is the gradient of the input."""
    channels, tasks = args.CHANNELS, args.TASKS
    planes = args.BATCH * channels
    share = args.SCRATCH + task * args.SCRATCH_STRIDE
    for item in range(planes * task // tasks, planes * (task + 1) // tasks):
        n, c = item // channels, item % channels
        plane = args.X + n * args.X_N + c * args.X_C
        source = args.Y + n * args.Y_N + c * args.Y_C
        clear(args, plane, 1, number)
        for od in range(args.OUT_D):
            for oh in range(args.OUT_H):
                start, stop = columns(args, od * args.OUT_H + oh)
                y = source + od * args.Y_D + oh * args.Y_H + start * args.Y_W
                count, depths, heights = _count(args, od, oh), window(args, D, od), window(args, H, oh)
                if start < stop:
                    _shares(args, y, share, count, start, stop - start, number)
                    _row_plane(args, plane, share, depths, heights, start, stop - start, True, number)


AVG_POOL = {
    "lanes": avg_pool_lanes,
    "plane": avg_pool_plane,
    "lanes_backward": avg_pool_lanes_backward,
    "plane_backward": avg_pool_plane_backward,
}

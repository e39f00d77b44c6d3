"""Max pooling, tap by tap.

Two forms: *lanes* for channels-last memory, where the inner loop runs over channels and is
vectorised by LLVM, and *plane* for any other strides, where it runs along an output row.
"""

from __future__ import annotations

from fastconv.backends.fast.machine.intrinsics import (
    copy_bytes,
    integer,
    load,
    load_at,
    size_of,
    store,
    store_at,
    store_integer,
    store_number,
)
from fastconv.backends.fast.machine.jit import helper
from fastconv.backends.fast.machine.kernel import kernel
from fastconv.backends.fast.pool.every_second_kernel import (
    GROUP_BYTES,
    larger_of_every_second,
    larger_of_every_second_at,
)
from fastconv.backends.fast.pool.maxima_kernel import LOWEST, beats, begin, improve, no_cell
from fastconv.backends.fast.pool.windows_kernel import WINDOWS, D, H, W, columns, inside, last_number, row_of, window


@helper
def _pixel_lanes(args, plane, y, index, depths, heights, ow, with_index, number):
    """One output position, all channels."""
    channels = args.CHANNELS
    ds, d0, d1 = depths
    hs, h0, h1 = heights
    ws, w0, w1 = window(args, W, ow)
    is_first = True
    for kd in range(d0, d1):
        d = ds + kd * args.DIL_D
        for kh in range(h0, h1):
            h = hs + kh * args.DIL_H
            for kw in range(w0, w1):
                w = ws + kw * args.DIL_W
                x = plane + d * args.X_D + h * args.X_H + w * args.X_W
                position = (d * args.IN_H + h) * args.IN_W + w
                if is_first:
                    begin(x, y, index, position, channels, with_index, number)
                    is_first = False
                else:
                    improve(x, y, index, position, channels, with_index, number)
    if is_first:
        no_cell(y, index, channels, with_index, number)


@helper
def _along(x, x_step, y, y_step, index, position, position_step, count, with_index, number):
    """One tap of `count` windows of one output row; an index below 0 marks a window that has seen no cell yet."""
    for o in range(count):
        value, best = load(x + o * x_step, number), load(y + o * y_step, number)
        wins = beats(value, best)
        if with_index:
            place = index + o * (y_step // size_of(number) * 8)
            before = integer(place, 0)
            wins = wins | (before < 0)
            store_integer(place, 0, position + o * position_step if wins else before)
        store(y + o * y_step, value if wins else best)


@helper
def _along_dense(x, every, last, y, index, position, position_step, count, with_index, number):
    """`_along` for dense results and every first or second number of x: indices that LLVM's vectoriser can follow.

    Whole vectors read one number more than they need, which must not be behind the `last` one.
    """
    done = 0
    if every == 2:
        lanes = GROUP_BYTES // size_of(number)
        groups = count // lanes
        if x + (2 * groups * lanes - 1) * size_of(number) > last:
            groups = (count - 1) // lanes
        if groups > 0:
            if with_index:
                larger_of_every_second_at(y, index, x, position, position_step, groups, number)
            else:
                larger_of_every_second(y, x, groups, number)
            done = groups * lanes
    for o in range(done, count):
        value, best = load_at(x, o * every, number), load_at(y, o, number)
        wins = beats(value, best)
        if with_index:
            before = integer(index, o)
            wins = wins | (before < 0)
            store_integer(index, o, position + o * position_step if wins else before)
        store_at(y, o, value if wins else best)


@helper
def _tap_row(x, x_step, last, y, y_step, index, position, stride, count, with_index, number):
    """`_along`, or where memory is dense `_along_dense`."""
    item = size_of(number)
    if y_step == item and x_step == item:
        _along_dense(x, 1, last, y, index, position, stride, count, with_index, number)
    elif y_step == item and x_step == 2 * item:
        _along_dense(x, 2, last, y, index, position, stride, count, with_index, number)
    else:
        _along(x, x_step, y, y_step, index, position, stride, count, with_index, number)


@helper
def _copy_along(x, x_step, y, y_step, count, number):
    item = size_of(number)
    if y_step == item and x_step == item:
        copy_bytes(y, x, count * item)
    elif y_step == item and x_step == 2 * item:
        for o in range(count):
            store_at(y, o, load_at(x, 2 * o, number))
    else:
        for o in range(count):
            store(y + o * y_step, load(x + o * x_step, number))


@helper
def _positions(index, index_step, position, position_step, count):
    if index_step == 1:
        for o in range(count):
            store_integer(index, o, position + o * position_step)
    else:
        for o in range(count):
            store_integer(index, o * index_step, position + o * position_step)


@helper
def _lowest_row(y, y_step, index, width, with_index, number):
    for o in range(width):
        store_number(y + o * y_step, LOWEST, number)
        if with_index:
            store_integer(index + o * (y_step // size_of(number) * 8), 0, -1)


@helper
def _row_plane(args, plane, y, index, depths, heights, start, width, with_index, number):
    """`width` outputs of a row of one channel from `start` on: tap by tap, in row-major order: ties go to the first.

    A first tap that every window sees is stored as it is; otherwise the row starts at the lowest.
    """
    stride, y_step = args.S_W, args.Y_W
    last = last_number(args)
    fresh = True
    for kd in range(depths[1], depths[2]):
        d = depths[0] + kd * args.DIL_D
        for kh in range(heights[1], heights[2]):
            h = heights[0] + kh * args.DIL_H
            row = plane + d * args.X_D + h * args.X_H
            for kw in range(args.K_W):
                left = start * stride + kw * args.DIL_W - args.PAD_W
                first, stop = inside(left, stride, args.IN_W, width)
                w, here = left + first * stride, first * y_step
                x, step = row + w * args.X_W, stride * args.X_W
                if fresh and stop - first == width:
                    _copy_along(x, step, y, y_step, width, number)
                    if with_index:
                        position = (d * args.IN_H + h) * args.IN_W + w
                        _positions(index, y_step // size_of(number), position, stride, width)
                else:
                    if fresh:
                        _lowest_row(y, y_step, index, width, with_index, number)
                    position = (d * args.IN_H + h) * args.IN_W + w
                    places = index + here // size_of(number) * 8
                    count = stop - first
                    _tap_row(x, step, last, y + here, y_step, places, position, stride, count, with_index, number)
                fresh = False
    if fresh:
        _lowest_row(y, y_step, index, width, with_index, number)


@kernel(WINDOWS, index=(False, True))
def max_pool_lanes(args, task, number, with_index):
    """Maxima in some rows of windows, all channels at once."""
    height, depth, tasks = args.OUT_H, args.OUT_D, args.TASKS
    rows = args.BATCH * depth * height
    for row in range(rows * task // tasks, rows * (task + 1) // tasks):
        n = row // (depth * height)
        od, oh = row // height - n * depth, row % height
        depths, heights = window(args, D, od), window(args, H, oh)
        plane = args.X + n * args.X_N
        offset = n * args.Y_N + od * args.Y_D + oh * args.Y_H
        for ow in range(*columns(args, od * height + oh)):
            here = offset + ow * args.Y_W
            index = args.INDEX + here // size_of(number) * 8
            _pixel_lanes(args, plane, args.Y + here, index, depths, heights, ow, with_index, number)


@kernel(WINDOWS, index=(False, True))
def max_pool_plane(args, task, number, with_index):
    """Maxima in some rows of windows of one channel."""
    channels, height, depth = args.CHANNELS, args.OUT_H, args.OUT_D
    rows, tasks = args.BATCH * channels * depth * height, args.TASKS
    row = rows * task // tasks
    n, c, od, oh = row_of(args, row)
    for _ in range(row, rows * (task + 1) // tasks):
        plane = args.X + n * args.X_N + c * args.X_C
        start, stop = columns(args, od * height + oh)
        here = n * args.Y_N + c * args.Y_C + od * args.Y_D + oh * args.Y_H
        here += start * args.Y_W
        y, index = args.Y + here, args.INDEX + here // size_of(number) * 8
        depths, heights = window(args, D, od), window(args, H, oh)
        if start < stop:
            _row_plane(args, plane, y, index, depths, heights, start, stop - start, with_index, number)
        oh += 1  # counted rather than divided: rows can be short
        if oh == height:
            oh, od = 0, od + 1
        if od == depth:
            od, c = 0, c + 1
        if c == channels:
            c, n = 0, n + 1


MAX_POOL = {"lanes": max_pool_lanes, "plane": max_pool_plane}

"""The gradient of average pooling: every cell of the plane gets the shares of the windows that it is in.

Tasks own cells, which are written once and never read. A cell adds up, in float64 and in the order of the windows,
gradients, which are divided at the end where all windows are divided by the same number, and else shares. The two forms
are those of `pool.max_pool_kernel`; *plane* has a part of a row in scratch memory, which its windows are added to.
"""

from __future__ import annotations

from fastconv.backends.fast.machine.intrinsics import (
    clear_bytes,
    copy_bytes,
    load_at,
    load_double,
    size_of,
    store_double,
    store_number,
    store_number_at,
)
from fastconv.backends.fast.machine.jit import helper
from fastconv.backends.fast.machine.kernel import kernel
from fastconv.backends.fast.pool.avg_pool_kernel import row_count, shares_of_row
from fastconv.backends.fast.pool.channel_sums_kernel import scale_of, scaled, sums_of_channels
from fastconv.backends.fast.pool.windows_kernel import WINDOWS, D, H, W, along, counted, inside, ratio

PART = 2048  # cells of a row at once: their sums stay in the L1 cache
HALF = PART // 2 + 8  # where the totals of odd cells begin, not at the same place of a page as those of even ones
_NOTHING = (-1, -1, -1, -1, -1, -1, -1)


@helper
def _around(args, axis, first, last):
    """Range of the windows along one axis that reach from cell `first` on, and to cell `last` at most."""
    line = along(args, axis)
    stride, before = line.S, first + line.PAD - (line.K - 1) * line.DIL
    if line.IN == 1 and line.OUT == 1 and line.K == 1:  # an axis that arrays do not have
        return 0, 1
    start = 0 if before <= 0 else ratio(before + stride - 1, stride)
    return start, max(start, min(line.OUT, ratio(last + line.PAD, stride) + 1))


@helper
def _has(args, axis, o, cell):
    """Whether one of the taps of window `o`, between its first and last, is on a cell."""
    line = along(args, axis)
    return line.DIL == 1 or (cell + line.PAD - o * line.S) % line.DIL == 0


@helper
def _pieces(args, rows, task):
    """Range of the cells of some rows that a task has."""
    cells, tasks = rows * args.IN_W, args.TASKS
    return cells * task // tasks, cells * (task + 1) // tasks


@helper
def _row_of(args, plane, depths, heights, first, stop):
    """What the cells of a part of a row have in common with others that get the same; nothing where taps are apart."""
    if args.DIL_D * args.DIL_H > 1:
        return _NOTHING
    return plane, depths[0], depths[1], heights[0], heights[1], first, stop


@helper
def _cell_lanes(args, y, x, total, depths, heights, d, h, w, number):
    """One cell, all channels, where windows are divided by different numbers, or leave cells out."""
    channels, same = args.CHANNELS, args.SAME
    clear_bytes(total, 8 * channels)
    start, stop = _around(args, W, w, w)
    for od in range(depths[0], depths[1]):
        for oh in range(heights[0], heights[1]):
            rows = row_count(args, od, oh)
            for ow in range(start, stop):
                if _has(args, D, od, d) and _has(args, H, oh, h) and _has(args, W, ow, w):
                    scale = scale_of(1 if same else rows * counted(args, W, ow), number)
                    dy = y + od * args.Y_D + oh * args.Y_H + ow * args.Y_W
                    for c in range(channels):
                        store_double(total, c, load_double(total, c) + scaled(load_at(dy, c, number), scale, number))
    scale = scale_of(same if same else 1, number)
    for c in range(channels):
        store_number_at(x, c, scaled(load_double(total, c), scale, number), number)


@helper
def _row_lanes(args, y, row, total, depths, heights, d, h, first, stop, number):
    """Cells `first` to ``stop - 1`` of a row, all channels: at a time those that are in the same windows."""
    stride, pad, beyond, step, y_step = args.S_W, args.PAD_W, args.K_W - 1, args.X_W, args.Y_W
    width, nbytes, scale = args.OUT_W, args.CHANNELS * size_of(number), scale_of(args.SAME, number)
    dense = args.SAME > 0 and args.DIL_D * args.DIL_H * args.DIL_W == 1
    some = depths[0] < depths[1] and heights[0] < heights[1]
    start, end = _around(args, W, first, first)
    source = y + depths[0] * args.Y_D + heights[0] * args.Y_H
    rows = depths[1] - depths[0], args.Y_D, heights[1] - heights[0], args.Y_H
    w = first
    while w < stop:
        x, following = row + w * step, w + 1
        if not dense:
            _cell_lanes(args, y, x, total, depths, heights, d, h, w, number)
        else:
            while end < width and end * stride - pad <= w:
                end += 1
            while start < end and start * stride - pad + beyond < w:
                start += 1
            following = min(stop, end * stride - pad if end < width else stop)
            if some and start < end:
                following = min(following, start * stride - pad + beyond + 1)
                taps = rows[0], rows[1], rows[2], rows[3], end - start, y_step
                copies = following - w, step
                sums_of_channels(source + start * y_step, x, args.CHANNELS, taps, copies, scale, number)
            else:
                clear_bytes(x, nbytes * (following - w))
        w = following


@kernel(WINDOWS, results="X SCRATCH")
def avg_pool_lanes_backward(args, task, number):
    """All channels of some cells; x is the gradient of the input."""
    height, depth, width = args.IN_H, args.IN_D, args.IN_W
    cell, end = _pieces(args, args.BATCH * depth * height, task)
    total = args.SCRATCH + task * args.SCRATCH_STRIDE
    row, first = cell // width, cell % width
    n, d, h = row // (depth * height), row // height % depth, row % height
    before, last = _NOTHING, 0
    while cell < end:
        stop = min(width, first + end - cell)
        x = args.X + n * args.X_N + d * args.X_D + h * args.X_H
        depths, heights = _around(args, D, d, d), _around(args, H, h, h)
        here = _row_of(args, n, depths, heights, first, stop)
        if here[0] >= 0 and here == before:
            copy_bytes(x + first * args.X_W, last + first * args.X_W, (stop - first) * args.X_W)
        else:
            _row_lanes(args, args.Y + n * args.Y_N, x, total, depths, heights, d, h, first, stop, number)
        before, last = here, x
        cell += stop - first
        first, h = 0, h + 1  # a division takes as long as a few cells
        if h == height:
            h, d = 0, d + 1
        if d == depth:
            d, n = 0, n + 1


@helper
def margin_of(args):
    """Zeros that there are before and after the shares of a row of windows."""
    return (args.K_W - 1) * args.DIL_W // args.S_W + 2


@helper
def _gather(args, totals, shares, margin, start, windows, first, cells):
    """Add shares to the totals of cells from `first` on; with stride 2 the totals of every second cell lie together.

    A total is at the same place for every tap, so that it is read as it was stored, in whole vectors.
    """
    stride, dilation = args.S_W, args.DIL_W
    bits = stride - 1  # a division takes as long as a short row
    before = first + args.PAD_W - args.K_W * dilation - start * stride
    for _ in range(args.K_W):  # a cell gets its shares in the order of the windows: the last tap first
        before += dilation
        for r in range(stride):
            if (before + r) & bits == 0:
                shift = (before + r) >> bits
                begin, after = max(0, -margin - shift), min((cells - r + bits) >> bits, windows + margin - shift)
                place, source = totals + 8 * r * HALF, shares + 8 * shift
                for q in range(begin, after):
                    store_double(place, q, load_double(place, q) + load_double(source, q))


@helper
def _scatter(args, totals, shares, start, windows, first, cells):
    """The same for strides of more than 2, with the totals in the order of the cells."""
    stride = args.S_W
    for k in range(args.K_W):
        left = start * stride + (args.K_W - 1 - k) * args.DIL_W - args.PAD_W - first
        begin, after = inside(left, stride, cells, windows)
        place, source = totals + 8 * left, shares
        for o in range(begin, after):
            store_double(place, o * stride, load_double(place, o * stride) + load_double(source, o))


@helper
def _write(args, x, totals, cells, number):
    """Scale and round the totals of some cells of a row."""
    same, step, stride = args.SAME, args.X_W, args.S_W
    scale = scale_of(same if same else 1, number)
    if step != size_of(number):
        for w in range(cells):
            place = w % 2 * HALF + w // 2 if stride == 2 else w
            store_number(x + w * step, scaled(load_double(totals, place), scale, number), number)
    elif stride == 2:
        odd = totals + 8 * HALF
        for w in range(cells // 2):
            store_number_at(x, 2 * w, scaled(load_double(totals, w), scale, number), number)
            store_number_at(x, 2 * w + 1, scaled(load_double(odd, w), scale, number), number)
        if cells % 2:
            store_number_at(x, cells - 1, scaled(load_double(totals, cells // 2), scale, number), number)
    else:
        for w in range(cells):
            store_number_at(x, w, scaled(load_double(totals, w), scale, number), number)


@helper
def _row_plane(args, y, x, totals, shares, depths, heights, d, h, first, stop, number):
    """Cells `first` to ``stop - 1`` of a row of one channel."""
    stride, cells, margin = args.S_W, stop - first, margin_of(args)
    start, end = _around(args, W, first, stop - 1)
    clear_bytes(totals, 8 * cells)
    if stride == 2:
        clear_bytes(totals + 8 * HALF, 8 * (cells // 2))
    shares += 8 * margin
    clear_bytes(shares - 8 * margin, 8 * margin)
    clear_bytes(shares + 8 * (end - start), 8 * margin)
    for od in range(depths[0], depths[1] if start < end else depths[0]):
        for oh in range(heights[0], heights[1]):
            if _has(args, D, od, d) and _has(args, H, oh, h):
                dy = y + od * args.Y_D + oh * args.Y_H + start * args.Y_W
                shares_of_row(args, dy, shares, row_count(args, od, oh), start, end - start, number)
                if stride <= 2:
                    _gather(args, totals, shares, margin, start, end - start, first, cells)
                else:
                    _scatter(args, totals, shares, start, end - start, first, cells)
    _write(args, x, totals, cells, number)


@kernel(WINDOWS, results="X SCRATCH")
def avg_pool_plane_backward(args, task, number):
    """Some cells of planes; x is the gradient of the input."""
    height, depth, width, channels = args.IN_H, args.IN_D, args.IN_W, args.CHANNELS
    cell, end = _pieces(args, args.BATCH * channels * depth * height, task)
    total = args.SCRATCH + task * args.SCRATCH_STRIDE
    row, first = cell // width, cell % width
    plane, d, h = row // (depth * height), row // height % depth, row % height
    n, c = plane // channels, plane % channels
    before, last = _NOTHING, 0
    while cell < end:
        stop = min(width, first + end - cell, first + PART)
        x = args.X + n * args.X_N + c * args.X_C + d * args.X_D + h * args.X_H + first * args.X_W
        y = args.Y + n * args.Y_N + c * args.Y_C
        depths, heights = _around(args, D, d, d), _around(args, H, h, h)
        here = _row_of(args, n * channels + c, depths, heights, first, stop)
        if here[0] >= 0 and here == before and args.X_W == size_of(number):
            copy_bytes(x, last, (stop - first) * args.X_W)
        else:
            _row_plane(args, y, x, total, total + 16 * HALF, depths, heights, d, h, first, stop, number)
        before, last = here, x
        cell += stop - first
        first = stop
        if first == width:
            first, h = 0, h + 1
        if h == height:
            h, d = 0, d + 1
        if d == depth:
            d, c = 0, c + 1
        if c == channels:
            c, n = 0, n + 1


AVG_GRADIENT = {"lanes": avg_pool_lanes_backward, "plane": avg_pool_plane_backward}

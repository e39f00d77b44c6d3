"""Max pooling, in two forms.

They are *lanes* for channels-last memory, where vectors run over channels, and *plane* for any other strides, where
they run along the rows of windows.
"""

from __future__ import annotations

from fastconv.backends.fast.machine.blocks import view
from fastconv.backends.fast.machine.intrinsics import size_of
from fastconv.backends.fast.machine.jit import helper
from fastconv.backends.fast.machine.kernel import kernel
from fastconv.backends.fast.pool.maxima_kernel import kept_at, maxima, maximum, no_cell
from fastconv.backends.fast.pool.maxima_tile_kernel import MAXIMA
from fastconv.backends.fast.pool.windows_kernel import WINDOWS, D, H, W, columns, row_of, whole, window

NEAR = 2**14  # bytes of windows that are reduced together, channel by channel: what they read stays in the L1 cache


@helper
def _taps(args, depths, heights, widths):
    """Number of the first tap, within the window or its position in the plane; how many there are along each axis."""
    (ds, d0, d1), (hs, h0, h1), (ws, w0, w1) = depths, heights, widths
    steps = view(MAXIMA, args.TABLE)
    base = d0 * steps.DEPTH_KEPT + h0 * steps.HEIGHT_KEPT + w0 * steps.WIDTH_KEPT
    if steps.POSITIONS:
        base += (ds * args.IN_H + hs) * args.IN_W + ws
    return base, (d1 - d0, h1 - h0, w1 - w0)


@helper
def _first_cell(args, plane, depths, heights, widths):
    """Address of the first cell of a window."""
    (ds, d0, _), (hs, h0, _), (ws, w0, _) = depths, heights, widths
    row = plane + (ds + d0 * args.DIL_D) * args.X_D + (hs + h0 * args.DIL_H) * args.X_H
    return row + (ws + w0 * args.DIL_W) * args.X_W


@helper
def _is_empty(depths, heights, widths):
    return depths[1] == depths[2] or heights[1] == heights[2] or widths[1] == widths[2]


@helper
def _window(args, plane, here, depths, heights, widths, number):
    """One window of one channel."""
    y, kept, item = args.Y + here, kept_at(args, here, number), size_of(number)
    if _is_empty(depths, heights, widths):
        no_cell(y, item, kept, view(MAXIMA, args.TABLE).KEPT_BYTES, 1, number)
        return
    base, taps = _taps(args, depths, heights, widths)
    maximum(args.TABLE, _first_cell(args, plane, depths, heights, widths), y, kept, base, taps, number)


@helper
def _row_lanes(args, plane, here, depths, heights, start, stop, inner, number):
    """Windows `start` to ``stop - 1`` of a row, all channels; at a time some whose taps are all on cells, `inner`."""
    item, empty, steps = size_of(number), _is_empty(depths, heights, (0, 0, 1)), view(MAXIMA, args.TABLE)
    some = max(1, NEAR // (args.K_H * abs(steps.DOWN_X) + 1))
    ow = start
    while ow < stop:
        widths, place = window(args, W, ow), here + ow * args.Y_W
        y, kept, count = args.Y + place, kept_at(args, place, number), 1
        if empty or widths[1] == widths[2]:
            no_cell(y, item, kept, steps.KEPT_BYTES, args.CHANNELS, number)
        else:
            if ow >= inner[0] and ow < inner[1]:
                count = min(some, min(inner[1], stop) - ow)
            x = _first_cell(args, plane, depths, heights, widths)
            base, taps = _taps(args, depths, heights, widths)
            maxima(args.TABLE, (x, y, kept, base), args.CHANNELS, count, taps, number)
        ow += count


@kernel(WINDOWS)
def max_pool_lanes(args, task, number):
    """Maxima in some rows of windows, all channels at once."""
    height, depth, tasks = args.OUT_H, args.OUT_D, args.TASKS
    rows, inner = args.BATCH * depth * height, whole(args, W)
    for row in range(rows * task // tasks, rows * (task + 1) // tasks):
        n = row // (depth * height)
        od, oh = row // height - n * depth, row % height
        depths, heights = window(args, D, od), window(args, H, oh)
        plane = args.X + n * args.X_N
        here = n * args.Y_N + od * args.Y_D + oh * args.Y_H
        start, stop = columns(args, od * height + oh)
        _row_lanes(args, plane, here, depths, heights, start, stop, inner, number)


@helper
def _rows_plane(args, plane, here, depths, oh, rows, start, stop, inner, number):
    """Windows `start` to ``stop - 1`` of some rows of one channel that have the same taps: first the `inner` ones."""
    heights = window(args, H, oh)
    first = min(max(inner[0], start), stop)
    last = max(first, min(inner[1], stop))
    if first < last and not _is_empty(depths, heights, (0, 0, 1)):
        widths, place = window(args, W, first), here + first * args.Y_W
        x, (base, taps) = _first_cell(args, plane, depths, heights, widths), _taps(args, depths, heights, widths)
        y, kept = args.Y + place, kept_at(args, place, number)
        maxima(args.TABLE, (x, y, kept, base), last - first, rows, taps, number)
    else:
        last = first
    for row in range(rows if first - start + stop - last else 0):
        heights = window(args, H, oh + row)
        for end in range(2):
            for ow in range(last if end else start, stop if end else first):
                place, widths = here + row * args.Y_H + ow * args.Y_W, window(args, W, ow)
                _window(args, plane, place, depths, heights, widths, number)


@kernel(WINDOWS)
def max_pool_plane(args, task, number):
    """Maxima in some rows of windows of one channel, in blocks of rows that have the same taps."""
    height, tasks = args.OUT_H, args.TASKS
    rows = args.BATCH * args.CHANNELS * args.OUT_D * height
    inner, (above, below) = whole(args, W), whole(args, H)
    row, end = rows * task // tasks, rows * (task + 1) // tasks
    while row < end:
        n, c, od, oh = row_of(args, row)
        plane = args.X + n * args.X_N + c * args.X_C
        here = n * args.Y_N + c * args.Y_C + od * args.Y_D + oh * args.Y_H
        start, stop = columns(args, od * height + oh)
        some = min(below, height, oh + end - row) - oh
        if oh < above or some < 1 or columns(args, od * height + oh + some - 1) != (start, stop):
            some = 1
        if start < stop:
            _rows_plane(args, plane, here, window(args, D, od), oh, some, start, stop, inner, number)
        row += some


MAX_POOL = {"lanes": max_pool_lanes, "plane": max_pool_plane}

"""Max pooling, in two forms.

They are *lanes* for channels-last memory, where vectors run over channels, and *plane* for any other strides, where
they run along the rows of windows.
"""

from __future__ import annotations

from fastconv.backends.fast.machine.intrinsics import size_of
from fastconv.backends.fast.machine.jit import helper
from fastconv.backends.fast.machine.kernel import kernel
from fastconv.backends.fast.pool.maxima_kernel import KEEPS, PLACE, kept_at, maxima, maximum, no_cell
from fastconv.backends.fast.pool.windows_kernel import WINDOWS, D, H, W, columns, row_of, whole, window

NEAR = 2**14  # bytes of windows that are reduced together, channel by channel: what they read stays in the L1 cache


@helper
def _taps(args, depths, heights, widths, keeps):
    """Taps as `maxima` wants them, and the number of the first: within the window, or its position in the plane."""
    (ds, d0, d1), (hs, h0, h1), (ws, w0, w1) = depths, heights, widths
    if keeps == PLACE:
        row, plane, step = args.K_W, args.K_H * args.K_W, 1
        base = d0 * plane + h0 * row + w0
    else:
        row, plane = args.IN_W, args.IN_H * args.IN_W
        base = (ds + d0 * args.DIL_D) * plane + (hs + h0 * args.DIL_H) * row + ws + w0 * args.DIL_W
        row, plane, step = row * args.DIL_H, plane * args.DIL_D, args.DIL_W
    return base, (
        d1 - d0, args.DIL_D * args.X_D, plane, h1 - h0, args.DIL_H * args.X_H, row, w1 - w0, args.DIL_W * args.X_W, step
    )  # fmt: skip


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
def _steps(args, keeps, number):
    """(windows, bytes in x, bytes in y, what is kept) from a window to the next along the height, and the width."""
    row, column = (0, 0) if keeps == PLACE else (args.S_H * args.IN_W, args.S_W)
    return (args.S_H * args.X_H, args.Y_H, row), (args.S_W * args.X_W, args.Y_W, column)


@helper
def _window(args, plane, here, depths, heights, widths, keeps, number):
    """One window of one channel."""
    y, kept, item = args.Y + here, kept_at(args, here, keeps, number), size_of(number)
    if _is_empty(depths, heights, widths):
        no_cell(y, item, kept, keeps, 1, number)
        return
    base, taps = _taps(args, depths, heights, widths, keeps)
    maximum(_first_cell(args, plane, depths, heights, widths), y, kept, keeps, base, taps, number)


@helper
def _row_lanes(args, plane, here, depths, heights, start, stop, inner, keeps, number):
    """Windows `start` to ``stop - 1`` of a row, all channels; at a time some whose taps are all on cells, `inner`."""
    item, empty = size_of(number), _is_empty(depths, heights, (0, 0, 1))
    _, (x_step, y_step, along) = _steps(args, keeps, number)
    side, some = (args.CHANNELS, item, item, 0), max(1, NEAR // (args.K_H * abs(x_step) + 1))
    ow = start
    while ow < stop:
        widths, place = window(args, W, ow), here + ow * y_step
        y, kept, count = args.Y + place, kept_at(args, place, keeps, number), 1
        if empty or widths[1] == widths[2]:
            no_cell(y, item, kept, keeps, args.CHANNELS, number)
        else:
            if ow >= inner[0] and ow < inner[1]:
                count = min(some, min(inner[1], stop) - ow)
            x, (base, taps) = (
                _first_cell(args, plane, depths, heights, widths),
                _taps(args, depths, heights, widths, keeps),
            )
            maxima(x, y, kept, keeps, base, side, (count, x_step, y_step, along), taps, True, number)
        ow += count


@kernel(WINDOWS, keeps=KEEPS)
def max_pool_lanes(args, task, number, keeps):
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
        _row_lanes(args, plane, here, depths, heights, start, stop, inner, keeps, number)


@helper
def _rows_plane(args, plane, here, depths, oh, rows, start, stop, inner, keeps, number):
    """Windows `start` to ``stop - 1`` of some rows of one channel that have the same taps: first the `inner` ones."""
    heights = window(args, H, oh)
    first = min(max(inner[0], start), stop)
    last = max(first, min(inner[1], stop))
    if first < last and not _is_empty(depths, heights, (0, 0, 1)):
        widths, place = window(args, W, first), here + first * args.Y_W
        x, (base, taps) = _first_cell(args, plane, depths, heights, widths), _taps(args, depths, heights, widths, keeps)
        (x_row, y_row, below), (x_step, y_step, along) = _steps(args, keeps, number)
        y, kept, side = args.Y + place, kept_at(args, place, keeps, number), (last - first, x_step, y_step, along)
        maxima(x, y, kept, keeps, base, side, (rows, x_row, y_row, below), taps, False, number)
    else:
        last = first
    for row in range(rows if first - start + stop - last else 0):
        heights = window(args, H, oh + row)
        for end in range(2):
            for ow in range(last if end else start, stop if end else first):
                place, widths = here + row * args.Y_H + ow * args.Y_W, window(args, W, ow)
                _window(args, plane, place, depths, heights, widths, keeps, number)


@kernel(WINDOWS, keeps=KEEPS)
def max_pool_plane(args, task, number, keeps):
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
            _rows_plane(args, plane, here, window(args, D, od), oh, some, start, stop, inner, keeps, number)
        row += some


MAX_POOL = {"lanes": max_pool_lanes, "plane": max_pool_plane}

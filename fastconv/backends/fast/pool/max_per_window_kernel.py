"""Maxima of windows one by one (see `pool.windows_kernel`): in *lanes* for channels-last memory, else in a *plane*.

A plane is gone through twice: once for the largest value, in whole vectors where a run of cells is long, and, where
the position matters, once more up to the first cell that has it. It matters for indices, for the sign of a zero and
for which of several NaN it is.
"""

from __future__ import annotations

from fastconv.backends.fast.machine.blocks import view
from fastconv.backends.fast.machine.intrinsics import load, size_of, store
from fastconv.backends.fast.machine.jit import helper
from fastconv.backends.fast.machine.kernel import kernel
from fastconv.backends.fast.pool.maxima_kernel import (
    SPAN,
    beats,
    keep,
    kept_at,
    largest,
    maxima,
    no_cell,
    skip_others,
)
from fastconv.backends.fast.pool.maxima_tile_kernel import MAXIMA
from fastconv.backends.fast.pool.windows_kernel import WINDOWS, D, H, W, along, block_at, columns, row_at, span


@helper
def _best_of(x, step, count, best, number):
    """The larger of `best` and a run of cells; four at a time, so that comparisons overlap."""
    b, c, d, i = best, best, best, 0
    while i + 4 <= count:
        p, q = load(x + i * step, number), load(x + (i + 1) * step, number)
        r, s = load(x + (i + 2) * step, number), load(x + (i + 3) * step, number)
        best, b = p if beats(p, best) else best, q if beats(q, b) else b
        c, d = r if beats(r, c) else c, s if beats(s, d) else d
        i += 4
    while i < count:
        p = load(x + i * step, number)
        best = p if beats(p, best) else best
        i += 1
    best, c = b if beats(b, best) else best, d if beats(d, c) else c
    return c if beats(c, best) else best


@helper
def _best_of_run(x, step, count, best, number):
    """`_best_of`, in vectors where the run is dense and long."""
    if step != size_of(number) or count < SPAN:
        return _best_of(x, step, count, best, number)
    most = largest(x, count // SPAN, number)
    best = most if beats(most, best) else best
    done = count // SPAN * SPAN
    return _best_of(x + done * step, step, count - done, best, number)


@helper
def _is_it(value, best):
    return (value == best) | ((value != value) & (best != best))


@helper
def _place_of_run(x, step, count, best, number):
    """Position in a run of the first cell that is `best`, or `count`."""
    i = 0
    if step == size_of(number) and count >= SPAN:
        i = skip_others(x, count // SPAN, best) * SPAN
    while i < count and not _is_it(load(x + i * step, number), best):
        i += 1
    return i


@helper
def _value_plane(plane, spans, number):
    """Largest value of one window of one channel, which has a cell."""
    (d0, depth, d_step, _), (h0, height, h_step, _), (w0, width, w_step, _) = spans
    best = load(plane + d0 + h0 + w0, number)
    for kd in range(depth):
        for kh in range(height):
            row = plane + d0 + kd * d_step + h0 + kh * h_step + w0
            best = _best_of_run(row, w_step, width, best, number)
    return best


@helper
def _place_plane(args, plane, spans, base, best, number):
    """(address, number) of the first cell of one window that is `best`; `base` is the number of the first tap."""
    steps = view(MAXIMA, args.TABLE)
    (d0, depth, d_step, _), (h0, height, h_step, _), (w0, width, w_step, _) = spans
    for kd in range(depth):
        for kh in range(height):
            row = plane + d0 + kd * d_step + h0 + kh * h_step + w0
            kw = _place_of_run(row, w_step, width, best, number)
            if kw < width:
                return row + kw * w_step, base + kd * steps.DEPTH_KEPT + kh * steps.HEIGHT_KEPT + kw * steps.WIDTH_KEPT
    return plane, -1


@helper
def _first_tap(args, axis, o, cell):
    """First tap of window `o`, whose first cell this is."""
    line = along(args, axis)
    return (cell // line.SCALE - o * line.S + line.PAD) // line.DIL * line.SCALE


@helper
def _base(args, spans, od, oh, ow):
    """Number of the first tap of a window, within it or its position in the plane."""
    steps, d, h, w = view(MAXIMA, args.TABLE), spans[0][3], spans[1][3], spans[2][3]
    if steps.POSITIONS:
        row = args.IN_W * args.SCALE_W
        return (d * args.IN_H + h) * row + w
    depth, height = _first_tap(args, D, od, d), _first_tap(args, H, oh, h)
    return depth * steps.DEPTH_KEPT + height * steps.HEIGHT_KEPT + _first_tap(args, W, ow, w)


@helper
def _taps(spans):
    return spans[0][1] * spans[1][1] * spans[2][1]


@kernel(WINDOWS)
def max_per_window_lanes(args, task, number):
    """Maxima of some windows, a block of channels at once."""
    step, tasks = args.CHANNEL_BLOCK, args.TASKS
    blocks = (args.CHANNELS + step - 1) // step
    items = args.BATCH * args.OUT_D * args.OUT_H * args.OUT_W * blocks
    for i in range(items * task // tasks, items * (task + 1) // tasks):
        plane, here, channels, od, oh, ow = block_at(args, i, blocks, number)
        y, kept = args.Y + here, kept_at(args, here, number)
        spans = span(args, D, od), span(args, H, oh), span(args, W, ow)
        if _taps(spans):
            (d0, depth, _, _), (h0, height, _, _), (w0, width, _, _) = spans
            base, taps = _base(args, spans, od, oh, ow), (depth, height, width)
            maxima(args.TABLE, (plane + d0 + h0 + w0, y, kept, base), channels, 1, taps, number)
        else:
            no_cell(y, size_of(number), kept, view(MAXIMA, args.TABLE).KEPT_BYTES, channels, number)


@kernel(WINDOWS)
def max_per_window_plane(args, task, number):
    """Maxima of some windows of one channel."""
    height, tasks, nbytes = args.OUT_H, args.TASKS, view(MAXIMA, args.TABLE).KEPT_BYTES
    rows = args.BATCH * args.CHANNELS * args.OUT_D * height
    for row in range(rows * task // tasks, rows * (task + 1) // tasks):
        plane, start, od, oh = row_at(args, row)
        depths, heights = span(args, D, od), span(args, H, oh)
        for ow in range(*columns(args, od * height + oh)):
            spans = depths, heights, span(args, W, ow)
            here = start + ow * args.Y_W
            y, kept = args.Y + here, kept_at(args, here, number)
            if _taps(spans):
                best = _value_plane(plane, spans, number)
                if nbytes or best == 0 or best != best:
                    x, found = _place_plane(args, plane, spans, _base(args, spans, od, oh, ow), best, number)
                    best = load(x, number)
                    keep(kept, 0, found, nbytes)
                store(y, best)
            else:
                no_cell(y, size_of(number), kept, nbytes, 1, number)


MAX_PER_WINDOW = {"lanes": max_per_window_lanes, "plane": max_per_window_plane}

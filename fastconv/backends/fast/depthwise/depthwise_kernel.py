"""The drivers of depthwise convolution in two dimensions, which read x where it is: no halo is written.

So little is computed from each number that copying x into a band would take a third of the time. Instead the windows
are cut where they leave x: a row of y takes the kernel rows that lie inside, and a column at the edge the taps that
do. A row is a list of *pieces*, some pixels of some lanes, each with a micro-kernel of its own
(`depthwise.depthwise_tile_kernel`) that goes down all rows with the same kernel rows. What the pieces are is decided in
`depthwise.tiles`.

The readable twin, with arrays in place of addresses, is::

    for each output pixel p:  y[p] = bias + sum over taps inside x:  x[p * stride - before + tap * step] * weight[tap]
"""

from __future__ import annotations

from fastconv.backends.fast.machine.blocks import Block, entry_of
from fastconv.backends.fast.machine.intrinsics import call_depthwise_tile, clear_bytes, integer
from fastconv.backends.fast.machine.jit import helper
from fastconv.backends.fast.machine.kernel import kernel
from fastconv.backends.fast.pool.windows_kernel import first_tap, stop_tap

_PLANES = """
    X X_N X_H IN_H PAD_H S_H STEP_H KH IMAGES OH FULL_FIRST FULL_LAST CELL LINE Y_N Y_H Y_W PIECES PIECE_TABLE TASKS
"""
DEPTHWISE_CONV = Block(_PLANES + "Y WEIGHT OFFSETS ROLLS BIAS", results="Y")
# RUNS kernel rows at most are added up at a time, over ROWS rows at most; dy lies as y does
DEPTHWISE_GRADIENT = Block(_PLANES + "DY RUNS ROWS LINE_RUN DW DW_SPLIT SPLITS", results="DW")
# micro-kernel, byte offsets of its first tap in a row of x, of its first pixel in a row of y, of its lanes in the bias
# and in a line of weights, and the valid lanes of its last vector
PIECE_ENTRY = Block("KERNEL X Y LANE TAIL")
# the same, with a micro-kernel for 1, 2 and 3 kernel rows, and how often each is repeated along the row
SUM_PIECE_ENTRY = Block("KERNEL_1 KERNEL_2 KERNEL_3 X Y WEIGHT STEPS TAIL")


@helper
def _runs(args, top):
    """First kernel row that lies inside x, and the one after the last, for a window that starts at row `top` of it."""
    step = args.STEP_H
    return first_tap(top, step), stop_tap(top, step, args.KH, args.IN_H)


@helper
def _rows_alike(args, row, most):
    """How many rows from `row` on have the same kernel rows inside x, at most so many; one, but for the middle."""
    if args.FULL_FIRST <= row < args.FULL_LAST:
        return min(args.FULL_LAST - row, most)
    return 1


@kernel(DEPTHWISE_CONV, typed=False)
def depthwise_conv(args, task):
    """Some rows of y."""
    height, tasks = args.OH, args.TASKS
    all_rows = args.IMAGES * height
    item, stop = all_rows * task // tasks, all_rows * (task + 1) // tasks
    x_row = args.S_H * args.X_H
    while item < stop:
        image = item // height
        row = item - image * height
        top = row * args.S_H - args.PAD_H
        if args.ROLLS:  # rows of x that are inside
            rows = min(height - row, stop - item)
            start, last = max(0, -top), min(rows + args.KH - 1, args.IN_H - top)
        else:  # kernel rows that are inside
            rows = _rows_alike(args, row, stop - item)
            first, last = _runs(args, top)
            start, last = last - first, args.OFFSETS + 16 * first
        x = args.X + image * args.X_N + top * args.X_H
        y = args.Y + image * args.Y_N + row * args.Y_H
        for number in range(args.PIECES):
            piece = entry_of(PIECE_ENTRY, args.PIECE_TABLE, number)
            call_depthwise_tile(
                piece.KERNEL, rows, start, last,
                x + piece.X, args.CELL, x_row,
                args.WEIGHT + piece.LANE, args.LINE,
                args.BIAS + piece.LANE,
                y + piece.Y, args.Y_W, args.Y_H, piece.TAIL,
            )  # fmt: skip
        item += rows


@helper
def _gradient_rows(args, gradient, image, row, rows):
    """Add what some rows of one image, all with the same kernel rows inside x, contribute to the gradient."""
    top = row * args.S_H - args.PAD_H
    run, last = _runs(args, top)
    x = args.X + image * args.X_N + top * args.X_H
    dy = args.DY + image * args.Y_N + row * args.Y_H
    x_run, x_row = args.STEP_H * args.X_H, args.S_H * args.X_H
    while run < last:
        runs = min(args.RUNS, last - run)
        for number in range(args.PIECES):
            piece = entry_of(SUM_PIECE_ENTRY, args.PIECE_TABLE, number)
            call_depthwise_tile(
                integer(piece, runs - 1), rows, piece.STEPS,
                x + run * x_run + piece.X, args.CELL, x_run, x_row,
                dy + piece.Y, args.Y_W, args.Y_H,
                gradient + run * args.LINE_RUN + piece.WEIGHT,
                args.LINE, args.LINE_RUN, piece.TAIL,
            )  # fmt: skip
        run += runs


@kernel(DEPTHWISE_GRADIENT, typed=False)
def depthwise_gradient(args, task):
    """Some splits of the rows of dy."""
    height, tasks, splits = args.OH, args.TASKS, args.SPLITS
    all_rows = args.IMAGES * height
    for split in range(splits * task // tasks, splits * (task + 1) // tasks):
        gradient = args.DW + split * args.DW_SPLIT
        clear_bytes(gradient, args.DW_SPLIT)
        item, stop = all_rows * split // splits, all_rows * (split + 1) // splits
        while item < stop:
            image = item // height
            row = item - image * height
            rows = _rows_alike(args, row, min(stop - item, args.ROWS))
            _gradient_rows(args, gradient, image, row, rows)
            item += rows

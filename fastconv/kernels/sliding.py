"""The drivers of depthwise convolution in two dimensions, which read x where it is: no halo is written.

So little is computed from each number that copying x into a band would take a third of the time. Instead the windows
are cut where they leave x: a row of y takes the kernel rows that lie inside, and a column at the edge the taps that
do. A row is a list of *pieces*, some pixels of some lanes, each with a micro-kernel of its own
(`fastconv.kernels.slide`) that goes down all rows with the same kernel rows. What the pieces are is decided in
`fastconv.backends.fast.pieces`.

The readable twin, with arrays in place of addresses, is::

    for each output pixel p:  y[p] = bias + sum over taps inside x:  x[p * stride - before + tap * step] * weight[tap]
"""

from __future__ import annotations

from functools import cache

from fastconv.kernels.arguments import Block
from fastconv.kernels.jit import LOCK, REVISION, c_function, helper
from fastconv.kernels.memory import call_slide, clear_bytes, integer
from fastconv.kernels.windows import first_tap, stop_tap

__all__ = [
    "PIECE_ENTRY",
    "SLIDING_CONV",
    "SLIDING_GRADIENT",
    "SUM_PIECE_ENTRY",
    "sliding_conv_address",
    "sliding_gradient_address",
]

_PLANES = """
    X X_N X_H IN_H PAD_H S_H STEP_H KH IMAGES OH FULL_FIRST FULL_LAST CELL LINE Y_N Y_H Y_W PIECES PIECE_TABLE TASKS
"""
SLIDING_CONV = Block(_PLANES + "Y WEIGHT OFFSETS BIAS")
# RUNS kernel rows at most are added up at a time, over ROWS rows at most; dy lies as y does
SLIDING_GRADIENT = Block(_PLANES + "DY RUNS ROWS LINE_RUN DW DW_SPLIT SPLITS")
# micro-kernel, byte offsets of its first tap in a row of x, of its first pixel in a row of y, of its first tap in a
# row of weights, of its lanes in the bias, and the valid lanes of its last vector
PIECE_ENTRY = Block("KERNEL X Y WEIGHT LANE TAIL")
# the same, with a micro-kernel for 1, 2 and 3 kernel rows, and how often each is repeated along the row
SUM_PIECE_ENTRY = Block("KERNEL_1 KERNEL_2 KERNEL_3 X Y WEIGHT STEPS TAIL")

_I = {**SLIDING_CONV.index, **SLIDING_GRADIENT.index}
X, X_N, X_H, IN_H, PAD_H, S_H = (_I[name] for name in ("X", "X_N", "X_H", "IN_H", "PAD_H", "S_H"))
STEP_H, KH, IMAGES, OH = (_I[name] for name in ("STEP_H", "KH", "IMAGES", "OH"))
FULL_FIRST, FULL_LAST, CELL, LINE = (_I[name] for name in ("FULL_FIRST", "FULL_LAST", "CELL", "LINE"))
Y, DY, Y_N, Y_H, Y_W, TASKS = (_I[name] for name in ("Y", "DY", "Y_N", "Y_H", "Y_W", "TASKS"))
PIECES, PIECE_TABLE = _I["PIECES"], _I["PIECE_TABLE"]
WEIGHT, OFFSETS, BIAS = _I["WEIGHT"], _I["OFFSETS"], _I["BIAS"]
RUNS, ROWS, LINE_RUN, DW, DW_SPLIT, SPLITS = (
    _I[name] for name in ("RUNS", "ROWS", "LINE_RUN", "DW", "DW_SPLIT", "SPLITS")
)
PIECE, SUM_PIECE = 8 * len(PIECE_ENTRY.names), 8 * len(SUM_PIECE_ENTRY.names)
_P, _S = PIECE_ENTRY.index, SUM_PIECE_ENTRY.index
P_KERNEL, P_X, P_Y, P_WEIGHT, P_LANE, P_TAIL = (_P[name] for name in PIECE_ENTRY.names)
S_KERNEL, S_X, S_Y, S_WEIGHT, S_STEPS, S_TAIL = (_S[name] for name in ("KERNEL_1", "X", "Y", "WEIGHT", "STEPS", "TAIL"))


@helper
def _runs(args, top):
    """First kernel row that lies inside x, and the one after the last, for a window that starts at row `top` of it."""
    step = integer(args, STEP_H)
    return first_tap(top, step), stop_tap(top, step, integer(args, KH), integer(args, IN_H))


@helper
def _rows_alike(args, row, most):
    """How many rows from `row` on have the same kernel rows inside x, at most so many; one, but for the middle."""
    if integer(args, FULL_FIRST) <= row < integer(args, FULL_LAST):
        return min(integer(args, FULL_LAST) - row, most)
    return 1


def _conv():
    revision = REVISION

    def sliding_conv(args, task):
        revision  # noqa: B018 (a part of the cache key)
        height, tasks = integer(args, OH), integer(args, TASKS)
        all_rows = integer(args, IMAGES) * height
        item, stop = all_rows * task // tasks, all_rows * (task + 1) // tasks
        x_row = integer(args, S_H) * integer(args, X_H)
        while item < stop:
            image = item // height
            row = item - image * height
            rows = _rows_alike(args, row, stop - item)
            top = row * integer(args, S_H) - integer(args, PAD_H)
            first, last = _runs(args, top)
            x = integer(args, X) + image * integer(args, X_N) + top * integer(args, X_H)
            y = integer(args, Y) + image * integer(args, Y_N) + row * integer(args, Y_H)
            for number in range(integer(args, PIECES)):
                piece = integer(args, PIECE_TABLE) + number * PIECE
                call_slide(
                    integer(piece, P_KERNEL), rows, last - first, integer(args, OFFSETS) + 16 * first,
                    x + integer(piece, P_X), integer(args, CELL), x_row,
                    integer(args, WEIGHT) + integer(piece, P_WEIGHT), integer(args, LINE),
                    integer(args, BIAS) + integer(piece, P_LANE),
                    y + integer(piece, P_Y), integer(args, Y_W), integer(args, Y_H), integer(piece, P_TAIL),
                )  # fmt: skip
            item += rows

    return sliding_conv


@helper
def _gradient_rows(args, gradient, image, row, rows):
    """Add what some rows of one image, all with the same kernel rows inside x, contribute to the gradient."""
    top = row * integer(args, S_H) - integer(args, PAD_H)
    run, last = _runs(args, top)
    x = integer(args, X) + image * integer(args, X_N) + top * integer(args, X_H)
    dy = integer(args, DY) + image * integer(args, Y_N) + row * integer(args, Y_H)
    x_run, x_row = integer(args, STEP_H) * integer(args, X_H), integer(args, S_H) * integer(args, X_H)
    while run < last:
        runs = min(integer(args, RUNS), last - run)
        for number in range(integer(args, PIECES)):
            piece = integer(args, PIECE_TABLE) + number * SUM_PIECE
            call_slide(
                integer(piece, S_KERNEL + runs - 1), rows, integer(piece, S_STEPS),
                x + run * x_run + integer(piece, S_X), integer(args, CELL), x_run, x_row,
                dy + integer(piece, S_Y), integer(args, Y_W), integer(args, Y_H),
                gradient + run * integer(args, LINE_RUN) + integer(piece, S_WEIGHT),
                integer(args, LINE), integer(args, LINE_RUN), integer(piece, S_TAIL),
            )  # fmt: skip
        run += runs


def _gradient():
    revision = REVISION

    def sliding_gradient(args, task):
        revision  # noqa: B018 (a part of the cache key)
        height, tasks, splits = integer(args, OH), integer(args, TASKS), integer(args, SPLITS)
        all_rows = integer(args, IMAGES) * height
        for split in range(splits * task // tasks, splits * (task + 1) // tasks):
            gradient = integer(args, DW) + split * integer(args, DW_SPLIT)
            clear_bytes(gradient, integer(args, DW_SPLIT))
            item, stop = all_rows * split // splits, all_rows * (split + 1) // splits
            while item < stop:
                image = item // height
                row = item - image * height
                rows = _rows_alike(args, row, min(stop - item, integer(args, ROWS)))
                _gradient_rows(args, gradient, image, row, rows)
                item += rows

    return sliding_gradient


@cache
def _compiled(name):
    return c_function(name, "void(intp, intp)", {"sliding_conv": _conv, "sliding_gradient": _gradient}[name]())


def sliding_conv_address() -> int:
    """Address of the driver of forward and input gradient, for every dtype; compiled on first use."""
    with LOCK:
        return _compiled("sliding_conv").address


def sliding_gradient_address() -> int:
    """Address of the driver of the weight gradient, for every dtype; compiled on first use."""
    with LOCK:
        return _compiled("sliding_gradient").address

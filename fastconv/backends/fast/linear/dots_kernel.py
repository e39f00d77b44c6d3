"""The driver of linear layers of few rows: every row of x times every row of the weights, as dots.

The lanes run along both, so that a vector of weights is read, used for all rows of x, and not needed again; nothing is
packed. A lane adds up every sixteenth product (of float32 on AVX-512), in runs; the lanes are added in pairs at the
end. The readable twin is::

    y[n, o] = bias[o] + sum over lanes of (sum over runs of x[n, run, lane] * weight[o, run, lane])
"""

from __future__ import annotations

from fastconv.backends.fast.machine.blocks import Block
from fastconv.backends.fast.machine.intrinsics import call_tile, lanes_of, load_at, size_of, store_at
from fastconv.backends.fast.machine.jit import helper
from fastconv.backends.fast.machine.kernel import kernel
from fastconv.backends.fast.normalization.reductions_kernel import lane_total

DOTS = Block(
    """
    X X_ROW ROWS WEIGHT W_ROW BIAS Y Y_ROW VECTORS CHUNK REST TILES TILES_BIG M_BIG M_SMALL
    TILE_BIG TILE_SMALL REST_BIG REST_SMALL ZERO_ROW NO_OFFSETS SCRATCH SCRATCH_STRIDE TASKS
""",
    results="Y SCRATCH",
)


@helper
def _runs(args, tile, rest, m, weights, scratch, line):
    """Sums of every lane, (rows of x, rows of weights, lanes), for `m` rows of weights; a run at a time."""
    vectors, run, left = args.VECTORS, args.CHUNK, args.REST
    for first in range(0, vectors + 1, run):
        length = min(run, vectors - first)
        for n in range(args.ROWS):
            x, c = args.X + n * args.X_ROW, scratch + n * m * line
            init, step = (c, line) if first else (args.ZERO_ROW, 0)
            if length > 0:
                a = weights + first * line
                call_tile(
                    tile, 1, args.NO_OFFSETS, length, a, args.W_ROW, line, x + first * line,
                    line, init, step, c, line, 0, a, 0, 0,
                )  # fmt: skip
                init, step = c, line
            if left and first + run > vectors:  # the numbers that do not fill a vector
                a = weights + vectors * line
                call_tile(
                    rest, 1, args.NO_OFFSETS, 1, a, args.W_ROW, line, x + vectors * line,
                    line, init, step, c, line, left, a, 0, 0,
                )  # fmt: skip


@kernel(DOTS)
def linear_dots(args, task, number):
    """Dots of `ROWS` rows with some of the rows of weights."""
    tiles, tasks, tall = args.TILES, args.TASKS, args.TILES_BIG
    first_tile, last_tile = tiles * task // tasks, tiles * (task + 1) // tasks
    row = min(first_tile, tall) * args.M_BIG + max(first_tile - tall, 0) * args.M_SMALL
    vector = lanes_of(number)
    line, scratch = vector * size_of(number), args.SCRATCH + task * args.SCRATCH_STRIDE
    for t in range(first_tile, last_tile):
        big = t < tall
        m = args.M_BIG if big else args.M_SMALL
        tile = args.TILE_BIG if big else args.TILE_SMALL
        rest = args.REST_BIG if big else args.REST_SMALL
        valid = vector if args.VECTORS else args.REST
        _runs(args, tile, rest, m, args.WEIGHT + row * args.W_ROW, scratch, line)
        for n in range(args.ROWS):
            y = args.Y + n * args.Y_ROW
            for i in range(m):
                total = lane_total(number, scratch + (n * m + i) * line, valid)
                if args.BIAS:
                    total += load_at(args.BIAS, row + i, number)
                store_at(y, row + i, total)
        row += m

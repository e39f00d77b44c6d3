"""The driver of linear layers of few rows: every row of x times every row of the weights, as dots.

The lanes run along both, so that a vector of weights is read, used for all rows of x, and not needed again; nothing is
packed. A lane adds up every sixteenth product (of float32 on AVX-512), in runs; the lanes are added in pairs at the
end. The readable twin is::

    y[n, o] = bias[o] + sum over lanes of (sum over runs of x[n, run, lane] * weight[o, run, lane])
"""

from __future__ import annotations

from functools import cache

from fastconv.kernels.arguments import Block
from fastconv.kernels.jit import LOCK, REVISION, ZERO, c_function, helper
from fastconv.kernels.memory import call_tile, integer, load_at, size_of, store_at
from fastconv.kernels.reductions import lane_total
from fastconv.kernels.target import host

__all__ = ["DOTS", "dots_address"]

DOTS = Block(
    """
    X X_ROW ROWS WEIGHT W_ROW BIAS Y Y_ROW VECTORS CHUNK REST TILES TILES_BIG M_BIG M_SMALL
    TILE_BIG TILE_SMALL REST_BIG REST_SMALL ZERO_ROW NO_OFFSETS SCRATCH SCRATCH_STRIDE TASKS
"""
)
_I = DOTS.index
X, X_ROW, ROWS, WEIGHT, W_ROW = _I["X"], _I["X_ROW"], _I["ROWS"], _I["WEIGHT"], _I["W_ROW"]
BIAS, Y, Y_ROW, VECTORS, RUN, REST = _I["BIAS"], _I["Y"], _I["Y_ROW"], _I["VECTORS"], _I["CHUNK"], _I["REST"]
TILES, TILES_BIG, M_BIG, M_SMALL = _I["TILES"], _I["TILES_BIG"], _I["M_BIG"], _I["M_SMALL"]
TILE_BIG, TILE_SMALL, REST_BIG, REST_SMALL = _I["TILE_BIG"], _I["TILE_SMALL"], _I["REST_BIG"], _I["REST_SMALL"]
ZERO_ROW, NO_OFFSETS, SCRATCH, SCRATCH_STRIDE = _I["ZERO_ROW"], _I["NO_OFFSETS"], _I["SCRATCH"], _I["SCRATCH_STRIDE"]
TASKS = _I["TASKS"]


@helper
def _runs(args, tile, rest, m, weights, scratch, line):
    """Sums of every lane, (rows of x, rows of weights, lanes), for `m` rows of weights; a run at a time."""
    vectors, run, left = integer(args, VECTORS), integer(args, RUN), integer(args, REST)
    for first in range(0, vectors + 1, run):
        length = min(run, vectors - first)
        for n in range(integer(args, ROWS)):
            x, c = integer(args, X) + n * integer(args, X_ROW), scratch + n * m * line
            init, step = (c, line) if first else (integer(args, ZERO_ROW), 0)
            if length > 0:
                a = weights + first * line
                call_tile(
                    tile, 1, integer(args, NO_OFFSETS), length, a, integer(args, W_ROW), line, x + first * line,
                    line, init, step, c, line, 0, a, 0, 0,
                )  # fmt: skip
                init, step = c, line
            if left and first + run > vectors:  # the numbers that do not fill a vector
                a = weights + vectors * line
                call_tile(
                    rest, 1, integer(args, NO_OFFSETS), 1, a, integer(args, W_ROW), line, x + vectors * line,
                    line, init, step, c, line, left, a, 0, 0,
                )  # fmt: skip


def _driver(number, vector):
    revision = REVISION

    def linear_dots(args, task):
        """Dots of `ROWS` rows with some of the rows of weights."""
        revision  # noqa: B018 (a part of the cache key)
        tiles, tasks, tall = integer(args, TILES), integer(args, TASKS), integer(args, TILES_BIG)
        first_tile, last_tile = tiles * task // tasks, tiles * (task + 1) // tasks
        row = min(first_tile, tall) * integer(args, M_BIG) + max(first_tile - tall, 0) * integer(args, M_SMALL)
        line, scratch = vector * size_of(number), integer(args, SCRATCH) + task * integer(args, SCRATCH_STRIDE)
        for t in range(first_tile, last_tile):
            big = t < tall
            m = integer(args, M_BIG) if big else integer(args, M_SMALL)
            tile = integer(args, TILE_BIG) if big else integer(args, TILE_SMALL)
            rest = integer(args, REST_BIG) if big else integer(args, REST_SMALL)
            valid = vector if integer(args, VECTORS) else integer(args, REST)
            _runs(args, tile, rest, m, integer(args, WEIGHT) + row * integer(args, W_ROW), scratch, line)
            for n in range(integer(args, ROWS)):
                y = integer(args, Y) + n * integer(args, Y_ROW)
                for i in range(m):
                    total = lane_total(number, scratch + (n * m + i) * line, valid)
                    if integer(args, BIAS):
                        total += load_at(integer(args, BIAS), row + i, number)
                    store_at(y, row + i, total)
            row += m

    return linear_dots


@cache
def _compiled(itemsize):
    driver = _driver(ZERO[itemsize], host().lanes(itemsize))
    return c_function(f"linear_dots_f{8 * itemsize}", "void(intp, intp)", driver)


def dots_address(itemsize: int) -> int:
    """Address of the driver for numbers of `itemsize` bytes; compiled on first use."""
    with LOCK:
        return _compiled(itemsize).address

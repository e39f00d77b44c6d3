"""The driver of the input gradient where channels are few: columns of dy, added back into planes (col2im).

With C channels the lanes of a product into dx would be mostly empty. So the lanes are the whole window instead: a tile
makes ``dcols = dy @ weight`` for some pixels of an output row, (pixels, KH*KW*C) numbers that stay in the L1 cache, and
each kernel row of them, KW*C consecutive numbers, is added to a row of dx. An item of work is a range of rows of dx of
one element of the batch, for which it computes every output row that reaches it: two items never write the same row,
and every cell gets its sum in the order of the output positions, however the rows are divided.
"""

from __future__ import annotations

from functools import cache

from fastconv.kernels.accumulate import accumulate
from fastconv.kernels.arguments import Block
from fastconv.kernels.conv import BLOCK_ENTRY, CONV, tile_chunks
from fastconv.kernels.jit import LOCK, REVISION, ZERO, c_function, helper
from fastconv.kernels.memory import clear_bytes, copy_bytes, integer, size_of

__all__ = ["RUN_ENTRY", "SCATTER", "scatter_address"]

# the first entries are those of a convolution from dy to columns; DX is the result, BAND_* the rows under construction
SCATTER = Block(
    " ".join(CONV.names)
    + """
    RUNS RUN_TABLE RUN_NUMBERS STEP_W DX DX_N DX_D DX_H ROW_NUMBERS CROP DX_DEPTH DX_HEIGHT PARTS BATCH
    COLUMNS_OFFSET BAND_OFFSET TASKS
"""
)
# one kernel row: its cells from the first of the window (depth, height), byte offset in the row, and in the columns
RUN_ENTRY = Block("DEPTH HEIGHT ROW COLUMN")

_I = SCATTER.index
X, X_N, X_D, X_H = _I["X"], _I["X_N"], _I["X_D"], _I["X_H"]
OD, OH, S_D, S_H, PAD_D, PAD_H = (_I[name] for name in ("OD", "OH", "S_D", "S_H", "PAD_D", "PAD_H"))
EXTENT_H, BAND_ROW, BAND_PLANE = _I["EXTENT_H"], _I["BAND_ROW"], _I["BAND_PLANE"]
SCRATCH, SCRATCH_STRIDE = _I["SCRATCH"], _I["SCRATCH_STRIDE"]
BLOCKS, BLOCK_TABLE, WEIGHT, BIAS = _I["BLOCKS"], _I["BLOCK_TABLE"], _I["WEIGHT"], _I["BIAS"]
A_PIXEL, Y_W = _I["A_PIXEL"], _I["Y_W"]
TILES, TILES_BIG, M_BIG, M_SMALL = _I["TILES"], _I["TILES_BIG"], _I["M_BIG"], _I["M_SMALL"]
RUNS, RUN_TABLE, RUN_NUMBERS, STEP_W = _I["RUNS"], _I["RUN_TABLE"], _I["RUN_NUMBERS"], _I["STEP_W"]
DX, DX_N, DX_D, DX_H = _I["DX"], _I["DX_N"], _I["DX_D"], _I["DX_H"]
ROW_NUMBERS, CROP, DX_DEPTH, DX_HEIGHT = _I["ROW_NUMBERS"], _I["CROP"], _I["DX_DEPTH"], _I["DX_HEIGHT"]
PARTS, BATCH, TASKS = _I["PARTS"], _I["BATCH"], _I["TASKS"]
COLUMNS_OFFSET, BAND_OFFSET = _I["COLUMNS_OFFSET"], _I["BAND_OFFSET"]

ENTRY = 8 * len(BLOCK_ENTRY.names)
_E = BLOCK_ENTRY.index
TILE_BIG, TILE_SMALL, B_OFFSET, C_OFFSET = _E["TILE_BIG"], _E["TILE_SMALL"], _E["B_OFFSET"], _E["C_OFFSET"]
RUN = 8 * len(RUN_ENTRY.names)
DEPTH, HEIGHT, ROW, COLUMN = (RUN_ENTRY.index[name] for name in RUN_ENTRY.names)


@helper
def _columns(args, a, columns, big):
    """Columns of the pixels of one tile: all blocks of lanes."""
    for block in range(integer(args, BLOCKS)):
        entry = integer(args, BLOCK_TABLE) + block * ENTRY
        tile = integer(entry, TILE_BIG) if big else integer(entry, TILE_SMALL)
        b, c = integer(args, WEIGHT) + integer(entry, B_OFFSET), columns + integer(entry, C_OFFSET)
        tile_chunks(args, tile, entry, a, b, integer(args, BIAS), c)


@helper
def add_back(args, columns, band, pixels, d0, h0, rows, number):
    """Add the columns of some pixels to the band; `d0` and `h0` are the cells of their first tap."""
    pitch, step, numbers = integer(args, Y_W), integer(args, STEP_W), integer(args, RUN_NUMBERS)
    depth, runs, plane, row = (
        integer(args, DX_DEPTH),
        integer(args, RUNS),
        integer(args, BAND_PLANE),
        integer(args, BAND_ROW),
    )
    table = integer(args, RUN_TABLE)
    for _ in range(pixels):
        for run in range(runs):
            entry = table + run * RUN
            d, h = d0 + integer(entry, DEPTH), h0 + integer(entry, HEIGHT)
            if 0 <= d < depth and 0 <= h < rows:
                target = band + d * plane + h * row + integer(entry, ROW)
                accumulate(number, target, columns + integer(entry, COLUMN), numbers)
        band += step
        columns += pitch


@helper
def output_row(args, a, columns, band, d0, h0, rows, number):
    """One output row, tile by tile."""
    for t in range(integer(args, TILES)):
        big = t < integer(args, TILES_BIG)
        pixels = integer(args, M_BIG) if big else integer(args, M_SMALL)
        _columns(args, a, columns, big)
        add_back(args, columns, band, pixels, d0, h0, rows, number)
        a += pixels * integer(args, A_PIXEL)
        band += pixels * integer(args, STEP_W)


@helper
def finish(args, n, band, first, rows, number):
    """Copy the band, without its halo, to dx."""
    numbers = integer(args, ROW_NUMBERS)
    for d in range(integer(args, DX_DEPTH)):
        for h in range(rows):
            source = band + d * integer(args, BAND_PLANE) + h * integer(args, BAND_ROW) + integer(args, CROP)
            target = integer(args, DX) + n * integer(args, DX_N) + d * integer(args, DX_D)
            target += (first + h) * integer(args, DX_H)
            copy_bytes(target, source, numbers * size_of(number))


def _driver(number):
    revision = REVISION

    def scatter(args, task):
        revision  # noqa: B018 (a part of the cache key)
        height, parts, tasks = integer(args, DX_HEIGHT), integer(args, PARTS), integer(args, TASKS)
        items = integer(args, BATCH) * parts
        columns = integer(args, SCRATCH) + task * integer(args, SCRATCH_STRIDE) + integer(args, COLUMNS_OFFSET)
        band = integer(args, SCRATCH) + task * integer(args, SCRATCH_STRIDE) + integer(args, BAND_OFFSET)
        stride, before = integer(args, S_H), integer(args, PAD_H)
        for item in range(items * task // tasks, items * (task + 1) // tasks):
            n, part = item // parts, item % parts
            first, last = height * part // parts, height * (part + 1) // parts
            clear_bytes(band, integer(args, DX_DEPTH) * integer(args, BAND_PLANE))
            lowest = max(0, -((integer(args, EXTENT_H) - 1 - before - first) // stride))
            highest = min(integer(args, OH), (last - 1 + before) // stride + 1)
            for od in range(integer(args, OD)):
                for oh in range(lowest, highest):
                    a = integer(args, X) + n * integer(args, X_N) + od * integer(args, X_D) + oh * integer(args, X_H)
                    d0, h0 = od * integer(args, S_D) - integer(args, PAD_D), oh * stride - before - first
                    output_row(args, a, columns, band, d0, h0, last - first, number)
            finish(args, n, band, first, last - first, number)

    return scatter


@cache
def _compiled(itemsize):
    return c_function(f"scatter_f{8 * itemsize}", "void(intp, intp)", _driver(ZERO[itemsize]))


def scatter_address(itemsize: int) -> int:
    """Address of the driver for numbers of `itemsize` bytes; compiled on first use."""
    with LOCK:
        return _compiled(itemsize).address

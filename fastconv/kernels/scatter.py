"""The driver of the input gradient where channels are few: columns of dy, added back into planes (col2im).

With C channels the lanes of a product into dx would be mostly empty. So the lanes are the whole window instead: a tile
makes ``dcols = dy @ weight`` for some pixels of an output row, (pixels, KH*KW*C) numbers that stay in the L1 cache, and
each kernel row of them, KW*C consecutive numbers, is added to a row of dx. An item of work is a range of rows of dx of
one element of the batch, or a segment of them where rows are long, for which it computes every output position that
reaches it: two items never write the same cell, and every cell gets its sum in the order of the output positions,
however the cells are divided.
"""

from __future__ import annotations

from functools import cache

from fastconv.kernels.accumulate import accumulate
from fastconv.kernels.arguments import Block
from fastconv.kernels.conv import BLOCK_ENTRY, CONV, first_column, tile_chunks
from fastconv.kernels.jit import LOCK, REVISION, ZERO, c_function, helper
from fastconv.kernels.memory import clear_bytes, copy_bytes, integer, size_of

__all__ = ["RUN_ENTRY", "SCATTER", "scatter_address"]

# the first entries are those of a convolution from dy to columns; DX is the result, BAND_* the rows under construction
SCATTER = Block(
    " ".join(CONV.names)
    + """
    RUNS RUN_TABLE RUN_NUMBERS STEP_W DX DX_N DX_D DX_H DX_DEPTH DX_HEIGHT DX_WIDTH PARTS BATCH
    COLUMNS_OFFSET BAND_OFFSET TASKS
"""
)
# one kernel row: its cells from the first of the window (depth, height), byte offset in the row, and in the columns
RUN_ENTRY = Block("DEPTH HEIGHT ROW COLUMN")

_I = SCATTER.index
X, X_N, X_D, X_H = _I["X"], _I["X_N"], _I["X_D"], _I["X_H"]
OD, OH, S_D, S_H, PAD_D, PAD_H = (_I[name] for name in ("OD", "OH", "S_D", "S_H", "PAD_D", "PAD_H"))
OW, S_W, PAD_W, EXTENT_W, CHANNELS = (_I[name] for name in ("OW", "S_W", "PAD_W", "EXTENT_W", "CHANNELS"))
EXTENT_H, BAND_ROW, BAND_PLANE, SEGMENTS = (_I[name] for name in ("EXTENT_H", "BAND_ROW", "BAND_PLANE", "ROW_SEGMENTS"))
SCRATCH, SCRATCH_STRIDE = _I["SCRATCH"], _I["SCRATCH_STRIDE"]
BLOCKS, BLOCK_TABLE, WEIGHT, BIAS = _I["BLOCKS"], _I["BLOCK_TABLE"], _I["WEIGHT"], _I["BIAS"]
A_PIXEL, Y_W = _I["A_PIXEL"], _I["Y_W"]
TILES, TILES_BIG, M_BIG, M_SMALL = _I["TILES"], _I["TILES_BIG"], _I["M_BIG"], _I["M_SMALL"]
RUNS, RUN_TABLE, RUN_NUMBERS, STEP_W = _I["RUNS"], _I["RUN_TABLE"], _I["RUN_NUMBERS"], _I["STEP_W"]
DX, DX_N, DX_D, DX_H = _I["DX"], _I["DX_N"], _I["DX_D"], _I["DX_H"]
DX_DEPTH, DX_HEIGHT, DX_WIDTH = _I["DX_DEPTH"], _I["DX_HEIGHT"], _I["DX_WIDTH"]
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
def output_row(args, a, columns, band, first, last, d0, h0, rows, number):
    """The tiles `first` to ``last - 1`` of one output row."""
    for t in range(first, last):
        big = t < integer(args, TILES_BIG)
        pixels = integer(args, M_BIG) if big else integer(args, M_SMALL)
        _columns(args, a, columns, big)
        add_back(args, columns, band, pixels, d0, h0, rows, number)
        a += pixels * integer(args, A_PIXEL)
        band += pixels * integer(args, STEP_W)


@helper
def finish(args, n, band, first, rows, column, columns, number):
    """Copy `rows` × `columns` cells, of which `band` has the first, to dx."""
    pixel = integer(args, CHANNELS) * size_of(number)
    for d in range(integer(args, DX_DEPTH)):
        for h in range(rows):
            source = band + d * integer(args, BAND_PLANE) + h * integer(args, BAND_ROW)
            target = integer(args, DX) + n * integer(args, DX_N) + d * integer(args, DX_D)
            target += (first + h) * integer(args, DX_H) + column * pixel
            copy_bytes(target, source, columns * pixel)


@helper
def tile_of(args, pixel):
    """Tile that makes a pixel of an output row."""
    tall = integer(args, TILES_BIG)
    rest = pixel - tall * integer(args, M_BIG)
    return pixel // integer(args, M_BIG) if rest < 0 else tall + rest // integer(args, M_SMALL)


@helper
def _item(args, n, columns, band, first, last, left, right, number):
    """Rows `first` to ``last - 1`` of one image of dx, of them the cells `left` to ``right - 1``."""
    stride, before, extent = integer(args, S_W), integer(args, PAD_W), integer(args, EXTENT_W)
    pixel = integer(args, CHANNELS) * size_of(number)
    clear_bytes(band, integer(args, DX_DEPTH) * integer(args, BAND_PLANE))
    tile, last_tile, column, start = 0, 0, 0, left + before  # cell of the padded row where the band starts
    leftmost = max(0, -((extent - 1 - before - left) // stride))
    rightmost = min(integer(args, OW), (right - 1 + before) // stride + 1)
    if leftmost < rightmost:
        tile, last_tile = tile_of(args, leftmost), tile_of(args, rightmost - 1) + 1
        column = first_column(args, tile)
        start = min(column * stride, start)
    lowest = max(0, -((integer(args, EXTENT_H) - 1 - integer(args, PAD_H) - first) // integer(args, S_H)))
    highest = min(integer(args, OH), (last - 1 + integer(args, PAD_H)) // integer(args, S_H) + 1)
    for od in range(integer(args, OD)):
        for oh in range(lowest, highest):
            a = integer(args, X) + n * integer(args, X_N) + od * integer(args, X_D) + oh * integer(args, X_H)
            a += column * integer(args, A_PIXEL)
            d0 = od * integer(args, S_D) - integer(args, PAD_D)
            h0 = oh * integer(args, S_H) - integer(args, PAD_H) - first
            place = band + (column * stride - start) * pixel
            output_row(args, a, columns, place, tile, last_tile, d0, h0, last - first, number)
    finish(args, n, band + (left + before - start) * pixel, first, last - first, left, right - left, number)


def _driver(number):
    revision = REVISION

    def scatter(args, task):
        revision  # noqa: B018 (a part of the cache key)
        height, parts, tasks = integer(args, DX_HEIGHT), integer(args, PARTS), integer(args, TASKS)
        width, segments = integer(args, DX_WIDTH), integer(args, SEGMENTS)
        items = integer(args, BATCH) * parts * segments
        columns = integer(args, SCRATCH) + task * integer(args, SCRATCH_STRIDE) + integer(args, COLUMNS_OFFSET)
        band = integer(args, SCRATCH) + task * integer(args, SCRATCH_STRIDE) + integer(args, BAND_OFFSET)
        for item in range(items * task // tasks, items * (task + 1) // tasks):
            n, part, segment = item // (parts * segments), item // segments % parts, item % segments
            first, last = height * part // parts, height * (part + 1) // parts
            left, right = width * segment // segments, width * (segment + 1) // segments
            _item(args, n, columns, band, first, last, left, right, number)

    return scatter


@cache
def _compiled(itemsize):
    return c_function(f"scatter_f{8 * itemsize}", "void(intp, intp)", _driver(ZERO[itemsize]))


def scatter_address(itemsize: int) -> int:
    """Address of the driver for numbers of `itemsize` bytes; compiled on first use."""
    with LOCK:
        return _compiled(itemsize).address

"""The driver of every weight gradient: the same tiles, with pixels as the reduction.

Row i of a tile is number i of a run of the window (one kernel row of the input, KW*C consecutive numbers), its lanes
are filters, and k runs over the pixels of the output rows of a band. The rows of the output are cut into *splits*, each
with a gradient of its own, which are added in order at the end: how many depends on the shape alone, so that the result
does not depend on the number of threads. Within a split the tiles are divided between `PARTS` tasks.
"""

from __future__ import annotations

from functools import cache

from fastconv.kernels.arguments import Block
from fastconv.kernels.jit import LOCK, REVISION, ZERO, c_function, helper
from fastconv.kernels.memory import call_tile, integer, store_integer
from fastconv.kernels.rows import SOURCE, address_of_window, fill_band, reads_source

__all__ = ["WEIGHT_BLOCK_ENTRY", "WEIGHT_GRADIENT", "weight_address"]

WEIGHT_GRADIENT = Block(
    SOURCE
    + """
    GROUPS BLOCKS BLOCK_TABLE RUNS RUN_OFFSETS RUN_BYTES TILES TILES_BIG M_BIG M_SMALL A_ROW A_PIXEL A_NUMBER
    DY DY_IMAGE DY_ROW DY_PIXEL DY_GROUP PIECES PIECE_ROWS START DW DW_SPLIT DW_GROUP DW_RUN DW_ROW
    SPLITS PARTS TASKS ROW_TABLE AHEAD_BYTES LAST_TAP LOST
"""
)
# one block of filters: two tiles, byte offsets into x, dy and dw, lanes of the last vector
WEIGHT_BLOCK_ENTRY = Block("TILE_BIG TILE_SMALL A_OFFSET B_OFFSET C_OFFSET TAIL")

_I = WEIGHT_GRADIENT.index
X_H, S_H, OH, OW, IMAGES, BAND_IMAGE = (_I[name] for name in ("X_H", "S_H", "OH", "OW", "IMAGES", "BAND_IMAGE"))
ROWS_PER_BAND, IMAGES_PER_BAND, ROW_SEGMENTS = (
    _I[name] for name in ("ROWS_PER_BAND", "IMAGES_PER_BAND", "ROW_SEGMENTS")
)
SCRATCH, SCRATCH_STRIDE = _I["SCRATCH"], _I["SCRATCH_STRIDE"]
GROUPS, BLOCKS, BLOCK_TABLE = _I["GROUPS"], _I["BLOCKS"], _I["BLOCK_TABLE"]
RUNS, RUN_OFFSETS = _I["RUNS"], _I["RUN_OFFSETS"]
TILES, TILES_BIG, M_BIG, M_SMALL = _I["TILES"], _I["TILES_BIG"], _I["M_BIG"], _I["M_SMALL"]
A_ROW, A_PIXEL, A_NUMBER = _I["A_ROW"], _I["A_PIXEL"], _I["A_NUMBER"]
DY, DY_IMAGE, DY_ROW, DY_PIXEL = _I["DY"], _I["DY_IMAGE"], _I["DY_ROW"], _I["DY_PIXEL"]
DY_GROUP, PIECES, PIECE_ROWS, START = _I["DY_GROUP"], _I["PIECES"], _I["PIECE_ROWS"], _I["START"]
DW, DW_SPLIT, DW_GROUP, DW_RUN, DW_ROW = _I["DW"], _I["DW_SPLIT"], _I["DW_GROUP"], _I["DW_RUN"], _I["DW_ROW"]
SPLITS, PARTS, TASKS, ROW_TABLE = _I["SPLITS"], _I["PARTS"], _I["TASKS"], _I["ROW_TABLE"]
AHEAD_BYTES, LAST_TAP, LOST = _I["AHEAD_BYTES"], _I["LAST_TAP"], _I["LOST"]

_E = WEIGHT_BLOCK_ENTRY.index
ENTRY = 8 * len(WEIGHT_BLOCK_ENTRY.names)
TILE_BIG, TILE_SMALL, A_OFFSET = _E["TILE_BIG"], _E["TILE_SMALL"], _E["A_OFFSET"]
B_OFFSET, C_OFFSET, TAIL = _E["B_OFFSET"], _E["C_OFFSET"], _E["TAIL"]


@helper
def _row_table(args, table, band, group, image, images, first_row, rows, column):
    """Addresses of every output row of a band in it, or in x itself where `band` is 0; and byte offsets into dy."""
    a_row = integer(args, A_ROW) if band else integer(args, S_H) * integer(args, X_H)
    entry = 0
    for i in range(images):
        a = band + i * integer(args, BAND_IMAGE)
        if band == 0:
            a = address_of_window(args, group, image + i, first_row, column)
        b = (image + i) * integer(args, DY_IMAGE) + first_row * integer(args, DY_ROW) + column * integer(args, DY_PIXEL)
        for r in range(rows):
            store_integer(table, entry, a + r * a_row)
            store_integer(table, entry + 1, b + r * integer(args, DY_ROW))
            entry += 2


@helper
def _chunk(args, table, count, start, length, a, ahead, group, split, part, is_first):
    """All tiles of one part, over one chunk of pixels: `count` rows of `length` pixels, from pixel `start` of a row.

    Blocks of filters come first, so that a chunk of dy, 32 KB at most, stays in the L1 cache for all tiles of a block.
    """
    tiles, blocks, parts = integer(args, TILES), integer(args, BLOCKS), integer(args, PARTS)
    per_block, tall = integer(args, RUNS) * tiles, integer(args, TILES_BIG)
    total, dw_row, dy_pixel = per_block * blocks, integer(args, DW_ROW), integer(args, DY_PIXEL)
    dy = integer(args, DY) + group * integer(args, DY_GROUP) + start * dy_pixel
    dw = integer(args, DW) + split * integer(args, DW_SPLIT) + group * integer(args, DW_GROUP)
    first, last = total * part // parts, total * (part + 1) // parts
    share = count * length * integer(args, AHEAD_BYTES) // max(last - first, 1)
    for item in range(first, last):
        entry = integer(args, BLOCK_TABLE) + item // per_block * ENTRY
        run, tile = item % per_block // tiles, item % tiles
        big = min(tile, tall)
        row = big * integer(args, M_BIG) + (tile - big) * integer(args, M_SMALL)
        kernel = integer(entry, TILE_BIG) if tile < tall else integer(entry, TILE_SMALL)
        x = a + integer(integer(args, RUN_OFFSETS), run) + row * integer(args, A_NUMBER) + integer(entry, A_OFFSET)
        c = dw + run * integer(args, DW_RUN) + row * dw_row + integer(entry, C_OFFSET)
        init, init_row = (integer(args, START), 0) if is_first else (c, dw_row)
        call_tile(
            kernel, count, table, length, x, integer(args, A_NUMBER), integer(args, A_PIXEL),
            dy + integer(entry, B_OFFSET), dy_pixel, init, init_row, c, dw_row, integer(entry, TAIL),
            ahead, share // (count * length), integer(args, LOST),
        )  # fmt: skip
        ahead += share


@helper
def _band(args, table, group, split, rows, width, part, is_first):
    """All chunks of a band of `rows` output rows, whole rows or pieces of one; the first of a split starts at zero."""
    pieces, step = integer(args, PIECES), integer(args, PIECE_ROWS)
    for first in range(0, rows, step):
        for piece in range(pieces):
            pixel = width * piece // pieces
            length = width * (piece + 1) // pieces - pixel
            a = pixel * integer(args, A_PIXEL)
            count = min(step, rows - first)
            following = min(first + step, rows - 1) * 2  # the next chunk, which this one asks for ahead of time
            ahead = integer(table, following)
            if piece < pieces - 1:  # its last tap is the first to reach it
                ahead = integer(table, first * 2) + (pixel + length) * integer(args, A_PIXEL) + integer(args, LAST_TAP)
            _chunk(args, table + first * 16, count, pixel, length, a, ahead, group, split, part, is_first)
            is_first = False


@helper
def split_rows(args, table, band, group, split, part, number):
    """All bands of one split, one group and one part of the tiles."""
    height, segments, width = integer(args, OH), integer(args, ROW_SEGMENTS), integer(args, OW)
    rows_of_all = integer(args, IMAGES) * segments * height
    first = rows_of_all * split // integer(args, SPLITS)
    last = rows_of_all * (split + 1) // integer(args, SPLITS)
    is_first = True
    while first < last:
        image, segment = first // (height * segments), first // height % segments
        row = first % height
        images, rows = 1, min(integer(args, ROWS_PER_BAND), height - row, last - first)
        if row == 0 and rows == height:
            images = min(integer(args, IMAGES_PER_BAND), (last - first) // height)
        column = width * segment // segments
        columns = width * (segment + 1) // segments - column
        start = 0
        if not reads_source(args, column, columns):
            fill_band(args, band, group, image, images, row, rows, column, columns, number)
            start = band
        _row_table(args, table, start, group, image, images, row, rows, column)
        _band(args, table, group, split, images * rows, columns, part, is_first)
        is_first = False
        first += images * rows


def _driver(number):
    revision = REVISION

    def weight_gradient(args, task):
        revision  # noqa: B018 (a part of the cache key)
        parts, tasks = integer(args, PARTS), integer(args, TASKS)
        items = integer(args, SPLITS) * parts
        table = integer(args, SCRATCH) + task * integer(args, SCRATCH_STRIDE)
        band = table + integer(args, ROW_TABLE)
        for item in range(items * task // tasks, items * (task + 1) // tasks):
            for group in range(integer(args, GROUPS)):
                split_rows(args, table, band, group, item // parts, item % parts, number)

    return weight_gradient


@cache
def _compiled(itemsize):
    return c_function(f"weight_gradient_f{8 * itemsize}", "void(intp, intp)", _driver(ZERO[itemsize]))


def weight_address(itemsize: int) -> int:
    """Address of the driver for numbers of `itemsize` bytes; compiled on first use."""
    with LOCK:
        return _compiled(itemsize).address

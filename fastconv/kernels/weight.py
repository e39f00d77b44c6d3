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
from fastconv.kernels.rows import SOURCE, fill_band

__all__ = ["WEIGHT_BLOCK_ENTRY", "WEIGHT_GRADIENT", "weight_address"]

WEIGHT_GRADIENT = Block(
    SOURCE
    + """
    GROUPS BLOCKS BLOCK_TABLE RUNS RUN_OFFSETS RUN_BYTES TILES TILES_BIG M_BIG M_SMALL A_ROW A_PIXEL A_NUMBER
    DY DY_IMAGE DY_ROW DY_PIXEL DY_GROUP PIECES PIECE_ROWS START DW DW_SPLIT DW_GROUP DW_RUN DW_ROW
    SPLITS PARTS TASKS ROW_TABLE
"""
)
# one block of filters: two tiles, byte offsets into x, dy and dw, lanes of the last vector
WEIGHT_BLOCK_ENTRY = Block("TILE_BIG TILE_SMALL A_OFFSET B_OFFSET C_OFFSET TAIL")

_I = WEIGHT_GRADIENT.index
X, X_N, X_D, X_GROUP = _I["X"], _I["X_N"], _I["X_D"], _I["X_GROUP"]
S_D, OD, OH, OW, IMAGES = _I["S_D"], _I["OD"], _I["OH"], _I["OW"], _I["IMAGES"]
COPY, BAND_IMAGE = _I["COPY"], _I["BAND_IMAGE"]
ROWS_PER_BAND, IMAGES_PER_BAND = _I["ROWS_PER_BAND"], _I["IMAGES_PER_BAND"]
SCRATCH, SCRATCH_STRIDE = _I["SCRATCH"], _I["SCRATCH_STRIDE"]
GROUPS, BLOCKS, BLOCK_TABLE = _I["GROUPS"], _I["BLOCKS"], _I["BLOCK_TABLE"]
RUNS, RUN_OFFSETS = _I["RUNS"], _I["RUN_OFFSETS"]
TILES, TILES_BIG, M_BIG, M_SMALL = _I["TILES"], _I["TILES_BIG"], _I["M_BIG"], _I["M_SMALL"]
A_ROW, A_PIXEL, A_NUMBER = _I["A_ROW"], _I["A_PIXEL"], _I["A_NUMBER"]
DY, DY_IMAGE, DY_ROW, DY_PIXEL = _I["DY"], _I["DY_IMAGE"], _I["DY_ROW"], _I["DY_PIXEL"]
DY_GROUP, PIECES, PIECE_ROWS, START = _I["DY_GROUP"], _I["PIECES"], _I["PIECE_ROWS"], _I["START"]
DW, DW_SPLIT, DW_GROUP, DW_RUN, DW_ROW = _I["DW"], _I["DW_SPLIT"], _I["DW_GROUP"], _I["DW_RUN"], _I["DW_ROW"]
SPLITS, PARTS, TASKS, ROW_TABLE = _I["SPLITS"], _I["PARTS"], _I["TASKS"], _I["ROW_TABLE"]

_E = WEIGHT_BLOCK_ENTRY.index
ENTRY = 8 * len(WEIGHT_BLOCK_ENTRY.names)
TILE_BIG, TILE_SMALL, A_OFFSET = _E["TILE_BIG"], _E["TILE_SMALL"], _E["A_OFFSET"]
B_OFFSET, C_OFFSET, TAIL = _E["B_OFFSET"], _E["C_OFFSET"], _E["TAIL"]


@helper
def _row_table(args, table, image, images, first_row, rows):
    """Byte offsets (into x or its band, into dy) of every output row of a band."""
    in_place = integer(args, COPY) == 0
    entry = 0
    for i in range(images):
        n = (image + i) // integer(args, OD)
        od = image + i - n * integer(args, OD)
        a = i * integer(args, BAND_IMAGE)
        if in_place:
            a = n * integer(args, X_N) + od * integer(args, S_D) * integer(args, X_D) + first_row * integer(args, A_ROW)
        b = (image + i) * integer(args, DY_IMAGE) + first_row * integer(args, DY_ROW)
        for r in range(rows):
            store_integer(table, entry, a + r * integer(args, A_ROW))
            store_integer(table, entry + 1, b + r * integer(args, DY_ROW))
            entry += 2


@helper
def _tile(args, tile, tail, table, rows, a, b, init, init_row, c):
    """One tile over all pixels of a band, in chunks of whole rows or of pieces of a row."""
    pieces, step, width = integer(args, PIECES), integer(args, PIECE_ROWS), integer(args, OW)
    a_pixel, dy_pixel, c_row = integer(args, A_PIXEL), integer(args, DY_PIXEL), integer(args, DW_ROW)
    first = 0
    while first < rows:
        count = min(step, rows - first)
        for piece in range(pieces):
            start = width * piece // pieces
            length = width * (piece + 1) // pieces - start
            call_tile(
                tile, count, table + first * 16, length,
                a + start * a_pixel, integer(args, A_NUMBER), a_pixel, b + start * dy_pixel, dy_pixel,
                init, init_row, c, c_row, tail,
            )  # fmt: skip
            init, init_row = c, c_row
        first += count


@helper
def _band(args, table, start, group, split, rows, part, is_first):
    """All tiles of one part, over a band of `rows` output rows; the first band of a split starts from zero."""
    runs, tiles, blocks = integer(args, RUNS), integer(args, TILES), integer(args, BLOCKS)
    total, parts = runs * tiles * blocks, integer(args, PARTS)
    dy = integer(args, DY) + group * integer(args, DY_GROUP)
    dw = integer(args, DW) + split * integer(args, DW_SPLIT) + group * integer(args, DW_GROUP)
    for item in range(total * part // parts, total * (part + 1) // parts):
        block = item % blocks
        tile = (item // blocks) % tiles
        run = item // (blocks * tiles)
        entry = integer(args, BLOCK_TABLE) + block * ENTRY
        big = min(tile, integer(args, TILES_BIG))
        row = big * integer(args, M_BIG) + (tile - big) * integer(args, M_SMALL)
        kernel = integer(entry, TILE_BIG) if tile < integer(args, TILES_BIG) else integer(entry, TILE_SMALL)
        a = start + integer(integer(args, RUN_OFFSETS), run) + row * integer(args, A_NUMBER) + integer(entry, A_OFFSET)
        c = dw + run * integer(args, DW_RUN) + row * integer(args, DW_ROW) + integer(entry, C_OFFSET)
        init, init_row = (integer(args, START), 0) if is_first else (c, integer(args, DW_ROW))
        _tile(args, kernel, integer(entry, TAIL), table, rows, a, dy + integer(entry, B_OFFSET), init, init_row, c)


@helper
def split_rows(args, table, band, group, split, part, number):
    """All bands of one split, one group and one part of the tiles."""
    height = integer(args, OH)
    rows_of_all = integer(args, IMAGES) * height
    first = rows_of_all * split // integer(args, SPLITS)
    last = rows_of_all * (split + 1) // integer(args, SPLITS)
    is_first = True
    while first < last:
        image = first // height
        row = first - image * height
        images, rows = 1, min(integer(args, ROWS_PER_BAND), height - row, last - first)
        if row == 0 and rows == height:
            images = min(integer(args, IMAGES_PER_BAND), (last - first) // height)
        start = integer(args, X) + group * integer(args, X_GROUP)
        if integer(args, COPY):
            fill_band(args, band, group, image, images, row, rows, number)
            start = band
        _row_table(args, table, image, images, row, rows)
        _band(args, table, start, group, split, images * rows, part, is_first)
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

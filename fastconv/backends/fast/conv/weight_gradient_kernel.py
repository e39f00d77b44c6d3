"""The driver of every weight gradient: the same tiles, with pixels as the reduction.

Row i of a tile is number i of a run of the window (one kernel row of the input, KW*C consecutive numbers), its lanes
are filters, and k runs over the pixels of the output rows of a band: the first ones of all its images, then the second
ones, and so on, so that a run leaves out the rows where it would read padding; and in these the pixels, where it is
the numbers of one tap. Where small groups stand side by side, a number is a tap, and makes a row for each channel of a
group. The rows of the output are cut into *splits*, each with a gradient of its own, which are added in order at the
end: how many depends on the shape alone, so that the result does not depend on the number of threads. Within a split
the tiles are divided between `PARTS` tasks.
"""

from __future__ import annotations

from fastconv.backends.fast.conv.bands_kernel import SOURCE, address_of_window, fill_band, reads_source
from fastconv.backends.fast.machine.blocks import Block, entry_of, view
from fastconv.backends.fast.machine.intrinsics import call_tile, integer, store_integer
from fastconv.backends.fast.machine.jit import helper
from fastconv.backends.fast.machine.kernel import kernel

WEIGHT_GRADIENT = Block(
    SOURCE,
    """
    GROUPS BLOCKS BLOCK_TABLE RUNS RUN_TABLE TILES TILES_BIG M_BIG M_SMALL A_ROW A_PIXEL A_NUMBER
    DY DY_IMAGE DY_ROW DY_PIXEL DY_GROUP PIECES PIECE_ROWS START DW DW_SPLIT DW_GROUP DW_RUN DW_ROW DW_NUMBER
    SPLITS PARTS TASKS ROW_TABLE AHEAD_BYTES LAST_TAP LOST
""",
    results="DW SCRATCH",
)
# one block of filters: two tiles, byte offsets into x, dy and dw, lanes of the last vector
WEIGHT_BLOCK_ENTRY = Block("TILE_BIG TILE_SMALL A_OFFSET B_OFFSET C_OFFSET TAIL")

# one run of the window: where it is, and the output rows from `FIRST` to before `LAST`, and in them the pixels from
# `LEFT` to before `RIGHT`, which read numbers there
RUN_ENTRY = Block("OFFSET FIRST LAST LEFT RIGHT")


@helper
def _row_table(args, table, band, group, image, images, first_row, rows, column):
    """Addresses of every output row of a band in it, or in x itself where `band` is 0; and byte offsets into dy."""
    a_row = args.A_ROW if band else args.S_H * args.X_H
    for i in range(images):
        a = band + i * args.BAND_IMAGE
        if band == 0:
            a = address_of_window(view(SOURCE, args), group, image + i, first_row, column)
        b = (image + i) * args.DY_IMAGE + first_row * args.DY_ROW + column * args.DY_PIXEL
        for r in range(rows):
            entry = 2 * (r * images + i)
            store_integer(table, entry, a + r * a_row)
            store_integer(table, entry + 1, b + r * args.DY_ROW)


@helper
def _chunk(args, table, before, images, count, column, start, length, a, ahead, group, split, part, is_first):
    """All tiles of one part, over one chunk: `count` rows of `length` pixels, from `start` on in a band at a `column`.

    The first one would be row `before` of these `images`, if the first rows of these were in the band.

    Blocks of filters come first, so that a chunk of dy, 32 KB at most, stays in the L1 cache for all tiles of a block.
    """
    tiles, blocks, parts = args.TILES, args.BLOCKS, args.PARTS
    per_block, tall = args.RUNS * tiles, args.TILES_BIG
    total, dw_row, dy_pixel = per_block * blocks, args.DW_ROW, args.DY_PIXEL
    dy = args.DY + group * args.DY_GROUP + start * dy_pixel
    dw = args.DW + split * args.DW_SPLIT + group * args.DW_GROUP
    first, last = total * part // parts, total * (part + 1) // parts
    share = count * length * args.AHEAD_BYTES // max(last - first, 1)
    for item in range(first, last):
        entry = entry_of(WEIGHT_BLOCK_ENTRY, args.BLOCK_TABLE, item // per_block)
        run, tile = item % per_block // tiles, item % tiles
        big = min(tile, tall)
        row = big * args.M_BIG + (tile - big) * args.M_SMALL
        kernel = entry.TILE_BIG if tile < tall else entry.TILE_SMALL
        run_entry = entry_of(RUN_ENTRY, args.RUN_TABLE, run)
        x = a + run_entry.OFFSET + row * args.A_NUMBER + entry.A_OFFSET
        c = dw + run * args.DW_RUN + row * args.DW_NUMBER + entry.C_OFFSET
        init, init_row = (args.START, 0) if is_first else (c, dw_row)
        skipped = max(0, run_entry.FIRST * images - before)
        rows = min(count, run_entry.LAST * images - before) - skipped
        left = max(0, run_entry.LEFT - column - start)
        pixels = min(length, run_entry.RIGHT - column - start) - left
        if is_first and (rows <= 0 or pixels <= 0):  # the gradient has to begin
            skipped, rows, left, pixels = 0, count, 0, length
        if rows > 0 and pixels > 0:
            call_tile(
                kernel, rows, table + skipped * 16, pixels, x + left * args.A_PIXEL, args.A_NUMBER, args.A_PIXEL,
                dy + entry.B_OFFSET + left * dy_pixel, dy_pixel, init, init_row, c, dw_row, entry.TAIL,
                ahead, share // (rows * pixels), args.LOST,
            )  # fmt: skip
        ahead += share


@helper
def _band(args, table, group, split, first_row, images, rows, column, width, part, is_first):
    """All chunks of a band of `rows` output rows, whole rows or pieces of one; the first of a split starts at zero."""
    pieces, step = args.PIECES, args.PIECE_ROWS
    before = first_row * images
    for first in range(0, rows, step):
        for piece in range(pieces):
            pixel = width * piece // pieces
            length = width * (piece + 1) // pieces - pixel
            a = pixel * args.A_PIXEL
            count = min(step, rows - first)
            following = min(first + step, rows - 1) * 2  # the next chunk, which this one asks for ahead of time
            ahead = integer(table, following)
            if piece < pieces - 1:  # its last tap is the first to reach it
                ahead = integer(table, first * 2) + (pixel + length) * args.A_PIXEL + args.LAST_TAP
            rows_of = table + first * 16
            _chunk(
                args, rows_of, before + first, images, count, column, pixel, length, a, ahead, group, split, part,
                is_first,
            )  # fmt: skip
            is_first = False


@helper
def split_rows(args, table, band, group, split, part, number):
    """All bands of one split, one group and one part of the tiles."""
    height, segments, width = args.OH, args.ROW_SEGMENTS, args.OW
    rows_of_all = args.IMAGES * segments * height
    first = rows_of_all * split // args.SPLITS
    last = rows_of_all * (split + 1) // args.SPLITS
    is_first = True
    while first < last:
        image, segment = first // (height * segments), first // height % segments
        row = first % height
        images, rows = 1, min(args.ROWS_PER_BAND, height - row, last - first)
        if row == 0 and rows == height:
            images = min(args.IMAGES_PER_BAND, (last - first) // height)
        column = width * segment // segments
        columns = width * (segment + 1) // segments - column
        start = 0
        if not reads_source(view(SOURCE, args), column, columns):
            fill_band(view(SOURCE, args), band, group, image, images, row, rows, column, columns, number)
            start = band
        _row_table(args, table, start, group, image, images, row, rows, column)
        _band(args, table, group, split, row, images, images * rows, column, columns, part, is_first)
        is_first = False
        first += images * rows


@kernel(WEIGHT_GRADIENT)
def weight_gradient(args, task, number):
    """Some parts of the tiles, of some splits."""
    parts, tasks = args.PARTS, args.TASKS
    items = args.SPLITS * parts
    table = args.SCRATCH + task * args.SCRATCH_STRIDE
    band = table + args.ROW_TABLE
    for item in range(items * task // tasks, items * (task + 1) // tasks):
        for group in range(args.GROUPS):
            split_rows(args, table, band, group, item // parts, item % parts, number)

"""The driver of the input gradient where channels are few: columns of dy, added back into planes (col2im).

With C channels the lanes of a product into dx would be mostly empty. So the lanes are the whole window instead: a tile
makes ``dcols = dy @ weight`` for some pixels of an output row, (pixels, KH*KW*C) numbers that stay in the L1 cache, and
each kernel row of them, KW*C consecutive numbers, is added to a row of dx. An item of work is a range of rows of dx of
one element of the batch, or a segment of them where rows are long, for which it computes every output position that
reaches it: two items never write the same cell, and every cell gets its sum in the order of the output positions,
however the cells are divided.
"""

from __future__ import annotations

from fastconv.backends.fast.conv.conv_kernel import BLOCK_ENTRY, CONV, first_column, tile_chunks
from fastconv.backends.fast.machine.blocks import Block, entry_of, view
from fastconv.backends.fast.machine.intrinsics import clear_bytes, copy_bytes, size_of
from fastconv.backends.fast.machine.jit import helper
from fastconv.backends.fast.machine.kernel import kernel
from fastconv.backends.fast.machine.runs import accumulate

# the first entries are those of a convolution from dy to columns; DX is the result, BAND_* the rows under construction
THROUGH_COLUMNS = Block(
    CONV,
    """
    RUNS RUN_TABLE RUN_NUMBERS STEP_W DX DX_N DX_D DX_H DX_DEPTH DX_HEIGHT DX_WIDTH PARTS BATCH
    COLUMNS_OFFSET BAND_OFFSET TASKS
""",
    results="DX SCRATCH",
)
# one kernel row: its cells from the first of the window (depth, height), byte offset in the row, and in the columns
RUN_ENTRY = Block("DEPTH HEIGHT ROW COLUMN")


@helper
def _columns(args, a, columns, big):
    """Columns of the pixels of one tile: all blocks of lanes."""
    for block in range(args.BLOCKS):
        entry = entry_of(BLOCK_ENTRY, args.BLOCK_TABLE, block)
        tile = entry.TILE_BIG if big else entry.TILE_SMALL
        b, c = args.WEIGHT + entry.B_OFFSET, columns + entry.C_OFFSET
        tile_chunks(view(CONV, args), tile, entry, a, b, args.BIAS, c)


@helper
def add_back(args, columns, band, pixels, d0, h0, rows, number):
    """Add the columns of some pixels to the band; `d0` and `h0` are the cells of their first tap."""
    pitch, step, numbers = args.Y_W, args.STEP_W, args.RUN_NUMBERS
    depth, plane, row = args.DX_DEPTH, args.BAND_PLANE, args.BAND_ROW
    runs, table = args.RUNS, args.RUN_TABLE
    for _ in range(pixels):
        for run in range(runs):
            entry = entry_of(RUN_ENTRY, table, run)
            d, h = d0 + entry.DEPTH, h0 + entry.HEIGHT
            if 0 <= d < depth and 0 <= h < rows:
                target = band + d * plane + h * row + entry.ROW
                accumulate(number, target, columns + entry.COLUMN, numbers)
        band += step
        columns += pitch


@helper
def output_row(args, a, columns, band, first, last, d0, h0, rows, number):
    """The tiles `first` to ``last - 1`` of one output row."""
    for t in range(first, last):
        big = t < args.TILES_BIG
        pixels = args.M_BIG if big else args.M_SMALL
        _columns(args, a, columns, big)
        add_back(args, columns, band, pixels, d0, h0, rows, number)
        a += pixels * args.A_PIXEL
        band += pixels * args.STEP_W


@helper
def finish(args, n, band, first, rows, column, columns, number):
    """Copy `rows` × `columns` cells, of which `band` has the first, to dx."""
    pixel = args.CHANNELS * size_of(number)
    for d in range(args.DX_DEPTH):
        for h in range(rows):
            source = band + d * args.BAND_PLANE + h * args.BAND_ROW
            target = args.DX + n * args.DX_N + d * args.DX_D
            target += (first + h) * args.DX_H + column * pixel
            copy_bytes(target, source, columns * pixel)


@helper
def tile_of(args, pixel):
    """Tile that makes a pixel of an output row."""
    tall = args.TILES_BIG
    rest = pixel - tall * args.M_BIG
    return pixel // args.M_BIG if rest < 0 else tall + rest // args.M_SMALL


@helper
def _item(args, n, columns, band, first, last, left, right, number):
    """Rows `first` to ``last - 1`` of one image of dx, of them the cells `left` to ``right - 1``."""
    stride, before, extent = args.S_W, args.PAD_W, args.EXTENT_W
    pixel = args.CHANNELS * size_of(number)
    clear_bytes(band, args.DX_DEPTH * args.BAND_PLANE)
    tile, last_tile, column, start = 0, 0, 0, left + before  # cell of the padded row where the band starts
    leftmost = max(0, -((extent - 1 - before - left) // stride))
    rightmost = min(args.OW, (right - 1 + before) // stride + 1)
    if leftmost < rightmost:
        tile, last_tile = tile_of(args, leftmost), tile_of(args, rightmost - 1) + 1
        column = first_column(view(CONV, args), tile)
        start = min(column * stride, start)
    lowest = max(0, -((args.EXTENT_H - 1 - args.PAD_H - first) // args.S_H))
    highest = min(args.OH, (last - 1 + args.PAD_H) // args.S_H + 1)
    for od in range(args.OD):
        for oh in range(lowest, highest):
            a = args.X + n * args.X_N + od * args.X_D + oh * args.X_H
            a += column * args.A_PIXEL
            d0 = od * args.S_D - args.PAD_D
            h0 = oh * args.S_H - args.PAD_H - first
            place = band + (column * stride - start) * pixel
            output_row(args, a, columns, place, tile, last_tile, d0, h0, last - first, number)
    finish(args, n, band + (left + before - start) * pixel, first, last - first, left, right - left, number)


@kernel(THROUGH_COLUMNS)
def through_columns(args, task, number):
    """Some ranges of rows of dx, or segments of them."""
    height, parts, tasks = args.DX_HEIGHT, args.PARTS, args.TASKS
    width, segments = args.DX_WIDTH, args.ROW_SEGMENTS
    items = args.BATCH * parts * segments
    columns = args.SCRATCH + task * args.SCRATCH_STRIDE + args.COLUMNS_OFFSET
    band = args.SCRATCH + task * args.SCRATCH_STRIDE + args.BAND_OFFSET
    for item in range(items * task // tasks, items * (task + 1) // tasks):
        n, part, segment = item // (parts * segments), item // segments % parts, item % segments
        first, last = height * part // parts, height * (part + 1) // parts
        left, right = width * segment // segments, width * (segment + 1) // segments
        _item(args, n, columns, band, first, last, left, right, number)

"""The driver of every convolution: bands of rows × blocks of filters × tiles of pixels × chunks of the reduction.

Forward and input gradient are the same computation on other arguments, and so are 1-D, 2-D and 3-D. For each output row
of a band, and each block of filters, the row is cut into tiles of nearly equal size; a tile runs over the chunks of the
reduction, 384 products each or some more, and adds them up in the result. How many there may be follows from the
rounding error that is promised (`conv.chunks`): where there are more, the tiles are compensated, and
what they round off is `BESIDE` the result, in memory of the same strides. All that depends on the geometry alone. The
tiles of the last chunk may have an ending: they add what is `BESIDE` the result, and take the ReLU. Rows that read
padding, at the top and at the bottom, have chunks of their own, which leave out the taps that would be multiplied by
zeros; those of 14×14 images with a kernel of 3×3 are a tenth of all products, half of which are in these rows. Most of
the other half, at the left and the right end of a row, is left out where a chunk is of taps at the same position in
width: the first or the last tile of a row then has one pixel less.

Where the result lies in a frame, a border that is the padding of the next convolution, each task writes the zeros
beside its own rows.

The readable twin, with arrays in place of addresses, is::

    for each output pixel p:  y[p] = bias + sum over chunks of  columns[p, chunk] @ weight[chunk]
"""

from __future__ import annotations

from fastconv.backends.fast.conv.bands_kernel import SOURCE, address_of_window, fill_band, reads_source
from fastconv.backends.fast.machine.blocks import Block, entry_of, view
from fastconv.backends.fast.machine.intrinsics import (
    call_kernel,
    call_tile,
    clear_bytes,
    fence,
    integer,
    store_integer,
)
from fastconv.backends.fast.machine.jit import helper
from fastconv.backends.fast.machine.kernel import kernel
from fastconv.backends.fast.machine.pack import PACK

CONV = Block(
    SOURCE,
    """
    GROUPS BLOCKS BLOCK_TABLE WEIGHT WEIGHT_GROUP CHUNKS CHUNK_TABLE OFFSETS
    A_PIXEL A_ROW A_IMAGE A_K BIAS Y Y_N Y_D Y_H Y_W Y_GROUP TILES_BIG TILES M_BIG M_SMALL
    ROWS_TOP ROWS_BOTTOM
    ROW_TASKS BLOCK_TASKS AHEAD STREAM PACK PACK_KERNEL PANEL BESIDE FRAME_TOP FRAME_SIDES FRAME_BOTTOM
""",
    results="Y SCRATCH",
)
# one block of filters: two tiles (tall, one row less), those of the last chunk, those of one row less at the ends of a
# row of pixels, byte offsets into a, b and c, step of b, lanes of the last vector
BLOCK_ENTRY = Block("TILE_BIG TILE_SMALL LAST_BIG LAST_SMALL EDGE_BIG EDGE_SMALL A_OFFSET B_OFFSET B_K C_OFFSET TAIL")
# one chunk of the reduction for a kind of rows: segments, none if these rows leave it out, their length, first entry of
# the offset table (bytes), first k, whether it is their `FIRST` or `LAST` one, and whether the pixel at the `LEFT` or
# the `RIGHT` end of a row leaves it out
CHUNK_ENTRY = Block("SEGMENTS LENGTH OFFSET FIRST_K ENDS")
FIRST, LAST, LEFT, RIGHT = 1, 2, 4, 8


PACK_ENTRIES, PACK_TARGET = len(PACK.names), PACK.index["TARGET"]
PACK_BYTES = 256  # of a copy of the argument block, whole cache lines


@helper
def tile_chunks(args, tile, entry, a, b, init, c):
    """One tile of pixels: the chunks of the reduction, the first onto `init`, the others onto the result so far."""
    init_row, y_pixel = 0, args.Y_W
    for chunk in range(args.CHUNKS):
        part = entry_of(CHUNK_ENTRY, args.CHUNK_TABLE, chunk)
        call_tile(
            tile, part.SEGMENTS, args.OFFSETS + part.OFFSET, part.LENGTH, a, args.A_PIXEL, args.A_K,
            b + part.FIRST_K * entry.B_K, entry.B_K, init, init_row, c, y_pixel, entry.TAIL, a, 0, 0,
        )  # fmt: skip
        init, init_row = c, y_pixel


@helper
def _row(args, part, entry, tall, short, first, last, a, b, init, init_row, c):
    """One chunk of the tiles `first` to ``last - 1`` of an output row and a block of filters; tall ones come first."""
    y_pixel, a_pixel, a_k, b_k = args.Y_W, args.A_PIXEL, args.A_K, entry.B_K
    segments, length, tail = part.SEGMENTS, part.LENGTH, entry.TAIL
    offsets = args.OFFSETS + part.OFFSET
    steps, ahead, beside = segments * length, args.AHEAD, args.BESIDE - args.Y
    for t in range(first, last):
        big = t < args.TILES_BIG
        tile = tall if big else short
        m = args.M_BIG if big else args.M_SMALL
        following, step = a, 0  # what the next tile needs: x where it is read in place, the lines of y it writes first
        if ahead:
            following, step = a + m * a_pixel, m * ahead
        elif init_row == 0 and not args.STREAM:
            following, step = c + m * y_pixel, y_pixel if steps <= 160 else m * y_pixel // steps
        skipped = int(t == 0 and part.ENDS & LEFT > 0)
        if skipped or (t == args.TILES - 1 and part.ENDS & RIGHT):
            tile = entry.EDGE_BIG if big else entry.EDGE_SMALL
        call_tile(
            tile, segments, offsets, length, a + skipped * a_pixel, a_pixel, a_k, b, b_k,
            init + skipped * init_row, init_row, c + skipped * y_pixel, y_pixel, tail, following, step, beside,
        )  # fmt: skip
        a += m * a_pixel
        c += m * y_pixel
        init += m * init_row


@helper
def first_column(args, tile):
    """Column of y at which a tile starts."""
    tall = min(tile, args.TILES_BIG)
    return tall * args.M_BIG + (tile - tall) * args.M_SMALL


@helper
def _packed_panel(args, scratch, group, block, entry):
    """Address of the packed weights of one block of filters.

    Where there are more weights than numbers of x they are packed here, block by block, into memory of this task that
    stays in the L2 cache; else all of them are packed already.
    """
    offset = group * args.WEIGHT_GROUP + entry.B_OFFSET
    if args.PACK == 0:
        return args.WEIGHT + offset
    own = scratch + args.PANEL
    panel = own + PACK_BYTES
    for i in range(PACK_ENTRIES):
        store_integer(own, i, integer(args.PACK, i))
    store_integer(own, PACK_TARGET, panel - offset)
    call_kernel(args.PACK_KERNEL, own, group * args.BLOCKS + block)
    return panel


@helper
def _kind_of_row(args, row):
    """Number of the kind that an output row is: those at the top and the bottom are each one of their own."""
    top = min(row, args.ROWS_TOP)
    return top + max(0, row - (args.OH - 1 - args.ROWS_BOTTOM))


@helper
def _band(args, scratch, band, group, first_block, last_block, image, images, first_row, rows, tile, last_tile):
    """All tiles of a band, from `tile` on in every row; `band` is its address in `scratch`, 0 where x itself is read.

    A chunk of a panel of weights, 32 KB at most, stays in the L1 cache while all tiles of the band use it.
    """
    column = first_column(args, tile)
    a_row = args.A_ROW if band else args.S_H * args.X_H
    for block in range(first_block, last_block):
        entry = entry_of(BLOCK_ENTRY, args.BLOCK_TABLE, block)
        panel = _packed_panel(args, scratch, group, block, entry)
        lane = group * args.Y_GROUP + entry.C_OFFSET
        for chunk in range(args.CHUNKS):
            for i in range(images):
                n = (image + i) // args.OD
                od = image + i - n * args.OD
                a = band + i * args.BAND_IMAGE
                if band == 0:
                    a = address_of_window(view(SOURCE, args), group, image + i, first_row, column)
                a += entry.A_OFFSET
                c = args.Y + n * args.Y_N + od * args.Y_D + lane
                c += column * args.Y_W
                for r in range(first_row, first_row + rows):
                    part = entry_of(CHUNK_ENTRY, args.CHUNK_TABLE, _kind_of_row(args, r) * args.CHUNKS + chunk)
                    if part.SEGMENTS:
                        y, b = c + r * args.Y_H, panel + part.FIRST_K * entry.B_K
                        init, init_row = (args.BIAS + lane, 0) if part.ENDS & FIRST else (y, args.Y_W)
                        tall, short = entry.TILE_BIG, entry.TILE_SMALL
                        if part.ENDS & LAST:
                            tall, short = entry.LAST_BIG, entry.LAST_SMALL
                        _row(args, part, entry, tall, short, tile, last_tile, a, b, init, init_row, y)
                    a += a_row


@helper
def group_rows(args, band, group, first_block, last_block, first, last, number):
    """Output rows `first` to ``last - 1`` (counted over all segments of all images) of some blocks of one group."""
    height, segments, tiles = args.OH, args.ROW_SEGMENTS, args.TILES
    while first < last:
        image, segment = first // (height * segments), first // height % segments
        row = first % height
        images, rows = 1, min(args.ROWS_PER_BAND, height - row, last - first)
        if row == 0 and rows == height:
            images = min(args.IMAGES_PER_BAND, (last - first) // height)
        tile, last_tile = tiles * segment // segments, tiles * (segment + 1) // segments
        column = first_column(args, tile)
        columns = first_column(args, last_tile) - column
        start = 0
        if not reads_source(view(SOURCE, args), column, columns):
            fill_band(view(SOURCE, args), band, group, image, images, row, rows, column, columns, number)
            start = band
        _band(args, band, start, group, first_block, last_block, image, images, row, rows, tile, last_tile)
        first += images * rows


@helper
def clear_frame(args, first, last):
    """Zeros beside rows `first` to ``last - 1`` of y, counted over all images: above the first of a plane, else behind.

    What is behind a row is before the next one, too.
    """
    for row in range(first, last):
        image = row // args.OH
        r = row - image * args.OH
        y = args.Y + image * args.Y_N + r * args.Y_H
        if r == 0:
            clear_bytes(y - args.FRAME_TOP, args.FRAME_TOP)
        clear_bytes(y + args.OW * args.Y_W, args.FRAME_SIDES if r < args.OH - 1 else args.FRAME_BOTTOM)


@kernel(CONV)
def conv(args, task, number):
    """Some rows of y, of some blocks of filters."""
    row_tasks, block_tasks = args.ROW_TASKS, args.BLOCK_TASKS
    rows = args.IMAGES * args.ROW_SEGMENTS * args.OH
    blocks = args.BLOCKS
    row_task = task % row_tasks
    block_task = task // row_tasks
    first, last = rows * row_task // row_tasks, rows * (row_task + 1) // row_tasks
    all_blocks = args.GROUPS * blocks
    block, stop = all_blocks * block_task // block_tasks, all_blocks * (block_task + 1) // block_tasks
    band = args.SCRATCH + task * args.SCRATCH_STRIDE
    while block < stop:
        group = block // blocks
        last_block = min(stop - group * blocks, blocks)
        group_rows(args, band, group, block - group * blocks, last_block, first, last, number)
        block = group * blocks + last_block
    if args.FRAME_TOP + args.FRAME_BOTTOM > 0 and block_task == 0:
        clear_frame(args, first, last)
    if args.STREAM:
        fence()

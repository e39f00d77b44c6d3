"""The driver of Winograd's algorithm: strips of tiles of x, transformed, multiplied point by point, transformed back.

A *strip* is some rows of tiles, whose V and M stay in the L2 cache. No tile hangs over the edge of y: the last row and
column of tiles are as small as they must be, and have fewer points. Of a strip, the tiles that have a point lie side by
side, so that the tiles of a product are rows of one matrix::

    corner: whole rows, part of a column | whole | part of a row, whole columns | part of both

The products are the engine's tiles: tiles of x as rows, filters as lanes, V read in place. Where a row of tiles is not
finite, it is done again directly, a pixel at a time.

The readable twin, with arrays in place of addresses, is::

    for each tile:  y[tile] = AT [sum over channels of U * (BT x[tile] B)] A + bias
"""

from __future__ import annotations

from fastconv.backends.fast.machine.blocks import Block, entry_of
from fastconv.backends.fast.machine.intrinsics import call_tile, call_transform, integer, store_integer
from fastconv.backends.fast.machine.jit import helper
from fastconv.backends.fast.machine.kernel import kernel
from fastconv.backends.fast.winograd.transform_kernel import GROUP

# tiles of a pass: where its rows and pixels are, and how rows and columns are cut
TILES = Block("""
    X X_N X_H X_W X_GROUP IN_H IN_W PAD_H PAD_W ITEMS GROUPS CHANNELS ZEROS
    M_H M_W PART_H PART_W TILE_ROWS WHOLE_ROWS COLUMNS SEGMENTS POINTS_H POINTS_W V_TILE INPUTS STRIPS
""")
WINOGRAD = Block(
    TILES,
    """
    BLOCKS BLOCK_TABLE U U_GROUP OFFSETS M_TILE BIAS Y Y_N Y_H Y_W Y_GROUP OH BESIDE
    WEIGHT WEIGHT_GROUP TAPS_H TAPS_W
    MOST M_POINT ROW_TASKS BLOCK_TASKS SCRATCH SCRATCH_STRIDE V M PANEL PANEL_CHANNELS PANEL_POINT WEIGHTS VECTOR
""",
    results="Y SCRATCH",
)
# one block of filters: addresses of its tiles by rows and of its output transforms, its filters, byte offsets into U,
# packed weights and lanes, bytes of a point of U and of a channel, the tile of one pixel, lanes of its last vector
WINOGRAD_BLOCK = Block("PRODUCTS OUTPUTS FILTERS U WEIGHT LANE U_POINT B_K PIXEL TAIL")
WINOGRAD_WEIGHTS = Block(
    "WEIGHT WEIGHT_GROUP U U_GROUP GROUPS BLOCKS BLOCK_TABLE CHANNELS PIECES VECTOR KERNEL TASKS", results="U"
)

# scratch memory of a task: addresses of the rows of a tile, whether its outputs are finite, taps of a pixel; V and M
FINE, PIXEL_TAPS, HEADER = 256, 512, 1536


@helper
def columns_of(args, item):
    """Of an item, which is a row of tiles or a segment of one: first whole tile, how many, and how many are cut."""
    segments = args.SEGMENTS
    segment = item % segments
    first, stop = args.COLUMNS * segment // segments, args.COLUMNS * (segment + 1) // segments
    return first, stop - first, min(args.PART_W, 1) if segment == segments - 1 else 0


@helper
def _whole_rows(args, row):
    """Whole rows of tiles before a row, counted over all images."""
    return row // args.TILE_ROWS * args.WHOLE_ROWS + min(row % args.TILE_ROWS, args.WHOLE_ROWS)


@helper
def tiles_of(args, item, stop):
    """How many tiles of each kind the items `item` to ``stop - 1`` have, in their order."""
    first, last = item // args.SEGMENTS, (stop - 1) // args.SEGMENTS + 1
    whole = _whole_rows(args, last) - _whole_rows(args, first)
    part = last - first - whole
    _, columns, side = columns_of(args, item)
    return whole * side, whole * columns, part * columns, part * side


@helper
def slots_of(args, item, stop, i):
    """Of item `i` of a strip: 0 if its row is whole, else 2; the first of its tiles, and the one part of a column."""
    corner, whole, below, _ = tiles_of(args, item, stop)
    _, columns, _ = columns_of(args, i)
    first, row = item // args.SEGMENTS, i // args.SEGMENTS
    seen = _whole_rows(args, row) - _whole_rows(args, first)
    if row % args.TILE_ROWS < args.WHOLE_ROWS:
        return 0, corner + seen * columns, seen
    others = row - first - seen
    return 2, corner + whole + others * columns, corner + whole + below + others


@helper
def fill_tiles(args, scratch, v, group, item, stop):
    """V of a strip, of the channels of one group."""
    step = args.M_W * args.X_W
    for i in range(item, stop):
        kind, slot, side = slots_of(args, item, stop, i)
        first, columns, sides = columns_of(args, i)
        row = i // args.SEGMENTS
        top = row % args.TILE_ROWS * args.M_H - args.PAD_H
        start = args.X + row // args.TILE_ROWS * args.X_N + group * args.X_GROUP - args.PAD_W * args.X_W
        for part in range(2):
            count = sides if part else columns
            if count == 0:
                continue
            done = (first + columns if part else first) * args.M_W
            for r in range(args.POINTS_H):
                inside = 0 <= top + r < args.IN_H
                place = start + (top + r) * args.X_H + done * args.X_W
                store_integer(scratch, 2 * r, place if inside else args.ZEROS)
                store_integer(scratch, 2 * r + 1, step if inside else 0)
            tile = side if part else slot
            call_transform(
                integer(args.INPUTS, kind + part), scratch, args.X_W, args.PAD_W - done, args.PAD_W + args.IN_W - done,
                args.CHANNELS, v + tile * args.V_TILE, args.V_TILE, count, 0, 0,
            )  # fmt: skip


@helper
def _has_point(outputs, part, point, points):
    """Whether a tile of `part` of the outputs has a point; one of none has every one."""
    missing = outputs - part if part else 0
    return point < points - 1 - missing or point == points - 1


@helper
def point_tiles(args, point, item, stop):
    """First of the tiles of a strip that have a point, and how many have."""
    corner, whole, below, rest = tiles_of(args, item, stop)
    row, column = point // args.POINTS_W, point % args.POINTS_W
    every_column = _has_point(args.M_W, args.PART_W, column, args.POINTS_W)
    first = 0 if every_column else corner
    count = corner + whole - first
    if _has_point(args.M_H, args.PART_H, row, args.POINTS_H):
        count += below + (rest if every_column else 0)
    return first, count


@helper
def line_of(args, start, image, row, pixel, item):
    """Address of the first pixel, roughly, of x or y that belongs to an item."""
    first, _, _ = columns_of(args, item)
    tile_row = item // args.SEGMENTS
    start += tile_row // args.TILE_ROWS * image + tile_row % args.TILE_ROWS * args.M_H * row
    return start + first * args.M_W * pixel


@helper
def x_of(args, item):
    """Address of the first pixel of x, roughly, that an item reads."""
    return line_of(args, args.X, args.X_N, args.X_H, args.X_W, item)


@helper
def _y_of(args, item):
    """Address of the first pixel of y of an item."""
    return line_of(args, args.Y, args.Y_N, args.Y_H, args.Y_W, item)


@helper
def _products(args, entry, v, u, u_point, channels, adds, m, item, stop, x, x_step, y, y_step):
    """Some channels of M of a strip and a block of filters, all points; asks for x and y from these addresses on.

    The first channels start from zero, the others add to what is there.
    """
    line = 4 * GROUP * args.POINTS_H * args.POINTS_W
    segments, rest = channels // GROUP, channels % GROUP
    length, width = GROUP, entry.B_K
    if segments == 0:
        segments, length, rest = 1, rest, 0
    for point in range(args.POINTS_H * args.POINTS_W):
        first, count = point_tiles(args, point, item, stop)
        chunks = (count + args.MOST - 1) // args.MOST
        a, b = v + point * 4 * GROUP + first * args.V_TILE, u + point * u_point
        c = m + point * args.M_POINT + first * args.M_TILE
        half = point // 2 * chunks * segments * length
        ahead, step = (y + half * y_step, y_step) if point % 2 else (x + half * x_step, x_step)
        for chunk in range(chunks):
            rows = count * (chunk + 1) // chunks - count * chunk // chunks
            tile = integer(entry.PRODUCTS, rows)
            call_tile(
                tile, segments, args.OFFSETS, length, a, args.V_TILE, 4, b, width, c if adds else args.ZEROS,
                args.M_TILE if adds else 0, c, args.M_TILE, 0, ahead, step, 0,
            )  # fmt: skip
            ahead += segments * length * step
            if rest:
                call_tile(
                    tile, 1, args.OFFSETS, rest, a + segments * line, args.V_TILE, 4, b + segments * GROUP * width,
                    width, c, args.M_TILE, c, args.M_TILE, 0, a, 0, 0,
                )  # fmt: skip
            a += rows * args.V_TILE
            c += rows * args.M_TILE


@helper
def _with_own_weights(args, entry, v, panel, group, m, item, stop):
    """M of a strip and a block of filters; U of some channels at a time is made in the cache, and used at once."""
    w = args.WEIGHT + group * args.WEIGHT_GROUP + entry.WEIGHT
    line = 4 * args.POINTS_H * args.POINTS_W
    for first in range(0, args.CHANNELS, args.PANEL_CHANNELS):
        channels = min(args.PANEL_CHANNELS, args.CHANNELS - first)
        call_transform(
            args.WEIGHTS, w + first * entry.B_K, args.CHANNELS * entry.B_K, panel, args.PANEL_POINT,
            channels * entry.B_K // args.VECTOR, 0, 0, 0, 0, 0,
        )  # fmt: skip
        _products(
            args, entry, v + first * line, panel, args.PANEL_POINT, channels, first > 0, m, item, stop, v, 0, v, 0
        )


@helper
def _strip(args, entry, v, m, group, item, stop, after, done, blocks):
    """M of a strip and a block of filters, the one after `done` of `blocks`.

    Meanwhile, x of the strip that ends at `after` is asked for, and y of this one: a line that is not in the cache is
    read before it is written.
    """
    _, count = point_tiles(args, 0, item, stop)
    steps = args.CHANNELS * args.POINTS_H * args.POINTS_W // 2 * ((count + args.MOST - 1) // args.MOST) + 1
    x, y = x_of(args, stop), _y_of(args, item)
    x_step = (x_of(args, after) - x) // (steps * blocks) + 1
    y_step = 0 if done else (_y_of(args, stop) - y) // steps + 1
    u = args.U + group * args.U_GROUP + entry.U
    _products(
        args, entry, v, u, entry.U_POINT, args.CHANNELS, False, m, item, stop, x + done * steps * x_step, x_step, y,
        y_step,
    )  # fmt: skip


@helper
def _outputs(args, entry, scratch, m, group, item, stop):
    """Outputs of a strip and a block of filters."""
    lane = group * args.Y_GROUP + entry.LANE
    for i in range(item, stop):
        kind, slot, side = slots_of(args, item, stop, i)
        y, (_, columns, sides) = _y_of(args, i) + lane, columns_of(args, i)
        store_integer(scratch + FINE, 0, 1)
        for part in range(2):
            count = sides if part else columns
            if count == 0:
                continue
            place, tile = (y + columns * args.M_W * args.Y_W, side) if part else (y, slot)
            call_transform(
                integer(entry.OUTPUTS, kind + part), m + tile * args.M_TILE, args.M_TILE, args.BIAS + lane, place,
                args.Y_H, args.Y_W, entry.FILTERS, scratch + FINE, args.BESIDE - args.Y, count,
            )  # fmt: skip
        if integer(scratch + FINE, 0) == 0:
            _directly(args, entry, scratch, y, lane, group, i)


@helper
def _directly(args, entry, scratch, y, lane, group, item):
    """Outputs of an item and a block of filters, a pixel at a time.

    The padding takes part: zero times a weight that is not finite is NaN. What an ending adds lies in memory other than
    y, so that it is still there: neither layers nor programs give a result the memory of what is added to it.
    """
    first, columns, sides = columns_of(args, item)
    image, row = item // args.SEGMENTS // args.TILE_ROWS, item // args.SEGMENTS % args.TILE_ROWS * args.M_H
    rows, start, width = min(args.M_H, args.OH - row), first * args.M_W, columns * args.M_W + sides * args.PART_W
    table, taps = scratch + PIXEL_TAPS, args.TAPS_H * args.TAPS_W
    x = args.X + image * args.X_N + group * args.X_GROUP
    weight = args.WEIGHT + group * args.WEIGHT_GROUP + entry.WEIGHT
    tap_bytes = args.CHANNELS * entry.B_K
    for r in range(rows):
        for column in range(width):
            for tap in range(taps):
                i, j = row + r + tap // args.TAPS_W - args.PAD_H, start + column + tap % args.TAPS_W - args.PAD_W
                inside = 0 <= i < args.IN_H and 0 <= j < args.IN_W
                store_integer(table, 2 * tap, i * args.X_H + j * args.X_W if inside else args.ZEROS - x)
                store_integer(table, 2 * tap + 1, tap * tap_bytes)
            call_tile(
                entry.PIXEL, taps, table, args.CHANNELS, x, 0, 4, weight, entry.B_K, args.BIAS + lane, 0,
                y + r * args.Y_H + column * args.Y_W, 0, entry.TAIL, x, 0, args.BESIDE - args.Y,
            )  # fmt: skip


@kernel(WINOGRAD, typed=False)
def winograd(args, task):
    """Some strips, of some blocks of filters."""
    row_tasks, block_tasks, blocks, strips = args.ROW_TASKS, args.BLOCK_TASKS, args.BLOCKS, args.STRIPS
    row_task, block_task = task % row_tasks, task // row_tasks
    all_blocks, items = args.GROUPS * blocks, args.ITEMS
    scratch = args.SCRATCH + task * args.SCRATCH_STRIDE
    v, m = scratch + args.V, scratch + args.M
    first_block, last_block = all_blocks * block_task // block_tasks, all_blocks * (block_task + 1) // block_tasks
    last_strip = strips * (row_task + 1) // row_tasks
    for strip in range(strips * row_task // row_tasks, last_strip):
        item, stop = items * strip // strips, items * (strip + 1) // strips
        filled = -1
        for block in range(first_block, last_block):
            group = block // blocks
            if group != filled:
                fill_tiles(args, scratch, v, group, item, stop)
                filled = group
            entry = entry_of(WINOGRAD_BLOCK, args.BLOCK_TABLE, block - group * blocks)
            if args.PANEL:
                _with_own_weights(args, entry, v, scratch + args.PANEL, group, m, item, stop)
            else:
                after = min(2 * stop - item, items)
                _strip(args, entry, v, m, group, item, stop, after, block - first_block, last_block - first_block)
            _outputs(args, entry, scratch, m, group, item, stop)


@kernel(WINOGRAD_WEIGHTS, typed=False)
def winograd_weights(args, task):
    """U of some channels of some blocks of filters."""
    pieces, tasks = args.PIECES, args.TASKS
    total = args.GROUPS * args.BLOCKS * pieces
    for item in range(total * task // tasks, total * (task + 1) // tasks):
        group, block, piece = item // (args.BLOCKS * pieces), item // pieces % args.BLOCKS, item % pieces
        entry = entry_of(WINOGRAD_BLOCK, args.BLOCK_TABLE, block)
        first, stop = args.CHANNELS * piece // pieces, args.CHANNELS * (piece + 1) // pieces
        w = args.WEIGHT + group * args.WEIGHT_GROUP + entry.WEIGHT + first * entry.B_K
        u = args.U + group * args.U_GROUP + entry.U + first * entry.B_K
        count = (stop - first) * entry.B_K // args.VECTOR
        call_transform(args.KERNEL, w, args.CHANNELS * entry.B_K, u, entry.U_POINT, count, 0, 0, 0, 0, 0)

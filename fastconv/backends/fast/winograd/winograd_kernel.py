"""The driver of Winograd's algorithm: strips of tiles of x, transformed, multiplied point by point, transformed back.

A *strip* is some rows of tiles, whose V and M stay in the L2 cache. No tile hangs over the edge of y: the last row and
column of tiles are as small as they must be, and have fewer points. Of a strip, the tiles that have a point lie side by
side, so that the tiles of a product are rows of one matrix::

    corner: whole rows, part of a column | whole | part of a row, whole columns | part of both

The products are the engine's tiles: tiles of x as rows, filters as lanes, V read in place. Where a row of tiles is not
finite, it is done again directly, a pixel at a time.

With a stride, each of its *phases* is a pass over a part of x, with some of the taps, and with as many points as these
need. A point is the same number in all of them, so that their products are added up before they are transformed back.
So is each tap along depth, over the slices that it meets.

The readable twin, with arrays in place of addresses, is::

    for each tile:  y[tile] = AT [sum over phases and channels of U * (BT x[tile] B)] A + bias
"""

from __future__ import annotations

from fastconv.backends.fast.machine.blocks import Block, entry_of
from fastconv.backends.fast.machine.intrinsics import call_tile, call_transform, integer, store_integer
from fastconv.backends.fast.machine.jit import helper
from fastconv.backends.fast.machine.kernel import kernel
from fastconv.backends.fast.winograd.points import GROUP

# Tiles of a pass, or of a phase of it: where its rows and pixels are, and tables of strips, of rows of tiles, and of
# the kinds of points, which are made once, from shapes alone (`winograd.tiles`)
TILES = Block("""
    X X_H X_W X_GROUP IN_D IN_H IN_W PAD_W GROUPS CHANNELS ZEROS M_W PART_W POINTS_H POINTS LINE V_TILE INPUTS
    STRIPS STRIP_TABLE ITEM_TABLE KINDS
""")
# a strip: items, and for each kind of points the first of the tiles that have them, and how many have
STRIP = Block("FIRST LAST FIRST_0 COUNT_0 FIRST_1 COUNT_1 FIRST_2 COUNT_2 FIRST_3 COUNT_3")
# a row of tiles, or a segment of one: 0 if the row is whole, else 2; the first of its tiles in the strip, and the one
# that is part of a column; how many there are of these; byte offset of its windows in x, slice and row of x in which
# they begin, column of y; byte offset in y, and rows of y
ITEM = Block("KIND TILE SIDE COLUMNS SIDES X SLICE TOP LEFT Y ROWS")
# a phase, in which X is a byte offset: byte offset in V of a tile, points ahead of its own in U, its first tap, taps
# from one of its own to the next along rows and columns; tables of the point of M for each of its points, and of the
# byte offsets of groups of channels in V; what transforms its weights
PHASE = Block(TILES, "V U TAP TAP_H TAP_W PLACES OFFSETS WEIGHTS")
# a pass: tiles of its first phase; then, in cells of x along rows and columns, what lies between two cells of that, its
# first one, and all there are, and bytes from one to the next; slices of x from one tap to the next, and bytes
WINOGRAD = Block(
    TILES,
    """
    PHASES PHASE_TABLE STRIDE_H STRIDE_W START_H START_W SIZE_H SIZE_W CELL_H CELL_W STEP_D CELL_D
    BLOCKS BLOCK_TABLE U U_GROUP M_TILE M_POINT BIAS Y Y_H Y_W Y_GROUP BESIDE WEIGHT WEIGHT_GROUP TAPS TAPS_PLANE
    TAPS_W STEPS MOST ROW_TASKS BLOCK_TASKS SCRATCH SCRATCH_STRIDE V M PANEL PANEL_CHANNELS PANEL_POINT VECTOR
""",
    results="Y SCRATCH",
)
# one block of filters: addresses of its tiles by rows and of its output transforms, its filters, byte offsets into U,
# packed weights and lanes, bytes of a point of U and of a channel, the tile of one pixel, lanes of its last vector
WINOGRAD_BLOCK = Block("PRODUCTS OUTPUTS FILTERS U WEIGHT LANE U_POINT B_K PIXEL TAIL")
WINOGRAD_WEIGHTS = Block(
    "WEIGHT WEIGHT_GROUP U U_GROUP GROUPS BLOCKS BLOCK_TABLE CHANNELS PIECES VECTOR PHASES PHASE_TABLE TASKS",
    results="U",
)

# scratch memory of a task: addresses of the rows of a tile, whether its outputs are finite, taps of a pixel; V and M
FINE, PIXEL_TAPS, HEADER = 256, 512, 1536


@helper
def fill_tiles(args, x_start, scratch, v, strip):
    """V of a strip, of the channels of one group, which begin at an address."""
    step = args.M_W * args.X_W
    for i in range(strip.FIRST, strip.LAST):
        item = entry_of(ITEM, args.ITEM_TABLE, i)
        x, left, count, tile = x_start + item.X, item.LEFT, item.COLUMNS, item.TILE
        has_slice = 0 <= item.SLICE < args.IN_D
        for part in range(1 + item.SIDES):
            for r in range(args.POINTS_H):
                inside = has_slice and 0 <= item.TOP + r < args.IN_H
                store_integer(scratch, 2 * r, x + r * args.X_H if inside else args.ZEROS)
                store_integer(scratch, 2 * r + 1, step if inside else 0)
            if count:
                call_transform(
                    integer(args.INPUTS, item.KIND + part), scratch, args.X_W, args.PAD_W - left,
                    args.PAD_W + args.IN_W - left, args.CHANNELS, v + tile * args.V_TILE, args.V_TILE, count, 0, 0,
                )  # fmt: skip
            x, left = x + count * step, left + count * args.M_W
            count, tile = 1, item.SIDE


@helper
def _transform_weights(phase, tap, w, u, u_point, vectors):
    """U of some vectors of packed weights of a phase; a tap is so many bytes."""
    row, column = phase.TAP_H * tap, phase.TAP_W * tap
    call_transform(phase.WEIGHTS, w + phase.TAP * tap, row, column, u, u_point, vectors, 0, 0, 0, 0)


@helper
def _products(args, phase, entry, strip, v, u, u_point, channels, adds, m, x, x_step, y, y_step):
    """Some channels of M of a strip and a block of filters, all points of a phase; asks for x and y from there on.

    The first channels start from zero, the others add to what is there.
    """
    segments, rest = channels // GROUP, channels % GROUP
    length, width = GROUP, entry.B_K
    if segments == 0:
        segments, length, rest = 1, rest, 0
    init, init_row = args.ZEROS, 0
    for point in range(phase.POINTS):
        kind = integer(phase.KINDS, point)
        first, count = integer(strip, 2 + 2 * kind), integer(strip, 3 + 2 * kind)
        chunks = (count + args.MOST - 1) // args.MOST
        a, b = v + point * 4 * GROUP + first * args.V_TILE, u + point * u_point
        c = m + integer(phase.PLACES, point) * args.M_POINT + first * args.M_TILE
        done = 0
        for chunk in range(chunks):
            rows = count * (chunk + 1) // chunks - done
            done += rows
            tile = integer(entry.PRODUCTS, rows)
            if adds:
                init, init_row = c, args.M_TILE
            call_tile(
                tile, segments, phase.OFFSETS, length, a, args.V_TILE, 4, b, width, init, init_row, c, args.M_TILE, 0,
                x, x_step, 0,
            )  # fmt: skip
            x += segments * length * x_step
            if rest:
                call_tile(
                    tile, 1, phase.OFFSETS, rest, a + segments * phase.LINE, args.V_TILE, 4,
                    b + segments * GROUP * width, width, c, args.M_TILE, c, args.M_TILE, 0, a, 0, 0,
                )  # fmt: skip
            a += rows * args.V_TILE
            c += rows * args.M_TILE
        x, y, x_step, y_step = y, x, y_step, x_step  # in turns


@helper
def _sums(args, entry, strip, v, m, panel, group, x, x_step, y, y_step):
    """M of a strip and a block of filters: all phases and channels."""
    chunks = (strip.COUNT_3 + args.MOST - 1) // args.MOST
    tap = args.CHANNELS * entry.B_K
    for number in range(args.PHASES):
        phase = entry_of(PHASE, args.PHASE_TABLE, number)
        u, u_point = args.U + group * args.U_GROUP + entry.U + phase.U * entry.U_POINT, entry.U_POINT
        for first in range(0, args.CHANNELS, args.PANEL_CHANNELS):
            channels = min(args.PANEL_CHANNELS, args.CHANNELS - first)
            if args.PANEL:
                u, u_point = panel, args.PANEL_POINT
                w = args.WEIGHT + group * args.WEIGHT_GROUP + entry.WEIGHT + first * entry.B_K
                _transform_weights(phase, tap, w, u, u_point, channels * entry.B_K // args.VECTOR)
            v_first, adds = v + phase.V + first // GROUP * phase.LINE, number + first > 0
            _products(args, phase, entry, strip, v_first, u, u_point, channels, adds, m, x, x_step, y, y_step)
            steps = channels * phase.POINTS // 2 * chunks
            x += steps * x_step
            y += steps * y_step


@helper
def _outputs(args, entry, scratch, m, group, strip):
    """Outputs of a strip and a block of filters."""
    lane = group * args.Y_GROUP + entry.LANE
    for i in range(strip.FIRST, strip.LAST):
        item = entry_of(ITEM, args.ITEM_TABLE, i)
        y, count, tile = args.Y + item.Y + lane, item.COLUMNS, item.TILE
        store_integer(scratch + FINE, 0, 1)
        for part in range(1 + item.SIDES):
            if count:
                call_transform(
                    integer(entry.OUTPUTS, item.KIND + part), m + tile * args.M_TILE, args.M_TILE, args.BIAS + lane, y,
                    args.Y_H, args.Y_W, entry.FILTERS, scratch + FINE, args.BESIDE - args.Y, count,
                )  # fmt: skip
            y += count * args.M_W * args.Y_W
            count, tile = 1, item.SIDE
        if integer(scratch + FINE, 0) == 0:
            _directly(args, entry, scratch, lane, group, item)


@helper
def _directly(args, entry, scratch, lane, group, item):
    """Outputs of an item and a block of filters, a pixel at a time.

    The padding takes part: zero times a weight that is not finite is NaN. What an ending adds lies in memory other than
    y, so that it is still there: neither layers nor programs give a result the memory of what is added to it.
    """
    table = scratch + PIXEL_TAPS
    weight = args.WEIGHT + group * args.WEIGHT_GROUP + entry.WEIGHT
    x, tap_bytes = args.X + group * args.X_GROUP, args.CHANNELS * entry.B_K
    for r in range(item.ROWS):
        top = args.STRIDE_H * (item.TOP + r) + args.START_H
        for column in range(item.COLUMNS * args.M_W + item.SIDES * args.PART_W):
            left = args.STRIDE_W * (item.LEFT + column - args.PAD_W) + args.START_W
            pixel = item.X + r * args.X_H + column * args.X_W
            for tap in range(args.TAPS):
                k, i, j = tap // args.TAPS_PLANE, tap % args.TAPS_PLANE // args.TAPS_W, tap % args.TAPS_W
                inside = 0 <= item.SLICE + k * args.STEP_D < args.IN_D
                inside = inside and 0 <= top + i < args.SIZE_H and 0 <= left + j < args.SIZE_W
                place = pixel + k * args.CELL_D + i * args.CELL_H + j * args.CELL_W
                store_integer(table, 2 * tap, place if inside else args.ZEROS - x)
                store_integer(table, 2 * tap + 1, tap * tap_bytes)
            call_tile(
                entry.PIXEL, args.TAPS, table, args.CHANNELS, x, 0, 4, weight, entry.B_K, args.BIAS + lane, 0,
                args.Y + item.Y + lane + r * args.Y_H + column * args.Y_W, 0, entry.TAIL, x, 0, args.BESIDE - args.Y,
            )  # fmt: skip


@kernel(WINOGRAD, typed=False)
def winograd(args, task):
    """Some strips, of some blocks of filters.

    During the products, x of the next strip is asked for, and y of this one: a line that is not in the cache is read
    before it is written. Where each task transforms its weights itself, some channels at a time are in its cache.
    """
    row_tasks, block_tasks, blocks, strips = args.ROW_TASKS, args.BLOCK_TASKS, args.BLOCKS, args.STRIPS
    row_task, block_task = task % row_tasks, task // row_tasks
    all_blocks = args.GROUPS * blocks
    scratch = args.SCRATCH + task * args.SCRATCH_STRIDE
    v, m, panel = scratch + args.V, scratch + args.M, scratch + args.PANEL
    first_block, last_block = all_blocks * block_task // block_tasks, all_blocks * (block_task + 1) // block_tasks
    last_strip = strips * (row_task + 1) // row_tasks
    for number in range(strips * row_task // row_tasks, last_strip):
        strip = entry_of(STRIP, args.STRIP_TABLE, number)
        steps = args.STEPS * ((strip.COUNT_3 + args.MOST - 1) // args.MOST) + 1
        x, y, x_step, y_step = args.X, args.Y, 0, 0
        if number + 1 < last_strip:
            following = entry_of(STRIP, args.STRIP_TABLE, number + 1)
            start = entry_of(ITEM, args.ITEM_TABLE, following.FIRST)
            stop = entry_of(ITEM, args.ITEM_TABLE, following.LAST - 1)
            x += start.X
            x_step = (stop.X - start.X + args.POINTS_H * args.X_H) // (steps * (last_block - first_block)) + 1
        start, stop = entry_of(ITEM, args.ITEM_TABLE, strip.FIRST), entry_of(ITEM, args.ITEM_TABLE, strip.LAST - 1)
        y += start.Y
        y_step = (stop.Y - start.Y + args.Y_H) // steps + 1
        filled = -1
        for block in range(first_block, last_block):
            group = block // blocks
            if group != filled:
                for phase_number in range(args.PHASES):
                    phase = entry_of(PHASE, args.PHASE_TABLE, phase_number)
                    fill_tiles(phase, args.X + phase.X + group * args.X_GROUP, scratch, v + phase.V, strip)
                filled = group
            entry = entry_of(WINOGRAD_BLOCK, args.BLOCK_TABLE, block - group * blocks)
            _sums(args, entry, strip, v, m, panel, group, x, x_step, y, y_step)
            x += steps * x_step
            y_step = 0
            _outputs(args, entry, scratch, m, group, strip)


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
        tap, vectors = args.CHANNELS * entry.B_K, (stop - first) * entry.B_K // args.VECTOR
        for number in range(args.PHASES):
            phase = entry_of(PHASE, args.PHASE_TABLE, number)
            _transform_weights(phase, tap, w, u + phase.U * entry.U_POINT, entry.U_POINT, vectors)

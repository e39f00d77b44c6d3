"""The driver of the weight gradient by Winograd's algorithm: strips of tiles of x and dy, both transformed, multiplied.

With the transforms of the forward pass, whose transposes these are::

    dw = GT [sum over tiles of (BT x B) * (A dy AT)] G

The tiles of a strip that have a point are the reduction of a product, channels are its rows and filters its lanes. Rows
of tiles are cut into *splits*, each with sums of its own, which are added in order at the end: how many depends on the
shape alone. Within a split, blocks of filters are divided between `PARTS` tasks, each with V of its own.
"""

from __future__ import annotations

from fastconv.backends.fast.machine.blocks import Block, entry_of
from fastconv.backends.fast.machine.intrinsics import call_tile, call_transform, clear_bytes, integer, store_integer
from fastconv.backends.fast.machine.jit import helper
from fastconv.backends.fast.machine.kernel import kernel
from fastconv.backends.fast.winograd.points import GROUP
from fastconv.backends.fast.winograd.winograd_kernel import FINE, ITEM, STRIP, TILES, fill_tiles

WINOGRAD_GRADIENT = Block(
    TILES,
    """
    BLOCKS BLOCK_TABLE DY DY_H DY_W DY_GROUP Z_TILE Z_POINT NO_OFFSETS SUMS SUMS_SPLIT SUMS_GROUP ROWS SPLITS PARTS
    TASKS SCRATCH SCRATCH_STRIDE V Z PANEL PANEL_CHANNELS PANEL_POINT DW DW_GROUP DW_TAP DW_ROW TAPS TAPS_W
""",
    results="SUMS DW SCRATCH",
)
# one block of filters: addresses of its tiles by rows, of its transforms and of that of its taps, its filters, byte
# offsets into sums and lanes, bytes of a point of sums and of a channel, the tile of one tap, lanes of its last vector
GRADIENT_BLOCK = Block("PRODUCTS GRADIENTS TAPS FILTERS SUMS LANE POINT CHANNEL ONE_TAP TAIL")


@helper
def _fill_gradient(args, entry, z, group, strip):
    """Z of a strip and a block of filters."""
    for i in range(strip.FIRST, strip.LAST):
        item = entry_of(ITEM, args.ITEM_TABLE, i)
        dy, count, tile = args.DY + item.Y + group * args.DY_GROUP + entry.LANE, item.COLUMNS, item.TILE
        for part in range(1 + item.SIDES):
            if count:
                call_transform(
                    integer(entry.GRADIENTS, item.KIND + part), dy, args.DY_H, args.DY_W, entry.FILTERS,
                    z + tile * args.Z_TILE, args.Z_TILE, count, 0, 0, 0,
                )  # fmt: skip
            dy += count * args.M_W * args.DY_W
            count, tile = 1, item.SIDE


@helper
def _add_products(args, entry, strip, v, z, sums, sums_point, channels, is_first, x, x_step, dy, dy_step):
    """Add V times Z of a strip, some channels and a block of filters to sums, which the first strip begins.

    Asks for x and dy from these addresses on, so many bytes for each channel.
    """
    width = entry.CHANNEL
    for point in range(args.POINTS):
        kind = integer(args.KINDS, point)
        first, count = integer(strip, 2 + 2 * kind), integer(strip, 3 + 2 * kind)
        c = sums + point * sums_point
        if count:
            a, b = v + point * 4 * GROUP + first * args.V_TILE, z + point * args.Z_POINT + first * args.Z_TILE
            for channel in range(0, channels, args.ROWS):
                rows = min(args.ROWS, channels - channel)
                call_tile(
                    integer(entry.PRODUCTS, rows), 1, args.NO_OFFSETS, count,
                    a + channel // GROUP * args.LINE + channel % GROUP * 4, 4, args.V_TILE, b, args.Z_TILE,
                    args.ZEROS if is_first else c, 0 if is_first else width, c, width, 0, x, rows * x_step // count, 0,
                )  # fmt: skip
                c += args.ROWS * width
                x += args.ROWS * x_step
        elif is_first:
            clear_bytes(c, channels * width)
        if is_first and args.PANEL == 0:  # what lies between two points is added up with them
            clear_bytes(sums + point * sums_point + channels * width, sums_point - channels * width)
        x, dy, x_step, dy_step = dy, x, dy_step, x_step  # in turns


@helper
def _taps(args, entry, scratch, sums, point, group, channel):
    """Gradient of the weights of a channel and a block of filters; directly where that is not finite."""
    dw = args.DW + group * args.DW_GROUP + channel * args.DW_ROW + entry.LANE
    store_integer(scratch + FINE, 0, 1)
    call_transform(entry.TAPS, sums, point, dw, args.DW_TAP, entry.FILTERS, scratch + FINE, 0, 0, 0, 0)
    if integer(scratch + FINE, 0) == 0:
        _directly(args, entry, group, channel, dw)


@helper
def _directly(args, entry, group, channel, dw):
    """The same, tap by tap and row by row of dy; the padding takes part, as zeros."""
    last = entry_of(STRIP, args.STRIP_TABLE, args.STRIPS - 1)
    for tap in range(args.TAPS):
        i, j = tap // args.TAPS_W, tap % args.TAPS_W
        c, init = dw + tap * args.DW_TAP, args.ZEROS
        for number in range(last.LAST):
            item = entry_of(ITEM, args.ITEM_TABLE, number)
            width = item.COLUMNS * args.M_W + item.SIDES * args.PART_W
            left = max(0, min(width, args.PAD_W - item.LEFT - j))  # columns of x from here on, up to `right`
            right = max(left, min(width, args.PAD_W + args.IN_W - item.LEFT - j))
            for r in range(item.ROWS):
                x = args.X + group * args.X_GROUP + 4 * channel + item.X + (r + i) * args.X_H + j * args.X_W
                dy = args.DY + group * args.DY_GROUP + entry.LANE + item.Y + r * args.DY_H
                for part in range(3):
                    first = left if part == 1 else (right if part else 0)
                    stop = right if part == 1 else (width if part else left)
                    inside = part == 1 and 0 <= item.TOP + r + i < args.IN_H
                    if first < stop:
                        call_tile(
                            entry.ONE_TAP, 1, args.NO_OFFSETS, stop - first,
                            x + first * args.X_W if inside else args.ZEROS, 0, args.X_W if inside else 0,
                            dy + first * args.DY_W, args.DY_W, init, 0, c, 0, entry.TAIL, c, 0, 0,
                        )  # fmt: skip
                        init = c


@kernel(WINOGRAD_GRADIENT, typed=False)
def winograd_gradient(args, task):
    """Some splits of the strips, or some blocks of filters of one.

    During the products, x and dy of the next strip are asked for. Where all tiles are one strip, sums of some channels
    stay in the cache until they are turned into the gradient of their taps.
    """
    parts, tasks, strips = args.PARTS, args.TASKS, args.STRIPS
    scratch = args.SCRATCH + task * args.SCRATCH_STRIDE
    v, z, panel = scratch + args.V, scratch + args.Z, scratch + args.PANEL
    parts_of_all = args.SPLITS * parts * args.GROUPS
    for number in range(parts_of_all * task // tasks, parts_of_all * (task + 1) // tasks):
        group, split, part = number % args.GROUPS, number // args.GROUPS // parts, number // args.GROUPS % parts
        first_block, last_block = args.BLOCKS * part // parts, args.BLOCKS * (part + 1) // parts
        steps = args.CHANNELS * args.POINTS // 2 + 1
        first_strip, last_strip = strips * split // args.SPLITS, strips * (split + 1) // args.SPLITS
        for strip_number in range(first_strip, last_strip):
            strip = entry_of(STRIP, args.STRIP_TABLE, strip_number)
            x, dy, x_step, dy_step = args.X, args.DY, 0, 0
            if strip_number + 1 < last_strip:
                following = entry_of(STRIP, args.STRIP_TABLE, strip_number + 1)
                start = entry_of(ITEM, args.ITEM_TABLE, following.FIRST)
                stop = entry_of(ITEM, args.ITEM_TABLE, following.LAST - 1)
                x, dy, all_steps = x + start.X, dy + start.Y, steps * (last_block - first_block)
                x_step = (stop.X - start.X + args.POINTS_H * args.X_H) // all_steps
                dy_step = (stop.Y - start.Y + args.POINTS_H * args.DY_H) // all_steps
            fill_tiles(args, args.X + group * args.X_GROUP, scratch, v, strip)
            for block in range(first_block, last_block):
                entry = entry_of(GRADIENT_BLOCK, args.BLOCK_TABLE, block)
                _fill_gradient(args, entry, z, group, strip)
                sums, point = args.SUMS + split * args.SUMS_SPLIT + group * args.SUMS_GROUP + entry.SUMS, entry.POINT
                for channel in range(0, args.CHANNELS, args.PANEL_CHANNELS):
                    channels = min(args.PANEL_CHANNELS, args.CHANNELS - channel)
                    if args.PANEL:
                        sums, point = panel, args.PANEL_POINT
                    _add_products(
                        args, entry, strip, v + channel // GROUP * args.LINE, z, sums, point, channels,
                        strip_number == first_strip, x, x_step, dy, dy_step,
                    )  # fmt: skip
                    for i in range(channels if args.PANEL else 0):
                        _taps(args, entry, scratch, sums + i * entry.CHANNEL, point, group, channel + i)
                x += steps * x_step
                dy += steps * dy_step


@kernel(WINOGRAD_GRADIENT, typed=False)
def winograd_taps(args, task):
    """Gradients of the weights of some channels, from the sums over all tiles."""
    blocks, channels, tasks = args.BLOCKS, args.CHANNELS, args.TASKS
    scratch = args.SCRATCH + task * args.SCRATCH_STRIDE
    total = args.GROUPS * blocks * channels
    for item in range(total * task // tasks, total * (task + 1) // tasks):
        group, block, channel = item // (blocks * channels), item // channels % blocks, item % channels
        entry = entry_of(GRADIENT_BLOCK, args.BLOCK_TABLE, block)
        sums = args.SUMS + group * args.SUMS_GROUP + entry.SUMS + channel * entry.CHANNEL
        _taps(args, entry, scratch, sums, entry.POINT, group, channel)

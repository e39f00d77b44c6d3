"""The driver of the weight gradient by Winograd's algorithm: strips of tiles of x and dy, both transformed, multiplied.

With the transforms of the forward pass, whose transposes these are::

    dw = GT [sum over tiles of (BT x B) * (A dy AT)] G

The tiles of a strip that have a point are the reduction of a product, channels are its rows and filters its lanes.
Strips are cut into *splits*, each with sums of its own, which are added in order at the end: how many depends on the
shape alone. Within a split, blocks of filters are divided between `PARTS` tasks, each with V of its own.

The images that a dilation interleaves have strips of their own, whose products are added to the same sums. Each tap
along depth has sums of its own, of the slices of x that it meets.
"""

from __future__ import annotations

from fastconv.backends.fast.machine.blocks import Block, entry_of, view
from fastconv.backends.fast.machine.intrinsics import call_tile, call_transform, clear_bytes, integer, store_integer
from fastconv.backends.fast.machine.jit import helper
from fastconv.backends.fast.machine.kernel import kernel
from fastconv.backends.fast.winograd.points import GROUP
from fastconv.backends.fast.winograd.winograd_kernel import FINE, ITEM, STRIP, TILES, fill_tiles

# x and dy, in cells, and the bytes from one to the next, and from a row and a pixel of a tile of dy to the next; taps
# along depth, of a slice, and of a row of one; then strips, blocks of filters, sums, tasks, and gradients of weights
WINOGRAD_GRADIENT = Block(
    """
    X X_N X_D X_H X_W X_GROUP SIZE_D SIZE_H SIZE_W STRIDE_D PAD_D PAD_H PAD_W STEP_D STEP_H STEP_W IMAGES OUT_D
    OUT_H OUT_W DY DY_H DY_W DY_GROUP EVERY_H EVERY_W TAPS_D TAPS TAPS_W GROUPS CHANNELS POINTS V_TILE LINE ZEROS
    STRIPS AT_ONCE V_STRIP Z_STRIP PLACES BLOCKS BLOCK_TABLE Z_TILE Z_POINT NO_OFFSETS SUMS SUMS_SPLIT SUMS_GROUP
    SUMS_SLICE ROWS SPLITS PARTS TASKS SCRATCH SCRATCH_STRIDE V Z PANEL PANEL_CHANNELS PANEL_POINT DW DW_GROUP
    DW_SLICE DW_TAP DW_ROW
""",
    results="SUMS DW SCRATCH",
)
# one strip, of a tap along depth: addresses of its `TILES`, in which X is a byte offset, and of its `STRIP`; byte
# offsets of its image in dy, and of the transforms of its tiles in tables of them
PLACE = Block("TILES STRIP DY SHAPES")
# one block of filters: addresses of its tiles by rows, of its transforms and of that of its taps, its filters, byte
# offsets into sums and lanes, bytes of a point of sums and of a channel, the tile of one tap, lanes of its last vector
GRADIENT_BLOCK = Block("PRODUCTS GRADIENTS TAPS FILTERS SUMS LANE POINT CHANNEL ONE_TAP TAIL")


@helper
def _fill_gradient(args, entry, z, group, place):
    """Z of a strip and a block of filters."""
    tiles, strip = view(TILES, place.TILES), view(STRIP, place.STRIP)
    start, transforms = args.DY + place.DY + group * args.DY_GROUP + entry.LANE, entry.GRADIENTS + place.SHAPES
    for i in range(strip.FIRST, strip.LAST):
        item = entry_of(ITEM, tiles.ITEM_TABLE, i)
        dy, count, tile = start + item.Y, item.COLUMNS, item.TILE
        for part in range(1 + item.SIDES):
            if count:
                call_transform(
                    integer(transforms, item.KIND + part), dy, args.EVERY_H, args.EVERY_W, entry.FILTERS,
                    z + tile * args.Z_TILE, args.Z_TILE, count, 0, 0, 0,
                )  # fmt: skip
            dy += count * tiles.M_W * args.EVERY_W
            count, tile = 1, item.SIDE


@helper
def _add_products(args, entry, first, strips, v, z, sums, sums_point, channels, is_first, x, x_step, dy, dy_step):
    """Add V times Z of some strips, some channels and a block of filters to sums, which the first strip begins.

    Asks for x and dy from these addresses on, so many bytes for each channel.
    """
    width = entry.CHANNEL
    for point in range(args.POINTS):
        c = sums + point * sums_point
        for channel in range(0, channels, args.ROWS):
            rows, begun = min(args.ROWS, channels - channel), not is_first
            v_start = v + point * 4 * GROUP + channel // GROUP * args.LINE + channel % GROUP * 4
            z_start, ask = z + point * args.Z_POINT, rows * x_step
            for number in range(strips):
                place = entry_of(PLACE, args.PLACES, first + number)
                kind = integer(view(TILES, place.TILES).KINDS, point)
                tile, count = integer(place.STRIP, 2 + 2 * kind), integer(place.STRIP, 3 + 2 * kind)
                if count:
                    call_tile(
                        integer(entry.PRODUCTS, rows), 1, args.NO_OFFSETS, count,
                        v_start + number * args.V_STRIP + tile * args.V_TILE, 4, args.V_TILE,
                        z_start + number * args.Z_STRIP + tile * args.Z_TILE, args.Z_TILE,
                        c if begun else args.ZEROS, width if begun else 0, c, width, 0, x, ask // count, 0,
                    )  # fmt: skip
                    begun, ask = True, 0
            if not begun:
                clear_bytes(c, rows * width)
            c += rows * width
            x += args.ROWS * x_step
        if is_first and args.PANEL == 0:  # what lies between two points is added up with them
            clear_bytes(c, sums_point - channels * width)
        x, dy, x_step, dy_step = dy, x, dy_step, x_step  # in turns


@helper
def _taps(args, entry, scratch, sums, point, group, tap, channel):
    """Gradient of a slice of the weights of a channel and a block of filters; directly where that is not finite."""
    dw = args.DW + group * args.DW_GROUP + tap * args.DW_SLICE + channel * args.DW_ROW + entry.LANE
    store_integer(scratch + FINE, 0, 1)
    call_transform(entry.TAPS, sums, point, dw, args.DW_TAP, entry.FILTERS, scratch + FINE, 0, 0, 0, 0)
    if integer(scratch + FINE, 0) == 0:
        _directly(args, entry, group, tap, channel, dw)


@helper
def _directly(args, entry, group, slice_tap, channel, dw):
    """The same, tap by tap and row by row of dy; the padding takes part, as zeros."""
    rows = args.IMAGES * args.OUT_D * args.OUT_H
    for tap in range(args.TAPS):
        i, j = tap // args.TAPS_W * args.STEP_H - args.PAD_H, tap % args.TAPS_W * args.STEP_W - args.PAD_W
        left = max(0, min(args.OUT_W, -j))  # columns of x from here on, up to `right`
        right = max(left, min(args.OUT_W, args.SIZE_W - j))
        c, init = dw + tap * args.DW_TAP, args.ZEROS
        for row in range(rows):
            image, plane = row // (args.OUT_D * args.OUT_H), row // args.OUT_H % args.OUT_D
            plane = plane * args.STRIDE_D + slice_tap * args.STEP_D - args.PAD_D
            top = row % args.OUT_H + i
            x = args.X + group * args.X_GROUP + 4 * channel + image * args.X_N + plane * args.X_D + top * args.X_H
            x += j * args.X_W
            dy = args.DY + group * args.DY_GROUP + entry.LANE + row * args.DY_H
            for part in range(3):
                first = left if part == 1 else (right if part else 0)
                stop = right if part == 1 else (args.OUT_W if part else left)
                inside = part == 1 and 0 <= plane < args.SIZE_D and 0 <= top < args.SIZE_H
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

    During the products, x and dy of the next strip are asked for. Short strips are gone through some at a time. Where
    tiles are few, all are: sums of some channels stay in the cache until they are turned into the gradient of their
    taps.
    """
    parts, tasks, strips = args.PARTS, args.TASKS, args.STRIPS
    scratch = args.SCRATCH + task * args.SCRATCH_STRIDE
    v, z, panel = scratch + args.V, scratch + args.Z, scratch + args.PANEL
    at_once, slices = args.AT_ONCE, args.GROUPS * args.TAPS_D
    parts_of_all = args.SPLITS * parts * slices
    for number in range(parts_of_all * task // tasks, parts_of_all * (task + 1) // tasks):
        group, tap = number % slices // args.TAPS_D, number % args.TAPS_D
        split, part = number // slices // parts, number // slices % parts
        first_block, last_block = args.BLOCKS * part // parts, args.BLOCKS * (part + 1) // parts
        steps = args.CHANNELS * args.POINTS // 2 + 1
        first_strip, last_strip = strips * split // args.SPLITS, strips * (split + 1) // args.SPLITS
        begin, all_sums = tap * strips, args.SUMS + group * args.SUMS_GROUP + tap * args.SUMS_SLICE
        for first in range(first_strip, last_strip, at_once):
            count = min(at_once, last_strip - first)
            x, dy, x_step, dy_step = args.X, args.DY, 0, 0
            if first + at_once < last_strip:
                following = entry_of(PLACE, args.PLACES, begin + first + at_once)
                tiles, strip = view(TILES, following.TILES), view(STRIP, following.STRIP)
                start = entry_of(ITEM, tiles.ITEM_TABLE, strip.FIRST)
                stop = entry_of(ITEM, tiles.ITEM_TABLE, strip.LAST - 1)
                all_steps = steps * (last_block - first_block)
                x, dy = x + tiles.X + start.X, dy + following.DY + start.Y
                x_step = (stop.X - start.X + tiles.POINTS_H * tiles.X_H) // all_steps
                dy_step = (stop.Y - start.Y + tiles.POINTS_H * args.EVERY_H) // all_steps
            for i in range(count):
                place = entry_of(PLACE, args.PLACES, begin + first + i)
                tiles = view(TILES, place.TILES)
                x_start = args.X + tiles.X + group * args.X_GROUP
                fill_tiles(tiles, x_start, scratch, v + i * args.V_STRIP, view(STRIP, place.STRIP))
            for block in range(first_block, last_block):
                entry = entry_of(GRADIENT_BLOCK, args.BLOCK_TABLE, block)
                for i in range(count):
                    place = entry_of(PLACE, args.PLACES, begin + first + i)
                    _fill_gradient(args, entry, z + i * args.Z_STRIP, group, place)
                sums, point = all_sums + split * args.SUMS_SPLIT + entry.SUMS, entry.POINT
                for channel in range(0, args.CHANNELS, args.PANEL_CHANNELS):
                    channels = min(args.PANEL_CHANNELS, args.CHANNELS - channel)
                    if args.PANEL:
                        sums, point = panel, args.PANEL_POINT
                    _add_products(
                        args, entry, begin + first, count, v + channel // GROUP * args.LINE, z, sums, point, channels,
                        first == first_strip, x, x_step, dy, dy_step,
                    )  # fmt: skip
                    for i in range(channels if args.PANEL else 0):
                        _taps(args, entry, scratch, sums + i * entry.CHANNEL, point, group, tap, channel + i)
                x += steps * x_step
                dy += steps * dy_step


@kernel(WINOGRAD_GRADIENT, typed=False)
def winograd_taps(args, task):
    """Gradients of the weights of some channels, from the sums over all tiles."""
    blocks, channels, slices, tasks = args.BLOCKS, args.CHANNELS, args.TAPS_D, args.TASKS
    scratch = args.SCRATCH + task * args.SCRATCH_STRIDE
    total = args.GROUPS * slices * blocks * channels
    for item in range(total * task // tasks, total * (task + 1) // tasks):
        group, tap = item // (blocks * channels) // slices, item // (blocks * channels) % slices
        block, channel = item // channels % blocks, item % channels
        entry = entry_of(GRADIENT_BLOCK, args.BLOCK_TABLE, block)
        sums = args.SUMS + group * args.SUMS_GROUP + tap * args.SUMS_SLICE + entry.SUMS + channel * entry.CHANNEL
        _taps(args, entry, scratch, sums, entry.POINT, group, tap, channel)

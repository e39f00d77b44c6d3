"""The driver of the weight gradient by Winograd's algorithm: strips of tiles of x and dy, both transformed, multiplied.

With the transforms of the forward pass, whose transposes these are::

    dw = GT [sum over tiles of (BT x B) * (A dy AT)] G

The tiles of a strip that have a point are the reduction of a product, channels are its rows and filters its lanes. Rows
of tiles are cut into *splits*, each with sums of its own, which are added in order at the end: how many depends on the
shape alone. Within a split, blocks of filters are divided between `PARTS` tasks, each with V of its own.
"""

from __future__ import annotations

from fastconv.backends.fast.machine.blocks import Block, entry_of
from fastconv.backends.fast.machine.intrinsics import call_tile, call_transform, clear_bytes, integer
from fastconv.backends.fast.machine.jit import helper
from fastconv.backends.fast.machine.kernel import kernel
from fastconv.backends.fast.winograd.transform_kernel import GROUP
from fastconv.backends.fast.winograd.winograd_kernel import (
    TILES,
    columns_of,
    fill_tiles,
    line_of,
    point_tiles,
    slots_of,
    x_of,
)

WINOGRAD_GRADIENT = Block(
    TILES,
    """
    BLOCKS BLOCK_TABLE DY DY_N DY_H DY_W DY_GROUP Z_TILE Z_POINT NO_OFFSETS SUMS SUMS_SPLIT SUMS_GROUP
    ROWS SPLITS PARTS TASKS SCRATCH SCRATCH_STRIDE V Z PANEL PANEL_CHANNELS PANEL_POINT DW_GROUP DW_TAP DW_ROW
""",
    results="SUMS SCRATCH",
)
# one block of filters: addresses of its tiles by rows, of its transforms and of that of its taps, its filters, byte
# offsets into sums and lanes, bytes of a point of sums and of a channel
GRADIENT_BLOCK = Block("PRODUCTS GRADIENTS TAPS FILTERS SUMS LANE POINT CHANNEL")
WINOGRAD_TAPS = Block(
    "SUMS SUMS_GROUP DW DW_GROUP DW_TAP DW_ROW GROUPS BLOCKS BLOCK_TABLE CHANNELS TASKS", results="DW"
)


@helper
def _dy_of(args, item):
    """Address of the first pixel of dy of an item."""
    return line_of(args, args.DY, args.DY_N, args.DY_H, args.DY_W, item)


@helper
def _fill_gradient(args, entry, z, group, item, stop):
    """Z of a strip and a block of filters."""
    for i in range(item, stop):
        kind, slot, side = slots_of(args, item, stop, i)
        dy = _dy_of(args, i) + group * args.DY_GROUP + entry.LANE
        _, columns, sides = columns_of(args, i)
        for part in range(2):
            count = sides if part else columns
            if count == 0:
                continue
            place, tile = (dy + columns * args.M_W * args.DY_W, side) if part else (dy, slot)
            call_transform(
                integer(entry.GRADIENTS, kind + part), place, args.DY_H, args.DY_W, entry.FILTERS,
                z + tile * args.Z_TILE, args.Z_TILE, count, 0, 0, 0,
            )  # fmt: skip


@helper
def _add_products(args, entry, v, z, sums, sums_point, channels, item, stop, is_first, x, x_step, dy, dy_step):
    """Add V times Z of a strip, some channels and a block of filters to sums, which the first strip begins.

    Asks for x and dy from these addresses on, so many bytes for each channel.
    """
    line = 4 * GROUP * args.POINTS_H * args.POINTS_W
    width = entry.CHANNEL
    for point in range(args.POINTS_H * args.POINTS_W):
        first, count = point_tiles(args, point, item, stop)
        c = sums + point * sums_point
        if count == 0:
            if is_first:
                clear_bytes(c, channels * width)
            continue
        a, b = v + point * 4 * GROUP + first * args.V_TILE, z + point * args.Z_POINT + first * args.Z_TILE
        half = point // 2 * channels
        ahead, step = (dy + half * dy_step, dy_step) if point % 2 else (x + half * x_step, x_step)
        for channel in range(0, channels, args.ROWS):
            rows = min(args.ROWS, channels - channel)
            call_tile(
                integer(entry.PRODUCTS, rows), 1, args.NO_OFFSETS, count,
                a + channel // GROUP * line + channel % GROUP * 4, 4, args.V_TILE, b, args.Z_TILE,
                args.ZEROS if is_first else c, 0 if is_first else width, c, width, 0, ahead, rows * step // count, 0,
            )  # fmt: skip
            c += args.ROWS * width
            ahead += args.ROWS * step


@helper
def _one_strip(args, scratch, group, first, last):
    """Gradients of some blocks of filters where all tiles are one strip: sums of some channels stay in the cache."""
    v, z, panel, stop = scratch + args.V, scratch + args.Z, scratch + args.PANEL, args.ITEMS
    line = 4 * args.POINTS_H * args.POINTS_W
    fill_tiles(args, scratch, v, group, 0, stop)
    for block in range(first, last):
        entry = entry_of(GRADIENT_BLOCK, args.BLOCK_TABLE, block)
        _fill_gradient(args, entry, z, group, 0, stop)
        for channel in range(0, args.CHANNELS, args.PANEL_CHANNELS):
            channels = min(args.PANEL_CHANNELS, args.CHANNELS - channel)
            point, dw = args.PANEL_POINT, args.SUMS + group * args.DW_GROUP + channel * args.DW_ROW + entry.LANE
            _add_products(args, entry, v + channel * line, z, panel, point, channels, 0, stop, True, v, 0, v, 0)
            for i in range(channels):
                call_transform(
                    entry.TAPS, panel + i * entry.CHANNEL, point, dw + i * args.DW_ROW, args.DW_TAP, entry.FILTERS,
                    0, 0, 0, 0, 0,
                )  # fmt: skip


@helper
def _strips(args, scratch, group, split, first, last):
    """Sums of a split and of some blocks of filters, a strip at a time."""
    v, z, strips, items = scratch + args.V, scratch + args.Z, args.STRIPS, args.ITEMS
    first_strip, last_strip = strips * split // args.SPLITS, strips * (split + 1) // args.SPLITS
    share = args.CHANNELS * args.POINTS_H * args.POINTS_W // 2
    steps = max(1, (last - first) * share)
    for strip in range(first_strip, last_strip):
        item, stop = items * strip // strips, items * (strip + 1) // strips
        after = items * (strip + 2) // strips if strip + 1 < last_strip else stop
        x = x_of(args, stop)
        dy = _dy_of(args, stop)
        x_step = (x_of(args, after) - x) // steps
        dy_step = (_dy_of(args, after) - dy) // steps
        fill_tiles(args, scratch, v, group, item, stop)
        for block in range(first, last):
            done = (block - first) * share
            entry = entry_of(GRADIENT_BLOCK, args.BLOCK_TABLE, block)
            sums = args.SUMS + split * args.SUMS_SPLIT + group * args.SUMS_GROUP + entry.SUMS
            _fill_gradient(args, entry, z, group, item, stop)
            _add_products(
                args, entry, v, z, sums, entry.POINT, args.CHANNELS, item, stop, strip == first_strip,
                x + done * x_step, x_step, dy + done * dy_step, dy_step,
            )  # fmt: skip


@kernel(WINOGRAD_GRADIENT, typed=False)
def winograd_gradient(args, task):
    """Some splits of the rows of tiles, or some blocks of filters of one."""
    parts, tasks, items = args.PARTS, args.TASKS, args.SPLITS * args.PARTS
    scratch = args.SCRATCH + task * args.SCRATCH_STRIDE
    for item in range(items * task // tasks, items * (task + 1) // tasks):
        split, part = item // parts, item % parts
        first, last = args.BLOCKS * part // parts, args.BLOCKS * (part + 1) // parts
        for group in range(args.GROUPS):
            if args.PANEL:
                _one_strip(args, scratch, group, first, last)
            else:
                _strips(args, scratch, group, split, first, last)


@kernel(WINOGRAD_TAPS, typed=False)
def winograd_taps(args, task):
    """Gradients of the weights of some channels, from the sums over all tiles."""
    blocks, channels, tasks = args.BLOCKS, args.CHANNELS, args.TASKS
    total = args.GROUPS * blocks * channels
    for item in range(total * task // tasks, total * (task + 1) // tasks):
        group, block, channel = item // (blocks * channels), item // channels % blocks, item % channels
        entry = entry_of(GRADIENT_BLOCK, args.BLOCK_TABLE, block)
        sums = args.SUMS + group * args.SUMS_GROUP + entry.SUMS + channel * entry.CHANNEL
        dw = args.DW + group * args.DW_GROUP + channel * args.DW_ROW + entry.LANE
        call_transform(entry.TAPS, sums, entry.POINT, dw, args.DW_TAP, entry.FILTERS, 0, 0, 0, 0, 0)

"""Sums in a fixed order: over the pixels of a channels-last array, over the splits of a gradient, and of rows."""

from __future__ import annotations

from fastconv.backends.fast.machine.blocks import Block, entry_of
from fastconv.backends.fast.machine.intrinsics import (
    call_tile,
    load_at,
    load_double,
    size_of,
    store_double,
    store_number_at,
)
from fastconv.backends.fast.machine.kernel import kernel
from fastconv.backends.fast.machine.runs import accumulate

SPLITS_SUM = Block("X NUMBERS SPLITS TASKS", results="X")
ROWS_ADD = Block("Y OTHER OTHER_ROW ROWS LENGTH TASKS", results="Y")
TOTALS_SUM = Block("X CHANNELS SPLITS SCRATCH", results="X SCRATCH")
SUMS = Block(
    "X PIXEL PIXELS SPLITS CHUNK BLOCKS BLOCK_TABLE ONE ZERO_VECTOR NO_OFFSETS ITEM TOTALS TOTALS_SPLIT TASKS",
    results="TOTALS",
)
SUM_ENTRY = Block("TILE OFFSET TAIL")  # one block of channels: a tile of one row


@kernel(SUMS, typed=False)
def sums(args, task):
    """Totals of each split of the pixels, in chunks: a product of ones with x. `ITEM` is the bytes of a number."""
    pixels, splits, tasks, pixel = args.PIXELS, args.SPLITS, args.TASKS, args.PIXEL
    for split in range(splits * task // tasks, splits * (task + 1) // tasks):
        total = args.TOTALS + split * args.TOTALS_SPLIT
        start, stop = pixels * split // splits, pixels * (split + 1) // splits
        for first in range(start, stop, args.CHUNK):
            length = min(args.CHUNK, stop - first)
            x = args.X + first * pixel
            for block in range(args.BLOCKS):
                entry = entry_of(SUM_ENTRY, args.BLOCK_TABLE, block)
                offset = entry.OFFSET
                init = total + offset if first > start else args.ZERO_VECTOR
                call_tile(
                    entry.TILE, 1, args.NO_OFFSETS, length, args.ONE, 0, 0,
                    x + offset, pixel, init, 0, total + offset, 0, entry.TAIL, x, 0, 0,
                )  # fmt: skip


@kernel(TOTALS_SUM)
def totals_sum(args, task, number):
    """Add all splits of every channel to the first, the second half to the first half, and so on, in float64."""
    channels, x, scratch = args.CHANNELS, args.X, args.SCRATCH
    for channel in range(channels):
        left = args.SPLITS
        for split in range(left):
            store_double(scratch, split, load_at(x, split * channels + channel, number))
        while left > 1:
            half = left // 2
            for split in range(half):
                total = load_double(scratch, split) + load_double(scratch, left - half + split)
                store_double(scratch, split, total)
            left -= half
        store_number_at(x, channel, load_double(scratch, 0), number)


@kernel(SPLITS_SUM)
def splits_sum(args, task, number):
    """Add all splits to the first, in pairs: neighbours, then every other one, and so on."""
    itemsize = size_of(number)
    numbers, tasks, x = args.NUMBERS, args.TASKS, args.X
    first, last = numbers * task // tasks, numbers * (task + 1) // tasks
    parts, step = args.SPLITS, 1
    while step < parts and first < last:
        for part in range(0, parts - step, 2 * step):
            one, other = x + part * numbers * itemsize, x + (part + step) * numbers * itemsize
            accumulate(number, one + first * itemsize, other + first * itemsize, last - first)
        step *= 2


@kernel(ROWS_ADD)
def rows_add(args, task, number):
    """Add others, which are `OTHER_ROW` bytes apart, to some of the rows."""
    rows, tasks, length = args.ROWS, args.TASKS, args.LENGTH
    row_bytes = length * size_of(number)
    for row in range(rows * task // tasks, rows * (task + 1) // tasks):
        accumulate(number, args.Y + row * row_bytes, args.OTHER + row * args.OTHER_ROW, length)

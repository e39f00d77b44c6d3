"""Sums in a fixed order: over the pixels of a channels-last array, and over the splits of a weight gradient."""

from __future__ import annotations

from fastconv.backends.fast.machine.blocks import Block, entry_of
from fastconv.backends.fast.machine.intrinsics import call_tile, size_of
from fastconv.backends.fast.machine.kernel import kernel
from fastconv.backends.fast.machine.runs import accumulate

SPLITS_SUM = Block("X NUMBERS SPLITS TASKS", results="X")
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

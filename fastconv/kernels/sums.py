"""Sums in a fixed order: over the pixels of a channels-last array, and over the splits of a weight gradient."""

from __future__ import annotations

from functools import cache

from fastconv.kernels.accumulate import accumulate
from fastconv.kernels.arguments import Block
from fastconv.kernels.jit import LOCK, REVISION, ZERO, c_function
from fastconv.kernels.memory import call_tile, integer, size_of

__all__ = ["SPLITS_SUM", "SUMS", "SUM_ENTRY", "splits_sum_address", "sums_address"]

SPLITS_SUM = Block("X NUMBERS SPLITS TASKS")
SUMS = Block("X PIXEL PIXELS SPLITS CHUNK BLOCKS BLOCK_TABLE ONE ZERO_VECTOR NO_OFFSETS ITEM TOTALS TOTALS_SPLIT TASKS")
SUM_ENTRY = Block("TILE OFFSET TAIL")  # one block of channels: a tile of one row
_I = SUMS.index
X, PIXEL, PIXELS, SPLITS, CHUNK = _I["X"], _I["PIXEL"], _I["PIXELS"], _I["SPLITS"], _I["CHUNK"]
BLOCKS, BLOCK_TABLE, ONE = _I["BLOCKS"], _I["BLOCK_TABLE"], _I["ONE"]
ZERO_VECTOR, NO_OFFSETS, ITEM = _I["ZERO_VECTOR"], _I["NO_OFFSETS"], _I["ITEM"]
TOTALS, TOTALS_SPLIT, TASKS = _I["TOTALS"], _I["TOTALS_SPLIT"], _I["TASKS"]
ENTRY = 8 * len(SUM_ENTRY.names)
TILE, OFFSET, TAIL = (SUM_ENTRY.index[name] for name in SUM_ENTRY.names)


def _driver():
    revision = REVISION

    def sums(args, task):
        """Totals of each split of the pixels, in chunks: a product of ones with x. `ITEM` is the bytes of a number."""
        revision  # noqa: B018 (a part of the cache key)
        pixels, splits, tasks, pixel = (
            integer(args, PIXELS), integer(args, SPLITS), integer(args, TASKS), integer(args, PIXEL)
        )  # fmt: skip
        for split in range(splits * task // tasks, splits * (task + 1) // tasks):
            total = integer(args, TOTALS) + split * integer(args, TOTALS_SPLIT)
            start, stop = pixels * split // splits, pixels * (split + 1) // splits
            for first in range(start, stop, integer(args, CHUNK)):
                length = min(integer(args, CHUNK), stop - first)
                x = integer(args, X) + first * pixel
                for block in range(integer(args, BLOCKS)):
                    entry = integer(args, BLOCK_TABLE) + block * ENTRY
                    offset = integer(entry, OFFSET)
                    init = total + offset if first > start else integer(args, ZERO_VECTOR)
                    call_tile(
                        integer(entry, TILE), 1, integer(args, NO_OFFSETS), length, integer(args, ONE), 0, 0,
                        x + offset, pixel, init, 0, total + offset, 0, integer(entry, TAIL), x, 0, 0,
                    )  # fmt: skip

    return sums


_J = SPLITS_SUM.index
ALL, NUMBERS, PARTS, WORKERS = (_J[name] for name in SPLITS_SUM.names)


def _splits_driver(number):
    revision = REVISION

    def splits_sum(args, task):
        """Add all splits to the first, in pairs: neighbours, then every other one, and so on."""
        revision  # noqa: B018 (a part of the cache key)
        itemsize = size_of(number)
        numbers, tasks, x = integer(args, NUMBERS), integer(args, WORKERS), integer(args, ALL)
        first, last = numbers * task // tasks, numbers * (task + 1) // tasks
        parts, step = integer(args, PARTS), 1
        while step < parts and first < last:
            for part in range(0, parts - step, 2 * step):
                one, other = x + part * numbers * itemsize, x + (part + step) * numbers * itemsize
                accumulate(number, one + first * itemsize, other + first * itemsize, last - first)
            step *= 2

    return splits_sum


@cache
def _compiled_splits(itemsize):
    return c_function(f"splits_sum_f{8 * itemsize}", "void(intp, intp)", _splits_driver(ZERO[itemsize]))


def splits_sum_address(itemsize: int) -> int:
    """Address of the driver for numbers of `itemsize` bytes; compiled on first use."""
    with LOCK:
        return _compiled_splits(itemsize).address


@cache
def _compiled():
    return c_function("sums", "void(intp, intp)", _driver())


def sums_address() -> int:
    """Address of the driver, which serves every type; compiled on first use."""
    with LOCK:
        return _compiled().address

"""Sums in a fixed order: over the pixels of a channels-last array, and over the splits of a weight gradient."""

from __future__ import annotations

from functools import cache

from fastconv.kernels.arguments import Block
from fastconv.kernels.jit import LOCK, REVISION, ZERO, c_function
from fastconv.kernels.memory import integer, load, load_double, size_of, store, store_double

__all__ = ["SPLITS_SUM", "SUMS", "splits_sum_address", "sums_address"]

SPLITS_SUM = Block("X NUMBERS SPLITS TASKS")
SUMS = Block("X CHANNELS PIXELS SPLITS TOTALS TASKS")
_I = SUMS.index
X, CHANNELS, PIXELS, SPLITS, TOTALS, TASKS = (_I[name] for name in SUMS.names)


def _driver(number):
    revision = REVISION

    def sums(args, task):
        """Float64 totals of each split of the pixels; their number depends on the shape alone."""
        revision  # noqa: B018 (a part of the cache key)
        itemsize = size_of(number)
        channels, pixels, splits = integer(args, CHANNELS), integer(args, PIXELS), integer(args, SPLITS)
        tasks = integer(args, TASKS)
        for split in range(splits * task // tasks, splits * (task + 1) // tasks):
            total = integer(args, TOTALS) + split * channels * 8
            for c in range(channels):
                store_double(total, c, 0.0)
            for p in range(pixels * split // splits, pixels * (split + 1) // splits):
                x = integer(args, X) + p * channels * itemsize
                for c in range(channels):
                    store_double(total, c, load_double(total, c) + load(x + c * itemsize, number))

    return sums


_J = SPLITS_SUM.index
ALL, NUMBERS, PARTS, WORKERS = (_J[name] for name in SPLITS_SUM.names)


def _splits_driver(number):
    revision = REVISION

    def splits_sum(args, task):
        """Add every split to the first, in order."""
        revision  # noqa: B018 (a part of the cache key)
        itemsize = size_of(number)
        numbers, tasks, x = integer(args, NUMBERS), integer(args, WORKERS), integer(args, ALL)
        first, last = numbers * task // tasks, numbers * (task + 1) // tasks
        for split in range(1, integer(args, PARTS)):
            other = x + split * numbers * itemsize
            for i in range(first, last):
                store(x + i * itemsize, load(x + i * itemsize, number) + load(other + i * itemsize, number))

    return splits_sum


@cache
def _compiled_splits(itemsize):
    return c_function(f"splits_sum_f{8 * itemsize}", "void(intp, intp)", _splits_driver(ZERO[itemsize]))


def splits_sum_address(itemsize: int) -> int:
    """Address of the driver for numbers of `itemsize` bytes; compiled on first use."""
    with LOCK:
        return _compiled_splits(itemsize).address


@cache
def _compiled(itemsize):
    return c_function(f"sums_f{8 * itemsize}", "void(intp, intp)", _driver(ZERO[itemsize]))


def sums_address(itemsize: int) -> int:
    """Address of the driver for numbers of `itemsize` bytes; compiled on first use."""
    with LOCK:
        return _compiled(itemsize).address

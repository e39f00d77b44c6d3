"""Sum over pixels of a channels-last array: the gradient of the bias."""

from __future__ import annotations

from functools import cache

from fastconv.kernels.arguments import Block
from fastconv.kernels.jit import LOCK, REVISION, c_function
from fastconv.kernels.memory import integer, load, load_double, store_double

__all__ = ["SUMS", "sums_address"]

SUMS = Block("X CHANNELS PIXELS SPLITS TOTALS TASKS")
_I = SUMS.index
X, CHANNELS, PIXELS, SPLITS, TOTALS, TASKS = (_I[name] for name in SUMS.names)


def _driver(itemsize):
    revision = REVISION

    def sums(args, task):
        """Float64 totals of each split of the pixels; their number depends on the shape alone."""
        revision  # noqa: B018 (a part of the cache key)
        channels, pixels, splits = integer(args, CHANNELS), integer(args, PIXELS), integer(args, SPLITS)
        tasks = integer(args, TASKS)
        for split in range(splits * task // tasks, splits * (task + 1) // tasks):
            total = integer(args, TOTALS) + split * channels * 8
            for c in range(channels):
                store_double(total, c, 0.0)
            for p in range(pixels * split // splits, pixels * (split + 1) // splits):
                x = integer(args, X) + p * channels * itemsize
                for c in range(channels):
                    store_double(total, c, load_double(total, c) + load(x + c * itemsize, itemsize))

    return sums


@cache
def _compiled(itemsize):
    return c_function(f"sums_f{8 * itemsize}", "void(intp, intp)", _driver(itemsize))


def sums_address(itemsize: int) -> int:
    """Address of the driver for numbers of `itemsize` bytes; compiled on first use."""
    with LOCK:
        return _compiled(itemsize).address

"""Planes into channels-last order: (N, C, P) -> (N, P, C), in blocks that stay in the L1 cache."""

from __future__ import annotations

from functools import cache

from fastconv.kernels.arguments import Block
from fastconv.kernels.jit import LOCK, REVISION, c_function
from fastconv.kernels.memory import integer, load, store

__all__ = ["LAYOUT", "layout_address"]

LAYOUT = Block("X Y BATCH CHANNELS PIXELS BLOCK TASKS")
_I = LAYOUT.index
X, Y, BATCH, CHANNELS = _I["X"], _I["Y"], _I["BATCH"], _I["CHANNELS"]
PIXELS, BLOCK, TASKS = _I["PIXELS"], _I["BLOCK"], _I["TASKS"]


def _driver(itemsize):
    revision = REVISION

    def layout(args, task):
        revision  # noqa: B018 (a part of the cache key)
        channels, pixels, step = integer(args, CHANNELS), integer(args, PIXELS), integer(args, BLOCK)
        blocks = (pixels + step - 1) // step
        total, tasks = integer(args, BATCH) * blocks, integer(args, TASKS)
        for item in range(total * task // tasks, total * (task + 1) // tasks):
            n = item // blocks
            first = (item - n * blocks) * step
            count = min(step, pixels - first)
            source = integer(args, X) + (n * channels * pixels + first) * itemsize
            target = integer(args, Y) + (n * pixels + first) * channels * itemsize
            for c in range(channels):
                for p in range(count):
                    number = load(source + (c * pixels + p) * itemsize, itemsize)
                    store(target + (p * channels + c) * itemsize, number)

    return layout


@cache
def _compiled(itemsize):
    return c_function(f"layout_f{8 * itemsize}", "void(intp, intp)", _driver(itemsize))


def layout_address(itemsize: int) -> int:
    """Address of the driver for numbers of `itemsize` bytes; compiled on first use."""
    with LOCK:
        return _compiled(itemsize).address

"""Weights in the order in which the tiles read them.

A panel holds one block of filters: for every tap, every input channel, the lanes of the block, zeros beyond the last
filter. The input gradient packs the same weights with filters and channels exchanged and the taps reversed, which is
why taps are given by a table of byte offsets.
"""

from __future__ import annotations

from functools import cache

from fastconv.kernels.arguments import Block
from fastconv.kernels.jit import LOCK, REVISION, c_function
from fastconv.kernels.memory import integer, load, store, store_zero

__all__ = ["PACK", "pack_address"]

PACK = Block(
    "SOURCE SOURCE_GROUP TAP_TABLE TAPS DEPTH DEPTH_BYTES LANES_TOTAL LANE_BYTES TARGET TARGET_GROUP GROUPS BLOCKS "
    "WIDTH LAST_WIDTH TASKS"
)
_I = PACK.index
SOURCE, SOURCE_GROUP, TAP_TABLE, TAPS = _I["SOURCE"], _I["SOURCE_GROUP"], _I["TAP_TABLE"], _I["TAPS"]
DEPTH, DEPTH_BYTES, LANES_TOTAL, LANE_BYTES = _I["DEPTH"], _I["DEPTH_BYTES"], _I["LANES_TOTAL"], _I["LANE_BYTES"]
TARGET, TARGET_GROUP, GROUPS, BLOCKS = _I["TARGET"], _I["TARGET_GROUP"], _I["GROUPS"], _I["BLOCKS"]
WIDTH, LAST_WIDTH, TASKS = _I["WIDTH"], _I["LAST_WIDTH"], _I["TASKS"]


def _driver(itemsize):
    revision = REVISION

    def pack(args, task):
        revision  # noqa: B018 (a part of the cache key)
        blocks, taps, depth = integer(args, BLOCKS), integer(args, TAPS), integer(args, DEPTH)
        lane_bytes, depth_bytes = integer(args, LANE_BYTES), integer(args, DEPTH_BYTES)
        total = integer(args, GROUPS) * blocks
        tasks = integer(args, TASKS)
        for item in range(total * task // tasks, total * (task + 1) // tasks):
            group = item // blocks
            block = item - group * blocks
            width = integer(args, LAST_WIDTH) if block == blocks - 1 else integer(args, WIDTH)
            first = block * integer(args, WIDTH)
            lanes = min(width, integer(args, LANES_TOTAL) - first)
            source = integer(args, SOURCE) + group * integer(args, SOURCE_GROUP) + first * lane_bytes
            target = integer(args, TARGET) + group * integer(args, TARGET_GROUP) + first * taps * depth * itemsize
            for k in range(depth):
                for tap in range(taps):
                    number = source + k * depth_bytes + integer(integer(args, TAP_TABLE), tap)
                    row = target + (tap * depth + k) * width * itemsize
                    for lane in range(lanes):
                        store(row + lane * itemsize, load(number + lane * lane_bytes, itemsize))
                    for lane in range(lanes, width):
                        store_zero(row + lane * itemsize, itemsize)

    return pack


@cache
def _compiled(itemsize):
    return c_function(f"pack_f{8 * itemsize}", "void(intp, intp)", _driver(itemsize))


def pack_address(itemsize: int) -> int:
    """Address of the driver for numbers of `itemsize` bytes; compiled on first use."""
    with LOCK:
        return _compiled(itemsize).address

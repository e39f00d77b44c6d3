"""Passes of few filters, whose lanes run along the windows: which these are, and their tiles.

With filters as lanes most of a vector would be empty. The cost is one sum of lanes for every result, so that it pays
where windows are long (`conv.dots_tile_kernel`).
"""

from __future__ import annotations

from fastconv.backends.base import Array
from fastconv.backends.fast.conv.chunks import LIMIT, chain_depth
from fastconv.backends.fast.conv.conv_kernel import BLOCK_ENTRY
from fastconv.backends.fast.conv.dots_tile_kernel import DotsTile, dots_tile_address
from fastconv.backends.fast.conv.passes import Pass
from fastconv.backends.fast.conv.tiling import Tiling
from fastconv.backends.fast.machine.target import host
from fastconv.backends.fast.memory.plan_cache import plan_cache

MOST_FILTERS = 8
CHUNK = 4096  # numbers of a window whose weights stay in the L1 cache
MARGIN = 1.2  # how much faster it must seem
# Cycles of a product of vectors, the sum of the lanes of a result, and a pixel; of a segment of the window of a tile,
# for its whole vectors, and for what is left. Fitted to a dozen shapes, which they meet within a quarter.
PRODUCT, SUM, PIXEL, WHOLE, REST = 0.5, 4, 4, 8, 50
LATENCY = 4  # cycles until a product can be added to


def _segments(task: Pass) -> tuple[int, int]:
    """Segments of a window, and their numbers."""
    depth, height, width = task.lines
    runs, taps = len(depth.taps) * len(height.taps), len(width.taps)
    return (runs * taps, task.depth) if width.step > 1 else (runs, taps * task.depth)


def dots_cycles(task: Pass, itemsize: int) -> float:
    """Cycles of a pass by dots; of every image as many, so that parts of a batch are computed as all of it."""
    lanes, (segments, length) = host().lanes(itemsize), _segments(task)
    rows = host().tile_rows(task.lanes)
    if not task.is_pointwise:  # else all pixels are one row
        rows = min(rows, task.lines[2].out)
    of_segment = WHOLE * (length >= lanes) + REST * (length % lanes > 0)
    products = segments * -(-length // lanes) * max(PRODUCT, LATENCY / (rows * task.lanes))
    return task.pixels * task.groups * (task.lanes * (products + SUM) + segments * of_segment / rows + PIXEL)


def dots_depth(task: Pass, itemsize: int) -> int:
    """Depth of the sums: of a lane over all vectors, and of the lanes."""
    lanes, (segments, length) = host().lanes(itemsize), _segments(task)
    vectors, chunks = segments * -(-length // lanes), -(-2 * segments * length // CHUNK)
    return chain_depth(vectors, chunks) + 1 + lanes.bit_length()


@plan_cache(1024)
def takes_dots(task: Pass, itemsize: int) -> bool:
    """Whether a pass is faster by dots."""
    if task.lanewise or task.lanes > min(MOST_FILTERS, host().lanes(itemsize)) or dots_depth(task, itemsize) > LIMIT:
        return False
    with_filters_as_lanes = task.pixels * task.groups * (len(task.tap_numbers) * task.depth * PRODUCT + 1)
    return dots_cycles(task, itemsize) * MARGIN < with_filters_as_lanes


def dots_block(cut: Tiling, filters: int, itemsize: int, ending: int, slope: int) -> Array:
    """Entry of the block table of all filters."""
    heights = cut.tall, cut.last
    lanes = host().lanes(itemsize)
    tall, short = (dots_tile_address(DotsTile(rows, filters, lanes, itemsize)) for rows in heights)
    last = [dots_tile_address(DotsTile(rows, filters, lanes, itemsize, ending, slope)) for rows in heights]
    return BLOCK_ENTRY.fill(
        TILE_BIG=tall, TILE_SMALL=short, LAST_BIG=last[0], LAST_SMALL=last[1], EDGE_BIG=0, EDGE_SMALL=0, TAIL=filters,
        A_OFFSET=0, B_OFFSET=0, B_K=itemsize, C_OFFSET=0,
    )  # fmt: skip

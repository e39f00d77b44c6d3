"""When Winograd's algorithm is the faster one: cycles of both, from shapes and lanes alone, so for any thread count.

A cycle is that of two multiply-adds of vectors. What the others cost was fitted to some three hundred shapes measured
on one thread of a full-width AVX-512 CPU, of 8 to 256 channels and 2 to 56 pixels a side (docs/kernels.md has the
crossovers): the ratio of both times was met within a tenth. Costs are those of a vector, so that the others
follow from their lanes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from fastconv.backends.fast.conv.dots import dots_cycles, takes_dots
from fastconv.backends.fast.conv.passes import Pass
from fastconv.backends.fast.conv.tiling import side_by_side
from fastconv.backends.fast.machine.target import host
from fastconv.backends.fast.winograd.tiles import Grid

MARGIN = 1.1  # how much faster it must seem: what is measured differs from what is computed
FEWEST_CHANNELS = 8  # of a weight gradient: products of fewer wait for the transformed dy as long


class Costs(NamedTuple):
    """Cycles of a product of vectors, a tile of a vector of channels or of filters, a vector of weights, and a call.

    A tile is one of 36 points, and weights have 9 taps. Then those of a point of a vector of filters that another phase
    of a stride is added to, and of a vector of sums that another interleaved image is; and of the direct method: of a
    product of vectors, and of a pixel of a vector of filters.
    """

    product: float
    channels: float
    filters: float
    weights: float
    call: float
    phase: float
    image: float
    direct_product: float
    direct_pixel: float


FORWARD = Costs(0.5, 230, 160, 130, 7_400, 6, 0, 0.5, 0.8)
GRADIENT = Costs(0.62, 310, 63, 240, 12_700, 0, 4, 0.52, 6)


def pays(grids: Sequence[Grid], costs: Costs) -> bool:
    """Whether the pass that some grids make up is faster by Winograd's algorithm than by the direct one."""
    return _cycles(grids, costs) * MARGIN < sum(_direct_cycles(grid.task, costs) for grid in grids)


def _cycles(grids: Sequence[Grid], costs: Costs) -> float:
    """Cycles by Winograd's algorithm: of a weight gradient all in one call, whose taps along depth share no tiles."""
    task, lanes = grids[0].task, host().lanes(4)
    channels, filters = (task.groups * -(-count // lanes) for count in (task.depth, task.lanes))
    pairs, taps, calls = task.depth * filters, len(task.tap_numbers), 1 if costs == GRADIENT else len(grids)
    summed = (max(task.depth, FEWEST_CHANNELS) if costs == GRADIENT else task.depth) * filters
    ours = 0.0
    for grid in grids:
        points = sum(phase.points for phase in grid.phases)
        outputs = points if costs == GRADIENT else grid.points
        ours += task.batch * sum(phase.products for phase in grid.phases) * summed * costs.product
        ours += grid.row_tiles / 36 * (points * channels * costs.channels + outputs * filters * costs.filters)
        ours += grid.row_tiles * (points - outputs) * filters * costs.phase
    points = sum(phase.points for phase in grids[0].phases)
    ours += (len(grids) - 1) * points * pairs * costs.image
    return ours + calls * ((points + taps) / 45 * pairs * costs.weights + costs.call)


def _direct_cycles(task: Pass, costs: Costs) -> float:
    if costs == FORWARD and takes_dots(task, 4):
        return dots_cycles(task, 4)
    direct = side_by_side(task, 4)
    filters, taps = direct.groups * -(-direct.lanes // host().lanes(4)), len(task.tap_numbers)
    return task.pixels * filters * (taps * task.depth * costs.direct_product + costs.direct_pixel)

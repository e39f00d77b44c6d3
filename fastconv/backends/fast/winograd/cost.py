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
from fastconv.backends.fast.conv.tiling import side_by_side
from fastconv.backends.fast.machine.target import host
from fastconv.backends.fast.winograd.tiles import Grid

MARGIN = 1.1  # how much faster it must seem: what is measured differs from what is computed


class Costs(NamedTuple):
    """Cycles of a product of vectors, a tile of a vector of channels or of filters, a vector of weights, and a call.

    A tile is one of 36 points, and weights have 9 taps. Then those of a point of a vector of filters that another phase
    of a stride is added to; and of the direct method: of a product of vectors, and of a pixel of a vector of filters.
    """

    product: float
    channels: float
    filters: float
    weights: float
    call: float
    phase: float
    direct_product: float
    direct_pixel: float


FORWARD = Costs(0.5, 230, 160, 130, 7_400, 6, 0.5, 0.8)
GRADIENT = Costs(0.62, 310, 63, 240, 12_700, 0, 0.52, 6)


def pays(grids: Sequence[Grid], costs: Costs) -> bool:
    """Whether the pass that some grids make up is faster by Winograd's algorithm than by the direct one."""
    cycles = [_cycles(grid, costs) for grid in grids]
    return sum(ours for ours, _ in cycles) * MARGIN < sum(direct for _, direct in cycles)


def _cycles(grid: Grid, costs: Costs) -> tuple[float, float]:
    """Cycles of the pass of a grid by Winograd's algorithm and by the direct one."""
    task, lanes = grid.task, host().lanes(4)
    channels, filters = (task.groups * -(-count // lanes) for count in (task.depth, task.lanes))
    pairs, taps, points = task.depth * filters, len(task.tap_numbers), sum(phase.points for phase in grid.phases)
    products, tiles = task.batch * sum(phase.products for phase in grid.phases), grid.row_tiles / 36
    ours = products * pairs * costs.product
    ours += tiles * (points * channels * costs.channels + grid.points * filters * costs.filters)
    ours += (points + taps) / 45 * pairs * costs.weights + costs.call
    ours += grid.row_tiles * (points - grid.points) * filters * costs.phase
    if costs == FORWARD and takes_dots(task, 4):
        return ours, dots_cycles(task, 4)
    direct = side_by_side(task, 4)
    filters = direct.groups * -(-direct.lanes // lanes)
    direct_products = task.pixels * taps * task.depth * filters
    return ours, direct_products * costs.direct_product + task.pixels * filters * costs.direct_pixel

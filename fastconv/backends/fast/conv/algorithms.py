"""Which algorithm each result of a convolution is computed by, from its plans, and the tiles of Winograd's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import prod
from typing import NamedTuple

from fastconv.backends.fast.conv.conv import plan_gradient, plan_pass
from fastconv.backends.fast.conv.passes import Pass, forward_pass, input_gradient_passes, one_window
from fastconv.backends.fast.conv.plan import ConvPlan, Plan, WeightPlan
from fastconv.backends.fast.conv.through_columns import prefers_columns
from fastconv.backends.fast.winograd.gradient import WinogradGradientPlan
from fastconv.backends.fast.winograd.plan import WinogradPlan
from fastconv.backends.fast.winograd.points import PROMISED_ROUNDINGS, growth, growth_of_gradient
from fastconv.backends.fast.winograd.tiles import Grid
from fastconv.backends.geometry import ConvGeometry
from fastconv.backends.settings import get_num_threads, get_options

DIRECT, DEPTHWISE, COLUMNS = "direct", "depthwise", "direct, through columns"


class TiledAxis(NamedTuple):
    """An axis of a pass in tiles, of `outputs` each but for the last, which has what is left.

    Output j is cell ``first + j * every`` of the `size` of the result, and reads cells ``j - before`` to ``j - before +
    len(taps) - 1`` of every `step`-th of the source from `start` on, with the taps of these numbers.
    """

    outputs: int
    out: int
    before: int
    taps: tuple[int, ...]
    first: int
    every: int
    size: int
    start: int
    step: int


class Tiles(NamedTuple):
    """Where a result is computed in tiles, along depth, rows and columns, and by what its error grows there, in eps.

    Where several say so of the same cells, as for the phases of a stride, the result is their sum, and so is its error.
    """

    depth: TiledAxis
    rows: TiledAxis
    columns: TiledAxis
    factor: float


class Algorithm(NamedTuple):
    """How a result is computed.

    Attributes
    ----------
    name : str
        The algorithm.
    winograd : bool
        Whether it is Winograd's, in a part of the result at least.
    tiles : tuple of Tiles
        Its tiles, also where it would run but for ``exact``; else nothing.
    """

    name: str
    winograd: bool = False
    tiles: tuple[Tiles, ...] = ()

    @property
    def factor(self) -> float:
        """The largest factor of its tiles; 0 without them."""
        return max((tiles.factor for tiles in self.tiles), default=0.0)


def algorithms(geometry: ConvGeometry, itemsize: int, *, exact: bool | None = None) -> dict[str, Algorithm]:
    """Return the algorithms of ``y``, ``dx`` and ``dweight``.

    Parameters
    ----------
    geometry : ConvGeometry
        Sizes of the convolution, with at least one image.
    itemsize : int
        Bytes of a number that is computed with: 4 or 8.
    exact : bool, optional
        The option of that name; by default what it is now.

    Examples
    --------
    >>> from fastconv.backends.geometry import ConvGeometry, conv_axis
    >>> axes = conv_axis(29, 3, 1, 1, 1, 1), conv_axis(32, 3, 1, 1, 1, 1)
    >>> algorithms(ConvGeometry(axes, 2, 32, 32, 1), 4, exact=False)["y"].name
    'Winograd F(4×4, 3×3)'
    >>> algorithms(ConvGeometry(axes, 2, 32, 32, 1), 4, exact=True)["y"].name
    'direct'
    """
    threads, limit = get_num_threads(), get_options().max_workspace
    exact = get_options().exact if exact is None else exact

    def of_pass(task: Pass) -> Algorithm:
        return _algorithm(
            plan_pass(task, itemsize, threads, limit, exact=exact), plan_pass(task, itemsize, threads, limit)
        )

    forward = forward_pass(geometry)
    weight, free = (plan_gradient(forward, itemsize, threads, limit, exact=asked) for asked in (exact, False))
    return {
        "y": of_pass(forward),
        "dx": _input_gradient(geometry, itemsize, of_pass),
        "dweight": _algorithm(weight, free),
    }


def _input_gradient(geometry: ConvGeometry, itemsize: int, of_pass: Callable[[Pass], Algorithm]) -> Algorithm:
    """That of its passes, one for each phase of a stride; there may be none at all."""
    flat = one_window(geometry)
    if flat is None and prefers_columns(geometry, itemsize):
        return Algorithm(COLUMNS)
    passes, _ = input_gradient_passes(flat or geometry)
    found = [of_pass(task) for task in passes] or [Algorithm(DIRECT)]
    names = dict.fromkeys(algorithm.name for algorithm in found)
    tiles = tuple(tiles for algorithm in found for tiles in algorithm.tiles)
    return Algorithm(", ".join(names), any(algorithm.winograd for algorithm in found), tiles)


def _algorithm(plan: Plan, free: Plan) -> Algorithm:
    """That of a plan; `free` is the one that would run if nobody asked for exact results."""
    if not isinstance(free, (WinogradPlan, WinogradGradientPlan)):
        return Algorithm(DIRECT if isinstance(plan, (ConvPlan, WeightPlan)) else DEPTHWISE)
    transposed = isinstance(free, WinogradGradientPlan)
    tiles = tuple(_tiles(phase, transposed) for grid in _grids(free) for phase in grid.phases)
    if isinstance(plan, (ConvPlan, WeightPlan)):
        return Algorithm(DIRECT, False, tiles)
    _, rows, columns, _ = tiles[0]
    sizes = [f"{rows.outputs}×{columns.outputs}", f"{len(rows.taps)}×{len(columns.taps)}"]
    name = f"Winograd F({', '.join(sizes[::-1] if transposed else sizes)}){_grids(free)[0].of_phases}"
    return Algorithm(name, True, tiles)


def _grids(plan: WinogradPlan | WinogradGradientPlan) -> tuple[Grid, ...]:
    """Tiles of a plan, and those of the other images that a dilation interleaves."""
    if isinstance(plan, WinogradGradientPlan):
        return tuple(replace(grid, tap=None) for grid in plan.grids)
    return (plan.grid, *(other.grid for other in plan.others if isinstance(other, WinogradPlan)))


def _tiles(grid: Grid, transposed: bool) -> Tiles:
    cuts, grows = (grid.height, grid.width), growth_of_gradient if transposed else growth
    rows, columns = (
        TiledAxis(cut.outputs, line.out, line.before, line.taps, line.first, line.every, line.result, start, step)
        for cut, line, start, step in zip(cuts, grid.task.lines[1:], grid.start, grid.every)
    )
    # the products of all channels are added up as ever, also where transforms let errors grow little
    return Tiles(
        _slice(grid), rows, columns, max(PROMISED_ROUNDINGS, prod(grows(cut.outputs, cut.taps) for cut in cuts))
    )


def _slice(grid: Grid) -> TiledAxis:
    """The one tap along depth, whose tiles are slices."""
    line, tap = grid.task.lines[0], grid.tap or 0
    first = tap * line.step - line.before
    start = first % line.stride
    before, taps = (start - first) // line.stride, line.taps[tap : tap + 1]
    return TiledAxis(1, line.out, before, taps, line.first, line.every, line.result, start, line.stride)

"""Which algorithm each result of a convolution is computed by, from its plans, and the tiles of Winograd's."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from fastconv.backends.fast.conv.conv import plan_gradient, plan_pass
from fastconv.backends.fast.conv.passes import Pass, forward_pass, input_gradient_passes, one_window
from fastconv.backends.fast.conv.plan import ConvPlan, Plan, WeightPlan
from fastconv.backends.fast.conv.through_columns import prefers_columns
from fastconv.backends.fast.winograd.gradient import WinogradGradientPlan
from fastconv.backends.fast.winograd.plan import WinogradPlan, cut_axis
from fastconv.backends.fast.winograd.points import growth, growth_of_gradient
from fastconv.backends.geometry import ConvGeometry
from fastconv.backends.settings import get_num_threads, get_options

DIRECT, DEPTHWISE, COLUMNS = "direct", "depthwise", "direct, through columns"
# In units of eps, one number for all tiles: the transforms of smaller tiles, and of one axis alone, let rounding errors
# grow less, but the products of all channels are added up as ever
FACTOR, FACTOR_OF_GRADIENT = growth(4, 3) ** 2, growth_of_gradient(4, 3) ** 2


class TiledAxis(NamedTuple):
    """An axis of a pass in tiles: tile t has the outputs from ``t * outputs`` on, and reads from `before` cells ahead.

    The last tile has what is left of the `out` outputs.
    """

    outputs: int
    taps: int
    out: int
    before: int


class Algorithm(NamedTuple):
    """How a result is computed.

    Attributes
    ----------
    name : str
        The algorithm.
    winograd : bool
        Whether it is Winograd's.
    axes : tuple of TiledAxis
        Height and width in its tiles, also where it would run but for ``exact``; else nothing.
    factor : float
        What its error is bounded by, in units of eps and of what the tiles hold; 0 without them.
    """

    name: str
    winograd: bool = False
    axes: tuple[TiledAxis, ...] = ()
    factor: float = 0.0


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
    >>> axes = conv_axis(9, 3, 1, 1, 1, 1), conv_axis(12, 3, 1, 1, 1, 1)
    >>> algorithms(ConvGeometry(axes, 2, 16, 32, 1), 4, exact=False)["y"].name
    'Winograd F(4×4, 3×3)'
    >>> algorithms(ConvGeometry(axes, 2, 16, 32, 1), 4, exact=True)["y"].name
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
    """That of its pass; several, one for each phase of a stride, are all of one kind, and may be none at all."""
    flat = one_window(geometry)
    if flat is None and prefers_columns(geometry, itemsize):
        return Algorithm(COLUMNS)
    passes, _ = input_gradient_passes(flat or geometry)
    return of_pass(passes[0]) if passes else Algorithm(DIRECT)


def _algorithm(plan: Plan, free: Plan) -> Algorithm:
    """That of a plan; `free` is the one that would run if nobody asked for exact results."""
    if not isinstance(free, (WinogradPlan, WinogradGradientPlan)):
        return Algorithm(DIRECT if isinstance(plan, (ConvPlan, WeightPlan)) else DEPTHWISE)
    axes, transposed = tiled_axes(free.task), isinstance(free, WinogradGradientPlan)
    factor = FACTOR_OF_GRADIENT if transposed else FACTOR
    if isinstance(plan, (ConvPlan, WeightPlan)):
        return Algorithm(DIRECT, False, axes, factor)
    sizes = [f"{axes[0][number]}×{axes[1][number]}" for number in (0, 1)]
    return Algorithm(f"Winograd F({', '.join(sizes[::-1] if transposed else sizes)})", True, axes, factor)


def tiled_axes(task: Pass) -> tuple[TiledAxis, ...]:
    """Height and width of a pass in tiles."""
    cuts = [(cut_axis(line), line) for line in task.lines[1:]]
    return tuple(TiledAxis(cut.outputs, cut.taps, line.out, line.before) for cut, line in cuts)

"""``fastconv bench --ladder``: one convolution from plain loops to the engine, rung by rung."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import typer

from fastconv.cli.arguments import given, parse_padding, parse_shape, parse_sizes
from fastconv.cli.console import progress_bar
from fastconv.cli.contest import convolutions
from fastconv.cli.output import Outputs, Result
from fastconv.evidence.ladder import plot_ladder, run_ladder
from fastconv.evidence.workloads import LAYERS, Options, Workload

_QUICK: dict[str, Any] = {"rounds": 3, "seconds": 10.0}
_QUICK_BATCH = 1


def ladder(
    names: Sequence[str],
    typed: dict[str, str | None],
    outputs: Outputs,
    *,
    batch: int | None,
    quick: bool,
    dtypes: Sequence[str],
    **options: Any,
) -> None:
    """Measure the ladder of one layer, print its tables, write its files; what is empty or None has its default.

    Parameters
    ----------
    names : sequence of str
        Name of the layer, if it has one.
    typed : dict of str to str or None
        ``input``, ``weight``, ``stride`` and ``padding`` of one that has none.
    outputs : Outputs
        Where the results go.
    batch : int or None
        Images.
    quick : bool
        Take one image, if nothing else is said, and three rounds.
    dtypes : sequence of str
        One dtype, or none for float32.
    **options
        Of `run_ladder`.
    """
    outputs.check()
    if len(dtypes) > 1:
        raise typer.BadParameter(f"--ladder takes one dtype, but got {', '.join(dtypes)}.", param_hint="--dtype")
    described = given(typed)
    if names and described:
        raise typer.BadParameter(f"take either a name or a layer of your own, but got {names[0]} and {described[0]}.")
    layer = _described(typed) if described else _named(names)
    if batch is None and quick and not described:
        batch = _QUICK_BATCH
    settings = {**(_QUICK if quick else {}), **({"dtype": dtypes[0]} if dtypes else {})}
    settings |= {name: value for name, value in options.items() if value not in (None, ())}
    with progress_bar() as advance:
        found = run_ladder(layer if batch is None else layer.with_batch(batch), progress=advance, **settings)
    result = Result.of(found, partial(plot_ladder, found))
    outputs.deliver(result._replace(report=result.report._replace(failures=found.failures())), ok=found.ok)


def _named(names: Sequence[str]) -> Workload:
    layers = convolutions(names or [LAYERS[0].name], None)
    if len(layers) > 1:
        raise typer.BadParameter(f"--ladder takes one layer, but got {', '.join(names)}.")
    return layers[0]


def _described(typed: dict[str, str | None]) -> Workload:
    """Return the layer that its options describe."""
    x, weight = typed["input"], typed["weight"]
    if x is None or weight is None:
        raise typer.BadParameter("a layer of your own needs --input NxCxHxW and --weight FxCxKHxKW.")
    N, C, H, W = parse_shape("--input", x, 4)
    F, channels, KH, KW = parse_shape("--weight", weight, 4)
    stride: Any = parse_sizes("--stride", typed["stride"] or "1")
    options = Options(stride, parse_padding("--padding", typed["padding"] or "0"))
    return Workload("layer", "conv2d", (N, C, H, W), (KH, KW), (F, channels, KH, KW), True, options)

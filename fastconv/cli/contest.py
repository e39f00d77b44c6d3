"""``fastconv bench --against``: layers, and with ``--networks`` whole networks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import typer

from fastconv.cli.arguments import unknown
from fastconv.cli.console import progress_bar
from fastconv.cli.model_file import is_model_file
from fastconv.cli.output import Outputs, Result
from fastconv.evidence.contest import run_contest
from fastconv.evidence.contest.api import DTYPES
from fastconv.evidence.contest.contest import plot_contest
from fastconv.evidence.contest.networks import run_networks
from fastconv.evidence.contest.networks.contest import plot_networks
from fastconv.evidence.model_files import ModelFile
from fastconv.evidence.networks import NETWORKS, Network
from fastconv.evidence.workloads import CONVOLUTIONS, Workload

_QUICK: dict[str, Any] = {"rounds": 3, "seconds": 90.0}
_QUICK_LAYERS: dict[str, Any] = {**_QUICK, "dtypes": DTYPES[:1], "startup": False}


def contest(
    names: list[str], outputs: Outputs, engines: tuple[str, ...], *, batch: int | None, quick: bool, **options: Any
) -> None:
    """Run the contest of layers, print its tables, write its files; what is empty or None has its default."""
    outputs.check()
    workloads = convolutions(names or ["layers"], batch)
    run = partial(run_contest, workloads, engines=engines)
    _run(run, plot_contest, outputs, {**(_QUICK_LAYERS if quick else {}), **_given(options)})


def contest_of_networks(
    names: list[str], outputs: Outputs, engines: tuple[str, ...], *, quick: bool, **options: Any
) -> None:
    """Run the contest of networks likewise."""
    outputs.check()
    chosen = [ModelFile.of(name) if is_model_file(name) else _network(name) for name in names]
    run = partial(run_networks, chosen or NETWORKS, engines=engines)
    _run(run, plot_networks, outputs, {**(_QUICK if quick else {}), **_given(options)})


def _given(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value not in (None, ())}


def _run(run: Callable[..., Any], plot: Callable[..., None], outputs: Outputs, options: dict[str, Any]) -> None:
    with progress_bar() as advance:
        found = run(progress=advance, **options)
    result = Result.of(found, partial(plot, found))
    failures = found.failures()
    outputs.deliver(result._replace(report=result.report._replace(failures=failures)), ok=found.ok)


def convolutions(names: Sequence[str], batch: int | None) -> list[Workload]:
    """Return the convolutions of some names, each once; a set has a name, too."""
    for name in names:
        if any(network.name == name for network in NETWORKS):
            raise typer.BadParameter(f"{name} is a network: add --networks, or name layers.")
        if name not in CONVOLUTIONS:
            raise unknown("a layer", name, CONVOLUTIONS)
    chosen = dict.fromkeys(layer for name in names for layer in CONVOLUTIONS[name])
    return [layer if batch is None else layer.with_batch(batch) for layer in chosen]


def _network(name: str) -> Network:
    for network in NETWORKS:
        if network.name == name:
            return network
    if name in CONVOLUTIONS:
        raise typer.BadParameter(f"{name} is a layer: leave out --networks, or name networks.")
    raise unknown("a network", name, [network.name for network in NETWORKS])

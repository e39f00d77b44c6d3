"""``fastconv bench --against``."""

from __future__ import annotations

from functools import partial
from typing import Any

import typer

from fastconv.cli.console import progress_bar
from fastconv.cli.output import Outputs, Result
from fastconv.evidence.contest import run_contest as run
from fastconv.evidence.contest.api import DTYPES
from fastconv.evidence.contest.contest import plot_contest
from fastconv.evidence.workloads import LAYERS, Workload

_QUICK: dict[str, Any] = {"dtypes": DTYPES[:1], "rounds": 3, "seconds": 90.0, "startup": False}


def contest(
    names: list[str], outputs: Outputs, engines: tuple[str, ...], *, batch: int | None, quick: bool, **options: Any
) -> None:
    """Run the contest, print its tables, write its files; what is empty or None has its default."""
    outputs.check()
    workloads = [_workload(name, batch) for name in names or [layer.name for layer in LAYERS]]
    given = {name: value for name, value in options.items() if value not in (None, ())}
    with progress_bar() as advance:
        found = run(workloads, engines=engines, progress=advance, **{**(_QUICK if quick else {}), **given})
    result = Result.of(found, partial(plot_contest, found))
    failures = found.failures()
    outputs.deliver(result._replace(report=result.report._replace(failures=failures)), ok=found.ok)


def _workload(name: str, batch: int | None) -> Workload:
    for layer in LAYERS:
        if layer.name == name:
            return layer if batch is None else layer.with_batch(batch)
    known = ", ".join(layer.name for layer in LAYERS)
    raise typer.BadParameter(f"a layer must be one of {known}, but got {name!r}.")

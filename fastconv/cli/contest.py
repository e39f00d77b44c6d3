"""``fastconv bench --against``."""

from __future__ import annotations

from functools import partial

import typer

from fastconv.cli.console import progress_bar
from fastconv.cli.output import Outputs, Result
from fastconv.evidence.contest import run_contest as run
from fastconv.evidence.contest.api import DTYPES, PASSES
from fastconv.evidence.contest.contest import plot_contest
from fastconv.evidence.workloads import LAYERS, Workload

_QUICK_ROUNDS, _QUICK_SECONDS = 3, 90.0


def contest(
    names: list[str],
    outputs: Outputs,
    *,
    engines: tuple[str, ...],
    passes: tuple[str, ...],
    dtypes: tuple[str, ...],
    batch: int | None,
    threads: int | None,
    rounds: int | None,
    seconds: float | None,
    quick: bool,
    seed: int,
) -> None:
    """Run the contest, print its tables, write its files; what is empty or None has its default."""
    outputs.check()
    with progress_bar() as advance:
        found = run(
            [_workload(name, batch) for name in names or [layer.name for layer in LAYERS]],
            engines=engines,
            passes=passes or PASSES,
            dtypes=dtypes or (DTYPES[:1] if quick else DTYPES),
            threads=threads,
            rounds=rounds or (_QUICK_ROUNDS if quick else 15),
            seconds=seconds if seconds is not None else (_QUICK_SECONDS if quick else 600.0),
            startup=not quick,
            seed=seed,
            progress=advance,
        )
    result = Result.of(found, partial(plot_contest, found))
    failures = found.failures()
    outputs.deliver(result._replace(report=result.report._replace(failures=failures)), ok=found.ok)


def _workload(name: str, batch: int | None) -> Workload:
    for layer in LAYERS:
        if layer.name == name:
            return layer if batch is None else layer.with_batch(batch)
    known = ", ".join(layer.name for layer in LAYERS)
    raise typer.BadParameter(f"a layer must be one of {known}, but got {name!r}.")

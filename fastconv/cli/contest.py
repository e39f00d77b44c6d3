"""``fastconv bench --against``."""

from __future__ import annotations

from pathlib import Path

import typer

from fastconv.cli.console import FAILURE, console, progress_bar
from fastconv.cli.tables import print_table
from fastconv.comparison.files import write_whole
from fastconv.contest import Contest
from fastconv.contest import run_contest as run
from fastconv.contest.report import markdown as as_markdown
from fastconv.contest.report import notes, tables
from fastconv.workloads import LAYERS, Workload

__all__ = ["contest"]

_PASSES, _DTYPES = ("forward", "backward"), ("float32", "float64")
_QUICK_ROUNDS, _QUICK_SECONDS = 3, 90.0


def contest(
    names: list[str],
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
    json: str | None,
    markdown: Path | None,
    plot: Path | None,
) -> None:
    """Run the contest, print its tables, write its files; what is empty or None has its default."""
    with progress_bar() as advance:
        found = run(
            [_workload(name, batch) for name in names or [layer.name for layer in LAYERS]],
            engines=engines,
            passes=passes or _PASSES,
            dtypes=dtypes or (_DTYPES[:1] if quick else _DTYPES),
            threads=threads,
            rounds=rounds or (_QUICK_ROUNDS if quick else 15),
            seconds=seconds if seconds is not None else (_QUICK_SECONDS if quick else 600.0),
            startup=not quick,
            seed=seed,
            progress=advance,
        )
    _deliver(found, json, markdown, plot)


def _workload(name: str, batch: int | None) -> Workload:
    for layer in LAYERS:
        if layer.name == name:
            return layer if batch is None else layer.with_batch(batch)
    known = ", ".join(layer.name for layer in LAYERS)
    raise typer.BadParameter(f"a layer must be one of {known}, but got {name!r}.")


def _deliver(contest: Contest, json: str | None, markdown: Path | None, plot: Path | None) -> None:
    data = contest.to_dict()
    out = console(stderr=json == "-")
    for table in tables(data):
        print_table(table, out)
    for note in notes(data):
        out.print(note, style="dim", soft_wrap=not out.is_terminal)
    if json == "-":
        typer.echo(contest.to_json(), nl=False)
    elif json is not None:
        contest.save(json)
    if markdown is not None:
        text = as_markdown(data).encode()
        write_whole(markdown, lambda stream: stream.write(text))
    if plot is not None:
        from fastconv.contest.chart import plot_contest

        plot_contest(data, plot)
    for failure in contest.failures():
        typer.echo(f"fastconv: bench: {failure}", err=True)
    if not contest.ok:
        raise typer.Exit(FAILURE)

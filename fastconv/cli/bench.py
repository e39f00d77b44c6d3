"""``fastconv bench``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fastconv.cli.console import FAILURE, console, progress_bar, require
from fastconv.cli.tables import print_table
from fastconv.comparison.files import check_writable, write_whole
from fastconv.contest import Contest
from fastconv.contest import run_contest as run
from fastconv.contest.report import markdown as as_markdown
from fastconv.contest.report import notes, tables
from fastconv.workloads import LAYERS, Workload

__all__ = ["bench"]

_PLOTS = (".pdf", ".png", ".svg")
_OUTPUT = "Output"
_QUICK_ROUNDS, _QUICK_DTYPES, _QUICK_SECONDS = 3, "float32", 90.0


def bench(
    names: Annotated[
        list[str] | None, typer.Argument(help="Layers to run (fastconv compare --list names them); all by default.")
    ] = None,
    against: Annotated[str, typer.Option(metavar="ENGINES", help="Whom to compare with.")] = "torch,onnxruntime,jax",
    passes: Annotated[str, typer.Option(metavar="PASSES", help="What to run.")] = "forward,backward",
    dtypes: Annotated[
        str | None, typer.Option(metavar="DTYPES", help="In which precision; float32,float64 by default.")
    ] = None,
    batch: Annotated[int | None, typer.Option(min=1, help="Images of every layer; its own number by default.")] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads of every engine; all by default.")] = None,
    rounds: Annotated[int | None, typer.Option(min=1, help="Rounds of turns at most; 15 by default.")] = None,
    seconds: Annotated[
        float | None, typer.Option(min=0, help="What all layers together may take; 600 by default.")
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Three rounds in float32, without the first call: two minutes.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Seed of what is drawn.")] = 0,
    json: Annotated[
        str | None, typer.Option(metavar="FILE", help="Write the numbers; - for stdout.", rich_help_panel=_OUTPUT)
    ] = None,
    markdown: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the tables as Markdown.", rich_help_panel=_OUTPUT)
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Draw the ratios: png, svg, pdf.", rich_help_panel=_OUTPUT),
    ] = None,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an error.", rich_help_panel=_OUTPUT)
    ] = False,
) -> None:
    """Time convolution against PyTorch, ONNX Runtime and JAX: each in its own process, checked, in interleaved rounds.

    Exits with 1 if a result of fastconv is beyond its tolerance.
    """
    _check_outputs(json, markdown, plot)
    with progress_bar() as advance:
        contest = run(
            [_workload(name, batch) for name in names or [layer.name for layer in LAYERS]],
            engines=_words(against),
            passes=_words(passes),
            dtypes=_words(dtypes or (_QUICK_DTYPES if quick else "float32,float64")),
            threads=threads,
            rounds=rounds or (_QUICK_ROUNDS if quick else 15),
            seconds=seconds if seconds is not None else (_QUICK_SECONDS if quick else 600.0),
            startup=not quick,
            seed=seed,
            progress=advance,
        )
    _deliver(contest, json, markdown, plot)


def _words(text: str) -> tuple[str, ...]:
    return tuple(word for part in text.split(",") if (word := part.strip()))


def _workload(name: str, batch: int | None) -> Workload:
    for layer in LAYERS:
        if layer.name == name:
            return layer if batch is None else layer.with_batch(batch)
    known = ", ".join(layer.name for layer in LAYERS)
    raise typer.BadParameter(f"a layer must be one of {known}, but got {name!r}.")


def _check_outputs(json: str | None, markdown: Path | None, plot: Path | None) -> None:
    """Find out before the work whether its results can be written."""
    if plot is not None:
        if plot.suffix.lower() not in _PLOTS:
            raise typer.BadParameter(f"must end in {', '.join(_PLOTS)}, but got {str(plot)!r}.", param_hint="--plot")
        require("matplotlib", "plot", "bench --plot")
    for path in (None if json == "-" else json, markdown, plot):
        if path is not None:
            check_writable(path)


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

"""``fastconv bench``: the suite of this package, or with ``--against`` the contest with other engines."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from fastconv.cli.console import require
from fastconv.cli.contest import contest
from fastconv.cli.suite import suite, writable
from fastconv.comparison.files import check_writable
from fastconv.suite.cases import BACKENDS, DTYPES, Selection

__all__ = ["bench"]

_PLOTS = (".pdf", ".png", ".svg")
_SUITE, _CONTEST, _OUTPUT = "The suite", "Against other engines", "Output"


def bench(
    names: Annotated[
        list[str] | None,
        typer.Argument(help="Workloads to run; family: all operations and layers. A wrong name lists them."),
    ] = None,
    batch: Annotated[int | None, typer.Option(min=1, help="Images of every layer; its own number by default.")] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads of everybody; all by default.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Time everything for a moment only.")] = False,
    backend: Annotated[
        str | None,
        typer.Option(
            metavar="BACKENDS", help=f"Who runs: some of {','.join(BACKENDS)}; all by default.", rich_help_panel=_SUITE
        ),
    ] = None,
    dtype: Annotated[
        str | None,
        typer.Option(metavar="DTYPES", help="float32 (by default), float64 or both.", rich_help_panel=_SUITE),
    ] = None,
    save: Annotated[
        str | None,
        typer.Option(metavar="NAME|FILE", help="Keep it: .benchmarks/NAME.json, or FILE.json.", rich_help_panel=_SUITE),
    ] = None,
    compare: Annotated[
        str | None,
        typer.Option(metavar="NAME|FILE", help="Put what was saved beside it.", rich_help_panel=_SUITE),
    ] = None,
    fail_over: Annotated[
        float | None,
        typer.Option(
            min=0, metavar="PERCENT", help="Exit with 1 where something takes so much longer.", rich_help_panel=_SUITE
        ),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(metavar="ENGINES", help="Whom to compare with: torch,onnxruntime,jax.", rich_help_panel=_CONTEST),
    ] = None,
    passes: Annotated[
        str | None, typer.Option(metavar="PASSES", help="forward,backward by default.", rich_help_panel=_CONTEST)
    ] = None,
    dtypes: Annotated[
        str | None, typer.Option(metavar="DTYPES", help="float32,float64 by default.", rich_help_panel=_CONTEST)
    ] = None,
    rounds: Annotated[
        int | None, typer.Option(min=1, help="Rounds of turns at most; 15 by default.", rich_help_panel=_CONTEST)
    ] = None,
    seconds: Annotated[
        float | None,
        typer.Option(min=0, help="What all layers together may take; 600 by default.", rich_help_panel=_CONTEST),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Seed of what is drawn; 0 by default.", rich_help_panel=_CONTEST)
    ] = None,
    json: Annotated[
        str | None, typer.Option(metavar="FILE", help="Write the numbers; - for stdout.", rich_help_panel=_CONTEST)
    ] = None,
    markdown: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the tables as Markdown.", rich_help_panel=_OUTPUT)
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Draw the chart: png, svg, pdf.", rich_help_panel=_OUTPUT),
    ] = None,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an error.", rich_help_panel=_OUTPUT)
    ] = False,
) -> None:
    """Time convolution and pooling on every backend, checked before they are timed, and against the frozen loops.

    With --against: convolution against other engines, each in its own process, in interleaved rounds.
    Exits with 1 if a result of fastconv is beyond its tolerance, or slower than --fail-over allows.
    """
    ours: dict[str, Any] = {
        "backend": backend,
        "dtype": dtype,
        "save": save,
        "compare": compare,
        "fail-over": fail_over,
    }
    theirs: dict[str, Any] = {
        "passes": passes,
        "dtypes": dtypes,
        "rounds": rounds,
        "seconds": seconds,
        "seed": seed,
        "json": json,
    }
    if against is None:
        _refuse(theirs, "goes with --against. The suite has --dtype and --save.")
        if fail_over is not None and compare is None:
            raise typer.BadParameter("must have something to compare with: add --compare.", param_hint="--fail-over")
        chosen = Selection(
            tuple(names or ()), _words(backend) or BACKENDS, _words(dtype) or DTYPES[:1], batch, threads, quick
        )
        _check_outputs(None if save is None else writable(save), markdown, plot)
        suite(chosen, save=save, compare=compare, fail_over=fail_over, markdown=markdown, plot=plot)
    else:
        _refuse(ours, "does not go with --against. The contest has --dtypes and --json.")
        _check_outputs(json, markdown, plot)
        contest(
            names or [],
            engines=_words(against),
            passes=_words(passes),
            dtypes=_words(dtypes),
            batch=batch,
            threads=threads,
            rounds=rounds,
            seconds=seconds,
            quick=quick,
            seed=seed or 0,
            json=json,
            markdown=markdown,
            plot=plot,
        )


def _refuse(options: dict[str, Any], reason: str) -> None:
    for name, value in options.items():
        if value is not None:
            raise typer.BadParameter(reason, param_hint=f"--{name}")


def _words(text: str | None) -> tuple[str, ...]:
    return tuple(word for part in (text or "").split(",") if (word := part.strip()))


def _check_outputs(json: str | None, markdown: Path | None, plot: Path | None) -> None:
    """Find out before the work whether its results can be written."""
    if plot is not None:
        if plot.suffix.lower() not in _PLOTS:
            raise typer.BadParameter(f"must end in {', '.join(_PLOTS)}, but got {str(plot)!r}.", param_hint="--plot")
        require("matplotlib", "plot", "bench --plot")
    for path in (None if json == "-" else json, markdown, plot):
        if path is not None:
            check_writable(path)

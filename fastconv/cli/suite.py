"""``fastconv bench`` without ``--against``: the suite, and its gate against regressions."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import typer

from fastconv.backends.settings import use_num_threads
from fastconv.cli.console import FAILURE, Advance, console, progress_bar, require
from fastconv.cli.tables import print_table
from fastconv.comparison.files import write_whole
from fastconv.suite import report
from fastconv.suite.cases import LOOPS, Selection
from fastconv.suite.child import run_suite as run
from fastconv.suite.gate import SLOWER, Change, changes, failures, obstacles, with_better
from fastconv.suite.results import Suite, read_json, read_suite

__all__ = ["resolve", "suite", "writable"]

_FOLDER = Path(".benchmarks")
_AGAIN = 3  # more runs of what looks slower


def resolve(text: str) -> Path:
    """Return the file that NAME|FILE means: ``a.json`` and ``folder/a`` are files, ``a`` is ``.benchmarks/a.json``."""
    path = Path(text)
    if path.suffix.lower() == ".json" or path.parent != Path("."):
        return path
    return _FOLDER / f"{text}.json"


def writable(save: str) -> str:
    """Return the file that a name or file means; where it is a name, its folder is there."""
    path = resolve(save)
    if path.parent == _FOLDER:
        _FOLDER.mkdir(exist_ok=True)
    return str(path)


def suite(
    chosen: Selection,
    *,
    save: str | None,
    compare: str | None,
    fail_over: float | None,
    markdown: Path | None,
    plot: Path | None,
) -> None:
    """Run the suite, print its tables, write its files, and close the gate where something is slower."""
    require("pytest_benchmark", "bench", "bench")
    old = None if compare is None else _read(resolve(compare))
    if chosen.threads is not None:
        with use_num_threads(chosen.threads):  # checks the number
            pass
    with progress_bar() as advance:
        outcome = run(_with_loops(chosen), advance)
        data, wrong = outcome.data, outcome.failures
        if old is not None and fail_over is not None and data["benchmarks"]:
            data = _again(data, old, fail_over, chosen, advance)
        advance("done", 1.0)
    if data["benchmarks"]:
        wrong += _deliver(data, old, compare, fail_over, chosen, save, markdown, plot)
    for line in wrong:
        typer.echo(f"fastconv: bench: {line}", err=True)
    if wrong:
        raise typer.Exit(FAILURE)


def _read(path: Path) -> Suite:
    return read_suite(read_json(path), str(path))


def _with_loops(chosen: Selection) -> Selection:
    """The frozen loops run with whomever is chosen: they are what "times faster" divides by."""
    return replace(chosen, backends=(*chosen.backends, *({LOOPS} - set(chosen.backends))))


def _again(data: dict[str, Any], old: Suite, percent: float, chosen: Selection, advance: Advance) -> dict[str, Any]:
    """Run what looks slower again, and not in a hurry; only what is slower each time is."""
    for _ in range(_AGAIN):
        found = changes(old, read_suite(data, "this run"), percent)
        slower = [change.case for change in found if change.verdict == SLOWER and change.fails]
        if not slower:
            break
        workloads, _, backends, dtypes = (tuple(dict.fromkeys(names)) for names in zip(*slower))
        part = replace(chosen, workloads=workloads, backends=backends, dtypes=dtypes, quick=False)
        again = run(part, lambda text, fraction: advance(f"once more: {text}", fraction)).data
        data = with_better(old, data, again)
    return data


def _deliver(
    data: dict[str, Any],
    old: Suite | None,
    compare: str | None,
    fail_over: float | None,
    chosen: Selection,
    save: str | None,
    markdown: Path | None,
    plot: Path | None,
) -> tuple[str, ...]:
    """Write and print everything; return what stops the gate."""
    new, out = read_suite(data, "this run"), console()
    _write(data, new, save, markdown, plot)  # before anything is printed: the reader of a pipe may go
    for table in report.tables(new):
        print_table(table, out)
    lines = report.notes(new)
    stops: tuple[str, ...] = ()
    if old is not None:
        asked = replace(new, selection=chosen)
        found, differing = changes(old, asked, fail_over or 0.0), obstacles(old, new)
        print_table(report.change_table(found, str(compare)), out)
        lines += report.change_notes(differing)
        stops = _stops(found, differing, fail_over)
    for line in lines:
        out.print(line, style="dim", soft_wrap=not out.is_terminal)
    return stops


def _stops(found: tuple[Change, ...], differing: tuple[str, ...], fail_over: float | None) -> tuple[str, ...]:
    if fail_over is None:
        return ()
    if differing:
        reason = f"--fail-over must compare runs of one machine, but got {'; '.join(differing)}."
        return (f"{reason} Save one here first: fastconv bench --save NAME",)
    return failures(found)


def _write(data: dict[str, Any], new: Suite, save: str | None, markdown: Path | None, plot: Path | None) -> None:
    if save is not None:
        text = (json.dumps(data, indent=1, allow_nan=False) + "\n").encode()
        write_whole(resolve(save), lambda stream: stream.write(text))
    if markdown is not None:
        table = report.markdown(new).encode()
        write_whole(markdown, lambda stream: stream.write(table))
    if plot is not None:
        from fastconv.suite.chart import plot_suite

        plot_suite(new, plot)

"""``fastconv bench`` without ``--against``: the suite, and its gate against regressions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from fastconv.backends.settings import use_num_threads
from fastconv.cli.console import Advance, progress_bar, require
from fastconv.cli.output import Outputs, Result
from fastconv.cli.report import suite_result
from fastconv.evidence.bench.cases import LOOPS, Selection
from fastconv.evidence.bench.gate import SLOWER, Change, changes, doubts, failures, obstacles, with_better
from fastconv.evidence.bench.run import run_suite as run
from fastconv.evidence.bench.suite import Suite, read_suite
from fastconv.evidence.bench.tables import change_notes, change_table
from fastconv.files import check_writable
from fastconv.report import Report
from fastconv.report.record import read_json

_FOLDER = Path(".benchmarks")
_AGAIN = 3  # more runs of what looks slower


def is_name(text: str) -> bool:
    """Whether NAME|FILE is a name: ``a`` is, ``a.json`` and ``folder/a`` are files."""
    path = Path(text)
    return path.suffix.lower() != ".json" and path.parent == Path(".")


def resolve(text: str) -> Path:
    """Return the file that NAME|FILE means: that of a name is ``.benchmarks/NAME.json``."""
    return _FOLDER / f"{text}.json" if is_name(text) else Path(text)


def writable(name: str) -> Path:
    """Return the file of a name, whose folder is there now."""
    _FOLDER.mkdir(exist_ok=True)
    return resolve(name)


def suite(
    chosen: Selection, outputs: Outputs, *, compare: str | None, fail_over: float | None, kept: Sequence[Path] = ()
) -> None:
    """Run the suite, print its tables, write its files, and close the gate where something is slower.

    The numbers go into every file that is to be kept, too.
    """
    outputs.check()
    for path in kept:
        check_writable(path)
    require("pytest_benchmark", "bench", "bench")
    old = None if compare is None else read_suite(read_json(resolve(compare)), str(resolve(compare)))
    if chosen.threads is not None:
        with use_num_threads(chosen.threads):  # checks the number
            pass
    with progress_bar() as advance:
        # the frozen loops run with whomever is chosen: they are what "times faster" divides by
        backends = (*chosen.backends, *({LOOPS} - set(chosen.backends)))
        outcome = run(replace(chosen, backends=backends), advance)
        data, wrong = outcome.data, outcome.failures
        if old is not None and fail_over is not None and data["benchmarks"]:
            data = _again(data, old, fail_over, chosen, advance)
        advance("done", 1.0)
    report = Report((), (), wrong)
    result = Result(report, str, str)
    if data["benchmarks"]:
        new = read_suite(data, "this run")
        result = suite_result(new, data)
        for path in kept:
            Outputs("bench", json=str(path)).write(result)
        report = result.report._replace(failures=wrong)
        if old is not None:
            report = _beside(report, old, replace(new, selection=chosen), str(compare), fail_over)
    else:
        outputs = Outputs("bench")  # there is nothing to write
    outputs.deliver(result._replace(report=report), ok=not report.failures)


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


def _beside(report: Report, old: Suite, new: Suite, name: str, fail_over: float | None) -> Report:
    """Add how the cases of an older run compare, and what stops the gate."""
    found, differing, doubted = changes(old, new, fail_over or 0.0), obstacles(old, new), doubts(old, new)
    return report._replace(
        tables=(*report.tables, change_table(found, name)),
        notes=(*report.notes, *change_notes(differing)),
        failures=(*report.failures, *_stops(found, differing, doubted, fail_over)),
    )


def _stops(
    found: tuple[Change, ...], differing: tuple[str, ...], doubted: tuple[str, ...], fail_over: float | None
) -> tuple[str, ...]:
    if fail_over is None:
        return ()
    if differing:
        reason = f"--fail-over must compare runs of one machine, but got {'; '.join(differing)}."
        return (f"{reason} Save one here first: fastconv bench --save NAME",)
    if doubted:
        reason = f"--fail-over must compare times that are reliable, but {'; '.join(doubted)}."
        return (f"{reason} Run it again when nothing else runs.",)
    return failures(found)

"""The tables of a suite, and of two suites side by side: for the command line and as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from fastconv.comparison.markdown import markdown_table
from fastconv.comparison.text import Table, format_seconds
from fastconv.suite.cases import FAMILY, LOOPS, kind_of
from fastconv.suite.family_report import error_cell, family_notes, family_tables
from fastconv.suite.gate import Change
from fastconv.suite.results import Result, Suite

__all__ = ["change_notes", "change_table", "markdown", "notes", "tables"]

_MISSING = "–"


def markdown(suite: Suite) -> str:
    """Return all tables and notes as Markdown: a text without a title of its own, for a page to include."""
    blocks = [markdown_table(table) for table in tables(suite)]
    return "\n\n".join([*blocks, "\n".join(f"- {note}" for note in notes(suite))]) + "\n"


def tables(suite: Suite) -> list[Table]:
    """Return a table for each dtype, and those of the family."""
    groups: dict[str, list[Result]] = {}
    for result in _others(suite):
        groups.setdefault(result.case.dtype, []).append(result)
    headers = (
        "workload",
        "pass",
        "backend",
        "of it",
        "median",
        "IQR",
        "GFLOP/s",
        "of peak",
        "times the loops",
        "error",
    )
    ours = [
        Table(f"Suite, {dtype}", headers, tuple(_cells(suite, result) for result in results), 3)
        for dtype, results in groups.items()
    ]
    return [*ours, *family_tables(suite)]


def _others(suite: Suite) -> list[Result]:
    """All results but those of the family."""
    return [result for result in suite.results.values() if kind_of(result.case.workload) != FAMILY]


def _cells(suite: Suite, result: Result) -> tuple[str, ...]:
    faster = suite.times_faster(result)
    return (
        result.case.workload,
        result.case.step,
        result.case.backend,
        _part(result),
        format_seconds(result.median),
        format_seconds(result.iqr) if result.iqr else "0",
        _number(result.gflops, ",.0f") if (result.gflops or 0) >= 10 else _number(result.gflops, ".2g"),
        _number(result.of_peak, ".0%") if (result.of_peak or 1) >= 0.01 else "< 1%",
        _MISSING if faster is None else f"{faster:,.0f}×" if faster >= 10 else f"{faster:.1f}×",
        error_cell(result),
    )


def _part(result: Result) -> str:
    if not result.whole_outputs:
        return _MISSING
    return "all" if result.outputs == result.whole_outputs else f"{result.outputs / result.whole_outputs:.2%}"


def _number(value: float | None, form: str) -> str:
    return _MISSING if value is None else format(value, form)


def notes(suite: Suite) -> list[str]:
    """Say in words what the columns mean, and where the numbers come from."""
    results = _others(suite)
    lines = [*(_suite_notes(results) if results else ()), *family_notes(suite)]
    lines += [f"checked against {source}." for source in _sources(suite.results.values())]
    return [*lines, *_origin(suite.environment)]


def _suite_notes(results: list[Result]) -> list[str]:
    lines = [
        "median, IQR: of one call, after the first one, which compiles.",
        "GFLOP/s: a multiply-add counts as two, padding included; backward computes dx, dweight and dbias.",
        "training: one step of SGD with its loss; it counts three times the operations of an inference.",
        "of peak: divided by what nothing but multiply-adds reaches at that moment with as many threads.",
        "times the loops: time of the frozen loops of the tutorials for as many outputs, divided by the median.",
        "error: the worst element as a share of 64 eps sum |x·w|, from the right result in float64.",
    ]
    if any(result.case.step in ("inference", "training") for result in results):
        lines.append(
            "error of a network: the worst array, by its norm, as a share of what the roundings of its layers may make."
        )
    if any(result.outputs < result.whole_outputs for result in results):
        lines.append(f"of it: plain loops run a crop of a layer, and {_MISSING} counts no outputs.")
    if any(result.case.backend == LOOPS for result in results):
        lines.append(f"{LOOPS}: the frozen loops themselves. They know no ties and no overlaps of a maximum.")
    return lines


def _sources(results: Iterable[Result]) -> list[str]:
    return list(dict.fromkeys(r.checked for r in results if r.of_tolerance is not None))


def _origin(here: dict[str, Any]) -> list[str]:
    versions = ", ".join(f"{name} {version}" for name, version in here["versions"].items())
    load = here.get("load")
    busy = "" if load is None else f" (load {load:.1f} before)"
    peaks = [
        f"{dtype} {gflops:,.0f} with {threads} thread{'s' * (threads != '1')}"
        for dtype, each in (here.get("peaks") or {}).items()
        for threads, gflops in each.items()
        if gflops is not None
    ]
    cores = here.get("cores", _MISSING)
    machine = f"{here['cpu']}, {here['threads']} threads of {cores} cores{busy}"
    lines = [f"{versions}; {machine}; {str(here.get('date'))[:10]}."]
    if peaks:
        lines.insert(0, f"peak in GFLOP/s, before the first case: {', '.join(peaks)}.")
    return lines


def change_table(found: Sequence[Change], name: str) -> Table:
    """Return a line for each case of two runs; `name` says what the older one was."""
    headers = ("workload", "pass", "backend", "dtype", "old", "new", "ratio", "")
    rows = tuple((*change.case, *_change_cells(change)) for change in found)
    return Table(f"Compared with {name}", headers, rows, 4)


def _change_cells(change: Change) -> tuple[str, ...]:
    return (
        _MISSING if change.old is None else format_seconds(change.old.median),
        _MISSING if change.new is None else format_seconds(change.new.median),
        _number(change.ratio, ".2f"),
        change.verdict,
    )


def change_notes(obstacles: Sequence[str]) -> list[str]:
    """Say what the ratio is, and what stands in its way."""
    lines = [
        "old, new: medians.",
        "ratio: new by old, each time multiplied by the peak: that beside it, and the best of its run.",
        "Of the minimum and the median by either, it is what is nearest to 1, and 1 where they disagree.",
    ]
    if obstacles:
        lines.append(f"The two runs are not of the same machine: {'; '.join(obstacles)}.")
    return lines

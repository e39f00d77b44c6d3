"""The tables of a suite, and of two suites side by side; and the picture of one, which needs the extra ``plot``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from fastconv.evidence.accuracy import EFFECTIVE, OF_PROMISE
from fastconv.evidence.bench.cases import FAMILY, LOOPS, NETWORK_STEPS, kind_of
from fastconv.evidence.bench.family_tables import error_cell, family_notes, family_tables
from fastconv.evidence.bench.gate import Change
from fastconv.evidence.bench.suite import Result, Suite
from fastconv.report import MISSING, Report, Table, format_number, format_seconds, format_times
from fastconv.report.figure import bars_figure, save_figure
from fastconv.report.words import plural

_SPARE = ("IQR", "of it", "GFLOP/s", "of peak", "error")


def report_of(suite: Suite) -> Report:
    """Return a table for each dtype, those of the family, and what they mean."""
    return Report((*tables(suite),), (*notes(suite),), verdict=suite.environment.caution)


def tables(suite: Suite) -> list[Table]:
    """Return a table for each dtype, and those of the family."""
    groups: dict[str, list[Result]] = {}
    for result in _others(suite):
        groups.setdefault(result.case.dtype, []).append(result)
    names = ("workload", "pass", "backend")
    headers = (*names, "of it", "median", "IQR", "GFLOP/s", "of peak", "times the loops", "error")
    ours = [
        Table(f"Suite, {dtype}", headers, tuple(_cells(suite, result) for result in results), len(names), _SPARE)
        for dtype, results in groups.items()
    ]
    return [*ours, *family_tables(suite)]


def _others(suite: Suite) -> list[Result]:
    """All results but those of the family."""
    return [result for result in suite.results.values() if kind_of(result.case.workload) != FAMILY]


def _cells(suite: Suite, result: Result) -> tuple[str, ...]:
    return (
        result.case.workload,
        result.case.step,
        result.case.backend,
        _part(result),
        format_seconds(result.median),
        format_seconds(result.iqr) if result.iqr else "0",
        format_number(result.gflops, ",.0f") if (result.gflops or 0) >= 10 else format_number(result.gflops, ".2g"),
        format_number(result.of_peak, ".0%") if (result.of_peak or 1) >= 0.01 else "< 1%",
        format_times(suite.times_faster(result), 1),
        error_cell(result),
    )


def _part(result: Result) -> str:
    if not result.whole_outputs:
        return MISSING
    return "all" if result.outputs == result.whole_outputs else f"{result.outputs / result.whole_outputs:.2%}"


def notes(suite: Suite) -> list[str]:
    """Say in words what the columns mean, and where the numbers come from."""
    results = _others(suite)
    lines = [*(_suite_notes(results) if results else ()), *family_notes(suite)]
    sources = dict.fromkeys(each.checked for each in suite.results.values() if each.of_tolerance is not None)
    lines += [f"checked against {source}." for source in sources]
    return [*lines, *_origin(suite)]


def _suite_notes(results: list[Result]) -> list[str]:
    lines = [
        "median, IQR: of one call, after the first one, which compiles.",
        "GFLOP/s: a multiply-add counts as two, padding included; backward computes dx, dweight and dbias.",
        EFFECTIVE,
        "training: one step of SGD with its loss; it counts three times the operations of an inference.",
        "program: an inference that was recorded by fastconv.compile, replayed.",
        "of peak: divided by what nothing but multiply-adds reaches at that moment with as many threads.",
        "times the loops: time of the frozen loops of the tutorials for as many outputs, divided by the median.",
        "error: the worst element as a share of what is promised, from the right result in float64.",
        OF_PROMISE,
    ]
    if any(result.case.step in NETWORK_STEPS for result in results):
        lines.append(
            "error of a network: the worst array, by its norm, as a share of what the roundings of its layers may make."
        )
    if any(result.outputs < result.whole_outputs for result in results):
        lines.append(f"of it: plain loops run a crop of a layer, and {MISSING} counts no outputs.")
    if any(result.case.backend == LOOPS for result in results):
        lines.append(f"{LOOPS}: the frozen loops themselves. They know no ties and no overlaps of a maximum.")
    return lines


def _origin(suite: Suite) -> list[str]:
    peaks = [
        f"{dtype} {gflops:,.0f} with {plural(int(threads), 'thread')}"
        for dtype, each in suite.peaks.items()
        for threads, gflops in each.items()
        if gflops is not None
    ]
    lines = [f"peak in GFLOP/s, before the first case: {', '.join(peaks)}."] if peaks else []
    return [*lines, f"{suite.environment.origin()}."]


def change_table(found: Sequence[Change], name: str) -> Table:
    """Return a line for each case of two runs; `name` says what the older one was."""
    headers = ("workload", "pass", "backend", "dtype", "old", "new", "ratio", "")
    rows = tuple((*change.case, *_change_cells(change)) for change in found)
    return Table(f"Compared with {name}", headers, rows, 4, spare=("dtype", "old", "new"))


def _change_cells(change: Change) -> tuple[str, ...]:
    return (
        MISSING if change.old is None else format_seconds(change.old.median),
        MISSING if change.new is None else format_seconds(change.new.median),
        format_number(change.ratio, ".2f"),
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


_NAME = "plot_suite"


def plot_suite(suite: Suite, path: str | os.PathLike[str]) -> None:
    """Draw how many times faster than the frozen loops everything is, one panel for each dtype and pass.

    Files, suffixes and errors are those of `save_figure`.
    """
    save_figure(_NAME, path, lambda: _figure(suite))


def _figure(suite: Suite) -> Any:
    found = {case: faster for case, result in suite.results.items() if (faster := suite.times_faster(result))}
    names = list(dict.fromkeys(case.workload for case in found))
    panels: dict[str, dict[str, list[float | None]]] = {}
    for case in found:
        bars = [found.get(case._replace(workload=name)) for name in names]
        panels.setdefault(f"{case.step}, {case.dtype}", {})[case.backend] = bars
    headline = suite.environment.headline
    figure = bars_figure(_NAME, names, panels or {"": {}}, lambda value: format_times(value, 1), headline)
    for axes in figure.axes:
        axes.set_xlabel("times faster than the frozen loops")
    return figure

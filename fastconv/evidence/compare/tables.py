"""The tables of a comparison, as strings."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from statistics import geometric_mean

from fastconv.evidence.accuracy import Difference, arrays_of
from fastconv.evidence.compare.rows import PassResult, Row
from fastconv.report import MISSING, Table, format_bytes, format_number, format_seconds, format_times
from fastconv.report.words import plural

_PAGE_HEAD = (
    "| workload | forward | | | backward | | | of tolerance |",
    "|---|---|---|---|---|---|---|---|",
    "| | µs a loop output | fast, ms | times faster | µs a loop output | fast, ms | times faster | |",
)


def verdict(rows: Sequence[Row], reference: str, candidate: str) -> Iterator[str]:
    """Say whether all workloads agree, and how many times faster than the frozen loops the candidate is."""
    beyond = [row.name for row in rows if not row.ok]
    where, worst = max(((row, each) for row in rows for each in row.all_differences), key=_share_of)
    place = f"{worst.array} of {where.name}"
    share = f"the worst element takes {format_share(worst.of_tolerance)} of what is allowed ({place})"
    if beyond:
        count = f"{len(beyond)} of {plural(len(rows), 'workload')}"
        yield f"{count} differ by more than is allowed, {', '.join(beyond)}: {share}."
    elif len(rows) == 1:
        yield f"{reference} and {candidate} agree: {share}."
    else:
        yield f"{reference} and {candidate} agree on all {len(rows)} workloads: {share}."
    times = [passed.times_faster for row in rows for passed in row.passes if passed.times_faster is not None]
    if times:
        mean, least, most = map(format_times, (geometric_mean(times), min(times), max(times)))
        yield f"{candidate} is {mean} faster than the loops of the tutorials (geometric mean; {least} to {most})."


def _share_of(found: tuple[Row, Difference]) -> float:
    share = found[1].of_tolerance
    return math.inf if math.isnan(share) else share


def overview_table(rows: Sequence[Row], candidate: str) -> Table:
    """Return a line for each workload: time and speed-up of each pass, and the worst error."""
    passes = [passed.name for passed in rows[0].passes]
    headers = ("workload", *(head for name in passes for head in (name, f"faster {name}")), "of tolerance", "")
    cells = tuple((row.name, *_overview_cells(row)) for row in rows)
    return Table(f"Time of {candidate}, and how many times faster that is", headers, cells, 1, tuple(reversed(passes)))


def _overview_cells(row: Row) -> Iterator[str]:
    for passed in row.passes:
        yield format_seconds(passed.seconds)
        yield format_times(passed.times_faster)
    yield format_share(max(difference.of_tolerance for difference in row.all_differences))
    yield "ok" if row.ok else "BEYOND"


def time_table(rows: Sequence[Row], reference: str, candidate: str) -> Table:
    """Return a line for each pass of each workload: times, speed-up, memory."""
    scratch = (f"scratch {reference}", f"scratch {candidate}")
    headers = ("workload", "pass", reference, candidate, "loops/output", "faster", "GFLOP/s", *scratch, "compile")
    cells = [
        (row.name if first else "", *_time_cells(passed))
        for row in rows
        for first, passed in zip((True, False), row.passes)
    ]
    spare = ("compile", *scratch, "loops/output", "GFLOP/s", reference)
    return Table("Time and memory", headers, tuple(cells), 2, spare)


def _time_cells(passed: PassResult) -> tuple[str, ...]:
    per_output = passed.loop_seconds_per_output
    return (
        passed.name,
        "~" * passed.reference_estimated + format_seconds(passed.reference_seconds),
        format_seconds(passed.seconds),
        MISSING if per_output is None else f"{per_output * 1e6:.2f} µs",
        format_times(passed.times_faster),
        format_number(passed.gflops),
        "> " * passed.reference_workspace_partial + format_bytes(passed.reference_workspace),
        format_bytes(passed.workspace),
        # what repeats itself from call to call is noise, not compilation
        MISSING if passed.compile_seconds < 0.05 else format_seconds(passed.compile_seconds),
    )


def difference_table(rows: Sequence[Row], reference: str, candidate: str) -> Table:
    """Return a line for each workload: how far the candidate is from the reference."""
    arrays = arrays_of(difference for row in rows for difference in row.differences)
    return Table(
        f"Largest difference between {reference} and {candidate}: absolute (relative)",
        ("workload", "checked", *arrays, "of tolerance", ""),
        tuple(_difference_cells(row, arrays) for row in rows),
        left=2,
    )


def _difference_cells(row: Row, arrays: Sequence[str]) -> tuple[str, ...]:
    by_name = {difference.array: str(difference) for difference in row.differences}
    worst = max(difference.of_tolerance for difference in row.all_differences)
    return (
        row.name,
        _checked(row),
        *(by_name.get(name, MISSING) for name in arrays),
        format_share(worst),
        "ok" if row.ok else "BEYOND",
    )


def algorithm_table(rows: Sequence[Row]) -> Table:
    """Return a line for each result of a convolution: its algorithm, its error, and what both promises say of it."""
    lines = [(row, difference) for row in rows for difference in row.by_algorithm]
    return Table(
        "Algorithms, with their error by both promises",
        ("workload", "result", "algorithm", "error", "of exact", "of Winograd's", ""),
        tuple(
            (
                row.name if difference is row.by_algorithm[0] else "",
                difference.array,
                difference.algorithm,
                str(difference),
                format_share(difference.of_exact),
                format_share(difference.of_winograd),
                "ok" if difference.within else "BEYOND",
            )
            for row, difference in lines
        ),
        left=3,
    )


def format_share(share: float | None) -> str:
    """Write a share of a promise."""
    return MISSING if share is None else f"{share:.1%}" if share < 10 else f"{share:,.0f} times"


def _checked(row: Row) -> str:
    parts = []
    if row.checked_images < row.images:
        parts.append(f"{row.checked_images} of {row.images} images")
    if row.checked_rows < row.rows:
        parts.append(f"{row.checked_rows} of {row.rows} rows")
    return ", ".join(parts) or "all"


def page_table(rows: Sequence[Row]) -> str:
    """Return the table of the documentation, in Markdown: one line for both passes of a workload."""
    return "\n".join([*_PAGE_HEAD, *map(_page_line, rows)])


def _page_line(row: Row) -> str:
    worst = max(difference.of_tolerance for difference in row.differences)
    passes = {passed.name: passed for passed in row.passes}
    cells = (cell for name in ("forward", "backward") for cell in _page_cells(passes.get(name)))
    return "| " + " | ".join([f"`{row.name}`", *cells, f"{worst:.1%}"]) + " |"


def _page_cells(passed: PassResult | None) -> tuple[str, str, str]:
    """Time of one output of the frozen loops, time of fast, and their quotient."""
    if passed is None:
        return MISSING, MISSING, MISSING
    seconds = f"{passed.seconds * 1e3:.3f}"
    if passed.loop_seconds_per_output is None or passed.times_faster is None:
        return MISSING, seconds, MISSING
    return f"{passed.loop_seconds_per_output * 1e6:.2f}", seconds, f"{passed.times_faster:,.0f}×"

"""The tables of a comparison as strings: for `print`, and for whoever draws them nicer."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from fastconv.report import Table

if TYPE_CHECKING:
    from fastconv.comparison.results import Comparison, Difference, Environment, PassResult, Row

__all__ = [
    "Table",
    "draw_table",
    "failures",
    "format_bytes",
    "format_seconds",
    "notes",
    "origin",
    "plain_text",
    "tables",
]

_MISSING = "–"
_ARRAYS = ("y", "dx", "dweight", "dbias")


def format_seconds(seconds: float) -> str:
    """Three digits and a unit.

    Examples
    --------
    >>> format_seconds(0.0123456), format_seconds(75.0)
    ('12.3 ms', '75.0 s')
    """
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= 0.9995 * scale:
            return f"{_three_digits(seconds / scale)} {unit}"
    return f"{_three_digits(seconds / 1e-9)} ns"


def format_bytes(size: int) -> str:
    """Three digits and a binary unit.

    Examples
    --------
    >>> format_bytes(0), format_bytes(1536), format_bytes(2**26)
    ('0 B', '1.50 KiB', '64.0 MiB')
    """
    value, unit = float(size), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if value < 1000:
            break
        value, unit = value / 1024, larger
    return f"{size} B" if unit == "B" else f"{_three_digits(value)} {unit}"


def _three_digits(value: float) -> str:
    digits = 2 if value < 9.995 else 1 if value < 99.95 else 0
    return f"{value:,.{digits}f}"


def tables(comparison: Comparison) -> tuple[Table, Table]:
    """Return the table of times and memory, and that of differences."""
    return _times(comparison), _differences(comparison)


def _times(comparison: Comparison) -> Table:
    reference, candidate = comparison.backends
    headers = (
        "workload",
        "pass",
        reference,
        candidate,
        "loops/output",
        "faster",
        "GFLOP/s",
        f"scratch {reference}",
        f"scratch {candidate}",
        "compile",
    )
    rows = [
        (row.name if first else "", *_time_cells(passed))
        for row in comparison.rows
        for first, passed in zip((True, False), row.passes)
    ]
    return Table("Time and memory", headers, tuple(rows), left=2)


def _time_cells(passed: PassResult) -> tuple[str, ...]:
    per_output, faster = passed.loop_seconds_per_output, passed.times_faster
    return (
        passed.name,
        "~" * passed.reference_estimated + format_seconds(passed.reference_seconds),
        format_seconds(passed.seconds),
        _MISSING if per_output is None else f"{per_output * 1e6:.2f} µs",
        _MISSING if faster is None else f"{_three_digits(faster) if faster < 10 else format(faster, ',.0f')}×",
        _MISSING if passed.gflops is None else _three_digits(passed.gflops),
        "> " * passed.reference_workspace_partial + format_bytes(passed.reference_workspace),
        format_bytes(passed.workspace),
        # what repeats itself from call to call is noise, not compilation
        _MISSING if passed.compile_seconds < 0.05 else format_seconds(passed.compile_seconds),
    )


def _differences(comparison: Comparison) -> Table:
    reference, candidate = comparison.backends
    present = [name for name in _ARRAYS if any(name == d.array for row in comparison.rows for d in row.differences)]
    headers = ("workload", "checked", *present, "of tolerance", "")
    return Table(
        f"Largest difference between {reference} and {candidate}: absolute (relative)",
        headers,
        tuple(_difference_cells(row, present) for row in comparison.rows),
        left=2,
    )


def _difference_cells(row: Row, arrays: list[str]) -> tuple[str, ...]:
    by_name = {difference.array: difference for difference in row.differences}
    worst = max(difference.of_tolerance for difference in (*row.differences, *row.whole_differences))
    return (
        row.name,
        _checked(row),
        *(_distance(by_name[name]) if name in by_name else _MISSING for name in arrays),
        f"{worst:.1%}" if worst < 10 else f"{worst:,.0f} times",
        "ok" if row.ok else "BEYOND",
    )


def _distance(difference: Difference) -> str:
    if difference.max_abs == 0:
        return "0"
    return f"{difference.max_abs:.1e} ({difference.max_relative:.0e})"


def _checked(row: Row) -> str:
    parts = []
    if row.checked_images < row.images:
        parts.append(f"{row.checked_images} of {row.images} images")
    if row.checked_rows < row.rows:
        parts.append(f"{row.checked_rows} of {row.rows} rows")
    return ", ".join(parts) or "all"


def notes(comparison: Comparison) -> tuple[str, ...]:
    """Say in words what the columns mean, and where the numbers come from."""
    reference, candidate = comparison.backends
    rows, passes = comparison.rows, [passed for row in comparison.rows for passed in row.passes]
    compiling = format_seconds(comparison.compile_seconds)
    lines = [
        "loops/output: the frozen loops of the tutorials, timed on a crop.",
        f"faster: the time of the frozen loops for all outputs, divided by that of {candidate}.",
        f"{candidate}: median after the first call. Compiling took {compiling} in all and is in none of the times.",
        "GFLOP/s: a multiply-add counts as two. scratch: peak memory beyond inputs and results.",
        "(relative): absolute, divided by the largest magnitude in the array.",
        "of tolerance: the worst element as a share of what is allowed, 64 eps sum |x·w|; a maximum must be exact.",
    ]
    if any(row.partial for row in rows):
        lines.append(
            f"~ {reference} ran on the part that was checked, its time is extrapolated; numpy checked the whole."
        )
    if any(passed.reference_workspace_partial for passed in passes):
        lines.append(f"> scratch of {reference} on a part; the whole takes more.")
    if any(passed.loop_seconds_per_output is None for passed in passes):
        lines.append(f"{_MISSING} under loops/output: the frozen loops know no dilation, they cannot do this work.")
    return (*lines, origin(comparison.environment, sorted({row.dtype for row in rows})))


def origin(here: Environment, dtypes: list[str]) -> str:
    """Say in one line where the numbers come from."""
    versions = ", ".join(f"{name} {version}" for name, version in here.versions.items())
    threads = f"{here.threads} thread{'s' * (here.threads != 1)} of {here.cores} core{'s' * (here.cores != 1)}"
    load = "" if here.load is None else f" (load {here.load:.1f} before)"
    return f"{versions}; {here.cpu}, {threads}{load}; {', '.join(dtypes)}; {here.date}"


def failures(comparison: Comparison) -> tuple[str, ...]:
    """Say which results are beyond their tolerance, one line each."""
    candidate = comparison.backends[1]
    return tuple(
        f"{row.name}: {difference.array} of {candidate} must be within 64 eps sum |x·w| of {difference.reference}, but "
        f"got {_excess(difference)} (largest difference {difference.max_abs:.2e})."
        for row in comparison.rows
        for difference in (*row.differences, *row.whole_differences)
        if not difference.within
    )


def _excess(difference: Difference) -> str:
    times = difference.of_tolerance
    return f"{times:,.1f} times that" if math.isfinite(times) else "a difference where none is allowed"


def plain_text(comparison: Comparison) -> str:
    """Return both tables, the notes and the failures as text."""
    blocks = [draw_table(table) for table in tables(comparison)]
    return "\n\n".join([*blocks, "\n".join((*notes(comparison), *failures(comparison)))])


def draw_table(table: Table) -> str:
    """Return a table as text, its columns aligned."""
    cells = (table.headers, *table.rows)
    widths = [max(len(row[column]) for row in cells) for column in range(len(table.headers))]
    rule = "  ".join("-" * width for width in widths)
    lines = ["  ".join(_align(row, widths, table.left)).rstrip() for row in cells]
    return "\n".join([table.title, "", lines[0], rule, *lines[1:]])


def _align(row: tuple[str, ...], widths: list[int], left: int) -> list[str]:
    return [
        cell.ljust(width) if column < left else cell.rjust(width)
        for column, (cell, width) in enumerate(zip(row, widths))
    ]

"""A race as strings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastconv.comparison.text import Table, draw_table, format_seconds, origin

if TYPE_CHECKING:
    from fastconv.comparison.results import Difference
    from fastconv.dropin.race.race_results import Lap, Race, RaceRow

__all__ = ["failures", "notes", "plain_text", "tables"]

_MISSING = "–"
_LARGE = 1e6  # nobody counts beyond
_ARRAYS = ("y", "dx", "dweight", "dbias")


def tables(race: Race) -> tuple[Table, ...]:
    """Return the table of times, and that of differences."""
    laps = [(row, lap) for row in race.rows for lap in row.laps]
    times = Table(
        "Time",
        ("functions", "pass", "theirs", "fast", "times faster"),
        tuple((row.label if lap is row.laps[0] else "", *_lap(lap)) for row, lap in laps),
        left=2,
    )
    ran = [row for row in race.rows if row.differences]
    present = [name for name in _ARRAYS if any(name == each.array for row in ran for each in row.differences)]
    differences = Table(
        "Largest difference between theirs and fast: absolute (relative)",
        ("functions", *present, "theirs", "fast", ""),
        tuple(_differences(row, present) for row in ran),
        left=1,
    )
    return (times, differences) if ran else ()


def _lap(lap: Lap) -> tuple[str, ...]:
    faster = lap.times_faster
    return (
        lap.name,
        format_seconds(lap.seconds),
        format_seconds(lap.fast_seconds),
        f"{faster:.2f}×" if faster < 10 else f"{faster:,.0f}×",
    )


def _differences(row: RaceRow, present: list[str]) -> tuple[str, ...]:
    by_name = {each.array: each for each in row.differences}
    return (
        row.label,
        *(_distance(by_name[name]) if name in by_name else _MISSING for name in present),
        _share(row.of_tolerance),
        _share(row.fast_of_tolerance),
        "ok" if row.ok else "wrong",
    )


def _distance(difference: Difference) -> str:
    if difference.max_abs == 0:
        return "0"
    return f"{difference.max_abs:.1e} ({difference.max_relative:.0e})"


def _share(share: float | None) -> str:
    if share is None:
        return _MISSING
    if share < 10:
        return f"{share:.1%}"
    return f"{share:,.0f} times" if share < _LARGE else f"{share:.0e} times"


def notes(race: Race) -> tuple[str, ...]:
    """Say on what was run, what the columns mean, and where the numbers come from; nothing where there are none."""
    if not tables(race):
        return ()
    first = max((lap.fast_first_seconds - lap.fast_seconds for row in race.rows for lap in row.laps), default=0.0)
    return (
        *(f"{row.label}: {row.problem}." for row in race.rows if row.laps),
        "times faster: the time of theirs divided by that of fast, called in the same form, on the same arrays.",
        f"Both: median after the first call, for which fast took up to {format_seconds(max(first, 0.0))} more.",
        "(relative): absolute, divided by the largest magnitude in the array.",
        "theirs, fast: the worst element as a share of what is allowed, 64 eps sum |x·w|, against numpy in float64.",
        origin(race.environment, sorted({row.dtype for row in race.rows})),
    )


def failures(race: Race) -> tuple[str, ...]:
    """Say what did not come to an end or is wrong, one line each."""
    lines = []
    for row in race.rows:
        if row.trouble:
            lines.append(f"{row.label}: {row.trouble}.".replace("..", "."))
        elif not row.ok:
            side = "fast" if (row.fast_of_tolerance or 0.0) > 1 else "their result"
            lines.append(
                f"{row.label}: {side} must be within 64 eps sum |x·w| of numpy in float64, but is not. fastconv check "
                f"{race.file} looks for the reason."
            )
    return tuple(lines)


def plain_text(race: Race) -> str:
    """Return tables, notes and failures as text."""
    return "\n\n".join([*map(draw_table, tables(race)), "\n".join((*notes(race), *failures(race)))])

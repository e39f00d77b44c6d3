"""What a race found: frozen records that print as tables and are saved as JSON."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from fastconv.evidence.accuracy import Difference
from fastconv.evidence.environment import Environment
from fastconv.report import MISSING, Record, Report, Table, format_seconds, format_times

_LARGE = 1e6  # nobody counts beyond
_ARRAYS = ("y", "dx", "dweight", "dbias")


@dataclass(frozen=True)
class Lap:
    """Time of one pass, forward or backward, of both sides.

    Attributes
    ----------
    name : {"forward", "backward"}
        Which pass.
    seconds, fast_seconds : float
        Median time of a call, by the functions and by fast ones in their place.
    first_seconds, fast_first_seconds : float
        Time of the first calls, which are in none of the medians; that of fast includes compiling, where nothing had
        compiled it before.
    rounds : int
        How many rounds the medians are of.
    """

    DERIVED: ClassVar[tuple[str, ...]] = ("times_faster",)

    name: str
    seconds: float
    fast_seconds: float
    first_seconds: float
    fast_first_seconds: float
    rounds: int

    @property
    def times_faster(self) -> float:
        """Time of the functions divided by that of fast."""
        return self.seconds / self.fast_seconds


@dataclass(frozen=True)
class RaceRow:
    """One implementation beside fast.

    Attributes
    ----------
    label, convention, operation : str
        Which functions, how they are called, what they compute.
    problem : str
        The sizes.
    dtype : str
        Dtype of the arrays.
    laps : tuple of Lap
        Forward and backward, as far as there are functions for them.
    differences : tuple of Difference
        The functions against fast.
    of_tolerance, fast_of_tolerance : float or None
        Worst element of either, as a share of what is allowed, against the numpy backend in float64.
    trouble : str
        Why there is no result: what was raised, how the process ended, why it cannot be expressed.
    """

    DERIVED: ClassVar[tuple[str, ...]] = ("ok",)

    label: str
    convention: str
    operation: str
    problem: str
    dtype: str
    laps: tuple[Lap, ...] = ()
    differences: tuple[Difference, ...] = ()
    of_tolerance: float | None = None
    fast_of_tolerance: float | None = None
    trouble: str = ""

    @property
    def ok(self) -> bool:
        """Whether both sides are right."""
        return all(share is not None and share <= 1 for share in (self.of_tolerance, self.fast_of_tolerance))


@dataclass(frozen=True)
class Race(Record):
    """Somebody's functions against fast ones; prints as tables.

    Attributes
    ----------
    file : str
        Where the functions are from.
    rows : tuple of RaceRow
        One for each implementation and operation.
    environment : Environment
        Where the numbers come from.
    notes : tuple of str
        What is special about the file: where it stopped, what could not be imported, what is not recognised.
    """

    FORMAT: ClassVar[str] = "fastconv-race/1"
    DERIVED: ClassVar[tuple[str, ...]] = ("ok",)

    file: str
    rows: tuple[RaceRow, ...]
    environment: Environment
    notes: tuple[str, ...] = field(default=(), metadata={"added": True})

    @property
    def ok(self) -> bool:
        """Whether everything ran and is right."""
        return all(row.ok for row in self.rows)

    def report(self) -> Report:
        """Return the table of times and that of differences, on what was run, and what is wrong."""
        tables = _tables(self)
        return Report(tables, _notes(self) if tables else (), _failures(self))


def _tables(race: Race) -> tuple[Table, ...]:
    """Return the table of times, and that of differences."""
    laps = [(row, lap) for row in race.rows for lap in row.laps]
    times = Table(
        "Time",
        ("functions", "pass", "theirs", "fast", "times faster"),
        tuple((row.label if lap is row.laps[0] else "", *_lap(lap)) for row, lap in laps),
        left=2,
        spare=("theirs", "fast"),
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
    return (lap.name, format_seconds(lap.seconds), format_seconds(lap.fast_seconds), format_times(lap.times_faster))


def _differences(row: RaceRow, present: list[str]) -> tuple[str, ...]:
    by_name = {each.array: each for each in row.differences}
    return (
        row.label,
        *(_distance(by_name[name]) if name in by_name else MISSING for name in present),
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
        return MISSING
    if share < 10:
        return f"{share:.1%}"
    return f"{share:,.0f} times" if share < _LARGE else f"{share:.0e} times"


def _notes(race: Race) -> tuple[str, ...]:
    """Say on what was run, what the columns mean, and where the numbers come from."""
    first = max((lap.fast_first_seconds - lap.fast_seconds for row in race.rows for lap in row.laps), default=0.0)
    return (
        *(f"{row.label}: {row.problem}." for row in race.rows if row.laps),
        "times faster: the time of theirs divided by that of fast, called in the same form, on the same arrays.",
        f"Both: median after the first call, for which fast took up to {format_seconds(max(first, 0.0))} more.",
        "(relative): absolute, divided by the largest magnitude in the array.",
        "theirs, fast: the worst element as a share of what is allowed, 64 eps sum |x·w|, against numpy in float64.",
        *race.notes,
        race.environment.origin(", ".join(sorted({row.dtype for row in race.rows}))),
    )


def _failures(race: Race) -> tuple[str, ...]:
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

"""What a race found: frozen records that print as tables and are saved as JSON."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from typing import Any

from fastconv.comparison.results import Difference, Environment, plain_data
from fastconv.dropin.race.race_text import plain_text
from fastconv.files import write_whole

__all__ = ["Lap", "Race", "RaceRow"]

_FORMAT = "fastconv-race/1"


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
class Race:
    """Somebody's functions against fast ones; prints as tables.

    Attributes
    ----------
    file : str
        Where the functions are from.
    rows : tuple of RaceRow
        One for each implementation and operation.
    environment : Environment
        Where the numbers come from.
    """

    file: str
    rows: tuple[RaceRow, ...]
    environment: Environment

    @property
    def ok(self) -> bool:
        """Whether everything ran and is right."""
        return all(row.ok for row in self.rows)

    def __str__(self) -> str:
        return plain_text(self)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data; what is not finite is None."""
        rows = []
        for row in self.rows:
            plain = {**asdict(row), "ok": row.ok}
            for lap, entry in zip(row.laps, plain["laps"]):
                entry["times_faster"] = lap.times_faster
            rows.append(plain)
        data = {"format": _FORMAT, "ok": self.ok, "file": self.file, "rows": rows}
        finite: dict[str, Any] = plain_data({**data, "environment": asdict(self.environment)})
        return finite

    def to_json(self) -> str:
        """Return `to_dict` as JSON."""
        return json.dumps(self.to_dict(), indent=2, allow_nan=False, ensure_ascii=False) + "\n"

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the JSON to a file, whole or not at all.

        Raises
        ------
        OSError
            If the file cannot be written.
        """
        data = self.to_json().encode()
        write_whole(path, lambda stream: stream.write(data))

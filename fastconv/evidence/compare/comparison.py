"""What a comparison found: prints as a table, saves as JSON."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from fastconv.evidence.accuracy import Difference
from fastconv.evidence.compare.rows import Row
from fastconv.evidence.compare.tables import difference_table, page_table, time_table
from fastconv.evidence.environment import Environment
from fastconv.report import MISSING, Record, Report, format_seconds

__all__ = ["Comparison"]

_COLUMNS = (
    "GFLOP/s: a multiply-add counts as two. scratch: peak memory beyond inputs and results.",
    "(relative): absolute, divided by the largest magnitude in the array.",
    "of tolerance: the worst element as a share of what is allowed, 64 eps sum |x·w|; a maximum must be exact.",
)


@dataclass(frozen=True)
class Comparison(Record):
    """Two backends side by side; prints as a table.

    Attributes
    ----------
    rows : tuple of Row
        One for each workload.
    environment : Environment
        Where the numbers come from.
    backends : (str, str)
        Reference and candidate.
    """

    rows: tuple[Row, ...]
    environment: Environment
    backends: tuple[str, str] = ("naive", "fast")

    FORMAT = "fastconv-compare/1"
    DERIVED = ("ok", "compile_seconds")

    @property
    def ok(self) -> bool:
        """Whether every difference of every workload is within its tolerance."""
        return all(row.ok for row in self.rows)

    @property
    def compile_seconds(self) -> float:
        """What the first calls took beyond the later ones, all together."""
        return sum(passed.compile_seconds for row in self.rows for passed in row.passes)

    @property
    def dtypes(self) -> list[str]:
        """Of the results."""
        return sorted({row.dtype for row in self.rows})

    def report(self) -> Report:
        """Return the table of times and memory, that of differences, and what they mean."""
        tables = (time_table(self.rows, *self.backends), difference_table(self.rows, *self.backends))
        return Report(tables, (*self._notes(), self.environment.origin(", ".join(self.dtypes))), (*self._failures(),))

    def markdown(self) -> str:
        """Return a line about where it was measured, and one table, for a page to include."""
        here = self.environment
        note = (
            f"Measured on {here.date[:10]}: {here.cpu}, {here.threads} threads, {', '.join(self.dtypes)}, one image "
            f"for the named layers; {here.packages}. Compiling took {self.compile_seconds:.1f} s and is in none of the "
            "times."
        )
        return f"{note}\n\n{page_table(self.rows)}\n"

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data.

        Returns
        -------
        dict
            Dicts, lists, strings and numbers; what is not finite (a difference from NaN) is None.
        """
        data = super().to_dict()
        for row, plain in zip(self.rows, data["rows"]):
            for kind in ("differences", "whole_differences"):
                for difference, entry in zip(getattr(row, kind), plain[kind]):
                    entry["within"] = difference.within
        return data

    def _notes(self) -> Iterator[str]:
        """Say in words what the columns mean."""
        reference, candidate = self.backends
        passes = [passed for row in self.rows for passed in row.passes]
        yield "loops/output: the frozen loops of the tutorials, timed on a crop."
        yield f"faster: the time of the frozen loops for all outputs, divided by that of {candidate}."
        yield (
            f"{candidate}: median after the first call. Compiling took {format_seconds(self.compile_seconds)} in all "
            "and is in none of the times."
        )
        yield from _COLUMNS
        if any(row.partial for row in self.rows):
            yield f"~ {reference} ran on the part that was checked, its time is extrapolated; numpy checked the whole."
        if any(passed.reference_workspace_partial for passed in passes):
            yield f"> scratch of {reference} on a part; the whole takes more."
        if any(passed.loop_seconds_per_output is None for passed in passes):
            yield f"{MISSING} under loops/output: the frozen loops know no dilation, they cannot do this work."

    def _failures(self) -> Iterator[str]:
        """Say which results are beyond their tolerance, one line each."""
        for row in self.rows:
            for difference in row.all_differences:
                if not difference.within:
                    yield (
                        f"{row.name}: {difference.array} of {self.backends[1]} must be within 64 eps sum |x·w| of "
                        f"{difference.reference}, but got {_excess(difference)} (largest difference "
                        f"{difference.max_abs:.2e})."
                    )


def _excess(difference: Difference) -> str:
    times = difference.of_tolerance
    return f"{times:,.1f} times that" if math.isfinite(times) else "a difference where none is allowed"

"""The cell of CS231n that sets fast against naive, in float64, through `fastconv.compat.cs231n`."""

from __future__ import annotations

from collections.abc import Callable

KIND = "course"  # of the cases in fastconv.evidence.bench.cases.TABLE


def test_course(measure: Callable[[], None]) -> None:
    measure()

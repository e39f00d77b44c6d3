"""All operations and layers, forward and backward: how much faster is `fast` than `numpy`."""

from __future__ import annotations

from collections.abc import Callable

KIND = "family"  # of the cases in fastconv.evidence.bench.cases.TABLE


def test_member(measure: Callable[[], None]) -> None:
    measure()

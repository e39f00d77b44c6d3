"""Max and average pooling, forward and backward, over `fastconv.evidence.workloads.POOLS`."""

from __future__ import annotations

from collections.abc import Callable

KIND = "pool"  # of the cases in fastconv.evidence.bench.cases.TABLE


def test_pooling(measure: Callable[[], None]) -> None:
    measure()

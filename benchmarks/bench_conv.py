"""Convolution, forward and backward, over the twelve layers of `fastconv.evidence.workloads.LAYERS`."""

from __future__ import annotations

from collections.abc import Callable

KIND = "conv"  # of the cases in fastconv.evidence.bench.cases.TABLE


def test_convolution(measure: Callable[[], None]) -> None:
    measure()

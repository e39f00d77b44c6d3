"""Whole networks of `fastconv.models`: one inference, as layers and as a program, and one training step."""

from __future__ import annotations

from collections.abc import Callable

KIND = "model"  # of the cases in fastconv.evidence.bench.cases.TABLE


def test_network(measure: Callable[[], None]) -> None:
    measure()

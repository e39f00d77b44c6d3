"""What the first convolution of a new process takes, with an empty cache of compiled kernels and with a full one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from fastconv.evidence.bench.cases import Case, entry
from fastconv.evidence.bench.preparation import before
from fastconv.evidence.contest.startup import first_convolution

KIND = "start"
ROUNDS = {"cold": 2, "warm": 5}


class ChildClock:
    """A clock that advances by the seconds that the processes report: from before the import to the first result."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def run(self, cache: str) -> None:
        self.now += first_convolution(cache)


CLOCK = ChildClock()


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with TemporaryDirectory(prefix="fastconv-suite-") as path:
        yield Path(path)


@pytest.mark.benchmark(timer=CLOCK)
def test_first_convolution(benchmark: Any, case: Case, folder: Path) -> None:
    """Each round is a process of its own, which checks its result and reports its time."""
    caches = (folder / f"empty{number}" for number in range(ROUNDS["cold"])) if case.step == "cold" else None

    def cache() -> tuple[tuple[str], dict[str, Any]]:
        return (str(next(caches) if caches else folder / "empty0"),), {}

    if case.step == "warm" and not (folder / "empty0").exists():
        CLOCK.run(str(folder / "empty0"))
    benchmark.group = f"{case.workload} {case.step}"
    checked = "a sum worked out by hand"
    benchmark.extra_info.update({**case._asdict(), "description": entry(case.workload).description})
    benchmark.extra_info.update({"shapes": {}, "arguments": {}, "checked": checked, "of_tolerance": 0.0, **before()})
    benchmark.pedantic(CLOCK.run, setup=cache, rounds=ROUNDS[case.step])

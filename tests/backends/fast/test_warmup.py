"""Warming up: several processes share the compiling, each kernel is compiled by one of them, and none is left out."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from importlib import import_module
from itertools import pairwise
from pathlib import Path

import pytest

warmup = import_module("fastconv.backends.fast.warmup")  # its function has the same name


class Ended:
    """A helper that has ended."""

    def wait(self) -> int:
        return 0


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of five kernels in the order in which this process builds them."""
    names: list[str] = []

    def build(name: str) -> None:
        names.append(name)
        warmup.build_log.append(warmup.Built(name, 0.0, False))

    monkeypatch.setattr(warmup, "build_log", [])
    monkeypatch.setattr(warmup, "_processes", lambda: 3)
    monkeypatch.setattr(warmup, "_jobs", lambda: (partial(build, name) for name in "abcde"))
    return names


def test_a_kernel_is_claimed_once(tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        rounds = list(pool.map(lambda _: [i for i in range(200) if warmup._claim(tmp_path, i)], range(4)))
    assert Counter(i for claimed in rounds for i in claimed) == Counter(range(200))


def test_what_others_claim_is_left_to_them_and_looked_at_in_the_end(
    built: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[int] = []

    def helper(stack: ExitStack, claims: Path, first: int) -> Ended:
        begun.append(first)
        assert warmup._claim(claims, len(begun) + 1)  # the first wants "c", the second "d"
        return Ended()

    monkeypatch.setattr(warmup, "_helper", helper)
    told: list[float] = []
    found = warmup.warmup(lambda name, fraction: told.append(fraction))
    assert begun == [1, 1]  # when one had to be compiled, from the next one on
    assert built == [*"abe", *"abcde"]
    assert [name for name, _, _ in found] == built
    assert told[-1] == 1
    assert all(first < second for first, second in pairwise(told))


def test_a_helper_builds_what_nobody_claimed(built: list[str], tmp_path: Path) -> None:
    assert warmup._claim(tmp_path, 3)
    warmup.build_claimed(str(tmp_path), 1)
    assert built == [*"bce"]


@pytest.mark.parametrize("there", [True, False], ids=["it ends", "it cannot be started"])
def test_a_helper_that_cannot_run_is_no_loss(
    there: bool, built: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = tmp_path / "python"
    if there:
        broken.write_text("#!/bin/sh\nexit 3\n", encoding="ascii")
        broken.chmod(0o755)
    monkeypatch.setattr(warmup.sys, "executable", str(broken))
    warmup.warmup()
    assert set(built) == set("abcde")

"""What is slower than the original is not replaced, and the report says so; the clock is a counter of work."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import loop_code
import numpy as np
import pytest
from loop_code import load

import fastconv as fc
from fastconv.dropin.accelerate.pace import slower
from fastconv.dropin.accelerate.proof import find, proof_of
from fastconv.dropin.conventions import Implementation, recognise


class Work:
    """A clock that only functions in a contest move, by the size of their first array."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds

    def taking(self, function: Callable[..., Any], rate: Callable[[int], float]) -> Callable[..., Any]:
        """The function, which takes so long for an array of so many numbers."""

        def taken(*args: Any, **kwargs: Any) -> Any:
            self.seconds += rate(next(each.size for each in args if isinstance(each, np.ndarray)))
            return function(*args, **kwargs)

        return taken


@pytest.fixture
def clock() -> Work:
    return Work()


def columns(monkeypatch: pytest.MonkeyPatch) -> Implementation:
    (found,) = (each for each in recognise(load(monkeypatch, loop_code.COLUMNS)) if "im2col" in each)
    return found


def contest(
    clock: Work, found: Implementation, theirs: Callable[[int], float], ours: Callable[[int], float]
) -> dict[str, str]:
    """The slower roles where both functions of a pair take as long as said."""
    proof = proof_of(found, find(found, set(), contiguous=False))
    equal = {role: clock.taking(function, ours) for role, function in proof.equal.items()}
    originals = {role: clock.taking(found[role], theirs) for role in equal}
    return slower(found.with_functions(originals), equal, clock)


def linear(seconds: float) -> Callable[[int], float]:
    return lambda size: seconds * size


def test_what_takes_longer_is_said_with_both_times(monkeypatch: pytest.MonkeyPatch, clock: Work) -> None:
    times = contest(clock, columns(monkeypatch), linear(1e-8), linear(2e-8))
    assert times["im2col"] == "737 µs, ours 1.47 ms"  # 8 x 16 x 24 x 24
    assert set(times) == {"im2col", "col2im"}


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        (linear(1e-8), linear(0.9e-8)),
        (linear(1e-8), linear(1.04e-8)),  # noise
        (lambda size: 1e-3, linear(1e-8)),  # slower on the larger problem alone
        (linear(1e-8), lambda size: 1e-3 if size < 10**4 else 1e-8 * size),  # on the smaller one alone
    ],
)
def test_what_is_not_clearly_slower_twice_is_replaced(
    theirs: Callable[[int], float], ours: Callable[[int], float], monkeypatch: pytest.MonkeyPatch, clock: Work
) -> None:
    assert contest(clock, columns(monkeypatch), theirs, ours) == {}


def test_loops_are_timed_on_a_tiny_problem_alone(monkeypatch: pytest.MonkeyPatch, clock: Work) -> None:
    sizes: list[int] = []

    def theirs(size: int) -> float:
        sizes.append(size)
        return 1.0

    assert contest(clock, columns(monkeypatch), theirs, linear(1e-8)) == {}
    assert max(sizes) < 5000


def test_functions_with_a_cache_count_together(monkeypatch: pytest.MonkeyPatch, clock: Work) -> None:
    found = next(each for each in recognise(load(monkeypatch, loop_code.CS231N)) if "conv_forward" in each.label)
    proof = proof_of(found, find(found, set(), contiguous=False))
    rates = {"forward": (3e-9, 1e-9), "backward": (1e-9, 2e-9)}
    equal = {role: clock.taking(function, linear(rates[role][1])) for role, function in proof.equal.items()}
    originals = {role: clock.taking(found[role], linear(rates[role][0])) for role in equal}
    assert slower(found.with_functions(originals), equal, clock) == {}
    assert set(slower(found.with_functions(equal), originals, clock)) == {"forward", "backward"}


def test_the_report_says_what_was_left_for_its_time(monkeypatch: pytest.MonkeyPatch, clock: Work) -> None:
    monkeypatch.setattr(
        "fastconv.dropin.accelerate.proof.slower",
        lambda found, equal: {role: "310 µs, ours 520 µs" for role in equal if role == "im2col"},
    )
    module = load(monkeypatch, loop_code.COLUMNS)
    original = module.im2col_indices
    accelerated = fc.accelerate(module, on_mismatch="raise")
    assert accelerated.slower == {"im2col_indices": "310 µs, ours 520 µs"}
    assert module.im2col_indices is original
    assert "accelerated somebodys_loops: 3 of 4\n" in repr(accelerated)
    assert "  im2col_indices    310 µs, ours 520 µs: left as it is" in repr(accelerated)

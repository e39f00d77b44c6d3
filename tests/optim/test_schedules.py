"""Learning-rate schedules: by hand, and against PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from fastconv.layers import Parameter
from fastconv.optim import (
    SGD,
    CosineAnnealingLR,
    ExponentialLR,
    LinearWarmup,
    MultiStepLR,
    Schedule,
    SequentialLR,
    StepLR,
)
from fastconv.testing import assert_close

EPOCHS = 15


def optimizer(*rates: float) -> SGD:
    return SGD([{"parameters": [Parameter(np.zeros(2))], "lr": rate} for rate in rates or (0.3,)])


def rates(schedule: Schedule, epochs: int = EPOCHS) -> np.ndarray[Any, Any]:
    seen = []
    for _ in range(epochs):
        seen.append([group["lr"] for group in schedule.optimizer.groups])
        schedule.step()
    return np.array(seen)


MADE: dict[str, tuple[Callable[[SGD], Schedule], Callable[[Any, Any], Any]]] = {
    "step": (lambda o: StepLR(o, 4, 0.3), lambda m, o: m.StepLR(o, 4, 0.3)),
    "milestones": (lambda o: MultiStepLR(o, (2, 9), 0.2), lambda m, o: m.MultiStepLR(o, (2, 9), 0.2)),
    "exponential": (lambda o: ExponentialLR(o, 0.9), lambda m, o: m.ExponentialLR(o, 0.9)),
    "cosine": (lambda o: CosineAnnealingLR(o, 10, 0.01), lambda m, o: m.CosineAnnealingLR(o, 10, 0.01)),
    "warmup": (lambda o: LinearWarmup(o, 5, 0.25), lambda m, o: m.LinearLR(o, 0.25, 1.0, 5)),
    "chain": (
        lambda o: SequentialLR(o, [LinearWarmup(o, 3, 0.5), StepLR(o, 2, 0.5), ExponentialLR(o, 0.9)], [3, 8]),
        lambda m, o: m.SequentialLR(
            o, [m.LinearLR(o, 0.5, 1.0, 3), m.StepLR(o, 2, 0.5), m.ExponentialLR(o, 0.9)], [3, 8]
        ),
    ),
}


@pytest.mark.parametrize("name", MADE)
def test_the_rates_are_those_of_pytorch(name: str) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle")
    ours, theirs = MADE[name]
    other = torch.optim.SGD([{"params": [torch.nn.Parameter(torch.zeros(2))], "lr": rate} for rate in (0.3, 0.02)])
    oracle, expected = theirs(torch.optim.lr_scheduler, other), []
    for _ in range(EPOCHS):
        expected.append([group["lr"] for group in other.param_groups])
        other.step()
        oracle.step()
    assert_close(rates(ours(optimizer(0.3, 0.02))), np.array(expected))


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda o: StepLR(o, 2, 0.5), [8, 8, 4, 4, 2]),
        (lambda o: MultiStepLR(o, (1, 3), 0.5), [8, 4, 4, 2, 2]),
        (lambda o: ExponentialLR(o, 0.5), [8, 4, 2, 1, 0.5]),
        (lambda o: CosineAnnealingLR(o, 2), [8, 4, 0, 4, 8]),
        (lambda o: LinearWarmup(o, 2, 0.5), [4, 6, 8, 8, 8]),
        (lambda o: LinearWarmup(o, 4, 0.0), [0, 2, 4, 6, 8]),
        (lambda o: SequentialLR(o, [LinearWarmup(o, 2, 0.5), ExponentialLR(o, 0.5)], [2]), [4, 6, 8, 4, 2]),
    ],
)
def test_rates_by_hand(make: Callable[[SGD], Schedule], expected: list[float]) -> None:
    assert_close(rates(make(optimizer(8.0)), 5)[:, 0], np.array(expected, float), magnitude=8.0)


@pytest.mark.parametrize("name", MADE)
def test_a_loaded_state_goes_on(name: str) -> None:
    make, _ = MADE[name]
    whole = rates(make(optimizer(0.3, 0.02)))
    first = make(optimizer(0.3, 0.02))
    rates(first, 4)
    second = make(optimizer(5.0, 7.0))
    second.load_state_dict(first.state_dict())
    np.testing.assert_array_equal(rates(second, EPOCHS - 4), whole[4:])


def test_a_rate_that_is_set_is_the_base_of_the_next_schedule() -> None:
    rule = optimizer(1.0)
    ExponentialLR(rule, 0.5).step()
    rule.lr = 8.0
    assert rates(ExponentialLR(rule, 0.5), 2).tolist() == [[8.0], [4.0]]


def test_rates_are_python_floats() -> None:
    for make, _ in MADE.values():
        schedule = make(optimizer())
        for _ in range(EPOCHS):
            schedule.step()
            assert type(schedule.optimizer.groups[0]["lr"]) is float


def test_repr_names_what_was_given() -> None:
    assert repr(StepLR(optimizer(), 4, interval="step")) == "StepLR(step_size=4, gamma=0.1, interval='step')"
    assert "LinearWarmup(duration=3" in repr(MADE["chain"][0](optimizer()))


@pytest.mark.parametrize(
    ("make", "error", "match"),
    [
        (lambda o: StepLR(None, 2), TypeError, "StepLR: optimizer must be an Optimizer, but got NoneType"),
        (lambda o: StepLR(o, 0), ValueError, "step_size must be at least 1"),
        (lambda o: StepLR(o, 2, gamma=0), ValueError, "gamma must be positive"),
        (lambda o: StepLR(o, 2, interval="day"), ValueError, "interval must be one of 'epoch', 'step'"),
        (lambda o: MultiStepLR(o, (5, 2)), ValueError, r"milestones must rise, but got \(5, 2\)"),
        (lambda o: MultiStepLR(o, 5), TypeError, "milestones must be a sequence of integers"),
        (lambda o: MultiStepLR(o, (0.5,)), TypeError, "every milestone must be an integer"),
        (lambda o: CosineAnnealingLR(o, 0), ValueError, "T_max must be at least 1"),
        (lambda o: CosineAnnealingLR(o, 2, -1.0), ValueError, "eta_min must not be negative"),
        (lambda o: LinearWarmup(o, 2, 1.5), ValueError, "start_factor must be at most 1"),
        (lambda o: SequentialLR(o, [StepLR(o, 2)], [2]), ValueError, "one more than milestones.*1 schedules and 1"),
        (lambda o: SequentialLR(o, [StepLR(o, 2), 3], [2]), TypeError, "every schedule must be a Schedule, but got 3"),
        (
            lambda o: SequentialLR(o, [StepLR(o, 2), StepLR(optimizer(), 2)], [2]),
            ValueError,
            "same optimizer and interval",
        ),
        (
            lambda o: SequentialLR(o, [StepLR(o, 2), StepLR(o, 2, interval="step")], [2]),
            ValueError,
            "same optimizer and interval",
        ),
        (
            lambda o: StepLR(o, 2).load_state_dict({"done": 1, "base_lrs": [1.0, 2.0]}),
            ValueError,
            "1 base rates, one for each group, but got 2",
        ),
    ],
)
def test_what_is_refused(make: Callable[[Any], object], error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        make(optimizer())

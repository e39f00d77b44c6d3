"""Update rules of CS231n: the numbers of the formulas to the last bit, dtypes, and dictionaries that are kept."""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt
from typing import Any

import numpy as np
import pytest
from strategies import Array, normal

from fastconv.compat.cs231n import optim

DEFAULTS: dict[str, dict[str, Any]] = {
    "sgd": {"learning_rate": 1e-2},
    "sgd_momentum": {"learning_rate": 1e-2, "momentum": 0.9},
    "rmsprop": {"learning_rate": 1e-2, "decay_rate": 0.99, "epsilon": 1e-8},
    "adam": {"learning_rate": 1e-3, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8},
}
OTHERS: dict[str, dict[str, Any]] = {
    "sgd": {"learning_rate": 0.3},
    "sgd_momentum": {"learning_rate": 0.3, "momentum": 0.5},
    "rmsprop": {"learning_rate": 0.3, "decay_rate": 0.7, "epsilon": 1e-3},
    "adam": {"learning_rate": 0.3, "beta1": 0.7, "beta2": 0.8, "epsilon": 1e-2},
}
KEPT = {"sgd": set(), "sgd_momentum": {"velocity"}, "rmsprop": {"cache"}, "adam": {"m", "v", "t"}}
RULES = tuple(DEFAULTS)


class OneNumber:
    """A parameter of one number: the formulas as they are written, in the arithmetic of one dtype."""

    def __init__(self, w: Any, config: dict[str, float]) -> None:
        self.T = type(w)
        self.w, self.config = w, config
        self.velocity = self.cache = self.m = self.v = self.T(0)
        self.t = 0

    def sgd(self, dw: Any) -> None:
        self.w = self.w - self.T(self.config["learning_rate"]) * dw

    def sgd_momentum(self, dw: Any) -> None:
        T = self.T
        self.velocity = T(self.config["momentum"]) * self.velocity - T(self.config["learning_rate"]) * dw
        self.w = self.w + self.velocity

    def rmsprop(self, dw: Any) -> None:
        T, decay = self.T, self.config["decay_rate"]
        self.cache = T(decay) * self.cache + T(1 - decay) * (dw * dw)
        root = T(sqrt(self.cache)) + T(self.config["epsilon"])
        self.w = self.w - T(self.config["learning_rate"]) * dw / root

    def adam(self, dw: Any) -> None:
        T, beta1, beta2 = self.T, self.config["beta1"], self.config["beta2"]
        self.t += 1
        self.m = T(beta1) * self.m + T(1 - beta1) * dw
        self.v = T(beta2) * self.v + T(1 - beta2) * (dw * dw)
        m, v = self.m / T(1 - beta1**self.t), self.v / T(1 - beta2**self.t)
        self.w = self.w - T(self.config["learning_rate"]) * m / (T(sqrt(v)) + T(self.config["epsilon"]))


def rule(name: str) -> Callable[..., tuple[Array, dict[str, Any]]]:
    found: Callable[..., tuple[Array, dict[str, Any]]] = getattr(optim, name)
    return found


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("numbers", [DEFAULTS, OTHERS], ids=["defaults", "others"])
@pytest.mark.parametrize("name", RULES)
def test_the_formulas_to_the_last_bit(name: str, numbers: dict[str, dict[str, Any]], dtype: str) -> None:
    w = normal((2, 3, 4), 0, dtype)
    oracles = [OneNumber(number, numbers[name]) for number in w.ravel()]
    config = None if numbers is DEFAULTS else dict(numbers[name])
    for step in range(4):
        dw = normal(w.shape, step + 1, dtype)
        w, config = rule(name)(w, dw, config)
        for oracle, number in zip(oracles, dw.ravel()):
            getattr(oracle, name)(number)
        assert w.dtype == dtype
        np.testing.assert_array_equal(w.ravel(), [oracle.w for oracle in oracles])


@pytest.mark.parametrize("name", RULES)
def test_the_dictionary_is_the_callers_and_is_filled(name: str) -> None:
    config = {"note": "mine"}
    _, returned = rule(name)(np.ones(3), np.ones(3), config)
    assert returned is config
    assert config.keys() == {"note", *DEFAULTS[name], *KEPT[name]}
    assert {key: config[key] for key in DEFAULTS[name]} == DEFAULTS[name]
    for array in KEPT[name] - {"t"}:
        assert np.shape(config[array]) == (3,)


@pytest.mark.parametrize("name", RULES)
def test_only_sgd_works_in_place(name: str) -> None:
    w, dw = np.ones(3), np.full(3, 2.0)
    next_w, _ = rule(name)(w, dw)
    assert (next_w is w) == (name == "sgd")
    np.testing.assert_array_equal(dw, 2.0)
    if name != "sgd":
        np.testing.assert_array_equal(w, 1.0)


def test_what_the_caller_gave_to_remember_is_not_written_to() -> None:
    velocity, cache, m, v = (np.full(3, 0.5) for _ in range(4))
    optim.sgd_momentum(np.ones(3), np.ones(3), {"velocity": velocity})
    optim.rmsprop(np.ones(3), np.ones(3), {"cache": cache})
    _, config = optim.adam(np.ones(3), np.ones(3), {"m": m, "v": v, "t": 5})
    assert config["t"] == 6
    for kept in (velocity, cache, m, v):
        np.testing.assert_array_equal(kept, 0.5)


@pytest.mark.parametrize("name", RULES)
def test_numbers_of_numpy_do_not_widen_a_parameter(name: str) -> None:
    config: dict[str, Any] = {key: np.float64(value) for key, value in OTHERS[name].items()}
    w, dw = normal((5,), 0, "float32"), normal((5,), 1, "float32")
    expected, _ = rule(name)(w.copy(), dw, dict(OTHERS[name]))
    next_w, returned = rule(name)(w.copy(), dw, config)
    np.testing.assert_array_equal(next_w, expected)
    assert next_w.dtype == np.float32
    assert all(returned[key].dtype == np.float32 for key in KEPT[name] - {"t"})
    assert isinstance(config["learning_rate"], np.float64)  # as the caller wrote it


def test_the_numbers_of_the_notebook() -> None:
    """`w` and `dw` of the course's cell, and the velocity that it starts from; the first and last are worked out."""
    N, D = 4, 5
    w = np.linspace(-0.4, 0.6, num=N * D).reshape(N, D)
    dw = np.linspace(-0.6, 0.4, num=N * D).reshape(N, D)
    v = np.linspace(0.6, 0.9, num=N * D).reshape(N, D)
    next_w, config = optim.sgd_momentum(w, dw, {"learning_rate": 1e-3, "velocity": v})
    assert round(next_w[0, 0], 9) == 0.1406  # -0.4 + 0.9 * 0.6 + 0.001 * 0.6
    assert round(next_w[-1, -1], 9) == 1.4096  # 0.6 + 0.9 * 0.9 - 0.001 * 0.4
    assert round(config["velocity"][0, 0], 9) == 0.5406

"""Activations are launches of kernels alone: done again on other numbers, they give the bits of the functions."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from strategies import normal, stored

from fastconv import functional as F

pytest.importorskip("numba", reason="the fast backend needs Numba")

from fastconv.backends.fast.machine.record import recording
from fastconv.backends.fast.memory.plan_cache import forget_plans
from fastconv.backends.fast.program import Memory, again

Array = Any
BY_NUMBER = (
    "relu", "leaky_relu", "relu6", "hardsigmoid", "hardswish", "elu", "selu", "sigmoid", "tanh", "silu", "softplus",
    "softsign", "gelu",
)  # fmt: skip
ALONG = (("softmax", 1), ("log_softmax", 1), ("softmax", -1))
FUNCTIONS: dict[str, tuple[Callable[..., Any], int]] = {  # and how many arrays each takes
    **{name: (getattr(F, name), 1) for name in BY_NUMBER},
    **{f"{name}_backward": (getattr(F, f"{name}_backward"), 2) for name in BY_NUMBER},
    "gelu tanh": (partial(F.gelu, approximate="tanh"), 1),
    "gelu tanh backward": (partial(F.gelu_backward, approximate="tanh"), 2),
    **{f"{name} {axis}": (partial(getattr(F, name), axis=axis), 1) for name, axis in ALONG},
    **{f"{name} backward {axis}": (partial(getattr(F, f"{name}_backward"), axis=axis), 2) for name, axis in ALONG},
    "prelu": (lambda x: F.prelu(x, SLOPES[x.dtype.str]), 1),
    "prelu backward": (lambda dy, x: F.prelu_backward(dy, x, SLOPES[x.dtype.str]), 2),
    "prelu of one slope": (lambda x: F.prelu(x, ONE_SLOPE[x.dtype.str]), 1),
    "prelu of one slope backward": (lambda dy, x: F.prelu_backward(dy, x, ONE_SLOPE[x.dtype.str]), 2),
}
SLOPES = {np.dtype(kind).str: np.full(6, 0.3, kind) for kind in ("float32", "float64")}
ONE_SLOPE = {kind: slopes[:1].copy() for kind, slopes in SLOPES.items()}


def results(found: Any) -> list[Array]:
    return [found] if isinstance(found, np.ndarray) else list(found)


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("orders", [("C", "C"), ("channels-last", "channels-last"), ("C", "channels-last")])
@pytest.mark.parametrize("shape", [(4, 6, 9, 8), (3, 6, 40, 41)], ids=["small", "large"])
def test_everything_is_launched(name: str, dtype: str, orders: tuple[str, str], shape: tuple[int, ...]) -> None:
    function, count = FUNCTIONS[name]
    arrays = [stored(normal(shape, i, dtype), order) for i, order in enumerate(orders[:count])]
    with recording() as heard:
        forget_plans()  # so that every plan is made while somebody listens
        found = results(function(*arrays))
    for i, array in enumerate(arrays):
        array[...] = normal(shape, 10 + i, dtype)
    again(heard.runs, Memory([*heard.arrays, *heard.plans, *arrays, *found], heard.bounds))
    for again_found, expected in zip(found, results(function(*arrays))):
        np.testing.assert_array_equal(again_found, expected)

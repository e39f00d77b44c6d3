"""The example with four images and a tanh network, held against the tutorial's own method with SciPy."""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray
from programs import load_example
from strategies import BACKENDS

import fastconv as fc

Array = NDArray[np.float64]

ROUNDS, RATE = 1000, 0.7
AGREED = 1e-9  # the relative difference that was asked for
IMAGES = [np.repeat(rows, 3).reshape(3, 3) for rows in ([0, 0, 0], [1, 0, 0], [0, 1, 1], [1, 1, 1])]
TARGETS = [0.53, 0.77, 0.88, 1.1]


class Original(NamedTuple):
    """What the tutorial's program computes."""

    costs: list[float]
    start: Array
    final: Array
    w1: Array
    w2: Array


def logistic(x: Array) -> Array:
    return 1 / (1 + np.exp(-1 * x))


def forward(image: Array, w1: Array, w2: Array) -> tuple[Array, Array, Array, Array]:
    from scipy import signal

    layer_1 = signal.convolve2d(image, w1, "valid")
    row = np.tanh(layer_1).reshape(1, -1)
    layer_2 = row.dot(w2)
    return layer_1, row, layer_2, logistic(layer_2)


def evaluate(w1: Array, w2: Array) -> tuple[float, Array]:
    outputs = np.array([forward(image, w1, w2)[3].item() for image in IMAGES])
    return 0.5 * float(np.square(outputs - TARGETS).sum()), outputs


@cache
def original() -> Original:
    """Train as the tutorial does: SciPy's convolution, and gradients worked out by hand."""
    from scipy import signal

    np.random.seed(598765)  # noqa: NPY002 - the generator of the tutorial
    w1, w2 = np.random.randn(2, 2) * 4, np.random.randn(4, 1) * 4  # noqa: NPY002
    cost, start = evaluate(w1, w2)
    costs = [cost]
    for _ in range(ROUNDS):
        for image, target in zip(IMAGES, TARGETS):
            layer_1, row, layer_2, output = forward(image, w1, w2)
            slope = (output - target) * logistic(layer_2) * (1 - logistic(layer_2))
            inner = slope.dot(w2.T).reshape(2, 2) * (1 - np.tanh(layer_1) ** 2)
            w2 = w2 - RATE * row.T.dot(slope)
            w1 = w1 - RATE * np.rot90(signal.convolve2d(image, np.rot90(inner, 2), "valid"), 2)
        costs.append(evaluate(w1, w2)[0])
    return Original(costs, start, evaluate(w1, w2)[1], w1, w2)


def difference(found: Any, expected: Any) -> float:
    """Largest relative difference of a number from the one that is expected."""
    found, expected = np.asarray(found), np.asarray(expected)
    assert found.shape == expected.shape
    return float(np.max(np.abs(found - expected) / np.abs(expected)))


@pytest.mark.slow
@pytest.mark.parametrize("backend", BACKENDS)
def test_the_cost_falls_as_the_original_does(backend: str) -> None:
    pytest.importorskip("scipy", reason="the original convolves with SciPy")
    with fc.use_backend(backend):
        run = load_example("tanh_network")["train"](ROUNDS)
    expected = original()
    assert difference(run.costs, expected.costs) <= AGREED
    assert difference(run.start, expected.start) <= AGREED
    assert difference(run.final, expected.final) <= AGREED
    assert difference(np.rot90(run.network[0].weight.data[0, 0], 2), expected.w1) <= AGREED
    assert difference(run.network[3].weight.data.T, expected.w2) <= AGREED
    assert run.costs[-1] < run.costs[0] / 100

"""A convolution with an activation, and a max pooling after it, has the bits of the layers one after the other."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import numpy as np
import pytest
from strategies import normal as drawn
from strategies import stored

import fastconv as fc
from fastconv import layers as L
from fastconv.layers.base import Layer
from fastconv.optim import SGD
from fastconv.programs.fused import Activated, fused

Array = Any

POOLS: dict[
    str, tuple[Callable[[], Layer], Callable[[], Layer], tuple[int, ...]]
] = {  # a convolution, and what it gets
    "halves": (lambda: L.MaxPool2d(2), lambda: L.Conv2d(3, 5, 3, padding=1, rng=0), (2, 3, 10, 8)),
    "odd": (lambda: L.MaxPool2d((2, 3)), lambda: L.Conv2d(3, 70, 3, rng=0), (3, 3, 9, 11)),
    "overlapping": (lambda: L.MaxPool2d(3, 2, padding=1), lambda: L.Conv2d(3, 5, (3, 1), rng=0), (2, 3, 11, 8)),
    "dilated": (lambda: L.MaxPool2d(2, 1, dilation=2), lambda: L.Conv2d(3, 5, 1, rng=0), (2, 3, 7, 8)),
    "with gaps": (lambda: L.MaxPool2d(2, 3), lambda: L.Conv2d(3, 5, 3, rng=0), (2, 3, 12, 10)),
    "ceiling": (lambda: L.MaxPool2d(3, ceil_mode=True), lambda: L.Conv2d(3, 5, 3, rng=0), (2, 3, 10, 13)),
    "signal": (lambda: L.MaxPool1d(2), lambda: L.Conv1d(3, 5, 5, rng=0), (2, 3, 41)),
    "volume": (lambda: L.MaxPool3d(2), lambda: L.Conv3d(3, 5, 2, rng=0), (2, 3, 5, 6, 7)),
}


def normal(shape: tuple[int, ...], seed: int) -> Array:
    return drawn(shape, seed).astype(np.float32)


def one_after_the_other(layers: list[Layer], x: Array, dy: Array) -> list[Array]:
    """Output, gradient of the input, and gradients of the parameters."""
    network = L.Sequential(*deepcopy(layers))
    y = network(x)
    dx = network.backward(dy)
    return [y, dx, *(parameter.grad for parameter in network.parameters())]


def in_one(layers: list[Layer], x: Array, dy: Array) -> list[Array]:
    """The same of what `fused` makes of all of them."""
    first, *others = deepcopy(layers)
    one, done = fused(first, others, x) or (None, 0)
    assert isinstance(one, Activated)
    assert done == len(others)
    y = one.forward(x)
    assert one.output_shape(x.shape) == y.shape
    return [y, one.backward(dy), *(parameter.grad for parameter in one.parameters())]


def assert_bits(layers: list[Layer], x: Array, dy: Array) -> None:
    with fc.use_backend("fast"), np.errstate(all="ignore"):
        found, expected = in_one(layers, x, dy), one_after_the_other(layers, x, dy)
    assert len(found) == len(expected)
    for one, other in zip(found, expected):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("order", ["C", "channels-last"])
@pytest.mark.parametrize("relu", [L.ReLU, L.ReLU6])
@pytest.mark.parametrize("name", POOLS)
def test_a_relu_and_a_pooling_change_places_backward(name: str, relu: type[Layer], order: str) -> None:
    pool, conv, shape = POOLS[name]
    layers = [conv(), relu(), pool()]
    x = stored(normal(shape, 1) * np.float32(3), order)
    dy = stored(normal(L.Sequential(*layers).output_shape(shape), 2), order)
    for threads in sorted({1, fc.get_num_threads()}):
        with fc.use_num_threads(threads):
            assert_bits(layers, x, dy)


@pytest.mark.parametrize("relu", [L.ReLU, L.ReLU6])
def test_what_is_not_finite_goes_where_it_goes_in_the_layers(relu: type[Layer]) -> None:
    pool, conv, shape = POOLS["overlapping"]
    x, layers = normal(shape, 1), [conv(), relu(), pool()]
    x[0, 1, 2, 3], x[1, 2, 5, 5], x[1, 0, 7, 2] = np.nan, np.inf, -np.inf
    dy = normal(L.Sequential(*layers).output_shape(shape), 2)
    dy[0, 2, 1, 1], dy[1, 3, 2, 2], dy[1, 4, 0, 0] = np.nan, np.inf, -np.inf
    assert_bits(layers, x, dy)


def test_other_activations_come_after_the_pooling_backward() -> None:
    pool, conv, shape = POOLS["halves"]
    with fc.use_backend("fast"):
        found = fused(conv(), [L.Sigmoid(), pool()], normal(shape, 0))
        average = fused(conv(), [L.ReLU(), L.AvgPool2d(2)], normal(shape, 0))
        nothing = fused(conv(), [pool(), L.ReLU()], normal(shape, 0))
    assert found is not None
    assert average is not None
    assert (found[1], average[1], nothing) == (1, 1, None)


def test_a_step_says_what_is_done_in_one() -> None:
    pool, conv, shape = POOLS["halves"]
    model = L.Sequential(conv(), L.ReLU(), pool(), L.Conv2d(5, 4, 3, rng=1), L.ReLU(), L.Flatten())
    x, labels = normal(shape, 0), np.array([0, 3])
    lines = str(fc.compile(model, x, labels, optimizer=SGD(model.parameters(), lr=0.1)))
    assert "0 (Conv2d) + ReLU + MaxPool2d backward" in lines
    assert "3 (Conv2d) + ReLU backward" in lines
    unfused = str(fc.compile(model, x, labels, optimizer=SGD(model.parameters(), lr=0.1), fuse=False))
    assert "2 (MaxPool2d) backward" in unfused
    assert "1 (ReLU) backward" in unfused

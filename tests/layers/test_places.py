"""What layers of max pooling keep between their passes: where the maxima were, in a byte each where that is enough."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from strategies import Array

import fastconv as fc
from fastconv import layers
from fastconv.layers import Layer

pytest.importorskip("numba")

from fastconv.backends.fast.machine.record import recording
from fastconv.backends.fast.memory.plan_cache import forget_plans
from fastconv.backends.fast.program import Memory, again

Case = tuple[Callable[[], Layer], tuple[int, ...], int]  # layer, shape of the input, bytes of a place

CASES: dict[str, Case] = {
    "side by side": (lambda: layers.MaxPool2d(2), (2, 9, 8, 34), 1),
    "overlapping": (lambda: layers.MaxPool2d(3, 1, 1), (2, 3, 7, 21), 1),
    "ceil": (lambda: layers.MaxPool2d(3, 2, ceil_mode=True), (1, 10, 8, 40), 1),
    "every third": (lambda: layers.MaxPool2d((2, 3), (1, 3)), (1, 2, 5, 61), 1),
    "dilated": (lambda: layers.MaxPool2d((2, 3), (2, 1), 1, (2, 3)), (2, 9, 10, 13), 1),
    "without a cell": (lambda: layers.MaxPool2d(2, 1, (2, 1), (4, 3)), (2, 3, 3, 5), 1),
    "long": (lambda: layers.MaxPool2d((5, 7), padding=2), (1, 8, 7, 7), 1),
    "256 cells": (lambda: layers.MaxPool2d(16), (1, 9, 16, 16), 1),
    "257 cells": (lambda: layers.MaxPool1d(257), (2, 3, 600), 8),
    "1d": (lambda: layers.MaxPool1d(3, 2, 1), (2, 9, 37), 1),
    "3d": (lambda: layers.MaxPool3d((2, 3, 2), (1, 2, 2), 1), (1, 3, 5, 8, 19), 1),
    "adaptive": (lambda: layers.AdaptiveMaxPool2d((2, 3)), (2, 9, 4, 9), 1),
    "adaptive, unequal": (lambda: layers.AdaptiveMaxPool2d((2, 4)), (2, 3, 5, 7), 8),
    "global": (lambda: layers.GlobalMaxPool2d(), (2, 9, 5, 7), 1),
    "avg": (lambda: layers.AvgPool2d(3, 2, 1), (2, 9, 8, 13), 0),
    "avg side by side": (lambda: layers.AvgPool2d(2), (2, 3, 8, 44), 0),
    "adaptive avg": (lambda: layers.AdaptiveAvgPool2d((2, 4)), (2, 9, 5, 7), 0),
    "global avg": (lambda: layers.GlobalAvgPool2d(), (2, 9, 5, 7), 0),
    "lp": (lambda: layers.LPPool2d(2, 3, 2), (2, 3, 9, 13), 0),
}
orders = pytest.mark.parametrize("last", [False, True])
dtypes = pytest.mark.parametrize("dtype", ["float32", "float64"])


def drawn(shape: tuple[int, ...], dtype: str, seed: int, *, last: bool = False) -> Array:
    """Small integers, so that maxima are equal, with some NaN and infinities."""
    rng = np.random.default_rng(seed)
    numbers = rng.integers(-3, 4, shape).astype(dtype)
    numbers[rng.random(shape) < 0.02] = np.nan
    numbers[rng.random(shape) < 0.02] = -np.inf
    return np.moveaxis(np.moveaxis(numbers, 1, -1).copy(), -1, 1) if last else numbers


@dtypes
@orders
@pytest.mark.parametrize("name", [name for name, (_, _, nbytes) in CASES.items() if nbytes])
def test_places_are_those_of_the_indices(name: str, last: bool, dtype: str) -> None:
    make, shape, nbytes = CASES[name]
    layer, twin, x = make(), make(), drawn(shape, dtype, 0, last=last)
    rank = x.ndim - 2
    with fc.use_backend("numpy"):
        expected = twin.forward(x)
    with fc.use_backend("fast"):
        y = layer.forward(x)
        maxima, indices = layer._kept()[0], twin._kept()[0].indices()
        np.testing.assert_array_equal(y, expected)
        np.testing.assert_array_equal(maxima.indices(), indices)
        assert maxima.places.nbytes == y.size * nbytes == layer.kept_bytes(shape, x.itemsize)
        for other in (last, not last):
            dy = np.random.default_rng(1).standard_normal(y.shape).astype(dtype)
            dy = np.moveaxis(np.moveaxis(dy, 1, -1).copy(), -1, 1) if other else dy
            dx = getattr(fc, f"max_pool{rank}d_backward")(dy, indices, shape)
            np.testing.assert_array_equal(layer.backward(dy), dx)
    assert twin.backward(dy) is not None


@dtypes
@orders
@pytest.mark.parametrize("name", CASES)
def test_a_replay_is_the_layer(name: str, last: bool, dtype: str) -> None:
    make, shape, _ = CASES[name]
    layer = make()
    x, dy = drawn(shape, dtype, 0, last=last), drawn(layer.output_shape(shape), dtype, 1, last=last)
    with fc.use_backend("fast"), recording() as heard:
        forget_plans()
        y, dx = layer.forward(x), layer.backward(dy)
        assert dx is not None
        memory = Memory([*heard.arrays, *heard.plans, x, dy, y, dx], heard.bounds)
        with heard.paused():
            x[...], dy[...] = drawn(shape, dtype, 2), drawn(dy.shape, dtype, 3)
            again(heard.runs, memory)
            for found, expected in zip((y.copy(), dx.copy()), (layer.forward(x), layer.backward(dy))):
                np.testing.assert_array_equal(found, expected)


def test_results_do_not_depend_on_the_threads() -> None:
    x = drawn((2, 40, 30, 41), "float32", 0, last=True)
    found = []
    for threads in (1, 2):
        with fc.use_num_threads(min(threads, fc.get_num_threads())), fc.use_backend("fast"):
            layer = layers.MaxPool2d(3, 1, 1)
            y = layer.forward(x)
            found.append((y, layer.backward(y)))
    np.testing.assert_array_equal(found[0][0], found[1][0])
    np.testing.assert_array_equal(found[0][1], found[1][1])

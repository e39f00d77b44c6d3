"""Layers that only copy: on the fast backend, whatever they do is launches."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from strategies import BACKENDS, Array

import fastconv as fc
from fastconv.layers import Concat, Flatten, Identity, Layer, ReLU, SubsampleShortcut

pytest.importorskip("numba")

from fastconv.backends.fast.machine.record import recording
from fastconv.backends.fast.memory.plan_cache import forget_plans
from fastconv.backends.fast.program import Memory, again

LAYERS: dict[str, Callable[[], Layer]] = {
    "concat": lambda: Concat(Identity(), ReLU(), ReLU()),
    "concat of rows": lambda: Concat(Identity(), ReLU(), axis=2),
    "concat of one": lambda: Concat(ReLU()),
    "subsample": lambda: SubsampleShortcut(3, 6),
    "subsample alone": lambda: SubsampleShortcut(3, 3, (1, 2)),
    "subsample NHWC": lambda: SubsampleShortcut(7, 9, (3, 2), layout="NHWC"),
    "flatten": Flatten,
    "flatten some": lambda: Flatten(2),
    "flatten others": lambda: Flatten(-3, -2),
}
SHAPE = (2, 3, 5, 7)


def drawn(shape: tuple[int, ...], dtype: str, seed: int, *, last: bool) -> Array:
    numbers = np.random.default_rng(seed).standard_normal(shape).astype(dtype)
    return np.moveaxis(np.moveaxis(numbers, 1, -1).copy(), -1, 1) if last else numbers


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("name", LAYERS)
def test_a_replay_is_the_layer(name: str, last: bool, dtype: str) -> None:
    layer = LAYERS[name]()
    x = drawn(SHAPE, dtype, 0, last=last)
    dy = drawn(layer.output_shape(SHAPE), dtype, 1, last=last and "flatten" not in name)
    with fc.use_backend("fast"), recording() as heard:
        forget_plans()
        y, dx = layer.forward(x), layer.backward(dy)
        assert dx is not None
        memory = Memory([*heard.arrays, *heard.plans, x, dy, y, dx], heard.bounds)
        with heard.paused():
            for seed in (2, 3):
                x[...], dy[...] = drawn(x.shape, dtype, seed, last=False), drawn(dy.shape, dtype, seed + 2, last=False)
                again(heard.runs, memory)
                replayed = y.copy(), dx.copy()
                for found, expected in zip(replayed, (layer.forward(x), layer.backward(dy))):
                    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("name", LAYERS)
def test_backends_give_the_same_bits_and_memory_order(name: str, last: bool) -> None:
    found = []
    for backend in BACKENDS:
        with fc.use_backend(backend):
            layer, x = LAYERS[name](), drawn(SHAPE, "float64", 0, last=last)
            y = layer.forward(x)
            dx = layer.backward(drawn(y.shape, "float64", 1, last=last and y.ndim > 3))
            assert dx is not None
            found.append((y, dx))
    for y, dx in found[1:]:
        np.testing.assert_array_equal(y, found[0][0])
        np.testing.assert_array_equal(dx, found[0][1])


def test_flattening_copies_only_what_is_apart_in_memory() -> None:
    x = drawn(SHAPE, "float32", 0, last=True)
    assert not np.shares_memory(Flatten()(x), x)
    assert np.shares_memory(Flatten(2)(x), x)
    plane = drawn(SHAPE, "float32", 0, last=False)
    assert np.shares_memory(Flatten()(plane), plane)
    assert np.shares_memory(Flatten()(x[:, :, :1, :1]), x)

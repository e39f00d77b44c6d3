"""Normalisation in training is launches of kernels alone: done again on other numbers, they give the bits of the layer.

So nothing between them is computed by NumPy, and running statistics are moved in place.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from strategies import normal, stored

import fastconv as fc
from fastconv import layers as L

pytest.importorskip("numba", reason="the fast backend needs Numba")

from fastconv.backends.base import Backend
from fastconv.backends.fast import FastBackend
from fastconv.backends.fast.machine.launch import launch
from fastconv.backends.fast.machine.record import recording
from fastconv.backends.fast.memory.plan_cache import forget_plans
from fastconv.backends.fast.program import Memory, again

Array = Any

# One pixel, tiny planes, few channels that are folded, odd ones, planes that are cut, more than a block of columns.
SHAPES = [(300, 2), (7, 12), (4, 6, 9), (3, 6, 5, 7), (2, 4, 33, 65), (2, 134, 3, 2), (16, 24, 15, 17), (2, 4, 3, 5, 6)]


def batch(rank: int, channels: int, **options: Any) -> L.Layer:
    kind: Any = getattr(L, f"BatchNorm{max(1, rank)}d")
    layer: L.Layer = kind(channels, **options)
    return layer


def instance(rank: int, channels: int, **options: Any) -> L.Layer:
    kind: Any = getattr(L, f"InstanceNorm{rank}d")
    layer: L.Layer = kind(channels, **options)
    return layer


LAYERS: dict[str, Callable[..., L.Layer]] = {
    "batch": lambda shape, **k: batch(len(shape) - 2, shape[1], **k),
    "batch, cumulative": lambda shape, **k: batch(len(shape) - 2, shape[1], momentum=None, **k),
    "batch, plain": lambda shape, **k: batch(len(shape) - 2, shape[1], affine=False, track_running_stats=False, **k),
    "instance": lambda shape, **k: instance(len(shape) - 2, shape[1], affine=True, track_running_stats=True, **k),
    "instance, plain": lambda shape, **k: instance(len(shape) - 2, shape[1], **k),
    "group": lambda shape, **k: L.GroupNorm(2, shape[1], **k),
    "group of all": lambda shape, **k: L.GroupNorm(1, shape[1], affine=False, **k),
    "layer": lambda shape, **k: L.LayerNorm(shape[1:], **k),
    "layer, last axis": lambda shape, **k: L.LayerNorm(shape[-1], **k),
    "layer, last axes, plain": lambda shape, **k: L.LayerNorm(shape[2:] or shape[1:], elementwise_affine=False, **k),
}


def cases() -> Iterator[Any]:
    for name in LAYERS:
        for shape in SHAPES:
            if not (name.startswith("instance") and len(shape) == 2):
                yield pytest.param(name, shape, id=f"{name} {shape}")


def draw(layer: L.Layer, shape: tuple[int, ...], seed: int) -> None:
    """Other parameters."""
    for i, parameter in enumerate(layer.parameters()):
        parameter.data[...] = normal(parameter.shape, seed + i) + 1


def step(layer: L.Layer, x: Array, dy: Array) -> list[Array]:
    """Output, gradients and running statistics of a step."""
    layer.zero_grad()
    y, dx = layer(x), layer.backward(dy)
    return [y, dx, *(one.grad for one in layer.parameters()), *(value for _, value in layer.named_buffers())]


@pytest.mark.parametrize("order", ["C", "channels-last", "mixed"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("name", "shape"), [*cases()])
def test_launches_done_again_have_the_bits_of_the_layer(
    name: str, shape: tuple[int, ...], dtype: str, order: str
) -> None:
    check(name, shape, dtype, order)


@pytest.mark.parametrize(
    "method", ["merge_moments", "normalize_factors", "normalize_flow", "normalize_gradients", "track"]
)
def test_what_numpy_computes_is_found(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FastBackend, method, getattr(Backend, method))
    with pytest.raises(AssertionError):
        check("batch" if method == "track" else "group", (3, 6, 5, 7), "float64", "C")


def check(name: str, shape: tuple[int, ...], dtype: str, order: str) -> None:
    """Compare launches done again on other numbers with the layer."""
    layer = LAYERS[name](shape, dtype=dtype, backend="fast")
    draw(layer, shape, 10)
    x, dy = normal(shape, 1, dtype) * 3 + 1, normal(shape, 2, dtype)
    x, dy = stored(x, "C" if order == "C" else "channels-last"), stored(dy, "C" if order != "channels-last" else order)
    step(layer, x, dy)  # a count of one would hide that it is read
    with recording() as heard:
        forget_plans()
        results = step(layer, x, dy)
    state = [value for _, value in layer.named_buffers()]

    x[...], dy[...] = normal(shape, 3, dtype) * 5 - 2, normal(shape, 4, dtype) * 2
    draw(layer, shape, 20)
    twin = copy.deepcopy(layer)
    memory = Memory([*heard.arrays, *heard.plans, x, dy, *results], heard.bounds)
    pieces = {memory.place(value).piece for value in state}
    moves = [run for run in heard.runs if pieces & memory.written(run, memory.touched(run))]
    again([run for run in heard.runs if run not in moves], memory)
    for run in moves:
        launch(run.kernel, run.arguments.copy(), run.tasks, run.threads)
    assert bool(state) == bool(moves)
    for found, expected in zip(results, step(twin, x, dy), strict=True):
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("name", ["batch", "batch, cumulative", "instance"])
def test_state_is_moved_in_place_as_in_numpy(name: str) -> None:
    shape = (3, 6, 5, 7)
    fast, plain = (LAYERS[name](shape, dtype=np.float64, backend=backend) for backend in ("fast", "numpy"))
    kept = dict(fast.named_buffers())
    for seed in range(3):
        for layer in (fast, plain):
            layer(normal(shape, seed) * 3 + 1)
    for key, value in fast.named_buffers():
        assert value is kept[key]
        fc.testing.assert_close(value, dict(plain.named_buffers())[key])


@pytest.mark.parametrize("name", LAYERS)
def test_tables_do_not_depend_on_the_number_of_threads(name: str) -> None:
    shape = (70, 150, 2, 3)  # more numbers in a table than one thread takes alone
    x, dy = normal(shape, 1, "float32"), normal(shape, 2, "float32")
    found = []
    for threads in {1, fc.get_num_threads()}:
        with fc.use_num_threads(threads):
            found.append(step(LAYERS[name](shape, backend="fast"), x, dy))
    for one, *others in zip(*found):
        for other in others:
            np.testing.assert_array_equal(one, other)

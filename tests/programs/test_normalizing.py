"""Batch normalisation with a sum and a ReLU in its passes has the bits of the layers one after the other."""

from __future__ import annotations

import copy
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from programs import run
from strategies import normal, stored

import fastconv as fc
from fastconv import layers as L
from fastconv.backends.fast.machine.record import recording
from fastconv.backends.fast.memory.plan_cache import forget_plans
from fastconv.backends.fast.program import Memory, again
from fastconv.errors import InvalidValueError
from fastconv.functional.relu import add
from fastconv.programs.normalizing import normalized, normalized_backward, normalizes

Array = Any

SHAPES = [(300, 2), (7, 12), (4, 6, 9), (3, 6, 5, 7), (2, 4, 33, 65), (2, 134, 3, 2), (16, 24, 15, 17), (2, 4, 3, 5, 6)]
RELUS: dict[str, Any] = {"ReLU": L.ReLU, "ReLU6": L.ReLU6, "none": lambda: None}
every_relu = pytest.mark.parametrize("relu", RELUS)


def norm_of(shape: tuple[int, ...], dtype: str = "float32", **options: Any) -> Any:
    layer = getattr(L, f"BatchNorm{max(1, len(shape) - 2)}d")(shape[1], dtype=dtype, **options)
    for i, parameter in enumerate(layer.parameters()):
        parameter.data[...] = normal(parameter.shape, i) * 3 + 1
    return layer


def pair(norm: L.Layer, relu: L.Layer | None) -> tuple[Any, Any]:
    norm, relu = copy.deepcopy(norm), copy.deepcopy(relu)
    norm.zero_grad()
    return norm, relu


def state(norm: L.Layer) -> list[Array]:
    return [*(value for _, value in norm.named_buffers()), *(parameter.grad for parameter in norm.parameters())]


def one_after_the_other(norm: L.Layer, relu: L.Layer | None, x: Array, dy: Array, other: Array | None) -> list[Array]:
    """What the layers compute: y, dx, the gradient of `other`, state and gradients."""
    norm, relu = pair(norm, relu)
    y = norm(x)
    y = y if other is None else add(y, other)
    y = y if relu is None else relu(y)
    masked = dy if relu is None else relu.backward(dy)
    return [y, norm.backward(masked), *([] if other is None else [masked]), *state(norm)]


def in_its_passes(norm: L.Layer, relu: L.Layer | None, x: Array, dy: Array, other: Array | None) -> list[Array]:
    """The same."""
    norm, relu = pair(norm, relu)
    assert normalizes(norm, relu, x, other)
    y = normalized(norm, relu, x, other)
    dx, dother = normalized_backward(norm, relu, dy, shared=other is not None)
    assert (dother is None) == (other is None)
    return [y, dx, *([] if other is None else [dother]), *state(norm)]


def assert_bits(found: list[Array], expected: list[Array]) -> None:
    for one, two in zip(found, expected, strict=True):
        assert one.dtype == two.dtype
        np.testing.assert_array_equal(one, two)
        assert one.dtype.kind == "i" or (np.isnan(one) | (np.signbit(one) == np.signbit(two))).all()


def arrays(shape: tuple[int, ...], dtype: str, orders: str = "CCC") -> list[Array]:
    """X, dy, and what is added."""
    names = ("channels-last" if order == "L" else "C" for order in orders)
    return [stored((normal(shape, i) * 3 + 1).astype(dtype), name) for i, name in enumerate(names)]


@every_relu
@pytest.mark.parametrize("added", [False, True])
@pytest.mark.parametrize("orders", ["CCC", "LLL", "LCC", "CLC", "CCL"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_passes_have_the_bits_of_the_layers(
    shape: tuple[int, ...], dtype: str, orders: str, added: bool, relu: str
) -> None:
    x, dy, other = arrays(shape, dtype, orders)
    what = norm_of(shape, dtype), RELUS[relu](), x, dy, other if added else None
    with fc.use_backend("fast"):
        assert_bits(in_its_passes(*what), one_after_the_other(*what))


@every_relu
@pytest.mark.parametrize("order", "CL")
def test_what_is_not_finite_goes_where_it_goes_in_the_layers(order: str, relu: str) -> None:
    x, dy, other = arrays((3, 6, 5, 7), "float32", 3 * order)
    x[0, 1, 2, 3], dy[1, 2, 0, 0], dy[2, 2, 0, 1], other[0, 3, 0, 0] = np.nan, np.inf, np.nan, np.nan
    other[1, 4, 1, 1], other[1, 4, 1, 2] = np.inf, -np.inf
    other[2] = 0
    what = norm_of(x.shape), RELUS[relu](), x, dy, other
    with fc.use_backend("fast"), np.errstate(all="ignore"):
        assert_bits(in_its_passes(*what), one_after_the_other(*what))


@every_relu
@pytest.mark.parametrize(
    "options", [{"affine": False}, {"momentum": None}, {"track_running_stats": False}], ids=lambda o: next(iter(o))
)
def test_options_of_the_layer(options: dict[str, Any], relu: str) -> None:
    x, dy, other = arrays((3, 6, 5, 7), "float32")
    what = norm_of(x.shape, **options), RELUS[relu](), x, dy, other
    with fc.use_backend("fast"):
        assert_bits(in_its_passes(*what), one_after_the_other(*what))


def test_channels_last_layouts_and_frozen_parameters() -> None:
    x, dy, other = (np.moveaxis(array, 1, -1) for array in arrays((3, 6, 5, 7), "float32", "LLL"))
    norm = norm_of((3, 6, 5, 7), layout="NHWC")
    with fc.use_backend("fast"):
        assert_bits(in_its_passes(norm, L.ReLU(), x, dy, other), one_after_the_other(norm, L.ReLU(), x, dy, other))
        norm.weight.requires_grad = norm.bias.requires_grad = False
        found = in_its_passes(norm, L.ReLU(), x, dy, None)
        expected = one_after_the_other(norm, L.ReLU(), x, dy, None)
        assert found[-2:] == expected[-2:] == [None, None]
        assert_bits(found[:-2], expected[:-2])


@every_relu
@pytest.mark.parametrize("added", [False, True])
def test_gradients_add_up_and_that_of_the_input_may_be_left_out(added: bool, relu: str) -> None:
    x, dy, other = arrays((3, 6, 5, 7), "float32")
    norm, after = norm_of(x.shape), RELUS[relu]()
    with fc.use_backend("fast"):
        expected = one_after_the_other(norm, after, x, dy, other if added else None)
        normalized(norm, after, x, other if added else None)
        for times in (1, 2):
            dx, dother = normalized_backward(norm, after, dy, shared=added, input_gradient=False)
            assert dx is None
            assert (dother is not None) == added
            if added:
                np.testing.assert_array_equal(dother, expected[2])
            np.testing.assert_array_equal(norm.weight.grad, times * expected[-2])
            np.testing.assert_array_equal(norm.bias.grad, times * expected[-1])
        if after is not None:
            with pytest.raises(InvalidValueError, match="backward: dy must have the shape of the output"):
                normalized_backward(norm, after, dy[:, :, 1:])


@every_relu
@pytest.mark.parametrize("order", "CL")
@pytest.mark.parametrize("shape", [(7, 12), (3, 6, 5, 7), (16, 24, 15, 17)], ids=str)
def test_passes_are_launches_that_can_be_done_again(shape: tuple[int, ...], order: str, relu: str) -> None:
    x, dy, other = arrays(shape, "float32", 3 * order)
    norm, after = norm_of(shape, track_running_stats=False), RELUS[relu]()
    with fc.use_backend("fast"):
        with recording() as heard:
            forget_plans()
            y = normalized(norm, after, x, other)
            results = [y, *normalized_backward(norm, after, dy, shared=True), *state(norm)]
        for i, array in enumerate((x, dy, other)):
            array[...] = normal(shape, 10 + i) * 2
        for parameter in norm.parameters():
            parameter.data[...] = normal(parameter.shape, 5)
        again(heard.runs, Memory([*heard.arrays, *heard.plans, x, dy, other, *results], heard.bounds))
        assert_bits(results, one_after_the_other(norm, after, x, dy, other))


def test_what_is_not_taken() -> None:
    x, _, other = arrays((3, 6, 5, 7), "float32")
    norm, relu = norm_of(x.shape), L.ReLU()

    class Own(L.BatchNorm2d):
        pass

    with fc.use_backend("fast"):
        assert normalizes(norm, relu, x, other)
        assert normalizes(norm, None, x)
        assert not normalizes(copy.deepcopy(norm).eval(), relu, x)
        assert not normalizes(norm, L.Tanh(), x)
        assert not normalizes(Own(6), relu, x)
        assert not normalizes(L.InstanceNorm2d(6), relu, x)
        assert not normalizes(norm, relu, x.astype(np.float64))
        assert not normalizes(norm, relu, x.astype(">f4"))
        assert not normalizes(norm, relu, x, other[:1])
        assert not normalizes(norm, relu, x, other.astype(np.float64))
        assert not normalizes(norm, relu, x[:0])
        assert not normalizes(norm, L.ReLU(backend="numpy"), x)
        assert not normalizes(norm_of(x.shape, backend="naive"), relu, x)
    with fc.use_backend("numpy"):
        assert not normalizes(norm, relu, x)
        assert normalizes(norm_of(x.shape, backend="fast"), L.ReLU(backend="fast"), x)


@pytest.mark.parametrize("relu", ["ReLU", "ReLU6"])
@pytest.mark.parametrize("order", "CL")
def test_backward_reads_the_output_only_where_something_was_added(order: str, relu: str) -> None:
    x, dy, other = arrays((3, 6, 5, 7), "float32", 3 * order)
    norm, after = norm_of(x.shape), RELUS[relu]()
    with fc.use_backend("fast"):
        for added in (None, other):
            expected = in_its_passes(norm, after, x, dy, added)[1]
            normalized(norm, after, x, added)[...] = np.nan  # which lets every gradient through
            dx, _ = normalized_backward(norm, after, dy, shared=added is not None)
            assert np.array_equal(dx, expected) == (added is None)


def twins_have_the_bits_of_the_layers() -> None:
    for relu, order in product(("ReLU", "ReLU6"), "CL"):
        x, dy, other = arrays((3, 6, 5, 7), "float32", 3 * order)
        for added in (None, other):
            what = norm_of(x.shape), RELUS[relu](), x, dy, added
            with fc.use_backend("fast"):
                assert_bits(in_its_passes(*what), one_after_the_other(*what))


@pytest.mark.slow
def test_the_readable_twins_have_the_bits_of_the_layers(tmp_path: Path) -> None:
    run(
        "from test_normalizing import twins_have_the_bits_of_the_layers as check; check()",
        NUMBA_DISABLE_JIT="1",
        NUMBA_CACHE_DIR=str(tmp_path),
    )


@every_relu
def test_threads_do_not_change_a_bit(relu: str) -> None:
    x, dy, other = arrays((16, 24, 15, 17), "float32")
    found = []
    for threads, order in product(sorted({1, fc.get_num_threads()}), "CL"):
        x, dy, other = arrays((16, 24, 15, 17), "float32", 3 * order)
        with fc.use_backend("fast"), fc.use_num_threads(threads):
            found.append(in_its_passes(norm_of(x.shape), RELUS[relu](), x, dy, other))
    for results in found[1:]:
        assert_bits(results, found[0])

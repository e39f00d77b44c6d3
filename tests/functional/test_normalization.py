"""Batch, instance, group, layer and local response normalisation: functions, kernels and layers."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from programs import run
from strategies import BACKENDS, ENGINES, FLOATS, MEMORY, Array, channels_last, normal, stored
from vector_units import OTHER_UNITS, PATHS, only_where_it_runs

import fastconv as fc
from fastconv.backends import resolve_backend
from fastconv.backends.base import Backend
from fastconv.errors import InvalidTypeError, InvalidValueError, NotRunError
from fastconv.functional import (
    batch_norm,
    batch_norm_backward,
    batch_norm_statistics,
    group_norm,
    group_norm_backward,
    group_norm_statistics,
    instance_norm,
    instance_norm_backward,
    instance_norm_statistics,
    layer_norm,
    layer_norm_backward,
    layer_norm_statistics,
    local_response_norm,
    local_response_norm_backward,
)
from fastconv.layers import (
    BatchNorm1d,
    BatchNorm2d,
    BatchNorm3d,
    GroupNorm,
    InstanceNorm1d,
    InstanceNorm2d,
    InstanceNorm3d,
    Layer,
    LayerNorm,
    LocalResponseNorm,
    inference_mode,
)
from fastconv.testing import assert_close

GRADIENTS = ("dx", "dweight", "dbias")
needs_fast = pytest.mark.skipif("fast" not in BACKENDS, reason="the fast backend needs Numba")

# Rows and columns of every kind: one pixel, fewer numbers than a vector, some left over, more than a block of columns
# (64 float32) or of rows (128), planes that are cut, few channels that are folded, one image, one channel.
SHAPES = [
    (5, 3),
    (300, 2),
    (4, 1, 9),
    (3, 6, 4, 7),
    (2, 4, 9, 11),
    (2, 70, 3, 2),
    (1, 4, 33, 65),
    (2, 132, 5, 1),
    (2, 4, 3, 5, 6),
]
ORDERS = ("C", "channels-last")


def parts(shape: tuple[int, ...], dtype: str = "float64", order: str = "C") -> tuple[Array, Array, Array, Array]:
    """x with a mean far from zero, weight, bias and dy."""
    x = (normal(shape, 1) * 2 + 3).astype(dtype)
    weight, bias = normal(shape[1:2], 2, dtype), normal(shape[1:2], 3, dtype)
    return stored(x, order), weight, bias, stored(normal(shape, 4, dtype), order)


def compare(name: str, found: Any, expected: Any, dtype: str) -> None:
    for gradient in GRADIENTS:
        actual, desired = getattr(found, gradient), getattr(expected, gradient)
        assert_close(actual, desired, dtype=dtype, name=f"{name} {gradient}")


# by hand


def test_batch_norm_by_hand() -> None:
    x = np.array([[[1.0, 2.0, 3.0], [7.0, 7.0, 7.0]], [[4.0, 5.0, 9.0], [7.0, 7.0, 7.0]]])
    mean, variance = batch_norm_statistics(x)
    assert_close(mean, np.array([4.0, 7.0]))
    assert_close(variance, np.array([20 / 3, 0.0]))  # 9 + 4 + 1 + 0 + 1 + 25 over six
    y = batch_norm(x, [2.0, 5.0], [1.0, -1.0], eps=7 / 3)
    assert_close(y[:, 0], np.array([[-1.0, -1 / 3, 1 / 3], [1.0, 5 / 3, 13 / 3]]))  # the deviation is 3
    assert_close(y[:, 1], np.full((2, 3), -1.0))


def test_given_statistics_are_used_and_are_constants() -> None:
    x, dy = np.array([[1.0, 2.0], [5.0, 4.0]]), np.array([[1.0, 2.0], [3.0, 5.0]])
    statistics = ([1.0, 0.0], [3.0, 15.0])
    assert_close(batch_norm(x, [2.0, 8.0], statistics=statistics, eps=1.0), np.array([[0.0, 4.0], [4.0, 8.0]]))
    gradients = batch_norm_backward(dy, x, [2.0, 8.0], statistics=statistics, training=False, eps=1.0)
    assert_close(gradients.dx, dy * [1.0, 2.0])
    assert_close(gradients.dweight, np.array([0 + 3 * 2, 2 * 0.5 + 5 * 1.0]))
    assert_close(gradients.dbias, np.array([4.0, 7.0]))


def test_group_norm_is_layer_norm_for_one_group_and_instance_norm_for_all() -> None:
    x, weight, bias, dy = parts((3, 6, 4, 7))
    whole, elements = layer_norm(x, x.shape[1:]), layer_norm_backward(dy, x, x.shape[1:])
    assert_close(group_norm(x, 1), whole)
    assert_close(group_norm_backward(dy, x, 1).dx, elements.dx)
    assert_close(group_norm(x, 6, weight, bias), instance_norm(x, weight, bias))
    compare("all", group_norm_backward(dy, x, 6, weight), instance_norm_backward(dy, x, weight), "float64")


def test_local_response_norm_by_hand() -> None:
    x = np.array([1.0, 2.0, 3.0, 4.0]).reshape(1, 4, 1)
    # windows of size 2: an element and the one before it
    expected = x / np.array([1 / 2, 5 / 2, 13 / 2, 25 / 2]).reshape(1, 4, 1) ** 2
    assert_close(local_response_norm(x, 2, 1.0, 2.0, 0.0), expected)


# the backends agree


@pytest.mark.parametrize("backend", ENGINES)
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_engines_against_naive(backend: str, dtype: str, order: str, shape: tuple[int, ...]) -> None:
    x, weight, bias, dy = parts(shape, dtype, order)
    for training in (True, False):
        given = None if training else (weight, np.square(bias))
        options: dict[str, Any] = {"statistics": given}
        y = batch_norm(x, weight, bias, **options, backend=backend)
        assert_close(y, batch_norm(x, weight, bias, **options, backend="naive"), name="batch norm")
        found, expected = (
            batch_norm_backward(dy, x, weight, **options, training=training, backend=one) for one in (backend, "naive")
        )
        compare("batch norm", found, expected, dtype)
    groups = 2 if shape[1] % 2 == 0 else 1
    if np.prod(shape[1:]) > 2 * groups:  # of two numbers, what is left of dy are roundings
        y = group_norm(x, groups, weight, bias, backend=backend)
        assert_close(y, group_norm(x, groups, weight, bias, backend="naive"), name="group norm")
        found, expected = (group_norm_backward(dy, x, groups, weight, backend=one) for one in (backend, "naive"))
        compare("group norm", found, expected, dtype)
    if len(shape) > 2 and np.prod(shape[2:]) > 1:
        assert_close(instance_norm(x, weight, backend=backend), instance_norm(x, weight, backend="naive"))
        found, expected = (instance_norm_backward(dy, x, weight, backend=one) for one in (backend, "naive"))
        compare("instance norm", found, expected, dtype)


@pytest.mark.parametrize("backend", ENGINES)
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("axes", [1, 2, 3])
def test_layer_norm_of_engines_against_naive(backend: str, dtype: str, order: str, axes: int) -> None:
    x, _, _, dy = parts((3, 6, 4, 7), dtype, order)
    size = x.shape[-axes:]
    weight, bias = normal(size, 5, dtype), normal(size, 6, dtype)
    assert_close(layer_norm(x, size, weight, bias, backend=backend), layer_norm(x, size, weight, bias, backend="naive"))
    found, expected = (layer_norm_backward(dy, x, size, weight, backend=one) for one in (backend, "naive"))
    compare("layer norm", found, expected, dtype)


@pytest.mark.skipif("fast" not in BACKENDS, reason="the fast backend needs Numba")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(5, 7), (300, 33), (90, 1000), (4, 1)], ids=str)
def test_rows_and_elements_in_one_pass_have_the_bits_of_two(shape: tuple[int, int], dtype: Any) -> None:
    fast, (rows, length) = resolve_backend("fast", "a test"), shape
    x, mean, scale = normal((rows, 1, length), 0, dtype), normal((rows, 1), 1, dtype), normal((rows, 1), 2, dtype)
    weight, bias = normal((1, length), 3, dtype), normal((1, length), 4, dtype)
    x[0, 0, 0], x[-1, 0, -1] = np.nan, np.inf
    expected = Backend.normalize_elements(fast, x, mean, scale, weight, bias)
    for threads in range(1, fc.get_num_threads() + 1):
        with fc.use_num_threads(threads):
            np.testing.assert_array_equal(fast.normalize_elements(x, mean, scale, weight, bias), expected)


@pytest.mark.parametrize("backend", ENGINES)
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("size", [1, 2, 5, 9])
def test_response_norm_of_engines_against_naive(backend: str, dtype: str, order: str, size: int) -> None:
    x, _, _, dy = parts((2, 6, 4, 3), dtype, order)
    y, expected = (local_response_norm(x, size, 0.5, 0.7, 2.0, backend=one) for one in (backend, "naive"))
    assert_close(y, expected)
    dx, expected = (local_response_norm_backward(dy, x, size, 0.5, 0.7, 2.0, backend=one) for one in (backend, "naive"))
    assert_close(dx, expected)


@needs_fast
@pytest.mark.parametrize("order", sorted(MEMORY))
def test_any_memory_order_gives_the_same_numbers(order: str) -> None:
    x, weight, bias, dy = parts((3, 6, 4, 7), "float32")
    moved = stored(x, order), stored(dy, order)
    before = [array.copy() for array in moved]
    options: dict[str, Any] = {"backend": "fast"}
    assert_close(batch_norm(moved[0], weight, bias, **options), batch_norm(x, weight, bias, **options))
    compare(
        order,
        batch_norm_backward(moved[1], moved[0], weight, **options),
        batch_norm_backward(dy, x, weight, **options),
        "float32",
    )
    assert_close(layer_norm(moved[0], (4, 7), **options), layer_norm(x, (4, 7), **options))
    assert all(np.array_equal(array, old) for array, old in zip(moved, before))


@needs_fast
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("shape", [(16, 24, 15, 17), (2, 3, 200, 150), (257, 300)], ids=str)
def test_threads_do_not_change_a_bit(shape: tuple[int, ...], order: str, dtype: str) -> None:
    x, weight, bias, dy = parts(shape, dtype, order)

    def everything() -> list[Array]:
        found = [*batch_norm_statistics(x, backend="fast"), batch_norm(x, weight, bias, backend="fast")]
        found += [array for array in batch_norm_backward(dy, x, weight, backend="fast") if array is not None]
        found += [group_norm(x, 1, backend="fast"), layer_norm(x, shape[1:], backend="fast")]
        return found + [array for array in group_norm_backward(dy, x, 1, weight, backend="fast") if array is not None]

    with fc.use_num_threads(1):
        alone = everything()
    for array, expected in zip(everything(), alone):
        assert np.array_equal(array, expected)


# how exact


@pytest.mark.parametrize("backend", ENGINES)
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("shape", [(8, 5, 40, 31), (2, 33, 64, 70), (2000, 3)], ids=str)
def test_statistics_far_from_zero(backend: str, order: str, shape: tuple[int, ...]) -> None:
    """E[x²] - E[x]² in float32 would be wrong in the first digit here."""
    x = stored((normal(shape, 1) + 5000).astype(np.float32), order)
    exact = x.astype(np.float64)
    axes = (0, *range(2, x.ndim))
    mean, variance = batch_norm_statistics(x, backend=backend)
    # the mean is rounded to float32, which NumPy's deviations are from
    wide = exact.var(axis=axes) + np.square(5000 * np.finfo(np.float32).eps)
    assert_close(mean, exact.mean(axis=axes), dtype=np.float32)
    assert_close(variance, exact.var(axis=axes), magnitude=wide, dtype=np.float32)
    y, weight = batch_norm(x, backend=backend), np.ones(shape[1])
    expected = batch_norm(exact, weight, backend="numpy")
    deviation = exact.std(axis=axes, keepdims=True)
    assert_close(y, expected, magnitude=(np.abs(exact) + 5000) / deviation, dtype=np.float32)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dtype", FLOATS)
def test_dtypes_are_kept(backend: str, dtype: str) -> None:
    x, weight, bias, dy = parts((3, 4, 3, 2), dtype)
    assert batch_norm(x, weight, bias, backend=backend).dtype == dtype
    assert {array.dtype for array in batch_norm_backward(dy, x, weight, backend=backend) if array is not None} == {
        np.dtype(dtype)
    }
    assert batch_norm(x.astype(np.int32), backend=backend).dtype == np.float64
    computed = np.dtype(np.float32 if dtype == "float16" else dtype)
    assert {array.dtype for array in batch_norm_statistics(x, backend=backend)} == {computed}
    assert batch_norm(x, weight.astype(np.float64), backend=backend).dtype == np.float64


@needs_fast
def test_float16_is_computed_in_float32() -> None:
    x = (normal((4, 3, 20, 30), 0) + 100).astype(np.float16)
    expected = batch_norm(x.astype(np.float32), backend="fast").astype(np.float16)
    assert np.array_equal(batch_norm(x, backend="fast"), expected)


@needs_fast
@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_channels_last_memory_stays(layout: str) -> None:
    x, weight, bias, dy = parts((3, 20, 5, 4), "float32", "channels-last")
    if layout == "NHWC":
        x, dy = np.moveaxis(x, 1, -1), np.moveaxis(dy, 1, -1)
    options: dict[str, Any] = {"layout": layout, "backend": "fast"}
    results = [batch_norm(x, weight, bias, **options), group_norm(x, 4, weight, **options)]
    results += [instance_norm(x, weight, **options), local_response_norm(x, 3, **options)]
    results += [batch_norm_backward(dy, x, weight, **options).dx, group_norm_backward(dy, x, 4, **options).dx]
    for result in results:
        assert result.strides == x.strides
        assert result.flags.writeable


@pytest.mark.parametrize("backend", BACKENDS)
def test_layouts_agree(backend: str) -> None:
    x, weight, bias, dy = parts((3, 4, 3, 5))
    moved, gradient = channels_last(x), channels_last(dy)
    options: dict[str, Any] = {"layout": "NHWC", "backend": backend}
    cases: list[tuple[Callable[..., Any], Callable[..., Any], tuple[Any, ...]]] = [
        (batch_norm, batch_norm_backward, ()),
        (instance_norm, instance_norm_backward, ()),
        (group_norm, group_norm_backward, (2,)),
    ]
    for forward, backward, extra in cases:
        expected = forward(x, *extra, weight, bias, backend=backend)
        assert_close(forward(moved, *extra, weight, bias, **options), channels_last(expected))
        wanted = backward(dy, x, *extra, weight, backend=backend)
        found = backward(gradient, moved, *extra, weight, **options)
        assert_close(found.dx, channels_last(wanted.dx))
        assert_close(found.dweight, wanted.dweight)
    assert_close(local_response_norm(moved, 3, **options), channels_last(local_response_norm(x, 3, backend=backend)))


# gradients


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("shape", [(5, 3), (3, 4, 5), (2, 4, 3, 5), (2, 4, 2, 3, 2)], ids=str)
def test_gradients_of_functions(backend: str, shape: tuple[int, ...]) -> None:
    x, weight, bias, _ = parts(shape)
    assert fc.gradient_check(batch_norm, (x, weight, bias), mode="full", backend=backend)
    assert fc.gradient_check(layer_norm, x, backend=backend, normalized_shape=shape[1:])
    if len(shape) > 2:
        assert fc.gradient_check(instance_norm, (x, weight, bias), backend=backend)
        response = {"size": 3, "alpha": 0.5, "beta": 0.6, "k": 1.5}
        assert fc.gradient_check(local_response_norm, x, backend=backend, **response)
    if shape[1] == 4:
        pair = (
            lambda x, weight, bias: group_norm(x, 2, weight, bias, backend=backend),
            lambda dy, x, weight, bias: group_norm_backward(dy, x, 2, weight, backend=backend),
        )
        assert fc.gradient_check(pair, (x, weight, bias))


@pytest.mark.parametrize("needs", [("x",), ("weight",), ("bias",), ("weight", "bias"), ()])
@pytest.mark.parametrize("training", [True, False])
def test_only_what_is_needed(needs: tuple[str, ...], training: bool) -> None:
    x, weight, _, dy = parts((3, 4, 5))
    statistics = batch_norm_statistics(x)
    whole = batch_norm_backward(dy, x, weight, statistics=statistics, training=training)
    some = batch_norm_backward(dy, x, weight, statistics=statistics, training=training, needs=needs)
    one = layer_norm_backward(dy, x, (4, 5), needs=needs)
    for name, gradient in zip(("x", "weight", "bias"), GRADIENTS):
        assert (getattr(some, gradient) is None) == (name not in needs)
        assert (getattr(one, gradient) is None) == (name not in needs)
        if name in needs:
            assert_close(getattr(some, gradient), getattr(whole, gradient))


# layers

LAYERS: dict[str, tuple[Callable[..., Layer], tuple[int, ...]]] = {
    "BatchNorm1d": (lambda **k: BatchNorm1d(3, **k), (6, 3)),
    "BatchNorm1d of lines": (lambda **k: BatchNorm1d(3, **k), (4, 3, 5)),
    "BatchNorm2d": (lambda **k: BatchNorm2d(4, **k), (3, 4, 5, 2)),
    "BatchNorm2d, cumulative": (lambda **k: BatchNorm2d(4, momentum=None, **k), (3, 4, 5, 2)),
    "BatchNorm2d, plain": (lambda **k: BatchNorm2d(4, affine=False, **k), (3, 4, 5, 2)),
    "BatchNorm2d, untracked": (lambda **k: BatchNorm2d(4, track_running_stats=False, **k), (3, 4, 5, 2)),
    "BatchNorm2d, other numbers": (lambda **k: BatchNorm2d(4, 0.25, 0.7, **k), (3, 4, 5, 2)),
    "BatchNorm3d": (lambda **k: BatchNorm3d(2, **k), (3, 2, 3, 2, 4)),
    "InstanceNorm1d": (lambda **k: InstanceNorm1d(3, **k), (4, 3, 5)),
    "InstanceNorm2d": (lambda **k: InstanceNorm2d(4, affine=True, track_running_stats=True, **k), (3, 4, 5, 2)),
    "InstanceNorm2d, plain": (lambda **k: InstanceNorm2d(4, track_running_stats=True, **k), (3, 4, 5, 2)),
    "InstanceNorm2d, still": (
        lambda **k: InstanceNorm2d(4, momentum=None, track_running_stats=True, **k),
        (3, 4, 5, 2),
    ),
    "InstanceNorm3d": (lambda **k: InstanceNorm3d(2, affine=True, **k), (3, 2, 3, 2, 4)),
    "GroupNorm": (lambda **k: GroupNorm(2, 6, **k), (3, 6, 5, 2)),
    "GroupNorm of rows": (lambda **k: GroupNorm(3, 6, 0.1, **k), (4, 6)),
    "GroupNorm, plain": (lambda **k: GroupNorm(1, 4, affine=False, **k), (3, 4, 5)),
    "LayerNorm": (lambda **k: LayerNorm((5, 2), **k), (3, 4, 5, 2)),
    "LayerNorm of rows": (lambda **k: LayerNorm(7, 0.1, bias=False, **k), (4, 7)),
    "LayerNorm, plain": (lambda **k: LayerNorm(5, elementwise_affine=False, **k), (3, 4, 5)),
    "LocalResponseNorm": (lambda **_: LocalResponseNorm(3, 0.5, 0.6, 2.0), (2, 5, 4, 3)),
    "LocalResponseNorm, even": (lambda **_: LocalResponseNorm(4, 0.5, 0.6, 2.0), (2, 5, 4)),
}
every_layer = pytest.mark.parametrize("name", LAYERS)


def filled(layer: Layer, seed: int = 0) -> Layer:
    """Draw the parameters."""
    rng = np.random.default_rng(seed)
    for parameter in layer.parameters():
        parameter.data[...] = rng.standard_normal(parameter.shape) + 1
    return layer


def torch_twin(torch: Any, layer: Layer) -> Any:
    """The same layer in PyTorch, in float64, with the same parameters."""
    kind, text = type(layer).__name__, repr(layer)
    twin = eval(f"torch.nn.{text}", {"torch": torch}).double()
    assert type(twin).__name__ == kind
    state = {key: torch.tensor(value) for key, value in layer.state_dict().items()}
    twin.load_state_dict(state)  # strict: the names are the same
    return twin


@pytest.mark.parametrize("backend", ENGINES)
@every_layer
def test_layers_against_pytorch(name: str, backend: str) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")
    make, shape = LAYERS[name]
    layer = filled(make(dtype=np.float64))
    twin = torch_twin(torch, layer)
    with fc.use_backend(backend):
        for step in range(6):
            if step == 3:
                layer.eval()
                twin.eval()
            if step == 5:
                layer.train()
                twin.train()
            x, dy = normal(shape, step) * 3 + 1, normal(shape, step + 10)
            tensor = torch.tensor(x, requires_grad=True)
            expected = twin(tensor)
            assert_close(layer(x), expected.detach().numpy(), name=f"{name} step {step}")
            expected.backward(torch.tensor(dy))
            assert_close(layer.backward(dy), tensor.grad.numpy(), name=f"{name} dx {step}")
            for key, value in twin.state_dict().items():
                assert_close(layer.state_dict()[key], value.numpy(), name=f"{name} {key} {step}")
            for key, parameter in twin.named_parameters():
                size = (step + 1) * x.size / parameter.numel()  # the products of dy and x̂ are about 1
                grad = dict(layer.named_parameters())[key].grad
                assert_close(grad, parameter.grad.numpy(), magnitude=size, name=f"{name} {key}")


@pytest.mark.parametrize("backend", ENGINES)
@pytest.mark.parametrize("mode", ["train", "eval"])
@every_layer
def test_gradients_of_layers(name: str, mode: str, backend: str) -> None:
    make, shape = LAYERS[name]
    layer = filled(make(dtype=np.float64))
    layer(normal(shape, 9) * 2 + 1)
    getattr(layer, mode)()
    with fc.use_backend(backend):
        assert fc.gradient_check(layer, normal(shape, 3) * 2 + 1)


@every_layer
def test_layers_keep_float32(name: str) -> None:
    make, shape = LAYERS[name]
    layer = make(dtype=np.float32)
    x = normal(shape, 0, np.float32)
    for _ in range(2):
        assert layer(x).dtype == np.float32
        dx = layer.backward(x)
        assert dx is not None
        assert dx.dtype == np.float32
        assert all(parameter.grad.dtype == np.float32 for parameter in layer.parameters())
        assert all(value.dtype in (np.float32, np.int64) for _, value in layer.named_buffers())
        layer.eval()


@every_layer
def test_copies_and_states(name: str) -> None:
    make, shape = LAYERS[name]
    layer = filled(make(dtype=np.float32))
    x = normal(shape, 0, np.float32) * 2 + 1
    layer(x)
    layer.eval()
    expected = layer(x)
    other = make(dtype=np.float32)
    other.load_state_dict(layer.state_dict())
    for twin in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer)), other.eval()):
        assert np.array_equal(twin(x), expected)
        assert repr(twin) == repr(layer)
        assert all(np.array_equal(a, b) for a, b in zip(twin.state_dict().values(), layer.state_dict().values()))
    with pytest.raises(NotRunError, match="forward must run first"):
        copy.deepcopy(layer).backward(x)


@every_layer
def test_shapes_and_what_backward_refuses(name: str) -> None:
    make, shape = LAYERS[name]
    layer = make(dtype=np.float32)
    assert layer.output_shape(shape) == shape
    layer(normal(shape, 0, np.float32))
    assert layer.backward(normal(shape, 1, np.float32), input_gradient=False) is None
    with pytest.raises(InvalidValueError, match=r"backward: dy must have the shape of the output"):
        layer.backward(np.ones((*shape[:-1], shape[-1] + 1), np.float32))
    with inference_mode():
        layer(normal(shape, 0, np.float32))
    with pytest.raises(NotRunError, match="inference_mode"):
        layer.backward(normal(shape, 1, np.float32))
    assert layer.flops(shape) > 0
    assert layer.multiply_adds(shape) == 0


@every_layer
def test_an_empty_batch(name: str) -> None:
    make, shape = LAYERS[name]
    layer = make(dtype=np.float32)
    before = {key: value for key, value in layer.state_dict().items() if key != "num_batches_tracked"}
    empty = np.zeros((0, *shape[1:]), np.float32)
    for _ in range(2):
        assert layer(empty).shape == empty.shape
        dx = layer.backward(empty)
        assert dx is not None
        assert dx.shape == empty.shape
        for parameter in layer.parameters():
            assert_close(parameter.grad, np.zeros(parameter.shape, np.float32))
        layer.eval()
    assert all(np.array_equal(layer.state_dict()[key], value) for key, value in before.items())


def test_frozen_parameters_get_no_gradient() -> None:
    layer = BatchNorm2d(4)
    assert layer.weight is not None
    assert layer.bias is not None
    layer.weight.requires_grad = False
    x = normal((3, 4, 5, 2), 0, np.float32)
    layer(x)
    layer.backward(x)
    assert layer.weight.grad is None
    assert_close(layer.bias.grad, x.sum(axis=(0, 2, 3)), magnitude=np.abs(x).sum(axis=(0, 2, 3)))


def test_running_statistics_are_assignable_arrays() -> None:
    layer = BatchNorm2d(3)
    array = layer.running_mean
    layer.running_mean = [1, 2, 3]  # type: ignore[assignment]
    layer.running_var = np.array([4.0, 9.0, 16.0])
    assert layer.running_mean is array
    assert layer.running_var is not None
    assert layer.running_var.dtype == np.float32
    x = np.full((1, 3, 1, 1), 5, np.float32)
    assert_close(layer.eval()(x)[0, :, 0, 0], np.float32([2.0, 1.0, 0.5]), magnitude=2e3)  # eps is 1e-5
    with pytest.raises(InvalidValueError, match=r"BatchNorm2d: running_mean must have shape \(3,\), but got \(4,\)"):
        layer.running_mean = np.zeros(4)
    layer.reset_running_stats()
    assert_close(layer.running_mean, np.zeros(3, np.float32))
    assert_close(layer.running_var, np.ones(3, np.float32))


def test_what_happens_after_forward_does_not_change_backward() -> None:
    layer = BatchNorm2d(3)
    x, dy = normal((2, 3, 4, 5), 0, np.float32), normal((2, 3, 4, 5), 1, np.float32)
    layer.eval()(x)
    expected = layer.backward(dy)
    layer(x)
    layer.running_var = np.full(3, 7.0)
    layer.train()
    assert_close(layer.backward(dy), expected, magnitude=0)


def test_a_wider_input_has_statistics_of_its_own_precision() -> None:
    layer, wide = BatchNorm1d(2, dtype=np.float64), BatchNorm1d(2, dtype=np.float64)
    x = (normal((50, 2), 0) + 1000).astype(np.float32)
    assert_close(layer(x), wide(x.astype(np.float64)), magnitude=0)


@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
def test_layers_take_a_layout(layout: str) -> None:
    x, dy = normal((3, 4, 5, 2), 0, np.float32), normal((3, 4, 5, 2), 1, np.float32)
    make: list[Callable[..., Layer]] = [
        lambda **k: BatchNorm2d(4, **k),
        lambda **k: InstanceNorm2d(4, affine=True, **k),
        lambda **k: GroupNorm(2, 4, **k),
        lambda **k: LocalResponseNorm(3, **k),
    ]
    for one in make:
        usual, other = one(), one(layout=layout)
        turn = channels_last if layout == "NHWC" else np.asarray
        assert_close(other(turn(x)), turn(usual(x)))
        assert_close(other.backward(turn(dy)), turn(usual.backward(dy)))
        assert f"layout='{layout}'" in repr(other) or layout == "NCHW"


# refusals


@pytest.mark.parametrize("layer", [BatchNorm1d(3), BatchNorm2d(3), BatchNorm2d(3, track_running_stats=False).eval()])
def test_one_value_per_channel_is_refused_in_training(layer: Layer) -> None:
    shape = (1, 3) if isinstance(layer, BatchNorm1d) else (1, 3, 1, 1)
    with pytest.raises(InvalidValueError, match="must have more than 1 value per channel in training, but got shape"):
        layer(np.ones(shape, np.float32))


def test_one_value_per_channel_is_taken_in_evaluation() -> None:
    assert BatchNorm2d(3).eval()(np.ones((1, 3, 1, 1), np.float32)).shape == (1, 3, 1, 1)


def test_instances_of_one_cell_are_refused() -> None:
    with pytest.raises(InvalidValueError, match="more than 1 value per channel and image, but got shape"):
        InstanceNorm2d(3)(np.ones((5, 3, 1, 1), np.float32))


X = np.ones((2, 4, 3, 3))
WRONG: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: BatchNorm2d(0), InvalidValueError, "BatchNorm2d: num_features must be at least 1, but got 0"),
    (lambda: BatchNorm2d(2.0), InvalidTypeError, "BatchNorm2d: num_features must be an integer"),  # type: ignore[arg-type]
    (lambda: BatchNorm2d(4, -1e-5), InvalidValueError, "BatchNorm2d: eps must be at least 0"),
    (lambda: BatchNorm2d(4, momentum=1.5), InvalidValueError, "momentum must be between 0 and 1, but got 1.5"),
    (lambda: BatchNorm2d(4, affine=1), InvalidTypeError, "affine must be True or False"),  # type: ignore[arg-type]
    (lambda: BatchNorm2d(4, dtype=int), InvalidTypeError, "dtype must be float16, float32 or float64"),
    (lambda: BatchNorm2d(4, layout="NWC"), InvalidValueError, "BatchNorm2d: layout must be 'NCHW' or 'NHWC'"),
    (lambda: BatchNorm2d(4, backend="slow"), InvalidValueError, "backend must be one of"),
    (lambda: BatchNorm2d(5)(X), InvalidValueError, r"must have 5 channels \(num_features\), but got 4"),
    (lambda: BatchNorm2d(4)(X[0]), InvalidValueError, "BatchNorm2d.output_shape: input_shape must be a sequence of 4"),
    (lambda: BatchNorm1d(4)(X), InvalidValueError, "BatchNorm1d.output_shape: input_shape must be a sequence of 3"),
    (lambda: BatchNorm2d(4)(X + 0j), InvalidTypeError, "BatchNorm2d: x must have a float16, float32, float64"),
    (lambda: GroupNorm(3, 4), InvalidValueError, "num_groups must divide num_channels, but got num_groups=3"),
    (lambda: GroupNorm(2, 6)(X), InvalidValueError, r"must have 6 channels \(num_channels\), but got 4"),
    (lambda: GroupNorm(2, 4, layout="HWC"), InvalidValueError, "GroupNorm: layout must be one of"),
    (lambda: LayerNorm(()), InvalidValueError, "normalized_shape must name 1 to 32 axes"),
    (lambda: LayerNorm((3, 0)), InvalidValueError, "normalized_shape must be at least 1, but got 0"),
    (lambda: LayerNorm((3, 4))(X), InvalidValueError, r"must end with the axes of normalized_shape, \(3, 4\), but got"),
    (lambda: LocalResponseNorm(0), InvalidValueError, "LocalResponseNorm: size must be at least 1"),
    (lambda: LocalResponseNorm(3, -1.0), InvalidValueError, "LocalResponseNorm: alpha must be at least 0"),
    (lambda: LocalResponseNorm(3)(X[0, 0]), InvalidValueError, "LocalResponseNorm.output_shape: input_shape must be"),
    (lambda: batch_norm(X[0, 0, 0]), InvalidValueError, r"batch_norm: x must have 2 to 5 axes, .*, but got 1"),
    (lambda: batch_norm(X[:, :0]), InvalidValueError, "batch_norm: axis C of x must not be empty"),
    (lambda: batch_norm(X[:, :0, 0, 0]), InvalidValueError, "batch_norm: axis C of x must not be empty"),
    (lambda: batch_norm(X, np.ones(3)), InvalidValueError, r"weight must have shape \(4,\) \(one value per channel\)"),
    (lambda: batch_norm(X, eps="a"), InvalidTypeError, "batch_norm: eps must be a number"),  # type: ignore[arg-type]
    (lambda: batch_norm(X, eps=np.nan), InvalidValueError, "batch_norm: eps must be a finite number"),
    (lambda: batch_norm(X, statistics=np.ones(4)), InvalidTypeError, "statistics must be a pair"),  # type: ignore[arg-type]
    (lambda: batch_norm(X, statistics=(np.ones(4), np.ones(5))), InvalidValueError, "the variance must have shape"),
    (lambda: batch_norm(X, layout="NCW"), InvalidValueError, "batch_norm: layout must be 'NCHW' or 'NHWC'"),
    (lambda: batch_norm(X[:, :, 0, 0], layout="NCW"), InvalidValueError, "layout must be 'NC' for an x without"),
    (lambda: batch_norm_backward(X[:1], X), InvalidValueError, r"dy must have shape \(2, 4, 3, 3\)"),
    (lambda: batch_norm_backward(X, X, training=False), InvalidValueError, "statistics must be given with training"),
    (lambda: batch_norm_backward(X, X, needs=("y",)), InvalidValueError, "needs must name some of"),
    (lambda: instance_norm(X[:, :, 0, 0]), InvalidValueError, "instance_norm: x must have 3, 4 or 5 axes"),
    (lambda: group_norm(X, 3), InvalidValueError, "num_groups must divide the channels of x, but got 3 with 4"),
    (lambda: layer_norm(X, 4), InvalidValueError, "layer_norm: x must end with the axes of normalized_shape"),
    (lambda: layer_norm(X, 3, np.ones(4)), InvalidValueError, r"weight must have shape \(3,\) \(one per element\)"),
    (lambda: layer_norm_statistics(X, 2.0), InvalidTypeError, "normalized_shape must be an integer"),
    (lambda: instance_norm_statistics(X[0, 0]), InvalidValueError, "x must have 3, 4 or 5 axes"),
    (lambda: group_norm_statistics(X, 0), InvalidValueError, "num_groups must be at least 1"),
]


@pytest.mark.parametrize(("call", "kind", "message"), WRONG, ids=[message[:60] for _, _, message in WRONG])
def test_wrong_calls(call: Callable[[], Any], kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        call()


@pytest.mark.parametrize("backend", BACKENDS)
def test_nan_and_infinities_stay_in_their_channel(backend: str) -> None:
    x, weight, bias, dy = parts((2, 3, 4, 5))
    x[0, 0, 0, 0], x[1, 1, 0, 0] = np.nan, np.inf
    y = batch_norm(x, weight, bias, backend=backend)
    assert np.isnan(y[:, 0]).all()
    assert np.isfinite(y[:, 2]).all()
    gradients = batch_norm_backward(dy, x, weight, backend=backend)
    assert gradients.dx is not None
    assert np.isfinite(gradients.dx[:, 2]).all()


# the paths that this machine does not take by itself


def check_small(*dtypes: str) -> None:
    """Every kernel in all orders, against naive."""
    for shape in SHAPES:
        for dtype in dtypes:
            for order in ORDERS:
                test_engines_against_naive("fast", dtype, order, shape)


@pytest.mark.slow
@needs_fast
def test_the_readable_twins(tmp_path: Path) -> None:
    run(
        "from test_normalization import check_small\ncheck_small('float32', 'float64')",
        NUMBA_DISABLE_JIT="1",
        NUMBA_CACHE_DIR=str(tmp_path),
    )


@needs_fast
@pytest.mark.slow
@pytest.mark.parametrize(("path", "dtype"), OTHER_UNITS)
def test_other_vector_units(path: str, dtype: str, tmp_path: Path) -> None:
    only_where_it_runs(path)
    program = f"""
        from test_normalization import check_small
        from vector_units import built_for
        assert built_for() == {path!r}
        check_small({dtype!r})
    """
    run(program, NUMBA_CACHE_DIR=str(tmp_path), **PATHS[path])

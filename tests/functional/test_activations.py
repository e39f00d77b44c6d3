"""Activation functions and their layers: by hand, against PyTorch, by numerical gradients, in every memory order."""

from __future__ import annotations

import copy
import math
import pickle
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from programs import run
from recorder import recorded_in
from strategies import BACKENDS, FLOATS, MEMORY, Array, normal, stored

import fastconv as fc
from fastconv import functional as F
from fastconv import layers
from fastconv.backends import activations, elementwise, resolve_backend
from fastconv.backends import gaussian as normal_distribution
from fastconv.errors import InvalidTypeError, InvalidValueError, NotRunError
from fastconv.layers import Layer, inference_mode
from fastconv.testing import assert_close, gradient_check


@dataclass(frozen=True)
class Case:
    """A function and its gradient, its layer, and what PyTorch calls it."""

    forward: Callable[..., Array]
    backward: Callable[..., Array]
    layer: Callable[[], Layer]
    torch: str
    from_output: bool = True
    options: dict[str, Any] = field(default_factory=dict)
    torch_options: dict[str, Any] | None = None
    numbers: bool = True  # every number on its own
    torch_dtype: str = "float64"  # in which PyTorch has the constants of the gradient

    def both(self, x: Array, dy: Array) -> tuple[Array, Array]:
        y = self.forward(x, **self.options)
        return y, self.backward(dy, y if self.from_output else x, **self.options)


CASES = {
    "relu": Case(F.relu, F.relu_backward, layers.ReLU, "relu"),
    "leaky_relu": Case(F.leaky_relu, F.leaky_relu_backward, layers.LeakyReLU, "leaky_relu"),
    "leaky_relu 0.3": Case(
        F.leaky_relu,
        F.leaky_relu_backward,
        lambda: layers.LeakyReLU(0.3),
        "leaky_relu",
        options={"negative_slope": 0.3},
    ),
    "relu6": Case(F.relu6, F.relu6_backward, layers.ReLU6, "relu6"),
    "hardsigmoid": Case(
        F.hardsigmoid, F.hardsigmoid_backward, layers.HardSigmoid, "hardsigmoid", torch_dtype="float32"
    ),
    "hardswish": Case(
        F.hardswish, F.hardswish_backward, layers.HardSwish, "hardswish", from_output=False, torch_dtype="float32"
    ),
    "elu": Case(F.elu, F.elu_backward, layers.ELU, "elu"),
    "elu 0.7": Case(F.elu, F.elu_backward, lambda: layers.ELU(alpha=0.7), "elu", options={"alpha": 0.7}),
    "selu": Case(F.selu, F.selu_backward, layers.SELU, "selu"),
    "gelu": Case(F.gelu, F.gelu_backward, layers.GELU, "gelu", from_output=False),
    "gelu tanh": Case(
        F.gelu,
        F.gelu_backward,
        lambda: layers.GELU(approximate="tanh"),
        "gelu",
        from_output=False,
        options={"approximate": "tanh"},
    ),
    "silu": Case(F.silu, F.silu_backward, layers.SiLU, "silu", from_output=False),
    "softplus": Case(F.softplus, F.softplus_backward, layers.Softplus, "softplus", from_output=False),
    "softplus 2 1": Case(
        F.softplus,
        F.softplus_backward,
        lambda: layers.Softplus(beta=2, threshold=1),
        "softplus",
        from_output=False,
        options={"beta": 2, "threshold": 1},
    ),
    "softsign": Case(F.softsign, F.softsign_backward, layers.Softsign, "softsign", from_output=False),
    "sigmoid": Case(F.sigmoid, F.sigmoid_backward, layers.Sigmoid, "sigmoid"),
    "tanh": Case(F.tanh, F.tanh_backward, layers.Tanh, "tanh"),
    "softmax": Case(
        F.softmax,
        F.softmax_backward,
        layers.Softmax,
        "softmax",
        options={"axis": 1},
        torch_options={"dim": 1},
        numbers=False,
    ),
    "log_softmax": Case(
        F.log_softmax,
        F.log_softmax_backward,
        lambda: layers.LogSoftmax(dim=1),
        "log_softmax",
        options={"axis": 1},
        torch_options={"dim": 1},
        numbers=False,
    ),
}
every = pytest.mark.parametrize("case", CASES.values(), ids=CASES)
every_of_numbers = pytest.mark.parametrize(
    "case", [case for case in CASES.values() if case.numbers], ids=[name for name in CASES if CASES[name].numbers]
)
SHAPE = (2, 5, 3, 4)
LARGE = (3, 11, 37, 43)  # more numbers than a block has

# Zeros, infinities, NaN, and numbers whose squares, cubes or exponentials overflow. Not the corners -3, 3 and 6.
SPECIAL = np.array(
    [0.0, -0.0, np.inf, -np.inf, np.nan, 1e4, -1e4, 800.0, -800.0, 1e18, -1e18, 1e-30, -1e-30, 1.0, -1.0, 5.999, 6.5]
)


def away_from_corners(shape: tuple[int, ...], dtype: Any = "float64") -> Array:
    """Numbers from -8 to 8, none within 0.1 of a corner of any function."""
    x = np.random.default_rng(0).uniform(-8, 8, shape)
    corners = np.array([-3.0, 0.0, 0.5, 3.0, 6.0])
    near = corners[np.abs(x[..., None] - corners).argmin(axis=-1)]
    return np.where(np.abs(x - near) < 0.1, near + 0.2, x).astype(dtype)


# values and gradients


@pytest.mark.parametrize(
    ("name", "x", "y", "slope"),
    [
        ("relu", [-2.0, 0.0, 3.0], [0.0, 0.0, 3.0], [0.0, 0.0, 1.0]),
        ("leaky_relu", [-2.0, 0.0, 3.0], [-0.02, 0.0, 3.0], [0.01, 0.01, 1.0]),
        ("relu6", [-1.0, 0.0, 4.0, 6.0, 9.0], [0.0, 0.0, 4.0, 6.0, 6.0], [0.0, 0.0, 1.0, 0.0, 0.0]),
        ("hardsigmoid", [-3.0, -1.5, 3.0], [0.0, 0.25, 1.0], [0.0, 1 / 6, 0.0]),
        ("hardswish", [-3.0, -1.5, 4.0], [0.0, -0.375, 4.0], [0.0, 0.0, 1.0]),
        ("elu", [-math.log(2), 0.0, 3.0], [-0.5, 0.0, 3.0], [0.5, 1.0, 1.0]),
        ("silu", [0.0, math.log(3)], [0.0, 0.75 * math.log(3)], [0.5, 0.75 + 0.1875 * math.log(3)]),
        ("softplus", [0.0, math.log(3), 30.0], [math.log(2), math.log(4), 30.0], [0.5, 0.75, 1.0]),
        ("softsign", [-3.0, 0.0, 1.0], [-0.75, 0.0, 0.5], [0.0625, 1.0, 0.25]),
        ("sigmoid", [0.0, math.log(3)], [0.5, 0.75], [0.25, 0.1875]),
        ("tanh", [0.0, math.atanh(0.5)], [0.0, 0.5], [1.0, 0.75]),
        ("gelu", [0.0], [0.0], [0.5]),
    ],
)
def test_by_hand(name: str, x: list[float], y: list[float], slope: list[float]) -> None:
    found, gradient = CASES[name].both(np.array(x), np.full(len(x), 2.0))
    assert_close(found, np.array(y))
    assert_close(gradient, 2 * np.array(slope))


def test_softmax_by_hand() -> None:
    y = F.softmax([[0.0, math.log(3)]], axis=1)
    assert_close(y, np.array([[0.25, 0.75]]))
    assert_close(F.log_softmax([[0.0, math.log(3)]], axis=1), np.log([[0.25, 0.75]]))
    assert_close(F.softmax_backward([[1.0, 0.0]], y, axis=1), np.array([[0.1875, -0.1875]]))
    assert_close(F.log_softmax_backward([[1.0, 0.0]], np.log(y), axis=1), np.array([[0.75, -0.75]]))


@every
def test_numerical_gradients(case: Case) -> None:
    x = away_from_corners((3, 4, 5))
    assert gradient_check(case.forward, x, **case.options)
    assert gradient_check(case.layer(), x)


def torch_both(case: Case, x: Array, dy: Array) -> tuple[Array, Array]:
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")
    options = case.options if case.torch_options is None else case.torch_options
    variable = torch.from_numpy(x.copy()).requires_grad_()
    y = getattr(torch.nn.functional, case.torch)(variable, **options)
    y.backward(torch.from_numpy(dy.copy()))
    return y.detach().numpy(), variable.grad.numpy()


def check_against_torch(case: Case, x: Array, dy: Array) -> None:
    (y, dx), (expected, gradient) = case.both(x, dy), torch_both(case, x, dy)
    assert_close(y, expected, magnitude=size_of(expected), name="y")
    if case.numbers:  # what PyTorch's gradient is at NaN depends on whether a number is in a vector or behind the last
        dx, gradient = np.where(np.isnan(x), 0, dx), np.where(np.isnan(x), 0, gradient)
    constants = np.finfo(case.torch_dtype).eps / np.finfo(x.dtype).eps
    assert_close(dx, gradient, magnitude=size_of(gradient) * max(constants, 1), name="dx")


def size_of(x: Array) -> Array:
    return np.abs(np.where(np.isfinite(x), x, 0)) + 1.0


@every
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_against_torch(case: Case, dtype: str) -> None:
    x = away_from_corners((4, 6, 7, 5), dtype)
    check_against_torch(case, x, normal(x.shape, 1, dtype))


@every_of_numbers
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_special_numbers_against_torch(case: Case, dtype: str) -> None:
    x = SPECIAL.astype(dtype)
    if case.torch == "softsign":  # PyTorch's gradient at infinity is NaN, from two terms of which one would do
        x = x[np.isfinite(x)]
    if case.torch == "gelu":  # PyTorch says NaN in float32 and infinity in float64, which it is
        x = x[x != np.inf]
    check_against_torch(case, x, normal(x.shape, 1, dtype))


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_special_rows_of_scores_against_torch(name: str) -> None:
    rows = [[1e4, -1e4, 0.0], [-np.inf, 0.0, 1.0], [np.inf, 0.0, 1.0], [-np.inf] * 3, [np.nan, 0.0, 1.0], [-1e4] * 3]
    check_against_torch(CASES[name], np.array(rows), normal((6, 3), 1))


def test_gelu_at_infinity() -> None:
    assert F.gelu([np.inf]).tolist() == [np.inf]


@pytest.mark.parametrize("name", ["relu", "relu6", "elu"])
def test_the_gradient_at_nan_goes_through(name: str) -> None:
    y, dx = CASES[name].both(np.array([np.nan, 1.0]), np.array([2.0, 3.0]))
    assert np.isnan(y).tolist() == [True, False]
    assert dx.tolist() == [2.0, 3.0]


def test_the_gradient_of_relu_at_zero_is_zero() -> None:
    for backend in BACKENDS:
        assert F.relu_backward([1.0, 1.0], [0.0, -0.0], backend=backend).tolist() == [0.0, 0.0]


def test_the_upper_tail_of_the_normal_distribution() -> None:
    """Relative to the tail itself; the exponential of a rounded x² is off by x² / 2 roundings more."""
    for dtype in ("float32", "float64"):
        x = np.concatenate([np.linspace(0, 12, 4001), np.geomspace(1e-12, 1, 300)]).astype(dtype)
        q = np.empty_like(x)
        normal_distribution.upper_tail(x, q)
        exact = np.array([math.erfc(float(value) / math.sqrt(2)) / 2 for value in x])
        assert_close(q, exact, magnitude=exact * (4 + x.astype(np.float64) ** 2) / 64, dtype=dtype)


# what goes in and comes out


@every
@pytest.mark.parametrize("dtype", FLOATS)
def test_dtypes_are_kept(case: Case, dtype: str) -> None:
    x, dy = away_from_corners(SHAPE, dtype), normal(SHAPE, 1, dtype)
    y, dx = case.both(x, dy)
    assert y.dtype == dx.dtype == dtype
    wide = case.forward(x.astype(np.float64), **case.options)
    exact = case.backward(dy.astype(np.float64), (y if case.from_output else x).astype(np.float64), **case.options)
    assert_close(y, wide, dtype=dtype)
    assert_close(dx, exact, dtype=dtype)


@every
def test_integers_become_float64(case: Case) -> None:
    x = np.arange(-10, 10).reshape(4, 5)
    y, dx = case.both(x, np.ones_like(x))
    expected, gradient = case.both(x.astype(np.float64), np.ones(x.shape))
    assert_close(y, expected, magnitude=0)
    assert_close(dx, gradient, magnitude=0)


@every
@pytest.mark.parametrize("shape", [(6, 5), LARGE], ids=["small", "large"])
def test_float32_never_touches_float64(case: Case, shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    with recorded_in(monkeypatch, "fastconv.functional.call", "as_computed") as seen, fc.use_backend("numpy"):
        case.both(normal(shape, 0, "float32"), normal(shape, 1, "float32"))
        layer = case.layer()
        layer(normal(shape, 0, "float32"))
        layer.backward(normal(shape, 1, "float32"))
    assert seen <= {"float32", "bool", "int8", "int32"}  # integers: masks, and numbers as bits
    assert "float32" in seen


@every_of_numbers
def test_no_temporary_array_of_the_size_of_the_input(case: Case) -> None:
    x, dy = normal((16, 64, 1024), 0, "float32"), normal((16, 64, 1024), 1, "float32")
    kept = case.forward(x, **case.options) if case.from_output else x
    case.backward(dy, kept, **case.options)
    for call in (
        lambda: case.forward(x, **case.options),
        lambda: case.backward(dy, kept, **case.options),
    ):
        tracemalloc.start()
        call()
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert x.nbytes <= peak < 1.5 * x.nbytes  # the numpy backend has a mask


def test_the_recorder_sees_float64(monkeypatch: pytest.MonkeyPatch) -> None:
    def wide(x: Array, y: Array) -> None:
        np.multiply(x, np.full(x.shape, 2.0), out=y, casting="same_kind")

    monkeypatch.setitem(activations.FORWARD, "tanh", wide)
    with recorded_in(monkeypatch, "fastconv.functional.call", "as_computed") as seen, fc.use_backend("numpy"):
        F.tanh(normal(SHAPE, 0, "float32"))
    assert "float64" in seen


@every
@pytest.mark.parametrize("order", MEMORY)
@pytest.mark.parametrize("shape", [SHAPE, LARGE], ids=["small", "large"])
def test_every_memory_order(case: Case, order: str, shape: tuple[int, ...]) -> None:
    x, dy = away_from_corners(shape), normal(shape, 1)
    expected = case.both(x, dy)
    given = stored(x, order), stored(dy, order)
    before = [array.copy() for array in given]
    found = case.both(*given)
    for array, saved in zip(given, before):
        assert np.array_equal(array, saved)
    for actual, desired in zip(found, expected):
        assert_close(actual, desired, magnitude=0 if case.numbers else None)
        assert not any(np.shares_memory(actual, array) for array in given)
        if order in ("C", "Fortran", "channels-last"):
            assert actual.strides == given[0].strides


@every
def test_shapes_without_axes_and_without_numbers(case: Case) -> None:
    for shape in [(0, 4), (1, 1)] + ([()] if case.numbers else []):
        y, dx = case.both(np.ones(shape), np.ones(shape))
        assert isinstance(y, np.ndarray)
        assert isinstance(dx, np.ndarray)
        assert y.shape == dx.shape == shape


@every
def test_a_gradient_of_another_shape_is_refused(case: Case) -> None:
    with pytest.raises(InvalidValueError, match=r"_backward: dy must have shape \(2, 3\) \(that of [xy]\), but got"):
        case.backward(np.ones((3, 2)), np.ones((2, 3)), **case.options)


def test_complex_numbers_are_refused() -> None:
    with pytest.raises(InvalidTypeError, match="sigmoid: x must have a float16"):
        F.sigmoid(np.ones(3, complex))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: F.leaky_relu([1.0], -0.1), InvalidValueError, "leaky_relu: negative_slope must be at least 0, but"),
        (lambda: F.leaky_relu([1.0], "0.1"), InvalidTypeError, "leaky_relu: negative_slope must be a number, but got"),
        (lambda: F.elu([1.0], np.nan), InvalidValueError, "elu: alpha must be a finite number, but got nan"),
        (lambda: F.softplus([1.0], beta=0), InvalidValueError, "softplus: beta must not be 0"),
        (
            lambda: F.gelu([1.0], approximate="erf"),
            InvalidValueError,
            "gelu: approximate must be one of 'none', 'tanh'",
        ),
        (lambda: F.softmax([1.0], axis=1), InvalidValueError, r"softmax: axis must be from -1 to 0, but got 1 \(shape"),
        (lambda: F.softmax(1.0), InvalidValueError, r"softmax: axis must be of an array with axes, but got -1"),
        (lambda: F.softmax([1.0], axis=0.0), InvalidTypeError, "softmax: axis must be an integer, but got 0.0"),
        (
            lambda: F.prelu(np.ones((2, 3)), np.ones(2)),
            InvalidValueError,
            r"prelu: weight must have shape \(1,\) or one",
        ),
        (lambda: F.add([1.0], [1.0, 2.0]), InvalidValueError, r"add: b must have shape \(1,\) \(that of a\), but got"),
        (lambda: F.add([1.0], [1.0], relu=1), InvalidTypeError, "add: relu must be True or False, but got 1"),
        (lambda: F.relu([1.0], backend="slow"), InvalidValueError, "relu: backend must be one of 'fast'"),
        (lambda: layers.LeakyReLU(-1), InvalidValueError, "LeakyReLU: negative_slope must be at least 0, but got -1"),
        (lambda: layers.ELU(alpha=None), InvalidTypeError, "ELU: alpha must be a number, but got None"),
        (lambda: layers.ELU(alpha=10**400), InvalidValueError, "ELU: alpha must be a finite number"),
        (lambda: layers.GELU("fast"), InvalidValueError, "GELU: approximate must be one of 'none', 'tanh', but got"),
        (lambda: layers.Softplus(beta=0), InvalidValueError, "Softplus: beta must not be 0, but got 0"),
        (lambda: layers.Softmax(1, axis=1), InvalidValueError, "Softmax: dim and axis must not both be given"),
        (lambda: layers.Softmax(2).output_shape((3, 4)), InvalidValueError, "Softmax: dim must be from -2 to 1, but"),
        (lambda: layers.PReLU(0), InvalidValueError, "PReLU: num_parameters must be at least 1, but got 0"),
        (lambda: layers.PReLU(3)(np.ones((2, 4))), InvalidValueError, "PReLU: the input must have num_parameters=3"),
        (lambda: layers.ReLU(backend="slow"), InvalidValueError, "ReLU: backend must be one of 'fast'"),
    ],
)
def test_bad_arguments(call: Callable[[], object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


# PReLU


@pytest.mark.parametrize("axis", [1, -1])
@pytest.mark.parametrize("slopes", [1, 5])
def test_prelu(axis: int, slopes: int) -> None:
    x, weight = away_from_corners(SHAPE), normal((slopes,), 1)
    placed = np.moveaxis(x, 1, axis)
    expected = np.where(x > 0, x, x * weight.reshape(-1, 1, 1))
    assert_close(F.prelu(placed, weight, axis=axis), np.moveaxis(expected, 1, axis))
    assert gradient_check(F.prelu, (placed, weight), axis=axis)
    layer = layers.PReLU(slopes, axis=axis)
    layer.weight = weight
    assert gradient_check(layer, placed)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("slopes", [1, 6])
def test_prelu_against_torch(dtype: str, slopes: int) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")
    x, weight = normal((4, 6, 9, 7), 0, dtype), normal((slopes,), 1, dtype)
    x[0, :5, 0, 0] = [0.0, -0.0, 1e18, -1e18, 1e-30]
    dy = normal(x.shape, 2, dtype)
    variables = [torch.from_numpy(array.copy()).requires_grad_() for array in (x, weight)]
    y = torch.nn.functional.prelu(*variables)
    y.backward(torch.from_numpy(dy))
    assert_close(F.prelu(x, weight), y.detach().numpy())
    dx, dweight = F.prelu_backward(dy, x, weight)
    assert_close(dx, variables[0].grad.numpy())
    terms = np.abs(np.where(x > 0, 0, dy * x)).astype(np.float64)
    size = terms.sum(axis=(0, 2, 3)) if slopes > 1 else terms.sum(keepdims=True).reshape(1)
    assert_close(dweight, variables[1].grad.numpy(), magnitude=size)


def test_prelu_keeps_dtype_and_memory_order(monkeypatch: pytest.MonkeyPatch) -> None:
    x = stored(normal(SHAPE, 0, "float32"), "channels-last")
    with recorded_in(monkeypatch, "fastconv.functional.call", "as_computed") as seen:
        y = F.prelu(x, np.float32([0.5]))
        dx, dweight = F.prelu_backward(y, x, np.ones(5, np.float32))
    assert seen <= {"float32", "bool", "int8", "int32"}
    assert y.dtype == dx.dtype == dweight.dtype == np.float32
    assert y.strides == dx.strides == x.strides
    half = F.prelu_backward(np.float16([2.0]), np.float16([-3.0]), np.float16([0.5]))
    assert half.dx.dtype == half.dweight.dtype == np.float16
    assert (half.dx, half.dweight) == (1.0, -6.0)


def test_a_frozen_slope_gets_no_gradient() -> None:
    layer = layers.PReLU(dtype="float64")
    layer.weight.requires_grad = False
    layer([[-1.0]])
    assert layer.backward([[1.0]]).tolist() == [[0.25]]
    assert layer.weight.grad is None


# the layers

ALL_LAYERS = {**{name: case.layer for name, case in CASES.items()}, "prelu": lambda: layers.PReLU(5)}
every_layer = pytest.mark.parametrize("make", ALL_LAYERS.values(), ids=ALL_LAYERS)


@every
def test_a_layer_is_its_function(case: Case) -> None:
    x, dy = normal(SHAPE, 0, "float32"), normal(SHAPE, 1, "float32")
    layer = case.layer()
    y, dx = case.both(x, dy)
    assert_close(layer(x), y, magnitude=0)
    assert_close(layer.backward(dy), dx, magnitude=0)
    assert layer.backward(dy, input_gradient=False) is None
    layer.eval()
    layer(x)
    assert_close(layer.backward(dy), dx, magnitude=0)


@every_layer
def test_what_a_layer_keeps(make: Callable[[], Layer]) -> None:
    """Memory is accounted for by these two flags."""
    layer, x = make(), normal(SHAPE, 0, "float32")
    y = layer(x)
    (kept,) = layer._kept()
    assert layer.keeps_input == (kept is x)
    assert layer.keeps_output == (kept is y)
    assert layer.keeps_input != layer.keeps_output
    assert layer.kept_bytes(SHAPE, 4) == 0


@every_layer
def test_shapes_and_operations(make: Callable[[], Layer]) -> None:
    layer = make()
    assert layer.output_shape(list(SHAPE)) == SHAPE
    assert layer.flops(SHAPE) % math.prod(SHAPE) == 0
    assert 1 <= layer.flops(SHAPE) // math.prod(SHAPE) <= 9
    assert layer.multiply_adds(SHAPE) == 0


def test_operations_per_number() -> None:
    found = [layer.flops((10,)) for layer in (layers.ReLU(), layers.Sigmoid(), layers.GELU(), layers.GELU("tanh"))]
    assert found == [10, 40, 50, 90]


@every_layer
def test_backward_needs_a_forward_pass(make: Callable[[], Layer]) -> None:
    layer, x = make(), normal(SHAPE, 0)
    with pytest.raises(NotRunError, match=rf"{type(layer).__name__}\.backward: forward must run first"):
        layer.backward(x)
    with inference_mode():
        layer(x)
    with pytest.raises(NotRunError, match="outside of inference_mode"):
        layer.backward(x)
    layer(x)
    with pytest.raises(InvalidValueError, match=rf"{type(layer).__name__}\.backward: dy must have the shape of the"):
        layer.backward(x[:1])


@every_layer
def test_pickle_and_deepcopy(make: Callable[[], Layer]) -> None:
    layer, x = make(), normal(SHAPE, 0, "float32")
    y = layer(x)
    for twin in (pickle.loads(pickle.dumps(layer)), copy.deepcopy(layer)):
        assert repr(twin) == repr(layer)
        with pytest.raises(NotRunError, match="forward must run first"):
            twin.backward(x)
        assert_close(twin(x), y, magnitude=0)


@pytest.mark.parametrize(
    ("layer", "text"),
    [
        (layers.ReLU(), "ReLU()"),
        (layers.LeakyReLU(), "LeakyReLU(negative_slope=0.01)"),
        (layers.PReLU(), "PReLU(num_parameters=1)"),
        (layers.PReLU(3, axis=-1), "PReLU(num_parameters=3, axis=-1)"),
        (layers.ELU(2), "ELU(alpha=2.0)"),
        (layers.GELU(), "GELU(approximate='none')"),
        (layers.Softplus(), "Softplus(beta=1.0, threshold=20.0)"),
        (layers.HardSwish(), "HardSwish()"),
        (layers.Softmax(), "Softmax(dim=1)"),
        (layers.LogSoftmax(axis=-1), "LogSoftmax(dim=-1)"),
    ],
)
def test_repr(layer: Layer, text: str) -> None:
    assert repr(layer) == text


def test_the_names_of_pytorch_are_the_same_layers() -> None:
    assert layers.Hardswish is layers.HardSwish
    assert layers.Hardsigmoid is layers.HardSigmoid


# the backends


def pointwise(backend: str, a: Array, b: Array) -> list[Array]:
    return [
        F.relu(a, backend=backend),
        F.relu_backward(a, b, backend=backend),
        F.add(a, b, backend=backend),
        F.add(a, b, relu=True, backend=backend),
        product(backend, a, b),
    ]


def product(backend: str, a: Array, b: Array) -> Array:
    """What a backend makes of arrays as it gets them: in their own byte order, and none of float16."""
    a, b = (x.astype(np.result_type(x.dtype, np.float32)) for x in (a, b))
    return resolve_backend(backend).multiply(a, b)


def with_special_numbers(shape: tuple[int, ...], seed: int, dtype: str) -> Array:
    x = normal(shape, seed, dtype)
    values = [0.0, -0.0, np.inf, -np.inf, np.nan]
    chosen = np.random.default_rng(seed).random(shape) < 0.2
    x[chosen] = np.random.default_rng(seed + 1).choice(values, chosen.sum()).astype(dtype)
    return x


@pytest.mark.parametrize("backend", BACKENDS[:-1])
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("order", MEMORY)
@pytest.mark.parametrize("other", ["C", "channels-last", "sliced"])
def test_backends_agree_with_naive(backend: str, dtype: str, order: str, other: str) -> None:
    for shape in [(2, 3, 5, 4), (2, 7, 17, 19), (1, 33, 1, 70), (3, 1, 40, 31), (2500,), (0, 3), ()]:
        a, b = with_special_numbers(shape, 0, dtype), with_special_numbers(shape, 5, dtype)
        expected = pointwise("naive", a, b)
        if shape:
            a, b = stored_with_nan(a, order), stored_with_nan(b, other)
        for actual, desired in zip(pointwise(backend, a, b), expected, strict=True):
            assert isinstance(actual, np.ndarray)
            assert_close(actual, desired, magnitude=0)


def stored_with_nan(array: Array, order: str) -> Array:
    view = MEMORY[order](array)
    assert np.array_equal(view, array, equal_nan=True)
    return view


def digests_of(results: list[Array]) -> list[bytes]:
    return [array.tobytes() for array in results]


@pytest.mark.skipif("fast" not in BACKENDS, reason="the fast backend needs Numba")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(1, 3, 7, 5), (4, 16, 90, 91)], ids=["small", "large"])
def test_threads_strides_and_alignment_change_no_bit(dtype: str, shape: tuple[int, ...]) -> None:
    a, b = with_special_numbers(shape, 0, dtype), with_special_numbers(shape, 5, dtype)
    with fc.use_num_threads(1):
        expected = digests_of(pointwise("fast", a, b))
    assert digests_of(pointwise("fast", a, b)) == expected
    for order in MEMORY:
        found = pointwise("fast", stored_with_nan(a, order), stored_with_nan(b, "C"))
        assert digests_of(found) == expected, order


@pytest.mark.skipif("fast" not in BACKENDS, reason="the fast backend needs Numba")
def test_results_stay_in_the_memory_order_of_the_engine() -> None:
    a, b = stored(normal((2, 24, 30, 31), 0), "channels-last"), normal((2, 24, 30, 31), 1)
    assert F.add(a, b, backend="fast").strides == F.add(b, a, backend="fast").strides == a.strides
    assert F.relu(a, backend="fast").strides == a.strides
    assert F.relu_backward(b, a, backend="fast").strides == a.strides


@pytest.mark.skipif("fast" not in BACKENDS, reason="the fast backend needs Numba")
def test_the_kernels_as_python_functions() -> None:
    """With the JIT off they run on the readable twins of the intrinsics."""
    run(
        """
        import numpy as np
        from test_activations import digests_of, pointwise, with_special_numbers
        for dtype in ("float32", "float64"):
            a, b = with_special_numbers((2, 9, 11, 13), 0, dtype), with_special_numbers((2, 9, 11, 13), 5, dtype)
            with np.errstate(all="ignore"):
                fast = pointwise("fast", a, b)
            for found, expected in zip(fast, pointwise("numpy", a, b)):
                assert np.array_equal(found, expected, equal_nan=True)
        """,
        NUMBA_DISABLE_JIT="1",
    )


# the kernels of the fast backend

only_fast = pytest.mark.skipif("fast" not in BACKENDS, reason="the fast backend needs Numba")
NUMBERS: dict[str, tuple[float, ...]] = {"leaky_relu": (0.1,), "elu": (1.6, 1.05), "softplus": (2.0, 20.0)}
FROM_INPUT = ("hardswish", "silu", "softplus", "softsign", "gelu", "gelu_tanh")
EXACT: dict[str, Callable[[Array], Array]] = {
    "leaky_relu": lambda x: np.where(x > 0, x, x * np.longdouble(0.1)),
    "relu6": lambda x: np.clip(x, 0, 6),
    "hardsigmoid": lambda x: np.clip(x + 3, 0, 6) / 6,
    "hardswish": lambda x: x * np.clip(x + 3, 0, 6) / 6,
    "elu": lambda x: np.where(x > 0, x * np.longdouble(1.05), np.longdouble(1.6 * 1.05) * np.expm1(x)),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "tanh": np.tanh,
    "silu": lambda x: x / (1 + np.exp(-x)),
    "softplus": lambda x: np.where(2 * x > 20, x, np.log1p(np.exp(2 * x)) / 2),
    "softsign": lambda x: x / (1 + np.abs(x)),
    "gelu": lambda x: x * np.array([math.erfc(-float(value) / math.sqrt(2)) for value in x]) / 2,
    "gelu_tanh": lambda x: x / (1 + np.exp(-2 * math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
}
every_kernel = pytest.mark.parametrize("name", EXACT)


def of_every_size(dtype: str) -> Array:
    """Numbers of every size and of any bits at all, and special ones."""
    rng, limits = np.random.default_rng(0), np.finfo(dtype)
    bits = rng.integers(0, 2 ** (8 * limits.dtype.itemsize) - 1, 5000, np.uint64)
    ends = [limits.max, limits.tiny, -limits.tiny, limits.smallest_subnormal, -limits.smallest_subnormal, 3, -3, 6]
    parts = [*(rng.uniform(-size, size, 1000) for size in (1e-6, 1e-3, 0.1, 1, 5, 20, 100, 760)), SPECIAL, ends]
    numbers = np.concatenate([np.asarray(part).astype(dtype) for part in parts])
    return np.concatenate([numbers, bits.astype(f"u{limits.dtype.itemsize}").view(dtype)])


def kernel_and_numpy(name: str, x: Array, dy: Array | None = None) -> tuple[Array, Array]:
    """What the fast and the numpy backend make of x, or of a gradient and x."""
    from fastconv.backends import resolve_backend

    arrays, numbers = (x,) if dy is None else (dy, x), NUMBERS.get(name, ())
    found = []
    for backend in ("fast", "numpy"):
        chosen = resolve_backend(backend, name)
        found.append((chosen.activation if dy is None else chosen.activation_backward)(name, *arrays, *numbers))
    return found[0], found[1]


def units_off(found: Array, exact: Array) -> Array:
    """Distance from exact numbers in units in the last place; 0 where either is not finite."""
    rounded = exact.astype(found.dtype)
    with np.errstate(all="ignore"):
        off = np.abs(found - exact) / np.spacing(np.abs(rounded))
    return np.where(np.isfinite(found) & np.isfinite(rounded), off, 0).astype(np.float64)


@only_fast
@every_kernel
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_kernel_is_as_exact_as_numpy(name: str, dtype: str) -> None:
    """Within 4 units in the last place wherever NumPy is; what is zero or not finite is the same."""
    x = of_every_size(dtype)
    y, expected = kernel_and_numpy(name, x)
    exact = EXACT[name](x.astype(np.longdouble if dtype == "float64" else np.float64))
    finite = np.isfinite(expected)
    np.testing.assert_array_equal(y[~finite], expected[~finite])
    zero = (y == 0) & (expected == 0)
    np.testing.assert_array_equal(np.signbit(y[zero]), np.signbit(expected[zero]))
    if dtype == "float64" and (name == "gelu" or np.finfo(np.longdouble).nmant < 63):
        assert_close(y[finite], expected[finite])  # nothing exact to compare with
        return
    ordinary = np.abs(exact) >= np.finfo(dtype).tiny
    good = (units_off(expected, exact) <= 4) & ordinary
    assert units_off(y, exact)[good].max() <= (6 if name.startswith("gelu") else 4)


@only_fast
@every_kernel
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_gradient_kernel_computes_what_numpy_does(name: str, dtype: str) -> None:
    x = of_every_size(dtype)
    value = x if name in FROM_INPUT else kernel_and_numpy(name, x)[0]
    dx, expected = kernel_and_numpy(name, value, normal(x.shape, 1, dtype))
    finite = np.isfinite(expected)
    np.testing.assert_array_equal(dx[~finite], expected[~finite])
    assert_close(dx[finite], expected[finite], magnitude=size_of(expected[finite]))
    if name not in FROM_INPUT:
        np.testing.assert_array_equal(dx, expected)


@only_fast
@pytest.mark.parametrize("name", [*EXACT, "prelu"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(1, 3, 7, 5), (4, 16, 90, 91)], ids=["small", "large"])
def test_threads_strides_and_alignment_change_no_bit_of_an_activation(
    name: str, dtype: str, shape: tuple[int, ...]
) -> None:
    a, b = with_special_numbers(shape, 0, dtype), with_special_numbers(shape, 5, dtype)
    slopes = normal((shape[1],), 3, dtype)

    def both(dy: Array, x: Array) -> list[bytes]:
        found = [kernel_and_numpy(name, x)[0], kernel_and_numpy(name, x, dy)[0]] if name != "prelu" else [
            F.prelu(x, slopes), *F.prelu_backward(dy, x, slopes), *F.prelu_backward(dy, x, slopes[:1])
        ]  # fmt: skip
        return digests_of(
            [np.where(np.isnan(array), np.nan, array) for array in found]
        )  # one NaN is as good as another

    with fc.use_num_threads(1):
        expected = both(a, b)
    assert both(a, b) == expected
    for order in [order for order in MEMORY if order != "byte-swapped"]:  # which is another dtype, for a backend
        assert both(stored_with_nan(a, order), stored_with_nan(b, "C")) == expected, order
        assert both(stored_with_nan(a, "C"), stored_with_nan(b, order)) == expected, order


@only_fast
def test_the_kernels_of_activations_as_python_functions() -> None:
    run(
        """
        import numpy as np
        from fastconv import functional as F
        from fastconv.testing import assert_close
        from test_activations import EXACT, kernel_and_numpy, with_special_numbers
        np.seterr(all="ignore")
        for dtype in ("float32", "float64"):
            x, dy = with_special_numbers((2, 3, 5), 0, dtype), with_special_numbers((2, 3, 5), 5, dtype)
            for name in EXACT:
                assert_close(*kernel_and_numpy(name, x), magnitude=1)
            assert F.prelu(x, np.ones(3, dtype)).shape == F.prelu_backward(dy, x, np.ones(3, dtype)).dx.shape
        """,
        NUMBA_DISABLE_JIT="1",
    )


@only_fast
def test_the_series_of_the_kernels_is_that_of_numpy() -> None:
    from fastconv.backends.fast import activation_kernel

    for kind in (np.float32, np.float64):
        assert (
            activation_kernel.TAIL_SERIES[np.dtype(kind).itemsize] == normal_distribution._powers(np.dtype(kind))[::-1]
        )


@only_fast
@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("slopes", [1, 5])
def test_prelu_on_fast_is_that_of_numpy(last: bool, slopes: int) -> None:
    x, dy, weight = with_special_numbers((3, 5, 9, 8), 0, "float64"), normal((3, 5, 9, 8), 1), normal((slopes,), 2)
    if last:
        x, dy = stored_with_nan(x, "channels-last"), stored(dy, "channels-last")
    found = [F.prelu(x, weight), *F.prelu_backward(dy, x, weight)]
    with fc.use_backend("numpy"):
        expected = [F.prelu(x, weight), *F.prelu_backward(dy, x, weight)]
    for actual, desired in zip(found, expected):
        assert_close(actual, desired, magnitude=size_of(desired) * 100)


def test_a_layer_runs_backward_on_the_backend_of_its_forward_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    from fastconv.backends.naive import NaiveBackend

    calls: list[str] = []
    for name in ("relu", "relu_backward"):
        original = getattr(NaiveBackend, name)
        monkeypatch.setattr(
            NaiveBackend, name, lambda *a, original=original, name=name: calls.append(name) or original(*a)
        )
    layer = layers.ReLU()
    with fc.use_backend("naive"):
        layer([[1.0]])
    layer.backward([[1.0]])
    assert calls == ["relu", "relu_backward"]
    layers.ReLU(backend="naive")([[1.0]])
    assert calls[2:] == ["relu"]


def test_blocks_are_smaller_than_the_large_arrays_of_this_file() -> None:
    assert math.prod(LARGE) > 2 * elementwise.BLOCK


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0,), (0, 3, 4, 4)])
@pytest.mark.parametrize("axis", [0, -1])
def test_softmax_of_no_elements_has_none(shape: tuple[int, ...], axis: int) -> None:
    x = np.zeros(shape, np.float32)
    pairs = ((F.softmax, F.softmax_backward), (F.log_softmax, F.log_softmax_backward))
    for forward, backward in pairs:
        y = forward(x, axis)
        assert (y.shape, y.dtype) == (shape, x.dtype)
        assert backward(y, y, axis).shape == shape
    for layer in (layers.Softmax(axis), layers.LogSoftmax(axis)):
        assert layer.backward(layer(x)).shape == shape

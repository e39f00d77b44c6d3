"""The checkers checked: every seeded fault has to be found by the helpers that the other tests rely on."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from checks import check_avg, check_columns, check_conv, check_max
from strategies import CONV_CASES, POOL_CASES, conv_arrays, normal

import fastconv as fc
from fastconv import layers
from fastconv.backends.numpy import NumpyBackend
from fastconv.testing import GradientCheck, adjoint_check, assert_close, gradient_check, magnitude, tolerance

# A backend with a fault: numpy's results, spoilt.

Spoiler = Callable[[Any], Any]


def seed(monkeypatch: pytest.MonkeyPatch, method: str, spoil: Spoiler) -> None:
    original = getattr(NumpyBackend, method)
    monkeypatch.setattr(NumpyBackend, method, lambda self, *args: spoil(original(self, *args)))


def seed_argument(monkeypatch: pytest.MonkeyPatch, method: str, position: int, spoil: Spoiler) -> None:
    original = getattr(NumpyBackend, method)

    def spoilt(self: NumpyBackend, *args: Any) -> Any:
        return original(self, *args[:position], spoil(args[position]), *args[position + 1 :])

    monkeypatch.setattr(NumpyBackend, method, spoilt)


def border_pixel(y: Any) -> Any:
    y[..., 0, -1] *= 1.001
    return y


def later(i: int, spoil: Spoiler) -> Spoiler:
    """Spoil one of several results."""
    return lambda results: tuple(spoil(result) if j == i else result for j, result in enumerate(results))


def scaled(array: Any) -> Any:
    return array * 1.001


def run_conv(dtype: str = "float32", name: str = "asymmetric") -> None:
    check_conv("numpy", CONV_CASES[name], *conv_arrays(CONV_CASES[name], 0, dtype))


CONV_FAULTS = {
    "border-pixel": ("conv", None, border_pixel),
    "dx-border-pixel": ("conv_backward", None, later(0, border_pixel)),
    "dx-scaled": ("conv_backward", None, later(0, scaled)),
    "dweight-scaled": ("conv_backward", None, later(1, scaled)),
    "dbias-scaled": ("conv_backward", None, later(2, scaled)),
    "flipped": ("conv", 1, lambda weight: weight[..., ::-1, ::-1]),
    "no-bias": ("conv", 2, lambda bias: None),
    "filters-turned": ("conv", None, lambda y: np.roll(y, 1, axis=1)),
    "batch-dropped": ("conv_backward", None, later(1, lambda dweight: dweight / 2)),
}


@pytest.mark.parametrize("fault", CONV_FAULTS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_faults_of_convolution_are_found(monkeypatch: pytest.MonkeyPatch, fault: str, dtype: str) -> None:
    run_conv(dtype)
    method, position, spoil = CONV_FAULTS[fault]
    if position is None:
        seed(monkeypatch, method, spoil)
    else:
        seed_argument(monkeypatch, method, position, spoil)
    with pytest.raises(AssertionError, match=r"asymmetric|times the tolerance|the shape is|NaN|instead of"):
        run_conv(dtype)


def test_not_a_number_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    seed(monkeypatch, "conv", lambda y: np.where(y == y.max(), np.nan, y))
    with pytest.raises((AssertionError, ValueError), match=r"magnitude must be finite|is nan instead of"):
        run_conv()


def swap_axes_of_a_square(y: Any) -> Any:
    return y.swapaxes(-1, -2)


@pytest.mark.parametrize("name", ["plain", "same-lower", "depthwise"])
def test_height_and_width_swapped_are_found(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    run_conv(name=name)
    seed(monkeypatch, "conv_backward", later(1, swap_axes_of_a_square))
    with pytest.raises(AssertionError, match="shape"):
        run_conv(name=name)


def test_groups_swapped_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    run_conv(name="groups")
    seed_argument(monkeypatch, "conv", 0, lambda x: np.roll(x, 3, axis=1))
    with pytest.raises(AssertionError, match="times the tolerance"):
        run_conv(name="groups")


def overwrite(self: NumpyBackend, dy: Any, indices: Any, input_shape: tuple[int, ...]) -> Any:
    dx = np.zeros(input_shape, dy.dtype)
    for n, c in np.ndindex(*input_shape[:2]):
        dx[n, c].reshape(-1)[indices[n, c].ravel()] = dy[n, c].ravel()  # = where += is due
    return dx


def run_max(name: str = "overlapping", ceil_mode: bool = False) -> None:
    case = POOL_CASES[name]
    check_max("numpy", case, np.round(normal(case.x_shape, 0)) - 3, ceil_mode)  # negative, with ties


def last_of_equals(self: NumpyBackend, x: Any, geometry: Any, return_indices: bool) -> Any:
    turned = x[..., ::-1, ::-1]
    y, indices = MAX_POOL(self, turned, geometry, return_indices)
    plane = x.shape[2] * x.shape[3]
    return y[..., ::-1, ::-1], None if indices is None else plane - 1 - indices[..., ::-1, ::-1]


MAX_POOL = NumpyBackend.max_pool
MAX_FAULTS: dict[str, tuple[str, Any, str]] = {
    "overwritten": ("max_pool_backward", overwrite, "overlapping"),
    "last-of-equals": ("max_pool", last_of_equals, "overlapping"),
    "padding-of-zeros": (
        "max_pool",
        lambda self, x, g, r: (np.maximum((found := MAX_POOL(self, x, g, r))[0], 0), found[1]),
        "padded",
    ),
    "indices-of-the-window": (
        "max_pool",
        lambda self, x, g, r: ((found := MAX_POOL(self, x, g, r))[0], found[1] % g.taps if r else None),
        "plain",
    ),
}


@pytest.mark.parametrize("fault", MAX_FAULTS)
def test_faults_of_max_pooling_are_found(monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    method, faulty, name = MAX_FAULTS[fault]
    run_max(name)
    monkeypatch.setattr(NumpyBackend, method, faulty)
    with pytest.raises(AssertionError, match="instead of"):
        run_max(name)


def run_avg() -> None:
    case = POOL_CASES["asymmetric"]
    check_avg("numpy", case, normal(case.x_shape, 0), True, False)


@pytest.mark.parametrize("method", ["avg_pool", "avg_pool_backward"])
def test_counting_the_padding_is_found(monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    run_avg()
    original = getattr(NumpyBackend, method)
    monkeypatch.setattr(NumpyBackend, method, lambda self, array, geometry, include: original(self, array, geometry, 1))
    with pytest.raises(AssertionError, match="times the tolerance"):
        run_avg()


def run_columns() -> None:
    case = POOL_CASES["asymmetric"]
    check_columns("numpy", case, normal(case.x_shape, 0))


@pytest.mark.parametrize(
    ("method", "spoil"),
    [
        ("im2col", lambda cols: np.roll(cols, 1, axis=1)),
        ("im2col", border_pixel),
        ("col2im", border_pixel),
        ("col2im", lambda x: np.minimum(x, 2)),
    ],
)
def test_faults_of_columns_are_found(monkeypatch: pytest.MonkeyPatch, method: str, spoil: Spoiler) -> None:
    run_columns()
    seed(monkeypatch, method, spoil)
    with pytest.raises(AssertionError, match="times the tolerance"):
        run_columns()


# assert_close.


def test_the_tolerance_by_hand() -> None:
    assert tolerance("float64", 1) == 64 * 2.0**-52
    assert tolerance(np.float32, 3.0) == 3 * 64 * 2.0**-23
    assert tolerance(np.float16, np.array([0.0, 2.0])).tolist() == [0, 128 * 2.0**-10]


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("sign", [-1, 1])
def test_close_ends_where_it_says(dtype: str, sign: int) -> None:
    desired = np.full((2, 3), 1.0)
    for factor, passes in ((0.95, True), (1.05, False)):
        actual = desired.astype(dtype)
        actual[1, 0] += sign * factor * tolerance(dtype, 1)
        if passes:
            assert_close(actual, desired, dtype=dtype)
        else:
            with pytest.raises(AssertionError, match=r"1 of 6 elements is outside .* at \(1, 0\)"):
                assert_close(actual, desired, dtype=dtype)


INF, NAN = np.inf, np.nan


@pytest.mark.parametrize(
    ("actual", "desired", "message"),
    [
        (np.zeros((2, 3)), np.zeros((3, 2)), r"the shape is \(2, 3\) instead of \(3, 2\)"),
        (np.zeros((1, 3)), np.zeros(3), "the shape is"),
        (np.zeros(3, np.float32), np.zeros(3), "the dtype is float32 instead of float64"),
        (np.zeros(3, np.int32), np.zeros(3, np.int64), "the dtype is int32 instead of int64"),
        (np.array([1, NAN]), np.array([1.0, 2]), r"at \(1,\), is nan instead of 2.0"),
        (np.array([1.0, 2]), np.array([1, NAN]), r"at \(1,\), is 2.0 instead of nan"),
        (np.array([INF, 1]), np.array([-INF, 1]), r"at \(0,\), is inf instead of -inf"),
        (np.array([INF, 1]), np.array([1e308, 1]), "is inf instead of"),
        (np.array([1e308, 1]), np.array([INF, 1]), "instead of inf"),
        (np.array([NAN]), np.array([INF]), "is nan instead of inf"),
        (np.array([3, 4]), np.array([3, 5]), "is 4 instead of 5"),
        (np.array([2**62 + 1]), np.array([2**62]), "1 of 1 elements is outside"),
        (np.array([1.0, 2]), np.array([1.1, 7]), r"2 of 2 elements are outside .* at \(1,\), is 2.0 instead of 7.0"),
        (np.array(1.0), np.array(2.0), r"at \(\), is 1.0 instead of 2.0"),
    ],
)
def test_close_finds(actual: Any, desired: Any, message: str) -> None:
    with pytest.raises(AssertionError, match=f"^here: .*{message}"):
        assert_close(actual, desired, name="here")


@pytest.mark.parametrize(
    ("actual", "desired"),
    [
        (np.array([NAN, INF, -INF, 0.0]), np.array([NAN, INF, -INF, -0.0])),
        (np.zeros((0, 3)), np.zeros((0, 3))),
        (np.array([1, 2]), np.array([1, 2])),
        (np.array([1.0, 2.0]), [1, 2]),
        (np.array([NAN]), [NAN]),
    ],
)
def test_close_lets_pass(actual: Any, desired: Any) -> None:
    assert_close(actual, desired)


def test_a_magnitude_of_zero_asks_for_equality() -> None:
    assert_close(np.array([0.1]), np.array([0.1]), magnitude=0)
    with pytest.raises(AssertionError, match="inf times the tolerance of 0"):
        assert_close(np.nextafter([0.1], 1), np.array([0.1]), magnitude=0)


def test_the_magnitude_counts_per_element() -> None:
    desired, size = np.zeros(2), np.array([1.0, 1e6])
    error = 10 * tolerance("float64", 1)
    assert_close(np.array([0, error]), desired, magnitude=size)
    with pytest.raises(AssertionError, match=r"at \(0,\)"):
        assert_close(np.array([error, 0]), desired, magnitude=size)


@pytest.mark.parametrize("size", [-1.0, NAN, INF, np.array([1, NAN]), np.ones(3), np.ones((1, 2))])
def test_a_magnitude_that_would_hide_faults_is_refused(size: Any) -> None:
    with pytest.raises(ValueError, match="magnitude must"):
        assert_close(np.ones(2), np.ones(2), magnitude=size)


def test_magnitude_by_hand() -> None:
    x, weight = np.array([[[[1.0, -2, 3]]]]), np.array([[[[4, -5]]]])
    assert magnitude(fc.conv2d, x, weight, [-7]).tolist() == [[[[21.0, 30.0]]]]
    sizes = magnitude(fc.conv2d_backward, np.array([[[[1.0, -1]]]]), x, weight)
    assert [size.tolist() for size in sizes] == [[[[[4.0, 9.0, 5.0]]]], [[[[3.0, 5.0]]]], [2.0]]
    dy, indices = np.array([[[[1.0, -1]]]]), np.array([[[[-1, 2]]]])
    assert magnitude(fc.max_pool2d_backward, dy, indices, (1, 1, 1, 3)).tolist() == [[[[0.0, 0, 1]]]]
    assert x.tolist() == [[[[1.0, -2, 3]]]]


# adjoint_check.

SQUARES = {"kernel_size": (2, 3), "stride": (1, 2), "padding": 1}


def adjoint_of_columns(spoil: Spoiler) -> float:
    return adjoint_check(
        lambda x: fc.im2col(x, **SQUARES, backend="numpy"),
        lambda cols: spoil(fc.col2im(cols, (4, 5), **SQUARES, backend="numpy")),
        (2, 3, 4, 5),
        (2, 18, 15),
    )


@pytest.mark.parametrize("spoil", [border_pixel, scaled, lambda x: np.minimum(x, 3), lambda x: x[..., ::-1]])
def test_wrong_adjoints_are_found(spoil: Spoiler) -> None:
    assert adjoint_of_columns(lambda x: x) <= 1
    with pytest.raises(AssertionError, match=r"adjoint: <A x, y> is .*times the tolerance"):
        adjoint_of_columns(spoil)


def test_adjoints_of_the_wrong_shape_are_found() -> None:
    with pytest.raises(AssertionError, match=r"adjoint: the maps give shapes .* instead of"):
        adjoint_of_columns(lambda x: x[:1])


def test_adjoints_that_are_not_numbers_are_found() -> None:
    with pytest.raises(AssertionError, match="adjoint"):
        adjoint_of_columns(lambda x: x * NAN)


# gradient_check.

GX, GW = normal((2, 3, 5, 4), 0), normal((4, 3, 3, 2), 1)


def pair(spoil: Callable[[list[Any]], Any], **options: Any) -> Any:
    """A convolution whose gradients (dx, dweight) are spoilt."""

    def backward(dy: Any, x: Any, weight: Any) -> Any:
        return spoil(list(fc.conv2d_backward(dy, x, weight, backend="numpy", **options)[:2]))

    return functools.partial(fc.conv2d, backend="numpy", **options), backward


def spoil_one(i: int, spoil: Spoiler) -> Callable[[list[Any]], Any]:
    return lambda gradients: tuple(spoil(g) if j == i else g for j, g in enumerate(gradients))


def moved(array: Any) -> Any:
    """A gradient of one cell given to its neighbour: no sum over the array changes."""
    array[0, 0, 1, 1], array[0, 0, 1, 2] = 0, array[0, 0, 1, 2] + array[0, 0, 1, 1]
    return array


@pytest.mark.parametrize("mode", ["projection", "full"])
@pytest.mark.parametrize("i", [0, 1], ids=["dx", "dweight"])
@pytest.mark.parametrize(
    "spoil", [border_pixel, scaled, np.negative, np.zeros_like, lambda a: a[..., ::-1], lambda a: a * NAN]
)
def test_wrong_gradients_are_found(mode: str, i: int, spoil: Spoiler) -> None:
    assert gradient_check(pair(tuple), (GX, GW), mode=mode)
    with pytest.raises(AssertionError, match=f"analytic and numerical gradients differ(.|\n)*input {i}: WRONG"):
        gradient_check(pair(spoil_one(i, spoil)), (GX, GW), mode=mode)
    check = gradient_check(pair(spoil_one(i, spoil)), (GX, GW), mode=mode, raise_exception=False)
    assert not check
    assert not check.ok
    assert check.errors[f"input {1 - i}"] <= 1


@pytest.mark.parametrize("rng", range(10))
def test_a_moved_gradient_is_found_whatever_the_seed(rng: int) -> None:
    with pytest.raises(AssertionError, match="input 0: WRONG"):
        gradient_check(pair(spoil_one(0, moved)), (GX, GW), rng=rng)


def test_swapped_axes_are_found() -> None:
    x, weight = normal((2, 3, 5, 5), 0), normal((4, 3, 3, 3), 1)
    for i in (0, 1):
        with pytest.raises(AssertionError, match=f"input {i}: WRONG"):
            gradient_check(pair(spoil_one(i, swap_axes_of_a_square)), (x, weight))
    with pytest.raises(AssertionError, match=r"gradient of input 1 has shape .* instead of \(4, 3, 3, 2\)"):
        gradient_check(pair(spoil_one(1, swap_axes_of_a_square)), (GX, GW))


def test_a_missing_gradient_is_found() -> None:
    with pytest.raises(AssertionError, match="no gradient of input 1 came back"):
        gradient_check(pair(lambda gradients: gradients[0]), (GX, GW))


def test_pool_gradients_that_overwrite_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.random.default_rng(0).permutation(60).reshape(1, 2, 5, 6) / 7
    options: dict[str, Any] = {"kernel_size": 3, "stride": 1, "backend": "numpy"}
    gradient_check(fc.max_pool2d, x, **options)
    monkeypatch.setattr(NumpyBackend, "max_pool_backward", overwrite)
    with pytest.raises(AssertionError, match="x: WRONG"):
        gradient_check(fc.max_pool2d, x, **options)


def squared(x: Any, target: Any) -> tuple[float, Any]:
    return float(((x - target) ** 2).sum()), 2 * (x - target)


def test_losses_are_checked() -> None:
    target = normal((3, 4), 1)
    check = gradient_check(squared, normal((3, 4), 0), target=target)
    assert list(check.errors) == ["x"]
    with pytest.raises(AssertionError, match="x: WRONG"):
        gradient_check(lambda x: (squared(x, target)[0], (x - target)), normal((3, 4), 0))


class Parameter:
    def __init__(self, data: Any) -> None:
        self.data, self.grad = data, np.zeros_like(data)


class Dense:
    """y = tanh(x W + b), with gradients that add up."""

    def __init__(self, fault: float = 1.0) -> None:
        self.weight, self.bias = Parameter(normal((4, 3), 2, "float32")), Parameter(normal((3,), 3, "float32"))
        self.fault = fault

    def parameters(self) -> list[Parameter]:
        return [self.weight, self.bias]

    def forward(self, x: Any) -> Any:
        self.x, self.y = x, np.tanh(x @ self.weight.data + self.bias.data)
        return self.y

    def backward(self, dy: Any) -> Any:
        inner = dy * (1 - self.y**2)
        self.weight.grad = self.weight.grad + self.fault * self.x.T @ inner
        self.bias.grad = self.bias.grad + inner.sum(axis=0)
        return inner @ self.weight.data.T


def test_layers_are_checked_in_float64_and_put_back() -> None:
    layer = Dense()
    weight = layer.weight.data
    before = weight.copy()
    layer.backward(layer.forward(normal((5, 4), 4)))  # gradients left over from earlier
    check = gradient_check(layer, normal((5, 4), 4))
    assert list(check.errors) == ["x", "parameter 0", "parameter 1"]
    assert max(check.relative_errors.values()) < 1e-7
    assert layer.weight.data is weight
    assert np.array_equal(weight, before)
    assert not layer.weight.grad.any()


class Twice:
    """y = 2 layer(x), of a layer of ours, which is asked twice for its gradient."""

    def __init__(self) -> None:
        self.layer = layers.Linear(4, 3, dtype="float64", rng=0)

    def parameters(self) -> list[layers.Parameter]:
        return self.layer.parameters()

    def forward(self, x: Any) -> Any:
        return 2 * self.layer(x)

    def backward(self, dy: Any) -> Any:
        first, second = self.layer.backward(dy), self.layer.backward(dy)
        assert first is not None
        assert second is not None
        return first + second


@pytest.mark.parametrize("pair", [False, True])
def test_passes_of_a_check_count_neither_in_it_nor_afterwards(pair: bool) -> None:
    """A layer refuses a second backward pass after several forward passes, of which it remembers one."""
    twice, x = Twice(), normal((5, 4), 4)
    if pair:
        gradient_check((twice.forward, lambda dy, _: twice.backward(dy)), x)
    else:
        gradient_check(twice, x)
    twice.backward(twice.forward(x))


@pytest.mark.parametrize("mode", ["projection", "full"])
def test_a_wrong_parameter_gradient_is_found(mode: str) -> None:
    with pytest.raises(AssertionError, match=r"x: right(.|\n)*parameter 0: WRONG(.|\n)*parameter 1: right"):
        gradient_check(Dense(fault=1.001), normal((5, 4), 4), mode=mode)


def test_functions_in_float32_get_a_wider_tolerance() -> None:
    def forward(x: Any) -> Any:
        return np.sin(x.astype(np.float32))

    x = normal((5, 4), 5)
    assert gradient_check((forward, lambda dy, x: dy * np.cos(x)), x)
    with pytest.raises(AssertionError, match="x: WRONG"):
        gradient_check((forward, lambda dy, x: dy * np.cos(x) * 1.01), x)


def test_integers_are_passed_on() -> None:
    def forward(x: Any, where: Any) -> Any:
        return x[where]

    def backward(dy: Any, x: Any, where: Any) -> Any:
        dx = np.zeros_like(x)
        np.add.at(dx, where, dy)
        return dx

    check = gradient_check((forward, backward), (normal((4, 3), 6), np.array([1, 1, 3])))
    assert list(check.errors) == ["input 0"]


def test_a_given_dy_is_used() -> None:
    seen = []

    def backward(dy: Any, x: Any) -> Any:
        seen.append(dy.tolist())
        return 2 * dy

    gradient_check((lambda x: 2 * x, backward), np.ones(2), dy=[3, 4])
    assert seen == [[3.0, 4.0]]


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        (
            (pair(tuple), (GX, GW)),
            {"mode": "fast"},
            ValueError,
            "mode must be one of 'projection', 'full', but got 'fast'",
        ),
        ((pair(tuple), (GX, GW)), {"dy": np.ones(3)}, ValueError, r"dy must have shape \(2, 4, 3, 3\)"),
        ((pair(tuple), (GX.astype(int), GW.astype(int))), {}, ValueError, "at least one floating-point number"),
        ((np.tanh, GX), {}, TypeError, "must have its ..._backward beside it"),
        ((3, GX), {}, TypeError, "function_or_layer must be a function, a .* pair or a layer, but got 3"),
    ],
)
def test_what_cannot_be_checked(arguments: Any, options: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=f"gradient_check: .*{message}"):
        gradient_check(*arguments, **options)


def test_results_print_and_raise() -> None:
    check = GradientCheck(errors={"x": 0.5, "weight": NAN}, relative_errors={"x": 1e-9, "weight": NAN})
    assert "x: right, relative error 1.00e-09 (0.5 times the tolerance)" in str(check)
    assert "weight: WRONG" in str(check)
    assert np.isnan(check.worst_error)
    with pytest.raises(AssertionError, match="weight: WRONG"):
        check.raise_if_failed()
    right = GradientCheck(errors={"x": 0.5}, relative_errors={"x": 1e-9})
    assert right.raise_if_failed() is right


def test_a_list_of_arrays_is_several_inputs_and_a_list_of_numbers_is_one() -> None:
    x, weight = normal((1, 2, 4, 3), 0), normal((2, 2, 2, 2), 1)
    assert set(fc.gradient_check(fc.conv2d, [x, weight], backend="numpy").errors) == {"x", "weight"}
    assert set(fc.gradient_check((np.square, lambda dy, x: 2 * x * dy), [[1.0, 2.0], [3.0, 4.0]]).errors) == {"x"}

"""Arithmetic: dtypes, rounding, NaN, and what of it the backend computes."""

from __future__ import annotations

from math import erf

import numpy as np
import pytest
from onnx_operators import output

import fastconv as fc

RNG = np.random.default_rng(0)
PAIRS = {"Add": np.add, "Sub": np.subtract, "Mul": np.multiply}


def numbers(*shape: int, dtype: str = "float32") -> np.ndarray:
    return RNG.standard_normal(shape).astype(dtype)


def channels_last(x: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(np.moveaxis(x, 1, -1)).transpose(0, -1, *range(1, x.ndim - 1))


@pytest.mark.parametrize("backend", ["fast", "numpy", "naive"])
@pytest.mark.parametrize("operator", PAIRS)
@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (3, 1, 1), (1, 3, 1, 1), (2, 3, 1, 1), (2, 1, 1, 1), (1,), (), (4, 1)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_bit_is_that_of_numpy(operator: str, shape: tuple[int, ...], dtype: str, backend: str) -> None:
    if backend == "fast":
        pytest.importorskip("numba")
    a, b = numbers(2, 3, 4, 5, dtype=dtype), numbers(*shape, dtype=dtype)
    a[0, 0, 0] = [0, -0.0, np.inf, -np.inf, np.nan]
    with fc.use_backend(backend), np.errstate(invalid="ignore"):
        for x in (a, channels_last(a)):
            for pair in ((x, b), (b, x)):
                y, expected = output(operator, *pair), PAIRS[operator](*pair)
                assert y.dtype == dtype
                np.testing.assert_array_equal(y, expected)
                np.testing.assert_array_equal(np.signbit(y), np.signbit(expected) | (np.isnan(y) & np.signbit(y)))


@pytest.mark.parametrize(("operator", "other"), [("Add", (3, 1, 1)), ("Add", (2, 3, 4, 5)), ("Mul", (2, 3, 1, 1))])
def test_what_lies_between_convolutions_keeps_the_channels_last(operator: str, other: tuple[int, ...]) -> None:
    pytest.importorskip("numba")
    x = channels_last(numbers(2, 3, 4, 5))
    with fc.use_backend("fast"):
        assert output(operator, x, numbers(*other)).strides == x.strides


def test_of_a_channel_of_rows() -> None:
    x, b = numbers(4, 3), numbers(3)
    np.testing.assert_array_equal(output("Add", x, b), x + b)


@pytest.mark.parametrize("dtype", ["int8", "int32", "int64", "uint8"])
def test_quotients_of_integers_are_rounded_towards_zero(dtype: str) -> None:
    a, b = (np.array(values).astype(dtype) for values in ([7, -7, 7, -7, 6, 0], [2, 2, -2, -2, 3, 5]))
    y = output("Div", a, b)
    assert y.dtype == dtype
    expected = [3, -3, -3, 3, 2, 0] if dtype != "uint8" else a // b
    np.testing.assert_array_equal(y, expected)


def test_division_by_zero_gives_no_warning() -> None:
    np.testing.assert_array_equal(output("Div", np.array([1.0, -1.0, 0.0]), np.zeros(3)), [np.inf, -np.inf, np.nan])


def test_remainders_have_the_sign_that_is_asked_for() -> None:
    a, b = np.array([7, -7, 7, -7]), np.array([3, 3, -3, -3])
    np.testing.assert_array_equal(output("Mod", a, b), [1, 2, -2, -1])
    np.testing.assert_array_equal(output("Mod", a, b, fmod=1), [1, -1, 1, -1])


@pytest.mark.parametrize("x", [np.array([1, 2, 3], np.int32), np.array([1, 4, 9], np.float32)])
@pytest.mark.parametrize("y", [np.array([2, 1, 0]), np.array([0.5, 2, -1], np.float32), np.array(2.0), np.array([0.5])])
def test_powers_have_the_dtype_of_the_base(x: np.ndarray, y: np.ndarray) -> None:
    power = output("Pow", x, y)
    assert power.dtype == x.dtype
    expected = x.astype(np.float64) ** y
    np.testing.assert_allclose(power, expected if x.dtype.kind == "f" else np.trunc(expected), rtol=1e-6)


def test_largest_and_smallest_of_several_let_nan_through() -> None:
    arrays = np.array([[1.0, 5.0], [np.nan, 2.0]]), np.array([3.0, 3.0]), np.array(4.0)
    np.testing.assert_array_equal(output("Max", *arrays), [[4, 5], [np.nan, 4]])
    np.testing.assert_array_equal(output("Min", *arrays), [[1, 3], [np.nan, 2]])
    np.testing.assert_array_equal(output("Mean", *arrays[1:]), [3.5, 3.5])


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_the_error_function_is_exact_to_rounding(dtype: str) -> None:
    x = np.concatenate([np.linspace(-7, 7, 2001), np.logspace(-7, 0, 50), [0.0, np.inf, -np.inf, np.nan]]).astype(dtype)
    y = output("Erf", x)
    assert y.dtype == dtype
    expected = [erf(float(one)) for one in x]
    limits = np.finfo(dtype)
    np.testing.assert_allclose(
        y.astype(np.float64), expected, rtol=4 * limits.eps, atol=float(limits.smallest_subnormal)
    )


def test_a_number_is_an_array() -> None:
    assert isinstance(output("Exp", np.float32(1).reshape(())), np.ndarray)
    assert isinstance(output("ReduceSum", np.ones(3, np.float32), keepdims=0), np.ndarray)


def test_shapes_that_do_not_fit_are_told() -> None:
    with pytest.raises(
        ValueError, match=r"Mul: .* must have shapes that broadcast to one, but got \(2, 3\) and \(2,\)"
    ):
        output("Mul", np.ones((2, 3)), np.ones(2))

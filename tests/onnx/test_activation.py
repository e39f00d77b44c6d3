"""Activation functions with the constants, bounds and axes that ONNX has for them."""

from __future__ import annotations

import numpy as np
import pytest
from onnx_operators import output

import fastconv as fc
from fastconv.errors import InvalidValueError

X = np.array([-3, -1, -0.25, 0, 0.25, 1, 3], np.float32)


@pytest.mark.parametrize(
    ("operator", "options", "expected"),
    [
        ("Relu", {}, [0, 0, 0, 0, 0.25, 1, 3]),
        ("LeakyRelu", {"alpha": 0.5}, [-1.5, -0.5, -0.125, 0, 0.25, 1, 3]),
        ("HardSigmoid", {"alpha": 0.5, "beta": 0.5}, [0, 0, 0.375, 0.5, 0.625, 1, 1]),
        ("HardSigmoid", {"alpha": float(np.float32(1 / 6))}, [0, 1 / 3, 11 / 24, 0.5, 13 / 24, 2 / 3, 1]),
        ("ThresholdedRelu", {"alpha": 0.25}, [0, 0, 0, 0, 0, 1, 3]),
        ("Shrink", {"lambd": 0.5, "bias": 0.25}, [-2.75, -0.75, 0, 0, 0, 0.75, 2.75]),
        ("Selu", {"alpha": 2.0, "gamma": 0.5}, [np.exp(-3) - 1, np.exp(-1) - 1, np.exp(-0.25) - 1, 0, 0.125, 0.5, 1.5]),
        ("Celu", {"alpha": 0.5}, [*(np.exp(2 * X[:3]) - 1) / 2, 0, 0.25, 1, 3]),
    ],
)
def test_numbers_by_hand(operator: str, options: dict[str, float], expected: list[float]) -> None:
    y = output(operator, X, **options)
    assert y.dtype == np.float32
    np.testing.assert_allclose(y, expected, rtol=1e-6)


@pytest.mark.parametrize("operator", ["Relu", "Clip"])
def test_integers_stay_integers(operator: str) -> None:
    bounds = [np.int32(0)] if operator == "Clip" else []
    y = output(operator, np.array([-2, 3], np.int32), *bounds)
    assert y.dtype == np.int32
    np.testing.assert_array_equal(y, [0, 3])


@pytest.mark.parametrize(
    ("low", "high"), [(-1, 2), (None, 2), (-1, None), (0, None), (0, 6), (2, -1), (0, 2), (None, None)]
)
def test_bounds_are_attributes_or_inputs(low: float | None, high: float | None) -> None:
    bounds = [None if bound is None else np.float32(bound) for bound in (low, high)]
    expected = np.minimum(np.maximum(X, -np.inf if low is None else low), np.inf if high is None else high)
    np.testing.assert_array_equal(output("Clip", X, *bounds), expected)
    largest = float(np.finfo(np.float32).max)
    options = {"min": -largest if low is None else low, "max": largest if high is None else high}
    np.testing.assert_array_equal(output("Clip", X, opset=7, **options), expected)


@pytest.mark.parametrize("shape", [(1,), (3, 1, 1), (1, 3, 1, 1), (5,), (4, 1), (2, 3, 4, 5), ()])
def test_slopes_are_broadcast(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    x, slope = rng.standard_normal((2, 3, 4, 5)), rng.standard_normal(shape)
    np.testing.assert_allclose(output("PRelu", x, slope), np.where(x < 0, x * slope, x))


def test_slopes_do_not_make_the_result_larger() -> None:
    with pytest.raises(InvalidValueError, match=r"PRelu: slope must broadcast to the shape of X, \(7,\)"):
        output("PRelu", X, np.ones((2, 7), np.float32))


@pytest.mark.parametrize("operator", ["Softmax", "LogSoftmax", "Hardmax"])
def test_all_axes_from_the_one_that_is_named_were_one_at_first(operator: str) -> None:
    x = np.random.default_rng(0).standard_normal((2, 3, 4))
    old, rows = output(operator, x, opset=11, axis=1), output(operator, x.reshape(2, 12), opset=13)
    np.testing.assert_array_equal(old.reshape(2, 12), rows)
    np.testing.assert_array_equal(output(operator, x, opset=11, axis=-1), output(operator, x, opset=13, axis=2))


def test_the_first_of_equal_maxima_counts() -> None:
    np.testing.assert_array_equal(output("Hardmax", np.array([[1.0, 2, 2], [3, 3, 0]])), [[0, 1, 0], [1, 0, 0]])


def test_the_logarithm_of_one_and_an_exponential_is_exact_in_float64() -> None:
    x = np.array([15.0, 25, 35, 45, 800])
    np.testing.assert_allclose(output("Softplus", x), np.logaddexp(0, x), rtol=1e-15)


@pytest.mark.parametrize("backend", fc.available_backends())
def test_arrays_of_no_numbers(backend: str) -> None:
    none = np.zeros((3, 0, 2), np.float32)
    with fc.use_backend(backend):
        assert output("PRelu", none, none[0]).shape == none.shape
        assert output("PRelu", none, none[0, :, :1]).shape == none.shape
        assert output("Hardmax", none, axis=1).shape == none.shape

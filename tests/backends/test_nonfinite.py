"""Infinities and NaN in convolutions: they reach what a window connects them with, padding included, on every backend.

All finite numbers are small integers, so that everything is exact.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from grids import grid
from strategies import BACKENDS, Array, ConvCase, TransposedCase, normal

import fastconv as fc

NAN, INF = np.nan, np.inf

CASES = {
    "padded": ConvCase((2, 3, 6, 7), (20, 3, 3, 2), (1, 2), 1),
    "many-channels": ConvCase((2, 18, 5, 6), (4, 18, 3, 3), 1, 1),
    "asymmetric": ConvCase((1, 9, 5, 4), (3, 9, 3, 2), (2, 1), ((0, 2), (3, 1)), (1, 2)),
    "valid": ConvCase((2, 9, 6, 7), (4, 9, 3, 2), (2, 1)),
    "one-by-one": ConvCase((2, 9, 5, 4), (3, 9, 1, 1), (2, 1), (0, 1)),
    "groups": ConvCase((2, 6, 5, 4), (4, 3, 3, 2), 1, 1, 1, 2),
    "depthwise": ConvCase((2, 5, 6, 4), (5, 1, 3, 2), (1, 2), 1, 1, 5),
    "depthwise-multiplied": ConvCase((2, 3, 6, 4), (6, 1, 3, 2), 1, 1, 1, 3),
    "1d": ConvCase((2, 9, 8), (4, 9, 3), 2, 2),
    "3d": ConvCase((1, 9, 3, 4, 5), (2, 9, 2, 3, 2), (1, 2, 1), 1),
    "transposed": TransposedCase((2, 3, 4, 5), (3, 18, 3, 2), (2, 1), 1, 1, 1, True, (1, 0)),
    "transposed-few": TransposedCase((2, 3, 4, 5), (3, 2, 3, 2), (1, 2), 1),
    "transposed-groups": TransposedCase((2, 6, 4, 5), (6, 9, 3, 2), (2, 3), 1, 1, 2),
    "transposed-depthwise": TransposedCase((2, 5, 4, 3), (5, 1, 3, 2), 2, 1, 1, 5),
    "transposed-1d": TransposedCase((2, 3, 7), (3, 17, 4), 2, 1),
    "transposed-3d": TransposedCase((1, 3, 2, 4, 3), (3, 17, 2, 3, 2), 2, 1),
}
ORDER = ("y", "dx", "dweight", "dbias")


def digits(shape: tuple[int, ...], seed: int) -> Array:
    """Draw integers from 1 to 10, none of them zero."""
    return np.abs(normal(shape, seed, "int64")) + 1.0


def arrays(case: ConvCase, dtype: str) -> dict[str, Array]:
    x, weight = digits(case.x_shape, 0).astype(dtype), digits(case.weight_shape, 1).astype(dtype)
    y = case.forward(x, weight, **case.options, backend="naive")
    bias, dy = digits((case.outputs,), 2).astype(dtype), digits(y.shape, 3).astype(dtype)
    return {"x": x, "weight": weight, "bias": bias, "dy": dy}


def results(case: ConvCase, backend: str, given: dict[str, Array]) -> dict[str, Array]:
    options: dict[str, Any] = {**case.options, "backend": backend}
    y = case.forward(given["x"], given["weight"], given["bias"], **options)
    gradients = case.backward(given["dy"], given["x"], given["weight"], **options)
    return dict(zip(ORDER, (y, *gradients)))


def spoilt(given: dict[str, Array], name: str, value: float, corner: bool) -> dict[str, Array]:
    """The same arrays with one number that is not finite, in the first corner or inside."""
    array = given[name].copy()
    array[(0,) * array.ndim if corner else tuple(size // 2 for size in array.shape)] = value
    return {**given, name: array}


def by_gradient_of_windows(case: ConvCase) -> str:
    """The result that is made by spreading: the gradient of the input, or the transposed convolution itself."""
    return "y" if isinstance(case, TransposedCase) else "dx"


@grid(
    called=CASES,
    dtype=("float32", "float64"),
    name=("x", "weight", "bias", "dy"),
    value=(NAN, INF, -INF),
    corner=(True, False),
)
def test_all_backends_agree(called: str, dtype: str, name: str, value: float, corner: bool) -> None:
    case = CASES[called]
    given = spoilt(arrays(case, dtype), name, value, corner)
    expected = results(case, "naive", given)
    assert any(not np.isfinite(array).all() for array in expected.values())
    for backend in BACKENDS:
        for result, array in results(case, backend, given).items():
            if backend == "fast" and name == "weight" and result == by_gradient_of_windows(case):
                check_spread_weights(array, expected[result])
            else:
                assert np.array_equal(array, expected[result], equal_nan=True), (backend, result)


def check_spread_weights(actual: Array, expected: Array) -> None:
    """Zeros beyond the edge may meet a weight that is not finite: NaN, and nothing else, may stand in its place."""
    assert (np.isnan(actual) | (actual == expected)).all()
    assert np.isnan(actual[np.isnan(expected)]).all()
    assert np.isfinite(actual).any() == np.isfinite(expected).any()


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
@pytest.mark.parametrize("backend", BACKENDS)
def test_both_infinities_make_nan_without_a_warning(case: ConvCase, backend: str) -> None:
    given = arrays(case, "float32")
    for array in given.values():
        array[...] = np.where(np.arange(array.size) % 2, INF, -INF).reshape(array.shape)
    found = results(case, backend, given)
    assert any(np.isnan(array).any() for array in found.values())
    assert not np.isfinite(found["dbias"]).any()


@pytest.mark.parametrize("backend", BACKENDS)
def test_padding_is_multiplied(backend: str) -> None:
    x, weight = np.ones((1, 1, 3)), np.array([[[INF, 1.0]]])
    y = fc.conv1d(x, weight, padding=1, backend=backend)
    assert np.array_equal(y, [[[NAN, INF, INF, INF]]], equal_nan=True)
    dy = np.array([[[INF, 1.0, 1, 1]]])
    dweight = fc.conv1d_backward(dy, x, np.ones((1, 1, 2)), padding=1, backend=backend).dweight
    assert np.array_equal(dweight, [[[NAN, INF]]], equal_nan=True)


@pytest.mark.parametrize("backend", BACKENDS)
def test_pytorch_multiplies_padding_too(backend: str) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    x, weight = np.ones((1, 1, 4, 5)), np.ones((1, 1, 3, 3))
    weight[0, 0, 0, 0] = INF
    expected = torch.nn.functional.conv2d(torch.tensor(x), torch.tensor(weight), padding=1).numpy()
    assert np.array_equal(fc.conv2d(x, weight, padding=1, backend=backend), expected, equal_nan=True)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_too_large_is_infinity_without_a_warning(backend: str, dtype: str) -> None:
    huge = np.full((1, 2, 3), np.finfo(dtype).max)
    weight = np.ones((2, 2, 2), dtype)
    assert np.all(fc.conv1d(huge, weight, backend=backend) == INF)
    assert np.all(fc.conv_transpose1d(huge, weight, huge[0, :, 0], backend=backend) == INF)
    gradients = fc.conv_transpose1d_backward(np.repeat(huge, 2, axis=2)[..., :4], huge, weight, backend=backend)
    assert all(np.all(gradient == INF) for gradient in gradients)

"""Normalisation as versions of ONNX mean it, by hand or beside NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from onnx_operators import output, outputs

RNG = np.random.default_rng(0)
X = RNG.standard_normal((3, 4, 2, 5)).astype(np.float32)
TABLES = tuple(np.abs(RNG.standard_normal((4, 4))).astype(np.float32))  # scale, bias, mean, variance


def of_channels(table: np.ndarray) -> np.ndarray:
    return table[:, None, None]


def normalized(x: np.ndarray, mean: np.ndarray, variance: np.ndarray) -> np.ndarray:
    return (x - mean) / np.sqrt(variance + 1e-5)


@pytest.mark.parametrize("opset", [7, 9, 14, 15])
def test_channels_are_normalized_with_the_statistics_that_are_given(opset: int) -> None:
    scale, bias, mean, variance = map(of_channels, TABLES)
    expected = normalized(X, mean, variance) * scale + bias
    np.testing.assert_allclose(output("BatchNormalization", X, *TABLES, opset=opset), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("opset", "count", "options"), [(8, 5, {}), (14, 3, {"training_mode": 1})])
def test_statistics_of_the_batch_move_those_that_are_given(opset: int, count: int, options: dict[str, int]) -> None:
    y, *tables = outputs("BatchNormalization", X, *TABLES, opset=opset, count=count, momentum=0.75, **options)
    mean, variance = X.mean((0, 2, 3)), X.var((0, 2, 3))
    expected = normalized(X, of_channels(mean), of_channels(variance)) * of_channels(TABLES[0]) + of_channels(TABLES[1])
    np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-5)
    moved = [0.75 * old + 0.25 * new for old, new in zip(TABLES[2:], (mean, variance))]
    np.testing.assert_allclose(tables, [*moved, mean, variance][: count - 1], rtol=1e-5, atol=1e-6)


def test_there_may_be_statistics_for_every_cell() -> None:
    tables = [np.abs(RNG.standard_normal(X.shape[1:])).astype(np.float32) for _ in range(4)]
    scale, bias, mean, variance = tables
    y = output("BatchNormalization", X, *tables, opset=7, spatial=0)
    np.testing.assert_allclose(y, normalized(X, mean, variance) * scale + bias, rtol=1e-4, atol=1e-5)
    results = outputs("BatchNormalization", X, *tables, opset=7, count=5, spatial=0)
    assert [one.shape for one in results] == [X.shape, *[X.shape[1:]] * 4]
    np.testing.assert_allclose(results[3], X.mean(0), rtol=1e-4, atol=1e-6)


def test_results_have_the_dtype_of_the_input_whatever_that_of_the_statistics() -> None:
    assert output("BatchNormalization", X.astype(np.float16), *TABLES, opset=15).dtype == np.float16


def test_groups_had_one_factor_each_at_first() -> None:
    scale, bias = TABLES[0][:2], TABLES[1][:2]
    old = output("GroupNormalization", X, scale, bias, opset=18, num_groups=2)
    new = output("GroupNormalization", X, scale.repeat(2), bias.repeat(2), opset=21, num_groups=2)
    np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize("shape", [(5,), (2, 5), (1, 5), (2, 1), (), (4, 1, 5), (3, 4, 2, 5)])
def test_factors_of_a_layer_are_broadcast(shape: tuple[int, ...]) -> None:
    scale, bias = (RNG.standard_normal(shape).astype(np.float32) for _ in range(2))
    mean, variance = X.mean((2, 3), keepdims=True), X.var((2, 3), keepdims=True)
    y, first, second = outputs("LayerNormalization", X, scale, bias, count=3, axis=2)
    np.testing.assert_allclose(y, normalized(X, mean, variance) * scale + bias, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(first, mean, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(second, 1 / np.sqrt(variance + 1e-5), rtol=1e-5)


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_of_an_even_number_of_neighbours_one_more_comes_after(size: int) -> None:
    y = output("LRN", X, size=size, alpha=0.5, beta=0.7, bias=2.0)
    for channel in range(4):
        first, last = max(0, channel - (size - 1) // 2), min(3, channel + size // 2)
        squares = np.square(X[:, first : last + 1]).sum(1)
        np.testing.assert_allclose(y[:, channel], X[:, channel] / (2 + 0.5 / size * squares) ** 0.7, rtol=1e-5)


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("p", [1, 2])
def test_norms_are_one(axis: int, p: int) -> None:
    y = output("LpNormalization", X, axis=axis, p=p)
    np.testing.assert_allclose((np.abs(y) ** p).sum(axis), 1, rtol=1e-5)

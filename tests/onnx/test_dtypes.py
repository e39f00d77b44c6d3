"""Operators in other floating-point types than float32, and over arrays with any strides: the same results."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import fastconv as fc

pytest.importorskip("onnx")

from onnx_questions import FLOATING, Question, as_model, as_value


@pytest.mark.parametrize("dtype", [np.float64, np.float16])
@pytest.mark.parametrize("kind", FLOATING, ids=lambda kind: kind.__name__)
def test_results_are_those_of_float32(kind: Callable[[np.random.Generator], Question], dtype: type) -> None:
    for seed in range(3):
        question = kind(np.random.default_rng(seed))
        inputs = [None if array is None else array.astype(dtype) for array in question.inputs]
        rounded = [None if array is None else array.astype(np.float32) for array in inputs]
        results, expected = (run(question._replace(inputs=arrays)) for arrays in (inputs, rounded))
        assert_like(results[0], expected[0], dtype)


@pytest.mark.parametrize("kind", FLOATING, ids=lambda kind: kind.__name__)
def test_strides_do_not_matter(kind: Callable[[np.random.Generator], Question]) -> None:
    for seed in range(3):
        question = kind(np.random.default_rng(seed))
        spread = [None if array is None else strided(array) for array in question.inputs]
        for result, expected in zip(run(question._replace(inputs=spread)), run(question)):
            np.testing.assert_allclose(result, expected, rtol=1e-6, atol=1e-6)


def strided(array: np.ndarray) -> np.ndarray:
    """The same numbers, channels last, with gaps between them."""
    if array.ndim < 2:
        return np.repeat(array, 2)[::2] if array.ndim else array
    last = np.moveaxis(array, 1, -1)
    return np.moveaxis(np.repeat(last, 2, axis=0)[::2], -1, 1)


def run(question: Question) -> list[np.ndarray]:
    model, feeds = as_model(question, question.opsets[-1])
    for value in model.graph.output:
        value.CopyFrom(as_value(value.name, feeds["x0"]))
    return fc.onnx.load(model).run(feeds)


def assert_like(result: np.ndarray, expected: np.ndarray, dtype: type) -> None:
    assert result.dtype == dtype
    tolerance = 2e-3 if dtype == np.float16 else 1e-5
    np.testing.assert_allclose(result, expected, rtol=tolerance, atol=tolerance)

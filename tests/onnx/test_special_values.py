"""Infinities, NaN and numbers that overflow: operators compute with them, and do not warn."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import fastconv as fc

pytest.importorskip("onnx")

from onnx_questions import FLOATING, Question, as_model, as_value

VALUES = [np.inf, -np.inf, np.nan, 3e38, -3e38, 1e-40, 0.0, -0.0]


@pytest.mark.parametrize("kind", FLOATING, ids=lambda kind: kind.__name__)
def test_nothing_is_raised_or_warned_of(kind: Callable[[np.random.Generator], Question]) -> None:
    for seed in range(4):
        rng = np.random.default_rng(seed)
        question = kind(rng)
        model, feeds = as_model(question, question.opsets[-1])
        for array in feeds.values():
            if array.ndim:
                places = rng.random(array.shape) < 0.3
                array[places] = rng.choice(VALUES, int(places.sum()))
        for value in model.graph.output:
            value.CopyFrom(as_value(value.name, feeds["x0"]))
        results = fc.onnx.load(model).run(feeds)
        assert results[0].dtype == np.float32


def test_zeros_have_no_direction() -> None:
    question = Question("LpNormalization", {"axis": 0}, [np.zeros((2, 3), np.float32)])
    model, feeds = as_model(question, 22)
    model.graph.output[0].CopyFrom(as_value("y0", feeds["x0"]))
    np.testing.assert_array_equal(fc.onnx.load(model).run(feeds)[0], 0)


def test_a_window_on_padding_alone_has_the_least_integer() -> None:
    x = np.full((1, 1, 1), -3, np.int8)
    options = {"kernel_shape": [2], "dilations": [3], "pads": [2, 2], "strides": [1]}
    model, feeds = as_model(Question("MaxPool", options, [x]), 12)
    model.graph.output[0].CopyFrom(as_value("y0", x))
    model.graph.output[0].type.tensor_type.shape.dim[2].dim_value = 2
    np.testing.assert_array_equal(fc.onnx.load(model).run(feeds)[0].ravel(), [-128, -128])

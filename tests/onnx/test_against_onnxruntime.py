"""Operators with odd windows, axes and broadcasts, in old and new versions, beside ONNX Runtime."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import fastconv as fc

pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")
runtime.set_default_logger_severity(4)

from onnx_questions import SEEDS, Question, as_model, as_value  # noqa: E402 - it needs the package onnx
from onnx_questions_between import KINDS  # noqa: E402


@pytest.mark.parametrize("seed", range(SEEDS))
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_outputs_are_those_of_onnxruntime(kind: Callable[[np.random.Generator], Question], seed: int) -> None:
    rng = np.random.default_rng(seed)
    question = kind(rng)
    model, feeds = as_model(question, int(rng.choice(question.opsets)))
    expected = runtime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"]).run(None, feeds)
    for value, array in zip(model.graph.output, expected):
        value.CopyFrom(as_value(value.name, array))
    for backend in ("fast", "numpy") if "fast" in fc.available_backends() else ("numpy",):
        with fc.use_backend(backend):
            results = fc.onnx.load(model).run(feeds)
        for result, array in zip(results, expected):
            assert result.dtype == array.dtype
            assert result.shape == array.shape
            np.testing.assert_allclose(result, array, rtol=1e-4, atol=1e-5)

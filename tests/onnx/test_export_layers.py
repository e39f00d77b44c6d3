"""Every layer as a graph of ONNX: what other engines compute from it."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import numpy as np
import pytest
from onnx_layers import CASES

import fastconv as fc
from fastconv import layers as L

onnx = pytest.importorskip("onnx", reason="the extra onnx is not installed")

# Largest difference, relative to the largest number of the result.
TOLERANCES = {"float16": 4e-3, "float32": 4e-6, "float64": 2e-6}
BATCHES = (1, 3)


def of_dtype(layer: L.Layer, dtype: str) -> L.Layer:
    """The layer in a dtype, which those without parameters get from a slope of 1 before them."""
    layer = deepcopy(layer).cast(dtype)
    return layer if layer.parameters() else L.Sequential(L.PReLU(init=1.0, dtype=dtype), layer)


def expected(layer: L.Layer, x: Any) -> Any:
    with fc.use_backend("numpy"):
        return layer.eval()(x)


def numbers(shape: tuple[int, ...], dtype: str) -> Any:
    return (2 * np.random.default_rng(1).standard_normal(shape)).astype(dtype)


def assert_equal(y: Any, right: Any) -> None:
    assert y.dtype == right.dtype
    assert y.shape == right.shape
    scale = np.nanmax(np.abs(right), initial=1.0)
    np.testing.assert_allclose(y, right, rtol=0, atol=TOLERANCES[right.dtype.name] * scale)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("case", CASES)
def test_onnx_runtime_computes_the_same(case: str, dtype: str) -> None:
    runtime = pytest.importorskip("onnxruntime", reason="it is not installed")
    layer, shape = CASES[case]
    layer = of_dtype(layer, dtype)
    proto = fc.onnx.to_model_proto(layer, shape)
    session = runtime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    for batch in BATCHES:
        x = numbers((batch, *shape[1:]), dtype)
        assert_equal(session.run(None, {"input": x})[0], expected(layer, x))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", CASES)
def test_what_is_read_back_computes_the_same(case: str, dtype: str) -> None:
    layer, shape = CASES[case]
    layer, x = of_dtype(layer, dtype), numbers(shape, dtype)
    model = fc.onnx.load(fc.onnx.to_model_proto(layer, shape))
    with fc.use_backend("numpy"):
        (y,) = model.run([x])
    assert_equal(y, expected(layer, x))


def test_every_layer_is_written() -> None:
    kinds = {kind for kind in vars(L).values() if isinstance(kind, type) and issubclass(kind, L.Layer)} - {L.Layer}
    assert kinds == {type(one) for layer, _ in CASES.values() for _, one in layer.named_layers()}

"""`fastconv.onnx.Backend`, as tools for ONNX call it."""

from __future__ import annotations

import sys
import unittest
import warnings

import numpy as np
import pytest

import fastconv as fc

onnx = pytest.importorskip("onnx")
helper = onnx.helper


def relu_model() -> object:
    values = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["N"]) for name in "xy"]
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", values[:1], values[1:])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


def test_it_is_a_backend_for_the_cpu() -> None:
    from onnx.backend import base

    assert issubclass(fc.onnx.Backend, base.Backend)
    assert fc.onnx.Backend.supports_device("CPU")
    assert not fc.onnx.Backend.supports_device("CUDA")


def test_a_prepared_model_gives_outputs_with_names() -> None:
    x = np.float32([-1, 2])
    outputs = fc.onnx.Backend.prepare(relu_model()).run([x])
    np.testing.assert_array_equal(outputs["y"], [0, 2])
    np.testing.assert_array_equal(fc.onnx.Backend.run_model(relu_model(), {"x": x})[0], [0, 2])


def test_a_node_is_run_with_the_version_that_is_asked_for() -> None:
    x = np.float32([[[0, 1], [2, 3]]])
    node = helper.make_node("Softmax", ["x"], ["y"], axis=1)
    old, new = (fc.onnx.Backend.run_node(node, [x], opset_version=version)[0] for version in (11, 13))
    np.testing.assert_allclose(old.sum(), 1, rtol=1e-6)
    np.testing.assert_allclose(new.sum(axis=1), [[1, 1]], rtol=1e-6)


def test_a_node_has_the_outputs_that_are_asked_for() -> None:
    x = np.arange(8, dtype=np.float32).reshape(1, 2, 2, 2)
    node = helper.make_node("MaxPool", ["x"], ["y", "places"], kernel_shape=[2, 2])
    y, places = fc.onnx.Backend.run_node(node, [x], opset_version=13)
    np.testing.assert_array_equal([y.ravel(), places.ravel()], [[3, 7]] * 2)


def test_a_model_that_cannot_run_is_not_compatible() -> None:
    model = relu_model()
    assert fc.onnx.Backend.is_compatible(model)
    assert not fc.onnx.Backend.is_compatible(model, "CUDA")
    model.graph.node[0].op_type = "SoftmaxCrossEntropyLoss"
    assert not fc.onnx.Backend.is_compatible(model)


def test_without_the_extra_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match=r"onnx\.Backend: onnx must be installed .*fastconv\[onnx\]"):
        _ = fc.onnx.Backend


@pytest.mark.slow
def test_tests_of_the_onnx_project_run_on_it() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # cases that overflow on purpose
        from onnx.backend.test import BackendTest

        suite = (
            BackendTest(fc.onnx.Backend, __name__).include("test_basic_conv_.*_cpu|test_maxpool_2d_.*_cpu").test_suite
        )
        result = unittest.TestResult()
        suite.run(result)
    assert result.wasSuccessful(), result.failures + result.errors
    assert result.testsRun - len(result.skipped) > 10

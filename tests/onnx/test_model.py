"""Models made here, run."""

import numpy as np
import pytest

import fastconv as fc

onnx = pytest.importorskip("onnx")
helper = onnx.helper


def test_a_sum_of_an_input_and_a_constant() -> None:
    node = helper.make_node("Add", ["x", "w"], ["y"], name="sum")
    values = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["N", 3]) for name in "xy"]
    weight = onnx.numpy_helper.from_array(np.arange(3, dtype=np.float32), "w")
    graph = helper.make_graph([node], "g", values[:1], values[1:], [weight])
    model = fc.onnx.load(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)]))
    assert model.inputs[0].shape == ("N", 3)
    (y,) = model.run({"x": np.ones((2, 3), np.float32)})
    np.testing.assert_array_equal(y, [[1, 2, 3]] * 2)

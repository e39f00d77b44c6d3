"""What a model takes, what it says, and what it refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fastconv as fc
from fastconv.errors import InvalidTypeError, InvalidValueError, MemoryLimitError

onnx = pytest.importorskip("onnx")
from tests.support.onnx_files import model, node  # noqa: E402 - which imports onnx

TWO = {"x": ("N", 3), "z": ("N", 1)}


def _model() -> Any:
    return fc.onnx.load(model([node("Add", "x z", "y", "sum")], TWO, ["y"]))


def test_inputs_by_name_in_order_and_alone() -> None:
    loaded, x, z = _model(), np.ones((2, 3)), np.full((2, 1), 2)
    for inputs in ({"z": z, "x": x}, [x, z], (x.tolist(), z.tolist())):
        (y,) = loaded.run(inputs)
        assert y.dtype == np.float32
        np.testing.assert_array_equal(y, np.full((2, 3), 3))
    alone = fc.onnx.load(model([node("Neg", "x", "y")], {"x": (2,)}, ["y"]))
    np.testing.assert_array_equal(alone.run(np.ones(2))[0], [-1, -1])


@pytest.mark.parametrize(
    ("inputs", "kind", "words"),
    [
        ({"x": np.ones((2, 3))}, InvalidValueError, "inputs must be x, z, but got x"),
        (
            {"x": np.ones((2, 3)), "z": np.ones((2, 1)), "q": 1},
            InvalidValueError,
            "inputs must be x, z, but got x, z, q",
        ),
        ([np.ones((2, 3))], InvalidValueError, "must be 2 arrays .x, z., but got 1"),
        ("xz", InvalidTypeError, "must be a dict, a list or an array"),
        ([np.ones((2, 4)), np.ones((2, 1))], InvalidValueError, r"x: float32\[N, 3\] is what the file says, but got"),
        ([np.ones(3), np.ones((2, 1))], InvalidValueError, r"but got shape \(3,\)"),
        (
            [np.ones((2, 3)), np.ones((4, 1))],
            InvalidValueError,
            r"z: float32\[N, 1\] is what the file says, N = 2, but",
        ),
        ([np.ones((2, 3), complex), np.ones((2, 1))], InvalidTypeError, "x must have a float16"),
    ],
)
def test_inputs_that_are_refused(inputs: Any, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        _model().run(inputs)


def test_a_symbol_is_one_size() -> None:
    square = fc.onnx.load(model([node("Neg", "x", "y")], {"x": ("N", "N")}, ["y"]))
    assert square.run([np.ones((2, 2))])[0].shape == (2, 2)
    with pytest.raises(InvalidValueError, match=r"x: float32\[N, N\] is what the file says, but got shape \(2, 3\)"):
        square.run([np.ones((2, 3))])


def test_numbers_of_another_kind_are_refused() -> None:
    whole = fc.onnx.load(model([node("Neg", "x", "y")], {"x": (2,)}, ["y"], dtype=np.int64))
    np.testing.assert_array_equal(whole.run([np.ones(2, np.int8)])[0], [-1, -1])
    with pytest.raises(InvalidTypeError, match="x must be int64, but got float64"):
        whole.run([np.ones(2)])


def test_a_run_that_fails_names_the_node() -> None:
    loaded = fc.onnx.load(model([node("Add", "x z", "y", "sum")], {"x": (None, 3), "z": (None, None)}, ["y"]))
    with pytest.raises(InvalidValueError, match=r"OnnxModel.run: node 'sum' \(Add\)"):
        loaded.run([np.ones((2, 3)), np.ones((2, 2))])


def test_a_result_larger_than_memory_is_refused() -> None:
    loaded = fc.onnx.load(model([node("Add", "x z", "y", "sum")], {"x": (None, 1), "z": (1, None)}, ["y"]))
    with pytest.raises(MemoryLimitError, match=r"node 'sum'.*must fit into memory"):
        loaded.run([np.ones((2**21, 1), np.float32), np.ones((1, 2**21), np.float32)])


def test_what_a_model_says_of_itself() -> None:
    assert repr(_model()) == "OnnxModel('made', 1 nodes: x: float32[N, 3], z: float32[N, 1] -> y: float32[?])"
    assert _model().layer_names == ["sum"]
    assert [one.shape for one in _model().inputs] == [("N", 3), ("N", 1)]


def test_outputs_share_no_memory_with_constants() -> None:
    loaded = fc.onnx.load(model([node("Add", "w w", "y")], {"x": (1,)}, ["y"], {"w": np.ones(3, np.float32)}))
    (y,) = loaded.run([np.ones(1)])
    y += 1
    np.testing.assert_array_equal(loaded.run([np.ones(1)])[0], [2, 2, 2])


def _small_network() -> Any:
    rng = np.random.default_rng(0)
    constants = {"w": rng.standard_normal((4, 3, 3, 3)).astype(np.float32), "v": np.ones((2, 4), np.float32)}
    nodes = [
        node("Conv", "x w", "c", "conv"),
        node("Relu", "c", "r", "relu"),
        node("GlobalAveragePool", "r", "p", "pool"),
        node("Flatten", "p", "f", "flat"),
        node("Gemm", "f v", "y", "head", transB=1),
    ]
    return fc.onnx.load(model(nodes, {"x": ("N", 3, 8, 9)}, ["y"], constants))


def test_the_summary_is_a_table_of_nodes() -> None:
    summary = _small_network().summary((2, 3, 8, 9))
    assert [(one.operator, one.output_shape, one.parameters) for one in summary.nodes] == [
        ("Conv", (2, 4, 6, 7), 108),
        ("Relu", (2, 4, 6, 7), 0),
        ("GlobalAveragePool", (2, 4, 1, 1), 0),
        ("Flatten", (2, 4), 0),
        ("Gemm", (2, 2), 8),
    ]
    assert summary.parameters == 116
    assert "conv  Conv               2×4×6×7         108" in str(summary)
    assert _small_network().summary().inputs == {"x": (1, 3, 8, 9)}
    with pytest.raises(InvalidValueError, match="is what the file says"):
        _small_network().summary((2, 4, 8, 9))


def test_a_network_of_layers_that_is_trained() -> None:
    loaded, x = _small_network(), np.random.default_rng(1).standard_normal((4, 3, 8, 9)).astype(np.float32)
    network = loaded.to_layer(x.shape)
    np.testing.assert_allclose(network(x), loaded.run([x])[0], rtol=1e-5, atol=1e-6)
    assert fc.summary(network, x.shape).parameters == 116
    step = fc.compile(network, optimizer=fc.optim.SGD(network.parameters(), lr=0.1))
    labels = np.array([0, 1, 0, 1])
    losses = [step(x, labels) for _ in range(20)]
    assert losses[-1] < losses[0]


def test_what_is_no_network_of_layers_says_why() -> None:
    with pytest.raises(InvalidValueError, match="chains and branches, but it has more than one input"):
        _model().to_layer()


@pytest.mark.parametrize("options", [{}, {"compile": False}, {"optimize": False}])
def test_results_are_the_callers_alone(options: dict[str, bool]) -> None:
    nodes = [node("Reshape", "x flat", "a"), node("Relu", "x", "b"), node("Identity", "b", "c")]
    outputs = ["x", "a", "b", "c", "flat"]
    loaded = fc.onnx.load(model(nodes, {"x": ("N", 3)}, outputs, {"flat": np.array([-1])}), **options)
    x = np.ones((2, 3), np.float32)
    for _ in range(3):
        results = loaded.run([x])
        for y in results:
            y *= 2
        assert [y.flat[0] for y in results] == [2, 2, 2, 2, -2]
    assert (x == 1).all()


@pytest.mark.parametrize(
    ("shapes", "kind", "words"),
    [
        ({"y": (1, 3, 8, 9)}, InvalidValueError, "input_shapes must be of x, but got y"),
        (5, InvalidTypeError, "the shape of x must be integers, but got 5"),
        ({"x": None}, InvalidTypeError, "the shape of x must be integers, but got None"),
        ((1, 3, 8.0, 9), InvalidTypeError, "sizes of x must be an integer, but got 8.0"),
    ],
)
def test_wrong_shapes_of_inputs(shapes: Any, kind: type[Exception], words: str) -> None:
    for method in (_small_network().summary, _small_network().to_layer):
        with pytest.raises(kind, match=words):
            method(shapes)


def test_one_shape_for_two_inputs() -> None:
    with pytest.raises(InvalidValueError, match=r"must be a dict for a model of 2 inputs \(x, z\)"):
        _model().summary((2, 3))


def test_a_network_of_layers_has_one_output() -> None:
    two = fc.onnx.load(model([node("Relu", "x", "a"), node("Neg", "x", "b")], {"x": (2, 3)}, ["a", "b"]))
    with pytest.raises(InvalidValueError, match="but it has more than one output"):
        two.to_layer()

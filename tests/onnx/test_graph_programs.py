"""Graphs that become programs: with the bits of the layers where nothing is fused, and within rounding of the walk."""

from __future__ import annotations

import pickle
import threading
from typing import Any

import numpy as np
import pytest

import fastconv as fc
from fastconv.onnx.compiled import ShapedGraph

onnx = pytest.importorskip("onnx")
from tests.support.onnx_files import model, node  # noqa: E402 - which imports onnx

RNG = np.random.default_rng(0)
SHAPE = (4, 3, 12, 10)


def _normal(*shape: int) -> Any:
    return RNG.standard_normal(shape).astype(np.float32)


def _net() -> Any:
    """A residual block, branches side by side, a shuffle of channels, and probabilities at the end."""
    nodes = [
        node("Transpose", "x", "t", perm=[0, 3, 1, 2]),
        node("Conv", "t w0 b0", "c0", "stem", pads=[1, 1, 1, 1]),
        node("Relu", "c0", "r0"),
        node("Conv", "r0 w1", "c1", pads=[1, 1, 1, 1]),
        node("BatchNormalization", "c1 scale shift mean var", "n1"),
        node("Add", "n1 r0", "s", "block.sum"),
        node("Relu", "s", "r1"),
        node("MaxPool", "r1", "p", kernel_shape=[2, 2], strides=[2, 2]),
        node("Conv", "p w2", "c2"),
        node("Relu", "c2", "r2"),
        node("Conv", "p w3", "c3", pads=[1, 1, 1, 1]),
        node("Concat", "r2 c3", "k", axis=1),
        node("Reshape", "k split", "g0"),
        node("Transpose", "g0", "g1", perm=[0, 2, 1, 3, 4]),
        node("Reshape", "g1 join", "g2"),
        node("AveragePool", "g2", "a", kernel_shape=[6, 5]),
        node("Flatten", "a", "f"),
        node("Gemm", "f w4 b4", "l", transB=1),
        node("Softmax", "l", "y", axis=1),
    ]
    constants = {"w0": _normal(8, 3, 3, 3), "b0": _normal(8), "w1": _normal(8, 8, 3, 3) / 8, "w2": _normal(8, 8, 1, 1)}
    constants |= {"w3": _normal(8, 8, 3, 3) / 8, "w4": _normal(5, 16), "b4": _normal(5)}
    constants |= {name: np.abs(_normal(8)) + 0.5 for name in ("scale", "shift", "mean", "var")}
    constants |= {"split": np.array([0, 2, 8, 6, 5]), "join": np.array([0, 16, 6, 5])}
    return model(nodes, {"x": ("N", 12, 10, 3)}, ["y"], constants)


def _shaped(loaded: Any) -> ShapedGraph:
    found: ShapedGraph = loaded._compute.last
    return found


def _input(batch: int = 4) -> Any:
    return _normal(batch, 12, 10, 3)


@pytest.mark.parametrize("batch", [1, 4, 8])
def test_a_program_computes_what_the_graph_computes(batch: int) -> None:
    proto, x = _net(), _input(batch)
    expected = fc.onnx.load(proto, optimize=False).run([x])[0]
    loaded = fc.onnx.load(proto)
    for _ in range(4):
        np.testing.assert_allclose(loaded.run([x])[0], expected, rtol=1e-4, atol=1e-5)
        x = x.copy()
    program = loaded.program
    assert program is not None, _shaped(loaded).reason
    assert "break" not in str(program).replace("0 breaks", "")
    assert "(Softmax)" in str(program)


def test_without_fusing_a_program_has_the_bits_of_the_walk() -> None:
    loaded, x = fc.onnx.load(_net()), _input()
    for _ in range(2):
        loaded.run([x])
    shaped = _shaped(loaded)
    assert shaped._network is not None
    program = fc.compile(shaped._network, fuse=False)
    walked = shaped._walk({"x": x})[0]
    np.testing.assert_array_equal(shaped._ending({shaped._cut: program(x)})[0], walked)


def test_a_walk_does_sums_and_activations_in_convolutions_with_the_same_bits() -> None:
    loaded, x = fc.onnx.load(_net(), compile=False), _input()
    plain, *others = (loaded.run([x])[0] for _ in range(3))
    np.testing.assert_allclose(others[0], plain, rtol=1e-5, atol=1e-6)
    shaped = _shaped(loaded)
    np.testing.assert_array_equal(others[1], shaped._walk({"x": x})[0])
    names = [step.node.name for step in shaped._fused_walk()._steps]
    assert len(names) == len(shaped.graph.nodes) - 4  # three activations and a sum
    with fc.options(exact=True):
        np.testing.assert_allclose(loaded.run([x])[0], plain, rtol=1e-4, atol=1e-5)


def test_a_sum_waits_for_what_is_added() -> None:
    nodes = [
        node("Conv", "x w", "a", pads=[1, 1, 1, 1]),
        node("Relu", "x", "b"),
        node("Conv", "b w", "c", pads=[1, 1, 1, 1]),
        node("Add", "c a", "s"),
        node("Relu", "s", "y"),
        node("Neg", "a", "z"),
    ]
    loaded, x = fc.onnx.load(model(nodes, {"x": SHAPE}, ["y", "z"], {"w": _normal(3, 3, 3, 3)})), _normal(*SHAPE)
    first, second = (loaded.run([x]) for _ in range(2))
    for one, other in zip(first, second):
        np.testing.assert_array_equal(one, other)
    assert len(_shaped(loaded)._fused_walk()._steps) == 4


def test_the_first_run_of_a_shape_makes_no_program() -> None:
    loaded = fc.onnx.load(_net())
    for batch in (1, 2, 3):
        loaded.run([_input(batch)])
    assert loaded._compute.last is None  # type: ignore[union-attr]


def test_other_backends_and_options_have_results_of_their_own() -> None:
    loaded, x = fc.onnx.load(_net()), _input()
    first = [loaded.run([x])[0] for _ in range(3)][-1]
    with fc.use_backend("numpy"):
        np.testing.assert_allclose(loaded.run([x])[0], first, rtol=1e-4, atol=1e-5)
    with fc.options(exact=True):
        loaded.run([x])
        program = _shaped(loaded).program
        assert program is not None
        assert program.options.exact
    np.testing.assert_array_equal(loaded.run([x])[0], first)


def test_gates_and_means_are_parts_of_a_program() -> None:
    nodes = [
        node("Sigmoid", "x", "s"),
        node("Mul", "x s", "silu"),
        node("ReduceMean", "silu", "m", axes=[-1, -2]),
        node("Conv", "m w", "c"),
        node("HardSigmoid", "c", "g", alpha=1 / 6),
        node("Mul", "silu g", "z"),
        node("Sub", "z silu", "d"),
        node("ReduceMean", "d", "y", axes=[2, 3], keepdims=0),
    ]
    loaded, x = fc.onnx.load(model(nodes, {"x": SHAPE}, ["y"], {"w": _normal(3, 3, 1, 1)})), _normal(*SHAPE)
    first, *others = (loaded.run([x])[0] for _ in range(3))
    for other in others:
        np.testing.assert_allclose(other, first, rtol=1e-5, atol=1e-6)
    text = str(_shaped(loaded).program)
    assert "SiLU" in text
    assert "1 break" in text  # the difference


@pytest.mark.parametrize("operator", ["Softmax", "LogSoftmax"])
def test_probabilities_of_means_are_parts_of_a_program(operator: str) -> None:
    nodes = [
        node("Conv", "x w", "c"),
        node("GlobalAveragePool", "c", "m"),
        node("Squeeze", "m axes", "s"),
        node(operator, "s", "y", axis=-1),
    ]
    constants = {"w": _normal(10, 3, 1, 1), "axes": np.array([2, 3])}
    loaded, x = fc.onnx.load(model(nodes, {"x": SHAPE}, ["y"], constants)), _normal(*SHAPE)
    first, *others = (loaded.run([x])[0] for _ in range(3))
    for other in others:
        np.testing.assert_allclose(other, first, rtol=1e-5)
    text = str(_shaped(loaded).program)
    assert "0 breaks" in text
    assert f"({operator})" in text


def test_graphs_of_two_outputs_are_walked() -> None:
    nodes, x = [node("Relu", "x", "y"), node("Neg", "y", "z")], _normal(*SHAPE)
    loaded = fc.onnx.load(model(nodes, {"x": SHAPE}, ["y", "z"]))
    for _ in range(3):
        y, z = loaded.run([x])
        np.testing.assert_array_equal(y, np.maximum(x, 0))
        np.testing.assert_array_equal(z, -y)


def _nested(depth: int) -> list[Any]:
    """Residual blocks, each the last part of the one around it."""
    down = [node("Sigmoid", f"x{i or ''}", f"x{i + 1}") for i in range(depth)]
    up = [node("Add", f"x{i + 1} s{i + 1}", f"s{i}" if i else "y") for i in reversed(range(depth - 1))]
    return [*down, node("Neg", f"x{depth}", f"s{depth - 1}"), *up]


@pytest.mark.parametrize(
    "nodes",
    [
        [node("Relu", "x", "a"), node("Tanh", "x", "b"), node("Add", "a b", "c"), node("Add", "c b", "y")],
        _nested(100),
    ],
)
def test_graphs_of_another_form_are_recorded_node_by_node(nodes: list[Any]) -> None:
    loaded, x = fc.onnx.load(model(nodes, {"x": SHAPE}, ["y"])), _normal(*SHAPE)
    first, second = (loaded.run([x])[0] for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert loaded.program is not None
    again = pickle.loads(pickle.dumps(loaded))
    for _ in range(2):
        np.testing.assert_array_equal(again.run([-x])[0], loaded.run([-x])[0])


def _dense() -> Any:
    """Convolutions that read what all before them made, parts of a split, and a sum in a convolution."""
    nodes = [
        node("Conv", "x w0", "a", pads=[1, 1, 1, 1]),
        node("Relu", "a", "b"),
        node("Conv", "b w1", "c", pads=[1, 1, 1, 1]),
        node("Concat", "b c", "d", axis=1),
        node("Conv", "d w2", "e", pads=[1, 1, 1, 1]),
        node("Add", "e c", "f"),
        node("Relu", "f", "g"),
        node("Concat", "b c g", "h", axis=1),
        node("Split", "h", "i j", axis=1),
        node("Sigmoid", "j", "k"),
        node("Mul", "i k", "y"),
    ]
    constants = {"w0": _normal(4, 3, 3, 3), "w1": _normal(4, 4, 3, 3), "w2": _normal(4, 8, 3, 3)}
    return model(nodes, {"x": ("N", *SHAPE[1:])}, ["y"], constants)


@pytest.mark.parametrize("exact", [False, True])
def test_dense_connections_are_recorded_node_by_node(exact: bool) -> None:
    made = _dense()
    loaded, walked = (fc.onnx.load(made, compile=compile) for compile in (True, False))
    for batch in (1, 3, 1):
        x = _normal(batch, *SHAPE[1:])
        with fc.options(exact=exact):
            results = [loaded.run([x])[0] for _ in range(3)]
            expected = [walked.run([x])[0] for _ in range(3)][-1]
        assert loaded.program is not None
        for y in results[1:]:
            np.testing.assert_array_equal(y, expected)
        np.testing.assert_allclose(results[0], expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    "nodes",
    [
        [node("Relu", "x", "a"), node("Less", "a x", "b"), node("Cast", "b", "y", to=1)],
        [node("NonZero", "x", "a"), node("Cast", "a", "b", to=1), node("Exp", "b", "c"), node("Mul", "b c", "y")],
    ],
)
def test_what_depends_on_integers_is_right_for_other_numbers(nodes: list[Any]) -> None:
    loaded, walked = (fc.onnx.load(model(nodes, {"x": SHAPE}, ["y"]), compile=compile) for compile in (True, False))
    x = _normal(*SHAPE)
    for numbers in (x, x, np.maximum(x, 0), x):
        np.testing.assert_array_equal(loaded.run([numbers])[0], walked.run([numbers])[0])


def test_a_node_that_takes_no_other_numbers_is_walked() -> None:
    nodes = [node("Relu", "x", "r"), node("Cast", "r", "i", to=onnx.TensorProto.INT64), node("Gather", "table i", "y")]
    loaded = fc.onnx.load(model(nodes, {"x": (2, 3)}, ["y"], {"table": _normal(2, 3)}))
    for _ in range(3):
        assert loaded.run([np.ones((2, 3))])[0].shape == (2, 3, 3)


def test_models_are_pickled_and_shared_by_threads() -> None:
    loaded = fc.onnx.load(_net())
    again = pickle.loads(pickle.dumps(loaded))
    inputs = [_input(batch) for batch in (1, 2, 1, 2)]
    expected = [loaded.run([x])[0] for x in inputs]
    wrong: list[int] = []

    def work(i: int) -> None:
        results = [again.run([inputs[i]])[0] for _ in range(5)]
        wrong.extend(i for y in results if not np.allclose(y, expected[i], rtol=1e-4, atol=1e-5))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_an_empty_batch_comes_again() -> None:
    loaded, none = fc.onnx.load(_net()), _input(0)
    for _ in range(3):
        assert loaded.run([none])[0].shape == (0, 5)


def test_a_node_that_gives_the_same_for_all_inputs_is_computed() -> None:
    nodes = [node("Sub", "x x", "zero"), node("Flatten", "zero", "f"), node("Concat", "f f", "y", axis=-1)]
    network = fc.onnx.load(model(nodes, {"x": SHAPE}, ["y"])).to_layer()
    program = fc.compile(network, np.zeros(SHAPE, np.float32))
    assert not program(_normal(*SHAPE)).any()


def test_nodes_in_a_network_of_layers_are_pickled() -> None:
    nodes = [node("Div", "x two", "half"), node("Mul", "half x", "y")]
    network = fc.onnx.load(model(nodes, {"x": SHAPE}, ["y"], {"two": np.float32([2])})).to_layer()
    x = _normal(*SHAPE)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(network))(x), network(x))


def test_parts_of_which_only_the_last_is_read() -> None:
    nodes = [
        node("Conv", "x w", "c"),
        node("Split", "c", "a b", axis=2),
        node("Split", "b", "d e", axis=3),
        node("Conv", "e v", "f"),
        node("Add", "f e", "y"),
    ]
    constants = {"w": _normal(2, 3, 1, 1), "v": _normal(2, 2, 1, 1)}
    loaded, x = fc.onnx.load(model(nodes, {"x": SHAPE}, ["y"], constants)), _normal(*SHAPE)
    first, *others = (loaded.run([x])[0] for _ in range(3))
    for y in others:
        np.testing.assert_allclose(y, first, rtol=1e-5, atol=1e-6)

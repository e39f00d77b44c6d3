"""Graphs that are improved compute what they computed before, with fewer nodes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fastconv as fc

onnx = pytest.importorskip("onnx")
from tests.support.onnx_files import model, node  # noqa: E402 - which imports onnx

RNG = np.random.default_rng(0)
IMAGES = {"x": ("N", 3, 7, 8)}


def _normal(*shape: int) -> Any:
    return RNG.standard_normal(shape).astype(np.float32)


def _tables(channels: int) -> dict[str, Any]:
    return {name: np.abs(_normal(channels)) + 0.5 for name in ("scale", "shift", "mean", "var")}


def _operators(proto: Any, x: Any | None = None, runs: int = 1) -> list[str]:
    """Check the improved model against the file's own graph; return the operators that are left."""
    plain, improved = fc.onnx.load(proto, optimize=False), fc.onnx.load(proto, compile=False)
    x = _normal(2, 3, 7, 8) if x is None else x
    expected = plain.run([x])
    for _ in range(runs):
        for got, right in zip(improved.run([x]), expected):
            assert got.dtype == right.dtype
            np.testing.assert_allclose(got, right, rtol=2e-5, atol=2e-5)
    last = improved._compute.last if runs > 1 else None  # type: ignore[union-attr]
    return [one.operator for one in (improved if last is None else last).graph.nodes]


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("kind", ["Conv", "ConvTranspose"])
def test_batch_norm_goes_into_the_convolution(kind: str, bias: bool) -> None:
    weight = _normal(4, 3, 3, 2) if kind == "Conv" else _normal(3, 4, 3, 2)
    constants = {"w": weight, "b": _normal(4), **_tables(4)}
    nodes = [node(kind, "x w b" if bias else "x w", "c"), node("BatchNormalization", "c scale shift mean var", "y")]
    assert _operators(model(nodes, IMAGES, ["y"], constants)) == [kind]


def test_batch_norm_after_groups_of_a_transposed_convolution() -> None:
    constants = {"w": _normal(4, 3, 2, 2), **_tables(6)}
    nodes = [node("ConvTranspose", "x w", "c", group=2), node("BatchNormalization", "c scale shift mean var", "y")]
    assert _operators(model(nodes, {"x": (2, 4, 5, 6)}, ["y"], constants), _normal(2, 4, 5, 6)) == ["ConvTranspose"]


@pytest.mark.parametrize("shape", [(4, 1, 1), (1, 4, 1, 1), (1,), ()])
@pytest.mark.parametrize("operator", ["Add", "Sub", "Mul", "Div"])
def test_a_constant_per_channel_goes_into_the_convolution(operator: str, shape: tuple[int, ...]) -> None:
    constants = {"w": _normal(4, 3, 3, 3), "c": np.abs(_normal(*shape)) + np.float32(0.5)}
    assert _operators(model([node("Conv", "x w", "z"), node(operator, "z c", "y")], IMAGES, ["y"], constants)) == [
        "Conv"
    ]


@pytest.mark.parametrize(
    ("nodes", "left"),
    [
        ([node("Conv", "x w", "z"), node("Add", "z row", "y")], ["Conv", "Add"]),  # along the width
        ([node("Conv", "x w", "z"), node("Sub", "per z", "y")], ["Conv", "Sub"]),
        ([node("Conv", "x w", "z"), node("Div", "z zeros", "y")], ["Conv", "Div"]),
        ([node("Conv", "x w", "z"), node("Add", "z z", "y")], ["Conv", "Add"]),
        ([node("Conv", "x w", "z"), node("Add", "z per", "a"), node("Mul", "a z", "y")], ["Conv", "Add", "Mul"]),
    ],
)
def test_what_is_no_change_of_a_channel_stays(nodes: list[Any], left: list[str]) -> None:
    constants = {"w": _normal(4, 3, 3, 3), "row": _normal(6), "per": _normal(4, 1, 1), "zeros": _normal(4, 1, 1) * 0}
    with np.errstate(all="ignore"):
        assert _operators(model(nodes, IMAGES, ["y"], constants)) == left


def test_an_output_in_the_middle_is_still_given() -> None:
    constants = {"w": _normal(4, 3, 3, 3), "per": _normal(4, 1, 1)}
    nodes = [node("Conv", "x w", "z"), node("Add", "z per", "y")]
    assert _operators(model(nodes, IMAGES, ["z", "y"], constants)) == ["Conv", "Add"]


@pytest.mark.parametrize("auto_pad", ["NOTSET", "VALID"])
def test_padding_with_zeros_goes_into_the_convolution(auto_pad: str) -> None:
    constants = {"pads": np.array([0, 0, 1, 2, 0, 0, 0, 1]), "w": _normal(4, 3, 3, 3)}
    nodes = [node("Pad", "x pads", "p"), node("Conv", "p w", "y", auto_pad=auto_pad)]
    assert _operators(model(nodes, IMAGES, ["y"], constants)) == ["Conv"]


@pytest.mark.parametrize(("pads", "value"), [([0, 0, 1, 1, 0, 0, 1, 1], 1.0), ([0, 1, 1, 1, 0, 0, 1, 1], 0.0)])
def test_other_padding_stays(pads: list[int], value: float) -> None:
    constants = {"pads": np.array(pads), "value": np.float32(value), "w": _normal(4, 3 + pads[1], 3, 3)}
    nodes = [node("Pad", "x pads value", "p"), node("Conv", "p w", "y")]
    assert _operators(model(nodes, IMAGES, ["y"], constants)) == ["Pad", "Conv"]


def test_constants_are_computed_once_and_what_nobody_reads_is_left_out() -> None:
    constants = {"a": _normal(3, 1, 1), "b": _normal(3, 1, 1)}
    nodes = [
        node("Add", "a b", "c"),
        node("Mul", "c b", "d"),
        node("Identity", "x", "i"),
        node("Dropout", "i", "o"),
        node("Relu", "o", "gone"),
        node("Add", "o d", "y"),
    ]
    assert _operators(model(nodes, IMAGES, ["y"], constants)) == ["Add"]


@pytest.mark.parametrize(("size", "left"), [(2**10, ["Gather"]), (2**34, ["ConstantOfShape", "Gather"])])
def test_a_huge_constant_is_not_made_when_a_model_is_read(size: int, left: list[str]) -> None:
    nodes = [node("ConstantOfShape", "shape", "c"), node("Gather", "c x", "y")]
    proto = model(nodes, {"x": (1,)}, ["y"], {"shape": np.array([size])}, dtype=np.int64)
    assert [one.operator for one in fc.onnx.load(proto).graph.nodes] == left


def test_many_large_constants_are_not_made_either() -> None:
    """Each may be as large as all together: the first is made, and so are those that are made of it and not larger."""
    nodes = [node("ConstantOfShape", "shape", f"c{n}") for n in range(20)]
    nodes += [node("Expand", "one shape", "e"), node("Gather", "e x", "y")]
    nodes += [node("Gather", f"c{n} x", f"y{n}") for n in range(20)]
    constants = {"shape": np.array([2**23]), "one": np.ones(1, np.int64)}
    proto = model(nodes, {"x": (1,)}, ["y", *(f"y{n}" for n in range(20))], constants, dtype=np.int64)
    graph = fc.onnx.load(proto).graph
    assert sum(array.nbytes for array in graph.constants.values()) < 2**27
    assert [one.operator for one in graph.nodes].count("ConstantOfShape") > 15


def test_an_output_that_is_an_input_or_another_output() -> None:
    nodes = [node("Identity", "x", "y"), node("Relu", "x", "r"), node("Identity", "r", "z"), node("Identity", "z", "t")]
    assert _operators(model(nodes, IMAGES, ["y", "z", "t"])) == ["Identity", "Relu", "Identity"]


def test_a_product_of_matrices_with_a_sum_is_one_node_when_its_rank_is_known() -> None:
    constants = {"w": _normal(5, 4), "b": _normal(1, 4)}
    proto = model([node("MatMul", "x w", "m"), node("Add", "m b", "y")], {"x": ("N", 5)}, ["y"], constants)
    assert _operators(proto, _normal(2, 5)) == ["MatMul", "Add"]
    assert _operators(proto, _normal(2, 5), runs=2) == ["Gemm"]


def test_what_depends_on_shapes_alone_is_computed_once_for_a_shape() -> None:
    nodes = [
        node("Shape", "x", "s"),
        node("Gather", "s zero", "n"),
        node("Concat", "n rest", "t", axis=0),
        node("Reshape", "x t", "y"),
    ]
    proto = model(nodes, IMAGES, ["y"], {"zero": np.array([0]), "rest": np.array([-1])})
    assert _operators(proto, runs=2) == ["Reshape"]
    loaded = fc.onnx.load(proto)
    for batch in (2, 2, 3, 3, 2):
        assert loaded.run([_normal(batch, 3, 7, 8)])[0].shape == (batch, 168)

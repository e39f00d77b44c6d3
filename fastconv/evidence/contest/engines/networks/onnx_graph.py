"""A network as an ONNX graph, its weights constant."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from fastconv.evidence.contest.engines.networks.base import NetworkJob
from fastconv.evidence.contest.engines.networks.description import Node
from fastconv.validation.arrays import Array

_OPSET, _IR = 17, 8  # old enough for every release of the last years


def onnx_model(job: NetworkJob) -> onnx.ModelProto:
    """Return the model, from ``x`` to ``y``, for the batch of the job."""
    graph = _Graph(job.state)
    found = graph.add(job.node, "x")
    graph.emit("Identity", [found], "y")
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, job.x.shape)
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    made = helper.make_graph(graph.nodes, "contest", [x], [y], graph.constants)
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR)


class _Graph:
    """Nodes and constants so far."""

    def __init__(self, state: dict[str, Array]) -> None:
        self.state, self.nodes, self.constants = state, [], []  # type: ignore[var-annotated]

    def emit(self, kind: str, inputs: list[str], output: str = "", **attributes: Any) -> str:
        """Append a node; return the name of what it computes."""
        name = output or f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        return name

    def constant(self, array: Array) -> str:
        """Append a constant; return its name."""
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def add(self, node: Node, x: str) -> str:
        """Append what a node describes; return the name of its output."""
        if node.kind == "Sequential":
            for child in node.children:
                x = self.add(child, x)
            return x
        if node.children:
            arms = [self.add(child, x) for child in node.children]
            return self.emit("Sum", arms) if node.kind == "Residual" else self.emit("Concat", arms, axis=1)
        weights = [self.constant(self.state[name]) for name in node.arrays.values()]
        return _EMITTERS[node.kind](self, node.options, x, weights)


def _window(options: dict[str, Any]) -> dict[str, Any]:
    found = {"strides": options["stride"], "pads": np.array(options["padding"]).T.ravel().tolist()}
    if "kernel_size" in options:
        return {**found, "kernel_shape": options["kernel_size"], "ceil_mode": int(options["ceil_mode"])}
    return {**found, "dilations": options["dilation"], "group": options["groups"]}


def _transposed(graph: _Graph, options: dict[str, Any], x: str, weights: list[str]) -> str:
    return graph.emit("ConvTranspose", [x, *weights], output_padding=options["output_padding"], **_window(options))


def _clipped(graph: _Graph, options: dict[str, Any], x: str, weights: list[str]) -> str:
    limits = [graph.constant(np.array(limit, np.float32)) for limit in (0, 6)]
    return graph.emit("Clip", [x, *limits])


def _shortcut(graph: _Graph, options: dict[str, Any], x: str, weights: list[str]) -> str:
    steps = np.array(options["stride"], np.int64)
    ends = np.zeros_like(steps), np.full_like(steps, 2**31), np.array([2, 3], np.int64), steps
    x = graph.emit("Slice", [x, *(graph.constant(array) for array in ends)])
    pads = np.array([0, options["before"], 0, 0, 0, options["after"], 0, 0], np.int64)
    return graph.emit("Pad", [x, graph.constant(pads)])


def _simple(kind: str, attributes: Callable[[dict[str, Any]], dict[str, Any]] = lambda options: {}) -> Any:
    return lambda graph, options, x, weights: graph.emit(kind, [x, *weights], **attributes(options))


_EMITTERS: dict[str, Callable[[_Graph, dict[str, Any], str, list[str]], str]] = {
    **dict.fromkeys(("Conv1d", "Conv2d"), _simple("Conv", _window)),
    "ConvTranspose2d": _transposed,
    **dict.fromkeys(
        ("BatchNorm1d", "BatchNorm2d"), _simple("BatchNormalization", lambda options: {"epsilon": options["eps"]})
    ),
    **dict.fromkeys(("MaxPool1d", "MaxPool2d"), _simple("MaxPool", _window)),
    **dict.fromkeys(("GlobalAvgPool1d", "GlobalAvgPool2d"), _simple("GlobalAveragePool")),
    "ReLU": _simple("Relu"),
    "ReLU6": _clipped,
    "Flatten": _simple("Flatten", lambda options: {"axis": 1}),
    "Linear": _simple("Gemm", lambda options: {"transB": 1}),
    "SubsampleShortcut": _shortcut,
    "Identity": lambda graph, options, x, weights: x,
}

"""Convolutions that add another array and take an activation in their tiles, in a graph that is walked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from fastconv.layers import Layer
from fastconv.onnx.graph import Graph, Node
from fastconv.onnx.layers import layer_of
from fastconv.onnx.network import Known
from fastconv.onnx.registry import Operator
from fastconv.programs.endings import RELUS, Conv, conv_with_ending, ends, is_conv
from fastconv.validation.arrays import Array


@dataclass(frozen=True)
class _Part:
    """A convolution, and what comes after it by now."""

    node: Node
    conv: Conv
    other: str | None = None
    activation: Layer | None = None


class _Fused(Operator):
    """What computes a `_Part`, with the bits of its nodes."""

    def __init__(self, part: _Part) -> None:
        super().__init__("Conv", 1, partial(conv_with_ending, part.conv, part.activation, None))

    def bound(self, node: Node) -> Callable[..., Any]:
        """Return a function of the input and of what is added."""
        return self._function


def fused(graph: Graph, known: Mapping[str, Known]) -> Graph:
    """Return the graph for the backend `fast` and its options of now, for inputs of some shapes."""
    reads = Counter(name for node in graph.nodes for name in node.inputs)
    reads.update(one.name for one in graph.outputs)
    nodes, parts = dict[str, Node](), dict[str, _Part]()  # by the first output that is read
    for node in graph.nodes:
        output = next(name for name in node.outputs if name)
        found = _extended(
            graph, node, {name: parts[name] for name in node.inputs if reads[name] == 1 and name in parts}, known
        )
        if found is not None:
            source, part = found
            inputs = (part.node.inputs[0], *([] if part.other is None else [part.other]))
            parts[output] = part
            del nodes[source]
            nodes[output] = replace(node, operator="Conv", inputs=inputs, attributes={}, function=_Fused(part))
            continue
        nodes[output] = node
        layer = _layer(graph, node, known) if node.operator == "Conv" else None
        if layer is not None and is_conv(layer):
            parts[output] = _Part(node, layer)
    return replace(graph, nodes=tuple(nodes.values()))


def _extended(
    graph: Graph, node: Node, parts: dict[str, _Part], known: Mapping[str, Known]
) -> tuple[str, _Part] | None:
    """A part that ends with a node, and the output of what it takes the place of; the last one, if there are two."""
    for source, part in reversed([*parts.items()]):
        if part.activation is None and (longer := _longer(graph, node, source, part, known)) is not None:
            x, other = (None if name is None else _like(known[name]) for name in (part.node.inputs[0], longer.other))
            if x is not None and ends(longer.conv, x, other):
                return source, longer
    return None


def _longer(graph: Graph, node: Node, source: str, part: _Part, known: Mapping[str, Known]) -> _Part | None:
    """A part with one node more."""
    if node.operator in ("Add", "Sum") and len(node.inputs) == 2 and part.other is None:
        (other,) = [name for name in node.inputs if name != source]
        if other in known and other not in graph.constants and known[other] == known[source]:
            return replace(part, other=other)
        return None
    layer = _layer(graph, node, known) if node.inputs[0] == source else None
    return replace(part, activation=layer) if layer is not None and type(layer) in RELUS else None


def _layer(graph: Graph, node: Node, known: Mapping[str, Known]) -> Layer | None:
    """Layer of a node whose only input that is no constant comes first."""
    names = [name for name in node.inputs if name and name not in graph.constants]
    if names != [node.inputs[0]] or not node.outputs[0]:
        return None
    inputs = tuple(graph.constants.get(name) for name in node.inputs)
    return layer_of(node, inputs, known[names[0]].shape, known[node.outputs[0]].shape)


def _like(value: Known) -> Array:
    return np.empty(value.shape, value.dtype)

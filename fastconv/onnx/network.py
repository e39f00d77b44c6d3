"""A graph as a network of layers: chains, and branches that part at one value and meet at another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from fastconv.layers import Concat, Identity, Layer, Residual, Sequential, Sigmoid, SiLU
from fastconv.onnx.graph import Graph, Node
from fastconv.onnx.layers import NodeJoin, layer_of

_JOINS = ("Add", "Sum", "Concat", "Mul", "Sub", "Div", "Mean", "Max", "Min", "Pow", "MatMul", "Where", "PRelu")
_DEEPEST = 24  # branches in branches: copies and recordings of a network recurse


class Known(NamedTuple):
    """What is known of a value for inputs of some shapes."""

    shape: tuple[int, ...]
    dtype: np.dtype[np.generic]


class NotSeriesParallelError(Exception):
    """The graph is no network of chains and branches; the message says where."""


def network_of(graph: Graph, known: Mapping[str, Known]) -> Sequential:
    """Return the network that computes a graph of one output from one input, in evaluation mode.

    Parameters
    ----------
    graph : Graph
        Without nodes that depend on no input.
    known : mapping
        Shape and dtype of every value.

    Raises
    ------
    NotSeriesParallelError
        If the graph has another form.
    """
    if len(graph.inputs) != 1:
        raise NotSeriesParallelError("it has more than one input")
    if len(graph.outputs) != 1:
        raise NotSeriesParallelError("it has more than one output")
    shape, dtype = known[graph.inputs[0].name]
    if dtype not in (np.float32, np.float64) or 0 in shape:
        raise NotSeriesParallelError("its input is not float32 or float64, or has no numbers")
    form = _Form(graph, known)
    chain = form.chain(graph.inputs[0].name, graph.outputs[0].name)
    return Sequential(chain)


class _Form:
    """How the values of a graph depend on each other."""

    def __init__(self, graph: Graph, known: Mapping[str, Known]) -> None:
        self.graph, self.known = graph, known
        self.makers = {node.outputs[0]: node for node in graph.nodes}
        self.nesting = 0  # branches that the node now looked at is inside of
        self.placed = 0  # nodes that are layers by now; one that is met twice counts twice
        start = graph.inputs[0].name
        self.before = {start: start}  # the last value that all ways from the input go through, before each
        self.depth = {start: 0}  # and how many there are
        for node in graph.nodes:
            sources = self.sources(node)
            if not sources or any(name not in self.depth for name in sources):
                raise NotSeriesParallelError(f"{node} does not depend on the input")
            meeting = self.meeting(sources)
            for name in node.outputs:
                self.before[name], self.depth[name] = meeting, self.depth[meeting] + 1

    def sources(self, node: Node) -> list[str]:
        """What a node reads that is no constant."""
        return [name for name in node.inputs if name and name not in self.graph.constants]

    def meeting(self, names: list[str]) -> str:
        """Return the last value that all ways from the input to some values go through."""
        found, *others = names
        for other in others:
            while found != other:
                if self.depth[found] < self.depth[other]:
                    found, other = other, found
                found = self.before[found]
        return found

    def chain(self, start: str, end: str) -> dict[str, Layer]:
        """Layers from one value to another, by name."""
        found: list[tuple[str, Layer]] = []
        while end != start:
            node = self.makers.get(end)
            if node is None:
                raise NotSeriesParallelError(f"{end!r} is not the first output of its node")
            self.placed += 1
            if self.placed > len(self.graph.nodes):
                raise NotSeriesParallelError("a value is read in branches that it is no part of")
            sources = self.sources(node)
            end = self.meeting(sources)
            layer = self.layer(node) if len(sources) == 1 else self.join(node, end, sources)
            found.append((node.name.replace(".", "_"), layer))
        names = Counter(name for name, _ in found)
        found.reverse()
        return {name if names[name] == 1 else f"{name}_{i}": layer for i, (name, layer) in enumerate(found)}

    def layer(self, node: Node) -> Layer:
        """Layer of a node that reads one value."""
        (source,), (output, *_) = self.sources(node), node.outputs
        inputs = tuple(self.graph.constants.get(name) for name in node.inputs)
        return layer_of(node, inputs, self.known[source].shape, self.known[output].shape)

    def join(self, node: Node, start: str, sources: list[str]) -> Layer:
        """Layer of a node that reads several values, with the branches that make them."""
        shapes, (output, *_) = [self.known[name].shape for name in sources], node.outputs
        axis = node.attributes.get("axis", 0)
        only, floats = len(sources) == len(node.inputs), self.known[output].dtype.kind == "f"
        if node.operator not in _JOINS or any(node.outputs[1:]):
            raise NotSeriesParallelError(f"{node} reads {len(sources)} values")
        self.nesting += 1
        if self.nesting > _DEEPEST:
            raise NotSeriesParallelError(f"it has branches in branches, more than {_DEEPEST} deep")
        chains = [self.chain(start, name) for name in sources]
        self.nesting -= 1
        if node.operator == "Mul" and only and _is_gate(chains):
            return SiLU()
        branches: dict[str, Layer] = {
            str(i): Sequential(chain) if chain else Identity() for i, chain in enumerate(chains)
        }
        if node.operator == "Concat" and floats and only and axis % len(shapes[0]) != 0:
            return Concat(branches, axis=axis)
        if node.operator in ("Add", "Sum") and floats and only and len(set(shapes)) == 1:
            return Residual(branches)
        inputs = tuple(self.graph.constants.get(name) for name in node.inputs)
        return NodeJoin(node, inputs, self.known[output].shape, branches)


def _is_gate(chains: list[dict[str, Layer]]) -> bool:
    """Whether a value meets its own sigmoid."""
    short, long = sorted(chains, key=len)
    return not short and [type(layer) for layer in long.values()] == [Sigmoid]

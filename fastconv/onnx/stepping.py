"""A graph of any form as one layer whose nodes are steps: what becomes a program where it is no network of layers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from fastconv.errors import InvalidTypeError
from fastconv.layers.base import Shape
from fastconv.layers.stepped import Do, SteppedLayer
from fastconv.onnx.graph import Graph, Node
from fastconv.onnx.network import Known
from fastconv.onnx.walking import computed
from fastconv.validation.arrays import Array
from fastconv.validation.types import ArrayLike


class GraphLayer(SteppedLayer):
    """A graph of one input and one output, for inputs of one shape. It has no gradient.

    Parameters
    ----------
    graph : Graph
        The graph.
    known : mapping
        Shape and dtype of every value.
    """

    def __init__(self, graph: Graph, known: Mapping[str, Known]) -> None:
        super().__init__()
        self._graph, self._known = graph, known

    def steps(self, do: Do, x: Array) -> Array:
        """Compute node after node, in one pass where that can be; see `SteppedLayer.steps`."""
        from fastconv.onnx.fusing import fused  # which compiles kernels

        graph = fused(self._graph, self._known)
        values = {graph.inputs[0].name: x}
        for node in graph.nodes:
            compute, names = node.function.bound(node), [name for name in node.inputs if name in values]
            places = [None if name in values else graph.constants.get(name) for name in node.inputs]
            holes = [index for index, name in enumerate(node.inputs) if name in values]
            for index, output in enumerate(node.outputs):
                if output:
                    function = partial(_output, node, compute, places, holes, index)
                    values[output] = do(f"{node.name} ({node.operator})", function, *(values[one] for one in names))
        return values[graph.outputs[0].name]

    def backward(self, dy: ArrayLike, *, input_gradient: bool = True) -> Array | None:
        """Raise: a graph is for inference."""
        raise InvalidTypeError("GraphLayer.backward: a graph that is no network of layers has no gradient.")

    def output_shape(self, input_shape: Shape) -> Shape:
        """Shape that the graph has."""
        return self._known[self._graph.outputs[0].name].shape

    def __deepcopy__(self, memo: object) -> GraphLayer:
        """Return a layer of the same graph, which nothing changes."""
        return GraphLayer(self._graph, self._known)


def can_step(graph: Graph, known: Mapping[str, Known]) -> bool:
    """Whether a graph can be a `GraphLayer`: it makes one array of one, and of floating-point numbers alone.

    Integers may be places or sizes, which no program can take for what they were once.
    """
    if len(graph.inputs) != 1 or len(graph.outputs) != 1 or graph.outputs[0].name not in known:
        return False
    shape, dtype = known[graph.inputs[0].name]
    made = [name for node in graph.nodes for name in node.outputs if name]
    floats = all(name in known and known[name].dtype.kind == "f" for name in made)
    return dtype in (np.float32, np.float64) and 0 not in shape and floats


def _output(
    node: Node,
    compute: Callable[..., Any],
    places: list[Array | None],
    holes: list[int],
    index: int,
    *arrays: Array,
) -> Array:
    """One of the outputs of a node."""
    inputs = list(places)
    for hole, array in zip(holes, arrays):
        inputs[hole] = array
    return computed(node, inputs, compute)[index]

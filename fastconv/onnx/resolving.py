"""What the shapes of the inputs tell about a graph: shapes of all values, and values that depend on shapes alone."""

from __future__ import annotations

from fastconv.onnx.absorbing import absorbed
from fastconv.onnx.graph import Graph, Node
from fastconv.onnx.improve import folded, without_dead
from fastconv.onnx.network import Known
from fastconv.validation.arrays import Array

_LARGEST = 2**20  # numbers of a value that is kept


class Shapes:
    """What a walk through a graph has seen; call it with every node and its outputs.

    Attributes
    ----------
    known : dict of str to Known
        Shape and dtype of every value.
    fixed : dict of str to ndarray
        Values that are the same for all inputs of these shapes.
    """

    def __init__(self, graph: Graph, inputs: dict[str, Array]) -> None:
        self.known = {name: Known(array.shape, array.dtype) for name, array in inputs.items()}
        self.fixed: dict[str, Array] = {}
        self._constants = graph.constants

    def __call__(self, node: Node, outputs: tuple[Array, ...]) -> None:
        """Note the outputs of a node."""
        named = [(name, array) for name, array in zip(node.outputs, outputs) if name]
        self.known.update((name, Known(array.shape, array.dtype)) for name, array in named)
        read = [name for name in node.inputs if name]
        of_shapes = all(name in self.fixed or name in self._constants for name in read)
        if (of_shapes or node.operator in ("Shape", "Size")) and all(array.size <= _LARGEST for _, array in named):
            self.fixed.update(named)


def resolved(graph: Graph, shapes: Shapes, *, absorb: bool = True) -> Graph:
    """Return the graph for inputs of these shapes alone; `absorb` puts more into weights, now that ranks are known."""
    fixed = {name: array.copy() for name, array in shapes.fixed.items()}
    ranks = {name: len(one.shape) for name, one in shapes.known.items()}
    known = folded(graph, fixed)
    return without_dead(absorbed(known, ranks) if absorb else known)

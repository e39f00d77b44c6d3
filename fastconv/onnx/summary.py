"""What a model of ONNX consists of: a line for every node."""

from __future__ import annotations

from dataclasses import dataclass

from fastconv.onnx.graph import Graph, Node
from fastconv.onnx.resolving import Shapes
from fastconv.report import MISSING, Record, Report, Table, format_bytes
from fastconv.report.words import format_shape
from fastconv.validation.arrays import Array


@dataclass(frozen=True)
class NodeSummary:
    """One node.

    Attributes
    ----------
    name, operator : str
        As in the file.
    output_shape : tuple of int
        Shape of its first output.
    parameters : int
        Numbers of the weights that it reads: constants of floating-point numbers.
    """

    name: str
    operator: str
    output_shape: tuple[int, ...]
    parameters: int


@dataclass(frozen=True, repr=False)
class ModelSummary(Record):
    """A model, for inputs of some shapes; ``str()`` is a table.

    Attributes
    ----------
    model : str
        Name of its graph.
    opset : int
        Version of its operators.
    inputs : dict of str to tuple of int
        Shapes of its inputs.
    nodes : tuple of NodeSummary
        In the order in which they run.
    parameters : int
        Numbers of all weights, shared ones counted once.
    constant_bytes : int
        Bytes of all constants.
    """

    FORMAT = "fastconv-model/1"

    model: str
    opset: int
    inputs: dict[str, tuple[int, ...]]
    nodes: tuple[NodeSummary, ...]
    parameters: int
    constant_bytes: int

    def report(self) -> Report:
        """Return a line for each node, and the totals."""
        takes = ", ".join(f"{name} {format_shape(shape)}" for name, shape in self.inputs.items())
        rows = tuple(
            (one.name, one.operator, format_shape(one.output_shape) or MISSING, f"{one.parameters:,}")
            for one in self.nodes
        )
        title = f"{self.model}, operator set {self.opset}, input {takes}"
        notes = (f"{self.parameters:,} parameters; constants take {format_bytes(self.constant_bytes)}.",)
        return Report((Table(title, ("node", "operator", "output", "parameters"), rows, 3),), notes)


def summary_of(graph: Graph, shapes: Shapes, inputs: dict[str, Array]) -> ModelSummary:
    """Return the summary of a graph whose shapes a walk has seen."""
    weights = {name: array.size for name, array in graph.constants.items() if array.dtype.kind == "f"}

    def summary(node: Node) -> NodeSummary:
        parameters = sum(weights.get(name, 0) for name in dict.fromkeys(node.inputs))
        first = next(name for name in node.outputs if name)
        return NodeSummary(node.name, node.operator, shapes.known[first].shape, parameters)

    taken = {name: array.shape for name, array in inputs.items()}
    size = sum(array.nbytes for array in graph.constants.values())
    return ModelSummary(graph.name, graph.opset, taken, tuple(map(summary, graph.nodes)), sum(weights.values()), size)

"""The end of a graph that NumPy computes, taken from what becomes a program."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from fastconv.onnx.graph import Graph, Node, Value
from fastconv.onnx.improve import without_dead
from fastconv.onnx.network import Known, NotSeriesParallelError

_NUMPY = ("Hardmax", "ArgMax", "ArgMin", "Cast")
_VIEWS = ("Squeeze", "Unsqueeze", "Reshape", "Flatten", "Transpose", "Identity")


def without_ending(graph: Graph, known: Mapping[str, Known]) -> tuple[Graph, Graph]:
    """Return a graph of one output in two: the second one computes the output from that of the first.

    It has no nodes where nothing of the end is computed by NumPy.

    Raises
    ------
    NotSeriesParallelError
        If it has more outputs, or a constant one.
    """
    if len(graph.outputs) != 1 or graph.outputs[0].name not in known:
        raise NotSeriesParallelError("it has more than one output, or one that is a constant")
    makers = {name: node for node in graph.nodes for name in node.outputs}
    reads = Counter(name for node in graph.nodes for name in node.inputs)
    cut = end = graph.outputs[0].name
    ending: list[Node] = []
    waiting: list[Node] = []
    while (node := makers.get(end)) is not None and node.operator in (*_NUMPY, *_VIEWS):
        sources = [name for name in node.inputs if name and name not in graph.constants]
        if len(sources) != 1 or reads[sources[0]] > 1 or any(node.outputs[1:]):
            break
        (end,) = sources
        waiting.insert(0, node)
        if node.operator in _NUMPY:
            cut, ending, waiting = end, [*waiting, *ending], []
    middle = Value(cut, known[cut].dtype, known[cut].shape)
    gone = {node.name for node in ending}
    rest = tuple(node for node in graph.nodes if node.name not in gone)
    start, last = replace(graph, nodes=rest, outputs=(middle,)), replace(graph, nodes=tuple(ending), inputs=(middle,))
    return start, without_dead(last)

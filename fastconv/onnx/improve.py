"""A graph that computes the same with less: constants folded, what does nothing or is not read left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from fastconv.backends import use_backend
from fastconv.errors import FastconvError
from fastconv.onnx.absorbing import absorbed
from fastconv.onnx.graph import Graph, Node
from fastconv.onnx.walking import computed
from fastconv.validation.arrays import Array
from fastconv.validation.memory import memory_at_most

_TIMES, _BESIDE = 16, 2**26  # bytes that constants of others may have, for each byte of those, and beyond that


def improved(graph: Graph) -> Graph:
    """Return a graph with equal outputs, up to rounding where a factor goes into weights."""
    return replace(without_dead(absorbed(without_identities(folded(graph)))), defaults=())


def folded(graph: Graph, known: Mapping[str, Array] | None = None) -> Graph:
    """Compute all nodes whose inputs are constants; values that are `known` are constants, too."""
    constants = {**graph.constants, **(known or {})}
    left = _BESIDE + _TIMES * sum(array.nbytes for array in constants.values())
    nodes = []
    for node in graph.nodes:
        if all(name in constants for name in node.outputs if name):
            continue
        results = _constant(node, constants, left)
        if results is None:
            nodes.append(node)
            continue
        for name, array in zip(node.outputs, results):
            left -= array.nbytes
            if array.flags.writeable:
                array.flags.writeable = False  # which may be a view of another one, or be returned
            constants[name] = array
    constants.pop("", None)
    return replace(graph, nodes=tuple(nodes), constants=constants)


def _constant(node: Node, constants: Mapping[str, Array], most: int) -> tuple[Array, ...] | None:
    """Outputs of a node over constants, or None: also where they are too large, or it fails: the run says why."""
    if not all(name in constants for name in node.inputs if name):
        return None
    inputs = [constants[name] if name else None for name in node.inputs]
    try:
        with use_backend("numpy"), np.errstate(all="ignore"), memory_at_most(max(most, 0)):
            results = computed(node, inputs)
    except FastconvError:
        return None
    return results if sum(array.nbytes for array in results) <= most else None


def without_identities(graph: Graph) -> Graph:
    """Leave out nodes that return what they read."""
    wanted = {one.name for one in graph.outputs}
    made = {name for node in graph.nodes for name in node.outputs}
    aliases: dict[str, str] = {}  # names, and what stands for them
    nodes = []
    for node in graph.nodes:
        if not _returns_input(node, graph.constants):
            nodes.append(node)
            continue
        source, target = aliases.get(node.inputs[0], node.inputs[0]), node.outputs[0]
        if target not in wanted:
            aliases[target] = source
        elif source in made and source not in wanted:  # whoever made it gives the output
            wanted.add(source)
            aliases.update({name: target for name, other in aliases.items() if other == source}, **{source: target})
        else:
            nodes.append(node)
    return replace(graph, nodes=tuple(_renamed(node, aliases) for node in nodes))


def _renamed(node: Node, aliases: Mapping[str, str]) -> Node:
    inputs, outputs = ([aliases.get(name, name) for name in names] for names in (node.inputs, node.outputs))
    return replace(node, inputs=tuple(inputs), outputs=tuple(outputs))


def _returns_input(node: Node, constants: Mapping[str, Array]) -> bool:
    if any(node.outputs[1:]):
        return False
    if node.operator == "Dropout":
        mode = node.inputs[2] if len(node.inputs) > 2 else ""
        return not mode or (mode in constants and not constants[mode].any())
    if node.operator == "Transpose":
        order = node.attributes.get("perm", ())
        return bool(order) and order == tuple(range(len(order)))
    one = node.operator in ("Concat", "Sum", "Mean", "Max", "Min") and len(node.inputs) == 1
    return one or node.operator == "Identity"


def without_dead(graph: Graph) -> Graph:
    """Leave out nodes, outputs and constants that nobody reads."""
    read = {one.name for one in graph.outputs}
    nodes: list[Node] = []
    for node in reversed(graph.nodes):
        if read.intersection(node.outputs):
            nodes.append(replace(node, outputs=tuple(name if name in read else "" for name in node.outputs)))
            read.update(name for name in node.inputs if name)
    constants = {name: array for name, array in graph.constants.items() if name in read}
    return replace(graph, nodes=tuple(reversed(nodes)), constants=constants)

"""Names of a graph: each value has one origin, and nodes come in an order in which they can run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from heapq import heappop, heappush
from typing import Any

from fastconv.onnx.graph import Node
from fastconv.onnx.tensors import Origin


def check_text(origin: Origin, graph: Any) -> None:
    """Refuse names that are no UTF-8, which come as bytes."""
    names = [graph.name, *(one.name for one in (*graph.input, *graph.output, *graph.initializer))]
    names += [one.values.name for one in graph.sparse_initializer]
    for node in graph.node:
        names += [
            node.name,
            node.op_type,
            node.domain,
            *node.input,
            *node.output,
            *(one.name for one in node.attribute),
        ]
    for value in (*graph.input, *graph.output):
        names += [one.dim_param for one in value.type.tensor_type.shape.dim]
    for name in names:
        if not isinstance(name, str):
            raise origin.error(f"names must be UTF-8, but one is {name!r}.")


def check_origins(origin: Origin, given: Iterable[str], constants: Iterable[str], nodes: Iterable[Node]) -> None:
    """Refuse values that come from two places."""
    origins: dict[str, str] = {}
    places = [*((name, "an input") for name in given), *((name, "an initialiser") for name in constants)]
    places += [(name, f"an output of {node}") for node in nodes for name in node.outputs if name]
    for name, place in places:
        if not name:
            raise origin.error(f"{place} must have a name.")
        if name in origins:
            raise origin.error(f"{name!r} must come from one place, but is {origins[name]} and {place}.")
        origins[name] = place


def in_order(origin: Origin, nodes: Sequence[Node], known: Iterable[str], wanted: Iterable[str]) -> tuple[Node, ...]:
    """Nodes, each after those whose outputs it reads, else as they come; refuses cycles and what comes from nowhere."""
    makers = {name: index for index, node in enumerate(nodes) for name in node.outputs if name}
    have = {*known}
    for name in wanted:
        if name not in makers and name not in have:
            raise origin.error(f"output {name!r} must come from a node, an input or an initialiser.")
    waiting, readers = [0] * len(nodes), dict[int, list[int]]()
    for index, node in enumerate(nodes):
        for name in {*node.inputs} - have - {""}:
            if name not in makers:
                raise origin.error(f"{node} reads {name!r}, which is no input, no initialiser and no node's output.")
            waiting[index] += 1
            readers.setdefault(makers[name], []).append(index)
    ready = [index for index, count in enumerate(waiting) if not count]
    order = []
    while ready:
        order.append(heappop(ready))
        for reader in readers.get(order[-1], []):
            waiting[reader] -= 1
            if not waiting[reader]:
                heappush(ready, reader)
    if len(order) < len(nodes):
        first = next(index for index, count in enumerate(waiting) if count)
        raise origin.error(
            f"nodes must not wait for each other, but these do: {_circle(nodes, makers, waiting, first)}."
        )
    return tuple(nodes[index] for index in order)


def _circle(nodes: Sequence[Node], makers: dict[str, int], waiting: list[int], start: int) -> str:
    """Names of the nodes of a circle, found by going back from one that waits."""
    path: list[int] = []
    while start not in path:
        path.append(start)
        start = next(makers[name] for name in nodes[start].inputs if name in makers and waiting[makers[name]])
    return ", ".join(repr(nodes[index].name) for index in path[path.index(start) :])


def unique_names(names: Sequence[str], operators: Sequence[str]) -> list[str]:
    """Names of nodes: their own, or one of operator and place for those that have none or share it."""
    count = Counter(names)
    taken = {name for name in names if name and count[name] == 1}
    found = []
    for index, (name, operator) in enumerate(zip(names, operators)):
        if not name or count[name] > 1:
            name = base = f"{name or operator}_{index}"
            while name in taken:
                name = f"{name}_{base}"
            taken.add(name)
        found.append(name)
    return found

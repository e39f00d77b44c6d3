"""A graph, computed node by node."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from fastconv.errors import FastconvError, InvalidTypeError, InvalidValueError
from fastconv.onnx.graph import Graph, Node
from fastconv.onnx.growth import check_growth
from fastconv.validation.arrays import Array
from fastconv.validation.memory import out_of_memory

_RUN = "OnnxModel.run"
_MISTAKES = (ValueError, TypeError, LookupError, ArithmeticError, AttributeError)  # of operators, over wrong arrays


class _Step(NamedTuple):
    node: Node
    compute: Callable[..., Any]
    freed: tuple[str, ...]  # values that nobody reads after it


class Walk:
    """Nodes of a graph, ready to be computed one after the other.

    Parameters
    ----------
    graph : Graph
        The graph.
    """

    def __init__(self, graph: Graph) -> None:
        self._constants = graph.constants
        self._outputs = [one.name for one in graph.outputs]
        last: dict[str, int] = {}
        for index, node in enumerate(graph.nodes):
            last.update(dict.fromkeys((*node.inputs, *node.outputs), index))
        for name in ("", *self._outputs, *graph.constants):
            last.pop(name, None)
        freed: list[list[str]] = [[] for _ in graph.nodes]
        for name, index in last.items():
            freed[index].append(name)
        self._steps = [_Step(node, node.function.bound(node), tuple(free)) for node, free in zip(graph.nodes, freed)]

    def __call__(
        self, inputs: Mapping[str, Array], seen: Callable[[Node, tuple[Array, ...]], None] | None = None
    ) -> list[Array]:
        """Return the outputs; a value is freed after its last use.

        `seen` is called with every node and its outputs.
        """
        values: dict[str, Array | None] = {**self._constants, **inputs, "": None}
        for node, compute, freed in self._steps:
            results = computed(node, [values[name] for name in node.inputs], compute)
            values.update(zip(node.outputs, results))
            if seen is not None:
                seen(node, results)
            for name in freed:
                del values[name]
        return [values[name] for name in self._outputs]  # type: ignore[misc]


def computed(node: Node, inputs: list[Array | None], compute: Callable[..., Any] | None = None) -> tuple[Array, ...]:
    """Outputs of a node; whatever goes wrong is said with its name."""
    try:
        check_growth(_RUN, node, inputs)
        result = (node if compute is None else compute)(*inputs)
    except FastconvError as error:
        raise type(error)(f"{_RUN}: {node}: {error}") from None
    except MemoryError as error:
        raise out_of_memory(f"{_RUN}: {node}", "its result", error) from None
    except _MISTAKES as error:
        kind = InvalidTypeError if isinstance(error, TypeError) else InvalidValueError
        raise kind(f"{_RUN}: {node} does not take {_words(inputs)}: {error}") from error
    return result if isinstance(result, tuple) else (result,)


def _words(inputs: list[Array | None]) -> str:
    return ", ".join("nothing" if one is None else f"{one.dtype} {one.shape}" for one in inputs)

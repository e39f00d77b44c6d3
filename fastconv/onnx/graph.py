"""A graph of ONNX as plain records: nodes in the order in which they run, constants, inputs and outputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fastconv.onnx.registry import Operator
from fastconv.validation.arrays import Array

Size = int | str | None  # of an axis: a number, the name of one that may vary, or nothing that is known


@dataclass(frozen=True)
class Value:
    """What a graph takes or gives.

    Attributes
    ----------
    name : str
        Its name in the file.
    dtype : dtype
        Of its numbers.
    shape : tuple of int, str or None, or None
        Sizes of its axes; a name stands for a size that may vary, and None for what the file does not say.
    """

    name: str
    dtype: np.dtype[Any]
    shape: tuple[Size, ...] | None

    def __str__(self) -> str:
        sizes = "?" if self.shape is None else ", ".join("?" if size is None else str(size) for size in self.shape)
        return f"{self.name}: {self.dtype}[{sizes}]"


@dataclass(frozen=True)
class Node:
    """One operation of a graph.

    Attributes
    ----------
    name : str
        Its name in the file, or one made of its operator and its place.
    operator : str
        Such as ``"Conv"``; with the domain in front if that is not the default one.
    inputs, outputs : tuple of str
        Names of values; empty for what is optional and not there.
    attributes : mapping
        Attributes by name: numbers, strings, tuples of them and arrays; those that have defaults are there.
    function : callable
        What computes it, see `fastconv.onnx.registry.operator`.
    """

    name: str
    operator: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]
    function: Operator = field(repr=False)

    def __call__(self, *inputs: Array | None) -> tuple[Array, ...]:
        """Compute the outputs."""
        result = self.function(self, *inputs)
        return result if isinstance(result, tuple) else (result,)

    def __str__(self) -> str:
        return f"node {self.name!r} ({self.operator})"


@dataclass(frozen=True)
class Graph:
    """Nodes that run one after the other.

    Attributes
    ----------
    name : str
        Of the graph in its file.
    nodes : tuple of Node
        Each after those whose outputs it takes.
    constants : mapping of str to ndarray
        Weights, and whatever else does not depend on an input.
    inputs, outputs : tuple of Value
        What it takes, without the constants, and what it gives.
    opset : int
        Version of the default domain.
    defaults : tuple of Value
        Constants that the file lists among its inputs, so that others may be given in their places.
    """

    name: str
    nodes: tuple[Node, ...]
    constants: Mapping[str, Array]
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    opset: int
    defaults: tuple[Value, ...] = ()

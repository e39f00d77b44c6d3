"""A graph while it is written: nodes and constants, and the place of one layer in it."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fastconv.backends.geometry import Axis
from fastconv.layers import Layer
from fastconv.layers.parameter import Parameter
from fastconv.validation.arrays import Array, logical_shape
from fastconv.validation.types import Shape

INPUT, OUTPUT = "input", "output"


@dataclass(frozen=True)
class Pooled:
    """What undoing a max pooling needs: the places of the maxima, and its windows."""

    indices: str
    axes: Sequence[Axis]


@dataclass
class GraphWriter:
    """Nodes and constants so far.

    Attributes
    ----------
    onnx : module
        The package.
    dtype : dtype
        Of all arrays of the network.
    unpooled : set of int
        Identities of the pools that are undone later on.
    """

    onnx: Any
    dtype: np.dtype[Any]
    unpooled: Set[int]
    nodes: list[Any] = field(default_factory=list)
    constants: dict[str, Array] = field(default_factory=dict)
    pools: dict[int, Pooled] = field(default_factory=dict)
    _taken: set[str] = field(default_factory=lambda: {INPUT, OUTPUT})
    _parameters: dict[tuple[int, Shape], str] = field(default_factory=dict)

    def unique(self, name: str) -> str:
        """Return the name, with a number if it is taken."""
        found, count = name, 0
        while found in self._taken:
            count += 1
            found = f"{name}_{count}"
        self._taken.add(found)
        return found

    def constant(self, name: str, array: Array) -> str:
        """Append a constant, and return its name."""
        name = self.unique(name)
        self.constants[name] = array
        return name

    def parameter(self, name: str, value: Parameter | Array, shape: Shape | None) -> str:
        """Append a parameter or a buffer, once where layers share it."""
        array = value.data if isinstance(value, Parameter) else value
        key = (id(value), array.shape if shape is None else shape)
        if key not in self._parameters:
            self._parameters[key] = self.constant(name, array.reshape(key[1]))
        return self._parameters[key]

    def finish(self, last: str) -> None:
        """Let an array be the output of the graph."""
        if last == INPUT:
            self.nodes.append(self.onnx.helper.make_node("Identity", [INPUT], [OUTPUT]))
            return
        for node in self.nodes:
            for names in (node.input, node.output):
                names[:] = [OUTPUT if name == last else name for name in names]


@dataclass(frozen=True)
class Place:
    """One layer in a graph: where its nodes and weights go, and what they are called.

    Attributes
    ----------
    graph : GraphWriter
        The graph.
    name : str
        Of the layer, as in a state dict.
    layer : Layer
        The layer.
    input_shape, output_shape : tuple of int
        Shapes of what it reads first and of what it writes. The size of the batch may vary: no node may contain it.
    """

    graph: GraphWriter
    name: str
    layer: Layer
    input_shape: Shape
    output_shape: Shape

    @property
    def channels_last(self) -> bool:
        """Whether the layer reads (N, ..., C) planes."""
        layout = getattr(self.layer, "layout", None)
        return layout is not None and len(self.input_shape) > 2 and layout[1] != "C"

    @property
    def planes(self) -> Shape:
        """(N, C, ...) of the input."""
        return logical_shape(self.input_shape, channels_last=self.channels_last)

    def node(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Append a node with one output, and return the name of that."""
        return self.nodes(kind, *inputs, outputs=1, **attributes)[0]

    def nodes(self, kind: str, *inputs: str, outputs: int, **attributes: Any) -> list[str]:
        """Append a node with several outputs, and return their names."""
        name = self.graph.unique(self._inside(kind))
        names = [name, *(self.graph.unique(f"{name}_{i}") for i in range(1, outputs))]
        node = self.graph.onnx.helper.make_node(kind, inputs, names, name, repr(self.layer), **attributes)
        self.graph.nodes.append(node)
        return names

    def constant(self, name: str, array: Array) -> str:
        """Append an array as it is."""
        return self.graph.constant(self._inside(name), array)

    def integers(self, name: str, *values: int) -> str:
        """Append a row of integers."""
        return self.constant(name, np.array(values, np.int64))

    def array(self, name: str, values: Array) -> str:
        """Append an array in the dtype of the network."""
        return self.constant(name, values.astype(self.graph.dtype))

    def number(self, value: float) -> str:
        """Append a number in the dtype of the network."""
        return self.array("number", np.array(value))

    def parameter(self, name: str, shape: Shape | None = None) -> str:
        """Append an attribute of the layer, in another shape where a node needs one; "" stands for None."""
        value = getattr(self.layer, name)
        full = f"{self.name}.{name}" if self.name else name
        return "" if value is None else self.graph.parameter(full, value, shape)

    def table(self, name: str, usual: float, shape: Shape) -> str:
        """Append an attribute of the layer, or an array of one number where the layer does without."""
        return self.parameter(name) or self.array(name, np.full(shape, usual))

    def sliced(self, x: str, axis: int, start: int, stop: int, step: int = 1) -> str:
        """Append a node that takes a part of an axis."""
        names = ("starts", "ends", "axes", "steps")
        return self.node("Slice", x, *map(self.integers, names, (start, stop, axis, step)))

    def _inside(self, name: str) -> str:
        return f"{self.name}/{name}" if self.name else name

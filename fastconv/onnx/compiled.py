"""A graph for inputs of some shapes: walked at first, and replayed as a program when they come again."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace
from typing import Any

from fastconv.backends import get_backend
from fastconv.backends.locks import RenewedLock
from fastconv.backends.settings import Options, get_num_threads, get_options
from fastconv.errors import FastconvError
from fastconv.layers import Layer
from fastconv.onnx.ending import without_ending
from fastconv.onnx.graph import Graph
from fastconv.onnx.network import NotSeriesParallelError, network_of
from fastconv.onnx.resolving import Shapes, resolved
from fastconv.onnx.stepping import GraphLayer, can_step
from fastconv.onnx.walking import Walk
from fastconv.programs.program import Program
from fastconv.validation.arrays import Array

_SHAPES = 4  # that are kept, the last ones: each has weights of its own, in the order of its kernels


class ShapedGraph:
    """A graph for inputs of some shapes.

    Parameters
    ----------
    graph : Graph
        The graph.
    shapes : Shapes
        What a walk has seen.
    compile : bool
        Whether to make a program of it where it makes one array of one.

    Attributes
    ----------
    program : Program or None
        What replays it, with the settings of the last call.
    reason : str
        Why there is no program.
    """

    def __init__(self, graph: Graph, shapes: Shapes, compile: bool) -> None:
        self.graph = resolved(graph, shapes)
        self._walk, self._known = Walk(self.graph), shapes.known
        self._fused: tuple[tuple[Options, int], Walk] | None = None
        self.program: Program | None = None
        self.reason = "" if compile else "none was asked for"
        self._network: Layer | None = None
        self._lock = RenewedLock()
        if compile:
            self._cut_off()

    def _cut_off(self) -> None:
        """Make what becomes a program: a network of layers down to what NumPy computes, or the graph as it is."""
        try:
            start, ending = without_ending(self.graph, self._known)
            self._network = network_of(start, self._known)
        except (NotSeriesParallelError, FastconvError, RecursionError) as error:
            if not can_step(self.graph, self._known):
                self.reason = str(error)
                return
            start, ending = self.graph, replace(self.graph, nodes=(), constants={})
            self._network = GraphLayer(self.graph, self._known)
        self._cut, self._ending = start.outputs[0].name, Walk(ending)

    def __call__(self, inputs: dict[str, Array]) -> list[Array]:
        """Return the outputs."""
        if get_backend() != "fast":
            return self._walk(inputs)
        program = self._current()
        if program is None:
            return self._fused_walk()(inputs)
        (x,) = inputs.values()
        try:
            return self._ending({self._cut: program(x)})
        except Exception as error:  # noqa: BLE001 - of any node, which does not take the numbers of a trial
            outputs = self._walk(inputs)  # which says what is wrong with these, if it is they
            self._network, self.program, self.reason = None, None, str(error)
            return outputs

    def _fused_walk(self) -> Walk:
        """Walk with the options of now, of nodes that are done in one pass where that can be."""
        from fastconv.onnx.fusing import fused  # imports Numba

        settings, found = (get_options(), get_num_threads()), self._fused
        if found is None or found[0] != settings:
            found = self._fused = settings, Walk(fused(self.graph, self._known))
        return found[1]

    def _current(self) -> Program | None:
        """Program with the settings of now, or None."""
        network, program = self._network, self.program
        if network is not None and (program is None or not program.is_current):
            with self._lock.now:
                program = self.program = Program(network)
        return program


class ShapedGraphs:
    """The graphs for the shapes that came last.

    Parameters
    ----------
    graph : Graph
        For inputs of any shapes.
    compile : bool
        Whether to make programs.
    """

    def __init__(self, graph: Graph, compile: bool) -> None:
        self.graph, self._compile = graph, compile
        self._walk = Walk(graph)
        self._found: OrderedDict[Any, Shapes | ShapedGraph] = OrderedDict()
        self._lock = RenewedLock()

    def __call__(self, inputs: dict[str, Array]) -> list[Array]:
        """Return the outputs, for shapes that are new by a walk: some never come again."""
        key = tuple((array.shape, array.dtype) for array in inputs.values())
        found = self._found.get(key)
        if found is None:
            shapes = Shapes(self.graph, inputs)
            outputs = self._walk(inputs, shapes)
            with self._lock.now:
                self._found[key] = shapes
                if len(self._found) > _SHAPES:
                    self._found.popitem(last=False)
            return outputs
        if isinstance(found, Shapes):
            with self._lock.now:
                found = self._found.get(key, found)
                if isinstance(found, Shapes):
                    found = self._found[key] = ShapedGraph(self.graph, found, self._compile)
        return found(inputs)

    @property
    def last(self) -> ShapedGraph | None:
        """That of the shapes that came again last."""
        with self._lock.now:
            return next((one for one in reversed(self._found.values()) if isinstance(one, ShapedGraph)), None)

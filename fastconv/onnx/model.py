"""`load`, and the model that it returns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fastconv.errors import InvalidTypeError, InvalidValueError, shown
from fastconv.layers import Sequential
from fastconv.onnx.compiled import ShapedGraphs
from fastconv.onnx.graph import Graph, Size, Value
from fastconv.onnx.improve import improved
from fastconv.onnx.network import NotSeriesParallelError, network_of
from fastconv.onnx.reading import Source, read_graph
from fastconv.onnx.resolving import Shapes, resolved
from fastconv.onnx.summary import ModelSummary, summary_of
from fastconv.onnx.walking import Walk
from fastconv.programs import Program
from fastconv.validation.arrays import Array, check_array
from fastconv.validation.sizes import check_flag, check_integer, entries_of

_RUN = "OnnxModel.run"
InputShapes = Mapping[str, Sequence[int]] | Sequence[int] | None
Inputs = Mapping[str, ArrayLike] | Sequence[ArrayLike] | Array


def load(source: Source, *, optimize: bool = True, compile: bool = True) -> OnnxModel:
    """Read a model of ONNX, to be run on any backend.

    Parameters
    ----------
    source : path-like, bytes or ModelProto
        A file, its bytes, or the message that the package ``onnx`` makes of it. Tensors in other files must lie in the
        folder of the model, which has to be told by its path.
    optimize : bool
        Whether to compute once what depends on constants alone, to leave out what does nothing, and to put batch norm,
        factors and summands of channels, and padding with zeros into the convolutions beside them; results then differ
        by rounding. Without, the graph stays as it is in the file.
    compile : bool
        Whether inputs of a shape that comes again are computed by a program, as `fastconv.compile` makes it of a
        network: on the fast backend, where the graph is optimised and is made of chains and branches.

    Returns
    -------
    OnnxModel
        Call its `OnnxModel.run`.

    Raises
    ------
    fastconv.errors.ModelFileError
        If the file is damaged, or needs operators that are not there: all of them are named.
    ImportError
        If the extra ``onnx`` is not installed.
    OSError
        If the file cannot be read.
    """
    graph = read_graph(source)
    better = check_flag("onnx.load", "optimize", optimize)
    return OnnxModel(improved(graph) if better else graph, better, check_flag("onnx.load", "compile", compile))


class OnnxModel:
    """A graph of ONNX that runs on any backend.

    Several Python threads may run one model.

    Parameters
    ----------
    graph : Graph
        What `load` read.
    optimize, compile : bool
        As for `load`.

    Attributes
    ----------
    graph : Graph
        Nodes and constants.
    inputs, outputs : tuple of Value
        What it takes and gives: names, dtypes, and shapes whose sizes may be symbols.
    layer_names : list of str
        Names of the nodes, in the order in which they run.
    program : Program or None
        What replays the inputs whose shapes came again last.
    """

    def __init__(self, graph: Graph, optimize: bool = False, compile: bool = False) -> None:
        self.graph = graph
        self._compute = ShapedGraphs(graph, compile) if optimize else Walk(graph)
        self._options = (optimize, compile)

    @property
    def inputs(self) -> tuple[Value, ...]:
        """What it takes."""
        return self.graph.inputs

    @property
    def outputs(self) -> tuple[Value, ...]:
        """What it gives."""
        return self.graph.outputs

    @property
    def layer_names(self) -> list[str]:
        """Names of the nodes, in the order in which they run."""
        return [node.name for node in self.graph.nodes]

    @property
    def program(self) -> Program | None:
        """What replays the inputs whose shapes came again last; None where they are walked. ``print`` names breaks."""
        last = self._compute.last if isinstance(self._compute, ShapedGraphs) else None
        return None if last is None else last.program

    def run(self, inputs: Inputs) -> list[Array]:
        """Compute the outputs.

        Parameters
        ----------
        inputs : mapping of str to array_like, sequence of array_like, or ndarray
            By name, or in the order of `inputs`, or the only one. Numbers of another dtype of the same kind are
            converted. By name, constants that the file lists among its inputs may be given, too, if the model was
            loaded with ``optimize=False``.

        Returns
        -------
        list of ndarray
            In the order of `outputs`; they share no memory with inputs, constants or each other.

        Raises
        ------
        ValueError
            If an input is missing or unknown, its shape is not what the file says, or a node does not take what it
            gets; the message names it.
        TypeError
            If an input has a dtype of another kind.
        """
        given = self._checked(inputs)
        return _own(self._compute(given), [*given.values()])

    def summary(self, input_shapes: InputShapes = None) -> ModelSummary:
        """List the nodes with the shapes of their outputs and their parameters; a run over zeros tells the shapes.

        Parameters
        ----------
        input_shapes : mapping of str to shape, or shape, optional
            Shapes of the inputs by name, or of the only one; by default those of the file, where 1 stands for a size
            that it does not say.

        Returns
        -------
        ModelSummary
            ``print`` shows a table.

        Raises
        ------
        ValueError
            If the model does not take such inputs.
        """
        zeros = self._zeros("summary", input_shapes)
        return summary_of(self.graph, self._shapes(zeros), zeros)

    def to_layer(self, input_shapes: InputShapes = None) -> Sequential:
        """Return a network of layers that computes the output from the input, with the weights of the file.

        It can be trained where the file has layers of fastconv, be compiled with a loss and be saved. A model that was
        loaded with ``optimize=False`` keeps its batch norms.

        Parameters
        ----------
        input_shapes : mapping of str to shape, or shape, optional
            As for `summary`. What the file computes of shapes is computed of these.

        Returns
        -------
        Sequential
            In evaluation mode.

        Raises
        ------
        ValueError
            If the graph has several inputs or outputs, or is not made of chains and branches.
        """
        shapes = self._shapes(self._zeros("to_layer", input_shapes))
        try:
            return network_of(resolved(self.graph, shapes, absorb=self._options[0]), shapes.known)
        except (NotSeriesParallelError, RecursionError) as error:
            raise InvalidValueError(
                f"OnnxModel.to_layer: the model must be chains and branches, but {error}."
            ) from None

    def _zeros(self, operation: str, input_shapes: InputShapes) -> dict[str, Array]:
        """Inputs of some shapes."""
        where, zeros = f"OnnxModel.{operation}", {}
        given = self._given_shapes(where, input_shapes)
        for one in self.inputs:
            shape = given.get(one.name, [size if isinstance(size, int) else 1 for size in one.shape or ()])
            items = entries_of(shape)
            if items is None:
                raise InvalidTypeError(f"{where}: the shape of {one.name} must be integers, but got {shown(shape)}.")
            sizes = tuple(check_integer(where, f"sizes of {one.name}", size, 0) for size in items)
            zeros[one.name] = np.zeros(sizes, one.dtype)
        return self._checked(zeros)

    def _given_shapes(self, where: str, input_shapes: InputShapes) -> Mapping[str, Any]:
        """Shapes by name."""
        names = [one.name for one in self.inputs]
        if input_shapes is None or isinstance(input_shapes, Mapping):
            given = input_shapes or {}
            if not set(given) <= set(names):
                got = ", ".join(map(str, given))
                raise InvalidValueError(f"{where}: input_shapes must be of {', '.join(names)}, but got {got}.")
            return given
        if len(names) != 1:
            raise InvalidValueError(
                f"{where}: input_shapes must be a dict for a model of {len(names)} inputs ({', '.join(names)}), "
                f"but got {shown(input_shapes)}."
            )
        return {names[0]: input_shapes}

    def _shapes(self, inputs: dict[str, Array]) -> Shapes:
        shapes = Shapes(self.graph, inputs)
        Walk(self.graph)(inputs, shapes)
        return shapes

    def _checked(self, inputs: Inputs) -> dict[str, Array]:
        named = self._named(inputs)
        sizes: dict[str, int] = {}
        values = [*self.inputs, *(one for one in self.graph.defaults if one.name in named)]
        return {one.name: _checked(one, named[one.name], sizes) for one in values}

    def _named(self, inputs: Inputs) -> Mapping[str, ArrayLike]:
        names = [one.name for one in self.inputs]
        if isinstance(inputs, Mapping):
            optional = {one.name for one in self.graph.defaults}
            if not set(names) <= set(inputs) <= {*names, *optional}:
                got = ", ".join(map(str, inputs)) or "none"
                raise InvalidValueError(f"{_RUN}: inputs must be {', '.join(names)}, but got {got}.")
            return inputs
        given: Sequence[ArrayLike] = [inputs] if isinstance(inputs, np.ndarray) else inputs
        if isinstance(given, (str, bytes)) or not isinstance(given, Sequence):
            raise InvalidTypeError(f"{_RUN}: inputs must be a dict, a list or an array, but got {shown(inputs)}.")
        if len(given) != len(names):
            raise InvalidValueError(
                f"{_RUN}: inputs must be {len(names)} arrays ({', '.join(names)}), but got {len(given)}."
            )
        return dict(zip(names, given))

    def __getstate__(self) -> dict[str, Any]:
        return {"graph": self.graph, "options": self._options}

    def __setstate__(self, state: dict[str, Any]) -> None:
        OnnxModel.__init__(self, state["graph"], *state["options"])

    def __repr__(self) -> str:
        takes, gives = (", ".join(map(str, values)) for values in (self.inputs, self.outputs))
        return f"OnnxModel({self.graph.name!r}, {len(self.graph.nodes)} nodes: {takes} -> {gives})"


def _own(outputs: Sequence[Array], inputs: Sequence[Array]) -> list[Array]:
    """Outputs that are the caller's alone: what is a view of an input, a constant or another output is copied."""
    taken, own = [*inputs], list[Array]()
    for y in outputs:
        shared = not y.flags.writeable or any(np.may_share_memory(y, other) for other in taken)
        own.append(y.copy() if shared else y)
        taken.append(y)
    return own


def _checked(value: Value, given: ArrayLike, sizes: dict[str, int]) -> Array:
    """Array of an input; `sizes` are those of the symbols that came before."""
    array = check_array(_RUN, value.name, given)
    same = array.dtype == value.dtype
    if not same and not np.can_cast(array.dtype, value.dtype, "same_kind"):
        raise InvalidTypeError(f"{_RUN}: {value.name} must be {value.dtype}, but got {array.dtype}.")
    wanted, before = array.shape if value.shape is None else value.shape, tuple(sizes.items())
    if len(wanted) != array.ndim or not all(_fits(one, size, sizes) for one, size in zip(wanted, array.shape)):
        known = "".join(f", {name} = {size}" for name, size in before)
        raise InvalidValueError(f"{_RUN}: {value} is what the file says{known}, but got shape {array.shape}.")
    return array if same else array.astype(value.dtype)


def _fits(wanted: Size, size: int, sizes: dict[str, int]) -> bool:
    """Whether a size is what the file says; of a symbol, the first one counts."""
    return wanted is None or size == (sizes.setdefault(wanted, size) if isinstance(wanted, str) else wanted)

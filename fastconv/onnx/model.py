"""`load`, and the model that it returns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from fastconv.errors import InvalidTypeError, InvalidValueError
from fastconv.onnx.graph import Graph, Value
from fastconv.onnx.reading import Source, read_graph
from fastconv.validation.arrays import Array

_RUN = "OnnxModel.run"


def load(source: Source) -> OnnxModel:
    """Read a model of ONNX, to be run on any backend.

    Parameters
    ----------
    source : path-like, bytes or ModelProto
        A file, its bytes, or the message that the package ``onnx`` makes of it.

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
    return OnnxModel(read_graph(source))


class OnnxModel:
    """A graph of ONNX that runs on any backend.

    Parameters
    ----------
    graph : Graph
        What `load` read.

    Attributes
    ----------
    graph : Graph
        Nodes and constants.
    inputs, outputs : tuple of Value
        What it takes and gives: names, dtypes, and shapes whose sizes may be symbols.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph

    @property
    def inputs(self) -> tuple[Value, ...]:
        """What it takes."""
        return self.graph.inputs

    @property
    def outputs(self) -> tuple[Value, ...]:
        """What it gives."""
        return self.graph.outputs

    def run(self, inputs: Mapping[str, ArrayLike] | Sequence[ArrayLike]) -> list[Array]:
        """Compute the outputs.

        Parameters
        ----------
        inputs : mapping of str to array_like, or sequence of array_like
            By name, or in the order of `inputs`. Numbers of another dtype of the same kind are converted.

        Returns
        -------
        list of ndarray
            In the order of `outputs`.

        Raises
        ------
        ValueError
            If an input is missing or unknown, or its shape is not what the file says.
        TypeError
            If an input has a dtype of another kind.
        """
        values: dict[str, Array] = {**self.graph.constants, **self._checked(inputs)}
        for node in self.graph.nodes:
            arguments = [values[name] if name else None for name in node.inputs]
            values.update(zip(node.outputs, node(*arguments)))
        return [values[one.name] for one in self.outputs]

    def _checked(self, inputs: Mapping[str, ArrayLike] | Sequence[ArrayLike]) -> dict[str, Array]:
        names = [one.name for one in self.inputs]
        if not isinstance(inputs, Mapping):
            if len(inputs) != len(names):
                raise InvalidValueError(f"{_RUN}: inputs must be {len(names)} arrays ({', '.join(names)}).")
            inputs = dict(zip(names, inputs))
        if set(inputs) != set(names):
            raise InvalidValueError(f"{_RUN}: inputs must be {', '.join(names)}, but got {', '.join(inputs)}.")
        return {one.name: _converted(one, inputs[one.name]) for one in self.inputs}


def _converted(value: Value, given: ArrayLike) -> Array:
    array = np.asarray(given)
    if not np.can_cast(array.dtype, value.dtype, "same_kind"):
        raise InvalidTypeError(f"{_RUN}: {value.name} must be {value.dtype}, but got {array.dtype}.")
    return array.astype(value.dtype, copy=False)

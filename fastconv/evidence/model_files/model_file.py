"""A model file that takes part in a contest, and what it computes."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import NamedTuple

from fastconv.backends import use_backend
from fastconv.errors import InvalidValueError
from fastconv.evidence.model_files.example import example, walk
from fastconv.onnx import load
from fastconv.onnx.graph import Node
from fastconv.validation.arrays import Array

_NAME = "contest"
_BATCHES = (1, 8)
_WEIGHTS = {"Conv": 1, "ConvInteger": 1, "QLinearConv": 3}  # which input is (F, C//groups, *kernel)


@dataclass(frozen=True)
class ModelFile:
    """A model of ONNX with one input.

    Parameters
    ----------
    path : Path
        The file.
    inference : tuple of int
        Batches of an inference.
    """

    path: Path
    inference: tuple[int, ...] = _BATCHES

    description = "a model of ONNX"
    training = ()  # no file is trained

    @property
    def name(self) -> str:
        """Name of the file, with that of its folder: many are called the same."""
        return f"{self.path.parent.name}/{self.path.name}"

    @classmethod
    def of(cls, path: str) -> ModelFile:
        """Return a file with the batches that it takes.

        Raises
        ------
        ValueError
            If the file is none that can run, or has not one input.
        """
        inputs = load(path).inputs
        if len(inputs) != 1:
            names = ", ".join(value.name for value in inputs) or "none"
            raise InvalidValueError(f"{_NAME}: {path} must have one input, but got {names}.")
        shape = inputs[0].shape
        fixed = shape[0] if shape else None
        return cls(Path(path).absolute(), (fixed,) if isinstance(fixed, int) else _BATCHES)


class Work(NamedTuple):
    """What a model computes of one input.

    Attributes
    ----------
    x, y : ndarray
        The input, and the first output by the numpy backend.
    nodes, parameters, multiply_adds : int
        Operations; floating-point constants; multiply-adds of convolutions and products of matrices, padding counts.
    """

    x: Array
    y: Array
    nodes: int
    parameters: int
    multiply_adds: int


def work_of(file: ModelFile, batch: int, seed: int) -> Work:
    """Run a model on the numpy backend, and count."""
    graph = load(file.path).graph
    inputs = example(_NAME, graph.inputs, batch, seed)
    outputs, products = dict(inputs), 0
    with use_backend("numpy"):
        for node, arguments, results in walk(graph, inputs):
            outputs.update(zip(node.outputs, results))
            products += multiply_adds(node, arguments, results[0])
    parameters = sum(array.size for array in graph.constants.values() if array.dtype.kind == "f")
    (x,) = inputs.values()
    return Work(x, outputs[graph.outputs[0].name], len(graph.nodes), parameters, products)


def multiply_adds(node: Node, arguments: list[Array | None], y: Array) -> int:
    """Multiply-adds of a convolution or a product of matrices; 0 of anything else."""
    sizes = [() if array is None else array.shape for array in arguments]
    if node.operator in _WEIGHTS:
        return y.size * prod(sizes[_WEIGHTS[node.operator]][1:])
    if node.operator == "ConvTranspose":
        return prod(sizes[0]) * prod(sizes[1][1:])
    if node.operator == "Gemm":
        return y.size * int(sizes[0][0 if node.attributes.get("transA") else 1])
    return y.size * int(sizes[0][-1]) if node.operator in ("MatMul", "MatMulInteger") else 0

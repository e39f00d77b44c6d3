"""The tests that the package ``onnx`` carries: small models, mostly of one node, with inputs and outputs."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

import fastconv.onnx.operators  # noqa: F401 - registers them
from fastconv.onnx.registry import lookup

KINDS = ("node", "simple", "pytorch-converted", "pytorch-operator")

# Types that NumPy has, by their names in ONNX; models with other ones are not run.
NUMBERS = frozenset(
    "FLOAT FLOAT16 DOUBLE BOOL INT8 INT16 INT32 INT64 UINT8 UINT16 UINT32 UINT64 UNDEFINED".split()  # noqa: SIM905
)


@dataclass(frozen=True)
class Case:
    """A model, and what it gives for some inputs."""

    name: str
    model: Any
    data_sets: tuple[tuple[list[Any], list[Any]], ...]
    rtol: float
    atol: float

    @property
    def operators(self) -> set[str]:
        """Operators of its nodes, with the domain in front where it is not the usual one."""
        return {_operator(node) for node in self.model.graph.node}

    @property
    def opset(self) -> int:
        """Version of the usual domain."""
        return max((one.version for one in self.model.opset_import if one.domain in ("", "ai.onnx")), default=1)

    @property
    def numbers(self) -> int:
        """How many numbers it is fed with."""
        return sum(value.size for inputs, _ in self.data_sets for value in inputs)

    def reason(self) -> str | None:
        """Why it is not run, in a few words, if it is not."""
        missing = sorted(name for name in self.operators if lookup(name, self.opset) is None)
        if missing:
            return f"operators {', '.join(missing)}"
        values = [*self.model.graph.input, *self.model.graph.output]
        kinds = {value.type.WhichOneof("value") for value in values} - {"tensor_type"}
        if kinds:
            return f"values that are no arrays: {', '.join(sorted(map(str, kinds)))}"
        types = {_type_name(number) for number in _types(self.model)} - NUMBERS
        return f"numbers that NumPy does not have: {', '.join(sorted(types))}" if types else None


@cache
def cases() -> tuple[Case, ...]:
    """All that the package has with it, in the order of their names."""
    from onnx.backend.test.loader import load_model_tests

    found = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some overflow on purpose
        for kind in KINDS:
            found += [_case(one) for one in load_model_tests(kind=kind)]
    return tuple(sorted(found, key=lambda case: case.name))


def _case(found: Any) -> Case:
    """A case with its arrays: older versions of the package have all of them in files."""
    import onnx

    if found.model is not None:
        model, data_sets = found.model, found.data_sets
    else:
        folder = Path(found.model_dir)
        model = onnx.load(folder / "model.onnx")
        data_sets = [_read(model, one) for one in sorted(folder.glob("test_data_set_*"))]
    arrays = tuple(([_array(one) for one in inputs], [_array(one) for one in outputs]) for inputs, outputs in data_sets)
    return Case(found.name, model, arrays, found.rtol, found.atol)


def _read(model: Any, folder: Path) -> tuple[list[Any], list[Any]]:
    """What goes into a model and comes out, as a folder has it: inputs that are weights have no files."""
    return tuple(
        [_message(value.type, path) for i, value in enumerate(values) if (path := folder / f"{name}_{i}.pb").exists()]
        for name, values in (("input", model.graph.input), ("output", model.graph.output))
    )


def _message(kind: Any, path: Path) -> Any:
    """A tensor of a file, or None where it is something else."""
    import onnx

    return onnx.TensorProto.FromString(path.read_bytes()) if kind.WhichOneof("value") == "tensor_type" else None


def _array(value: Any) -> Any:
    """An array of a message, or of what is one already."""
    from onnx import TensorProto, numpy_helper

    return numpy_helper.to_array(value) if isinstance(value, TensorProto) else np.asarray(value, _dtype(value))


def _dtype(value: Any) -> Any:
    return None if isinstance(value, (np.ndarray, np.generic)) else object


def _operator(node: Any) -> str:
    return node.op_type if node.domain in ("", "ai.onnx") else f"{node.domain}.{node.op_type}"


def _types(model: Any) -> Iterator[int]:
    """Types of numbers in a graph: of what goes in and comes out, of weights, and what nodes are asked for."""
    graph = model.graph
    for value in (*graph.input, *graph.output, *graph.value_info):
        yield value.type.tensor_type.elem_type
    for weight in graph.initializer:
        yield weight.data_type
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.name in ("to", "output_dtype"):
                yield attribute.i
            if attribute.HasField("t"):
                yield attribute.t.data_type


def _type_name(number: int) -> str:
    from onnx import TensorProto

    return TensorProto.DataType.Name(number)

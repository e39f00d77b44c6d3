"""From a file to a `Graph`: everything that a file can get wrong is said here, before anything is computed."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Any, Union

import numpy as np

import fastconv.onnx.operators  # noqa: F401 - registers them
from fastconv.errors import InvalidTypeError, ModelFileError
from fastconv.files import open_regular
from fastconv.onnx.extra import onnx
from fastconv.onnx.graph import Graph, Node, Value
from fastconv.onnx.registry import lookup
from fastconv.validation.arrays import Array

Source = Union[str, "os.PathLike[str]", bytes, Any]
_LOAD = "onnx.load"
_OLDEST = 7


def read_graph(source: Source) -> Graph:
    """Read a model: a path, the bytes of a file, or a ``ModelProto``."""
    package = onnx(_LOAD)
    model, where = _model(package, source)
    return _graph(package, model, where)


def _model(package: Any, source: Source) -> tuple[Any, str]:
    """Return the message, and what it is called in errors."""
    if isinstance(source, package.ModelProto):
        return source, source.graph.name or "the model"
    if isinstance(source, bytes):
        where, data = "the bytes of a model", source
    elif isinstance(source, (str, os.PathLike)):
        where = os.fspath(source)
        with open_regular(_LOAD, Path(source), ModelFileError) as stream:
            data = stream.read()
    else:
        raise InvalidTypeError(
            f"{_LOAD}: source must be a path, bytes or a ModelProto, but got {type(source).__name__}."
        )
    model = package.ModelProto()
    try:
        model.ParseFromString(data)
    except Exception as error:  # DecodeError derives from Exception alone
        raise ModelFileError(f"{_LOAD}: {where} must be an ONNX model, but cannot be parsed ({error}).") from error
    return model, where


def _graph(package: Any, model: Any, where: str) -> Graph:
    """Turn the message into records."""
    opset = next((one.version for one in model.opset_import if one.domain in ("", "ai.onnx")), 1)
    graph = model.graph
    constants = {one.name: _array(package, one) for one in graph.initializer}
    inputs = tuple(_value(package, one) for one in graph.input if one.name not in constants)
    outputs = tuple(_value(package, one) for one in graph.output)
    nodes, missing = [], Counter[str]()
    for index, proto in enumerate(graph.node):
        name = proto.name or f"{proto.op_type}_{index}"
        kind = proto.op_type if proto.domain in ("", "ai.onnx") else f"{proto.domain}.{proto.op_type}"
        function = lookup(kind, opset)
        if function is None:
            missing[kind] += 1
            continue
        attributes = _attributes(package, proto, kind, opset)
        nodes.append(Node(name, kind, tuple(proto.input), tuple(proto.output), attributes, function))
    if missing:
        listed = ", ".join(f"{kind} (×{count})" for kind, count in sorted(missing.items()))
        raise ModelFileError(f"{_LOAD}: {where} needs operators that are not there: {listed}.")
    return Graph(graph.name, tuple(nodes), constants, inputs, outputs, opset)


def _array(package: Any, tensor: Any) -> Array:
    array: Array = package.numpy_helper.to_array(tensor)
    return array


def _value(package: Any, proto: Any) -> Value:
    """Name, dtype and shape of an input or output."""
    kind = proto.type.tensor_type
    dtype = np.dtype(package.helper.tensor_dtype_to_np_dtype(kind.elem_type))
    if not kind.HasField("shape"):
        return Value(proto.name, dtype, None)
    sizes = [(one.dim_value if one.HasField("dim_value") else one.dim_param or None) for one in kind.shape.dim]
    return Value(proto.name, dtype, tuple(sizes))


def _attributes(package: Any, proto: Any, kind: str, opset: int) -> dict[str, Any]:
    """Attributes of a node, and the defaults of those that it leaves out."""
    schema = package.defs.get_schema(kind, opset)
    found = {
        name: _plain(package.helper.get_attribute_value(one.default_value))
        for name, one in schema.attributes.items()
        if one.default_value.type
    }
    for one in proto.attribute:
        value = package.helper.get_attribute_value(one)
        found[one.name] = _array(package, value) if isinstance(value, package.TensorProto) else _plain(value)
    return found


def _plain(value: Any) -> Any:
    """Strings in place of bytes, tuples in place of lists."""
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, (list, tuple)) or type(value).__name__.startswith("Repeated"):
        return tuple(_plain(one) for one in value)
    return value

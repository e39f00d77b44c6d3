"""From a file to a `Graph`: everything that a file can get wrong is said here, before anything is computed."""

from __future__ import annotations

import os
from typing import Any, Union

import fastconv.onnx.operators  # noqa: F401 - registers them
from fastconv.errors import InvalidTypeError, ModelFileError
from fastconv.files import open_regular
from fastconv.onnx.attributes import attributes_of, check_arity
from fastconv.onnx.extra import onnx
from fastconv.onnx.functions import inlined
from fastconv.onnx.graph import Graph, Node, Size, Value
from fastconv.onnx.registry import lookup
from fastconv.onnx.sorting import check_origins, check_text, in_order, unique_names
from fastconv.onnx.tensors import Origin, array_of, dense_of, dtype_of
from fastconv.validation.arrays import Array
from fastconv.validation.sizes import check_path

Source = Union[str, "os.PathLike[str]", bytes, Any]
_LOAD = "onnx.load"
_OLDEST = 7
_LARGEST = 2**31  # bytes
_DEFAULT_DOMAIN = ("", "ai.onnx")


def read_graph(source: Source) -> Graph:
    """Read a model: a path, the bytes of a file, or a ``ModelProto``."""
    package = onnx(_LOAD)
    model, origin = _model(package, source)
    try:
        return _graph(origin, inlined(origin, model))
    except UnicodeDecodeError as error:
        raise origin.error(f"its names must be UTF-8, but {error}.") from None


def _model(package: Any, source: Source) -> tuple[Any, Origin]:
    """Return the message, and where it comes from."""
    if isinstance(source, package.ModelProto):
        return source, Origin(package, "the model", None, {})
    if isinstance(source, bytes):
        origin, data = Origin(package, "the bytes of a model", None, {}), source
    elif isinstance(source, (str, os.PathLike)):
        path = check_path(_LOAD, source, "source")
        origin = Origin(package, str(path), path.parent, {})
        with open_regular(_LOAD, path, ModelFileError) as stream:
            size = os.fstat(stream.fileno()).st_size
            if size > _LARGEST:
                raise origin.error(f"it must have at most {_LARGEST} bytes, as any message of ONNX, but has {size}.")
            data = stream.read(size + 1)  # should it grow meanwhile
    else:
        raise InvalidTypeError(
            f"{_LOAD}: source must be a path, bytes or a ModelProto, but got {type(source).__name__}."
        )
    model = package.ModelProto()
    try:
        model.ParseFromString(data)
    except Exception as error:  # DecodeError derives from Exception alone
        raise origin.error(f"it must be an ONNX model, but cannot be parsed ({error}).") from error
    if not model.HasField("graph"):
        raise origin.error("it must be an ONNX model, but has no graph.")
    return model, origin


def _graph(origin: Origin, model: Any) -> Graph:
    """Turn the message into records."""
    opset, graph = _opset(origin, model), model.graph
    check_text(origin, graph)
    constants = _constants(origin, graph)
    nodes = _nodes(origin, graph, opset)
    inputs = [_value(origin, "input", one) for one in graph.input]
    outputs = tuple(_value(origin, "output", one) for one in graph.output)
    given = tuple(one for one in inputs if one.name not in constants)
    check_origins(origin, (one.name for one in given), constants, nodes)
    known = [*constants, *(one.name for one in given)]
    nodes = in_order(origin, nodes, known, (one.name for one in outputs))
    defaults = tuple(one for one in inputs if one.name in constants)
    return Graph(graph.name, nodes, constants, given, outputs, opset, defaults)


def _opset(origin: Origin, model: Any) -> int:
    """Version of the default domain."""
    newest = origin.package.defs.onnx_opset_version()
    versions = {one.version for one in model.opset_import if one.domain in _DEFAULT_DOMAIN}
    if len(versions) != 1 or not _OLDEST <= min(versions) <= newest:
        got = " and ".join(map(str, sorted(versions))) or "none"
        raise origin.error(f"its operator set must be one from {_OLDEST} to {newest}, but got {got}.")
    return int(min(versions))


def _constants(origin: Origin, graph: Any) -> dict[str, Array]:
    """Arrays of the initialisers by name."""
    constants: dict[str, Array] = {}
    tensors = [(one.name, array_of, one) for one in graph.initializer]
    sparse = [(one.values.name, dense_of, one) for one in graph.sparse_initializer]
    for name, read, tensor in (*tensors, *sparse):
        if name in constants:
            raise origin.error(f"initialiser {name!r} must be there once.")
        constants[name] = read(origin, f"initialiser {name!r}", tensor)
        constants[name].flags.writeable = False
    return constants


def _nodes(origin: Origin, graph: Any, opset: int) -> tuple[Node, ...]:
    """Nodes in the order of the file; all that need operators that are not there are named at once."""
    protos = graph.node
    kinds = [one.op_type if one.domain in _DEFAULT_DOMAIN else f"{one.domain}.{one.op_type}" for one in protos]
    names = unique_names([one.name for one in protos], kinds)
    functions = {kind: lookup(kind, opset) for kind in dict.fromkeys(kinds)}
    without = sorted(kind for kind, function in functions.items() if function is None)
    missing = {kind: [name for name, own in zip(names, kinds) if own == kind] for kind in without}
    if missing:
        listed = "; ".join(f"{kind} ({', '.join(owners)})" for kind, owners in missing.items())
        raise origin.error(f"it needs operators that are not there in version {opset}: {listed}.")
    schemas = {kind: origin.package.defs.get_schema(kind, opset) for kind in functions}
    nodes = []
    for name, kind, proto in zip(names, kinds, protos):
        function, schema, subject = functions[kind], schemas[kind], f"node {name!r} ({kind})"
        assert function is not None
        check_arity(origin, subject, proto, schema)
        attributes = attributes_of(origin, subject, proto, schema, function.attributes)
        nodes.append(Node(name, kind, tuple(proto.input), tuple(proto.output), attributes, function))
    return tuple(nodes)


def _value(origin: Origin, what: str, proto: Any) -> Value:
    """Name, dtype and shape of an input or output."""
    subject = f"{what} {proto.name!r}"
    if proto.type.WhichOneof("value") != "tensor_type":
        kind = proto.type.WhichOneof("value") or "nothing that is known"
        raise origin.error(f"{subject} must be a tensor, but is {kind}.")
    tensor = proto.type.tensor_type
    dtype = dtype_of(origin, subject, tensor.elem_type)
    sizes = tuple(map(_size, tensor.shape.dim)) if tensor.HasField("shape") else None
    return Value(proto.name, dtype, sizes)


def _size(dim: Any) -> Size:
    """Size of an axis; some exporters write -1 for one that may vary."""
    if dim.HasField("dim_value"):
        return int(dim.dim_value) if dim.dim_value >= 0 else None
    return dim.dim_param or None

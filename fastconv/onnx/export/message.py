"""From what was written to a message of ONNX, checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastconv._version import __version__
from fastconv.errors import InvalidValueError
from fastconv.layers import Layer
from fastconv.onnx.export.writer import GraphWriter
from fastconv.validation.types import Shape

_OPSET, _IR = 17, 8  # of 2022: the first with LayerNormalization, and read by every runtime of the last years
_LARGEST = 2**31 - 2**20  # bytes of weights: protobuf ends at 2 GiB, and nodes need some of it
_MANY = 1024  # numbers of a constant that no shape depends on
_BATCH = "N"


def checked_message(
    writer: GraphWriter, model: Layer, ends: Mapping[str, Shape], between: Mapping[str, Shape], batch: int | None
) -> Any:
    """Return the message of a graph.

    Parameters
    ----------
    writer : GraphWriter
        Nodes and constants.
    model : Layer
        The network, whose text goes into the message.
    ends : mapping of str to shape
        The input and the output.
    between : mapping of str to shape
        Arrays between the layers.
    batch : int or None
        Size in all these shapes of a batch that may vary.

    Notes
    -----
    ONNX infers all shapes, and compares them with those that are given. It makes several copies of what it checks, so
    that large constants are inputs meanwhile.
    """
    size = sum(array.nbytes for array in writer.constants.values())
    if size > _LARGEST:
        raise InvalidValueError(f"onnx.save: the weights must have at most {_LARGEST} bytes, but got {size}.")
    helper, from_array = writer.onnx.helper, writer.onnx.numpy_helper.from_array
    large = {name: array for name, array in writer.constants.items() if array.size > _MANY}
    small = [from_array(array, name) for name, array in writer.constants.items() if name not in large]
    x, y = (_described(writer, *end, batch) for end in ends.items())
    weights = [_described(writer, name, array.shape, None) for name, array in large.items()]
    inner = [_described(writer, *one, batch) for one in between.items()]
    graph = helper.make_graph(
        writer.nodes, type(model).__name__, [x, *weights], [y], small, repr(model), value_info=inner
    )
    message = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", _OPSET)],
        ir_version=_IR,
        producer_name="fastconv",
        producer_version=__version__,
        doc_string=f"Written by fastconv {__version__}",
    )
    writer.onnx.checker.check_model(message, full_check=True)
    del message.graph.input[1:]
    for name, array in large.items():
        message.graph.initializer.append(from_array(array, name))
    return message


def _described(writer: GraphWriter, name: str, shape: Shape, batch: int | None) -> Any:
    """Name, dtype and shape of an array; a first size that is not that of the batch varies with it, too."""
    kind = writer.onnx.helper.np_dtype_to_tensor_dtype(writer.dtype)
    first = shape[:1] if batch is None else (_BATCH if shape[0] == batch else None,)
    return writer.onnx.helper.make_tensor_value_info(name, kind, [*first, *shape[1:]])

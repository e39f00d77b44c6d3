"""Models of ONNX, made in a line or two."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper

Shape = Sequence[int | str | None]


def node(operator: str, inputs: str, outputs: str, name: str = "", **attributes: Any) -> onnx.NodeProto:
    """Return a node; names of values stand in a row, an underscore for one that is left out."""
    given, made = ([name.replace("_", "") for name in names.split()] for names in (inputs, outputs))
    return helper.make_node(operator, given, made, name=name or None, **attributes)


def model(
    nodes: Sequence[onnx.NodeProto],
    inputs: Mapping[str, Shape],
    outputs: Sequence[str],
    constants: Mapping[str, NDArray[Any]] | None = None,
    *,
    opset: int = 13,
    dtype: Any = np.float32,
    **options: Any,
) -> onnx.ModelProto:
    """Return a model whose inputs and outputs have one dtype; of the outputs it says no shapes."""
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    graph = helper.make_graph(
        nodes,
        "made",
        [helper.make_tensor_value_info(name, kind, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(name, kind, None) for name in outputs],
        [onnx.numpy_helper.from_array(np.asarray(array), name) for name, array in (constants or {}).items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8, **options)

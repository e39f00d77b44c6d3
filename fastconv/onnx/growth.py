"""Nodes whose results can be much larger than what they read by broadcasting: sizes are known before they are computed.

Operators that are told a size check it themselves.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fastconv.onnx.graph import Node
from fastconv.validation.arrays import Array
from fastconv.validation.memory import check_fits

Shape = tuple[int, ...]
_SMALL = 2**14  # numbers of all inputs together, the square of which fits


def check_growth(operation: str, node: Node, inputs: list[Array | None]) -> None:
    """Refuse a node whose result would not fit into memory."""
    rule = _RULES.get(node.operator)
    if rule is None:
        return
    arrays = [array for array in inputs if array is not None]
    if sum(array.size for array in arrays) > _SMALL:
        check_fits(operation, "its result", rule(node, arrays), max(array.itemsize for array in arrays))


def _broadcast(_: Node, arrays: list[Array]) -> Shape:
    return np.broadcast_shapes(*(array.shape for array in arrays))


def _gathered(node: Node, arrays: list[Array]) -> Shape:
    data, indices = arrays
    axis = node.attributes["axis"] % data.ndim
    return (*data.shape[:axis], *indices.shape, *data.shape[axis + 1 :])


def _product(node: Node, arrays: list[Array]) -> Shape:
    rows, columns = arrays[0].shape, arrays[1].shape
    if node.operator == "Gemm":
        return (rows[node.attributes["transA"]], columns[1 - node.attributes["transB"]])
    stacks = np.broadcast_shapes(rows[:-2], columns[:-2])
    return (*stacks, *rows[-2:-1], *(columns[-1:] if len(columns) > 1 else ()))


_ELEMENTWISE = (
    "Add", "Sub", "Mul", "Div", "Pow", "Mod", "Sum", "Mean", "Max", "Min", "Where", "And", "Or", "Xor", "Equal",
    "Less", "LessOrEqual", "Greater", "GreaterOrEqual", "BitShift", "BitwiseAnd", "BitwiseOr", "BitwiseXor",
)  # fmt: skip
_RULES: dict[str, Callable[[Node, list[Array]], Shape]] = {
    **dict.fromkeys(_ELEMENTWISE, _broadcast),
    "Gather": _gathered,
    "MatMul": _product,
    "MatMulInteger": _product,
    "Gemm": _product,
}

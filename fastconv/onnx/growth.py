"""Nodes whose results can be much larger than what they read: their sizes are known before they are computed."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil, prod
from typing import Any

import numpy as np

from fastconv.onnx.graph import Node
from fastconv.validation.arrays import Array
from fastconv.validation.memory import check_fits

Shape = tuple[int, ...]
Rule = Callable[..., Shape]


def announced_shape(node: Node, inputs: list[Array | None]) -> Shape | None:
    """Shape of the first result of a node, or at least as many numbers; None where it is not larger than its inputs."""
    rule = _RULES.get(node.operator)
    return None if rule is None else tuple(map(int, rule(node, *inputs)))


def check_growth(operation: str, node: Node, inputs: list[Array | None]) -> None:
    """Refuse a node whose result would not fit into memory."""
    shape = announced_shape(node, inputs)
    if shape is not None:
        check_fits(operation, "its result", shape, max((one.itemsize for one in inputs if one is not None), default=8))


def _broadcast(_: Node, *inputs: Array | None) -> Shape:
    return np.broadcast_shapes(*(one.shape for one in inputs if one is not None))


def _constant_of_shape(_: Node, shape: Array) -> Shape:
    return tuple(shape.tolist())


def _expand(_: Node, x: Array, shape: Array) -> Shape:
    return np.broadcast_shapes(x.shape, tuple(shape.tolist()))


def _tile(_: Node, x: Array, repeats: Array) -> Shape:
    return tuple(size * int(count) for size, count in zip(x.shape, repeats.tolist()))


def _range(_: Node, start: Array, limit: Array, delta: Array) -> Shape:
    return (max(0, ceil((limit.item() - start.item()) / delta.item())),)


def _pad(node: Node, x: Array, pads: Array | None = None, *_: Array | None) -> Shape:
    widths = node.attributes.get("pads", ()) if pads is None else pads.tolist()
    return tuple(size + 2 * max(0, *map(int, widths)) for size in x.shape) if len(widths) else x.shape


def _resize(node: Node, x: Array, *rest: Array | None) -> Shape:
    given = [one for one in rest[-2:] if one is not None and one.size]
    if not given:
        return tuple(ceil(size * scale) for size, scale in zip(x.shape, node.attributes.get("scales", ())))
    if given[-1].dtype.kind == "i":
        return tuple(given[-1].tolist())
    return (ceil(x.size * max(1.0, prod(given[-1].tolist()))),)


def _gather(node: Node, x: Array, indices: Array) -> Shape:
    axis = node.attributes["axis"] % x.ndim
    return (*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :])


def _matmul(_: Node, a: Array, b: Array, *rest: Any) -> Shape:
    return (a.size // max(1, a.shape[-1]), b.size // max(1, b.shape[-2] if b.ndim > 1 else b.size))


def _gemm(node: Node, a: Array, b: Array, *_: Any) -> Shape:
    return (a.shape[node.attributes["transA"]], b.shape[1 - node.attributes["transB"]])


_ELEMENTWISE = (
    "Add", "Sub", "Mul", "Div", "Pow", "Mod", "Sum", "Mean", "Max", "Min", "Where", "And", "Or", "Xor", "Equal",
    "Less", "LessOrEqual", "Greater", "GreaterOrEqual", "PRelu", "BitShift",
)  # fmt: skip
_RULES: dict[str, Rule] = {
    **dict.fromkeys(_ELEMENTWISE, _broadcast),
    "ConstantOfShape": _constant_of_shape,
    "Expand": _expand,
    "Tile": _tile,
    "Range": _range,
    "Pad": _pad,
    "Resize": _resize,
    "Upsample": _resize,
    "Gather": _gather,
    "MatMul": _matmul,
    "MatMulInteger": _matmul,
    "Gemm": _gemm,
}

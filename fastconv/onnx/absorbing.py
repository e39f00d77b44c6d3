"""Factors, summands and padding with zeros become a part of the convolution or matrix product beside them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from fastconv.onnx.graph import Graph, Node
from fastconv.onnx.registry import lookup
from fastconv.validation.arrays import Array

_FLOATS = (np.dtype(np.float32), np.dtype(np.float64))
_CONVOLUTIONS = ("Conv", "ConvTranspose")
Affine = tuple["Array | None", "Array | None"]  # factor and summand of every channel


def absorbed(graph: Graph, ranks: Mapping[str, int] | None = None) -> Graph:
    """Put what follows a convolution or a matrix product, and is affine in every channel, into its weights.

    That is batch normalisation, and a sum or a product with a constant per channel. A padding with zeros becomes that
    of the convolution after it. With the `ranks` of values, products of matrices can be known, too. What is left
    without readers stays in the graph.
    """
    reads = Counter(name for node in graph.nodes for name in node.inputs)
    reads.update(one.name for one in graph.outputs)
    constants, nodes, makers = dict(graph.constants), list[Node](), dict[str, int]()
    for node in graph.nodes:
        node = _as_gemm(node, constants, ranks or {}, graph.opset)
        sources = [name for name in node.inputs if name and name not in constants]
        index = makers.get(sources[0]) if len(sources) == 1 and reads[sources[0]] == 1 else None
        if index is not None:
            before = nodes[index]
            if before.operator == "Pad" and node.operator == "Conv":
                node = _padded(node, before, constants)
            elif (merged := _merged(before, node, constants)) is not None:
                nodes[index] = merged
                makers[node.outputs[0]] = index
                continue
        makers.update((name, len(nodes)) for name in node.outputs)
        nodes.append(node)
    return replace(graph, nodes=tuple(nodes), constants=constants)


def _merged(before: Node, node: Node, constants: dict[str, Array]) -> Node | None:
    """Two nodes as one, with weights of its own among the constants; or None."""
    if before.operator not in (*_CONVOLUTIONS, "Gemm") or any(node.outputs[1:]):
        return None
    weight, bias = (constants.get(name) for name in (*before.inputs[1:], "", "")[:2])
    has_bias = len(before.inputs) > 2 and before.inputs[2] != ""
    if weight is None or weight.dtype not in _FLOATS or (has_bias and bias is None):
        return None
    axis, groups = _axis_of_filters(before)
    filters = weight.shape[axis] * groups
    affine = _affine(before, node, constants, weight.ndim, filters)
    if affine is None:
        return None
    scale, shift = affine
    start = np.zeros(1) if bias is None else bias * before.attributes.get("beta", 1.0)
    if start.shape not in ((), (1,), (filters,), (1, filters), (1, 1)):
        return None
    scale = np.ones(filters) if scale is None else scale
    total = start.reshape(-1) * scale + (0 if shift is None else shift)
    new = _scaled(weight, scale, axis, groups)
    if not (np.isfinite(total).all() and np.isfinite(new).all()):
        return None
    names = [_new_name(constants, f"{node.outputs[0]}.{what}") for what in ("weight", "bias")]
    constants.update(zip(names, (new.astype(weight.dtype), total.astype(weight.dtype))))
    attributes = {**before.attributes, "beta": 1.0} if before.operator == "Gemm" else before.attributes
    return replace(before, inputs=(before.inputs[0], *names), outputs=(node.outputs[0],), attributes=attributes)


def _axis_of_filters(node: Node) -> tuple[int, int]:
    """Axis of a weight that counts filters, and the groups that each have that many."""
    if node.operator == "Gemm":
        return 1 - node.attributes["transB"], 1
    return (1, node.attributes["group"]) if node.operator == "ConvTranspose" else (0, 1)


def _scaled(weight: Array, scale: Array, axis: int, groups: int) -> Array:
    if axis == 0 or groups == 1:
        return weight * scale.reshape([-1 if i == axis else 1 for i in range(weight.ndim)])
    parts = weight.reshape(groups, -1, *weight.shape[1:])
    product: Array = parts * scale.reshape(groups, 1, -1, *(1,) * (weight.ndim - 2))
    return product.reshape(weight.shape)


def _affine(before: Node, node: Node, constants: Mapping[str, Array], rank: int, channels: int) -> Affine | None:
    """Factor and summand by which a node changes every channel; None where it does something else."""
    if node.operator == "BatchNormalization":
        return _batch_norm(node, constants, channels)
    if node.operator not in ("Add", "Sum", "Sub", "Mul", "Div") or len(node.inputs) != 2:
        return None
    first = node.inputs[0] == before.outputs[0]
    other = constants[node.inputs[1] if first else node.inputs[0]]
    shape = (1,) * (rank - other.ndim) + other.shape
    if len(shape) != rank or shape[1] not in (1, channels) or other.size != shape[1]:
        return None
    values = np.broadcast_to(other.reshape(-1).astype(np.float64), channels)
    if node.operator in ("Add", "Sum"):
        return None, values
    if node.operator == "Mul":
        return values, None
    if not first:
        return None
    if node.operator == "Sub":
        return None, -values
    with np.errstate(all="ignore"):
        return 1 / values, None


def _batch_norm(node: Node, constants: Mapping[str, Array], channels: int) -> Affine | None:
    if node.attributes.get("training_mode", 0) or not node.attributes.get("spatial", 1):
        return None
    weight, bias, mean, variance = (constants[name].astype(np.float64) for name in node.inputs[1:])
    if {one.shape for one in (weight, bias, mean, variance)} != {(channels,)}:
        return None
    with np.errstate(all="ignore"):
        scale = weight / np.sqrt(variance + node.attributes["epsilon"])
    return scale, bias - mean * scale


def _padded(node: Node, pad: Node, constants: Mapping[str, Array]) -> Node:
    """Return a convolution that pads by itself, if the padding is of zeros at its planes."""
    if node.attributes["auto_pad"] not in ("NOTSET", "VALID") or pad.attributes.get("mode", "constant") != "constant":
        return node
    weight = constants.get(node.inputs[1])
    value = [constants[name].item() for name in pad.inputs[2:3] if name] or [pad.attributes.get("value", 0.0)]
    if weight is None or value != [0.0] or any(pad.inputs[3:]):
        return node
    rank = weight.ndim
    widths = [int(one) for one in (constants[pad.inputs[1]] if pad.inputs[1:] else pad.attributes["pads"])]
    if len(widths) != 2 * rank or min(widths) < 0 or any(widths[axis] for axis in (0, 1, rank, rank + 1)):
        return node
    own = node.attributes.get("pads") or (0,) * (2 * rank - 4)
    if node.attributes["auto_pad"] == "VALID":
        own = (0,) * (2 * rank - 4)
    pads = tuple(one + more for one, more in zip(own, (*widths[2:rank], *widths[rank + 2 :])))
    attributes = {**node.attributes, "auto_pad": "NOTSET", "pads": pads}
    return replace(node, inputs=(pad.inputs[0], *node.inputs[1:]), attributes=attributes)


def _as_gemm(node: Node, constants: Mapping[str, Array], ranks: Mapping[str, int], opset: int) -> Node:
    """Return a product of a matrix with a constant one as what may have a bias."""
    if node.operator != "MatMul" or ranks.get(node.inputs[0]) != 2 or node.inputs[0] in constants:
        return node
    weight, function = constants.get(node.inputs[1]), lookup("Gemm", opset)
    if weight is None or weight.ndim != 2 or weight.dtype not in _FLOATS or function is None:
        return node
    attributes = {"alpha": 1.0, "beta": 1.0, "transA": 0, "transB": 0}
    return replace(node, operator="Gemm", attributes=attributes, function=function)


def _new_name(constants: Mapping[str, Array], name: str) -> str:
    while name in constants:
        name += "_"
    return name

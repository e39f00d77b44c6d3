"""Layers of this package in the place of nodes, with the weights of the file; any other node as a layer around it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from fastconv import layers
from fastconv.errors import InvalidTypeError
from fastconv.layers import Layer, Parameter
from fastconv.layers.base import Shape
from fastconv.layers.merge import Join
from fastconv.onnx.graph import Node
from fastconv.onnx.operators.windows import window_options
from fastconv.onnx.walking import computed
from fastconv.validation.arrays import Array, check_array
from fastconv.validation.types import ArrayLike

_SIXTH = float(np.float32(1 / 6))
_FLOATS = (np.float32, np.float64)
Maker = Callable[[Node, "tuple[Array | None, ...]", Shape, Shape], "Layer | None"]


class NodeLayer(Layer):
    """A node of a graph that takes one array that is no constant. It has no gradient.

    Parameters
    ----------
    node : Node
        What it computes.
    inputs : tuple of ndarray or None
        Its constants; None in the place of the array.
    output_sizes : tuple of int
        Shape of its output in the graph that it is taken from.
    """

    def __init__(self, node: Node, inputs: tuple[Array | None, ...], output_sizes: Shape) -> None:
        super().__init__()
        self._node, self._inputs, self._output_sizes = node, inputs, output_sizes

    def forward(self, x: ArrayLike) -> Array:
        """Compute the node; see `Layer.forward`."""
        array = check_array(type(self).__name__, "x", x)
        places = zip(self._node.inputs, self._inputs)
        return computed(self._node, [array if name and own is None else own for name, own in places])[0]

    def backward(self, dy: ArrayLike, *, input_gradient: bool = True) -> Array | None:
        """Raise: a node is for inference."""
        raise _no_gradient(self._node)

    def output_shape(self, input_shape: Shape) -> Shape:
        """Shape that the graph has there."""
        return self._output_sizes

    def extra_repr(self) -> str:
        """See `Layer.extra_repr`."""
        return self._node.operator


class NodeJoin(Join):
    """A node of a graph that takes what branches make of one input. It has no gradient.

    Parameters
    ----------
    node : Node
        What it computes.
    inputs : tuple of ndarray or None
        Its constants; None in the places of the outputs of the branches.
    output_sizes : tuple of int
        Shape of its output in the graph that it is taken from.
    branches : dict of str to Layer
        In the order of the places.
    """

    def __init__(
        self, node: Node, inputs: tuple[Array | None, ...], output_sizes: Shape, branches: dict[str, Layer]
    ) -> None:
        super().__init__(branches)
        self._node, self._inputs, self._output_sizes = node, inputs, output_sizes

    def join(self, *outputs: Array) -> Array:
        """Compute the node."""
        left = iter(outputs)
        places = zip(self._node.inputs, self._inputs)
        return computed(self._node, [next(left) if name and own is None else own for name, own in places])[0]

    def backward(self, dy: ArrayLike, *, input_gradient: bool = True) -> Array | None:
        """Raise: a node is for inference."""
        raise _no_gradient(self._node)

    def _joined(self, shapes: list[Shape]) -> Shape:
        return self._output_sizes

    def extra_repr(self) -> str:
        """See `Layer.extra_repr`."""
        return self._node.operator


def _no_gradient(node: Node) -> InvalidTypeError:
    return InvalidTypeError(
        f"NodeLayer.backward: {node} must be a layer of fastconv to have a gradient. Put one in its place."
    )


def layer_of(node: Node, inputs: tuple[Array | None, ...], shape: Shape, output: Shape) -> Layer:
    """Layer that computes a node; of its inputs, those that are no constants are None.

    `shape` and `output` are those of what it takes and gives.
    """
    maker = _MAKERS.get(node.operator)
    constant = all(array is not None for name, array in zip(node.inputs[1:], inputs[1:]) if name)
    layer = maker(node, inputs, shape, output) if maker is not None and constant and inputs[0] is None else None
    if layer is not None:
        return layer.eval()
    if node.operator == "Reshape" and constant and shape[:1] == output[:1] and not node.attributes.get("allowzero", 0):
        inputs = (None, np.array((0, *output[1:]), np.int64))  # of a part of the batch, too
    return NodeLayer(node, inputs, output)


def _conv(node: Node, inputs: tuple[Array | None, ...], shape: Shape, output: Shape) -> Layer | None:
    weight = inputs[1]
    if weight is None or weight.dtype not in _FLOATS or len(shape) not in (3, 4, 5):
        return None
    kinds = {3: layers.Conv1d, 4: layers.Conv2d, 5: layers.Conv3d}
    group = node.attributes["group"]
    options = {**_windows(node, len(shape) - 2), "groups": group, "dtype": weight.dtype, "weight_init": "zeros"}
    layer = kinds[len(shape)](weight.shape[1] * group, len(weight), weight.shape[2:], bias=False, **options)
    return _with_weights(layer, weight, _bias(inputs))


def _gemm(node: Node, inputs: tuple[Array | None, ...], shape: Shape, output: Shape) -> Layer | None:
    weight, bias, attributes = inputs[1], _bias(inputs), node.attributes
    if weight is None or weight.dtype not in _FLOATS or attributes["transA"] or attributes["alpha"] != 1.0:
        return None
    if bias is not None and (attributes["beta"] != 1.0 or bias.size != output[1]):
        return None
    rows = weight if attributes["transB"] else weight.T
    layer = layers.Linear(rows.shape[1], len(rows), bias=False, dtype=weight.dtype, weight_init="zeros")
    return _with_weights(layer, rows, None if bias is None else bias.reshape(-1))


def _bias(inputs: tuple[Array | None, ...]) -> Array | None:
    return inputs[2] if len(inputs) > 2 else None


def _with_weights(layer: Any, weight: Array, bias: Array | None) -> Layer:
    layer.weight = Parameter(weight)
    if bias is not None:
        layer.bias = Parameter(bias, weight.dtype)
    made: Layer = layer
    return made


def _batch_norm(node: Node, inputs: tuple[Array | None, ...], shape: Shape, output: Shape) -> Layer | None:
    kinds = {2: layers.BatchNorm1d, 3: layers.BatchNorm1d, 4: layers.BatchNorm2d, 5: layers.BatchNorm3d}
    tables = [one for one in inputs[1:] if one is not None and one.shape == shape[1:2] and one.dtype in _FLOATS]
    if len(tables) < 4 or len(shape) not in kinds or node.attributes.get("training_mode", 0):
        return None
    layer = kinds[len(shape)](shape[1], node.attributes["epsilon"], dtype=tables[0].dtype)
    layer.weight, layer.bias = Parameter(tables[0]), Parameter(tables[1])
    layer.running_mean, layer.running_var = tables[2], tables[3]
    return layer


def _windows(node: Node, rank: int) -> dict[str, Any]:
    attributes = node.attributes
    given = (attributes.get(name) for name in ("pads", "strides", "dilations"))
    return window_options(rank, attributes["auto_pad"], *given)


def _pool(kinds: Mapping[int, Callable[..., Layer]], *options: str) -> Maker:
    """Return what makes a pooling layer; `options` are switches that ONNX and PyTorch call alike."""

    def make(node: Node, inputs: tuple[Array | None, ...], shape: Shape, output: Shape) -> Layer | None:
        rank = len(shape) - 2
        if rank not in kinds or any(node.outputs[1:]):
            return None
        chosen = {name: bool(node.attributes.get(name, 0)) for name in ("ceil_mode", *options)}
        return kinds[rank](node.attributes["kernel_shape"], **_windows(node, rank), **chosen)

    return make


def _global(kinds: Mapping[int, Callable[..., Layer]]) -> Maker:
    return lambda node, inputs, shape, output: kinds[len(shape) - 2]() if len(shape) - 2 in kinds else None


def _mean(node: Node, inputs: tuple[Array | None, ...], shape: Shape, output: Shape) -> Layer | None:
    """Mean of whole planes, which exporters write for a global pooling."""
    axes = node.attributes.get("axes", ()) if len(inputs) < 2 or inputs[1] is None else inputs[1].tolist()
    kinds: dict[int, Callable[[], Layer]]
    kinds = {3: layers.GlobalAvgPool1d, 4: layers.GlobalAvgPool2d, 5: layers.GlobalAvgPool3d}
    if len(shape) not in kinds or sorted(axis % len(shape) for axis in axes) != [*range(2, len(shape))]:
        return None
    pool = kinds[len(shape)]()
    return pool if len(output) == len(shape) else layers.Sequential(pool, layers.Flatten())


def _plain(kind: Callable[..., Layer], *names: str) -> Maker:
    """Return what makes a layer of attributes, in their order."""
    return lambda node, inputs, shape, output: kind(*(node.attributes[name] for name in names))


def _clip(node: Node, inputs: tuple[Array | None, ...], shape: Shape, output: Shape) -> Layer | None:
    given = [None if one is None else one.item() for one in (*inputs[1:], None, None)[:2]]
    low, high = given if "min" not in node.attributes else (node.attributes["min"], node.attributes["max"])
    if low != 0 or high not in (None, 6):
        return None
    return layers.ReLU() if high is None else layers.ReLU6()


def _hard_sigmoid(node: Node, inputs: tuple[Array | None, ...], shape: Shape, output: Shape) -> Layer | None:
    usual = (node.attributes["alpha"], node.attributes["beta"]) == (_SIXTH, 0.5)
    return layers.HardSigmoid() if usual else None


def _flatten(node: Node, inputs: tuple[Array | None, ...], shape: Shape, output: Shape) -> Layer | None:
    """All axes but the batch in one, however that is said."""
    return layers.Flatten() if len(shape) > 1 and len(output) == 2 and output[0] == shape[0] else None


def _along_axis(kind: Callable[[int], Layer]) -> Maker:
    """Return what makes a layer of a softmax or its logarithm."""

    def make(node: Node, inputs: tuple[Array | None, ...], shape: Shape, output: Shape) -> Layer | None:
        axis = node.attributes["axis"] % len(shape)
        alone = all(size == 1 for size in shape[axis + 1 :])  # up to opset 12 the axes from there on are one
        return kind(axis) if alone else None

    return make


_MAKERS: dict[str, Maker] = {
    "Conv": _conv,
    "Gemm": _gemm,
    "BatchNormalization": _batch_norm,
    "MaxPool": _pool({1: layers.MaxPool1d, 2: layers.MaxPool2d, 3: layers.MaxPool3d}),
    "AveragePool": _pool({1: layers.AvgPool1d, 2: layers.AvgPool2d, 3: layers.AvgPool3d}, "count_include_pad"),
    "GlobalAveragePool": _global({1: layers.GlobalAvgPool1d, 2: layers.GlobalAvgPool2d, 3: layers.GlobalAvgPool3d}),
    "GlobalMaxPool": _global({1: layers.GlobalMaxPool1d, 2: layers.GlobalMaxPool2d, 3: layers.GlobalMaxPool3d}),
    "ReduceMean": _mean,
    "Relu": _plain(layers.ReLU),
    "Sigmoid": _plain(layers.Sigmoid),
    "Tanh": _plain(layers.Tanh),
    "HardSwish": _plain(layers.HardSwish),
    "LeakyRelu": _plain(layers.LeakyReLU, "alpha"),
    "Elu": _plain(layers.ELU, "alpha"),
    "Clip": _clip,
    "HardSigmoid": _hard_sigmoid,
    "Flatten": _flatten,
    "Reshape": _flatten,
    "Softmax": _along_axis(layers.Softmax),
    "LogSoftmax": _along_axis(layers.LogSoftmax),
}

"""Normalisations, as they are in evaluation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fastconv.layers import (
    BatchNorm1d,
    BatchNorm2d,
    BatchNorm3d,
    GroupNorm,
    InstanceNorm1d,
    InstanceNorm2d,
    InstanceNorm3d,
    LayerNorm,
    LocalResponseNorm,
)
from fastconv.layers.batch_normalization import Running
from fastconv.onnx.export.planes import over_planes
from fastconv.onnx.export.registry import exports
from fastconv.onnx.export.writer import Place
from fastconv.validation.types import Shape


@exports(BatchNorm1d, BatchNorm2d, BatchNorm3d)
@over_planes
def batch_norm(place: Place, layer: BatchNorm2d, x: str) -> str:
    """BatchNormalization; with the statistics of the batch where there are no running ones."""
    if layer.running_mean is not None:
        return _with_running_statistics(place, layer, x)
    rank = len(place.input_shape)
    y = _standardized(place, x, [0, *range(2, rank)], layer.eps)
    return _scaled(place, y, (layer.num_features, *(1,) * (rank - 2)))


@exports(InstanceNorm1d, InstanceNorm2d, InstanceNorm3d)
@over_planes
def instance_norm(place: Place, layer: InstanceNorm2d, x: str) -> str:
    """InstanceNormalization; BatchNormalization where there are running statistics."""
    if layer.running_mean is not None:
        return _with_running_statistics(place, layer, x)
    shape = (layer.num_features,)
    tables = place.table("weight", 1, shape), place.table("bias", 0, shape)
    return place.node("InstanceNormalization", x, *tables, epsilon=layer.eps)


def _with_running_statistics(place: Place, layer: Running, x: str) -> str:
    shape = (layer.num_features,)
    tables = place.table("weight", 1, shape), place.table("bias", 0, shape)
    statistics = place.parameter("running_mean"), place.parameter("running_var")
    return place.node("BatchNormalization", x, *tables, *statistics, epsilon=layer.eps)


@exports(LayerNorm)
def layer_norm(place: Place, layer: LayerNorm, x: str) -> str:
    """LayerNormalization, which has its statistics in float32: of smaller operators for float64."""
    shape, axis = layer.normalized_shape, -len(layer.normalized_shape)
    if place.graph.dtype == np.float64:
        return _scaled(place, _standardized(place, x, [*range(axis, 0)], layer.eps), shape)
    tables = place.table("weight", 1, shape), place.parameter("bias")
    return place.node("LayerNormalization", x, *filter(None, tables), axis=axis, epsilon=layer.eps)


@exports(GroupNorm)
@over_planes
def group_norm(place: Place, layer: GroupNorm, x: str) -> str:
    """InstanceNormalization of the groups, as if each were a channel."""
    groups, (_, *sizes) = layer.num_groups, place.planes
    inner = place.node("Reshape", x, place.integers("groups", 0, groups, -1))
    tables = place.array("ones", np.ones(groups)), place.array("zeros", np.zeros(groups))
    y = place.node("InstanceNormalization", inner, *tables, epsilon=layer.eps)
    y = place.node("Reshape", y, place.integers("shape", 0, *sizes))
    return _scaled(place, y, (layer.num_channels, *(1,) * (len(sizes) - 1)))


@exports(LocalResponseNorm)
@over_planes
def local_response_norm(place: Place, layer: LocalResponseNorm, x: str) -> str:
    """LRN; means over channels as over the rows of one plane, for windows and ranks that runtimes do not take."""
    _, *sizes = place.planes
    if layer.size % 2 and len(sizes) == 3:
        options = {"alpha": layer.alpha, "beta": layer.beta, "bias": layer.k}
        return place.node("LRN", x, size=layer.size, **options)
    before, after = layer.size // 2, (layer.size - 1) // 2
    squares = place.node("Reshape", place.node("Mul", x, x), place.integers("rows", 0, 1, sizes[0], -1))
    how = {"kernel_shape": [layer.size, 1], "strides": [1, 1], "pads": [before, 0, after, 0], "count_include_pad": 1}
    means = place.node("Reshape", place.node("AveragePool", squares, **how), place.integers("shape", 0, *sizes))
    base = place.node("Add", place.node("Mul", means, place.number(layer.alpha)), place.number(layer.k))
    return place.node("Div", x, place.node("Pow", base, place.number(layer.beta)))


def _standardized(place: Place, x: str, axes: Sequence[int], eps: float) -> str:
    """Mean 0 and variance 1 over some axes."""
    over = {"axes": axes, "keepdims": 1}
    centred = place.node("Sub", x, place.node("ReduceMean", x, **over))
    variance = place.node("ReduceMean", place.node("Mul", centred, centred), **over)
    return place.node("Div", centred, place.node("Sqrt", place.node("Add", variance, place.number(eps))))


def _scaled(place: Place, y: str, shape: Shape) -> str:
    """Times the weight plus the bias of the layer, where it has them."""
    if weight := place.parameter("weight", shape):
        y = place.node("Mul", y, weight)
    if bias := place.parameter("bias", shape):
        y = place.node("Add", y, bias)
    return y

"""Pooling over sliding windows, and the way back from maxima.

The sizes of planes are known, so ceil mode is written as the padding that it amounts to: what ONNX and its runtimes
mean by ``ceil_mode`` has changed with their versions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from math import inf

import numpy as np

from fastconv.backends.geometry import CHANNELS_FIRST, CHANNELS_LAST, Axis
from fastconv.errors import InvalidValueError
from fastconv.layers import (
    AvgPool1d,
    AvgPool2d,
    AvgPool3d,
    LPPool1d,
    LPPool2d,
    LPPool3d,
    MaxPool1d,
    MaxPool2d,
    MaxPool3d,
    MaxUnpool1d,
    MaxUnpool2d,
    MaxUnpool3d,
)
from fastconv.onnx.export.planes import Pair, ones, over_planes, padded, window
from fastconv.onnx.export.registry import exports
from fastconv.onnx.export.writer import Place, Pooled


def _pads(axes: Sequence[Axis]) -> list[Pair]:
    """Padding, with the cells after it that the last window of ceil mode reaches."""
    return [(axis.before, axis.after + _beyond(axis)) for axis in axes]


def _beyond(axis: Axis) -> int:
    return max(0, (axis.out - 1) * axis.stride + axis.extent - axis.padded)


def _fit(axes: Sequence[Axis]) -> bool:
    """Whether padding is smaller than the kernel, as runtimes want it."""
    return all(max(pads) < axis.kernel for axis, pads in zip(axes, _pads(axes)))


@exports(MaxPool1d, MaxPool2d, MaxPool3d)
@over_planes
def max_pool(place: Place, layer: MaxPool2d, x: str) -> str:
    """MaxPool."""
    axes = layer._geometry(place.input_shape).axes
    if _fit(axes):
        return maxima(place, x, axes, _pads(axes))
    if id(layer) in place.graph.unpooled:
        raise InvalidValueError(
            f"onnx.save: padding of a pool that is undone must be smaller than its kernel, but layer {place.name!r} is "
            f"{layer!r}."
        )
    x = padded(place, x, _pads(axes), value=-inf)
    return maxima(place, x, axes, [(0, 0)] * len(axes))


def maxima(place: Place, x: str, axes: Sequence[Axis], pads: Sequence[Pair]) -> str:
    """MaxPool, with the places of the maxima where a later layer needs them."""
    how = window(axes, pads)
    if id(place.layer) not in place.graph.unpooled:
        return place.node("MaxPool", x, **how)
    y, indices = place.nodes("MaxPool", x, outputs=2, **how)
    place.graph.pools[id(place.layer)] = Pooled(indices, axes)
    return y


@exports(MaxUnpool1d, MaxUnpool2d, MaxUnpool3d)
def max_unpool(place: Place, layer: MaxUnpool2d, x: str) -> str:
    """MaxUnpool.

    Its output has the size that windows over it would need. So as to get that of the pool's input, the windows are made
    as large as that takes: what else there is, ``output_shape``, does not mean the same to all.
    """
    pooled = place.graph.pools.get(id(layer.pool))
    if pooled is None:
        raise InvalidValueError(
            f"onnx.save: the pool of a MaxUnpool must stand before it in the network, but that of layer {place.name!r} "
            f"does not: {layer.pool!r}."
        )
    spare = [axis.size - (axis.out - 1) * axis.stride for axis in pooled.axes]
    pads = [max(0, 1 - cells) for cells in spare]  # on either side, so that windows have at least a cell
    how = {
        "kernel_shape": [cells + 2 * pad for cells, pad in zip(spare, pads)],
        "strides": [axis.stride for axis in pooled.axes],
        "pads": [*pads, *pads],
    }
    rank = len(place.input_shape)
    if layer.pool.layout[1] != "C":
        x = place.node("Transpose", x, perm=CHANNELS_FIRST[rank])
    y = place.node("MaxUnpool", x, pooled.indices, **how)
    return y if layer.pool.layout[1] == "C" else place.node("Transpose", y, perm=CHANNELS_LAST[rank])


@exports(AvgPool1d, AvgPool2d, AvgPool3d)
@over_planes
def avg_pool(place: Place, layer: AvgPool2d, x: str) -> str:
    """AveragePool; sums of windows over how many cells they have, where it knows no such windows."""
    axes = layer._geometry(place.input_shape).axes
    undilated, inside = all(axis.dilation == 1 for axis in axes), not any(map(_beyond, axes))
    if _fit(axes) and undilated and (inside or not layer.count_include_pad):
        return averages(place, x, axes, count_include_pad=int(layer.count_include_pad))
    taps: Callable[[Axis, int], range] = Axis.padded_taps if layer.count_include_pad else Axis.taps
    counts = reduce(np.multiply.outer, [np.array([len(taps(axis, i)) for i in range(axis.out)]) for axis in axes])
    with np.errstate(divide="ignore"):  # a window without cells has no mean: 0 times infinity
        shares = place.array("shares", 1 / counts)
    return place.node("Mul", _sums(place, x, axes), shares)


def averages(place: Place, x: str, axes: Sequence[Axis], **options: int) -> str:
    """AveragePool, which has no dilation."""
    how = {name: value for name, value in window(axes, _pads(axes)).items() if name != "dilations"}
    return place.node("AveragePool", x, **how, **options)


@exports(LPPool1d, LPPool2d, LPPool3d)
@over_planes
def lp_pool(place: Place, layer: LPPool2d, x: str) -> str:
    """LpPool; the root of sums of powers, where it knows no such windows or norms."""
    axes = layer._geometry(place.input_shape).axes
    if _fit(axes) and all(axis.dilation == 1 for axis in axes) and layer.norm_type == round(layer.norm_type):
        how = {name: value for name, value in window(axes, _pads(axes)).items() if name != "dilations"}
        return place.node("LpPool", x, p=round(layer.norm_type), **how)
    powers = place.node("Pow", place.node("Abs", x), place.number(layer.norm_type))
    return place.node("Pow", _sums(place, powers, axes), place.number(1 / layer.norm_type))


def _sums(place: Place, x: str, axes: Sequence[Axis]) -> str:
    """Sums of the windows of every channel: a convolution with ones."""
    filters = ones(place, [axis.kernel for axis in axes])
    return place.node("Conv", x, filters, group=place.planes[1], **window(axes, _pads(axes)))

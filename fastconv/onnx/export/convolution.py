"""Convolutions."""

from __future__ import annotations

from fastconv.backends.geometry import Axis, transposed_size
from fastconv.layers import Conv1d, Conv2d, Conv3d, ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from fastconv.onnx.export.planes import Pair, over_planes, padded, window
from fastconv.onnx.export.registry import exports
from fastconv.onnx.export.writer import Place


@exports(Conv1d, Conv2d, Conv3d)
@over_planes
def conv(place: Place, layer: Conv2d, x: str) -> str:
    """Conv; padding that is not zeros goes before it."""
    (geometry,) = layer.convolutions(place.input_shape)
    pads = [(axis.before, axis.after) for axis in geometry.axes]
    if layer.padding_mode != "zeros":
        x = padded(place, x, pads, layer.padding_mode)
        pads = [(0, 0)] * geometry.rank
    weights = place.parameter("weight"), place.parameter("bias")
    return place.node("Conv", x, *filter(None, weights), group=layer.groups, **window(geometry.axes, pads))


@exports(ConvTranspose1d, ConvTranspose2d, ConvTranspose3d)
@over_planes
def conv_transpose(place: Place, layer: ConvTranspose2d, x: str) -> str:
    """ConvTranspose."""
    (geometry,) = layer.convolutions(place.input_shape)  # of the convolution that it turns round
    cuts, missing = zip(*map(_cuts, geometry.axes))
    weights = place.parameter("weight"), place.parameter("bias")
    options = {"group": layer.groups, "output_padding": missing, **window(geometry.axes, cuts)}
    return place.node("ConvTranspose", x, *filter(None, weights), **options)


def _cuts(axis: Axis) -> tuple[Pair, int]:
    """Cells that are cut off on either side, and cells that are then missing at the end: runtimes add few of them."""
    steps = axis.kernel, axis.stride, axis.dilation
    missing = axis.size - transposed_size(axis.out, *steps, axis.before, axis.after, 0)
    spared = min(missing, axis.after) if missing >= axis.stride else 0
    return (axis.before, axis.after - spared), missing - spared

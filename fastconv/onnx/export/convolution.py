"""Convolutions."""

from __future__ import annotations

from fastconv.backends.geometry import Axis, transposed_size
from fastconv.layers import Conv1d, Conv2d, Conv3d, ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from fastconv.onnx.export.planes import over_planes, padded, window
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
    after, missing, beyond = zip(*map(_end, geometry.axes))
    if any(beyond):
        x = padded(place, x, [(0, cells) for cells in beyond])
    cuts = [(axis.before, cells) for axis, cells in zip(geometry.axes, after)]
    weights = place.parameter("weight"), place.parameter("bias")
    options = {"group": layer.groups, "output_padding": missing, **window(geometry.axes, cuts)}
    return place.node("ConvTranspose", x, *filter(None, weights), **options)


def _end(axis: Axis) -> tuple[int, int, int]:
    """Cells that are cut off at the end, those that are missing there, and zeros to put behind the input.

    Runtimes add fewer cells than there are in a step. Where more are missing, less is cut off, or the input is longer.
    """
    steps = axis.kernel, axis.stride, axis.dilation
    missing = axis.size - transposed_size(axis.out, *steps, axis.before, axis.after, 0)
    if missing < axis.stride:
        return axis.after, missing, 0
    beyond = max(0, -((axis.after - missing) // axis.stride))
    return axis.after + beyond * axis.stride - missing, 0, beyond

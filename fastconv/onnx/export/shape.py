"""Layers that compute little or nothing: they pass arrays on, in another shape, side by side, or added up."""

from __future__ import annotations

from fastconv.layers import (
    Dropout,
    Dropout1d,
    Dropout2d,
    Dropout3d,
    Flatten,
    Identity,
    Layer,
    Linear,
    SubsampleShortcut,
)
from fastconv.layers.merge import Concatenation, Sum
from fastconv.onnx.export.planes import flat
from fastconv.onnx.export.registry import exports
from fastconv.onnx.export.writer import Place


@exports(Identity, Dropout, Dropout1d, Dropout2d, Dropout3d)
def identity(place: Place, layer: Layer, x: str) -> str:
    """Nothing: what drops in training does nothing in evaluation."""
    return x


@exports(Flatten)
def flatten(place: Place, layer: Flatten, x: str) -> str:
    """Flatten, or Reshape where axes after the first stay."""
    if len(place.output_shape) == 2 and place.output_shape[0] == place.input_shape[0]:
        return place.node("Flatten", x, axis=1)
    first = layer.start_dim % len(place.input_shape)
    batch = 0 if first else -1  # 0 keeps the size of the input, -1 makes what is left
    return place.node("Reshape", x, place.integers("shape", batch, *place.output_shape[1:]))


@exports(Linear)
def linear(place: Place, layer: Linear, x: str) -> str:
    """Gemm."""
    return place.node("Gemm", x, *filter(None, (place.parameter("weight"), place.parameter("bias"))), transB=1)


@exports(Sum)
def add(place: Place, layer: Sum, *branches: str) -> str:
    """Add, or Sum of more than two."""
    return place.node("Add" if len(branches) == 2 else "Sum", *branches)


@exports(Concatenation)
def concat(place: Place, layer: Concatenation, *branches: str) -> str:
    """Concat."""
    return place.node("Concat", *branches, axis=layer.axis)


@exports(SubsampleShortcut)
def subsample(place: Place, layer: SubsampleShortcut, x: str) -> str:
    """Slice, then Pad with channels of zeros."""
    for letter, step in zip("HW", layer.stride):
        axis = layer.layout.index(letter)
        x = place.sliced(x, axis, 0, place.input_shape[axis], step)
    missing = layer.out_channels - layer.in_channels
    channels = (missing // 2, missing - missing // 2)
    pads = flat([channels if letter == "C" else (0, 0) for letter in layer.layout])
    return place.node("Pad", x, place.integers("pads", *pads)) if missing else x

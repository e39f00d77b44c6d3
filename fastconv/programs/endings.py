"""A sum with another array, and an activation, in the tiles of a convolution, before they store their results.

A linear layer takes the activation alone, where its rows are no dots.

Where the next convolution wants a border around its input, the result is written into one.

Numbers are added up in the order of the layers, so that the result has their bits.
"""

from __future__ import annotations

from typing import NamedTuple, TypeGuard

import numpy as np

from fastconv.backends.fast.conv.conv import can_end, conv_ending, frame_between
from fastconv.backends.fast.conv.plan import NO_FRAME, Ending, Frame
from fastconv.backends.fast.linear.linear import can_end_linear, linear_ending
from fastconv.backends.fast.machine.emitter import HARDSIGMOID, HARDSWISH, LEAKY_RELU, RELU, RELU6, SIGMOID, SILU
from fastconv.backends.fast.machine.endings import slope_bits
from fastconv.backends.fast.memory.layout import channels_last, empty_channels_last
from fastconv.backends.geometry import CHANNELS_FIRST, CHANNELS_LAST, ConvGeometry
from fastconv.backends.settings import with_exact
from fastconv.layers import (
    Conv1d,
    Conv2d,
    Conv3d,
    HardSigmoid,
    HardSwish,
    Layer,
    LeakyReLU,
    Linear,
    ReLU,
    ReLU6,
    Sigmoid,
    SiLU,
)
from fastconv.validation.arrays import Array

_FLOAT32, _FLOAT64 = {np.dtype(np.float32).str}, {np.dtype(np.float64).str}
RELUS: dict[type, int] = {  # and what else is like them
    type(None): 0,
    ReLU: RELU,
    ReLU6: RELU6,
    LeakyReLU: LEAKY_RELU,
    HardSigmoid: HARDSIGMOID,
    HardSwish: HARDSWISH,
    Sigmoid: SIGMOID,
    SiLU: SILU,
}
Conv = Conv1d | Conv2d | Conv3d
Ended = Conv | Linear


def is_conv(layer: Layer) -> TypeGuard[Conv]:
    """Whether a layer is a convolution, and no class that somebody made of one."""
    return type(layer) in (Conv1d, Conv2d, Conv3d) and "forward" not in vars(layer)


def ends(layer: Layer, x: Array, other: Array | None = None, out: Array | None = None) -> TypeGuard[Ended]:
    """Whether a layer can add an array, and take the ReLU, in its tiles, and write its result into another one."""
    if x.size == 0:
        return False
    if type(layer) is Linear and "forward" not in vars(layer) and other is None and out is None:
        return _linear_ends(layer, x)
    if not is_conv(layer) or layer.padding_mode != "zeros" or layer.backend not in (None, "fast"):
        return False
    if not _is_of_one_dtype(layer, x) or x.ndim != layer.rank + 2:
        return False
    geometry = layer._geometry(x.shape)
    if other is not None:
        view = _channels_first(layer, other)
        if view.shape != geometry.output_shape or view.dtype != x.dtype:
            return False
    if out is not None and not _is_range(_channels_first(layer, out), geometry.output_shape):
        return False
    return with_exact(layer.exact, can_end, geometry, x.itemsize, other is not None)


def _is_of_one_dtype(layer: Ended, x: Array) -> bool:
    arrays = [x, layer.weight.data, *([] if layer.bias is None else [layer.bias.data])]
    return {array.dtype.str for array in arrays} in (_FLOAT32, _FLOAT64)


def _linear_ends(layer: Linear, x: Array) -> bool:
    if layer.backend not in (None, "fast") or not _is_of_one_dtype(layer, x) or x.ndim != 2:
        return False
    return can_end_linear(len(x), layer.in_features, layer.out_features, x.itemsize)


def _is_range(view: Array, shape: tuple[int, ...]) -> bool:
    """Whether an (N, C, *spatial) view is a range of the channels of a channels-last array."""
    pixel = step = view.strides[-1]
    for axis in (*reversed(range(2, view.ndim)), 0):
        if view.strides[axis] != step:
            return False
        step *= view.shape[axis]
    return view.shape == shape and view.strides[1] == view.itemsize and pixel >= view.shape[1] * view.itemsize


class Framed(NamedTuple):
    """Where a convolution writes its result for the next one, which has the geometry `following`: in a frame of zeros.

    `result` is the part of the `whole` array in which it lies.
    """

    whole: Array
    result: Array
    frame: Frame
    following: ConvGeometry


def framed(layer: Layer, following: Layer, x: Array) -> Framed | None:
    """Memory for the result of a layer that `ends`, and its frame, where the next one reads both in place."""
    if not is_conv(layer) or not is_conv(following) or layer._channels_last != following._channels_last:
        return None
    if layer.exact != following.exact or following.padding_mode != "zeros" or following.backend not in (None, "fast"):
        return None
    shape = layer.output_shape(x.shape)
    if len(shape) != following.rank + 2 or not _is_of_one_dtype(following, x):
        return None
    own, geometry = layer._geometry(x.shape), following._geometry(shape)
    frame = with_exact(layer.exact, frame_between, own, geometry, x.itemsize)
    if frame == NO_FRAME:
        return None
    inside = geometry.with_padding_inside()
    whole = empty_channels_last(inside.input_shape, x.dtype)
    ends = [slice(axis.before, axis.before + axis.size) for axis in geometry.axes]
    result = whole[(slice(None), slice(None), *ends)]
    if layer._channels_last:
        whole, result = (array.transpose(CHANNELS_LAST[array.ndim]) for array in (whole, result))
    return Framed(whole, result, frame, inside)


def conv_with_ending(
    layer: Ended,
    relu: Layer | None,
    out: Array | None,
    x: Array,
    other: Array | None = None,
    *,
    geometry: ConvGeometry | None = None,
    frame: Frame = NO_FRAME,
) -> Array:
    """Result of a convolution or linear layer that `ends`, after the layer `relu`, in `out` if there is one.

    `geometry` is given where the padding is a part of `x`, and `frame` where one is to be written around `out`.
    """
    bias = None if layer.bias is None else layer.bias.data
    slope = slope_bits(relu.negative_slope) if isinstance(relu, LeakyReLU) else 0
    if isinstance(layer, Linear):
        return linear_ending(x, layer.weight.data, bias, Ending(RELUS[type(relu)], slope=slope))
    beside = None if other is None else channels_last(_channels_first(layer, other))
    geometry = geometry or layer._geometry(x.shape)
    place = None if out is None else _channels_first(layer, out)
    arrays, ending = (_channels_first(layer, x), layer.weight.data, bias), RELUS[type(relu)]
    y = with_exact(layer.exact, conv_ending, *arrays, geometry, ending, beside, place, slope, frame)
    if out is not None:
        return out
    return y.transpose(CHANNELS_LAST[y.ndim]) if layer._channels_last else y


def _channels_first(layer: Conv, x: Array) -> Array:
    return x.transpose(CHANNELS_FIRST[x.ndim]) if layer._channels_last else x

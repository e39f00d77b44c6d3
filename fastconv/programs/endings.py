"""A sum with another array, and a ReLU or ReLU6, in the tiles of a convolution, before they store their results.

Numbers are added up in the order of the layers, so that the result has their bits.
"""

from __future__ import annotations

from typing import TypeGuard

import numpy as np

from fastconv.backends.fast.conv.conv import can_end, conv_ending
from fastconv.backends.fast.machine.emitter import RELU, RELU6
from fastconv.backends.fast.memory.layout import channels_last
from fastconv.backends.geometry import CHANNELS_FIRST, CHANNELS_LAST
from fastconv.layers import Conv1d, Conv2d, Conv3d, Layer, ReLU, ReLU6
from fastconv.validation.arrays import Array

_FLOAT32, _FLOAT64 = {np.dtype(np.float32).str}, {np.dtype(np.float64).str}
RELUS: dict[type, int] = {type(None): 0, ReLU: RELU, ReLU6: RELU6}
Conv = Conv1d | Conv2d | Conv3d


def is_conv(layer: Layer) -> TypeGuard[Conv]:
    """Whether a layer is a convolution, and no class that somebody made of one."""
    return type(layer) in (Conv1d, Conv2d, Conv3d)


def ends(layer: Layer, x: Array, other: Array | None = None) -> TypeGuard[Conv]:
    """Whether a layer can add an array, and take the ReLU, in its tiles."""
    if not is_conv(layer) or layer.padding_mode != "zeros" or layer.backend not in (None, "fast"):
        return False
    arrays = [x, layer.weight.data, *([] if layer.bias is None else [layer.bias.data])]
    if {array.dtype.str for array in arrays} not in (_FLOAT32, _FLOAT64) or x.ndim != layer.rank + 2:
        return False
    geometry = layer._geometry(x.shape)
    if other is not None:
        view = _channels_first(layer, other)
        if view.shape != geometry.output_shape or view.dtype != x.dtype:
            return False
    return can_end(geometry, x.itemsize, other is not None)


def conv_with_ending(layer: Conv, relu: Layer | None, x: Array, other: Array | None = None) -> Array:
    """Result of a convolution that `ends`, after the layer `relu`."""
    bias = None if layer.bias is None else layer.bias.data
    beside = None if other is None else channels_last(_channels_first(layer, other))
    geometry = layer._geometry(x.shape)
    y = conv_ending(_channels_first(layer, x), layer.weight.data, bias, geometry, RELUS[type(relu)], beside)
    return y.transpose(CHANNELS_LAST[y.ndim]) if layer._channels_last else y


def _channels_first(layer: Conv, x: Array) -> Array:
    return x.transpose(CHANNELS_FIRST[x.ndim]) if layer._channels_last else x

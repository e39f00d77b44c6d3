"""The layer functions of Paddle: placeholders, convolution and pooling of images."""

from __future__ import annotations

from math import isqrt
from typing import Any

import numpy as np

from fastconv.compat.paddle.activation import as_activation
from fastconv.compat.paddle.arguments import height_width
from fastconv.compat.paddle.attr import (
    ExtraLayerAttribute,
    ParameterAttribute,
    bias_attribute,
    extra_attribute,
    param_attribute,
)
from fastconv.compat.paddle.data_type import DenseVector
from fastconv.compat.paddle.output import Data, ImageShape, LayerOutput
from fastconv.compat.paddle.pooling import Max, as_pooling
from fastconv.compat.paddle.position_bias import PositionBias
from fastconv.errors import InvalidTypeError, InvalidValueError, shown
from fastconv.layers import AvgPool2d, Conv2d, ConvTranspose2d, Layer, MaxPool2d, Sequential
from fastconv.validation.arrays import check_array
from fastconv.validation.sizes import check_choice, check_flag, check_integer

__all__ = ["data", "data_layer", "img_conv", "img_conv_layer", "img_pool", "img_pool_layer"]

_CONV_TYPES, _TRANSPOSED_TYPES = ("exconv", "cudnn_conv"), ("exconvt", "cudnn_convt")


def data_layer(name: str, size: int, height: int | None = None, width: int | None = None) -> LayerOutput:
    """Return a placeholder for images, which `LayerOutput.forward` fills.

    Parameters
    ----------
    name : str
        Its name.
    size : int
        Numbers of one image: channels times height times width.
    height, width : int, optional
        Of the image; without them it is square.

    Returns
    -------
    LayerOutput
        An `input` for layer functions.

    Raises
    ------
    ValueError
        If the sizes do not fit together.

    Examples
    --------
    >>> data_layer("pixel", 3 * 20 * 30, height=20, width=30).image_shape
    (3, 20, 30)
    """
    size = check_integer("data_layer", "size", size, 1)
    if height is None and width is None:
        return Data(name, None, size, None)
    height, width = (check_integer("data_layer", n, v, 1) for n, v in (("height", height), ("width", width)))
    if size % (height * width):
        raise InvalidValueError(
            f"data_layer: size must be a multiple of height * width, but got {size} with {height} * {width}."
        )
    return Data(name, None, size, (size // (height * width), height, width))


def data(name: str, type: DenseVector, height: int | None = None, width: int | None = None) -> LayerOutput:
    """Return a placeholder for images, as ``paddle.layer.data``; see `data_layer`.

    Parameters
    ----------
    name : str
        Its name.
    type : DenseVector
        ``data_type.dense_vector(size)``.
    height, width : int, optional
        As for `data_layer`.

    Returns
    -------
    LayerOutput
        An `input` for layer functions.
    """
    if not isinstance(type, DenseVector):
        raise InvalidTypeError(f"data: type must be data_type.dense_vector(size), but got {shown(type)}.")
    return data_layer(name, type.dim, height, width)


def img_conv_layer(
    input: Any,
    filter_size: Any,
    num_filters: int,
    name: str | None = None,
    num_channels: int | None = None,
    act: Any = None,
    groups: int = 1,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    bias_attr: Any = None,
    param_attr: ParameterAttribute | None = None,
    shared_biases: bool = True,
    layer_attr: ExtraLayerAttribute | None = None,
    filter_size_y: int | None = None,
    stride_y: int | None = None,
    padding_y: int | None = None,
    dilation_y: int | None = None,
    trans: bool = False,
    layer_type: str | None = None,
) -> LayerOutput:
    """Convolve images, or turn a convolution round, with bias and activation.

    ``(N, C, H, W) -> (N, F, OH, OW)``

    Parameters
    ----------
    input : LayerOutput or array_like, shape (N, C, H, W), (N, C*H*W) or (C, H, W)
        The layer before, or images.
    filter_size, stride, padding, dilation : int or pair of ints
        Along x (the width), or a pair **(x, y)**: width before height.
    num_filters : int
        Channels of the output, of all groups together.
    name : str, optional
        Name of the layer.
    num_channels : int, optional
        Channels of the input; by default those of `input`. Rows of numbers need it: they are square images.
    act : Activation, class or str, optional
        `Relu` (the default, also for None), `Linear` or `Identity`, `Tanh`, `Sigmoid`, or their names.
    groups : int
        Groups of channels that do not see each other.
    bias_attr : bool, ParameterAttribute or None
        False for no bias; True and None for one that starts at 0.
    param_attr : ParameterAttribute, optional
        How the weights are drawn, from the global ``np.random``; by default ``initial_smart``.
    shared_biases : bool
        One bias per filter; False is one per filter and position.
    layer_attr : ExtraLayerAttribute, optional
        Kept.
    filter_size_y, stride_y, padding_y, dilation_y : int, optional
        Along y (the height); by default as along x.
    trans : bool
        Transposed convolution.
    layer_type : str, optional
        "exconv" or "cudnn_conv"; with ``trans=True``, "exconvt" or "cudnn_convt". Kept; the numbers are the same.

    Returns
    -------
    LayerOutput
        With ``weight``, ``bias``, ``forward``, ``backward`` and ``output``.

    Raises
    ------
    ValueError
        If sizes do not fit together.
    TypeError
        If an argument has the wrong type.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv.compat.paddle import ReluActivation, img_conv_layer
    >>> images = np.ones((2, 8, 5, 7), np.float32)
    >>> conv = img_conv_layer(input=images, filter_size=3, filter_size_y=1, num_channels=8, num_filters=16, stride=1,
    ...                       bias_attr=False, act=ReluActivation())
    >>> conv.output.shape, conv.weight.shape, conv.bias
    ((2, 16, 5, 5), (16, 8, 1, 3), None)
    """
    operation = "img_conv_layer"
    parent = _as_layer(operation, input)
    channels, height, width = _image_shape(operation, parent, num_channels)
    kernel = height_width(operation, "filter_size", filter_size, filter_size_y, 1)
    activation = as_activation(operation, act)
    drawn, biased = param_attribute(operation, param_attr), bias_attribute(operation, bias_attr)
    shared = check_flag(operation, "shared_biases", shared_biases)
    transposed = check_flag(operation, "trans", trans)
    groups, filters = _groups_and_filters(operation, groups, num_filters, channels)
    if layer_type is not None:
        check_choice(operation, "layer_type", layer_type, _TRANSPOSED_TYPES if transposed else _CONV_TYPES)
    conv = (ConvTranspose2d if transposed else Conv2d)(
        channels,
        filters,
        kernel,
        height_width(operation, "stride", stride, stride_y, 1),
        height_width(operation, "padding", padding, padding_y, 0),
        dilation=height_width(operation, "dilation", dilation, dilation_y, 1),
        groups=groups,
        bias=biased is not None and shared,
        dtype=parent.dtype,
        weight_init=lambda shape, _, dtype: drawn.draw(shape, kernel[1], channels).astype(dtype),
        exact=True,
    )
    parts: dict[str, Layer] = {"conv": conv}
    attributes = [(conv.weight, drawn)]
    if biased is not None:
        if conv.bias is None:  # one for every position
            places = conv.output_shape((1, channels, height, width))[1:]
            parts["positions"] = PositionBias(np.zeros(places, parent.dtype))
        bias = conv.bias or parts["positions"].parameters()[0]
        bias.data = biased.draw_plain(bias.shape)
        attributes.append((bias, biased))
    if activation.name:
        parts["act"] = activation.make()
    kind = layer_type or ("convt" if transposed else "conv")
    layer, extra = Sequential(parts), extra_attribute(operation, layer_attr)
    return LayerOutput(name, kind, [parent], layer, (channels, height, width), activation, attributes, extra)


def img_pool_layer(
    input: Any,
    pool_size: Any,
    name: str | None = None,
    num_channels: int | None = None,
    pool_type: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    layer_attr: ExtraLayerAttribute | None = None,
    pool_size_y: int | None = None,
    stride_y: int | None = None,
    padding_y: int | None = None,
    ceil_mode: bool = True,
    exclude_mode: bool | None = None,
) -> LayerOutput:
    """Pool images.

    ``(N, C, H, W) -> (N, C, OH, OW)``

    Parameters
    ----------
    input : LayerOutput or array_like, shape (N, C, H, W), (N, C*H*W) or (C, H, W)
        The layer before, or images.
    pool_size, stride, padding : int or pair of ints
        Along x, or a pair (x, y).
    name, num_channels, layer_attr
        As for `img_conv_layer`.
    pool_type : Pooling, class or str, optional
        `Max` (the default) or `Avg`, or "max" or "avg".
    pool_size_y, stride_y, padding_y : int, optional
        Along y; by default as along x.
    ceil_mode : bool
        Round the number of windows up, as Paddle does by default.
    exclude_mode : bool, optional
        Whether averages leave padding out; by default they do.

    Returns
    -------
    LayerOutput
        With ``forward``, ``backward`` and ``output``.

    Raises
    ------
    ValueError, TypeError
        As `img_conv_layer`.

    Examples
    --------
    >>> import numpy as np
    >>> img_pool_layer(np.arange(5.0).reshape(1, 1, 1, 5), pool_size=(2, 1), stride=2, pool_type="avg").output
    array([[[[0.5, 2.5, 4. ]]]])
    """
    operation = "img_pool_layer"
    parent = _as_layer(operation, input)
    shape = _image_shape(operation, parent, num_channels)
    sizes = (
        height_width(operation, "pool_size", pool_size, pool_size_y, 1),
        height_width(operation, "stride", stride, stride_y, 1),
        height_width(operation, "padding", padding, padding_y, 0),
    )
    kind = as_pooling(operation, pool_type)
    exclude = True if exclude_mode is None else check_flag(operation, "exclude_mode", exclude_mode)
    ceil = check_flag(operation, "ceil_mode", ceil_mode)
    pool: Layer
    if isinstance(kind, Max):
        pool = MaxPool2d(*sizes, ceil_mode=ceil)
    else:
        pool = AvgPool2d(*sizes, ceil_mode=ceil, count_include_pad=not exclude)
    extra = extra_attribute(operation, layer_attr)
    return LayerOutput(name, "pool", [parent], Sequential({"pool": pool}), shape, layer_attr=extra)


img_conv, img_pool = img_conv_layer, img_pool_layer


def _groups_and_filters(operation: str, groups: Any, num_filters: Any, channels: int) -> tuple[int, int]:
    groups = check_integer(operation, "groups", groups, 1)
    filters = check_integer(operation, "num_filters", num_filters, 1)
    if channels % groups or filters % groups:
        raise InvalidValueError(
            f"{operation}: groups must divide num_channels and num_filters, but got groups={groups} with "
            f"num_channels={channels} and num_filters={filters}."
        )
    return groups, filters


def _as_layer(operation: str, input: Any) -> LayerOutput:
    """Return the layer before, or the beginning of a chain for an array."""
    if isinstance(input, LayerOutput):
        return input
    array = check_array(operation, "input", input)
    if array.ndim not in (2, 3, 4) or 0 in array.shape[array.ndim != 3 :]:
        raise InvalidValueError(
            f"{operation}: input must be a layer, or an array of shape (N, C, H, W), (N, C*H*W) or (C, H, W), but got "
            f"shape {array.shape}."
        )
    if array.ndim == 2:
        return Data(None, array, array.shape[1], None)
    channels, height, width = array.shape[-3:]
    return Data(None, array, channels * height * width, (channels, height, width))


def _image_shape(operation: str, parent: LayerOutput, num_channels: Any) -> ImageShape:
    """Channels, height and width of what the layer before gives."""
    if parent.image_shape is not None:
        channels = parent.image_shape[0]
        if num_channels is not None and check_integer(operation, "num_channels", num_channels, 1) != channels:
            raise InvalidValueError(
                f"{operation}: num_channels must be that of input, {channels}, but got {num_channels} (images "
                f"{parent.image_shape})."
            )
        return parent.image_shape
    if num_channels is None:
        raise InvalidValueError(
            f"{operation}: num_channels must be given where input holds rows of {parent.size} numbers, but got None."
        )
    channels = check_integer(operation, "num_channels", num_channels, 1)
    side = isqrt(parent.size // channels)
    if channels * side * side != parent.size:
        raise InvalidValueError(
            f"{operation}: rows of {parent.size} numbers must be square images of num_channels={channels} channels, "
            "but they are not. Use images (N, C, H, W), or data with height and width."
        )
    return channels, side, side

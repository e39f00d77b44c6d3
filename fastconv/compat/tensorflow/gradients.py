"""Transposed convolution and the gradients of convolution with the arguments of ``tf.nn``."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv.compat.tensorflow.arguments import HWOI, as_weight, check_planes, given, groups_of, read_windows
from fastconv.functional.exact import conv2d_backward, conv_transpose2d
from fastconv.validation.arrays import Array, check_rank, check_shape, layout_shape, logical_shape
from fastconv.validation.operations import conv_geometry
from fastconv.validation.sizes import check_padding, check_shape_argument


def conv2d_transpose(
    input: Any = None,
    filters: Any = None,
    output_shape: Any = None,
    strides: Any = None,
    padding: Any = "SAME",
    data_format: str | None = "NHWC",
    dilations: Any = None,
    name: str | None = None,
    *,
    value: Any = None,
    filter: Any = None,
) -> Array:
    """Turn a convolution round, as ``tf.nn.conv2d_transpose``: the gradient of `conv2d` with respect to its input.

    ``(N, H, W, C) * (KH, KW, F, C) -> (N, OH, OW, F)``

    Parameters
    ----------
    input : array_like, shape (N, H, W, C)
        Images.
    filters : array_like, shape (KH, KW, F, C)
        Filters: output channels before input channels.
    output_shape : sequence of four ints
        Shape of the result; its convolution with the same arguments has the shape of `input`.
    strides, padding, data_format, dilations, name
        As for `conv2d`.
    value, filter : array_like, optional
        The names of `input` and `filters` in TensorFlow 1.

    Returns
    -------
    ndarray, shape `output_shape`
        In the common dtype of images and filters.

    Raises
    ------
    ValueError, TypeError
        As `conv2d`, or if `output_shape` does not fit.

    Examples
    --------
    >>> import numpy as np
    >>> conv2d_transpose(np.ones((1, 2, 2, 1)), np.ones((2, 3, 1, 1)), [1, 4, 3, 1], [2, 2])[0, :, :, 0]
    array([[1., 2., 1.],
           [1., 2., 1.],
           [1., 2., 1.],
           [1., 2., 1.]])
    """
    operation = "conv2d_transpose"
    weight = as_weight(operation, "filters", given(operation, filters=filters, filter=filter), HWOI)
    images = given(operation, input=input, value=value)
    shape = given(operation, output_shape=output_shape)
    options = read_windows(operation, strides, padding, data_format, dilations)
    return _turned_round(operation, ("output_shape", "input"), shape, weight, images, options)


def conv2d_backprop_input(
    input_sizes: Any,
    filter: Any = None,
    out_backprop: Any = None,
    strides: Any = None,
    padding: Any = None,
    use_cudnn_on_gpu: bool = True,
    data_format: str | None = "NHWC",
    dilations: Any = None,
    name: str | None = None,
    *,
    filters: Any = None,
) -> Array:
    """Gradient of `conv2d` with respect to its input, as ``tf.compat.v1.nn.conv2d_backprop_input``.

    ``(N, OH, OW, F) * (KH, KW, C, F) -> (N, H, W, C)``

    Parameters
    ----------
    input_sizes : sequence of four ints
        Shape of the input of the forward call.
    filter : array_like, shape (KH, KW, C // groups, F)
        Filters of the forward call; `filters` is another name.
    out_backprop : array_like, shape (N, OH, OW, F)
        Gradient of the loss with respect to the output.
    strides, padding, data_format, dilations
        As in the forward call.
    use_cudnn_on_gpu, name, filters
        As for `conv2d`.

    Returns
    -------
    ndarray, shape `input_sizes`
        The gradient.

    Raises
    ------
    ValueError, TypeError
        As `conv2d`, or if the shapes are not those of a forward call.

    Examples
    --------
    >>> import numpy as np
    >>> conv2d_backprop_input([1, 1, 4, 1], np.ones((1, 2, 1, 1)), np.ones((1, 1, 3, 1)), 1, "VALID")[0, 0, :, 0]
    array([1., 2., 2., 1.])
    """
    operation = "conv2d_backprop_input"
    weight = as_weight(operation, "filter", given(operation, filter=filter, filters=filters))
    options = read_windows(operation, strides, padding, data_format, dilations)
    dy = given(operation, out_backprop=out_backprop)
    return _turned_round(operation, ("input_sizes", "out_backprop"), input_sizes, weight, dy, options)


def conv2d_backprop_filter(
    input: Any,
    filter_sizes: Any,
    out_backprop: Any,
    strides: Any = None,
    padding: Any = None,
    use_cudnn_on_gpu: bool = True,
    data_format: str | None = "NHWC",
    dilations: Any = None,
    name: str | None = None,
) -> Array:
    """Gradient of `conv2d` with respect to its filters, as ``tf.compat.v1.nn.conv2d_backprop_filter``.

    ``(N, H, W, C), (N, OH, OW, F) -> (KH, KW, C // groups, F)``

    Parameters
    ----------
    input : array_like, shape (N, H, W, C)
        Input of the forward call.
    filter_sizes : sequence of four ints
        Shape of the filters of the forward call.
    out_backprop, strides, padding, use_cudnn_on_gpu, data_format, dilations, name
        As for `conv2d_backprop_input`.

    Returns
    -------
    ndarray, shape `filter_sizes`
        The gradient.

    Raises
    ------
    ValueError, TypeError
        As `conv2d`, or if the shapes are not those of a forward call.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.arange(4.0).reshape(1, 1, 4, 1)
    >>> conv2d_backprop_filter(x, [1, 2, 1, 1], np.ones((1, 1, 3, 1)), 1, "VALID").ravel()
    array([3., 6.])
    """
    operation = "conv2d_backprop_filter"
    options = read_windows(operation, strides, padding, data_format, dilations)
    images = check_planes(operation, "input", input, options["layout"])
    sizes = check_shape_argument(operation, "filter_sizes", filter_sizes, "HWIO")
    nothing = np.broadcast_to(np.zeros((), images.dtype), sizes)  # only its shape is asked for
    weight = as_weight(operation, "filter_sizes", nothing)
    dy, groups = _output_and_groups(operation, ("input", "out_backprop"), images.shape, weight, out_backprop, options)
    gradients = conv2d_backward(dy, images, weight, groups=groups, needs=("weight",), **options)
    return gradients.dweight.transpose(2, 3, 1, 0)  # type: ignore[union-attr]


def _turned_round(
    operation: str, names: tuple[str, str], sizes: Any, weight: Array, dy: Any, options: dict[str, Any]
) -> Array:
    """Transposed convolution of `dy` to the shape `sizes`; `names` are those of the two arguments."""
    layout = options["layout"]
    shape = check_shape_argument(operation, names[0], sizes, layout)
    check_rank(operation, names[0], shape, 2, channels_last=layout == "NHWC")
    dy, groups = _output_and_groups(operation, names, shape, weight, dy, options)
    plane = logical_shape(shape, channels_last=layout == "NHWC")[2:]
    return conv_transpose2d(dy, weight, output_size=plane, groups=groups, **options)


def _output_and_groups(
    operation: str, names: tuple[str, str], shape: tuple[int, ...], weight: Array, dy: Any, options: dict[str, Any]
) -> tuple[Array, int]:
    """Return `dy`, which must have the shape of the output for images of that shape, and the groups of channels."""
    layout, last = options["layout"], options["layout"] == "NHWC"
    dy = check_planes(operation, names[1], dy, layout)
    groups = groups_of(operation, names[0], shape, layout, weight)
    image, padding = logical_shape(shape, channels_last=last), check_padding(operation, options["padding"], 2)
    geometry = conv_geometry(operation, image, weight.shape, options["stride"], padding, options["dilation"], groups, 0)
    expected = layout_shape(geometry.output_shape, channels_last=last)
    check_shape(operation, names[1], dy.shape, expected, f"what a convolution of {shape} gives")
    return dy, groups

"""The module ``tf.nn``, as far as convolution and pooling of planes go."""

from __future__ import annotations

from typing import Any

from fastconv.compat.tensorflow.arguments import (
    as_weight,
    channels_of,
    check_filters,
    check_planes,
    given,
    groups_of,
    plane_sizes,
    read_windows,
)
from fastconv.compat.tensorflow.gradients import conv2d_backprop_filter, conv2d_backprop_input, conv2d_transpose
from fastconv.errors import InvalidValueError
from fastconv.functional import avg_pool2d, max_pool2d
from fastconv.functional.exact import conv2d as convolve
from fastconv.validation.arrays import Array

__all__ = [
    "avg_pool",
    "conv2d",
    "conv2d_backprop_filter",
    "conv2d_backprop_input",
    "conv2d_transpose",
    "depthwise_conv2d",
    "max_pool",
]


def conv2d(
    input: Any,
    filters: Any = None,
    strides: Any = None,
    padding: Any = None,
    data_format: str | None = "NHWC",
    dilations: Any = None,
    name: str | None = None,
    *,
    filter: Any = None,
    use_cudnn_on_gpu: bool = True,
) -> Array:
    """Convolve images with filters, as ``tf.nn.conv2d``.

    ``(N, H, W, C) * (KH, KW, C, F) -> (N, OH, OW, F)``

    Parameters
    ----------
    input : array_like, shape (N, H, W, C), or (N, C, H, W) with ``data_format="NCHW"``
        Images.
    filters : array_like, shape (KH, KW, C // groups, F)
        Filters; where they have fewer channels than the images, these fall into groups.
    strides : int or list of one, two or four ints
        Of four, those of batch and channels must be 1.
    padding : {"SAME", "VALID"} or list of four (before, after) pairs
        Zeros around the plane. "SAME" gives ``ceil(size / stride)`` outputs and puts the odd cell after.
    data_format : {"NHWC", "NCHW", None}
        Order of the axes of the images; that of the filters is the same in both. None is "NHWC".
    dilations : int or list of one, two or four ints, optional
        Cells between neighbouring taps.
    name : str, optional
        Has no effect: there is no graph.
    filter : array_like, optional
        The name of `filters` in TensorFlow 1.
    use_cudnn_on_gpu : bool
        Has no effect.

    Returns
    -------
    ndarray, shape (N, OH, OW, F), or (N, F, OH, OW) with ``data_format="NCHW"``
        In the common dtype of images and filters.

    Raises
    ------
    ValueError
        If sizes or shapes do not fit together, or a stride or dilation is over batch or channels.
    TypeError
        If an argument is missing, or has a type or dtype that is not taken.

    See Also
    --------
    fastconv.conv2d : What computes it.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv.compat.tensorflow as tf
    >>> images = np.ones((1, 4, 5, 3), np.float32)
    >>> filters = np.ones((3, 3, 3, 2), np.float32)
    >>> tf.nn.conv2d(images, filters, strides=[1, 2, 2, 1], padding="SAME")[0, :, :, 0]
    array([[18., 27., 18.],
           [12., 18., 12.]], dtype=float32)
    """
    options = read_windows("conv2d", strides, padding, data_format, dilations)
    images = check_planes("conv2d", "input", input, options["layout"])
    weight = as_weight("conv2d", "filters", given("conv2d", filters=filters, filter=filter))
    groups = groups_of("conv2d", "input", images.shape, options["layout"], weight)
    return convolve(images, weight, groups=groups, **options)


def depthwise_conv2d(
    input: Any,
    filter: Any,
    strides: Any,
    padding: Any,
    data_format: str | None = None,
    dilations: Any = None,
    name: str | None = None,
    *,
    rate: Any = None,
) -> Array:
    """Convolve every channel with filters of its own, as ``tf.nn.depthwise_conv2d``.

    ``(N, H, W, C) * (KH, KW, C, M) -> (N, OH, OW, C*M)``

    Parameters
    ----------
    input : array_like, shape (N, H, W, C)
        Images.
    filter : array_like, shape (KH, KW, C, M)
        M filters for every channel; output channel ``c * M + m`` is that of filter m over channel c.
    strides, padding, data_format, dilations, name
        As for `conv2d`. Height and width may differ in their strides, and strides be combined with dilations.
    rate : int or list of ints, optional
        The name of `dilations` in TensorFlow 1.

    Returns
    -------
    ndarray, shape (N, OH, OW, C*M)
        In the common dtype of images and filters.

    Raises
    ------
    ValueError, TypeError
        As `conv2d`.

    Examples
    --------
    >>> import numpy as np
    >>> images = np.arange(12.0).reshape(1, 2, 3, 2)
    >>> depthwise_conv2d(images, np.array([[[[1.0, 10.0], [2.0, 20.0]]]]), [1, 1, 1, 1], "VALID")[0, 0]
    array([[  0.,   0.,   2.,  20.],
           [  2.,  20.,   6.,  60.],
           [  4.,  40.,  10., 100.]])
    """
    operation = "depthwise_conv2d"
    if dilations is not None or rate is not None:
        dilations = given(operation, dilations=dilations, rate=rate)
    options = read_windows(operation, strides, padding, data_format, dilations)
    images = check_planes(operation, "input", input, options["layout"])
    filters = check_filters(operation, "filter", filter, "height, width, in_channels, multiplier")
    channels = channels_of(images.shape, options["layout"])
    if filters.shape[2] != channels:
        raise InvalidValueError(
            f"{operation}: filter must have the in_channels of input, {channels}, but got {filters.shape[2]} (shape "
            f"{filters.shape})."
        )
    weight = filters.transpose(2, 3, 0, 1).reshape(-1, 1, *filters.shape[:2])
    return convolve(images, weight, groups=channels, **options)


def max_pool(
    input: Any = None,
    ksize: Any = None,
    strides: Any = None,
    padding: Any = None,
    data_format: str | None = "NHWC",
    name: str | None = None,
    *,
    value: Any = None,
) -> Array:
    """Largest element of every window, as ``tf.nn.max_pool``; padding never wins.

    ``(N, H, W, C) -> (N, OH, OW, C)``

    Parameters
    ----------
    input : array_like, shape (N, H, W, C), or (N, C, H, W) with ``data_format="NCHW"``
        Images.
    ksize, strides : int or list of one, two or four ints
        The window and its steps. Of four, those of batch and channels must be 1.
    padding : {"SAME", "VALID"} or list of four (before, after) pairs
        As for `conv2d`.
    data_format, name
        As for `conv2d`.
    value : array_like, optional
        The name of `input` in TensorFlow 1.

    Returns
    -------
    ndarray, shape (N, OH, OW, C)
        In the dtype of the images, or float64 if that is an integer type.

    Raises
    ------
    ValueError, TypeError
        As `conv2d`.

    Examples
    --------
    >>> import numpy as np
    >>> images = np.arange(20.0).reshape(1, 4, 5, 1)
    >>> max_pool(images, ksize=[1, 2, 2, 1], strides=[1, 2, 2, 1], padding="VALID")[0, :, :, 0]
    array([[ 6.,  8.],
           [16., 18.]])
    """
    images, window, options = _pool("max_pool", input, value, ksize, strides, padding, data_format)
    y: Array = max_pool2d(images, window, **options)
    return y


def avg_pool(
    input: Any = None,
    ksize: Any = None,
    strides: Any = None,
    padding: Any = None,
    data_format: str | None = "NHWC",
    name: str | None = None,
    *,
    value: Any = None,
) -> Array:
    """Mean of every window, as ``tf.nn.avg_pool``: of the cells of the image alone, padding does not count.

    ``(N, H, W, C) -> (N, OH, OW, C)``; arguments, result and errors are those of `max_pool`.

    Examples
    --------
    >>> import numpy as np
    >>> avg_pool(np.array([[[[1.0], [5.0], [3.0]]]]), [1, 1, 2, 1], [1, 1, 2, 1], "SAME")[0, 0, :, 0]
    array([3., 3.])
    """
    images, window, options = _pool("avg_pool", input, value, ksize, strides, padding, data_format)
    return avg_pool2d(images, window, count_include_pad=False, **options)


def _pool(
    operation: str, images: Any, value: Any, ksize: Any, strides: Any, padding: Any, data_format: str | None
) -> tuple[Array, tuple[int, int], dict[str, Any]]:
    """Images, window and options of a pooling."""
    options = read_windows(operation, strides, padding, data_format)
    array = check_planes(operation, "input", given(operation, input=images, value=value), options["layout"])
    return array, plane_sizes(operation, "ksize", given(operation, ksize=ksize), options["layout"]), options

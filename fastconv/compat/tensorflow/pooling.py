"""Pooling with the arguments of ``tf.nn``."""

from __future__ import annotations

from typing import Any

from fastconv.compat.tensorflow.arguments import check_planes, given, plane_sizes, read_windows
from fastconv.functional import avg_pool2d, max_pool2d
from fastconv.validation.arrays import Array

__all__ = ["avg_pool", "max_pool"]


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

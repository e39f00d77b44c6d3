"""Adaptive average pooling: the public functions."""

from __future__ import annotations

from typing import Any

from fastconv.functional.adaptive_any import adaptive_avg_pool, adaptive_avg_pool_backward
from fastconv.functional.call import Call
from fastconv.validation.arrays import Array

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool1d_backward",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool2d_backward",
    "adaptive_avg_pool3d",
    "adaptive_avg_pool3d_backward",
]


def adaptive_avg_pool2d(x: Any, output_size: Any, *, layout: str = "NCHW", backend: str | None = None) -> Array:
    """Mean of windows that share a plane out among a given number of positions.

    ``(N, C, H, W) -> (N, C, OH, OW)``

    Parameters
    ----------
    x : array_like, shape (N, C, H, W), or (N, H, W, C) with ``layout="NHWC"``
        Input, of any strides.
    output_size : int, None, or sequence of two of them
        Number of windows per axis (height first), more than there are cells included; None keeps the size of the input.
    layout : {"NCHW", "NHWC"}
        Order of the axes of `x` and of the result.
    backend : {"fast", "numpy", "naive"}, optional
        Backend of this call; by default the current one.

    Returns
    -------
    ndarray, shape (N, C, OH, OW), or (N, OH, OW, C) with ``layout="NHWC"``
        Its dtype is that of `x`, or float64 if that is an integer type.

    Raises
    ------
    ValueError
        If sizes or shapes do not fit together; the message names the rule and the shapes.
    TypeError
        If an argument has a type or dtype that is not taken.

    See Also
    --------
    adaptive_avg_pool2d_backward : The gradient.
    adaptive_avg_pool1d, adaptive_avg_pool3d : The same with one and three spatial axes.

    Notes
    -----
    Along an axis of H cells, window i of OH covers the cells from ``floor(i * H / OH)`` up to
    ``ceil((i + 1) * H / OH)``, as in PyTorch. Where OH does not divide H, neighbouring windows overlap and differ in
    size.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv as fc
    >>> x = np.array([[[[1.0, 5, 3], [3, 7, 9]]]])
    >>> fc.adaptive_avg_pool2d(x, (1, 2))[0, 0]
    array([[4., 6.]])
    """
    return adaptive_avg_pool(Call("adaptive_avg_pool2d", 2, layout, backend), x, output_size)


def adaptive_avg_pool2d_backward(
    dy: Any, input_shape: Any, *, layout: str = "NCHW", backend: str | None = None
) -> Array:
    """Gradient of `adaptive_avg_pool2d` with respect to its input; the size of its output is that of `dy`.

    ``(N, C, OH, OW) -> (N, C, H, W)``

    Parameters
    ----------
    dy : array_like, shape (N, C, OH, OW), or (N, OH, OW, C) with ``layout="NHWC"``
        Gradient of the loss with respect to the output of `adaptive_avg_pool2d`.
    input_shape : sequence of four ints
        Shape of the input of the forward call, in `layout`.
    layout : {"NCHW", "NHWC"}
        Order of the axes.
    backend : {"fast", "numpy", "naive"}, optional
        Backend of this call; by default the current one.

    Returns
    -------
    ndarray of shape `input_shape`
        Gradients of overlapping windows add up. The dtype is that of `dy`, or float64 if that is an integer type.

    Raises
    ------
    ValueError
        If the shapes do not fit together.
    TypeError
        If an argument has a type or dtype that is not taken.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv as fc
    >>> fc.adaptive_avg_pool2d_backward([[[[2.0, 4.0]]]], (1, 1, 1, 3))[0, 0]
    array([[1., 3., 2.]])
    """
    return adaptive_avg_pool_backward(Call("adaptive_avg_pool2d_backward", 2, layout, backend), dy, input_shape)


def adaptive_avg_pool1d(x: Any, output_size: Any, *, layout: str = "NCW", backend: str | None = None) -> Array:
    """Mean of windows that share a sequence out among a given number of positions.

    ``(N, C, W) -> (N, C, OW)``

    Parameters
    ----------
    x : array_like, shape (N, C, W), or (N, W, C) with ``layout="NWC"``
        Input, of any strides.
    output_size : int, None, or sequence of one of them
        As in `adaptive_avg_pool2d`.
    layout : {"NCW", "NWC"}
        Order of the axes of `x` and of the result.
    backend : {"fast", "numpy", "naive"}, optional
        Backend of this call; by default the current one.

    Returns
    -------
    ndarray, shape (N, C, OW), or (N, OW, C) with ``layout="NWC"``
        Its dtype is that of `x`, or float64 if that is an integer type.

    Raises
    ------
    ValueError, TypeError
        As in `adaptive_avg_pool2d`.

    See Also
    --------
    adaptive_avg_pool2d : The same with two spatial axes, and the conventions.
    adaptive_avg_pool1d_backward : The gradient.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv as fc
    >>> fc.adaptive_avg_pool1d([[[1.0, 5, 3, 4, 8]]], 3)
    array([[[3., 4., 6.]]])
    """
    return adaptive_avg_pool(Call("adaptive_avg_pool1d", 1, layout, backend), x, output_size)


def adaptive_avg_pool1d_backward(
    dy: Any, input_shape: Any, *, layout: str = "NCW", backend: str | None = None
) -> Array:
    """Gradient of `adaptive_avg_pool1d` with respect to its input; the size of its output is that of `dy`.

    ``(N, C, OW) -> (N, C, W)``

    Parameters
    ----------
    dy : array_like, shape (N, C, OW), or (N, OW, C) with ``layout="NWC"``
        Gradient of the loss with respect to the output of `adaptive_avg_pool1d`.
    input_shape : sequence of three ints
        Shape of the input of the forward call, in `layout`.
    layout : {"NCW", "NWC"}
        Order of the axes.
    backend : {"fast", "numpy", "naive"}, optional
        Backend of this call; by default the current one.

    Returns
    -------
    ndarray of shape `input_shape`
        Gradients of overlapping windows add up. The dtype is that of `dy`, or float64 if that is an integer type.

    Raises
    ------
    ValueError
        If the shapes do not fit together.
    TypeError
        If an argument has a type or dtype that is not taken.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv as fc
    >>> fc.adaptive_avg_pool1d_backward([[[2.0, 4.0]]], (1, 1, 3))
    array([[[1., 3., 2.]]])
    """
    return adaptive_avg_pool_backward(Call("adaptive_avg_pool1d_backward", 1, layout, backend), dy, input_shape)


def adaptive_avg_pool3d(x: Any, output_size: Any, *, layout: str = "NCDHW", backend: str | None = None) -> Array:
    """Mean of windows that share a volume out among a given number of positions.

    ``(N, C, D, H, W) -> (N, C, OD, OH, OW)``

    Parameters
    ----------
    x : array_like, shape (N, C, D, H, W), or (N, D, H, W, C) with ``layout="NDHWC"``
        Input, of any strides.
    output_size : int, None, or sequence of three of them
        As in `adaptive_avg_pool2d`.
    layout : {"NCDHW", "NDHWC"}
        Order of the axes of `x` and of the result.
    backend : {"fast", "numpy", "naive"}, optional
        Backend of this call; by default the current one.

    Returns
    -------
    ndarray, shape (N, C, OD, OH, OW), or (N, OD, OH, OW, C) with ``layout="NDHWC"``
        Its dtype is that of `x`, or float64 if that is an integer type.

    Raises
    ------
    ValueError, TypeError
        As in `adaptive_avg_pool2d`.

    See Also
    --------
    adaptive_avg_pool2d : The same with two spatial axes, and the conventions.
    adaptive_avg_pool3d_backward : The gradient.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv as fc
    >>> x = np.arange(12.0).reshape(1, 1, 2, 2, 3)
    >>> fc.adaptive_avg_pool3d(x, (None, 1, 1))[0, 0]
    array([[[2.5]],
           [[8.5]]])
    """
    return adaptive_avg_pool(Call("adaptive_avg_pool3d", 3, layout, backend), x, output_size)


def adaptive_avg_pool3d_backward(
    dy: Any, input_shape: Any, *, layout: str = "NCDHW", backend: str | None = None
) -> Array:
    """Gradient of `adaptive_avg_pool3d` with respect to its input; the size of its output is that of `dy`.

    ``(N, C, OD, OH, OW) -> (N, C, D, H, W)``

    Parameters
    ----------
    dy : array_like, shape (N, C, OD, OH, OW), or (N, OD, OH, OW, C) with ``layout="NDHWC"``
        Gradient of the loss with respect to the output of `adaptive_avg_pool3d`.
    input_shape : sequence of five ints
        Shape of the input of the forward call, in `layout`.
    layout : {"NCDHW", "NDHWC"}
        Order of the axes.
    backend : {"fast", "numpy", "naive"}, optional
        Backend of this call; by default the current one.

    Returns
    -------
    ndarray of shape `input_shape`
        Gradients of overlapping windows add up. The dtype is that of `dy`, or float64 if that is an integer type.

    Raises
    ------
    ValueError
        If the shapes do not fit together.
    TypeError
        If an argument has a type or dtype that is not taken.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv as fc
    >>> fc.adaptive_avg_pool3d_backward([[[[[6.0]]]]], (1, 1, 1, 2, 3))[0, 0, 0]
    array([[1., 1., 1.],
           [1., 1., 1.]])
    """
    return adaptive_avg_pool_backward(Call("adaptive_avg_pool3d_backward", 3, layout, backend), dy, input_shape)

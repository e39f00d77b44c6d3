"""Global average pooling, which is adaptive pooling with one window: the public functions."""

from __future__ import annotations

from typing import Any

from fastconv.functional.adaptive_any import adaptive_avg_pool, adaptive_avg_pool_backward
from fastconv.functional.call import Call
from fastconv.validation.arrays import Array

__all__ = [
    "global_avg_pool1d",
    "global_avg_pool1d_backward",
    "global_avg_pool2d",
    "global_avg_pool2d_backward",
    "global_avg_pool3d",
    "global_avg_pool3d_backward",
]


def global_avg_pool2d(x: Any, *, layout: str = "NCHW", backend: str | None = None) -> Array:
    """Mean of every plane.

    ``(N, C, H, W) -> (N, C, 1, 1)``

    Parameters
    ----------
    x : array_like, shape (N, C, H, W), or (N, H, W, C) with ``layout="NHWC"``
        Input, of any strides.
    layout : {"NCHW", "NHWC"}
        Order of the axes of `x` and of the result.
    backend : {"fast", "numpy", "naive"}, optional
        Backend of this call; by default the current one.

    Returns
    -------
    ndarray, shape (N, C, 1, 1), or (N, 1, 1, C) with ``layout="NHWC"``
        The axes stay. Its dtype is that of `x`, or float64 if that is an integer type.

    Raises
    ------
    ValueError
        If `x` has the wrong rank or an empty axis other than the batch.
    TypeError
        If an argument has a type or dtype that is not taken.

    See Also
    --------
    global_avg_pool2d_backward : The gradient.
    adaptive_avg_pool2d : Means of parts of the plane.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv as fc
    >>> fc.global_avg_pool2d(np.arange(6.0).reshape(1, 1, 2, 3))
    array([[[[2.5]]]])
    """
    return adaptive_avg_pool(Call("global_avg_pool2d", 2, layout, backend), x, 1)


def global_avg_pool2d_backward(dy: Any, input_shape: Any, *, layout: str = "NCHW", backend: str | None = None) -> Array:
    """Gradient of `global_avg_pool2d` with respect to its input: every gradient is shared by its plane.

    ``(N, C, 1, 1) -> (N, C, H, W)``

    Parameters
    ----------
    dy : array_like, shape (N, C, 1, 1), or (N, 1, 1, C) with ``layout="NHWC"``
        Gradient of the loss with respect to the output of `global_avg_pool2d`.
    input_shape : sequence of four ints
        Shape of the input of the forward call, in `layout`.
    layout : {"NCHW", "NHWC"}
        Order of the axes.
    backend : {"fast", "numpy", "naive"}, optional
        Backend of this call; by default the current one.

    Returns
    -------
    ndarray of shape `input_shape`
        The dtype is that of `dy`, or float64 if that is an integer type.

    Raises
    ------
    ValueError
        If `dy` has not the shape of the output.
    TypeError
        If an argument has a type or dtype that is not taken.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv as fc
    >>> fc.global_avg_pool2d_backward([[[[6.0]]]], (1, 1, 2, 3))[0, 0]
    array([[1., 1., 1.],
           [1., 1., 1.]])
    """
    call = Call("global_avg_pool2d_backward", 2, layout, backend)
    return adaptive_avg_pool_backward(call, dy, input_shape, (1,) * 2)


def global_avg_pool1d(x: Any, *, layout: str = "NCW", backend: str | None = None) -> Array:
    """Mean of every sequence.

    ``(N, C, W) -> (N, C, 1)``

    Parameters
    ----------
    x : array_like, shape (N, C, W), or (N, W, C) with ``layout="NWC"``
        Input, of any strides.
    layout : {"NCW", "NWC"}
        Order of the axes of `x` and of the result.
    backend : {"fast", "numpy", "naive"}, optional
        Backend of this call; by default the current one.

    Returns
    -------
    ndarray, shape (N, C, 1), or (N, 1, C) with ``layout="NWC"``
        The axes stay. Its dtype is that of `x`, or float64 if that is an integer type.

    Raises
    ------
    ValueError
        If `x` has the wrong rank or an empty axis other than the batch.
    TypeError
        If an argument has a type or dtype that is not taken.

    See Also
    --------
    global_avg_pool1d_backward : The gradient.
    adaptive_avg_pool1d : Means of parts of the sequence.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv as fc
    >>> fc.global_avg_pool1d([[[1.0, 5, 3]]])
    array([[[3.]]])
    """
    return adaptive_avg_pool(Call("global_avg_pool1d", 1, layout, backend), x, 1)


def global_avg_pool1d_backward(dy: Any, input_shape: Any, *, layout: str = "NCW", backend: str | None = None) -> Array:
    """Gradient of `global_avg_pool1d` with respect to its input: every gradient is shared by its sequence.

    ``(N, C, 1) -> (N, C, W)``

    Parameters
    ----------
    dy : array_like, shape (N, C, 1), or (N, 1, C) with ``layout="NWC"``
        Gradient of the loss with respect to the output of `global_avg_pool1d`.
    input_shape : sequence of three ints
        Shape of the input of the forward call, in `layout`.
    layout : {"NCW", "NWC"}
        Order of the axes.
    backend : {"fast", "numpy", "naive"}, optional
        Backend of this call; by default the current one.

    Returns
    -------
    ndarray of shape `input_shape`
        The dtype is that of `dy`, or float64 if that is an integer type.

    Raises
    ------
    ValueError
        If `dy` has not the shape of the output.
    TypeError
        If an argument has a type or dtype that is not taken.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv as fc
    >>> fc.global_avg_pool1d_backward([[[6.0]]], (1, 1, 3))
    array([[[2., 2., 2.]]])
    """
    call = Call("global_avg_pool1d_backward", 1, layout, backend)
    return adaptive_avg_pool_backward(call, dy, input_shape, (1,) * 1)


def global_avg_pool3d(x: Any, *, layout: str = "NCDHW", backend: str | None = None) -> Array:
    """Mean of every volume.

    ``(N, C, D, H, W) -> (N, C, 1, 1, 1)``

    Parameters
    ----------
    x : array_like, shape (N, C, D, H, W), or (N, D, H, W, C) with ``layout="NDHWC"``
        Input, of any strides.
    layout : {"NCDHW", "NDHWC"}
        Order of the axes of `x` and of the result.
    backend : {"fast", "numpy", "naive"}, optional
        Backend of this call; by default the current one.

    Returns
    -------
    ndarray, shape (N, C, 1, 1, 1), or (N, 1, 1, 1, C) with ``layout="NDHWC"``
        The axes stay. Its dtype is that of `x`, or float64 if that is an integer type.

    Raises
    ------
    ValueError
        If `x` has the wrong rank or an empty axis other than the batch.
    TypeError
        If an argument has a type or dtype that is not taken.

    See Also
    --------
    global_avg_pool3d_backward : The gradient.
    adaptive_avg_pool3d : Means of parts of the volume.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv as fc
    >>> fc.global_avg_pool3d(np.arange(12.0).reshape(1, 2, 1, 2, 3)).ravel()
    array([2.5, 8.5])
    """
    return adaptive_avg_pool(Call("global_avg_pool3d", 3, layout, backend), x, 1)


def global_avg_pool3d_backward(
    dy: Any, input_shape: Any, *, layout: str = "NCDHW", backend: str | None = None
) -> Array:
    """Gradient of `global_avg_pool3d` with respect to its input: every gradient is shared by its volume.

    ``(N, C, 1, 1, 1) -> (N, C, D, H, W)``

    Parameters
    ----------
    dy : array_like, shape (N, C, 1, 1, 1), or (N, 1, 1, 1, C) with ``layout="NDHWC"``
        Gradient of the loss with respect to the output of `global_avg_pool3d`.
    input_shape : sequence of five ints
        Shape of the input of the forward call, in `layout`.
    layout : {"NCDHW", "NDHWC"}
        Order of the axes.
    backend : {"fast", "numpy", "naive"}, optional
        Backend of this call; by default the current one.

    Returns
    -------
    ndarray of shape `input_shape`
        The dtype is that of `dy`, or float64 if that is an integer type.

    Raises
    ------
    ValueError
        If `dy` has not the shape of the output.
    TypeError
        If an argument has a type or dtype that is not taken.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv as fc
    >>> fc.global_avg_pool3d_backward([[[[[6.0]]]]], (1, 1, 1, 2, 3))[0, 0, 0]
    array([[1., 1., 1.],
           [1., 1., 1.]])
    """
    call = Call("global_avg_pool3d_backward", 3, layout, backend)
    return adaptive_avg_pool_backward(call, dy, input_shape, (1,) * 3)

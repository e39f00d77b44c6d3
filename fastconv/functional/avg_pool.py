"""Average pooling: the public functions."""

from __future__ import annotations

from typing import Any

from fastconv.functional.call import Call, WindowArguments
from fastconv.functional.pool_any import avg_pool, avg_pool_backward
from fastconv.validation.arrays import Array

__all__ = [
    "avg_pool1d",
    "avg_pool1d_backward",
    "avg_pool2d",
    "avg_pool2d_backward",
    "avg_pool3d",
    "avg_pool3d_backward",
]


def avg_pool2d(
    x: Any,
    kernel_size: Any,
    *,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    layout: str = "NCHW",
    backend: str | None = None,
) -> Array:
    """Mean of every window.

    ``(N, C, H, W) -> (N, C, OH, OW)``

    Parameters
    ----------
    x : array_like, shape (N, C, H, W), or (N, H, W, C) with ``layout="NHWC"``
        Input, of any strides.
    kernel_size, stride, padding, dilation, ceil_mode, layout, backend
        As for `max_pool2d`, but the padding is of zeros.
    count_include_pad : bool
        Count padding cells in the divisor, as PyTorch does by default; ONNX and TensorFlow do not. Cells beyond the
        padding, which only ceil mode adds, are never counted.

    Returns
    -------
    ndarray, shape (N, C, OH, OW), or (N, OH, OW, C) with ``layout="NHWC"``
        Its dtype is that of `x`, or float64 if that is an integer type. A dilated window that touches no cell to be
        counted gives NaN.

    Raises
    ------
    ValueError
        If sizes or shapes do not fit together; the message names the rule and the shapes.
    TypeError
        If an argument has a type or dtype that is not taken.

    See Also
    --------
    avg_pool2d_backward : The gradient.
    avg_pool1d, avg_pool3d : The same with one and three spatial axes.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv as fc
    >>> x = np.array([[[[1.0, 5, 2], [3, 4, 9]]]])
    >>> fc.avg_pool2d(x, (2, 1), stride=1)[0, 0]
    array([[2. , 4.5, 5.5]])
    """
    call = Call("avg_pool2d", 2, layout, backend)
    return avg_pool(call, x, WindowArguments(kernel_size, stride, padding, dilation, ceil_mode), count_include_pad)


def avg_pool2d_backward(
    dy: Any,
    input_shape: Any,
    kernel_size: Any,
    *,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    layout: str = "NCHW",
    backend: str | None = None,
) -> Array:
    """Gradient of `avg_pool2d` with respect to its input: every gradient is shared by the cells of its window.

    ``(N, C, OH, OW) -> (N, C, H, W)``

    Parameters
    ----------
    dy : array_like, shape (N, C, OH, OW), or (N, OH, OW, C) with ``layout="NHWC"``
        Gradient of the loss with respect to the output of `avg_pool2d`.
    input_shape : sequence of four ints
        Shape of the input of the forward call, in `layout`.
    kernel_size, stride, padding, dilation, ceil_mode, count_include_pad, layout, backend
        As in the forward call.

    Returns
    -------
    ndarray of shape `input_shape`
        Gradients of overlapping windows add up. The dtype is that of `dy`, or float64 if that is an integer type.

    Raises
    ------
    ValueError
        If `dy` has not the shape of the output, or as in `avg_pool2d`.
    TypeError
        If an argument has a type or dtype that is not taken.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv as fc
    >>> fc.avg_pool2d_backward(np.ones((1, 1, 1, 2)), (1, 1, 2, 3), (2, 2), stride=1)[0, 0]
    array([[0.25, 0.5 , 0.25],
           [0.25, 0.5 , 0.25]])
    """
    call = Call("avg_pool2d_backward", 2, layout, backend)
    windows = WindowArguments(kernel_size, stride, padding, dilation, ceil_mode)
    return avg_pool_backward(call, dy, input_shape, windows, count_include_pad)


def avg_pool1d(
    x: Any,
    kernel_size: Any,
    *,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    layout: str = "NCW",
    backend: str | None = None,
) -> Array:
    """Mean of every window of sequences.

    ``(N, C, W) -> (N, C, OW)``

    Parameters
    ----------
    x : array_like, shape (N, C, W), or (N, W, C) with ``layout="NWC"``
        Input, of any strides.
    kernel_size, stride, padding, dilation : int, sequence of one, …
        As in `avg_pool2d`.
    ceil_mode, count_include_pad : bool
        As in `avg_pool2d`.
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
        As in `avg_pool2d`.

    See Also
    --------
    avg_pool2d : The same with two spatial axes, with all parameters and the conventions.
    avg_pool1d_backward : The gradient.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv as fc
    >>> fc.avg_pool1d([[[1.0, 5, 2, 0, 7]]], 2, stride=3, padding=1)
    array([[[0.5, 1. ]]])
    """
    call = Call("avg_pool1d", 1, layout, backend)
    return avg_pool(call, x, WindowArguments(kernel_size, stride, padding, dilation, ceil_mode), count_include_pad)


def avg_pool1d_backward(
    dy: Any,
    input_shape: Any,
    kernel_size: Any,
    *,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    layout: str = "NCW",
    backend: str | None = None,
) -> Array:
    """Gradient of `avg_pool1d` with respect to its input: every gradient is shared by the cells of its window.

    ``(N, C, OW) -> (N, C, W)``

    Parameters
    ----------
    dy : array_like, shape (N, C, OW), or (N, OW, C) with ``layout="NWC"``
        Gradient of the loss with respect to the output of `avg_pool1d`.
    input_shape : sequence of three ints
        Shape of the input of the forward call, in `layout`.
    kernel_size, stride, padding, dilation, ceil_mode, count_include_pad, layout, backend
        As in the forward call.

    Returns
    -------
    ndarray of shape `input_shape`
        Gradients of overlapping windows add up. The dtype is that of `dy`, or float64 if that is an integer type.

    Raises
    ------
    ValueError
        If `dy` has not the shape of the output, or as in `avg_pool1d`.
    TypeError
        If an argument has a type or dtype that is not taken.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv as fc
    >>> fc.avg_pool1d_backward([[[2.0, 4.0]]], (1, 1, 3), 2, stride=1)
    array([[[1., 3., 2.]]])
    """
    call = Call("avg_pool1d_backward", 1, layout, backend)
    windows = WindowArguments(kernel_size, stride, padding, dilation, ceil_mode)
    return avg_pool_backward(call, dy, input_shape, windows, count_include_pad)


def avg_pool3d(
    x: Any,
    kernel_size: Any,
    *,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    layout: str = "NCDHW",
    backend: str | None = None,
) -> Array:
    """Mean of every window of volumes.

    ``(N, C, D, H, W) -> (N, C, OD, OH, OW)``

    Parameters
    ----------
    x : array_like, shape (N, C, D, H, W), or (N, D, H, W, C) with ``layout="NDHWC"``
        Input, of any strides.
    kernel_size, stride, padding, dilation : int, sequence of three, …
        As in `avg_pool2d`.
    ceil_mode, count_include_pad : bool
        As in `avg_pool2d`.
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
        As in `avg_pool2d`.

    See Also
    --------
    avg_pool2d : The same with two spatial axes, with all parameters and the conventions.
    avg_pool3d_backward : The gradient.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv as fc
    >>> x = np.arange(12.0).reshape(1, 1, 2, 2, 3)
    >>> fc.avg_pool3d(x, (2, 1, 3))[0, 0]
    array([[[4.],
            [7.]]])
    """
    call = Call("avg_pool3d", 3, layout, backend)
    return avg_pool(call, x, WindowArguments(kernel_size, stride, padding, dilation, ceil_mode), count_include_pad)


def avg_pool3d_backward(
    dy: Any,
    input_shape: Any,
    kernel_size: Any,
    *,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    layout: str = "NCDHW",
    backend: str | None = None,
) -> Array:
    """Gradient of `avg_pool3d` with respect to its input: every gradient is shared by the cells of its window.

    ``(N, C, OD, OH, OW) -> (N, C, D, H, W)``

    Parameters
    ----------
    dy : array_like, shape (N, C, OD, OH, OW), or (N, OD, OH, OW, C) with ``layout="NDHWC"``
        Gradient of the loss with respect to the output of `avg_pool3d`.
    input_shape : sequence of five ints
        Shape of the input of the forward call, in `layout`.
    kernel_size, stride, padding, dilation, ceil_mode, count_include_pad, layout, backend
        As in the forward call.

    Returns
    -------
    ndarray of shape `input_shape`
        Gradients of overlapping windows add up. The dtype is that of `dy`, or float64 if that is an integer type.

    Raises
    ------
    ValueError
        If `dy` has not the shape of the output, or as in `avg_pool3d`.
    TypeError
        If an argument has a type or dtype that is not taken.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv as fc
    >>> fc.avg_pool3d_backward(np.full((1, 1, 1, 2, 1), 6.0), (1, 1, 2, 2, 3), (2, 1, 3))[0, 0, 0]
    array([[1., 1., 1.],
           [1., 1., 1.]])
    """
    call = Call("avg_pool3d_backward", 3, layout, backend)
    windows = WindowArguments(kernel_size, stride, padding, dilation, ceil_mode)
    return avg_pool_backward(call, dy, input_shape, windows, count_include_pad)

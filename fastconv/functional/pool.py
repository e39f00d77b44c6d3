"""Max and average pooling: the public functions."""

from __future__ import annotations

from typing import Any, Literal, overload

from fastconv.backends import resolve_backend
from fastconv.errors import InvalidValueError
from fastconv.functional.views import as_computed, channels_first, finish
from fastconv.geometry import WindowGeometry
from fastconv.validation.arrays import (
    LAYOUTS,
    Array,
    check_array,
    check_index_array,
    check_layout,
    check_rank,
    check_shape,
    common_dtype,
    layout_shape,
    logical_shape,
)
from fastconv.validation.memory import check_fits
from fastconv.validation.operations import pool_geometry
from fastconv.validation.sizes import check_flag, check_padding, check_shape_argument, check_sizes

__all__ = ["avg_pool2d", "avg_pool2d_backward", "max_pool2d", "max_pool2d_backward"]


@overload
def max_pool2d(
    x: Any,
    kernel_size: Any,
    *,
    stride: Any = ...,
    padding: Any = ...,
    dilation: Any = ...,
    ceil_mode: bool = ...,
    return_indices: Literal[False] = ...,
    layout: str = ...,
    backend: str | None = ...,
) -> Array: ...
@overload
def max_pool2d(
    x: Any,
    kernel_size: Any,
    *,
    stride: Any = ...,
    padding: Any = ...,
    dilation: Any = ...,
    ceil_mode: bool = ...,
    return_indices: Literal[True],
    layout: str = ...,
    backend: str | None = ...,
) -> tuple[Array, Array]: ...
def max_pool2d(
    x: Any,
    kernel_size: Any,
    *,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
    layout: str = "NCHW",
    backend: str | None = None,
) -> Array | tuple[Array, Array]:
    """Largest element of every window.

    ``(N, C, H, W) -> (N, C, OH, OW)``

    Parameters
    ----------
    x : array_like, shape (N, C, H, W), or (N, H, W, C) with ``layout="NHWC"``
        Input, of any strides.
    kernel_size : int or sequence of two ints
        Taps of a window, per axis (height first).
    stride : int or sequence of two ints, optional
        Cells between neighbouring windows; by default `kernel_size`.
    padding : int, sequence of two ints, sequence of two (before, after) pairs, "valid", "same" or "same_lower"
        Cells of minus infinity around the plane; smaller than the dilated kernel on each side.
    dilation : int or sequence of two ints
        Cells between neighbouring taps of a window.
    ceil_mode : bool
        Round the number of windows up; a last window that would start in the padding after the input is dropped.
    return_indices : bool
        Return ``(y, indices)`` instead of ``y``.
    layout : {"NCHW", "NHWC"}
        Order of the axes of `x` and of the results.
    backend : {"fast", "numpy", "naive"}, optional
        Backend of this call; by default the current one.

    Returns
    -------
    y : ndarray, shape (N, C, OH, OW), or (N, OH, OW, C) with ``layout="NHWC"``
        Its dtype is that of `x`, or float64 if that is an integer type.
    indices : ndarray of int64, shaped like `y`
        Only with ``return_indices=True``: position of each maximum in its flattened input plane (``h * W + w``). A
        tie goes to the first element in row-major window order, of several NaN the first counts, and -1 stands for a
        dilated window that touches no real cell.

    Raises
    ------
    ValueError
        If sizes or shapes do not fit together; the message names the rule and the shapes.
    TypeError
        If an argument has a type or dtype that is not taken.

    See Also
    --------
    max_pool2d_backward : The gradient, from the indices.

    Notes
    -----
    NaN propagates. Padding never wins: a window of minus infinities points at its first real cell.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv as fc
    >>> x = np.array([[[[1.0, 5, 2, 0], [3, 4, 8, 8]]]])
    >>> y, indices = fc.max_pool2d(x, 2, return_indices=True)
    >>> y[0, 0], indices[0, 0]
    (array([[5., 8.]]), array([[1, 6]]))
    """
    return _max_pool(
        "max_pool2d", 2, x, kernel_size, stride, padding, dilation, ceil_mode, return_indices, layout, backend
    )


def max_pool2d_backward(
    dy: Any, indices: Any, input_shape: Any, *, layout: str = "NCHW", backend: str | None = None
) -> Array:
    """Gradient of `max_pool2d` with respect to its input: every gradient goes to the cell that won.

    ``(N, C, OH, OW), (N, C, OH, OW) -> (N, C, H, W)``

    Parameters
    ----------
    dy : array_like, shape (N, C, OH, OW), or (N, OH, OW, C) with ``layout="NHWC"``
        Gradient of the loss with respect to the output of `max_pool2d`.
    indices : array_like of int, shaped like `dy`
        The indices of the forward call; -1 sends a gradient nowhere.
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
        If an index lies outside its plane, or the shapes do not fit together.
    TypeError
        If an argument has a type or dtype that is not taken.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv as fc
    >>> fc.max_pool2d_backward(np.array([[[[10.0, 20.0]]]]), np.array([[[[1, 1]]]]), (1, 1, 2, 3))[0, 0]
    array([[ 0., 30.,  0.],
           [ 0.,  0.,  0.]])
    """
    return _max_pool_backward("max_pool2d_backward", 2, dy, indices, input_shape, layout, backend)


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

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv as fc
    >>> x = np.array([[[[1.0, 5, 2], [3, 4, 9]]]])
    >>> fc.avg_pool2d(x, (2, 1), stride=1)[0, 0]
    array([[2. , 4.5, 5.5]])
    """
    return _avg_pool(
        "avg_pool2d", 2, x, kernel_size, stride, padding, dilation, ceil_mode, count_include_pad, layout, backend
    )


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
    return _avg_pool_backward(
        "avg_pool2d_backward",
        2,
        dy,
        input_shape,
        kernel_size,
        stride,
        padding,
        dilation,
        ceil_mode,
        count_include_pad,
        layout,
        backend,
    )


def _geometry(
    operation: str,
    shape: tuple[int, ...],
    rank: int,
    kernel_size: object,
    stride: object,
    padding: object,
    dilation: object,
    ceil_mode: object,
    itemsize: int,
) -> WindowGeometry:
    kernel = check_sizes(operation, "kernel_size", kernel_size, rank, 1)
    return pool_geometry(
        operation,
        shape,
        kernel,
        kernel if stride is None else check_sizes(operation, "stride", stride, rank, 1),
        check_padding(operation, padding, rank),
        check_sizes(operation, "dilation", dilation, rank, 1),
        check_flag(operation, "ceil_mode", ceil_mode),
        itemsize,
    )


def _max_pool(
    operation: str,
    rank: int,
    x: Any,
    kernel_size: object,
    stride: object,
    padding: object,
    dilation: object,
    ceil_mode: object,
    return_indices: object,
    layout: object,
    backend: str | None,
) -> Array | tuple[Array, Array]:
    channels_last = check_layout(operation, layout, rank)
    x = check_array(operation, "x", x)
    check_rank(operation, "x", x.shape, rank, channels_last=channels_last)
    with_indices = check_flag(operation, "return_indices", return_indices)
    dtype = common_dtype(operation, x)
    shape = logical_shape(x.shape, channels_last=channels_last)
    geometry = _geometry(operation, shape, rank, kernel_size, stride, padding, dilation, ceil_mode, dtype.itemsize)
    y, indices = resolve_backend(backend, operation).max_pool(
        channels_first(as_computed(x, dtype), channels_last=channels_last), geometry, with_indices
    )
    y = finish(y, dtype, channels_last=channels_last)
    if indices is None:
        return y
    return y, finish(indices, indices.dtype, channels_last=channels_last)


def _max_pool_backward(
    operation: str, rank: int, dy: Any, indices: Any, input_shape: object, layout: object, backend: str | None
) -> Array:
    channels_last = check_layout(operation, layout, rank)
    dy = check_array(operation, "dy", dy)
    check_rank(operation, "dy", dy.shape, rank, channels_last=channels_last)
    indices = check_index_array(operation, "indices", indices)
    check_shape(operation, "indices", indices.shape, dy.shape, "the shape of dy")
    dtype = common_dtype(operation, dy)
    shape = _input_shape(operation, input_shape, rank, dy.shape, dtype.itemsize, channels_last=channels_last)
    plane = 1
    for size in shape[2:]:
        plane *= size
    if indices.size and not (int(indices.min()) >= -1 and int(indices.max()) < plane):
        raise InvalidValueError(
            f"{operation}: indices must lie inside the input plane, 0 to {plane - 1} (or be -1 for none), but got "
            f"{int(indices.min())} to {int(indices.max())} (input_shape {input_shape})."
        )
    dx = resolve_backend(backend, operation).max_pool_backward(
        channels_first(as_computed(dy, dtype), channels_last=channels_last),
        channels_first(indices, channels_last=channels_last),
        shape,
    )
    return finish(dx, dtype, channels_last=channels_last)


def _avg_pool(
    operation: str,
    rank: int,
    x: Any,
    kernel_size: object,
    stride: object,
    padding: object,
    dilation: object,
    ceil_mode: object,
    count_include_pad: object,
    layout: object,
    backend: str | None,
) -> Array:
    channels_last = check_layout(operation, layout, rank)
    x = check_array(operation, "x", x)
    check_rank(operation, "x", x.shape, rank, channels_last=channels_last)
    include_pad = check_flag(operation, "count_include_pad", count_include_pad)
    dtype = common_dtype(operation, x)
    shape = logical_shape(x.shape, channels_last=channels_last)
    geometry = _geometry(operation, shape, rank, kernel_size, stride, padding, dilation, ceil_mode, dtype.itemsize)
    y = resolve_backend(backend, operation).avg_pool(
        channels_first(as_computed(x, dtype), channels_last=channels_last), geometry, include_pad
    )
    return finish(y, dtype, channels_last=channels_last)


def _avg_pool_backward(
    operation: str,
    rank: int,
    dy: Any,
    input_shape: object,
    kernel_size: object,
    stride: object,
    padding: object,
    dilation: object,
    ceil_mode: object,
    count_include_pad: object,
    layout: object,
    backend: str | None,
) -> Array:
    channels_last = check_layout(operation, layout, rank)
    dy = check_array(operation, "dy", dy)
    check_rank(operation, "dy", dy.shape, rank, channels_last=channels_last)
    include_pad = check_flag(operation, "count_include_pad", count_include_pad)
    dtype = common_dtype(operation, dy)
    shape = _input_shape(operation, input_shape, rank, dy.shape, dtype.itemsize, channels_last=channels_last)
    geometry = _geometry(operation, shape, rank, kernel_size, stride, padding, dilation, ceil_mode, dtype.itemsize)
    expected = layout_shape(geometry.output_shape, channels_last=channels_last)
    check_shape(operation, "dy", dy.shape, expected, "the shape of the output")
    dx = resolve_backend(backend, operation).avg_pool_backward(
        channels_first(as_computed(dy, dtype), channels_last=channels_last), geometry, include_pad
    )
    return finish(dx, dtype, channels_last=channels_last)


def _input_shape(
    operation: str, value: object, rank: int, dy_shape: tuple[int, ...], itemsize: int, *, channels_last: bool
) -> tuple[int, ...]:
    """(N, C, *size) of the input of a forward call, whose batch and channels are those of `dy`."""
    shape = check_shape_argument(operation, "input_shape", value, LAYOUTS[rank][channels_last])
    check_rank(operation, "the input", shape, rank, channels_last=channels_last)
    check_fits(operation, "the input", shape, itemsize)
    logical = logical_shape(shape, channels_last=channels_last)
    expected = logical_shape(dy_shape, channels_last=channels_last)[:2]
    if logical[:2] != expected:
        raise InvalidValueError(
            f"{operation}: input_shape must have the batch and channels of dy, N={expected[0]} and C={expected[1]}, "
            f"but got N={logical[0]} and C={logical[1]} (input_shape {shape}, dy shape {dy_shape})."
        )
    return logical

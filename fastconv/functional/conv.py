"""Convolution: the public functions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from fastconv.backends import resolve_backend
from fastconv.errors import InvalidTypeError, InvalidValueError
from fastconv.functional.views import as_computed, channels_first, finish
from fastconv.geometry import ConvGeometry
from fastconv.validation.arrays import (
    Array,
    check_array,
    check_layout,
    check_rank,
    check_shape,
    common_dtype,
    layout_shape,
    logical_shape,
)
from fastconv.validation.operations import conv_geometry
from fastconv.validation.sizes import check_integer, check_padding, check_sizes

__all__ = ["ConvGradients", "conv2d", "conv2d_backward"]

_GRADIENTS = ("x", "weight", "bias")


class ConvGradients(NamedTuple):
    """Gradients of a convolution; None for those that were not asked for.

    Attributes
    ----------
    dx : ndarray or None
        Gradient of the input, shaped like it.
    dweight : ndarray or None
        Gradient of the weights, shaped like them.
    dbias : ndarray or None
        Gradient of the bias, shape (F,).
    """

    dx: Array | None
    dweight: Array | None
    dbias: Array | None


def conv2d(
    x: Any,
    weight: Any,
    bias: Any = None,
    *,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    layout: str = "NCHW",
    backend: str | None = None,
) -> Array:
    """Convolve a batch of planes with a set of filters.

    ``(N, C, H, W) * (F, C//groups, KH, KW) -> (N, F, OH, OW)``

    Parameters
    ----------
    x : array_like, shape (N, C, H, W), or (N, H, W, C) with ``layout="NHWC"``
        Input, of any strides. It is never modified.
    weight : array_like, shape (F, C//groups, KH, KW) in either layout
        Filters.
    bias : array_like, shape (F,), optional
        Added to every output of a filter.
    stride : int or sequence of two ints
        Cells between neighbouring windows, per axis (height first).
    padding : int, sequence of two ints, sequence of two (before, after) pairs, "valid", "same" or "same_lower"
        Cells of zeros around the plane. "same" gives ``ceil(size / stride)`` outputs with any stride and dilation
        and puts the odd cell after, "same_lower" before.
    dilation : int or sequence of two ints
        Cells between neighbouring taps of a filter; 1 is a dense filter.
    groups : int
        Groups of channels that do not see each other; ``groups=C`` is a depthwise convolution.
    layout : {"NCHW", "NHWC"}
        Order of the axes of `x` and of the result.
    backend : {"fast", "numpy", "naive"}, optional
        Backend of this call; by default the current one.

    Returns
    -------
    ndarray, shape (N, F, OH, OW), or (N, OH, OW, F) with ``layout="NHWC"``
        Its dtype is `np.result_type` of all inputs, or float64 if that is an integer type. float16 is accumulated in
        float32. Memory order is not part of the contract: the fast backend returns channels-last memory.

    Raises
    ------
    ValueError
        If sizes, shapes or groups do not fit together; the message names the rule and the shapes.
    TypeError
        If an argument has a type or dtype that is not taken (floats as sizes, complex or object arrays).
    MemoryError
        If the result would be larger than the memory of the machine.

    See Also
    --------
    conv2d_backward : The gradients.

    Notes
    -----
    This is the cross-correlation of deep learning; the filter is not flipped:

    ``y[n, f, i, j] = bias[f] + sum_{c, k, l} x[n, c, i*sh + k*dh - ph, j*sw + l*dw - pw] * weight[f, c, k, l]``

    The lowering to a matrix product over im2col columns is due to Chellapilla, Puri and Simard (2006), "High
    Performance Convolutional Neural Networks for Document Processing", section 3.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv as fc
    >>> x = np.arange(12, dtype=np.float32).reshape(1, 1, 3, 4)
    >>> weight = np.array([[[[1, 0], [0, -1]]]], dtype=np.float32)
    >>> fc.conv2d(x, weight, stride=(1, 2))[0, 0]
    array([[-5., -5.],
           [-5., -5.]], dtype=float32)
    """
    return _conv("conv2d", 2, x, weight, bias, stride, padding, dilation, groups, layout, backend)


def conv2d_backward(
    dy: Any,
    x: Any,
    weight: Any,
    *,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    layout: str = "NCHW",
    needs: Iterable[str] = _GRADIENTS,
    backend: str | None = None,
) -> ConvGradients:
    """Gradients of `conv2d` with respect to its input, weights and bias.

    ``(N, F, OH, OW), (N, C, H, W), (F, C//groups, KH, KW) -> dx, dweight, dbias``

    Parameters
    ----------
    dy : array_like, shape (N, F, OH, OW), or (N, OH, OW, F) with ``layout="NHWC"``
        Gradient of the loss with respect to the output of `conv2d`.
    x : array_like
        The input of the forward call.
    weight : array_like, shape (F, C//groups, KH, KW)
        The filters of the forward call.
    stride, padding, dilation, groups, layout
        As in the forward call, see `conv2d`.
    needs : iterable of {"x", "weight", "bias"}
        Gradients to compute; the others are None.
    backend : {"fast", "numpy", "naive"}, optional
        Backend of this call; by default the current one.

    Returns
    -------
    ConvGradients
        ``(dx, dweight, dbias)``; a NamedTuple. Their dtype is `np.result_type` of all inputs.

    Raises
    ------
    ValueError
        If `dy` has not the shape of the output, if `needs` names something else, or as in `conv2d`.
    TypeError
        As in `conv2d`.

    See Also
    --------
    conv2d : The forward pass, with all parameters.

    Notes
    -----
    With the columns of x as a matrix X (im2col) and the filters as a matrix W, forward is Y = W X, so that
    dW = dY Xᵀ, dX = Wᵀ dY scattered back (col2im), and dbias is the sum of dY over batch and positions. No mean over
    the batch is taken: the loss decides the scale.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv as fc
    >>> x = np.ones((1, 1, 3, 4))
    >>> weight = np.ones((1, 1, 2, 3))
    >>> gradients = fc.conv2d_backward(np.ones((1, 1, 2, 2)), x, weight, needs=("x", "bias"))
    >>> gradients.dx[0, 0]
    array([[1., 2., 2., 1.],
           [2., 4., 4., 2.],
           [1., 2., 2., 1.]])
    >>> gradients.dbias, gradients.dweight
    (array([4.]), None)
    """
    return _conv_backward(
        "conv2d_backward", 2, dy, x, weight, stride, padding, dilation, groups, layout, needs, backend
    )


def _geometry(
    operation: str,
    rank: int,
    x: Array,
    weight: Array,
    stride: object,
    padding: object,
    dilation: object,
    groups: object,
    channels_last: bool,
    itemsize: int,
) -> ConvGeometry:
    check_rank(operation, "x", x.shape, rank, channels_last=channels_last)
    if weight.ndim != rank + 2:
        raise InvalidValueError(
            f"{operation}: weight must have {rank + 2} axes, (F, C//groups, *kernel), but got {weight.ndim} "
            f"(shape {weight.shape})."
        )
    return conv_geometry(
        operation,
        logical_shape(x.shape, channels_last=channels_last),
        weight.shape,
        check_sizes(operation, "stride", stride, rank, 1),
        check_padding(operation, padding, rank),
        check_sizes(operation, "dilation", dilation, rank, 1),
        check_integer(operation, "groups", groups, 1),
        itemsize,
    )


def _conv(
    operation: str,
    rank: int,
    x: Any,
    weight: Any,
    bias: Any,
    stride: object,
    padding: object,
    dilation: object,
    groups: object,
    layout: object,
    backend: str | None,
) -> Array:
    channels_last = check_layout(operation, layout, rank)
    x, weight = check_array(operation, "x", x), check_array(operation, "weight", weight)
    arrays = [x, weight]
    if bias is not None:
        bias = check_array(operation, "bias", bias)
        arrays.append(bias)
    dtype = common_dtype(operation, *arrays)
    geometry = _geometry(operation, rank, x, weight, stride, padding, dilation, groups, channels_last, dtype.itemsize)
    if bias is not None:
        check_shape(operation, "bias", bias.shape, (geometry.filters,), "one value per filter")
        bias = as_computed(bias, dtype)
    y = resolve_backend(backend, operation).conv(
        channels_first(as_computed(x, dtype), channels_last=channels_last), as_computed(weight, dtype), bias, geometry
    )
    return finish(y, dtype, channels_last=channels_last)


def _conv_backward(
    operation: str,
    rank: int,
    dy: Any,
    x: Any,
    weight: Any,
    stride: object,
    padding: object,
    dilation: object,
    groups: object,
    layout: object,
    needs: Iterable[str],
    backend: str | None,
) -> ConvGradients:
    channels_last = check_layout(operation, layout, rank)
    dy, x = check_array(operation, "dy", dy), check_array(operation, "x", x)
    weight = check_array(operation, "weight", weight)
    wanted = _check_needs(operation, needs)
    dtype = common_dtype(operation, dy, x, weight)
    geometry = _geometry(operation, rank, x, weight, stride, padding, dilation, groups, channels_last, dtype.itemsize)
    check_rank(operation, "dy", dy.shape, rank, channels_last=channels_last)
    expected = layout_shape(geometry.output_shape, channels_last=channels_last)
    check_shape(operation, "dy", dy.shape, expected, "the shape of the output")
    dx, dweight, dbias = resolve_backend(backend, operation).conv_backward(
        channels_first(as_computed(dy, dtype), channels_last=channels_last),
        channels_first(as_computed(x, dtype), channels_last=channels_last),
        as_computed(weight, dtype),
        geometry,
        wanted,
    )
    return ConvGradients(
        None if dx is None else finish(dx, dtype, channels_last=channels_last),
        None if dweight is None else finish(dweight, dtype, channels_last=False),
        None if dbias is None else finish(dbias, dtype, channels_last=False),
    )


def _check_needs(operation: str, needs: Iterable[str]) -> frozenset[str]:
    names = (needs,) if isinstance(needs, str) else needs
    if not isinstance(names, Iterable):
        raise InvalidTypeError(f"{operation}: needs must be an iterable of names, but got {needs!r}.")
    wanted = tuple(names)
    if any(name not in _GRADIENTS for name in wanted):
        raise InvalidValueError(
            f"{operation}: needs must name some of {', '.join(map(repr, _GRADIENTS))}, but got {wanted!r}."
        )
    return frozenset(wanted)

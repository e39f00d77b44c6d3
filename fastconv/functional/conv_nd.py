"""Convolution of sequences and volumes: the public functions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fastconv.functional.conv_any import ConvGradients, conv, conv_backward
from fastconv.validation.arrays import Array
from fastconv.validation.sizes import GRADIENTS

__all__ = ["conv1d", "conv1d_backward", "conv3d", "conv3d_backward"]


def conv1d(
    x: Any,
    weight: Any,
    bias: Any = None,
    *,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    layout: str = "NCW",
    backend: str | None = None,
) -> Array:
    """Convolve a batch of sequences with a set of filters.

    ``(N, C, W) * (F, C//groups, KW) -> (N, F, OW)``

    Parameters
    ----------
    x : array_like, shape (N, C, W), or (N, W, C) with ``layout="NWC"``
        Input, of any strides. It is never modified.
    weight : array_like, shape (F, C//groups, KW) in either layout
        Filters.
    bias : array_like, shape (F,), optional
        Added to every output of a filter.
    stride, padding, dilation : int, or sequence of one, …
        As in `conv2d`, for the one axis.
    groups : int
        Groups of channels that do not see each other.
    layout : {"NCW", "NWC"}
        Order of the axes of `x` and of the result.
    backend : {"fast", "numpy", "naive"}, optional
        Backend of this call; by default the current one.

    Returns
    -------
    ndarray, shape (N, F, OW), or (N, OW, F) with ``layout="NWC"``
        Its dtype is that of `conv2d`.

    Raises
    ------
    ValueError, TypeError, MemoryError
        As in `conv2d`.

    See Also
    --------
    conv2d : The same with two spatial axes, with all parameters and the conventions.
    conv1d_backward : The gradients.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv as fc
    >>> x = np.array([[[1, 2, 3, 4, 5]]], dtype=np.float32)
    >>> weight = np.array([[[1, 10]]], dtype=np.float32)
    >>> fc.conv1d(x, weight, stride=3)
    array([[[21., 54.]]], dtype=float32)
    """
    return conv("conv1d", 1, x, weight, bias, stride, padding, dilation, groups, layout, backend)


def conv1d_backward(
    dy: Any,
    x: Any,
    weight: Any,
    *,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    layout: str = "NCW",
    needs: Iterable[str] = GRADIENTS,
    backend: str | None = None,
) -> ConvGradients:
    """Gradients of `conv1d` with respect to its input, weights and bias.

    ``(N, F, OW), (N, C, W), (F, C//groups, KW) -> dx, dweight, dbias``

    Parameters
    ----------
    dy : array_like, shape (N, F, OW), or (N, OW, F) with ``layout="NWC"``
        Gradient of the loss with respect to the output of `conv1d`.
    x : array_like
        The input of the forward call.
    weight : array_like, shape (F, C//groups, KW)
        The filters of the forward call.
    stride, padding, dilation, groups, layout
        As in the forward call, see `conv1d`.
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
    ValueError, TypeError, MemoryError
        As in `conv2d_backward`.

    See Also
    --------
    conv1d : The forward pass.
    conv2d_backward : The same with two spatial axes, and the conventions.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv as fc
    >>> x, weight = np.array([[[1.0, 2, 3, 4, 5]]]), np.array([[[1.0, 10]]])
    >>> gradients = fc.conv1d_backward(np.array([[[1.0, 2]]]), x, weight, stride=3)
    >>> gradients.dx, gradients.dweight, gradients.dbias
    (array([[[ 1., 10.,  0.,  2., 20.]]]), array([[[ 9., 12.]]]), array([3.]))
    """
    return conv_backward("conv1d_backward", 1, dy, x, weight, stride, padding, dilation, groups, layout, needs, backend)


def conv3d(
    x: Any,
    weight: Any,
    bias: Any = None,
    *,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    layout: str = "NCDHW",
    backend: str | None = None,
) -> Array:
    """Convolve a batch of volumes with a set of filters.

    ``(N, C, D, H, W) * (F, C//groups, KD, KH, KW) -> (N, F, OD, OH, OW)``

    Parameters
    ----------
    x : array_like, shape (N, C, D, H, W), or (N, D, H, W, C) with ``layout="NDHWC"``
        Input, of any strides. It is never modified.
    weight : array_like, shape (F, C//groups, KD, KH, KW) in either layout
        Filters.
    bias : array_like, shape (F,), optional
        Added to every output of a filter.
    stride, padding, dilation : int or sequence of three ints, …
        As in `conv2d`, depth first.
    groups : int
        Groups of channels that do not see each other.
    layout : {"NCDHW", "NDHWC"}
        Order of the axes of `x` and of the result.
    backend : {"fast", "numpy", "naive"}, optional
        Backend of this call; by default the current one.

    Returns
    -------
    ndarray, shape (N, F, OD, OH, OW), or (N, OD, OH, OW, F) with ``layout="NDHWC"``
        Its dtype is that of `conv2d`.

    Raises
    ------
    ValueError, TypeError, MemoryError
        As in `conv2d`.

    See Also
    --------
    conv2d : The same with two spatial axes, with all parameters and the conventions.
    conv3d_backward : The gradients.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv as fc
    >>> x = np.arange(24, dtype=np.float32).reshape(1, 1, 2, 3, 4)
    >>> weight = np.ones((1, 1, 2, 1, 3), dtype=np.float32)
    >>> fc.conv3d(x, weight, stride=(1, 2, 1))[0, 0, 0]
    array([[42., 48.],
           [90., 96.]], dtype=float32)
    """
    return conv("conv3d", 3, x, weight, bias, stride, padding, dilation, groups, layout, backend)


def conv3d_backward(
    dy: Any,
    x: Any,
    weight: Any,
    *,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    layout: str = "NCDHW",
    needs: Iterable[str] = GRADIENTS,
    backend: str | None = None,
) -> ConvGradients:
    """Gradients of `conv3d` with respect to its input, weights and bias.

    ``(N, F, OD, OH, OW), (N, C, D, H, W), (F, C//groups, KD, KH, KW) -> dx, dweight, dbias``

    Parameters
    ----------
    dy : array_like, shape (N, F, OD, OH, OW), or (N, OD, OH, OW, F) with ``layout="NDHWC"``
        Gradient of the loss with respect to the output of `conv3d`.
    x : array_like
        The input of the forward call.
    weight : array_like, shape (F, C//groups, KD, KH, KW)
        The filters of the forward call.
    stride, padding, dilation, groups, layout
        As in the forward call, see `conv3d`.
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
    ValueError, TypeError, MemoryError
        As in `conv2d_backward`.

    See Also
    --------
    conv3d : The forward pass.
    conv2d_backward : The same with two spatial axes, and the conventions.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv as fc
    >>> x, weight = np.ones((1, 1, 2, 3, 4)), np.ones((1, 1, 2, 1, 3))
    >>> gradients = fc.conv3d_backward(np.ones((1, 1, 1, 3, 2)), x, weight)
    >>> gradients.dx[0, 0, 0]
    array([[1., 2., 2., 1.],
           [1., 2., 2., 1.],
           [1., 2., 2., 1.]])
    """
    return conv_backward("conv3d_backward", 3, dy, x, weight, stride, padding, dilation, groups, layout, needs, backend)

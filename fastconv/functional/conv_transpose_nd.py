"""Transposed convolution of sequences and volumes: the public functions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fastconv.functional.conv_any import ConvGradients
from fastconv.functional.conv_transpose_any import conv_transpose, conv_transpose_backward
from fastconv.validation.arrays import Array
from fastconv.validation.sizes import GRADIENTS

__all__ = ["conv_transpose1d", "conv_transpose1d_backward", "conv_transpose3d", "conv_transpose3d_backward"]


def conv_transpose1d(
    x: Any,
    weight: Any,
    bias: Any = None,
    *,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    output_size: Any = None,
    dilation: Any = 1,
    groups: int = 1,
    layout: str = "NCW",
    backend: str | None = None,
) -> Array:
    """Spread every cell of a batch of sequences over a window of the output, and add the windows up.

    ``(N, C_in, W) * (C_in, C_out//groups, KW) -> (N, C_out, OW)``

    Parameters
    ----------
    x : array_like, shape (N, C_in, W), or (N, W, C_in) with ``layout="NWC"``
        Input, of any strides. It is never modified.
    weight : array_like, shape (C_in, C_out//groups, KW) in either layout
        Filters, input channels first.
    bias : array_like, shape (C_out,), optional
        Added to every output of a channel.
    stride, padding, output_padding, output_size, dilation : int, or sequence of one, …
        As in `conv_transpose2d`, for the one axis.
    groups : int
        Groups of channels that do not see each other.
    layout : {"NCW", "NWC"}
        Order of the axes of `x` and of the result.
    backend : {"fast", "numpy", "naive"}, optional
        Backend of this call; by default the current one.

    Returns
    -------
    ndarray, shape (N, C_out, OW), or (N, OW, C_out) with ``layout="NWC"``
        Its dtype is that of `conv_transpose2d`.

    Raises
    ------
    ValueError, TypeError, MemoryError
        As in `conv_transpose2d`.

    See Also
    --------
    conv_transpose2d : The same with two spatial axes, with all parameters and the conventions.
    conv_transpose1d_backward : The gradients.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv as fc
    >>> x = np.array([[[1, 2, 3]]], dtype=np.float32)
    >>> weight = np.array([[[1, 10, 100]]], dtype=np.float32)
    >>> fc.conv_transpose1d(x, weight, stride=2)
    array([[[  1.,  10., 102.,  20., 203.,  30., 300.]]], dtype=float32)
    """
    return conv_transpose(
        "conv_transpose1d", 1, x, weight, bias, stride, padding, output_padding, output_size, dilation, groups, layout,
        backend,
    )  # fmt: skip


def conv_transpose1d_backward(
    dy: Any,
    x: Any,
    weight: Any,
    *,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    output_size: Any = None,
    dilation: Any = 1,
    groups: int = 1,
    layout: str = "NCW",
    needs: Iterable[str] = GRADIENTS,
    backend: str | None = None,
) -> ConvGradients:
    """Gradients of `conv_transpose1d` with respect to its input, weights and bias.

    ``(N, C_out, OW), (N, C_in, W), (C_in, C_out//groups, KW) -> dx, dweight, dbias``

    Parameters
    ----------
    dy : array_like, shape (N, C_out, OW), or (N, OW, C_out) with ``layout="NWC"``
        Gradient of the loss with respect to the output of `conv_transpose1d`.
    x : array_like
        The input of the forward call.
    weight : array_like, shape (C_in, C_out//groups, KW)
        The filters of the forward call.
    stride, padding, output_padding, output_size, dilation, groups, layout
        As in the forward call, see `conv_transpose1d`.
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
        As in `conv_transpose2d_backward`.

    See Also
    --------
    conv_transpose1d : The forward pass.
    conv_transpose2d_backward : The same with two spatial axes, and the conventions.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv as fc
    >>> x, weight = np.array([[[1.0, 2]]]), np.array([[[1.0, 10]]])
    >>> gradients = fc.conv_transpose1d_backward(np.array([[[1.0, 2, 3, 4]]]), x, weight, stride=2)
    >>> gradients.dx, gradients.dweight, gradients.dbias
    (array([[[21., 43.]]]), array([[[ 7., 10.]]]), array([10.]))
    """
    return conv_transpose_backward(
        "conv_transpose1d_backward", 1, dy, x, weight, stride, padding, output_padding, output_size, dilation,
        groups, layout, needs, backend,
    )  # fmt: skip


def conv_transpose3d(
    x: Any,
    weight: Any,
    bias: Any = None,
    *,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    output_size: Any = None,
    dilation: Any = 1,
    groups: int = 1,
    layout: str = "NCDHW",
    backend: str | None = None,
) -> Array:
    """Spread every cell of a batch of volumes over a window of the output, and add the windows up.

    ``(N, C_in, D, H, W) * (C_in, C_out//groups, KD, KH, KW) -> (N, C_out, OD, OH, OW)``

    Parameters
    ----------
    x : array_like, shape (N, C_in, D, H, W), or (N, D, H, W, C_in) with ``layout="NDHWC"``
        Input, of any strides. It is never modified.
    weight : array_like, shape (C_in, C_out//groups, KD, KH, KW) in either layout
        Filters, input channels first.
    bias : array_like, shape (C_out,), optional
        Added to every output of a channel.
    stride, padding, output_padding, output_size, dilation : int or sequence of three ints, …
        As in `conv_transpose2d`, depth first.
    groups : int
        Groups of channels that do not see each other.
    layout : {"NCDHW", "NDHWC"}
        Order of the axes of `x` and of the result.
    backend : {"fast", "numpy", "naive"}, optional
        Backend of this call; by default the current one.

    Returns
    -------
    ndarray, shape (N, C_out, OD, OH, OW), or (N, OD, OH, OW, C_out) with ``layout="NDHWC"``
        Its dtype is that of `conv_transpose2d`.

    Raises
    ------
    ValueError, TypeError, MemoryError
        As in `conv_transpose2d`.

    See Also
    --------
    conv_transpose2d : The same with two spatial axes, with all parameters and the conventions.
    conv_transpose3d_backward : The gradients.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv as fc
    >>> x = np.array([1, 2], dtype=np.float32).reshape(1, 1, 1, 1, 2)
    >>> weight = np.array([1, 10], dtype=np.float32).reshape(1, 1, 2, 1, 1)
    >>> fc.conv_transpose3d(x, weight, stride=(1, 1, 2), output_padding=(0, 0, 1))[0, 0]
    array([[[ 1.,  0.,  2.,  0.]],
    <BLANKLINE>
           [[10.,  0., 20.,  0.]]], dtype=float32)
    """
    return conv_transpose(
        "conv_transpose3d", 3, x, weight, bias, stride, padding, output_padding, output_size, dilation, groups, layout,
        backend,
    )  # fmt: skip


def conv_transpose3d_backward(
    dy: Any,
    x: Any,
    weight: Any,
    *,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    output_size: Any = None,
    dilation: Any = 1,
    groups: int = 1,
    layout: str = "NCDHW",
    needs: Iterable[str] = GRADIENTS,
    backend: str | None = None,
) -> ConvGradients:
    """Gradients of `conv_transpose3d` with respect to its input, weights and bias.

    ``(N, C_out, OD, OH, OW), (N, C_in, D, H, W), (C_in, C_out//groups, KD, KH, KW) -> dx, dweight, dbias``

    Parameters
    ----------
    dy : array_like, shape (N, C_out, OD, OH, OW), or (N, OD, OH, OW, C_out) with ``layout="NDHWC"``
        Gradient of the loss with respect to the output of `conv_transpose3d`.
    x : array_like
        The input of the forward call.
    weight : array_like, shape (C_in, C_out//groups, KD, KH, KW)
        The filters of the forward call.
    stride, padding, output_padding, output_size, dilation, groups, layout
        As in the forward call, see `conv_transpose3d`.
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
        As in `conv_transpose2d_backward`.

    See Also
    --------
    conv_transpose3d : The forward pass.
    conv_transpose2d_backward : The same with two spatial axes, and the conventions.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv as fc
    >>> x, weight = np.ones((1, 1, 1, 2, 3)), np.ones((1, 1, 2, 1, 2))
    >>> gradients = fc.conv_transpose3d_backward(np.ones((1, 1, 2, 2, 4)), x, weight)
    >>> gradients.dx[0, 0]
    array([[[4., 4., 4.],
            [4., 4., 4.]]])
    """
    return conv_transpose_backward(
        "conv_transpose3d_backward", 3, dy, x, weight, stride, padding, output_padding, output_size, dilation,
        groups, layout, needs, backend,
    )  # fmt: skip

"""Transposed convolution of sequences, planes and volumes, and its gradients."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import ClassVar

from fastconv.backends.base import Backend, Gradients
from fastconv.backends.geometry import ConvGeometry
from fastconv.functional.call import ConvGradients, PlanesCall
from fastconv.functional.conv import ConvWindows, convolve, convolve_backward
from fastconv.validation.arrays import Array
from fastconv.validation.sizes import GRADIENTS, check_integer, check_sizes
from fastconv.validation.transposed import conv_transpose_geometry
from fastconv.validation.types import ArrayLike, BackendName, Layout, Padding, Shape, Size


@dataclass
class TransposedWindows(ConvWindows):
    """What a user said about the windows of a transposed convolution: the convolution that it turns round."""

    output_padding: object
    output_size: object

    weight_axes: ClassVar[str] = "(C_in, C_out//groups, *kernel)"
    output_name: ClassVar[str] = "output channel"

    def geometry(self, call: PlanesCall, x: Array, weight: Array) -> ConvGeometry:
        """Geometry of the convolution from the output to `x`."""
        operation, rank = call.operation, call.rank
        self.check_weight(call, weight)
        steps, sizes = self.checked(call), (call.shape(x.shape), weight.shape)
        groups = check_integer(operation, "groups", self.groups, 1)
        extra = check_sizes(operation, "output_padding", self.output_padding, rank, 0)
        out = None if self.output_size is None else check_sizes(operation, "output_size", self.output_size, rank, 1)
        return conv_transpose_geometry(operation, *sizes, *steps, groups, extra, out, call.dtype.itemsize)

    def output_shape(self, geometry: ConvGeometry) -> Shape:
        """(N, C_out, *out)."""
        return geometry.input_shape

    def forward(self) -> Callable[..., Array]:
        """What computes the result."""
        return Backend.conv_transpose

    def backward(self) -> Callable[..., Gradients]:
        """What computes the gradients."""
        return Backend.conv_transpose_backward


def conv_transpose2d(
    x: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    *,
    stride: Size = 1,
    padding: Padding = 0,
    output_padding: Size = 0,
    output_size: Size | None = None,
    dilation: Size = 1,
    groups: int = 1,
    layout: Layout = "NCHW",
    backend: BackendName | None = None,
) -> Array:
    """Convolve the other way round: spread every pixel over a window of the output, and add the windows up.

    ``(N, C_in, H, W) * (C_in, C_out//groups, KH, KW) -> (N, C_out, OH, OW)``

    Parameters
    ----------
    x : array_like, shape (N, C_in, H, W), or (N, H, W, C_in) with ``layout="NHWC"``
        Input, of any strides. It is never modified.
    weight : array_like, shape (C_in, C_out//groups, KH, KW) in either layout
        Filters, input channels first.
    bias : array_like, shape (C_out,), optional
        Added to every pixel of a channel of the output.
    stride : int or sequence of two ints
        Cells of the output between the windows of neighbouring pixels, per axis (height first).
    padding : int, sequence of two ints, sequence of two (before, after) pairs, "valid", "same" or "same_lower"
        Cells that are cut off at the edges of the output. "same" and "same_lower" give ``size * stride`` outputs; where
        the cells to cut off are odd in number, "same" cuts one more after, "same_lower" before.
    output_padding : int or sequence of two ints
        Cells added to the output after its last one, where windows reach them or not; fewer than the larger of stride
        and dilation. Zero with "same" and "same_lower".
    output_size : int or sequence of two ints, optional
        Size of the output (OH, OW), in place of `output_padding`: a convolution with a stride gives the same size for
        several inputs, and this says which of them is meant.
    dilation, groups, layout, backend
        As for `conv2d`.

    Returns
    -------
    ndarray, shape (N, C_out, OH, OW), or (N, OH, OW, C_out) with ``layout="NHWC"``
        ``OH = (H - 1) * stride - before - after + dilation * (KH - 1) + 1 + output_padding``. Dtype and memory order
        are as for `conv2d`.

    Raises
    ------
    ValueError, TypeError, MemoryError
        As `conv2d`; for `output_size` the message names the sizes that are possible.

    See Also
    --------
    conv_transpose2d_backward : The gradients.
    conv_transpose1d, conv_transpose3d : The same with one and three spatial axes.
    conv2d : The operation that this is the transpose of.

    Notes
    -----
    This is the gradient of `conv2d` with respect to its input, as an operation: with the same weights and options,
    ``<conv2d(u), v> == <u, conv_transpose2d(v)>``. It does not undo a convolution, though it is called
    "deconvolution" as well (Zeiler, Krishnan, Taylor and Fergus (2010), "Deconvolutional Networks"); Dumoulin and
    Visin (2016), "A guide to convolution arithmetic for deep learning", section 4, has the pictures.

    ``y[n, d, i*sh + k*dh - ph, j*sw + l*dw - pw] += x[n, c, i, j] * weight[c, d, k, l]``

    With an infinite or NaN *weight*, the fast backend may give NaN for other numbers as well: those that the weight
    would reach from a pixel beyond the edge of `x`.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv as fc
    >>> x = np.array([[[[1, 2, 3]]]], dtype=np.float32)
    >>> weight = np.array([[[[1, 10], [2, 20]]]], dtype=np.float32)
    >>> fc.conv_transpose2d(x, weight)[0, 0]
    array([[ 1., 12., 23., 30.],
           [ 2., 24., 46., 60.]], dtype=float32)
    >>> fc.conv_transpose2d(x, weight, stride=(1, 3), output_size=(2, 9)).shape
    (1, 1, 2, 9)
    """
    call = PlanesCall("conv_transpose2d", 2, layout, backend)
    windows = TransposedWindows(stride, padding, dilation, groups, output_padding, output_size)
    return convolve(call, x, weight, bias, windows)


def conv_transpose2d_backward(
    dy: ArrayLike,
    x: ArrayLike,
    weight: ArrayLike,
    *,
    stride: Size = 1,
    padding: Padding = 0,
    output_padding: Size = 0,
    output_size: Size | None = None,
    dilation: Size = 1,
    groups: int = 1,
    layout: Layout = "NCHW",
    needs: Iterable[str] = GRADIENTS,
    backend: BackendName | None = None,
) -> ConvGradients:
    """Gradients of `conv_transpose2d` with respect to its input, weights and bias.

    ``(N, C_out, OH, OW), (N, C_in, H, W), (C_in, C_out//groups, KH, KW) -> dx, dweight, dbias``

    Parameters
    ----------
    dy : array_like, shape (N, C_out, OH, OW), or (N, OH, OW, C_out) with ``layout="NHWC"``
        Gradient of the loss with respect to the output of `conv_transpose2d`.
    x, weight, stride, padding, output_padding, output_size, dilation, groups, layout, backend
        As in the forward call.
    needs
        As for `conv2d_backward`.

    Returns
    -------
    ConvGradients
        As of `conv2d_backward`.

    See Also
    --------
    conv_transpose2d : The forward pass, with all parameters.

    Notes
    -----
    The transpose of a transpose is the operation itself: dx is `conv2d` of dy with the same weights and options, and
    dweight is the weight gradient of that convolution with x and dy in each other's place. dbias is the sum of dy over
    batch and positions. What `padding` cut off counts as zeros that are multiplied, as in `conv2d`.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv as fc
    >>> x, weight = np.array([[[[1.0, 2, 3]]]]), np.ones((1, 1, 2, 2))
    >>> gradients = fc.conv_transpose2d_backward(np.ones((1, 1, 2, 6)), x, weight, stride=2)
    >>> gradients.dx[0, 0]
    array([[4., 4., 4.]])
    >>> gradients.dweight[0, 0]
    array([[6., 6.],
           [6., 6.]])
    """
    call = PlanesCall("conv_transpose2d_backward", 2, layout, backend)
    windows = TransposedWindows(stride, padding, dilation, groups, output_padding, output_size)
    return convolve_backward(call, dy, x, weight, windows, needs)


def conv_transpose1d(
    x: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    *,
    stride: Size = 1,
    padding: Padding = 0,
    output_padding: Size = 0,
    output_size: Size | None = None,
    dilation: Size = 1,
    groups: int = 1,
    layout: Layout = "NCW",
    backend: BackendName | None = None,
) -> Array:
    """Spread every cell of a batch of sequences over a window of the output, and add the windows up.

    ``(N, C_in, W) * (C_in, C_out//groups, KW) -> (N, C_out, OW)``

    Arguments as for `conv_transpose2d`, with one axis; `layout` is "NCW" or "NWC".

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv as fc
    >>> x = np.array([[[1, 2, 3]]], dtype=np.float32)
    >>> weight = np.array([[[1, 10, 100]]], dtype=np.float32)
    >>> fc.conv_transpose1d(x, weight, stride=2)
    array([[[  1.,  10., 102.,  20., 203.,  30., 300.]]], dtype=float32)
    """
    call = PlanesCall("conv_transpose1d", 1, layout, backend)
    windows = TransposedWindows(stride, padding, dilation, groups, output_padding, output_size)
    return convolve(call, x, weight, bias, windows)


def conv_transpose1d_backward(
    dy: ArrayLike,
    x: ArrayLike,
    weight: ArrayLike,
    *,
    stride: Size = 1,
    padding: Padding = 0,
    output_padding: Size = 0,
    output_size: Size | None = None,
    dilation: Size = 1,
    groups: int = 1,
    layout: Layout = "NCW",
    needs: Iterable[str] = GRADIENTS,
    backend: BackendName | None = None,
) -> ConvGradients:
    """Gradients of `conv_transpose1d` with respect to its input, weights and bias.

    ``(N, C_out, OW), (N, C_in, W), (C_in, C_out//groups, KW) -> dx, dweight, dbias``

    Arguments as for `conv_transpose2d_backward`, with one axis; `layout` is "NCW" or "NWC".

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv as fc
    >>> x, weight = np.array([[[1.0, 2]]]), np.array([[[1.0, 10]]])
    >>> gradients = fc.conv_transpose1d_backward(np.array([[[1.0, 2, 3, 4]]]), x, weight, stride=2)
    >>> gradients.dx, gradients.dweight, gradients.dbias
    (array([[[21., 43.]]]), array([[[ 7., 10.]]]), array([10.]))
    """
    call = PlanesCall("conv_transpose1d_backward", 1, layout, backend)
    windows = TransposedWindows(stride, padding, dilation, groups, output_padding, output_size)
    return convolve_backward(call, dy, x, weight, windows, needs)


def conv_transpose3d(
    x: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    *,
    stride: Size = 1,
    padding: Padding = 0,
    output_padding: Size = 0,
    output_size: Size | None = None,
    dilation: Size = 1,
    groups: int = 1,
    layout: Layout = "NCDHW",
    backend: BackendName | None = None,
) -> Array:
    """Spread every cell of a batch of volumes over a window of the output, and add the windows up.

    ``(N, C_in, D, H, W) * (C_in, C_out//groups, KD, KH, KW) -> (N, C_out, OD, OH, OW)``

    Arguments as for `conv_transpose2d`, with three axes, depth first; `layout` is "NCDHW" or "NDHWC".

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
    call = PlanesCall("conv_transpose3d", 3, layout, backend)
    windows = TransposedWindows(stride, padding, dilation, groups, output_padding, output_size)
    return convolve(call, x, weight, bias, windows)


def conv_transpose3d_backward(
    dy: ArrayLike,
    x: ArrayLike,
    weight: ArrayLike,
    *,
    stride: Size = 1,
    padding: Padding = 0,
    output_padding: Size = 0,
    output_size: Size | None = None,
    dilation: Size = 1,
    groups: int = 1,
    layout: Layout = "NCDHW",
    needs: Iterable[str] = GRADIENTS,
    backend: BackendName | None = None,
) -> ConvGradients:
    """Gradients of `conv_transpose3d` with respect to its input, weights and bias.

    ``(N, C_out, OD, OH, OW), (N, C_in, D, H, W), (C_in, C_out//groups, KD, KH, KW) -> dx, dweight, dbias``

    Arguments as for `conv_transpose2d_backward`, with three axes, depth first; `layout` is "NCDHW" or "NDHWC".

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
    call = PlanesCall("conv_transpose3d_backward", 3, layout, backend)
    windows = TransposedWindows(stride, padding, dilation, groups, output_padding, output_size)
    return convolve_backward(call, dy, x, weight, windows, needs)

"""Convolution of sequences, planes and volumes, and its gradients."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fastconv.backends import resolve_backend
from fastconv.backends.base import Backend, Gradients
from fastconv.backends.geometry import CHANNELS_FIRST, CHANNELS_LAST, ConvGeometry
from fastconv.errors import InvalidValueError
from fastconv.functional.call import ARRAYS, ConvGradients, PlanesCall, Windows
from fastconv.validation.arrays import Array
from fastconv.validation.memory import out_of_memory
from fastconv.validation.operations import conv_geometry
from fastconv.validation.sizes import GRADIENTS, check_integer, check_needs
from fastconv.validation.types import ArrayLike, BackendName, Layout, Padding, Shape, Size


def conv2d(
    x: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    *,
    stride: Size = 1,
    padding: Padding = 0,
    dilation: Size = 1,
    groups: int = 1,
    layout: Layout = "NCHW",
    backend: BackendName | None = None,
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
    conv1d, conv3d : The same with one and three spatial axes.
    conv_transpose2d : The transposed operation.

    Notes
    -----
    This is the cross-correlation of deep learning; the filter is not flipped:

    ``y[n, f, i, j] = bias[f] + sum_{c, k, l} x[n, c, i*sh + k*dh - ph, j*sw + l*dw - pw] * weight[f, c, k, l]``

    Padding consists of zeros that are multiplied like any other number, so an infinite or NaN weight over padding
    gives NaN.

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
    return _convolve("conv2d", 2, x, weight, bias, (stride, padding, dilation, groups), layout, backend)


def conv2d_backward(
    dy: ArrayLike,
    x: ArrayLike,
    weight: ArrayLike,
    *,
    stride: Size = 1,
    padding: Padding = 0,
    dilation: Size = 1,
    groups: int = 1,
    layout: Layout = "NCHW",
    needs: Iterable[str] = GRADIENTS,
    backend: BackendName | None = None,
) -> ConvGradients:
    """Gradients of `conv2d` with respect to its input, weights and bias.

    ``(N, F, OH, OW), (N, C, H, W), (F, C//groups, KH, KW) -> dx, dweight, dbias``

    Parameters
    ----------
    dy : array_like, shape (N, F, OH, OW), or (N, OH, OW, F) with ``layout="NHWC"``
        Gradient of the loss with respect to the output of `conv2d`.
    x, weight, stride, padding, dilation, groups, layout, backend
        As in the forward call.
    needs : iterable of {"x", "weight", "bias"}
        Gradients to compute; the others are None.

    Returns
    -------
    ConvGradients
        ``(dx, dweight, dbias)``; a NamedTuple. Their dtype is `np.result_type` of all inputs.

    Raises
    ------
    ValueError, TypeError
        If `dy` has not the shape of the output, if `needs` names something else, or as in `conv2d`.

    See Also
    --------
    conv2d : The forward pass, with all parameters.

    Notes
    -----
    With the columns of x as a matrix X (im2col) and the filters as a matrix W, forward is Y = W X, so that
    dW = dY Xᵀ, dX = Wᵀ dY scattered back (col2im), and dbias is the sum of dY over batch and positions. No mean over
    the batch is taken: the loss decides the scale.

    Infinities and NaN in `x` and `dy` reach what a window connects them with, padding included, where they make NaN.
    With an infinite or NaN *weight*, the fast backend may give NaN for other numbers of dx as well: those that the
    weight would reach from a window beyond the first or the last.

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
    call = PlanesCall("conv2d_backward", 2, layout, backend)
    return convolve_backward(call, dy, x, weight, ConvWindows(stride, padding, dilation, groups), needs)


def conv1d(
    x: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    *,
    stride: Size = 1,
    padding: Padding = 0,
    dilation: Size = 1,
    groups: int = 1,
    layout: Layout = "NCW",
    backend: BackendName | None = None,
) -> Array:
    """Convolve a batch of sequences with a set of filters.

    ``(N, C, W) * (F, C//groups, KW) -> (N, F, OW)``

    Arguments as for `conv2d`, with one axis; `layout` is "NCW" or "NWC".

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv as fc
    >>> x = np.array([[[1, 2, 3, 4, 5]]], dtype=np.float32)
    >>> weight = np.array([[[1, 10]]], dtype=np.float32)
    >>> fc.conv1d(x, weight, stride=3)
    array([[[21., 54.]]], dtype=float32)
    """
    return _convolve("conv1d", 1, x, weight, bias, (stride, padding, dilation, groups), layout, backend)


def conv1d_backward(
    dy: ArrayLike,
    x: ArrayLike,
    weight: ArrayLike,
    *,
    stride: Size = 1,
    padding: Padding = 0,
    dilation: Size = 1,
    groups: int = 1,
    layout: Layout = "NCW",
    needs: Iterable[str] = GRADIENTS,
    backend: BackendName | None = None,
) -> ConvGradients:
    """Gradients of `conv1d` with respect to its input, weights and bias.

    ``(N, F, OW), (N, C, W), (F, C//groups, KW) -> dx, dweight, dbias``

    Arguments as for `conv2d_backward`, with one axis; `layout` is "NCW" or "NWC".

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv as fc
    >>> x, weight = np.array([[[1.0, 2, 3, 4, 5]]]), np.array([[[1.0, 10]]])
    >>> gradients = fc.conv1d_backward(np.array([[[1.0, 2]]]), x, weight, stride=3)
    >>> gradients.dx, gradients.dweight, gradients.dbias
    (array([[[ 1., 10.,  0.,  2., 20.]]]), array([[[ 9., 12.]]]), array([3.]))
    """
    call = PlanesCall("conv1d_backward", 1, layout, backend)
    return convolve_backward(call, dy, x, weight, ConvWindows(stride, padding, dilation, groups), needs)


def conv3d(
    x: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    *,
    stride: Size = 1,
    padding: Padding = 0,
    dilation: Size = 1,
    groups: int = 1,
    layout: Layout = "NCDHW",
    backend: BackendName | None = None,
) -> Array:
    """Convolve a batch of volumes with a set of filters.

    ``(N, C, D, H, W) * (F, C//groups, KD, KH, KW) -> (N, F, OD, OH, OW)``

    Arguments as for `conv2d`, with three axes, depth first; `layout` is "NCDHW" or "NDHWC".

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
    return _convolve("conv3d", 3, x, weight, bias, (stride, padding, dilation, groups), layout, backend)


def conv3d_backward(
    dy: ArrayLike,
    x: ArrayLike,
    weight: ArrayLike,
    *,
    stride: Size = 1,
    padding: Padding = 0,
    dilation: Size = 1,
    groups: int = 1,
    layout: Layout = "NCDHW",
    needs: Iterable[str] = GRADIENTS,
    backend: BackendName | None = None,
) -> ConvGradients:
    """Gradients of `conv3d` with respect to its input, weights and bias.

    ``(N, F, OD, OH, OW), (N, C, D, H, W), (F, C//groups, KD, KH, KW) -> dx, dweight, dbias``

    Arguments as for `conv2d_backward`, with three axes, depth first; `layout` is "NCDHW" or "NDHWC".

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
    call = PlanesCall("conv3d_backward", 3, layout, backend)
    return convolve_backward(call, dy, x, weight, ConvWindows(stride, padding, dilation, groups), needs)


@dataclass
class ConvWindows(Windows):
    """What a user said about the windows of a convolution, not yet checked, and what a backend makes of them."""

    groups: object

    weight_axes: ClassVar[str] = "(F, C//groups, *kernel)"
    output_name: ClassVar[str] = "filter"

    def geometry(self, call: PlanesCall, x: Array, weight: Array) -> ConvGeometry:
        """Geometry of these windows over an input."""
        self.check_weight(call, weight)
        steps, shape = self.checked(call), call.shape(x.shape)
        groups = check_integer(call.operation, "groups", self.groups, 1)
        return conv_geometry(call.operation, shape, weight.shape, *steps, groups, call.dtype.itemsize)

    def check_weight(self, call: PlanesCall, weight: Array) -> None:
        """Refuse weights of another rank."""
        axes = call.rank + 2
        if weight.ndim != axes:
            raise InvalidValueError(
                f"{call.operation}: weight must have {axes} axes, {self.weight_axes}, but got {weight.ndim} "
                f"(shape {weight.shape})."
            )

    def output_shape(self, geometry: ConvGeometry) -> Shape:
        """(N, F, *out)."""
        return geometry.output_shape

    def forward(self) -> Callable[..., Array]:
        """What computes the result."""
        return Backend.conv

    def backward(self) -> Callable[..., Gradients]:
        """What computes the gradients."""
        return Backend.conv_backward


def convolve(call: PlanesCall, x: ArrayLike, weight: ArrayLike, bias: ArrayLike | None, windows: ConvWindows) -> Array:
    """Convolve, or the other way round, for any number of spatial axes."""
    arrays = call.arrays({"bias": bias}, x=x, weight=weight)
    x, weight = arrays["x"], arrays["weight"]
    geometry = windows.geometry(call, x, weight)
    checked_bias = None
    if bias is not None:
        checked_bias = call.checked_bias(arrays, windows.output_shape(geometry)[1], windows.output_name)
    y = call.compute(windows.forward(), call.view(x), call.computed(weight), checked_bias, geometry)
    return call.finish(y)


Steps = tuple[Size, Padding, Size, int]

# What a call was checked to be, by everything that its checks look at.
_known: dict[tuple[object, ...], tuple[ConvGeometry, bool]] = {}
_KNOWN = 1024  # calls that are remembered
_WORDS = (int, str)
_REMEMBERED = (np.dtype(np.float32), np.dtype(np.float64))


def _convolve(
    operation: str,
    rank: int,
    x: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None,
    steps: Steps,
    layout: str,
    backend: str | None,
) -> Array:
    """Convolve. The checks of a small call take longer than its arithmetic; what was checked before is not again.

    Only arrays of one native dtype are remembered, with steps that are plain integers: 1.0 and True have the hash of 1.
    """
    if (
        type(x) is np.ndarray
        and type(weight) is np.ndarray
        and x.dtype is weight.dtype
        and (bias is None or (type(bias) is np.ndarray and bias.dtype is x.dtype))
        and type(layout) is str
        and type(steps[0]) is type(steps[2]) is type(steps[3]) is int
        and type(steps[1]) in _WORDS
    ):
        key = (operation, layout, steps, x.shape, weight.shape, None if bias is None else bias.shape, x.dtype)
        known = _known.get(key)
        if known is not None:
            geometry, last = known
            try:  # as `Call.compute`
                y = resolve_backend(backend, operation).conv(
                    x.transpose(CHANNELS_FIRST[x.ndim]) if last else x, weight, bias, geometry
                )
            except MemoryError as error:
                raise out_of_memory(operation, ARRAYS, error) from None
            return y.transpose(CHANNELS_LAST[y.ndim]) if last else y
        call, windows = PlanesCall(operation, rank, layout, backend), ConvWindows(*steps)
        y = convolve(call, x, weight, bias, windows)
        if x.dtype in _REMEMBERED:
            if len(_known) >= _KNOWN:
                _known.clear()
            _known[key] = windows.geometry(call, x, weight), call.channels_last
        return y
    return convolve(PlanesCall(operation, rank, layout, backend), x, weight, bias, ConvWindows(*steps))


def convolve_backward(
    call: PlanesCall, dy: ArrayLike, x: ArrayLike, weight: ArrayLike, windows: ConvWindows, needs: Iterable[str]
) -> ConvGradients:
    """Gradients of `convolve`."""
    dy, x, weight = call.arrays(dy=dy, x=x, weight=weight).values()
    wanted = check_needs(call.operation, needs)
    geometry = windows.geometry(call, x, weight)
    call.expect_output(dy, windows.output_shape(geometry))
    arrays = call.view(dy), call.view(x), call.computed(weight)
    return call.finish_gradients(wanted, *call.compute(windows.backward(), *arrays, geometry, wanted))

"""Max pooling: the public functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, overload

from fastconv.backends.base import Backend, PoolGeometry
from fastconv.functional.call import CallOptions, PlanesCall, PoolWindows
from fastconv.validation.arrays import Array, check_index_array, check_shape
from fastconv.validation.pooling import check_positions
from fastconv.validation.sizes import check_flag
from fastconv.validation.types import ArrayLike, BackendName, Layout, Padding, ShapeLike, Size

if TYPE_CHECKING:
    from typing_extensions import Unpack


class Maxima(NamedTuple):
    """Where the maxima of a forward call were, in as few bytes as its backend needs for the gradient."""

    places: Array
    geometry: PoolGeometry
    backend: str
    layout: str

    def gradient(self, dy: Array) -> Array:
        """Gradient of the input of that call."""
        rank = dy.ndim - 2
        call = PlanesCall(f"max_pool{rank}d_backward", rank, self.layout, self.backend)
        (dy,) = call.arrays(dy=dy).values()
        return call.finish(call.compute(Backend.max_pool_places_backward, call.view(dy), self.places, self.geometry))

    def indices(self) -> Array:
        """Positions in the flattened input planes, in the layout of that call."""
        rank = self.places.ndim - 2
        call = PlanesCall(f"max_pool{rank}d", rank, self.layout, self.backend)
        return call.in_layout(call.compute(Backend.max_pool_indices, self.places, self.geometry))


class MaxPoolOptions(CallOptions, total=False):
    """Options of max pooling, but for the one that decides what is returned; for the type checker."""

    stride: Size
    padding: Padding
    dilation: Size
    ceil_mode: bool


@overload
def max_pool2d(
    x: ArrayLike, kernel_size: Size, *, return_indices: Literal[False] = ..., **options: Unpack[MaxPoolOptions]
) -> Array: ...
@overload
def max_pool2d(
    x: ArrayLike, kernel_size: Size, *, return_indices: Literal[True], **options: Unpack[MaxPoolOptions]
) -> tuple[Array, Array]: ...
def max_pool2d(
    x: ArrayLike,
    kernel_size: Size,
    *,
    stride: Size | None = None,
    padding: Padding = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
    layout: Layout = "NCHW",
    backend: BackendName | None = None,
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
    max_pool1d, max_pool3d : The same with one and three spatial axes.

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
    call = PlanesCall("max_pool2d", 2, layout, backend)
    return _max_pool(call, x, PoolWindows(stride, padding, dilation, kernel_size, ceil_mode), return_indices)


def max_pool2d_backward(
    dy: ArrayLike,
    indices: ArrayLike,
    input_shape: ShapeLike,
    *,
    layout: Layout = "NCHW",
    backend: BackendName | None = None,
) -> Array:
    """Gradient of `max_pool2d` with respect to its input: every gradient goes to the cell that won.

    ``(N, C, OH, OW), (N, C, OH, OW) -> (N, C, H, W)``

    Parameters
    ----------
    dy : array_like, shape (N, C, OH, OW), or (N, OH, OW, C) with ``layout="NHWC"``
        Gradient of the loss with respect to the output of `max_pool2d`, or of `adaptive_max_pool2d` or
        `global_max_pool2d`.
    indices : array_like of int, shaped like `dy`
        The indices of the forward call; -1 sends a gradient nowhere.
    input_shape, layout, backend
        As for `avg_pool2d_backward`.

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
    return _max_pool_backward(PlanesCall("max_pool2d_backward", 2, layout, backend), dy, indices, input_shape)


@overload
def max_pool1d(
    x: ArrayLike, kernel_size: Size, *, return_indices: Literal[False] = ..., **options: Unpack[MaxPoolOptions]
) -> Array: ...
@overload
def max_pool1d(
    x: ArrayLike, kernel_size: Size, *, return_indices: Literal[True], **options: Unpack[MaxPoolOptions]
) -> tuple[Array, Array]: ...
def max_pool1d(
    x: ArrayLike,
    kernel_size: Size,
    *,
    stride: Size | None = None,
    padding: Padding = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
    layout: Layout = "NCW",
    backend: BackendName | None = None,
) -> Array | tuple[Array, Array]:
    """Largest element of every window of sequences.

    ``(N, C, W) -> (N, C, OW)``

    Arguments as for `max_pool2d`, with one axis; `layout` is "NCW" or "NWC".

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv as fc
    >>> fc.max_pool1d([[[1.0, 5, 2, 0, 7]]], 3, stride=2, return_indices=True)
    (array([[[5., 7.]]]), array([[[1, 4]]]))
    """
    call = PlanesCall("max_pool1d", 1, layout, backend)
    return _max_pool(call, x, PoolWindows(stride, padding, dilation, kernel_size, ceil_mode), return_indices)


def max_pool1d_backward(
    dy: ArrayLike,
    indices: ArrayLike,
    input_shape: ShapeLike,
    *,
    layout: Layout = "NCW",
    backend: BackendName | None = None,
) -> Array:
    """Gradient of `max_pool1d` with respect to its input: every gradient goes to the cell that won.

    ``(N, C, OW), (N, C, OW) -> (N, C, W)``

    Arguments as for `max_pool2d_backward`, with one axis; `layout` is "NCW" or "NWC".

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv as fc
    >>> fc.max_pool1d_backward([[[10.0, 20.0]]], [[[1, 1]]], (1, 1, 3))
    array([[[ 0., 30.,  0.]]])
    """
    return _max_pool_backward(PlanesCall("max_pool1d_backward", 1, layout, backend), dy, indices, input_shape)


@overload
def max_pool3d(
    x: ArrayLike, kernel_size: Size, *, return_indices: Literal[False] = ..., **options: Unpack[MaxPoolOptions]
) -> Array: ...
@overload
def max_pool3d(
    x: ArrayLike, kernel_size: Size, *, return_indices: Literal[True], **options: Unpack[MaxPoolOptions]
) -> tuple[Array, Array]: ...
def max_pool3d(
    x: ArrayLike,
    kernel_size: Size,
    *,
    stride: Size | None = None,
    padding: Padding = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
    layout: Layout = "NCDHW",
    backend: BackendName | None = None,
) -> Array | tuple[Array, Array]:
    """Largest element of every window of volumes.

    ``(N, C, D, H, W) -> (N, C, OD, OH, OW)``

    Arguments as for `max_pool2d`, with three axes, depth first; `layout` is "NCDHW" or "NDHWC".

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv as fc
    >>> x = np.arange(12.0).reshape(1, 1, 2, 2, 3)
    >>> fc.max_pool3d(x, (2, 1, 3))[0, 0]
    array([[[ 8.],
            [11.]]])
    """
    call = PlanesCall("max_pool3d", 3, layout, backend)
    return _max_pool(call, x, PoolWindows(stride, padding, dilation, kernel_size, ceil_mode), return_indices)


def max_pool3d_backward(
    dy: ArrayLike,
    indices: ArrayLike,
    input_shape: ShapeLike,
    *,
    layout: Layout = "NCDHW",
    backend: BackendName | None = None,
) -> Array:
    """Gradient of `max_pool3d` with respect to its input: every gradient goes to the cell that won.

    ``(N, C, OD, OH, OW), (N, C, OD, OH, OW) -> (N, C, D, H, W)``

    Arguments as for `max_pool2d_backward`, with three axes, depth first; `layout` is "NCDHW" or "NDHWC".

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv as fc
    >>> fc.max_pool3d_backward([[[[[10.0, 20.0]]]]], [[[[[1, 5]]]]], (1, 1, 2, 1, 3))[0, 0]
    array([[[ 0., 10.,  0.]],
           [[ 0.,  0., 20.]]])
    """
    return _max_pool_backward(PlanesCall("max_pool3d_backward", 3, layout, backend), dy, indices, input_shape)


def _max_pool(
    call: PlanesCall, x: ArrayLike, windows: PoolWindows, return_indices: object
) -> Array | tuple[Array, Array]:
    (x,) = call.arrays(x=x).values()
    with_indices = check_flag(call.operation, "return_indices", return_indices)
    geometry = windows.geometry(call, call.shape(x.shape))
    return call.finish_maxima(call.compute(Backend.max_pool, call.view(x), geometry, with_indices))


def maxima_of(call: PlanesCall, x: Array, geometry: PoolGeometry, layout: str) -> tuple[Array, Maxima]:
    """Largest element of every window, and where these were; `x` is checked."""
    y, places = call.compute(Backend.max_pool_places, call.view(x), geometry)
    return call.finish(y), Maxima(places, geometry, call.backend, layout)


def max_pool_maxima(
    operation: str, x: ArrayLike, windows: PoolWindows, rank: int, layout: str, backend: str | None
) -> tuple[Array, Maxima]:
    """`max_pool2d` and its kin, with what their layers keep."""
    call = PlanesCall(operation, rank, layout, backend)
    (x,) = call.arrays(x=x).values()
    return maxima_of(call, x, windows.geometry(call, call.shape(x.shape)), layout)


def _max_pool_backward(call: PlanesCall, dy: ArrayLike, indices: ArrayLike, input_shape: object) -> Array:
    (dy,) = call.arrays(dy=dy).values()
    indices = check_index_array(call.operation, "indices", indices)
    check_shape(call.operation, "indices", indices.shape, dy.shape, "the shape of dy")
    shape = call.input_shape(input_shape, dy)
    check_positions(call.operation, indices, shape[2:], "input", -1)
    return call.finish(call.compute(Backend.max_pool_backward, call.view(dy), call.channels_first(indices), shape))

"""Max-unpooling: the public functions."""

from __future__ import annotations

from fastconv.backends.base import Backend
from fastconv.errors import InvalidValueError
from fastconv.functional.call import PlanesCall
from fastconv.validation.arrays import Array, check_index_array, check_shape
from fastconv.validation.memory import check_fits
from fastconv.validation.pooling import check_positions
from fastconv.validation.sizes import check_sizes
from fastconv.validation.types import ArrayLike, BackendName, Layout, Size


def max_unpool2d(
    y: ArrayLike, indices: ArrayLike, output_size: Size, *, layout: Layout = "NCHW", backend: BackendName | None = None
) -> Array:
    """Put maxima back to where they came from, into planes of zeros.

    ``(N, C, OH, OW), (N, C, OH, OW) -> (N, C, H, W)``

    Parameters
    ----------
    y : array_like, shape (N, C, OH, OW), or (N, OH, OW, C) with ``layout="NHWC"``
        Values, such as the output of `max_pool2d`.
    indices : array_like of int, shaped like `y`
        Position of each value in its flattened plane of `output_size`; not -1.
    output_size : int or sequence of two ints
        Spatial size of the result.
    layout, backend
        As for `max_pool2d`.

    Returns
    -------
    ndarray, shape (N, C, H, W), or (N, H, W, C) with ``layout="NHWC"``
        Of several values with one index the last in row-major order counts. The dtype is that of `y`, or float64 if
        that is an integer type.

    See Also
    --------
    max_unpool2d_backward : The gradient.
    max_pool2d_backward : The same with values added where indices are equal.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv as fc
    >>> fc.max_unpool2d([[[[5.0, 8.0]]]], [[[[1, 6]]]], (2, 4))[0, 0]
    array([[0., 5., 0., 0.],
           [0., 0., 8., 0.]])
    """
    return _unpool(PlanesCall("max_unpool2d", 2, layout, backend), y, indices, output_size)


def max_unpool2d_backward(
    dy: ArrayLike, indices: ArrayLike, *, layout: Layout = "NCHW", backend: BackendName | None = None
) -> Array:
    """Gradient of `max_unpool2d` with respect to its values: what `dy` has at the indices.

    ``(N, C, H, W), (N, C, OH, OW) -> (N, C, OH, OW)``

    Parameters
    ----------
    dy : array_like, shape (N, C, H, W), or (N, H, W, C) with ``layout="NHWC"``
        Gradient of the loss with respect to the output of `max_unpool2d`.
    indices, layout, backend
        As in the forward call.

    Returns
    -------
    ndarray, shaped like `indices`
        Of several values with one index each gets the gradient, as in PyTorch. The dtype is that of `dy`, or float64 if
        that is an integer type.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv as fc
    >>> fc.max_unpool2d_backward([[[[1.0, 2, 3], [4, 5, 6]]]], [[[[1, 5]]]])[0, 0]
    array([[2., 6.]])
    """
    return _unpool_backward(PlanesCall("max_unpool2d_backward", 2, layout, backend), dy, indices)


def max_unpool1d(
    y: ArrayLike, indices: ArrayLike, output_size: Size, *, layout: Layout = "NCW", backend: BackendName | None = None
) -> Array:
    """Put maxima back to where they came from, into sequences of zeros.

    ``(N, C, OW), (N, C, OW) -> (N, C, W)``

    Arguments as for `max_unpool2d`, with one axis; `layout` is "NCW" or "NWC".

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv as fc
    >>> fc.max_unpool1d([[[5.0, 7.0]]], [[[1, 4]]], 6)
    array([[[0., 5., 0., 0., 7., 0.]]])
    """
    return _unpool(PlanesCall("max_unpool1d", 1, layout, backend), y, indices, output_size)


def max_unpool1d_backward(
    dy: ArrayLike, indices: ArrayLike, *, layout: Layout = "NCW", backend: BackendName | None = None
) -> Array:
    """Gradient of `max_unpool1d` with respect to its values: what `dy` has at the indices.

    ``(N, C, W), (N, C, OW) -> (N, C, OW)``

    Arguments as for `max_unpool2d_backward`, with one axis; `layout` is "NCW" or "NWC".

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv as fc
    >>> fc.max_unpool1d_backward([[[1.0, 2, 3]]], [[[2, 0]]])
    array([[[3., 1.]]])
    """
    return _unpool_backward(PlanesCall("max_unpool1d_backward", 1, layout, backend), dy, indices)


def max_unpool3d(
    y: ArrayLike, indices: ArrayLike, output_size: Size, *, layout: Layout = "NCDHW", backend: BackendName | None = None
) -> Array:
    """Put maxima back to where they came from, into volumes of zeros.

    ``(N, C, OD, OH, OW), (N, C, OD, OH, OW) -> (N, C, D, H, W)``

    Arguments as for `max_unpool2d`, with three axes, depth first; `layout` is "NCDHW" or "NDHWC".

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv as fc
    >>> fc.max_unpool3d([[[[[5.0, 8.0]]]]], [[[[[1, 5]]]]], (2, 1, 3))[0, 0]
    array([[[0., 5., 0.]],
           [[0., 0., 8.]]])
    """
    return _unpool(PlanesCall("max_unpool3d", 3, layout, backend), y, indices, output_size)


def max_unpool3d_backward(
    dy: ArrayLike, indices: ArrayLike, *, layout: Layout = "NCDHW", backend: BackendName | None = None
) -> Array:
    """Gradient of `max_unpool3d` with respect to its values: what `dy` has at the indices.

    ``(N, C, D, H, W), (N, C, OD, OH, OW) -> (N, C, OD, OH, OW)``

    Arguments as for `max_unpool2d_backward`, with three axes, depth first; `layout` is "NCDHW" or "NDHWC".

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv as fc
    >>> fc.max_unpool3d_backward(np.arange(6.0).reshape(1, 1, 2, 1, 3), [[[[[1, 5]]]]])[0, 0, 0]
    array([[1., 5.]])
    """
    return _unpool_backward(PlanesCall("max_unpool3d_backward", 3, layout, backend), dy, indices)


def _unpool(call: PlanesCall, y: ArrayLike, indices: ArrayLike, output_size: object) -> Array:
    (y,) = call.arrays(y=y).values()
    indices = check_index_array(call.operation, "indices", indices)
    check_shape(call.operation, "indices", indices.shape, y.shape, "the shape of y")
    size = check_sizes(call.operation, "output_size", output_size, call.rank, 1)
    check_fits(call.operation, "the output", (*call.shape(y.shape)[:2], *size), call.dtype.itemsize)
    check_positions(call.operation, indices, size, "output", 0)
    return call.finish(call.compute(Backend.max_unpool, call.view(y), call.channels_first(indices), size))


def _unpool_backward(call: PlanesCall, dy: ArrayLike, indices: ArrayLike) -> Array:
    (dy,) = call.arrays(dy=dy).values()
    indices = check_index_array(call.operation, "indices", indices)
    call.check_planes("indices", indices.shape)
    expected, planes = call.shape(dy.shape), call.shape(indices.shape)[:2]
    if planes != expected[:2]:
        raise InvalidValueError(
            f"{call.operation}: indices must have the batch and channels of dy, N={expected[0]} and C={expected[1]}, "
            f"but got N={planes[0]} and C={planes[1]} (indices shape {indices.shape}, dy shape {dy.shape})."
        )
    check_positions(call.operation, indices, expected[2:], "output", 0)
    return call.finish(call.compute(Backend.max_unpool_backward, call.view(dy), call.channels_first(indices)))

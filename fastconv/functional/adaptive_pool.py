"""Adaptive average and max pooling: a given number of windows share out the input."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, overload

from fastconv.backends.base import Backend
from fastconv.backends.geometry import AdaptiveGeometry
from fastconv.functional.call import CallOptions, PlanesCall
from fastconv.functional.max_pool import Maxima, maxima_of
from fastconv.validation.arrays import Array
from fastconv.validation.pooling import adaptive_geometry, check_adaptive_size
from fastconv.validation.sizes import check_flag
from fastconv.validation.types import ArrayLike, BackendName, Layout, OutputSize, Shape, ShapeLike

if TYPE_CHECKING:
    from typing_extensions import Unpack


def adaptive_avg_pool2d(
    x: ArrayLike, output_size: OutputSize, *, layout: Layout = "NCHW", backend: BackendName | None = None
) -> Array:
    """Mean of windows that share a plane out among a given number of positions.

    ``(N, C, H, W) -> (N, C, OH, OW)``

    Parameters
    ----------
    x, layout, backend
        As for `max_pool2d`.
    output_size : int, None, or sequence of two of them
        Number of windows per axis (height first), more than there are cells included; None keeps the size of the input.

    Returns
    -------
    ndarray, shape (N, C, OH, OW), or (N, OH, OW, C) with ``layout="NHWC"``
        Its dtype is that of `x`, or float64 if that is an integer type.

    See Also
    --------
    adaptive_avg_pool2d_backward : The gradient.
    adaptive_avg_pool1d, adaptive_avg_pool3d : The same with one and three spatial axes.

    Notes
    -----
    Along an axis of H cells, window i of OH covers the cells from ``floor(i * H / OH)`` up to
    ``ceil((i + 1) * H / OH)``, as in PyTorch. Where OH does not divide H, neighbouring windows overlap and differ in
    size.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv as fc
    >>> x = np.array([[[[1.0, 5, 3], [3, 7, 9]]]])
    >>> fc.adaptive_avg_pool2d(x, (1, 2))[0, 0]
    array([[4., 6.]])
    """
    return adaptive_avg(PlanesCall("adaptive_avg_pool2d", 2, layout, backend), x, output_size)


def adaptive_avg_pool2d_backward(
    dy: ArrayLike, input_shape: ShapeLike, *, layout: Layout = "NCHW", backend: BackendName | None = None
) -> Array:
    """Gradient of `adaptive_avg_pool2d` with respect to its input; the size of its output is that of `dy`.

    ``(N, C, OH, OW) -> (N, C, H, W)``

    Arguments as for `avg_pool2d_backward`, but for those of the windows.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv as fc
    >>> fc.adaptive_avg_pool2d_backward([[[[2.0, 4.0]]]], (1, 1, 1, 3))[0, 0]
    array([[1., 3., 2.]])
    """
    return adaptive_avg_backward(PlanesCall("adaptive_avg_pool2d_backward", 2, layout, backend), dy, input_shape)


def adaptive_avg_pool1d(
    x: ArrayLike, output_size: OutputSize, *, layout: Layout = "NCW", backend: BackendName | None = None
) -> Array:
    """Mean of windows that share a sequence out among a given number of positions.

    ``(N, C, W) -> (N, C, OW)``

    Arguments as for `adaptive_avg_pool2d`, with one axis; `layout` is "NCW" or "NWC".

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv as fc
    >>> fc.adaptive_avg_pool1d([[[1.0, 5, 3, 4, 8]]], 3)
    array([[[3., 4., 6.]]])
    """
    return adaptive_avg(PlanesCall("adaptive_avg_pool1d", 1, layout, backend), x, output_size)


def adaptive_avg_pool1d_backward(
    dy: ArrayLike, input_shape: ShapeLike, *, layout: Layout = "NCW", backend: BackendName | None = None
) -> Array:
    """Gradient of `adaptive_avg_pool1d` with respect to its input; the size of its output is that of `dy`.

    ``(N, C, OW) -> (N, C, W)``

    Arguments as for `adaptive_avg_pool2d_backward`, with one axis; `layout` is "NCW" or "NWC".

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv as fc
    >>> fc.adaptive_avg_pool1d_backward([[[2.0, 4.0]]], (1, 1, 3))
    array([[[1., 3., 2.]]])
    """
    return adaptive_avg_backward(PlanesCall("adaptive_avg_pool1d_backward", 1, layout, backend), dy, input_shape)


def adaptive_avg_pool3d(
    x: ArrayLike, output_size: OutputSize, *, layout: Layout = "NCDHW", backend: BackendName | None = None
) -> Array:
    """Mean of windows that share a volume out among a given number of positions.

    ``(N, C, D, H, W) -> (N, C, OD, OH, OW)``

    Arguments as for `adaptive_avg_pool2d`, with three axes, depth first; `layout` is "NCDHW" or "NDHWC".

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv as fc
    >>> x = np.arange(12.0).reshape(1, 1, 2, 2, 3)
    >>> fc.adaptive_avg_pool3d(x, (None, 1, 1))[0, 0]
    array([[[2.5]],
           [[8.5]]])
    """
    return adaptive_avg(PlanesCall("adaptive_avg_pool3d", 3, layout, backend), x, output_size)


def adaptive_avg_pool3d_backward(
    dy: ArrayLike, input_shape: ShapeLike, *, layout: Layout = "NCDHW", backend: BackendName | None = None
) -> Array:
    """Gradient of `adaptive_avg_pool3d` with respect to its input; the size of its output is that of `dy`.

    ``(N, C, OD, OH, OW) -> (N, C, D, H, W)``

    Arguments as for `adaptive_avg_pool2d_backward`, with three axes, depth first; `layout` is "NCDHW" or "NDHWC".

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv as fc
    >>> fc.adaptive_avg_pool3d_backward([[[[[6.0]]]]], (1, 1, 1, 2, 3))[0, 0, 0]
    array([[1., 1., 1.],
           [1., 1., 1.]])
    """
    return adaptive_avg_backward(PlanesCall("adaptive_avg_pool3d_backward", 3, layout, backend), dy, input_shape)


@overload
def adaptive_max_pool2d(
    x: ArrayLike, output_size: OutputSize, *, return_indices: Literal[False] = ..., **options: Unpack[CallOptions]
) -> Array: ...
@overload
def adaptive_max_pool2d(
    x: ArrayLike, output_size: OutputSize, *, return_indices: Literal[True], **options: Unpack[CallOptions]
) -> tuple[Array, Array]: ...
def adaptive_max_pool2d(
    x: ArrayLike,
    output_size: OutputSize,
    *,
    return_indices: bool = False,
    layout: Layout = "NCHW",
    backend: BackendName | None = None,
) -> Array | tuple[Array, Array]:
    """Largest element of windows that share a plane out among a given number of positions.

    ``(N, C, H, W) -> (N, C, OH, OW)``

    Arguments as for `max_pool2d`; `output_size` as for `adaptive_avg_pool2d`, which has the rule for the windows.

    See Also
    --------
    max_pool2d_backward : The gradient, from the indices.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv as fc
    >>> x = np.array([[[[1.0, 5, 3], [3, 7, 9]]]])
    >>> y, indices = fc.adaptive_max_pool2d(x, (1, 2), return_indices=True)
    >>> y[0, 0], indices[0, 0]
    (array([[7., 9.]]), array([[4, 5]]))
    """
    return adaptive_max(PlanesCall("adaptive_max_pool2d", 2, layout, backend), x, output_size, return_indices)


@overload
def adaptive_max_pool1d(
    x: ArrayLike, output_size: OutputSize, *, return_indices: Literal[False] = ..., **options: Unpack[CallOptions]
) -> Array: ...
@overload
def adaptive_max_pool1d(
    x: ArrayLike, output_size: OutputSize, *, return_indices: Literal[True], **options: Unpack[CallOptions]
) -> tuple[Array, Array]: ...
def adaptive_max_pool1d(
    x: ArrayLike,
    output_size: OutputSize,
    *,
    return_indices: bool = False,
    layout: Layout = "NCW",
    backend: BackendName | None = None,
) -> Array | tuple[Array, Array]:
    """Largest element of windows that share a sequence out among a given number of positions.

    ``(N, C, W) -> (N, C, OW)``

    Arguments as for `adaptive_max_pool2d`, with one axis; `layout` is "NCW" or "NWC".

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv as fc
    >>> fc.adaptive_max_pool1d([[[1.0, 5, 3, 4, 8]]], 3)
    array([[[5., 5., 8.]]])
    """
    return adaptive_max(PlanesCall("adaptive_max_pool1d", 1, layout, backend), x, output_size, return_indices)


@overload
def adaptive_max_pool3d(
    x: ArrayLike, output_size: OutputSize, *, return_indices: Literal[False] = ..., **options: Unpack[CallOptions]
) -> Array: ...
@overload
def adaptive_max_pool3d(
    x: ArrayLike, output_size: OutputSize, *, return_indices: Literal[True], **options: Unpack[CallOptions]
) -> tuple[Array, Array]: ...
def adaptive_max_pool3d(
    x: ArrayLike,
    output_size: OutputSize,
    *,
    return_indices: bool = False,
    layout: Layout = "NCDHW",
    backend: BackendName | None = None,
) -> Array | tuple[Array, Array]:
    """Largest element of windows that share a volume out among a given number of positions.

    ``(N, C, D, H, W) -> (N, C, OD, OH, OW)``

    Arguments as for `adaptive_max_pool2d`, with three axes, depth first; `layout` is "NCDHW" or "NDHWC".

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv as fc
    >>> x = np.arange(12.0).reshape(1, 1, 2, 2, 3)
    >>> fc.adaptive_max_pool3d(x, (None, 1, 1))[0, 0]
    array([[[ 5.]],
           [[11.]]])
    """
    return adaptive_max(PlanesCall("adaptive_max_pool3d", 3, layout, backend), x, output_size, return_indices)


def adaptive_avg(call: PlanesCall, x: ArrayLike, output_size: object) -> Array:
    """Means of adaptive windows."""
    (x,) = call.arrays(x=x).values()
    return call.finish(call.compute(Backend.adaptive_avg_pool, call.view(x), _geometry(call, x, output_size)))


def adaptive_avg_backward(
    call: PlanesCall, dy: ArrayLike, input_shape: object, output_size: Shape | None = None
) -> Array:
    """Gradient of the means, whose number `dy` tells, unless it is given."""
    (dy,) = call.arrays(dy=dy).values()
    shape = call.input_shape(input_shape, dy)
    out = call.shape(dy.shape)[2:] if output_size is None else output_size
    call.expect_output(dy, (*shape[:2], *out))
    geometry = adaptive_geometry(call.operation, shape, out, call.dtype.itemsize)
    return call.finish(call.compute(Backend.adaptive_avg_pool_backward, call.view(dy), geometry))


def adaptive_max(
    call: PlanesCall, x: ArrayLike, output_size: object, return_indices: object
) -> Array | tuple[Array, Array]:
    """Maxima of adaptive windows, with their positions if asked for."""
    (x,) = call.arrays(x=x).values()
    with_indices = check_flag(call.operation, "return_indices", return_indices)
    geometry = _geometry(call, x, output_size)
    return call.finish_maxima(call.compute(Backend.adaptive_max_pool, call.view(x), geometry, with_indices))


def adaptive_maxima(
    operation: str, x: ArrayLike, output_size: object, rank: int, layout: str, backend: str | None
) -> tuple[Array, Maxima]:
    """`adaptive_max_pool2d` and its kin, with what their layers keep."""
    call = PlanesCall(operation, rank, layout, backend)
    (x,) = call.arrays(x=x).values()
    return maxima_of(call, x, _geometry(call, x, output_size), layout)


def _geometry(call: PlanesCall, x: Array, output_size: object) -> AdaptiveGeometry:
    shape = call.shape(x.shape)
    out = check_adaptive_size(call.operation, output_size, shape[2:])
    return adaptive_geometry(call.operation, shape, out, call.dtype.itemsize)

"""Global average and max pooling, which is adaptive pooling with one window."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, overload

from fastconv.functional.adaptive_pool import adaptive_avg, adaptive_avg_backward, adaptive_max
from fastconv.functional.call import CallOptions, PlanesCall
from fastconv.validation.arrays import Array
from fastconv.validation.types import ArrayLike, BackendName, Layout, ShapeLike

if TYPE_CHECKING:
    from typing_extensions import Unpack


def global_avg_pool2d(x: ArrayLike, *, layout: Layout = "NCHW", backend: BackendName | None = None) -> Array:
    """Mean of every plane; the axes stay.

    ``(N, C, H, W) -> (N, C, 1, 1)``

    Arguments as for `max_pool2d`, but for those of the windows.

    See Also
    --------
    global_avg_pool2d_backward : The gradient.
    adaptive_avg_pool2d : Means of parts of the plane.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv as fc
    >>> fc.global_avg_pool2d(np.arange(6.0).reshape(1, 1, 2, 3))
    array([[[[2.5]]]])
    """
    return adaptive_avg(PlanesCall("global_avg_pool2d", 2, layout, backend), x, 1)


def global_avg_pool2d_backward(
    dy: ArrayLike, input_shape: ShapeLike, *, layout: Layout = "NCHW", backend: BackendName | None = None
) -> Array:
    """Gradient of `global_avg_pool2d` with respect to its input: every gradient is shared by its plane.

    ``(N, C, 1, 1) -> (N, C, H, W)``

    Arguments as for `avg_pool2d_backward`, but for those of the windows.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv as fc
    >>> fc.global_avg_pool2d_backward([[[[6.0]]]], (1, 1, 2, 3))[0, 0]
    array([[1., 1., 1.],
           [1., 1., 1.]])
    """
    call = PlanesCall("global_avg_pool2d_backward", 2, layout, backend)
    return adaptive_avg_backward(call, dy, input_shape, (1,) * 2)


def global_avg_pool1d(x: ArrayLike, *, layout: Layout = "NCW", backend: BackendName | None = None) -> Array:
    """Mean of every sequence.

    ``(N, C, W) -> (N, C, 1)``

    Arguments as for `global_avg_pool2d`, with one axis; `layout` is "NCW" or "NWC".

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv as fc
    >>> fc.global_avg_pool1d([[[1.0, 5, 3]]])
    array([[[3.]]])
    """
    return adaptive_avg(PlanesCall("global_avg_pool1d", 1, layout, backend), x, 1)


def global_avg_pool1d_backward(
    dy: ArrayLike, input_shape: ShapeLike, *, layout: Layout = "NCW", backend: BackendName | None = None
) -> Array:
    """Gradient of `global_avg_pool1d` with respect to its input: every gradient is shared by its sequence.

    ``(N, C, 1) -> (N, C, W)``

    Arguments as for `global_avg_pool2d_backward`, with one axis; `layout` is "NCW" or "NWC".

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv as fc
    >>> fc.global_avg_pool1d_backward([[[6.0]]], (1, 1, 3))
    array([[[2., 2., 2.]]])
    """
    call = PlanesCall("global_avg_pool1d_backward", 1, layout, backend)
    return adaptive_avg_backward(call, dy, input_shape, (1,) * 1)


def global_avg_pool3d(x: ArrayLike, *, layout: Layout = "NCDHW", backend: BackendName | None = None) -> Array:
    """Mean of every volume.

    ``(N, C, D, H, W) -> (N, C, 1, 1, 1)``

    Arguments as for `global_avg_pool2d`, with three axes, depth first; `layout` is "NCDHW" or "NDHWC".

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv as fc
    >>> fc.global_avg_pool3d(np.arange(12.0).reshape(1, 2, 1, 2, 3)).ravel()
    array([2.5, 8.5])
    """
    return adaptive_avg(PlanesCall("global_avg_pool3d", 3, layout, backend), x, 1)


def global_avg_pool3d_backward(
    dy: ArrayLike, input_shape: ShapeLike, *, layout: Layout = "NCDHW", backend: BackendName | None = None
) -> Array:
    """Gradient of `global_avg_pool3d` with respect to its input: every gradient is shared by its volume.

    ``(N, C, 1, 1, 1) -> (N, C, D, H, W)``

    Arguments as for `global_avg_pool2d_backward`, with three axes, depth first; `layout` is "NCDHW" or "NDHWC".

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv as fc
    >>> fc.global_avg_pool3d_backward([[[[[6.0]]]]], (1, 1, 1, 2, 3))[0, 0, 0]
    array([[1., 1., 1.],
           [1., 1., 1.]])
    """
    call = PlanesCall("global_avg_pool3d_backward", 3, layout, backend)
    return adaptive_avg_backward(call, dy, input_shape, (1,) * 3)


@overload
def global_max_pool2d(
    x: ArrayLike, *, return_indices: Literal[False] = ..., **options: Unpack[CallOptions]
) -> Array: ...
@overload
def global_max_pool2d(
    x: ArrayLike, *, return_indices: Literal[True], **options: Unpack[CallOptions]
) -> tuple[Array, Array]: ...
def global_max_pool2d(
    x: ArrayLike, *, return_indices: bool = False, layout: Layout = "NCHW", backend: BackendName | None = None
) -> Array | tuple[Array, Array]:
    """Largest element of every plane; the axes stay.

    ``(N, C, H, W) -> (N, C, 1, 1)``

    Arguments as for `max_pool2d`, but for those of the windows.

    See Also
    --------
    max_pool2d_backward : The gradient, from the indices.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv as fc
    >>> fc.global_max_pool2d([[[[1.0, 5, 3], [2, 9, 4]]]], return_indices=True)
    (array([[[[9.]]]]), array([[[[4]]]]))
    """
    return adaptive_max(PlanesCall("global_max_pool2d", 2, layout, backend), x, 1, return_indices)


@overload
def global_max_pool1d(
    x: ArrayLike, *, return_indices: Literal[False] = ..., **options: Unpack[CallOptions]
) -> Array: ...
@overload
def global_max_pool1d(
    x: ArrayLike, *, return_indices: Literal[True], **options: Unpack[CallOptions]
) -> tuple[Array, Array]: ...
def global_max_pool1d(
    x: ArrayLike, *, return_indices: bool = False, layout: Layout = "NCW", backend: BackendName | None = None
) -> Array | tuple[Array, Array]:
    """Largest element of every sequence.

    ``(N, C, W) -> (N, C, 1)``

    Arguments as for `global_max_pool2d`, with one axis; `layout` is "NCW" or "NWC".

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv as fc
    >>> fc.global_max_pool1d([[[1.0, 5, 3]]], return_indices=True)
    (array([[[5.]]]), array([[[1]]]))
    """
    return adaptive_max(PlanesCall("global_max_pool1d", 1, layout, backend), x, 1, return_indices)


@overload
def global_max_pool3d(
    x: ArrayLike, *, return_indices: Literal[False] = ..., **options: Unpack[CallOptions]
) -> Array: ...
@overload
def global_max_pool3d(
    x: ArrayLike, *, return_indices: Literal[True], **options: Unpack[CallOptions]
) -> tuple[Array, Array]: ...
def global_max_pool3d(
    x: ArrayLike, *, return_indices: bool = False, layout: Layout = "NCDHW", backend: BackendName | None = None
) -> Array | tuple[Array, Array]:
    """Largest element of every volume.

    ``(N, C, D, H, W) -> (N, C, 1, 1, 1)``

    Arguments as for `global_max_pool2d`, with three axes, depth first; `layout` is "NCDHW" or "NDHWC".

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv as fc
    >>> fc.global_max_pool3d(np.arange(12.0).reshape(1, 2, 1, 2, 3)).ravel()
    array([ 5., 11.])
    """
    return adaptive_max(PlanesCall("global_max_pool3d", 3, layout, backend), x, 1, return_indices)

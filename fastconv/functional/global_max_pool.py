"""Global max pooling, which is adaptive pooling with one window: the public functions."""

from __future__ import annotations

from typing import Any, Literal, overload

from fastconv.functional.adaptive_any import adaptive_max_pool
from fastconv.functional.call import Call
from fastconv.validation.arrays import Array

__all__ = [
    "global_max_pool1d",
    "global_max_pool2d",
    "global_max_pool3d",
]


@overload
def global_max_pool2d(
    x: Any, *, return_indices: Literal[False] = ..., layout: str = ..., backend: str | None = ...
) -> Array: ...
@overload
def global_max_pool2d(
    x: Any, *, return_indices: Literal[True], layout: str = ..., backend: str | None = ...
) -> tuple[Array, Array]: ...
def global_max_pool2d(
    x: Any, *, return_indices: bool = False, layout: str = "NCHW", backend: str | None = None
) -> Array | tuple[Array, Array]:
    """Largest element of every plane.

    ``(N, C, H, W) -> (N, C, 1, 1)``

    Parameters
    ----------
    x : array_like, shape (N, C, H, W), or (N, H, W, C) with ``layout="NHWC"``
        Input, of any strides.
    return_indices : bool
        Return ``(y, indices)`` instead of ``y``.
    layout : {"NCHW", "NHWC"}
        Order of the axes of `x` and of the result.
    backend : {"fast", "numpy", "naive"}, optional
        Backend of this call; by default the current one.

    Returns
    -------
    y : ndarray, shape (N, C, 1, 1), or (N, 1, 1, C) with ``layout="NHWC"``
        The axes stay. Its dtype is that of `x`, or float64 if that is an integer type.
    indices : ndarray of int64, shaped like `y`
        Only with ``return_indices=True``: position of each maximum in its flattened plane; the first of equals,
        and the first NaN.

    Raises
    ------
    ValueError
        If `x` has the wrong rank or an empty axis other than the batch.
    TypeError
        If an argument has a type or dtype that is not taken.

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
    return adaptive_max_pool(Call("global_max_pool2d", 2, layout, backend), x, 1, return_indices)


@overload
def global_max_pool1d(
    x: Any, *, return_indices: Literal[False] = ..., layout: str = ..., backend: str | None = ...
) -> Array: ...
@overload
def global_max_pool1d(
    x: Any, *, return_indices: Literal[True], layout: str = ..., backend: str | None = ...
) -> tuple[Array, Array]: ...
def global_max_pool1d(
    x: Any, *, return_indices: bool = False, layout: str = "NCW", backend: str | None = None
) -> Array | tuple[Array, Array]:
    """Largest element of every sequence.

    ``(N, C, W) -> (N, C, 1)``

    Parameters
    ----------
    x : array_like, shape (N, C, W), or (N, W, C) with ``layout="NWC"``
        Input, of any strides.
    return_indices : bool
        Return ``(y, indices)`` instead of ``y``.
    layout : {"NCW", "NWC"}
        Order of the axes of `x` and of the result.
    backend : {"fast", "numpy", "naive"}, optional
        Backend of this call; by default the current one.

    Returns
    -------
    y : ndarray, shape (N, C, 1), or (N, 1, C) with ``layout="NWC"``
        The axes stay. Its dtype is that of `x`, or float64 if that is an integer type.
    indices : ndarray of int64, shaped like `y`
        Only with ``return_indices=True``: position of each maximum in its flattened sequence; the first of equals,
        and the first NaN.

    Raises
    ------
    ValueError
        If `x` has the wrong rank or an empty axis other than the batch.
    TypeError
        If an argument has a type or dtype that is not taken.

    See Also
    --------
    max_pool1d_backward : The gradient, from the indices.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv as fc
    >>> fc.global_max_pool1d([[[1.0, 5, 3]]], return_indices=True)
    (array([[[5.]]]), array([[[1]]]))
    """
    return adaptive_max_pool(Call("global_max_pool1d", 1, layout, backend), x, 1, return_indices)


@overload
def global_max_pool3d(
    x: Any, *, return_indices: Literal[False] = ..., layout: str = ..., backend: str | None = ...
) -> Array: ...
@overload
def global_max_pool3d(
    x: Any, *, return_indices: Literal[True], layout: str = ..., backend: str | None = ...
) -> tuple[Array, Array]: ...
def global_max_pool3d(
    x: Any, *, return_indices: bool = False, layout: str = "NCDHW", backend: str | None = None
) -> Array | tuple[Array, Array]:
    """Largest element of every volume.

    ``(N, C, D, H, W) -> (N, C, 1, 1, 1)``

    Parameters
    ----------
    x : array_like, shape (N, C, D, H, W), or (N, D, H, W, C) with ``layout="NDHWC"``
        Input, of any strides.
    return_indices : bool
        Return ``(y, indices)`` instead of ``y``.
    layout : {"NCDHW", "NDHWC"}
        Order of the axes of `x` and of the result.
    backend : {"fast", "numpy", "naive"}, optional
        Backend of this call; by default the current one.

    Returns
    -------
    y : ndarray, shape (N, C, 1, 1, 1), or (N, 1, 1, 1, C) with ``layout="NDHWC"``
        The axes stay. Its dtype is that of `x`, or float64 if that is an integer type.
    indices : ndarray of int64, shaped like `y`
        Only with ``return_indices=True``: position of each maximum in its flattened volume; the first of equals,
        and the first NaN.

    Raises
    ------
    ValueError
        If `x` has the wrong rank or an empty axis other than the batch.
    TypeError
        If an argument has a type or dtype that is not taken.

    See Also
    --------
    max_pool3d_backward : The gradient, from the indices.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv as fc
    >>> fc.global_max_pool3d(np.arange(12.0).reshape(1, 2, 1, 2, 3)).ravel()
    array([ 5., 11.])
    """
    return adaptive_max_pool(Call("global_max_pool3d", 3, layout, backend), x, 1, return_indices)

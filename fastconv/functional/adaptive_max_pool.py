"""Adaptive max pooling: the public functions."""

from __future__ import annotations

from typing import Any, Literal, overload

from fastconv.functional.adaptive_any import adaptive_max_pool
from fastconv.functional.call import Call
from fastconv.validation.arrays import Array

__all__ = [
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "adaptive_max_pool3d",
]


@overload
def adaptive_max_pool2d(
    x: Any, output_size: Any, *, return_indices: Literal[False] = ..., layout: str = ..., backend: str | None = ...
) -> Array: ...
@overload
def adaptive_max_pool2d(
    x: Any, output_size: Any, *, return_indices: Literal[True], layout: str = ..., backend: str | None = ...
) -> tuple[Array, Array]: ...
def adaptive_max_pool2d(
    x: Any, output_size: Any, *, return_indices: bool = False, layout: str = "NCHW", backend: str | None = None
) -> Array | tuple[Array, Array]:
    """Largest element of windows that share a plane out among a given number of positions.

    ``(N, C, H, W) -> (N, C, OH, OW)``

    Parameters
    ----------
    x : array_like, shape (N, C, H, W), or (N, H, W, C) with ``layout="NHWC"``
        Input, of any strides.
    output_size : int, None, or sequence of two of them
        Number of windows per axis, as in `adaptive_avg_pool2d`, which has the rule for the windows.
    return_indices : bool
        Return ``(y, indices)`` instead of ``y``.
    layout : {"NCHW", "NHWC"}
        Order of the axes of `x` and of the result.
    backend : {"fast", "numpy", "naive"}, optional
        Backend of this call; by default the current one.

    Returns
    -------
    y : ndarray, shape (N, C, OH, OW), or (N, OH, OW, C) with ``layout="NHWC"``
        Its dtype is that of `x`, or float64 if that is an integer type.
    indices : ndarray of int64, shaped like `y`
        Only with ``return_indices=True``: position of each maximum in its flattened input plane, as in `max_pool2d`.

    Raises
    ------
    ValueError
        If sizes or shapes do not fit together.
    TypeError
        If an argument has a type or dtype that is not taken.

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
    return adaptive_max_pool(Call("adaptive_max_pool2d", 2, layout, backend), x, output_size, return_indices)


@overload
def adaptive_max_pool1d(
    x: Any, output_size: Any, *, return_indices: Literal[False] = ..., layout: str = ..., backend: str | None = ...
) -> Array: ...
@overload
def adaptive_max_pool1d(
    x: Any, output_size: Any, *, return_indices: Literal[True], layout: str = ..., backend: str | None = ...
) -> tuple[Array, Array]: ...
def adaptive_max_pool1d(
    x: Any, output_size: Any, *, return_indices: bool = False, layout: str = "NCW", backend: str | None = None
) -> Array | tuple[Array, Array]:
    """Largest element of windows that share a sequence out among a given number of positions.

    ``(N, C, W) -> (N, C, OW)``

    Parameters
    ----------
    x : array_like, shape (N, C, W), or (N, W, C) with ``layout="NWC"``
        Input, of any strides.
    output_size : int, None, or sequence of one of them
        Number of windows per axis, as in `adaptive_avg_pool1d`, which has the rule for the windows.
    return_indices : bool
        Return ``(y, indices)`` instead of ``y``.
    layout : {"NCW", "NWC"}
        Order of the axes of `x` and of the result.
    backend : {"fast", "numpy", "naive"}, optional
        Backend of this call; by default the current one.

    Returns
    -------
    y : ndarray, shape (N, C, OW), or (N, OW, C) with ``layout="NWC"``
        Its dtype is that of `x`, or float64 if that is an integer type.
    indices : ndarray of int64, shaped like `y`
        Only with ``return_indices=True``: position of each maximum in its flattened input sequence, as in `max_pool1d`.

    Raises
    ------
    ValueError
        If sizes or shapes do not fit together.
    TypeError
        If an argument has a type or dtype that is not taken.

    See Also
    --------
    max_pool1d_backward : The gradient, from the indices.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv as fc
    >>> fc.adaptive_max_pool1d([[[1.0, 5, 3, 4, 8]]], 3)
    array([[[5., 5., 8.]]])
    """
    return adaptive_max_pool(Call("adaptive_max_pool1d", 1, layout, backend), x, output_size, return_indices)


@overload
def adaptive_max_pool3d(
    x: Any, output_size: Any, *, return_indices: Literal[False] = ..., layout: str = ..., backend: str | None = ...
) -> Array: ...
@overload
def adaptive_max_pool3d(
    x: Any, output_size: Any, *, return_indices: Literal[True], layout: str = ..., backend: str | None = ...
) -> tuple[Array, Array]: ...
def adaptive_max_pool3d(
    x: Any, output_size: Any, *, return_indices: bool = False, layout: str = "NCDHW", backend: str | None = None
) -> Array | tuple[Array, Array]:
    """Largest element of windows that share a volume out among a given number of positions.

    ``(N, C, D, H, W) -> (N, C, OD, OH, OW)``

    Parameters
    ----------
    x : array_like, shape (N, C, D, H, W), or (N, D, H, W, C) with ``layout="NDHWC"``
        Input, of any strides.
    output_size : int, None, or sequence of three of them
        Number of windows per axis, as in `adaptive_avg_pool3d`, which has the rule for the windows.
    return_indices : bool
        Return ``(y, indices)`` instead of ``y``.
    layout : {"NCDHW", "NDHWC"}
        Order of the axes of `x` and of the result.
    backend : {"fast", "numpy", "naive"}, optional
        Backend of this call; by default the current one.

    Returns
    -------
    y : ndarray, shape (N, C, OD, OH, OW), or (N, OD, OH, OW, C) with ``layout="NDHWC"``
        Its dtype is that of `x`, or float64 if that is an integer type.
    indices : ndarray of int64, shaped like `y`
        Only with ``return_indices=True``: position of each maximum in its flattened input volume, as in `max_pool3d`.

    Raises
    ------
    ValueError
        If sizes or shapes do not fit together.
    TypeError
        If an argument has a type or dtype that is not taken.

    See Also
    --------
    max_pool3d_backward : The gradient, from the indices.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv as fc
    >>> x = np.arange(12.0).reshape(1, 1, 2, 2, 3)
    >>> fc.adaptive_max_pool3d(x, (None, 1, 1))[0, 0]
    array([[[ 5.]],
           [[11.]]])
    """
    return adaptive_max_pool(Call("adaptive_max_pool3d", 3, layout, backend), x, output_size, return_indices)

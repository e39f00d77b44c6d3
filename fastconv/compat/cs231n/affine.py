"""Affine layers. Their weights are (D, M), the transpose of ours, and are read as they lie, without being turned.

``x w`` is the input gradient of a linear layer with the weights w, and ``xᵀ dout`` the gradient of its weights.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from fastconv.compat.cs231n.arguments import OldNames, unpacked
from fastconv.compat.cs231n.windows import Gradients
from fastconv.errors import InvalidValueError
from fastconv.functional.call import as_computed, finish
from fastconv.functional.linear import linear, linear_backward
from fastconv.validation.arrays import Array, check_array, check_shape, common_dtype


def affine_forward(x: Any, w: Any, b: Any) -> tuple[Array, tuple[Any, Any, Any]]:
    """Multiply every image, as a row, with a matrix.

    ``(N, d1, ..., dk) * (D, M) + (M,) -> (N, M)``

    Parameters
    ----------
    x : array_like, shape (N, d1, ..., dk)
        One image per row; ``D = d1 * ... * dk``.
    w : array_like, shape (D, M)
        Weights.
    b : array_like, shape (M,) or (1, M)
        Biases.

    Returns
    -------
    out : ndarray, shape (N, M)
        Its dtype is `np.result_type` of x, w and b, or float64 if that is an integer type.
    cache : tuple
        ``(x, w, b)``.

    Raises
    ------
    ValueError, TypeError
        If the shapes do not fit together, or a dtype is not taken.

    Examples
    --------
    >>> affine_forward(np.ones((1, 2, 2)), np.eye(4, 3), np.array([0.0, 1.0, 2.0]))[0]
    array([[1., 2., 3.]])
    """
    operation = "affine_forward"
    rows, matrix = _matrices(operation, x, w)
    bias = check_array(operation, "b", b)
    if bias.shape != (1, matrix.shape[1]):
        check_shape(operation, "b", bias.shape, matrix.shape[1:], "one value per output")
    dtype = common_dtype(operation, rows, matrix, bias)
    rows, matrix, bias = (as_computed(array, dtype) for array in (rows, matrix, bias))
    with OldNames(operation):
        out: Array = linear_backward(  # type: ignore[assignment]  # asked for, so not None
            rows, _unread(rows.dtype, rows.shape[0], matrix.shape[1]), matrix, needs=("x",)
        ).dx
    out += bias
    return finish(out, dtype), (x, w, b)


def affine_backward(dout: Any, cache: Any) -> Gradients:
    """Gradients of `affine_forward`.

    ``(N, M) -> dx (N, d1, ..., dk), dw (D, M), db (M,)``

    Parameters
    ----------
    dout : array_like, shape (N, M)
        Gradient of the loss with respect to the output.
    cache : tuple
        ``(x, w, b)``.

    Returns
    -------
    dx, dw, db : ndarray
        Gradients; db is (1, M) where b is.

    Raises
    ------
    ValueError, TypeError
        If the shapes do not fit together, or a dtype is not taken.

    Examples
    --------
    >>> dx, dw, db = affine_backward([[1.0, 2.0]], ([[[3.0], [4.0]]], np.ones((2, 2)), np.zeros(2)))
    >>> dx, dw
    (array([[[3.],
            [3.]]]), array([[3., 6.],
           [4., 8.]]))
    """
    operation = "affine_backward"
    x, w, _ = unpacked(operation, cache, ("x", "w", "b"))
    dw, db = affine_weight_gradients(operation, dout, cache)
    with OldNames(operation):
        dx = linear(dout, w)
    return dx.reshape(np.shape(x)), dw, db


def affine_weight_gradients(operation: str, dout: Any, cache: Any) -> tuple[Array, Array]:
    """Gradients dw and db alone, for a first layer: nobody asks for those of the images."""
    x, w, b = unpacked(operation, cache, ("x", "w", "b"))
    rows, matrix = _matrices(operation, x, w)
    dout = check_array(operation, "dout", dout)
    check_shape(operation, "dout", dout.shape, (rows.shape[0], matrix.shape[1]), "the shape of the output")
    with OldNames(operation):
        dw = linear_backward(rows, dout, _unread(dout.dtype, *matrix.shape), needs=("weight",)).dweight
        ones = (_unread(dout.dtype, size, 1) for size in dout.shape)
        db = linear_backward(dout, *ones, needs=("bias",)).dbias
    shape = (1, -1) if np.shape(b) == (1, matrix.shape[1]) else -1
    return dw, db.reshape(shape)  # type: ignore[return-value, union-attr]  # asked for, so not None


def _matrices(operation: str, x: Any, w: Any) -> tuple[Array, Array]:
    """Rows and matrix: (N, D), (D, M)."""
    x, w = check_array(operation, "x", x), check_array(operation, "w", w)
    size = prod(x.shape[1:])
    if x.ndim == 0 or w.ndim != 2 or w.shape[0] != size:
        raise InvalidValueError(
            f"{operation}: w must have shape (D, M), where D={size} are the numbers of one row of x, but got {w.shape} "
            f"(x shape {x.shape})."
        )
    if 0 in w.shape:
        raise InvalidValueError(f"{operation}: w must not have an empty axis, but got shape {w.shape}.")
    return x.reshape(x.shape[0], size), w


def _unread(dtype: DTypeLike, *shape: int) -> Array:
    """An operand of which only shape and dtype count, in no memory; `np.broadcast_to` would take 10 µs for it."""
    return np.ndarray(shape, dtype, np.zeros(1, dtype), 0, (0,) * len(shape))

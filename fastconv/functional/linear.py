"""Linear (fully connected) layers: every row of the input times a matrix."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NoReturn

from fastconv.backends.base import Backend
from fastconv.errors import InvalidValueError
from fastconv.functional.call import Call, ConvGradients
from fastconv.validation.arrays import Array, check_shape
from fastconv.validation.memory import check_fits
from fastconv.validation.sizes import GRADIENTS, check_needs
from fastconv.validation.types import ArrayLike, BackendName

_SMALL = 2**20  # bytes of an output that need no look at the memory


def linear(
    x: ArrayLike, weight: ArrayLike, bias: ArrayLike | None = None, *, backend: BackendName | None = None
) -> Array:
    """Multiply every row with a matrix: ``y = x weightᵀ + bias``.

    ``(N, I) * (O, I) -> (N, O)``

    Parameters
    ----------
    x : array_like, shape (N, I)
        One row per image.
    weight : array_like, shape (O, I)
        One row per output.
    bias : array_like, shape (O,), optional
        Added to every row of the result.
    backend : {"fast", "numpy", "naive"}, optional
        Backend of this call; by default the current one.

    Returns
    -------
    ndarray, shape (N, O)
        Its dtype is `np.result_type` of all inputs, or float64 if that is an integer type.

    Raises
    ------
    ValueError, TypeError
        If the shapes do not fit together, or an argument has a type that is not taken.

    Notes
    -----
    ``y[n, o] = bias[o] + sum over i of x[n, i] weight[o, i]``, a 1×1 convolution of one pixel per row. The fast backend
    reads the weights in place where the rows are few.

    Examples
    --------
    >>> import numpy as np
    >>> linear(np.array([[1.0, 2, 3]]), np.array([[1.0, 0, 0], [0, 1, 1]]), np.array([10.0, 20]))
    array([[11., 25.]])
    """
    call = Call("linear", backend)
    arrays = call.arrays({"bias": bias}, x=x, weight=weight)
    x, weight = arrays["x"], arrays["weight"]
    _check_matrices(call, x, weight)
    checked_bias = call.checked_bias(arrays, len(weight), "output")
    return call.finish(call.compute(Backend.linear, call.computed(x), call.computed(weight), checked_bias))


def linear_backward(
    dy: ArrayLike,
    x: ArrayLike,
    weight: ArrayLike,
    *,
    needs: Iterable[str] = GRADIENTS,
    backend: BackendName | None = None,
) -> ConvGradients:
    """Gradients of `linear` with respect to its input, weights and bias.

    ``(N, O), (N, I), (O, I) -> dx (N, I), dweight (O, I), dbias (O,)``

    Parameters
    ----------
    dy : array_like, shape (N, O)
        Gradient of the loss with respect to the output.
    x, weight, backend
        As in the forward call.
    needs
        As for `conv2d_backward`.

    Returns
    -------
    ConvGradients
        ``(dx, dweight, dbias)``, with ``dx = dy weight``, ``dweight = dyᵀ x`` and ``dbias`` the sum of the rows of
        `dy`.

    Examples
    --------
    >>> import numpy as np
    >>> gradients = linear_backward(np.array([[1.0, 2]]), np.array([[1.0, 2, 3]]), np.ones((2, 3)))
    >>> gradients.dx, gradients.dbias
    (array([[3., 3., 3.]]), array([1., 2.]))
    """
    call = Call("linear_backward", backend)
    dy, x, weight = call.arrays(dy=dy, x=x, weight=weight).values()
    wanted = check_needs(call.operation, needs)
    _check_matrices(call, x, weight)
    check_shape(call.operation, "dy", dy.shape, (x.shape[0], weight.shape[0]), "the shape of the output")
    matrices = call.computed(dy), call.computed(x), call.computed(weight)
    gradients = call.compute(Backend.linear_backward, *matrices, wanted)
    return call.finish_gradients(wanted, *gradients)


def _check_matrices(call: Call, x: Array, weight: Array) -> None:
    if x.ndim == weight.ndim == 2:
        (rows, inputs), (outputs, columns) = x.shape, weight.shape
        if inputs == columns and inputs and outputs:
            if rows * outputs * call.dtype.itemsize > _SMALL:
                check_fits(call.operation, "the output", (rows, outputs), call.dtype.itemsize)
            return
    _refuse_matrices(call.operation, x, weight)


def _refuse_matrices(operation: str, x: Array, weight: Array) -> NoReturn:
    for name, array, letters in (("x", x, "(N, I)"), ("weight", weight, "(O, I)")):
        if array.ndim != 2:
            raise InvalidValueError(
                f"{operation}: {name} must have 2 axes, {letters}, but got {array.ndim} (shape {array.shape})."
            )
        if 0 in array.shape[1:] or (name == "weight" and 0 in array.shape):
            raise InvalidValueError(f"{operation}: {name} must not have an empty axis, but got shape {array.shape}.")
    raise InvalidValueError(
        f"{operation}: weight must have as many columns as x, {x.shape[1]}, but got {weight.shape[1]} (x shape "
        f"{x.shape}, weight shape {weight.shape})."
    )

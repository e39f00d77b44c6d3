"""ReLU with a slope that is learnt."""

from __future__ import annotations

from typing import NamedTuple

from fastconv.backends.base import Backend
from fastconv.errors import InvalidValueError
from fastconv.functional.call import Call
from fastconv.validation.arrays import Array, check_shape
from fastconv.validation.sizes import check_axis
from fastconv.validation.types import ArrayLike, Shape


class PReLUGradients(NamedTuple):
    """Gradients of `prelu`.

    Attributes
    ----------
    dx : ndarray, shaped like x
        With respect to the input.
    dweight : ndarray, shaped like weight
        With respect to the slopes.
    """

    dx: Array
    dweight: Array


def prelu(x: ArrayLike, weight: ArrayLike, *, axis: int = 1) -> Array:
    """Compute `x` where it is positive and ``weight * x`` elsewhere, with a slope per channel or one for all.

    ``(N, C, ...), (C,) -> (N, C, ...)``

    Parameters
    ----------
    x : array_like
        Input; with one slope, of any shape.
    weight : array_like, shape (C,) or (1,)
        The slopes.
    axis : int
        Axis of the channels: -1 for channels-last input.

    Returns
    -------
    ndarray, shaped like x
        Its dtype is `np.result_type` of both.

    Raises
    ------
    ValueError
        If there is neither one slope nor one per channel.

    Notes
    -----
    He, Zhang, Ren and Sun (2015), "Delving Deep into Rectifiers", section 2.1.

    Examples
    --------
    >>> prelu([[-2.0, -2.0, 3.0]], [0.5, 0.25, 0.1])
    array([[-1. , -0.5,  3. ]])
    """
    call = Call("prelu")
    x, weight = call.arrays(x=x, weight=weight).values()
    slopes = call.computed(weight).reshape(_slope_shape(call.operation, x.shape, weight.shape, axis))
    return call.finish(call.compute(Backend.prelu, call.computed(x), slopes))


def prelu_backward(dy: ArrayLike, x: ArrayLike, weight: ArrayLike, *, axis: int = 1) -> PReLUGradients:
    """Gradients of `prelu` with respect to its input and its slopes, from its input.

    ``(N, C, ...), (N, C, ...), (C,) -> dx (N, C, ...), dweight (C,)``

    Parameters
    ----------
    dy : array_like, shaped like x
        Gradient of the loss with respect to the output.
    x, weight, axis
        As in the forward call.

    Returns
    -------
    PReLUGradients
        ``(dx, dweight)``; `dweight` is the sum of ``dy * x`` where x is not positive.

    Examples
    --------
    >>> gradients = prelu_backward([[1.0, 1.0, 1.0]], [[-2.0, -2.0, 3.0]], [0.5, 0.25, 0.1])
    >>> gradients.dx, gradients.dweight
    (array([[0.5 , 0.25, 1.  ]]), array([-2., -2.,  0.]))
    """
    call = Call("prelu_backward")
    dy, x, weight = call.arrays(dy=dy, x=x, weight=weight).values()
    check_shape(call.operation, "dy", dy.shape, x.shape, "that of x")
    shape = _slope_shape(call.operation, x.shape, weight.shape, axis)
    dy, x, slopes = call.computed(dy), call.computed(x), call.computed(weight).reshape(shape)
    dx, dslopes = call.compute(Backend.prelu_backward, dy, x, slopes)
    return PReLUGradients(call.finish(dx), call.finish(dslopes.reshape(weight.shape)))


def _slope_shape(operation: str, x: Shape, weight: Shape, axis: object) -> Shape:
    """Shape in which the slopes broadcast against x."""
    if weight == (1,):
        return (1,) * len(x)
    channels = check_axis(operation, "axis", axis, x)
    if weight != (x[channels],):
        raise InvalidValueError(
            f"{operation}: weight must have shape (1,) or one slope per channel, {(x[channels],)}, but got {weight} "
            f"(x shape {x}, axis {axis})."
        )
    return tuple(size if i == channels else 1 for i, size in enumerate(x))

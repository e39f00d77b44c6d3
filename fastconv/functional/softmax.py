"""Softmax and its logarithm."""

from __future__ import annotations

from fastconv.backends.base import Backend
from fastconv.functional.call import Call
from fastconv.validation.arrays import Array
from fastconv.validation.sizes import check_axis
from fastconv.validation.types import ArrayLike


def softmax(x: ArrayLike, axis: int = -1) -> Array:
    """Compute ``exp(x) / sum(exp(x))`` along an axis: scores become probabilities.

    Parameters
    ----------
    x : array_like
        Scores, of any shape.
    axis : int
        Axis of the classes.

    Returns
    -------
    ndarray, shaped like x
        Sums to 1 along the axis; without elements where x has none.

    Raises
    ------
    ValueError
        If there is no such axis.

    Notes
    -----
    The maximum is subtracted first, which changes nothing and keeps the exponentials from overflowing: Goodfellow,
    Bengio and Courville (2016), "Deep Learning", section 4.1.

    Examples
    --------
    >>> softmax([[1000.0, 1000.0], [0.0, -1000.0]])
    array([[0.5, 0.5],
           [1. , 0. ]])
    """
    call = Call("softmax")
    (x,) = call.arrays(x=x).values()
    along = check_axis(call.operation, "axis", axis, x.shape)
    return call.finish(call.compute(Backend.softmax, call.computed(x), along))


def softmax_backward(dy: ArrayLike, y: ArrayLike, axis: int = -1) -> Array:
    """Gradient of `softmax`, from its output: ``y * (dy - sum(dy * y))``.

    Arguments as for `sigmoid_backward`; `axis` as in the forward call.

    Examples
    --------
    >>> softmax_backward([[1.0, 0.0]], [[0.5, 0.5]])
    array([[ 0.25, -0.25]])
    """
    call = Call("softmax_backward")
    dy, y = call.gradient_pair("y", dy, y)
    along = check_axis(call.operation, "axis", axis, y.shape)
    return call.finish(call.compute(Backend.softmax_backward, dy, y, along))


def log_softmax(x: ArrayLike, axis: int = -1) -> Array:
    """Compute ``x - log(sum(exp(x)))`` along an axis: the logarithms of `softmax`, also of those that round to 0.

    Arguments as for `softmax`.

    Examples
    --------
    >>> log_softmax([[0.0, -1000.0]])
    array([[    0., -1000.]])
    """
    call = Call("log_softmax")
    (x,) = call.arrays(x=x).values()
    along = check_axis(call.operation, "axis", axis, x.shape)
    return call.finish(call.compute(Backend.log_softmax, call.computed(x), along))


def log_softmax_backward(dy: ArrayLike, y: ArrayLike, axis: int = -1) -> Array:
    """Gradient of `log_softmax`, from its output: ``dy - exp(y) * sum(dy)``.

    Arguments as for `sigmoid_backward`; `axis` as in the forward call.

    Examples
    --------
    >>> import numpy as np
    >>> log_softmax_backward([[1.0, 0.0]], np.log([[0.25, 0.75]]))
    array([[ 0.75, -0.75]])
    """
    call = Call("log_softmax_backward")
    dy, y = call.gradient_pair("y", dy, y)
    along = check_axis(call.operation, "axis", axis, y.shape)
    return call.finish(call.compute(Backend.log_softmax_backward, dy, y, along))

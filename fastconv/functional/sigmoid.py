"""The sigmoid, the hyperbolic tangent, and the sigmoid linear unit."""

from __future__ import annotations

from fastconv.functional.elementwise import forward, gradient
from fastconv.validation.arrays import Array
from fastconv.validation.types import ArrayLike


def sigmoid(x: ArrayLike) -> Array:
    """Compute ``1 / (1 + exp(-x))``.

    Parameters
    ----------
    x : array_like
        Input of any shape.

    Returns
    -------
    ndarray, shaped like x
        Numbers from 0 to 1.

    Examples
    --------
    >>> sigmoid([-800.0, 0.0, 800.0])
    array([0. , 0.5, 1. ])
    """
    return forward("sigmoid", x)


def sigmoid_backward(dy: ArrayLike, y: ArrayLike) -> Array:
    """Gradient of `sigmoid`, from its output: ``dy * y * (1 - y)``.

    Parameters
    ----------
    dy, y : array_like of one shape
        Gradient of the loss with respect to the output, and the output.

    Returns
    -------
    ndarray, shaped like y
        The gradient with respect to the input.

    Examples
    --------
    >>> sigmoid_backward([4.0], [0.5])
    array([1.])
    """
    return gradient("sigmoid", dy, y, "y")


def tanh(x: ArrayLike) -> Array:
    """Compute the hyperbolic tangent, which lies between -1 and 1.

    Arguments as for `sigmoid`.

    Examples
    --------
    >>> tanh([-800.0, 0.0, 0.5])
    array([-1.        ,  0.        ,  0.46211716])
    """
    return forward("tanh", x)


def tanh_backward(dy: ArrayLike, y: ArrayLike) -> Array:
    """Gradient of `tanh`, from its output: ``dy * (1 - y²)``.

    Arguments as for `sigmoid_backward`.

    Examples
    --------
    >>> tanh_backward([4.0], [0.5])
    array([3.])
    """
    return gradient("tanh", dy, y, "y")


def silu(x: ArrayLike) -> Array:
    """Compute ``x * sigmoid(x)``, also called swish.

    Arguments as for `sigmoid`. At minus infinity, where it is ``-inf * 0``, the output is NaN.

    Notes
    -----
    Hendrycks and Gimpel (2016), "Gaussian Error Linear Units (GELUs)", section 2; Ramachandran, Zoph and Le (2017),
    "Searching for Activation Functions".

    Examples
    --------
    >>> silu([-800.0, 0.0, 1.0])
    array([-0.        ,  0.        ,  0.73105858])
    """
    return forward("silu", x)


def silu_backward(dy: ArrayLike, x: ArrayLike) -> Array:
    """Gradient of `silu`, from its input: ``dy * s * (1 + x * (1 - s))`` with ``s = sigmoid(x)``.

    Arguments as for `sigmoid_backward`, with the input in place of the output.

    Examples
    --------
    >>> silu_backward([2.0], [0.0])
    array([1.])
    """
    return gradient("silu", dy, x, "x")

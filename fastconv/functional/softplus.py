"""Softplus and softsign."""

from __future__ import annotations

from fastconv.errors import InvalidValueError, shown
from fastconv.functional.elementwise import forward, gradient
from fastconv.validation.arrays import Array
from fastconv.validation.sizes import check_number
from fastconv.validation.types import ArrayLike


def softplus(x: ArrayLike, beta: float = 1.0, threshold: float = 20.0) -> Array:
    """Compute ``log(1 + exp(beta * x)) / beta``, a smooth ReLU.

    Parameters
    ----------
    x : array_like
        Input of any shape.
    beta : float
        How sharp the bend is; not 0.
    threshold : float
        Where ``beta * x`` is larger, the result is `x`.

    Returns
    -------
    ndarray, shaped like x
        The output.

    Raises
    ------
    ValueError
        If `beta` is 0, or either is not finite.

    Notes
    -----
    Dugas, Bengio, Bélisle, Nadeau and Garcia (2001), "Incorporating Second-Order Functional Knowledge for Better Option
    Pricing", section 2.

    Examples
    --------
    >>> softplus([-800.0, 0.0, 800.0])
    array([0.00000000e+00, 6.93147181e-01, 8.00000000e+02])
    """
    beta, threshold = _softplus_options("softplus", beta, threshold)
    return forward("softplus", x, beta, threshold)


def softplus_backward(dy: ArrayLike, x: ArrayLike, beta: float = 1.0, threshold: float = 20.0) -> Array:
    """Gradient of `softplus`, from its input: ``dy * sigmoid(beta * x)``.

    Arguments as for `sigmoid_backward`, with the input in place of the output; `beta` and `threshold` as in the
    forward call.

    Examples
    --------
    >>> softplus_backward([1.0, 1.0], [0.0, 800.0])
    array([0.5, 1. ])
    """
    beta, threshold = _softplus_options("softplus_backward", beta, threshold)
    return gradient("softplus", dy, x, "x", beta, threshold)


def _softplus_options(operation: str, beta: object, threshold: object) -> tuple[float, float]:
    slope = check_number(operation, "beta", beta)
    if slope == 0:
        raise InvalidValueError(f"{operation}: beta must not be 0, but got {shown(beta)}.")
    return slope, check_number(operation, "threshold", threshold)


def softsign(x: ArrayLike) -> Array:
    """Compute ``x / (1 + |x|)``, which lies between -1 and 1.

    Arguments as for `sigmoid`. At the infinities, where it is ``inf / inf``, the output is NaN.

    Notes
    -----
    Bergstra, Desjardins, Lamblin and Bengio (2009), "Quadratic Polynomials Learn Better Image Features", section 3.

    Examples
    --------
    >>> softsign([-3.0, 0.0, 1.0])
    array([-0.75,  0.  ,  0.5 ])
    """
    return forward("softsign", x)


def softsign_backward(dy: ArrayLike, x: ArrayLike) -> Array:
    """Gradient of `softsign`, from its input: ``dy / (1 + |x|)²``.

    Arguments as for `sigmoid_backward`, with the input in place of the output.

    Examples
    --------
    >>> softsign_backward([1.0, 1.0], [0.0, 1.0])
    array([1.  , 0.25])
    """
    return gradient("softsign", dy, x, "x")

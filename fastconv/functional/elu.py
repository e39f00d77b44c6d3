"""Exponential linear units."""

from __future__ import annotations

from fastconv.functional.elementwise import forward, gradient
from fastconv.validation.arrays import Array
from fastconv.validation.sizes import check_number
from fastconv.validation.types import ArrayLike

_SELU_ALPHA = 1.6732632423543772848170429916717
_SELU_SCALE = 1.0507009873554804934193349852946


def elu(x: ArrayLike, alpha: float = 1.0) -> Array:
    """Compute `x` where it is positive and ``alpha * (exp(x) - 1)`` elsewhere.

    Parameters
    ----------
    x : array_like
        Input of any shape.
    alpha : float
        Minus the limit at minus infinity; at least 0, so that the sign of the output is that of the input.

    Returns
    -------
    ndarray, shaped like x
        The output.

    Raises
    ------
    ValueError
        If `alpha` is negative or not finite.

    Notes
    -----
    Clevert, Unterthiner and Hochreiter (2016), "Fast and Accurate Deep Network Learning by Exponential Linear Units
    (ELUs)", section 3.

    Examples
    --------
    >>> elu([-800.0, 0.0, 3.0], alpha=2.0)
    array([-2.,  0.,  3.])
    """
    alpha = check_number("elu", "alpha", alpha, least=0)
    return forward("elu", x, alpha, 1.0)


def elu_backward(dy: ArrayLike, y: ArrayLike, alpha: float = 1.0) -> Array:
    """Gradient of `elu`, from its output: `dy` where it is positive and ``dy * (y + alpha)`` elsewhere.

    Arguments as for `sigmoid_backward`; `alpha` as in the forward call.

    Examples
    --------
    >>> elu_backward([1.0, 1.0, 1.0], [-2.0, 0.0, 3.0], alpha=2.0)
    array([0., 2., 1.])
    """
    alpha = check_number("elu_backward", "alpha", alpha, least=0)
    return gradient("elu", dy, y, "y", alpha, 1.0)


def selu(x: ArrayLike) -> Array:
    """Compute ``1.0507 * elu(x, alpha=1.6733)``, which keeps mean 0 and variance 1 from layer to layer.

    Arguments as for `elu`, but for `alpha`.

    Notes
    -----
    Klambauer, Unterthiner, Mayr and Hochreiter (2017), "Self-Normalizing Neural Networks", equation 2, with both
    constants to more digits.

    Examples
    --------
    >>> selu([-800.0, 0.0, 1.0])
    array([-1.75809934,  0.        ,  1.05070099])
    """
    return forward("selu", x, _SELU_ALPHA, _SELU_SCALE, kind="elu")


def selu_backward(dy: ArrayLike, y: ArrayLike) -> Array:
    """Gradient of `selu`, from its output.

    Arguments as for `sigmoid_backward`.

    Examples
    --------
    >>> selu_backward([1.0, 1.0], [0.0, 2.0])
    array([1.75809934, 1.05070099])
    """
    return gradient("selu", dy, y, "y", _SELU_ALPHA, _SELU_SCALE, kind="elu")

"""The Gaussian error linear unit."""

from __future__ import annotations

from fastconv.functional.elementwise import forward, gradient
from fastconv.validation.arrays import Array
from fastconv.validation.sizes import check_choice
from fastconv.validation.types import ArrayLike, GeluForm

APPROXIMATIONS = ("none", "tanh")
_KINDS = {"none": "gelu", "tanh": "gelu_tanh"}


def gelu(x: ArrayLike, approximate: GeluForm = "none") -> Array:
    """Compute ``x * Φ(x)``, the Gaussian error linear unit.

    Parameters
    ----------
    x : array_like
        Input of any shape.
    approximate : {"none", "tanh"}
        How Φ, the distribution function of the standard normal distribution, is computed: to rounding error, or as
        ``(1 + tanh(√(2/π) (x + 0.044715 x³))) / 2``, at most 5e-4 off.

    Returns
    -------
    ndarray, shaped like x
        The output; NaN at minus infinity, where it is ``-inf * 0``.

    Raises
    ------
    ValueError
        If `approximate` is neither.

    Notes
    -----
    Hendrycks and Gimpel (2016), "Gaussian Error Linear Units (GELUs)", section 2. For Φ see
    `fastconv.backends.gaussian`.

    Examples
    --------
    >>> gelu([-1.0, 0.0, 1.0])
    array([-0.15865525,  0.        ,  0.84134475])
    """
    return forward("gelu", x, kind=_KINDS[check_choice("gelu", "approximate", approximate, APPROXIMATIONS)])


def gelu_backward(dy: ArrayLike, x: ArrayLike, approximate: GeluForm = "none") -> Array:
    """Gradient of `gelu`, from its input: ``dy * (Φ(x) + x Φ'(x))``.

    Arguments as for `sigmoid_backward`, with the input in place of the output; `approximate` as in the forward call.

    Examples
    --------
    >>> gelu_backward([1.0, 1.0], [0.0, 1.0])
    array([0.5       , 1.08331547])
    """
    chosen = check_choice("gelu_backward", "approximate", approximate, APPROXIMATIONS)
    return gradient("gelu", dy, x, "x", kind=_KINDS[chosen])

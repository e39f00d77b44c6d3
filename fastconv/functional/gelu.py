"""The Gaussian error linear unit."""

from __future__ import annotations

from math import pi, sqrt

import numpy as np

from fastconv.functional.elementwise import forward, gradient
from fastconv.functional.gaussian import cumulative, density
from fastconv.functional.sigmoid import into_sigmoid
from fastconv.validation.arrays import Array
from fastconv.validation.sizes import check_choice
from fastconv.validation.types import ArrayLike

APPROXIMATIONS = ("none", "tanh")
_SLOPE = 2 * sqrt(2 / pi)
_CUBE = 0.044715


def gelu(x: ArrayLike, approximate: str = "none") -> Array:
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
    `fastconv.functional.gaussian`.

    Examples
    --------
    >>> gelu([-1.0, 0.0, 1.0])
    array([-0.15865525,  0.        ,  0.84134475])
    """
    return forward("gelu", _GELU[check_choice("gelu", "approximate", approximate, APPROXIMATIONS)][0], x)


def gelu_backward(dy: ArrayLike, x: ArrayLike, approximate: str = "none") -> Array:
    """Gradient of `gelu`, from its input: ``dy * (Φ(x) + x Φ'(x))``.

    Arguments as for `sigmoid_backward`, with the input in place of the output; `approximate` as in the forward call.

    Examples
    --------
    >>> gelu_backward([1.0, 1.0], [0.0, 1.0])
    array([0.5       , 1.08331547])
    """
    chosen = check_choice("gelu_backward", "approximate", approximate, APPROXIMATIONS)
    return gradient("gelu_backward", _GELU[chosen][1], dy, x, "x")


def _gelu(x: Array, y: Array) -> None:
    cumulative(x, y)
    np.multiply(y, x, out=y)


def _gelu_backward(dy: Array, x: Array, dx: Array) -> None:
    t = np.empty_like(dx)
    density(x, t)
    np.multiply(t, x, out=t)
    cumulative(x, dx)
    np.add(dx, t, out=dx)
    np.multiply(dx, dy, out=dx)


def _tanh_gate(x: Array, s: Array) -> None:
    """(1 + tanh(u)) / 2 is sigmoid(2u)."""
    np.square(x, out=s)
    np.multiply(s, _CUBE, out=s)
    np.add(s, 1, out=s)
    np.multiply(s, x, out=s)
    np.multiply(s, _SLOPE, out=s)
    into_sigmoid(s, s)


def _gelu_tanh(x: Array, y: Array) -> None:
    _tanh_gate(x, y)
    np.multiply(y, x, out=y)


def _gelu_tanh_backward(dy: Array, x: Array, dx: Array) -> None:
    s = np.empty_like(dx)
    _tanh_gate(x, s)
    np.subtract(1, s, out=dx)
    np.multiply(dx, x, out=dx)  # zero where x is large, so that the square of x below may overflow no more
    near = np.clip(x, -30, 30)
    np.square(near, out=near)
    np.multiply(near, 3 * _CUBE, out=near)
    np.add(near, 1, out=near)
    np.multiply(near, _SLOPE, out=near)
    np.multiply(dx, near, out=dx)
    np.add(dx, 1, out=dx)
    np.multiply(dx, s, out=dx)
    np.multiply(dx, dy, out=dx)


_GELU = {"none": (_gelu, _gelu_backward), "tanh": (_gelu_tanh, _gelu_tanh_backward)}

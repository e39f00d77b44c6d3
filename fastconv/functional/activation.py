"""Activation functions made of straight lines.

Here and in the neighbouring modules, every function takes an array of any shape, memory order and real dtype and
returns a fresh one: float32 and float64 are kept, float16 is computed in float32 and rounded once, integers become
float64. Infinities and NaN give what they give in PyTorch, without a warning. A backward function takes the output `y`
of the forward one where the output says enough, so that a network need not keep the input too, and `x` elsewhere.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from fastconv.functional.elementwise import forward, gradient, select
from fastconv.validation.arrays import Array
from fastconv.validation.sizes import check_number

__all__ = [
    "hardsigmoid",
    "hardsigmoid_backward",
    "hardswish",
    "hardswish_backward",
    "leaky_relu",
    "leaky_relu_backward",
    "relu6",
    "relu6_backward",
]


def leaky_relu(x: Any, negative_slope: float = 0.01) -> Array:
    """Compute `x` where it is positive and ``negative_slope * x`` elsewhere.

    Parameters
    ----------
    x : array_like
        Input of any shape.
    negative_slope : float
        At least 0, so that the sign of the output is that of the input.

    Returns
    -------
    ndarray, shaped like x
        The output.

    Raises
    ------
    ValueError
        If the slope is negative or not finite.

    Notes
    -----
    Maas, Hannun and Ng (2013), "Rectifier Nonlinearities Improve Neural Network Acoustic Models", section 2.

    Examples
    --------
    >>> leaky_relu([-2.0, 3.0], 0.1)
    array([-0.2,  3. ])
    """
    slope = check_number("leaky_relu", "negative_slope", negative_slope, least=0)
    return forward("leaky_relu", partial(_leaky_relu, slope), x)


def leaky_relu_backward(dy: Any, y: Any, negative_slope: float = 0.01) -> Array:
    """Gradient of `leaky_relu`, from its output.

    Parameters
    ----------
    dy : array_like, shaped like y
        Gradient of the loss with respect to the output.
    y : array_like
        The output; the input does as well.
    negative_slope : float
        As in the forward call.

    Returns
    -------
    ndarray, shaped like y
        The gradient at 0 is that of the negative side.

    Examples
    --------
    >>> leaky_relu_backward([1.0, 1.0], [-0.2, 3.0], 0.1)
    array([0.1, 1. ])
    """
    slope = check_number("leaky_relu_backward", "negative_slope", negative_slope, least=0)
    return gradient("leaky_relu_backward", partial(_leaky_relu_backward, slope), dy, y, "y")


def _leaky_relu(slope: float, x: Array, y: Array) -> None:
    np.minimum(x, 0, out=y)
    np.multiply(y, slope, out=y)
    np.add(y, np.maximum(x, 0), out=y)


def _leaky_relu_backward(slope: float, dy: Array, y: Array, dx: Array) -> None:
    np.multiply(dy, slope, out=dx)
    select(y > 0, dy, dx)


def relu6(x: Any) -> Array:
    """Compute ``min(max(x, 0), 6)``.

    Parameters
    ----------
    x : array_like
        Input of any shape.

    Returns
    -------
    ndarray, shaped like x
        The output.

    Notes
    -----
    Krizhevsky (2010), "Convolutional Deep Belief Networks on CIFAR-10", section 2.1.

    Examples
    --------
    >>> relu6([-1.0, 3.0, 8.0])
    array([0., 3., 6.])
    """
    return forward("relu6", _relu6, x)


def relu6_backward(dy: Any, y: Any) -> Array:
    """Gradient of `relu6`, from its output: `dy` strictly between 0 and 6, and 0 elsewhere.

    Parameters
    ----------
    dy : array_like, shaped like y
        Gradient of the loss with respect to the output.
    y : array_like
        The output.

    Returns
    -------
    ndarray, shaped like y
        The gradient; `dy` where `y` is NaN.

    Examples
    --------
    >>> relu6_backward([1.0, 1.0, 1.0], [0.0, 3.0, 6.0])
    array([0., 1., 0.])
    """
    return gradient("relu6_backward", _relu6_backward, dy, y, "y")


def _relu6(x: Array, y: Array) -> None:
    np.maximum(x, 0, out=y)
    np.minimum(y, 6, out=y)


def _relu6_backward(dy: Array, y: Array, dx: Array) -> None:
    np.copyto(dx, dy)
    select((y <= 0) | (y >= 6), 0, dx)


def hardsigmoid(x: Any) -> Array:
    """Compute ``min(max(x + 3, 0), 6) / 6``, a sigmoid of three straight lines.

    Parameters
    ----------
    x : array_like
        Input of any shape.

    Returns
    -------
    ndarray, shaped like x
        Numbers from 0 to 1.

    Notes
    -----
    Howard et al. (2019), "Searching for MobileNetV3", section 5.2.

    Examples
    --------
    >>> hardsigmoid([-4.0, 0.0, 1.5])
    array([0.  , 0.5 , 0.75])
    """
    return forward("hardsigmoid", _hardsigmoid, x)


def hardsigmoid_backward(dy: Any, y: Any) -> Array:
    """Gradient of `hardsigmoid`, from its output: ``dy / 6`` strictly between 0 and 1, and 0 elsewhere.

    Parameters
    ----------
    dy : array_like, shaped like y
        Gradient of the loss with respect to the output.
    y : array_like
        The output.

    Returns
    -------
    ndarray, shaped like y
        The gradient; 0 where `y` is NaN, as in PyTorch.

    Examples
    --------
    >>> hardsigmoid_backward([6.0, 6.0, 6.0], [0.0, 0.5, 1.0])
    array([0., 1., 0.])
    """
    return gradient("hardsigmoid_backward", _hardsigmoid_backward, dy, y, "y")


def _hardsigmoid(x: Array, y: Array) -> None:
    np.add(x, 3, out=y)
    _relu6(y, y)
    np.divide(y, 6, out=y)


def _hardsigmoid_backward(dy: Array, y: Array, dx: Array) -> None:
    np.divide(dy, 6, out=dx)
    select(~((y > 0) & (y < 1)), 0, dx)


def hardswish(x: Any) -> Array:
    """Compute ``x * hardsigmoid(x)``.

    Parameters
    ----------
    x : array_like
        Input of any shape.

    Returns
    -------
    ndarray, shaped like x
        The output; NaN at minus infinity, where it is ``-inf * 0``.

    Notes
    -----
    Howard et al. (2019), "Searching for MobileNetV3", section 5.2.

    Examples
    --------
    >>> hardswish([-4.0, 1.5, 4.0])
    array([-0.   , 1.125, 4.   ])
    """
    return forward("hardswish", _hardswish, x)


def hardswish_backward(dy: Any, x: Any) -> Array:
    """Gradient of `hardswish`, from its input: 0 up to -3, `dy` from 3, and ``dy * (x/3 + 1/2)`` between.

    Parameters
    ----------
    dy : array_like, shaped like x
        Gradient of the loss with respect to the output.
    x : array_like
        The input.

    Returns
    -------
    ndarray, shaped like x
        The gradient.

    Examples
    --------
    >>> hardswish_backward([1.0, 1.0, 1.0], [-3.0, 0.0, 3.0])
    array([0. , 0.5, 1. ])
    """
    return gradient("hardswish_backward", _hardswish_backward, dy, x, "x")


def _hardswish(x: Array, y: Array) -> None:
    _hardsigmoid(x, y)
    np.multiply(y, x, out=y)


def _hardswish_backward(dy: Array, x: Array, dx: Array) -> None:
    np.divide(x, 3, out=dx)
    np.add(dx, 0.5, out=dx)
    np.multiply(dx, dy, out=dx)
    select(~(x < 3), dy, dx)
    select(x <= -3, 0, dx)

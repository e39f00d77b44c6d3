"""The hard sigmoid and the hard swish: curves made of straight lines."""

from __future__ import annotations

import numpy as np

from fastconv.functional.elementwise import forward, gradient, select
from fastconv.functional.relu import into_relu6
from fastconv.validation.arrays import Array
from fastconv.validation.types import ArrayLike


def hardsigmoid(x: ArrayLike) -> Array:
    """Compute ``min(max(x + 3, 0), 6) / 6``, a sigmoid of three straight lines.

    Arguments as for `sigmoid`.

    Notes
    -----
    Howard et al. (2019), "Searching for MobileNetV3", section 5.2, which has `hardswish` too.

    Examples
    --------
    >>> hardsigmoid([-4.0, 0.0, 1.5])
    array([0.  , 0.5 , 0.75])
    """
    return forward("hardsigmoid", _hardsigmoid, x)


def hardsigmoid_backward(dy: ArrayLike, y: ArrayLike) -> Array:
    """Gradient of `hardsigmoid`, from its output: ``dy / 6`` strictly between 0 and 1, and 0 elsewhere.

    Arguments as for `sigmoid_backward`. Where `y` is NaN the gradient is 0, as in PyTorch.

    Examples
    --------
    >>> hardsigmoid_backward([6.0, 6.0, 6.0], [0.0, 0.5, 1.0])
    array([0., 1., 0.])
    """
    return gradient("hardsigmoid_backward", _hardsigmoid_backward, dy, y, "y")


def _hardsigmoid(x: Array, y: Array) -> None:
    np.add(x, 3, out=y)
    into_relu6(y, y)
    np.divide(y, 6, out=y)


def _hardsigmoid_backward(dy: Array, y: Array, dx: Array) -> None:
    np.divide(dy, 6, out=dx)
    select(~((y > 0) & (y < 1)), 0, dx)


def hardswish(x: ArrayLike) -> Array:
    """Compute ``x * hardsigmoid(x)``.

    Arguments as for `sigmoid`. At minus infinity, where it is ``-inf * 0``, the output is NaN.

    Examples
    --------
    >>> hardswish([-4.0, 1.5, 4.0])
    array([-0.   , 1.125, 4.   ])
    """
    return forward("hardswish", _hardswish, x)


def hardswish_backward(dy: ArrayLike, x: ArrayLike) -> Array:
    """Gradient of `hardswish`, from its input: 0 up to -3, `dy` from 3, and ``dy * (x/3 + 1/2)`` between.

    Arguments as for `sigmoid_backward`, with the input in place of the output.

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

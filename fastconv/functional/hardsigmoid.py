"""The hard sigmoid and the hard swish: curves made of straight lines."""

from __future__ import annotations

from fastconv.functional.elementwise import forward, gradient
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
    return forward("hardsigmoid", x)


def hardsigmoid_backward(dy: ArrayLike, y: ArrayLike) -> Array:
    """Gradient of `hardsigmoid`, from its output: ``dy / 6`` strictly between 0 and 1, and 0 elsewhere.

    Arguments as for `sigmoid_backward`. Where `y` is NaN the gradient is 0, as in PyTorch.

    Examples
    --------
    >>> hardsigmoid_backward([6.0, 6.0, 6.0], [0.0, 0.5, 1.0])
    array([0., 1., 0.])
    """
    return gradient("hardsigmoid", dy, y, "y")


def hardswish(x: ArrayLike) -> Array:
    """Compute ``x * hardsigmoid(x)``.

    Arguments as for `sigmoid`. At minus infinity, where it is ``-inf * 0``, the output is NaN.

    Examples
    --------
    >>> hardswish([-4.0, 1.5, 4.0])
    array([-0.   , 1.125, 4.   ])
    """
    return forward("hardswish", x)


def hardswish_backward(dy: ArrayLike, x: ArrayLike) -> Array:
    """Gradient of `hardswish`, from its input: 0 up to -3, `dy` from 3, and ``dy * (x/3 + 1/2)`` between.

    Arguments as for `sigmoid_backward`, with the input in place of the output.

    Examples
    --------
    >>> hardswish_backward([1.0, 1.0, 1.0], [-3.0, 0.0, 3.0])
    array([0. , 0.5, 1. ])
    """
    return gradient("hardswish", dy, x, "x")

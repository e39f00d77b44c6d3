"""Activation functions and their gradients in NumPy, a block at a time: what the numpy and naive backends compute.

A function stores its result in `y`, a gradient in `dx`; some begin with numbers, such as a slope. `value` is the output
of a function where that says enough for its gradient, and the input elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import pi, sqrt

import numpy as np

from fastconv.backends.elementwise import Array, elementwise, select, sum_along
from fastconv.backends.gaussian import cumulative, density

_GELU_SLOPE = 2 * sqrt(2 / pi)
_GELU_CUBE = 0.044715


def _leaky_relu(slope: float, x: Array, y: Array) -> None:
    np.minimum(x, 0, out=y)
    np.multiply(y, slope, out=y)
    np.add(y, np.maximum(x, 0), out=y)


def _leaky_relu_backward(slope: float, dy: Array, y: Array, dx: Array) -> None:
    np.multiply(dy, slope, out=dx)
    select(y > 0, dy, dx)


def _relu6(x: Array, y: Array) -> None:
    np.maximum(x, 0, out=y)
    np.minimum(y, 6, out=y)


def _relu6_backward(dy: Array, y: Array, dx: Array) -> None:
    np.copyto(dx, dy)
    select((y <= 0) | (y >= 6), 0, dx)


def _hardsigmoid(x: Array, y: Array) -> None:
    np.add(x, 3, out=y)
    _relu6(y, y)
    np.divide(y, 6, out=y)


def _hardsigmoid_backward(dy: Array, y: Array, dx: Array) -> None:
    np.divide(dy, 6, out=dx)
    select(~((y > 0) & (y < 1)), 0, dx)


def _hardswish(x: Array, y: Array) -> None:
    _hardsigmoid(x, y)
    np.multiply(y, x, out=y)


def _hardswish_backward(dy: Array, x: Array, dx: Array) -> None:
    np.divide(x, 3, out=dx)
    np.add(dx, 0.5, out=dx)
    np.multiply(dx, dy, out=dx)
    select(~(x < 3), dy, dx)
    select(x <= -3, 0, dx)


def _elu(alpha: float, scale: float, x: Array, y: Array) -> None:
    np.minimum(x, 0, out=y)
    np.expm1(y, out=y)
    np.multiply(y, alpha * scale, out=y)
    positive = np.maximum(x, 0)
    np.multiply(positive, scale, out=positive)
    np.add(y, positive, out=y)  # one of the two is 0


def _elu_backward(alpha: float, scale: float, dy: Array, y: Array, dx: Array) -> None:
    np.add(y, alpha * scale, out=dx)
    select(~(y <= 0), scale, dx)
    np.multiply(dx, dy, out=dx)


def into_sigmoid(x: Array, y: Array) -> None:
    """Store sigmoid(x) in `y`, which may be x."""
    np.negative(x, out=y)
    np.exp(y, out=y)  # infinity for a very negative x, and its reciprocal 0: the right limit
    np.add(y, 1, out=y)
    np.reciprocal(y, out=y)


def _sigmoid_backward(dy: Array, y: Array, dx: Array) -> None:
    np.subtract(1, y, out=dx)
    np.multiply(dx, y, out=dx)
    np.multiply(dx, dy, out=dx)


def _tanh(x: Array, y: Array) -> None:
    np.tanh(x, out=y)


def _tanh_backward(dy: Array, y: Array, dx: Array) -> None:
    np.square(y, out=dx)
    np.subtract(1, dx, out=dx)
    np.multiply(dx, dy, out=dx)


def _silu(x: Array, y: Array) -> None:
    np.negative(x, out=y)
    np.exp(y, out=y)
    np.add(y, 1, out=y)
    np.divide(x, y, out=y)


def _silu_backward(dy: Array, x: Array, dx: Array) -> None:
    s = np.empty_like(dx)
    into_sigmoid(x, s)
    np.subtract(1, s, out=dx)
    np.multiply(dx, x, out=dx)
    np.add(dx, 1, out=dx)
    np.multiply(dx, s, out=dx)
    np.multiply(dx, dy, out=dx)


def _softplus(beta: float, threshold: float, x: Array, y: Array) -> None:
    np.multiply(x, beta, out=y)
    straight = y > threshold
    np.exp(y, out=y)
    np.log1p(y, out=y)
    np.divide(y, beta, out=y)
    select(straight, x, y)


def _softplus_backward(beta: float, threshold: float, dy: Array, x: Array, dx: Array) -> None:
    scaled = np.multiply(x, beta)
    into_sigmoid(scaled, dx)
    np.multiply(dx, dy, out=dx)
    select(scaled > threshold, dy, dx)


def _softsign(x: Array, y: Array) -> None:
    np.abs(x, out=y)
    np.add(y, 1, out=y)
    np.divide(x, y, out=y)


def _softsign_backward(dy: Array, x: Array, dx: Array) -> None:
    np.abs(x, out=dx)
    np.add(dx, 1, out=dx)
    np.square(dx, out=dx)
    np.divide(dy, dx, out=dx)


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
    np.multiply(s, _GELU_CUBE, out=s)
    np.add(s, 1, out=s)
    np.multiply(s, x, out=s)
    np.multiply(s, _GELU_SLOPE, out=s)
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
    np.multiply(near, 3 * _GELU_CUBE, out=near)
    np.add(near, 1, out=near)
    np.multiply(near, _GELU_SLOPE, out=near)
    np.multiply(dx, near, out=dx)
    np.add(dx, 1, out=dx)
    np.multiply(dx, s, out=dx)
    np.multiply(dx, dy, out=dx)


FORWARD: dict[str, Callable[..., None]] = {
    "relu6": _relu6,
    "leaky_relu": _leaky_relu,
    "hardsigmoid": _hardsigmoid,
    "hardswish": _hardswish,
    "elu": _elu,
    "sigmoid": into_sigmoid,
    "tanh": _tanh,
    "silu": _silu,
    "softplus": _softplus,
    "softsign": _softsign,
    "gelu": _gelu,
    "gelu_tanh": _gelu_tanh,
}
BACKWARD: dict[str, Callable[..., None]] = {
    "relu6": _relu6_backward,
    "leaky_relu": _leaky_relu_backward,
    "hardsigmoid": _hardsigmoid_backward,
    "hardswish": _hardswish_backward,
    "elu": _elu_backward,
    "sigmoid": _sigmoid_backward,
    "tanh": _tanh_backward,
    "silu": _silu_backward,
    "softplus": _softplus_backward,
    "softsign": _softsign_backward,
    "gelu": _gelu_backward,
    "gelu_tanh": _gelu_tanh_backward,
}


def forward(name: str, x: Array, *numbers: float) -> Array:
    """Return a fresh array of a function of every number of x."""
    return elementwise(partial(FORWARD[name], *numbers), x)


def backward(name: str, dy: Array, value: Array, *numbers: float) -> Array:
    """Return a fresh array of the gradients of a function, in the memory order of `value`."""
    return elementwise(partial(BACKWARD[name], *numbers), dy, value)


def prelu(x: Array, slopes: Array) -> Array:
    """`x` where it is positive, ``x * slopes`` elsewhere; the slopes have as many axes as x."""
    y = np.empty_like(x)
    with np.errstate(all="ignore"):
        np.multiply(x, slopes, out=y)
    select(np.greater(x, 0), x, y)
    return y


def prelu_backward(dy: Array, x: Array, slopes: Array) -> tuple[Array, Array]:
    """Gradients of `prelu`: ``dx``, and the sum of ``dy * x`` where x is not positive, shaped like the slopes."""
    positive = np.greater(x, 0)
    dx, share = np.empty_like(x), np.empty_like(x)
    with np.errstate(all="ignore"):
        np.multiply(dy, slopes, out=dx)
        np.multiply(dy, x, out=share)
        select(positive, dy, dx)
        select(positive, 0, share)
        for axis in range(x.ndim):
            if slopes.shape[axis] != share.shape[axis]:
                share = sum_along(share, axis)
    return dx, share

"""Activation functions of one number, in kernels and in the tiles of convolutions, without a branch.

Each takes a number and two others that it may need, of one type, and is what `backends.activations` says in NumPy. A
NaN fails every comparison, and goes through.
"""

from __future__ import annotations

from fastconv.backends.fast.machine.elementary import always, expm1, sigmoid
from fastconv.backends.fast.machine.emitter import HARDSIGMOID, HARDSWISH, LEAKY_RELU, SIGMOID, SILU
from fastconv.backends.fast.machine.jit import helper

_ZERO, _THREE, _SIX = always(0.0), always(3.0), always(6.0)


@helper
def negative_part(x):
    """min(x, 0); -0 becomes 0."""
    return _ZERO(x) if x >= _ZERO(x) else x


@helper
def positive_part(x):
    """max(x, 0); -0 becomes 0."""
    return _ZERO(x) if x <= _ZERO(x) else x


@helper
def relu6(x, a, b):
    """min(max(x, 0), 6)."""
    y = positive_part(x)
    return _SIX(x) if y >= _SIX(x) else y


@helper
def leaky_relu(x, slope, b):
    """`x` where it is positive, ``slope * x`` elsewhere."""
    return negative_part(x) * slope + positive_part(x)


@helper
def hardsigmoid(x, a, b):
    """min(max(x + 3, 0), 6) / 6."""
    return relu6(x + _THREE(x), a, b) / _SIX(x)


@helper
def hardswish(x, a, b):
    """X * hardsigmoid(x)."""
    return hardsigmoid(x, a, b) * x


@helper
def elu(x, alpha, scale):
    """``scale * x`` where x is positive, ``alpha * (exp(x) - 1)`` elsewhere."""
    return expm1(negative_part(x)) * alpha + positive_part(x) * scale


@helper
def logistic(x, a, b):
    """1 / (1 + exp(-x))."""
    return sigmoid(x)


@helper
def silu(x, a, b):
    """X * sigmoid(x)."""
    return sigmoid(x) * x


# those that the tiles of a convolution take, beside the ReLUs
ENDS = {LEAKY_RELU: leaky_relu, HARDSIGMOID: hardsigmoid, HARDSWISH: hardswish, SIGMOID: logistic, SILU: silu}

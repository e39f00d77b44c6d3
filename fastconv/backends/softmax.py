"""Softmax and its logarithm of the contract, in NumPy: what every backend computes with that has no kernels for them.

Arrays have any shape and memory order, and the axis is one of theirs, from 0 on. Results are in the memory order of the
last array.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastconv.backends.elementwise import sum_along

Array = NDArray[Any]


class SoftmaxAlongAxis:
    """Functions of all numbers along an axis, and their gradients from what they gave."""

    def softmax(self, x: Array, axis: int) -> Array:
        """Return ``exp(x) / sum(exp(x))``."""
        with np.errstate(all="ignore"):
            y = _shifted(x, axis)
            np.exp(y, out=y)
            return np.divide(y, sum_along(y, axis), out=y)

    def softmax_backward(self, dy: Array, y: Array, axis: int) -> Array:
        """Return ``y * (dy - sum(dy * y))``."""
        dx = np.empty_like(y)
        with np.errstate(all="ignore"):
            np.multiply(dy, y, out=dx)
            np.subtract(dy, sum_along(dx, axis), out=dx)
            return np.multiply(dx, y, out=dx)

    def log_softmax(self, x: Array, axis: int) -> Array:
        """Return ``x - log(sum(exp(x)))``."""
        with np.errstate(all="ignore"):
            y = _shifted(x, axis)
            return np.subtract(y, np.log(sum_along(np.exp(y), axis)), out=y)

    def log_softmax_backward(self, dy: Array, y: Array, axis: int) -> Array:
        """Return ``dy - exp(y) * sum(dy)``."""
        dx = np.empty_like(y)
        with np.errstate(all="ignore"):
            np.exp(y, out=dx)
            np.multiply(dx, sum_along(dy, axis), out=dx)
            return np.subtract(dy, dx, out=dx)


def _shifted(x: Array, axis: int) -> Array:
    """Subtract the maximum, into a fresh array in the memory order of x."""
    y = np.empty_like(x)
    np.subtract(x, x.max(axis=axis, keepdims=True, initial=-np.inf), out=y)  # of no numbers, too
    return y

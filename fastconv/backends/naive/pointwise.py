"""ReLU, its gradient and sums, number by number."""

from __future__ import annotations

import numpy as np

from fastconv.backends.base import Array, Backend

__all__ = ["PointwiseLoops"]


class PointwiseLoops(Backend):
    """Operations on one number at a time. Comparisons with NaN are false, so that NaN goes through."""

    def relu(self, x: Array) -> Array:
        """Return max(x, 0)."""
        y = np.empty(x.shape, x.dtype)
        for position in np.ndindex(x.shape):
            y[position] = 0 if x[position] <= 0 else x[position]
        return y

    def relu_backward(self, dy: Array, y: Array) -> Array:
        """Return dy where y is positive or NaN, else 0."""
        dx = np.empty(y.shape, y.dtype)
        for position in np.ndindex(y.shape):
            dx[position] = 0 if y[position] <= 0 else dy[position]
        return dx

    @np.errstate(invalid="ignore", over="ignore")
    def add(self, a: Array, b: Array, relu: bool) -> Array:
        """Return a + b, or its ReLU."""
        total = np.empty(a.shape, a.dtype)
        for position in np.ndindex(a.shape):
            total[position] = a[position] + b[position]
        return self.relu(total) if relu else total

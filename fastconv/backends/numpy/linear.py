"""Linear layers as matrix products."""

from __future__ import annotations

import numpy as np

from fastconv.backends.base import Array, Backend, Gradients
from fastconv.backends.numpy.products import product, row_sums

__all__ = ["LinearProducts"]


class LinearProducts(Backend):
    """Linear layers: one product each."""

    @np.errstate(invalid="ignore", over="ignore")
    def linear(self, x: Array, weight: Array, bias: Array | None) -> Array:
        """Forward pass of linear: Y = X Wᵀ."""
        y: Array = product(x, weight.T)  # (N, I) @ (I, O)
        if bias is not None:
            y += bias
        return y

    @np.errstate(invalid="ignore", over="ignore")
    def linear_backward(self, dy: Array, x: Array, weight: Array, needs: frozenset[str]) -> Gradients:
        """Gradients of linear: dX = dY W, dW = dYᵀ X."""
        dx = product(dy, weight) if "x" in needs else None  # (N, O) @ (O, I)
        dweight = product(dy.T, x) if "weight" in needs else None  # (O, N) @ (N, I)
        return dx, dweight, row_sums(dy.T) if "bias" in needs else None

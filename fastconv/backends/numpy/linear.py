"""Linear layers as matrix products."""

from __future__ import annotations

import numpy as np

from fastconv.backends.base import Array, Backend, Gradients

__all__ = ["LinearProducts"]


class LinearProducts(Backend):
    """Linear layers: one product each."""

    @np.errstate(invalid="ignore", over="ignore")
    def linear(self, x: Array, weight: Array, bias: Array | None) -> Array:
        """Forward pass of linear: Y = X Wᵀ."""
        y: Array = np.matmul(x, weight.T)  # (N, I) @ (I, O)
        if bias is not None:
            y += bias
        return y

    @np.errstate(invalid="ignore", over="ignore")
    def linear_backward(self, dy: Array, x: Array, weight: Array, needs: frozenset[str]) -> Gradients:
        """Gradients of linear: dX = dY W, dW = dYᵀ X."""
        dx = np.matmul(dy, weight) if "x" in needs else None  # (N, O) @ (O, I)
        dweight = np.matmul(dy.T, x) if "weight" in needs else None  # (O, N) @ (N, I)
        return dx, dweight, dy.sum(axis=0) if "bias" in needs else None

"""Linear layers in plain loops."""

from __future__ import annotations

import numpy as np

from fastconv.backends.base import Array, Backend, Gradients

__all__ = ["LinearLoops"]


class LinearLoops(Backend):
    """Linear layers, one output at a time."""

    @np.errstate(invalid="ignore", over="ignore")
    def linear(self, x: Array, weight: Array, bias: Array | None) -> Array:
        """Forward pass of linear."""
        y = np.empty((len(x), len(weight)), x.dtype)
        x, weight = x.astype(np.float64), weight.astype(np.float64)
        for n in range(len(x)):
            for o in range(len(weight)):
                start = 0.0 if bias is None else float(bias[o])
                y[n, o] = (x[n] * weight[o]).sum() + start
        return y

    @np.errstate(invalid="ignore", over="ignore")
    def linear_backward(self, dy: Array, x: Array, weight: Array, needs: frozenset[str]) -> Gradients:
        """Gradients of linear."""
        dtype = x.dtype
        x, weight = x.astype(np.float64), weight.astype(np.float64)
        dx, dweight, dbias = np.zeros(x.shape), np.zeros(weight.shape), np.zeros(len(weight))
        for n in range(len(x)):
            for o in range(len(weight)):
                g = float(dy[n, o])
                if "x" in needs:
                    dx[n] += g * weight[o]
                if "weight" in needs:
                    dweight[o] += g * x[n]
                dbias[o] += g
        return (
            dx.astype(dtype) if "x" in needs else None,
            dweight.astype(dtype) if "weight" in needs else None,
            dbias.astype(dtype) if "bias" in needs else None,
        )

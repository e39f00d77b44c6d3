"""Linear layers in plain loops."""

from __future__ import annotations

import numpy as np

from fastconv.backends.base import Array, Backend, Gradients
from fastconv.backends.naive.totals import Totals

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
        dx, dweight, dbias = Totals(x.shape), Totals(weight.shape), Totals(len(weight))
        for n in range(len(x)):
            for o in range(len(weight)):
                g = float(dy[n, o])
                if "x" in needs:
                    dx.add(n, g * weight[o])
                if "weight" in needs:
                    dweight.add(o, g * x[n])
                dbias.add(o, g)
        return (
            dx.rounded(dtype) if "x" in needs else None,
            dweight.rounded(dtype) if "weight" in needs else None,
            dbias.rounded(dtype) if "bias" in needs else None,
        )

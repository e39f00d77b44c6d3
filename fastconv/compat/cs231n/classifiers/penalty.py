"""The L2 penalty that the networks of the course share."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv.validation.arrays import Array

__all__ = ["penalised"]


def penalised(
    loss: Any, grads: dict[str, Array], params: dict[str, Array], reg: float
) -> tuple[float, dict[str, Array]]:
    """Add ``reg / 2 * sum(W²)`` of the weights, W1, W2 and so on, to a loss and its gradients."""
    if not reg:
        return float(loss), grads
    weights = [name for name in params if name.startswith("W")]
    for name in weights:
        grads[name] += reg * params[name]
    squares = sum(float(np.sum(params[name] * params[name])) for name in weights)
    return float(loss) + 0.5 * reg * squares, grads

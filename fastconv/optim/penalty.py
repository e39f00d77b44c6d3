"""The L2 penalty, as a part of the loss: ``l2 / 2`` times the sum of the squares of parameters."""

from __future__ import annotations

from collections.abc import Sequence

from fastconv.backends import resolve_backend
from fastconv.layers.parameter import Parameter
from fastconv.validation.arrays import Array


def sum_of_squares(parameters: Sequence[Parameter], out: Array | None = None) -> Array:
    """Sum of the squares of all parameters, as the one float64 in `out`, or in a new array; by kernels on fast."""
    return resolve_backend(None).sum_of_squares([parameter.data for parameter in parameters], out)


def add_penalty_gradient(parameters: Sequence[Parameter], l2: Array) -> None:
    """Add that of the penalty, ``l2[0] * parameter``, to every gradient that there is; by kernels on fast."""
    pairs = [(parameter.grad, parameter.data) for parameter in parameters if parameter.grad is not None]
    resolve_backend(None).add_scaled([grad for grad, _ in pairs], [data for _, data in pairs], l2)

"""Sums and products on the way along an axis."""

from __future__ import annotations

import numpy as np

from fastconv.onnx.operators.arguments import one_integer
from fastconv.onnx.registry import operator
from fastconv.validation.arrays import Array
from fastconv.validation.sizes import check_axis


def _register(name: str, function: np.ufunc, *, since: int) -> None:
    @operator(name, since=since)
    def compute(x: Array, axis: Array, *, exclusive: int = 0, reverse: int = 0) -> Array:
        along = check_axis(name, "axis", one_integer(name, "axis", axis), x.shape)
        numbers = np.flip(x, along) if reverse else x
        if exclusive:
            numbers = _one_later(numbers, along, function.identity)
        with np.errstate(all="ignore"):
            y: Array = function.accumulate(numbers, along, x.dtype)
        return np.flip(y, along) if reverse else y


def _one_later(x: Array, axis: int, first: int) -> Array:
    """Numbers moved by one along an axis: the last is lost."""
    y = np.full_like(x, first)
    before = (slice(None),) * axis
    y[(*before, slice(1, None))] = x[(*before, slice(-1))]
    return y


_register("CumSum", np.add, since=11)
_register("CumProd", np.multiply, since=26)

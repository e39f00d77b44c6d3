"""Functions of NumPy as operators: element by element, with broadcasting."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fastconv.errors import InvalidValueError
from fastconv.onnx.registry import operator
from fastconv.validation.arrays import Array


def register(functions: dict[str, Callable[..., Any]], *, since: int = 1) -> None:
    """Register functions by the names of operators that have inputs alone, and no attributes."""
    for name, function in functions.items():
        operator(name, since=since)(_without_warnings(name, function))


def _without_warnings(name: str, function: Callable[..., Any]) -> Callable[..., Array]:
    def compute(*inputs: Array) -> Array:
        return computed(name, function, *inputs)

    compute.__doc__ = f"``numpy.{function.__name__}``."
    return compute


def computed(name: str, function: Callable[..., Any], *inputs: Array) -> Array:
    """Call a function of NumPy: infinities and NaN are results like any other, and a number is an array."""
    with np.errstate(all="ignore"):
        try:
            return np.asarray(function(*inputs))
        except ValueError:
            shapes = " and ".join(str(one.shape) for one in inputs)
            raise InvalidValueError(
                f"{name}: the inputs must have shapes that broadcast to one, but got {shapes}."
            ) from None

"""What is first, and the first few, along an axis."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fastconv.errors import InvalidValueError
from fastconv.onnx.operators.arguments import one_integer
from fastconv.onnx.registry import operator
from fastconv.validation.arrays import Array
from fastconv.validation.sizes import check_axis


def _register(name: str, find: Callable[..., Array]) -> None:
    @operator(name)
    def compute(data: Array, *, axis: int = 0, keepdims: int = 1, select_last_index: int = 0) -> Array:
        axis = check_axis(name, "axis", axis, data.shape)
        if not data.shape[axis]:
            raise InvalidValueError(f"{name}: axis {axis} must not be empty, but got shape {data.shape}.")
        if select_last_index:
            places = data.shape[axis] - 1 - find(np.flip(data, axis), axis)
        else:
            places = find(data, axis)
        places = np.asarray(places, np.int64)
        return np.expand_dims(places, axis) if keepdims else places


_register("ArgMax", np.argmax)
_register("ArgMin", np.argmin)


@operator("TopK")
def top_k_by_attribute(x: Array, *, k: int, axis: int = -1) -> tuple[Array, Array]:
    """The k largest numbers along an axis, in order, and their places."""
    return _top(x, k, axis, largest=True)


@operator("TopK", since=10)
def top_k(x: Array, k: Array, *, axis: int = -1, largest: int = 1, sorted: int = 1) -> tuple[Array, Array]:
    """The k largest or smallest numbers along an axis, and their places: in order, whatever `sorted` says."""
    return _top(x, one_integer("TopK", "K", k), axis, largest=bool(largest))


def _top(x: Array, k: int, axis: int, *, largest: bool) -> tuple[Array, Array]:
    """Of equal numbers that with the lower place comes first."""
    axis = check_axis("TopK", "axis", axis, x.shape)
    size = x.shape[axis]
    if not 0 <= k <= size:
        raise InvalidValueError(f"TopK: K must be from 0 to {size}, but got {k} (axis {axis}, shape {x.shape}).")
    if largest:  # from the back, twice: the last of equal ones is the first
        places = size - 1 - np.flip(np.argsort(np.flip(x, axis), axis, kind="stable"), axis)
    else:
        places = np.argsort(x, axis, kind="stable")
    places = places.take(range(k), axis)
    return np.take_along_axis(x, places, axis), places.astype(np.int64, copy=False)

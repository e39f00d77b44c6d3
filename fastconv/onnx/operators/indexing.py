"""Numbers by their places: gathered, scattered, sorted, found."""

from __future__ import annotations

import numpy as np

from fastconv.errors import InvalidValueError
from fastconv.onnx.operators.arguments import checked_indices
from fastconv.onnx.registry import operator
from fastconv.validation.arrays import Array
from fastconv.validation.memory import check_fits
from fastconv.validation.sizes import check_axis, check_choice

_REDUCTIONS = {"add": np.add, "mul": np.multiply, "max": np.maximum, "min": np.minimum}


@operator("Gather")
def gather(data: Array, indices: Array, *, axis: int = 0) -> Array:
    """Slices along an axis, in the place of which come the axes of the indices."""
    axis = check_axis("Gather", "axis", axis, data.shape)
    places = checked_indices("Gather", indices, data.shape[axis], data.shape)
    shape = (*data.shape[:axis], *places.shape, *data.shape[axis + 1 :])
    check_fits("Gather", "the result", shape, data.itemsize)
    return np.asarray(np.take(data, places, axis))


@operator("GatherElements", since=11)
def gather_elements(data: Array, indices: Array, *, axis: int = 0) -> Array:
    """Of every place of the indices the number of the data there, but for the axis, where they say which."""
    return data[_element_places("GatherElements", data, indices, axis)]


@operator("ScatterElements", since=11)
def scatter_elements(data: Array, indices: Array, updates: Array, *, axis: int = 0, reduction: str = "none") -> Array:
    """Return a copy of the data into which updates are put, or added, where `gather_elements` would read."""
    if updates.shape != indices.shape:
        raise InvalidValueError(
            f"ScatterElements: updates must have the shape of indices, {indices.shape}, but got {updates.shape}."
        )
    places = _element_places("ScatterElements", data, indices, axis)
    return _scattered("ScatterElements", data, places, updates, reduction)


@operator("Scatter", since=9)
def scatter(data: Array, indices: Array, updates: Array, *, axis: int = 0) -> Array:
    """`scatter_elements` under its first name."""
    return scatter_elements(data, indices, updates, axis=axis)


def _element_places(operation: str, data: Array, indices: Array, axis: int) -> tuple[Array, ...]:
    """Index of every element, per axis of the data."""
    axis = check_axis(operation, "axis", axis, data.shape)
    if indices.ndim != data.ndim or any(
        one > other for i, (one, other) in enumerate(zip(indices.shape, data.shape)) if i != axis
    ):
        raise InvalidValueError(
            f"{operation}: indices must be no larger than data but along axis {axis}, but got shapes {indices.shape} "
            f"and {data.shape}."
        )
    places = list(np.ogrid[tuple(slice(size) for size in indices.shape)])
    places[axis] = checked_indices(operation, indices, data.shape[axis], data.shape)
    return tuple(places)


@operator("GatherND", since=11)
def gather_nd(data: Array, indices: Array, *, batch_dims: int = 0) -> Array:
    """Slices of the data whose first indices are the last axis of `indices`, after axes that both share."""
    return np.asarray(data[_tuple_places("GatherND", data, indices, batch_dims)])


@operator("ScatterND", since=11)
def scatter_nd(data: Array, indices: Array, updates: Array, *, reduction: str = "none") -> Array:
    """Return a copy of the data into which updates are put, or added, where `gather_nd` would read."""
    places = _tuple_places("ScatterND", data, indices, 0)
    expected = (*indices.shape[:-1], *data.shape[indices.shape[-1] :])
    if updates.shape != expected:
        raise InvalidValueError(f"ScatterND: updates must have shape {expected}, but got {updates.shape}.")
    return _scattered("ScatterND", data, places, updates, reduction)


def _tuple_places(operation: str, data: Array, indices: Array, batch: int) -> tuple[Array, ...]:
    """Index of every tuple, per axis of the data that tuples have."""
    depth = indices.shape[-1] if indices.ndim else 0
    if not 0 < depth <= data.ndim - batch or indices.ndim <= batch or indices.shape[:batch] != data.shape[:batch]:
        raise InvalidValueError(
            f"{operation}: indices must be tuples of 1 to {data.ndim - batch}, after {batch} axes that data has too, "
            f"but got shapes {indices.shape} and {data.shape}."
        )
    shared = np.ogrid[tuple(slice(size) for size in indices.shape[:batch])] if batch else []
    later = (1,) * (indices.ndim - 1 - batch)
    tuples = np.moveaxis(indices, -1, 0)
    sizes = data.shape[batch : batch + depth]
    return (
        *(one.reshape(*one.shape, *later) for one in shared),
        *(checked_indices(operation, one, size, data.shape) for one, size in zip(tuples, sizes)),
    )


def _scattered(operation: str, data: Array, places: tuple[Array, ...], updates: Array, reduction: str) -> Array:
    check_choice(operation, "reduction", reduction, ("none", *_REDUCTIONS))
    y = data.copy(order="K")
    if reduction == "none":
        y[places] = updates
    else:
        with np.errstate(all="ignore"):
            _REDUCTIONS[reduction].at(y, places, updates)
    return y


@operator("OneHot", since=9)
def one_hot(indices: Array, depth: Array, values: Array, *, axis: int = -1) -> Array:
    """A new axis with the second of two values at an index, and the first elsewhere and for what is out of range."""
    size = int(depth.reshape(()))
    if size < 1 or values.shape != (2,):
        raise InvalidValueError(
            f"OneHot: depth must be at least 1 and values two, but got {size} and shape {values.shape}."
        )
    axis = check_axis("OneHot", "axis", axis, (*indices.shape, size))
    check_fits("OneHot", "the result", (*indices.shape, size), values.itemsize)
    places = np.expand_dims(np.where(indices < 0, indices + size, indices), axis)
    cells = np.arange(size).reshape(-1, *(1,) * (indices.ndim - axis))
    return np.asarray(np.where(places == cells, values[1], values[0]))


@operator("NonZero", since=9)
def non_zero(x: Array) -> Array:
    """Places of all numbers but zeros, one in a column."""
    return np.asarray(np.nonzero(np.atleast_1d(x)), np.int64)

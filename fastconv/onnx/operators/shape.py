"""Operators that change or tell shapes: their results are views of the input wherever its memory allows."""

from __future__ import annotations

from math import prod

import numpy as np

from fastconv.errors import InvalidValueError
from fastconv.functional.copies import in_memory_order
from fastconv.onnx.operators.arguments import checked_axes, checked_count, integers
from fastconv.onnx.registry import operator
from fastconv.validation.arrays import Array
from fastconv.validation.memory import check_fits
from fastconv.validation.types import Shape


@operator("Identity")
def identity(x: Array) -> Array:
    """Return the input."""
    return x


@operator("Shape")
def shape(data: Array, *, start: int = 0, end: int | None = None) -> Array:
    """Sizes of the axes from `start` to `end`."""
    return np.asarray(data.shape[start:end], np.int64)


@operator("Size")
def size(data: Array) -> Array:
    """Return how many numbers there are."""
    return np.asarray(data.size, np.int64)


@operator("Reshape", since=5)
def reshape(data: Array, shape: Array, *, allowzero: int = 0) -> Array:
    """Give another shape, in which 0 is the size of the input and -1 whatever is left."""
    sizes = list(integers("Reshape", "shape", shape))
    for axis, one in enumerate(sizes):
        if one == 0 and not allowzero:
            if axis >= data.ndim:
                raise InvalidValueError(
                    f"Reshape: a size of 0 must stand for one of data, but got {tuple(sizes)} for shape {data.shape}."
                )
            sizes[axis] = data.shape[axis]
    return _reshaped("Reshape", data, _filled("Reshape", sizes, data))


def _filled(operation: str, sizes: list[int], data: Array) -> Shape:
    """Sizes with a number in the place of -1."""
    known = prod(one for one in sizes if one != -1)
    if sizes.count(-1) > 1 or min(sizes, default=0) < -1 or (-1 in sizes and known == 0):
        raise InvalidValueError(
            f"{operation}: the shape must have at most one -1, beside sizes above 0, but got {tuple(sizes)} (data "
            f"shape {data.shape})."
        )
    return tuple(data.size // known if one == -1 else one for one in sizes)


def _reshaped(operation: str, data: Array, shape: Shape) -> Array:
    """View of the data, or of a copy that the backend brings into the order of the axes."""
    checked_count(operation, shape, data.size, data.shape)
    return in_memory_order(operation, data, range(data.ndim)).reshape(shape)


@operator("Flatten")
def flatten(x: Array, *, axis: int = 1) -> Array:
    """Make a matrix: the axes before `axis` are its rows."""
    if not -x.ndim <= axis <= x.ndim:
        raise InvalidValueError(f"Flatten: axis must be from {-x.ndim} to {x.ndim}, but got {axis} (shape {x.shape}).")
    axis = axis + x.ndim if axis < 0 else axis
    return _reshaped("Flatten", x, (prod(x.shape[:axis]), prod(x.shape[axis:])))


@operator("Squeeze")
def squeeze(data: Array, *, axes: tuple[int, ...] | None = None) -> Array:
    """Drop axes of one, by default all of them."""
    if axes is None:
        return data.squeeze()
    chosen = checked_axes("Squeeze", axes, data.shape)
    if any(data.shape[axis] != 1 for axis in chosen):
        raise InvalidValueError(f"Squeeze: axes must have size 1, but got {axes} (shape {data.shape}).")
    return data.squeeze(chosen)


@operator("Squeeze", since=13)
def squeeze_by_input(data: Array, axes: Array | None = None) -> Array:
    """Drop axes of one, by default all of them."""
    return squeeze(data, axes=None if axes is None else integers("Squeeze", "axes", axes))


@operator("Unsqueeze")
def unsqueeze(data: Array, *, axes: tuple[int, ...]) -> Array:
    """Put axes of one at places of the result."""
    rank = data.ndim + len(axes)
    return np.expand_dims(data, checked_axes("Unsqueeze", axes, (1,) * rank))


@operator("Unsqueeze", since=13)
def unsqueeze_by_input(data: Array, axes: Array) -> Array:
    """Put axes of one at places of the result."""
    return unsqueeze(data, axes=integers("Unsqueeze", "axes", axes))


@operator("Transpose")
def transpose(data: Array, *, perm: tuple[int, ...] | None = None) -> Array:
    """Put the axes into another order, by default the reverse."""
    if perm is not None and sorted(perm) != [*range(data.ndim)]:
        raise InvalidValueError(
            f"Transpose: perm must have every axis once, 0 to {data.ndim - 1}, but got {perm} (shape {data.shape})."
        )
    return data.transpose(perm)


@operator("Expand", since=8)
def expand(data: Array, shape: Array) -> Array:
    """Broadcast with an array of a shape."""
    sizes = integers("Expand", "shape", shape)
    try:
        result = np.broadcast_shapes(data.shape, sizes)
    except ValueError:
        raise InvalidValueError(
            f"Expand: shape must broadcast with that of data, but got {sizes} and {data.shape}."
        ) from None
    check_fits("Expand", "the result", result, data.itemsize)
    return np.broadcast_to(data, result)

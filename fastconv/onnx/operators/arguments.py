"""What operators are given: numbers, and axes, shapes and indices, which are checked before NumPy sees them."""

from __future__ import annotations

from collections.abc import Iterable
from math import prod

import numpy as np

from fastconv.errors import InvalidTypeError, InvalidValueError
from fastconv.validation.arrays import Array
from fastconv.validation.sizes import check_axis
from fastconv.validation.types import Shape


def widened(x: Array) -> Array:
    """Return numbers of two bytes, float16 or bfloat16, as float32, and others as they are."""
    return x.astype(np.float32) if x.dtype.itemsize == 2 and x.dtype.kind not in "iu" else x


def integers(operation: str, name: str, value: Array) -> tuple[int, ...]:
    """Return an input that is a list of integers, such as a shape."""
    if value.dtype.kind not in "iu" or value.ndim > 1:
        raise InvalidTypeError(
            f"{operation}: {name} must be a list of integers, but got {value.dtype} (shape {value.shape})."
        )
    return tuple(np.atleast_1d(value).tolist())


def one_integer(operation: str, name: str, value: Array) -> int:
    """Return an input that is one integer."""
    numbers = integers(operation, name, value)
    if len(numbers) != 1:
        raise InvalidValueError(f"{operation}: {name} must be one integer, but got {len(numbers)} {numbers}.")
    return numbers[0]


def checked_axes(operation: str, axes: Iterable[int], shape: Shape) -> tuple[int, ...]:
    """Return axes of `shape`, counted from the front, each once."""
    axes = tuple(axes)
    found = tuple(check_axis(operation, "axes", axis, shape) for axis in axes)
    if len(set(found)) < len(found):
        raise InvalidValueError(f"{operation}: axes must be different, but got {axes} (shape {shape}).")
    return found


def checked_indices(operation: str, indices: Array, size: int, shape: Shape) -> Array:
    """Return indices into an axis of `size` cells, of which negative ones count from the back."""
    if indices.dtype.kind not in "iu":
        raise InvalidTypeError(f"{operation}: indices must be integers, but got {indices.dtype}.")
    if indices.size and not (-size <= indices.min() and indices.max() < size):
        raise InvalidValueError(
            f"{operation}: indices must be from {-size} to {size - 1}, but got {indices.min()} to {indices.max()} "
            f"(data shape {shape})."
        )
    return indices.astype(np.intp, copy=False)


def checked_count(operation: str, shape: Shape, numbers: int, given: Shape) -> Shape:
    """Return a shape that is to hold so many numbers, those of the shape that was given."""
    if prod(shape) != numbers:
        raise InvalidValueError(
            f"{operation}: the shape must hold {numbers} numbers, but got {shape} (data shape {given})."
        )
    return shape

"""Copies that layers make: arrays side by side, one between zeros, one in another memory order."""

from __future__ import annotations

from collections.abc import Sequence

from fastconv.backends.base import Backend
from fastconv.functional.call import compute
from fastconv.validation.arrays import Array, common_dtype
from fastconv.validation.types import Shape


def memory_order(x: Array) -> tuple[int, ...]:
    """Axes of an array by their strides, the largest first."""
    return tuple(sorted(range(x.ndim), key=lambda axis: -x.strides[axis]))


def concatenated(operation: str, parts: Sequence[Array], axis: int) -> Array:
    """Arrays one after the other along an axis, in the dtype of a result of them all: always a copy."""
    dtype = common_dtype(operation, *parts)
    return compute(operation, None, Backend.concatenate, [part.astype(dtype, copy=False) for part in parts], axis)


def placed(operation: str, x: Array, shape: Shape, cells: tuple[slice, ...], order: Sequence[int]) -> Array:
    """Zeros of a shape, but for `x` at some cells; the axes have that order in memory."""
    numbers = x.astype(common_dtype(operation, x), copy=False)
    return compute(operation, None, Backend.placed, numbers, shape, cells, order)


def in_memory_order(operation: str, x: Array, order: Sequence[int]) -> Array:
    """Return an array whose axes have that order in memory, without gaps: itself where it is so, or a copy."""
    return compute(operation, None, Backend.in_memory_order, x, order)

"""Copies into arrays of their own: in C order, in another order of the axes, side by side, or between zeros."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fastconv.backends.base import Array
from fastconv.backends.fast.memory.layout import empty_channels_last, is_channels_last
from fastconv.backends.fast.memory.strided import AXES, clear, copy_into
from fastconv.backends.geometry import CHANNELS_LAST


def in_order(x: Array) -> Array:
    """Return an array in C order: itself where it is, or a copy."""
    if x.flags.c_contiguous or x.ndim > AXES or not x.size:
        return np.asarray(x, order="C")  # of no axes, too
    y = np.empty(x.shape, x.dtype)
    copy_into(y, x)
    return y


def in_memory_order(x: Array, order: Sequence[int]) -> Array:
    """Return an array whose axes have that order in memory, without gaps: itself where it is so, or a copy."""
    return in_order(x.transpose(order)).transpose(np.argsort(order))


def placed(x: Array, shape: tuple[int, ...], cells: tuple[slice, ...], order: Sequence[int]) -> Array:
    """Zeros of a shape, but for `x` at some cells; the axes have that order in memory."""
    y: Array = np.empty([shape[axis] for axis in order], x.dtype).transpose(np.argsort(order))
    clear(y)
    copy_into(y[cells], x)
    return y


def stored_as(like: Array, x: Array) -> Array:
    """Return `x` with the strides of an array: itself where it has them (axes of one need none), or a copy."""
    if x.flags.aligned and all(size < 2 or own == other for size, own, other in zip(x.shape, x.strides, like.strides)):
        return x
    y = np.empty_like(like)
    copy_into(y, x)
    return y


def empty_in_order_of(x: Array, shape: tuple[int, ...]) -> Array:
    """Uninitialised array of another shape, channels-last if `x` is, else in C order."""
    last = x.ndim in CHANNELS_LAST and is_channels_last(x)
    y: Array = (empty_channels_last if last else np.empty)(shape, x.dtype)
    return y


def concatenated(parts: Sequence[Array], axis: int) -> Array:
    """Arrays of one dtype one after the other along an axis, in the memory order of the first."""
    sizes = [part.shape[axis] for part in parts]
    shape = list(parts[0].shape)
    shape[axis] = sum(sizes)
    y = empty_in_order_of(parts[0], tuple(shape))
    for part, piece in zip(parts, np.split(y, np.cumsum(sizes)[:-1], axis)):
        copy_into(piece, part)
    return y

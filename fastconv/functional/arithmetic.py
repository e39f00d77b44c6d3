"""Arithmetic of planes, with others or with a number for every channel, such as a bias: one pass of a backend."""

from __future__ import annotations

import numpy as np

from fastconv.backends.base import Backend
from fastconv.functional.call import compute
from fastconv.validation.arrays import Array


def of_channels(x: Array, other: Array) -> Array | None:
    """Numbers of every channel, (1, C) or (N, C), if all that broadcasting does to an array is to repeat those.

    None for other arrays, and where `x`, (N, C) or (N, C, *spatial), has not their dtype, float32 or float64.
    """
    shape = (1,) * (x.ndim - other.ndim) + other.shape
    if not 2 <= x.ndim <= 5 or len(shape) != x.ndim or not x.size or x.dtype != other.dtype:
        return None
    if x.dtype not in (np.float32, np.float64) or shape[2:] != (1,) * (x.ndim - 2):
        return None
    if shape[0] not in (1, len(x)) or shape[1] not in (1, x.shape[1]):
        return None
    return np.broadcast_to(other.reshape(shape[:2]), (shape[0], x.shape[1]))


def affine(
    operation: str, x: Array, *, less: Array | None = None, times: Array | None = None, plus: Array | None = None
) -> Array:
    """``(x - less) * times + plus`` with tables that `of_channels` gave; what is left out changes no bit."""
    one: Array = np.ones((1, x.shape[1]), x.dtype)
    tables = [0 * one if less is None else less, one if times is None else times, -0.0 * one if plus is None else plus]
    planes = x if x.ndim > 2 else x[:, :, None]
    center, scale, shift = tables
    y = compute(operation, None, Backend.normalize, planes, center, scale, shift)
    return y if x.ndim > 2 else y[:, :, 0]


def product(operation: str, a: Array, b: Array) -> Array:
    """``a * b``, of arrays of one shape, float32 or float64."""
    return compute(operation, None, Backend.multiply, a, b)

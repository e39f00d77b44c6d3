"""Between the layout of the user and the (N, C, *spatial) view that every backend takes."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv.backends.geometry import CHANNELS_FIRST, CHANNELS_LAST
from fastconv.validation.arrays import Array, compute_dtype

__all__ = ["as_computed", "channels_first", "finish", "sum_along"]


def channels_first(x: Array, *, channels_last: bool) -> Array:
    """View of `x` as (N, C, *spatial)."""
    return x.transpose(CHANNELS_FIRST[x.ndim]) if channels_last else x


def as_computed(x: Array, dtype: np.dtype[Any]) -> Array:
    """Return `x` in the dtype and byte order of the computation of a result of `dtype`; itself where it has them."""
    return x.astype(compute_dtype(dtype), copy=False)


def finish(y: Array, dtype: np.dtype[Any], *, channels_last: bool) -> Array:
    """Give a result its dtype and its layout; only float16 is rounded here, once."""
    if y.dtype != dtype:
        with np.errstate(over="ignore"):  # too large for float16 is infinity, as in every framework
            y = y.astype(dtype)
    return y.transpose(CHANNELS_LAST[y.ndim]) if channels_last else y


def sum_along(x: Array, axis: int) -> Array:
    """Sum along an axis, which is kept, in an order that does not depend on that of the memory, as NumPy's own does.

    The last axis is summed as it is where it lies side by side; any other in halves, which needs no copy.
    """
    size = x.shape[axis]
    if size < 2 or axis == x.ndim - 1:
        return np.ascontiguousarray(x).sum(axis=axis, keepdims=True)  # type: ignore[no-any-return]
    before = (slice(None),) * axis
    while size > 1:
        half = size // 2
        total = x[(*before, slice(half))] + x[(*before, slice(half, 2 * half))]
        if size % 2:
            total[(*before, slice(1))] += x[(*before, slice(size - 1, size))]
        x, size = total, half
    return x

"""Between the layout of the user and the (N, C, *spatial) view that every backend takes."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv.geometry import CHANNELS_FIRST, CHANNELS_LAST
from fastconv.validation.arrays import Array, compute_dtype

__all__ = ["as_computed", "channels_first", "finish"]


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

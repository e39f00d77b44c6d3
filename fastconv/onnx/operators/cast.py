"""Conversion of numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv.errors import InvalidTypeError
from fastconv.onnx.extra import onnx
from fastconv.onnx.registry import operator
from fastconv.validation.arrays import Array


@operator("Cast", since=6)
def cast(x: Array, *, to: int, saturate: int = 1) -> Array:
    """Convert to the dtype with a number in ONNX."""
    return _converted("Cast", x, np.dtype(onnx("Cast").helper.tensor_dtype_to_np_dtype(to)), saturate)


@operator("CastLike", since=15)
def cast_like(x: Array, like: Array, *, saturate: int = 1) -> Array:
    """Convert to the dtype of another array."""
    return _converted("CastLike", x, like.dtype, saturate)


def _converted(operation: str, x: Array, dtype: np.dtype[Any], saturate: int) -> Array:
    if "O" in (x.dtype.kind, dtype.kind) or dtype.name == "float8_e8m0fnu":
        raise InvalidTypeError(
            f"{operation}: the dtypes must be of numbers with a sign or integers, but got {x.dtype} to {dtype}."
        )
    with np.errstate(all="ignore"):
        if saturate and dtype.name.startswith("float8"):
            x = _clipped(x, dtype)
        return x.astype(dtype, copy=False)


def _clipped(x: Array, dtype: np.dtype[Any]) -> Array:
    """Numbers within the range of a dtype of the package ``ml_dtypes``, which makes infinities or NaN of others."""
    from ml_dtypes import finfo

    largest = float(finfo(dtype).max)  # type: ignore[no-untyped-call]
    return np.clip(x.astype(np.float32), -largest, largest)

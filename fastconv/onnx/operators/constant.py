"""Arrays that are made from nothing but their description."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fastconv.errors import InvalidValueError
from fastconv.onnx.operators.arguments import integers
from fastconv.onnx.registry import operator
from fastconv.validation.arrays import Array
from fastconv.validation.memory import check_fits

if TYPE_CHECKING:
    from fastconv.onnx.graph import Node


@operator("Constant")
def constant(
    *,
    value: Array | None = None,
    value_float: float | None = None,
    value_floats: tuple[float, ...] | None = None,
    value_int: int | None = None,
    value_ints: tuple[int, ...] | None = None,
    node: Node,
) -> Array:
    """Return what one of the attributes holds."""
    dtypes = (None, np.float32, np.float32, np.int64, np.int64)
    values = (value, value_float, value_floats, value_int, value_ints)
    given = [np.asarray(one, dtype) for one, dtype in zip(values, dtypes) if one is not None]
    if len(given) != 1:
        raise InvalidValueError(f"Constant: {node} must have one value, but got {len(given)}.")
    return given[0]


@operator("ConstantOfShape", since=9)
def constant_of_shape(shape: Array, *, value: Array | None = None) -> Array:
    """Array of a shape, full of one number, by default 0 in float32."""
    sizes = integers("ConstantOfShape", "shape", shape)
    number = np.zeros(1, np.float32) if value is None else value
    if number.size != 1 or min(sizes, default=0) < 0:
        raise InvalidValueError(
            f"ConstantOfShape: value must be one number, and shape must have sizes from 0, but got {number.size} "
            f"numbers and {sizes}."
        )
    check_fits("ConstantOfShape", "the result", sizes, number.itemsize)
    return np.full(sizes, number.reshape(()), number.dtype)


@operator("Range", since=11)
def arange(start: Array, limit: Array, delta: Array, *, stash_type: int = 1) -> Array:
    """``start + i * delta`` up to `limit`, in float32 for float16 unless `stash_type` says otherwise."""
    stashed = stash_type and start.dtype.kind not in "iu" and start.dtype.itemsize == 2
    first, last, step = (one.astype(np.float32 if stashed else one.dtype).reshape(()) for one in (start, limit, delta))
    if step == 0:
        raise InvalidValueError("Range: delta must not be 0, but got 0.")
    if start.dtype.kind in "iu":
        count = len(range(int(first), int(last), int(step)))
    else:
        with np.errstate(all="ignore"):
            exact = np.ceil((float(last) - float(first)) / float(step))
        if not np.isfinite(exact):
            raise InvalidValueError(f"Range: start, limit and delta must be finite, but got {first}, {last}, {step}.")
        count = max(0, int(exact))
    check_fits("Range", "the result", (count,), start.itemsize)
    steps = np.arange(count).astype(first.dtype)
    result: Array = (first + steps * step).astype(start.dtype, copy=False)
    return result

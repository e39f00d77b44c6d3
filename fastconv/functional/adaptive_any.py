"""Adaptive and global pooling for any rank: what stands behind the public functions."""

from __future__ import annotations

from typing import Any

from fastconv.functional.call import Call
from fastconv.validation.arrays import Array, common_dtype
from fastconv.validation.pooling import adaptive_geometry, check_adaptive_size
from fastconv.validation.sizes import check_flag

__all__ = ["adaptive_avg_pool", "adaptive_avg_pool_backward", "adaptive_max_pool"]


def adaptive_avg_pool(call: Call, x: Any, output_size: object) -> Array:
    """Means of adaptive windows."""
    x = call.array("x", x)
    dtype, shape = common_dtype(call.operation, x), call.shape(x)
    out = check_adaptive_size(call.operation, output_size, shape[2:])
    geometry = adaptive_geometry(call.operation, shape, out, dtype.itemsize)
    return call.finish(call.backend().adaptive_avg_pool(call.view(x, dtype), geometry), dtype)


def adaptive_avg_pool_backward(
    call: Call, dy: Any, input_shape: object, output_size: tuple[int, ...] | None = None
) -> Array:
    """Gradient of the means, whose number `dy` tells, unless it is given."""
    dy = call.array("dy", dy)
    dtype = common_dtype(call.operation, dy)
    shape = call.input_shape(input_shape, dy, dtype.itemsize)
    out = call.shape(dy)[2:] if output_size is None else output_size
    call.expect_output(dy, (*shape[:2], *out))
    geometry = adaptive_geometry(call.operation, shape, out, dtype.itemsize)
    return call.finish(call.backend().adaptive_avg_pool_backward(call.view(dy, dtype), geometry), dtype)


def adaptive_max_pool(call: Call, x: Any, output_size: object, return_indices: object) -> Array | tuple[Array, Array]:
    """Maxima of adaptive windows, with their positions if asked for."""
    x = call.array("x", x)
    with_indices = check_flag(call.operation, "return_indices", return_indices)
    dtype, shape = common_dtype(call.operation, x), call.shape(x)
    out = check_adaptive_size(call.operation, output_size, shape[2:])
    geometry = adaptive_geometry(call.operation, shape, out, dtype.itemsize)
    maxima = call.backend().adaptive_max_pool(call.view(x, dtype), geometry, with_indices)
    return call.finish_maxima(maxima, dtype)

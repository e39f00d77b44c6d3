"""Max, average and Lp pooling for any rank: what stands behind the public functions."""

from __future__ import annotations

from typing import Any, TypedDict

from fastconv.functional.call import Call, WindowArguments
from fastconv.validation.arrays import Array, check_shape, common_dtype
from fastconv.validation.pooling import check_norm_type, check_positions
from fastconv.validation.sizes import check_flag

__all__ = [
    "MaxPoolOptions",
    "avg_pool",
    "avg_pool_backward",
    "lp_pool",
    "lp_pool_backward",
    "max_pool",
    "max_pool_backward",
]


class MaxPoolOptions(TypedDict, total=False):
    """Options of max pooling, but for the one that decides what is returned; for the type checker."""

    stride: Any
    padding: Any
    dilation: Any
    ceil_mode: bool
    layout: str
    backend: str | None


def max_pool(call: Call, x: Any, windows: WindowArguments, return_indices: object) -> Array | tuple[Array, Array]:
    """Maxima, with their positions if asked for."""
    x = call.array("x", x)
    with_indices = check_flag(call.operation, "return_indices", return_indices)
    dtype = common_dtype(call.operation, x)
    geometry = windows.geometry(call, call.shape(x), dtype.itemsize)
    return call.finish_maxima(call.backend().max_pool(call.view(x, dtype), geometry, with_indices), dtype)


def max_pool_backward(call: Call, dy: Any, indices: Any, input_shape: object) -> Array:
    """Gradient of every kind of max pooling."""
    dy, indices = call.array("dy", dy), call.indices(indices)
    check_shape(call.operation, "indices", indices.shape, dy.shape, "the shape of dy")
    dtype = common_dtype(call.operation, dy)
    shape = call.input_shape(input_shape, dy, dtype.itemsize)
    check_positions(call.operation, indices, shape[2:], "input", -1)
    dx = call.backend().max_pool_backward(call.view(dy, dtype), call.view(indices, indices.dtype), shape)
    return call.finish(dx, dtype)


def avg_pool(call: Call, x: Any, windows: WindowArguments, count_include_pad: object) -> Array:
    """Means."""
    x = call.array("x", x)
    include_pad = check_flag(call.operation, "count_include_pad", count_include_pad)
    dtype = common_dtype(call.operation, x)
    geometry = windows.geometry(call, call.shape(x), dtype.itemsize)
    return call.finish(call.backend().avg_pool(call.view(x, dtype), geometry, include_pad), dtype)


def avg_pool_backward(
    call: Call, dy: Any, input_shape: object, windows: WindowArguments, count_include_pad: object
) -> Array:
    """Gradient of average pooling."""
    dy = call.array("dy", dy)
    include_pad = check_flag(call.operation, "count_include_pad", count_include_pad)
    dtype = common_dtype(call.operation, dy)
    shape = call.input_shape(input_shape, dy, dtype.itemsize)
    geometry = windows.geometry(call, shape, dtype.itemsize)
    call.expect_output(dy, geometry.output_shape)
    return call.finish(call.backend().avg_pool_backward(call.view(dy, dtype), geometry, include_pad), dtype)


def lp_pool(call: Call, x: Any, norm_type: object, windows: WindowArguments) -> Array:
    """Norms."""
    x = call.array("x", x)
    exponent = check_norm_type(call.operation, norm_type)
    dtype = common_dtype(call.operation, x)
    geometry = windows.geometry(call, call.shape(x), dtype.itemsize)
    return call.finish(call.backend().lp_pool(call.view(x, dtype), geometry, exponent), dtype)


def lp_pool_backward(call: Call, dy: Any, x: Any, norm_type: object, windows: WindowArguments) -> Array:
    """Gradient of Lp pooling."""
    dy, x = call.array("dy", dy), call.array("x", x)
    exponent = check_norm_type(call.operation, norm_type)
    dtype = common_dtype(call.operation, dy, x)
    geometry = windows.geometry(call, call.shape(x), dtype.itemsize)
    call.expect_output(dy, geometry.output_shape)
    dx = call.backend().lp_pool_backward(call.view(dy, dtype), call.view(x, dtype), geometry, exponent)
    return call.finish(dx, dtype)

"""Transposed convolution of any rank: what `conv_transpose1d`, `2d` and `3d` and their gradients have in common."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fastconv.backends import resolve_backend
from fastconv.backends.geometry import ConvGeometry
from fastconv.errors import InvalidValueError
from fastconv.functional.conv_any import ConvGradients
from fastconv.functional.views import as_computed, channels_first, finish
from fastconv.validation.arrays import (
    Array,
    check_array,
    check_layout,
    check_rank,
    check_shape,
    common_dtype,
    layout_shape,
    logical_shape,
)
from fastconv.validation.needs import check_needs
from fastconv.validation.sizes import check_integer, check_padding, check_sizes
from fastconv.validation.transposed import conv_transpose_geometry

__all__ = ["conv_transpose", "conv_transpose_backward"]


def _geometry(
    operation: str,
    rank: int,
    x: Array,
    weight: Array,
    stride: object,
    padding: object,
    output_padding: object,
    output_size: object,
    dilation: object,
    groups: object,
    channels_last: bool,
    itemsize: int,
) -> ConvGeometry:
    check_rank(operation, "x", x.shape, rank, channels_last=channels_last)
    if weight.ndim != rank + 2:
        raise InvalidValueError(
            f"{operation}: weight must have {rank + 2} axes, (C_in, C_out//groups, *kernel), but got {weight.ndim} "
            f"(shape {weight.shape})."
        )
    return conv_transpose_geometry(
        operation,
        logical_shape(x.shape, channels_last=channels_last),
        weight.shape,
        check_sizes(operation, "stride", stride, rank, 1),
        check_padding(operation, padding, rank),
        check_sizes(operation, "output_padding", output_padding, rank, 0),
        None if output_size is None else check_sizes(operation, "output_size", output_size, rank, 1),
        check_sizes(operation, "dilation", dilation, rank, 1),
        check_integer(operation, "groups", groups, 1),
        itemsize,
    )


def conv_transpose(
    operation: str,
    rank: int,
    x: Any,
    weight: Any,
    bias: Any,
    stride: object,
    padding: object,
    output_padding: object,
    output_size: object,
    dilation: object,
    groups: object,
    layout: object,
    backend: str | None,
) -> Array:
    """Transposed convolution, for any number of spatial axes."""
    channels_last = check_layout(operation, layout, rank)
    x, weight = check_array(operation, "x", x), check_array(operation, "weight", weight)
    arrays = [x, weight]
    if bias is not None:
        bias = check_array(operation, "bias", bias)
        arrays.append(bias)
    dtype = common_dtype(operation, *arrays)
    geometry = _geometry(
        operation, rank, x, weight, stride, padding, output_padding, output_size, dilation, groups, channels_last,
        dtype.itemsize,
    )  # fmt: skip
    if bias is not None:
        check_shape(operation, "bias", bias.shape, (geometry.channels,), "one value per output channel")
        bias = as_computed(bias, dtype)
    y = resolve_backend(backend, operation).conv_transpose(
        channels_first(as_computed(x, dtype), channels_last=channels_last), as_computed(weight, dtype), bias, geometry
    )
    return finish(y, dtype, channels_last=channels_last)


def conv_transpose_backward(
    operation: str,
    rank: int,
    dy: Any,
    x: Any,
    weight: Any,
    stride: object,
    padding: object,
    output_padding: object,
    output_size: object,
    dilation: object,
    groups: object,
    layout: object,
    needs: Iterable[str],
    backend: str | None,
) -> ConvGradients:
    """Gradients of a transposed convolution, for any number of spatial axes."""
    channels_last = check_layout(operation, layout, rank)
    dy, x = check_array(operation, "dy", dy), check_array(operation, "x", x)
    weight = check_array(operation, "weight", weight)
    wanted = check_needs(operation, needs)
    dtype = common_dtype(operation, dy, x, weight)
    geometry = _geometry(
        operation, rank, x, weight, stride, padding, output_padding, output_size, dilation, groups, channels_last,
        dtype.itemsize,
    )  # fmt: skip
    check_rank(operation, "dy", dy.shape, rank, channels_last=channels_last)
    expected = layout_shape(geometry.input_shape, channels_last=channels_last)
    check_shape(operation, "dy", dy.shape, expected, "the shape of the output")
    dx, dweight, dbias = resolve_backend(backend, operation).conv_transpose_backward(
        channels_first(as_computed(dy, dtype), channels_last=channels_last),
        channels_first(as_computed(x, dtype), channels_last=channels_last),
        as_computed(weight, dtype),
        geometry,
        wanted,
    )
    return ConvGradients(
        None if dx is None else finish(dx, dtype, channels_last=channels_last),
        None if dweight is None else finish(dweight, dtype, channels_last=False),
        None if dbias is None else finish(dbias, dtype, channels_last=False),
    )

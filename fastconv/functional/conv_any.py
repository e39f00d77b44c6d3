"""Convolution of any rank: what `conv1d`, `conv2d` and `conv3d` and their gradients have in common."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from fastconv.backends import resolve_backend
from fastconv.backends.geometry import ConvGeometry
from fastconv.errors import InvalidValueError
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
from fastconv.validation.operations import conv_geometry
from fastconv.validation.sizes import check_integer, check_padding, check_sizes

__all__ = ["ConvGradients", "conv", "conv_backward"]


class ConvGradients(NamedTuple):
    """Gradients of a convolution or transposed convolution; None for those that were not asked for.

    Attributes
    ----------
    dx : ndarray or None
        Gradient of the input, shaped like it.
    dweight : ndarray or None
        Gradient of the weights, shaped like them.
    dbias : ndarray or None
        Gradient of the bias, one number per output channel.
    """

    dx: Array | None
    dweight: Array | None
    dbias: Array | None


def _geometry(
    operation: str,
    rank: int,
    x: Array,
    weight: Array,
    stride: object,
    padding: object,
    dilation: object,
    groups: object,
    channels_last: bool,
    itemsize: int,
) -> ConvGeometry:
    check_rank(operation, "x", x.shape, rank, channels_last=channels_last)
    if weight.ndim != rank + 2:
        raise InvalidValueError(
            f"{operation}: weight must have {rank + 2} axes, (F, C//groups, *kernel), but got {weight.ndim} "
            f"(shape {weight.shape})."
        )
    return conv_geometry(
        operation,
        logical_shape(x.shape, channels_last=channels_last),
        weight.shape,
        check_sizes(operation, "stride", stride, rank, 1),
        check_padding(operation, padding, rank),
        check_sizes(operation, "dilation", dilation, rank, 1),
        check_integer(operation, "groups", groups, 1),
        itemsize,
    )


def conv(
    operation: str,
    rank: int,
    x: Any,
    weight: Any,
    bias: Any,
    stride: object,
    padding: object,
    dilation: object,
    groups: object,
    layout: object,
    backend: str | None,
) -> Array:
    """Convolve, for any number of spatial axes."""
    channels_last = check_layout(operation, layout, rank)
    x, weight = check_array(operation, "x", x), check_array(operation, "weight", weight)
    arrays = [x, weight]
    if bias is not None:
        bias = check_array(operation, "bias", bias)
        arrays.append(bias)
    dtype = common_dtype(operation, *arrays)
    geometry = _geometry(operation, rank, x, weight, stride, padding, dilation, groups, channels_last, dtype.itemsize)
    if bias is not None:
        check_shape(operation, "bias", bias.shape, (geometry.filters,), "one value per filter")
        bias = as_computed(bias, dtype)
    y = resolve_backend(backend, operation).conv(
        channels_first(as_computed(x, dtype), channels_last=channels_last), as_computed(weight, dtype), bias, geometry
    )
    return finish(y, dtype, channels_last=channels_last)


def conv_backward(
    operation: str,
    rank: int,
    dy: Any,
    x: Any,
    weight: Any,
    stride: object,
    padding: object,
    dilation: object,
    groups: object,
    layout: object,
    needs: Iterable[str],
    backend: str | None,
) -> ConvGradients:
    """Gradients of a convolution, for any number of spatial axes."""
    channels_last = check_layout(operation, layout, rank)
    dy, x = check_array(operation, "dy", dy), check_array(operation, "x", x)
    weight = check_array(operation, "weight", weight)
    wanted = check_needs(operation, needs)
    dtype = common_dtype(operation, dy, x, weight)
    geometry = _geometry(operation, rank, x, weight, stride, padding, dilation, groups, channels_last, dtype.itemsize)
    check_rank(operation, "dy", dy.shape, rank, channels_last=channels_last)
    expected = layout_shape(geometry.output_shape, channels_last=channels_last)
    check_shape(operation, "dy", dy.shape, expected, "the shape of the output")
    dx, dweight, dbias = resolve_backend(backend, operation).conv_backward(
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

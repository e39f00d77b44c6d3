"""Numbers stored as integers of few bits: ``real = (stored - zero point) * scale``.

Products of such integers are summed up in float64, which is exact.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv.errors import InvalidValueError
from fastconv.onnx.operators.conv import conv
from fastconv.onnx.registry import operator
from fastconv.validation.arrays import Array, check_shape
from fastconv.validation.sizes import check_axis
from fastconv.validation.types import Shape

_DTypes = dict[int, np.dtype[Any]]

# by their numbers in ONNX; 0 is what is taken if nothing is said
_STORED: _DTypes = {0: np.dtype("u1"), 2: np.dtype("u1"), 3: np.dtype("i1"), 4: np.dtype("u2"), 5: np.dtype("i2")}
_REAL: _DTypes = {1: np.dtype("f4"), 10: np.dtype("f2")}


@operator("QuantizeLinear", since=10)
@np.errstate(all="ignore")
def quantize_linear(
    x: Array,
    scale: Array,
    zero_point: Array | None = None,
    *,
    axis: int = 1,
    block_size: int = 0,
    output_dtype: int = 0,
) -> Array:
    """``round(x / scale) + zero_point``, or the nearest number that can be stored.

    Scale and zero point are one, one for each index of an axis, or one for each block of an axis.
    """
    if zero_point is None:
        zero_point = np.zeros((), _named("QuantizeLinear", _STORED, output_dtype))
    scale, zero = (_spread("QuantizeLinear", table, x, axis, block_size) for table in (scale, zero_point))
    return _stored(x / scale, zero)


@operator("DequantizeLinear", since=10)
@np.errstate(all="ignore")
def dequantize_linear(
    x: Array,
    scale: Array,
    zero_point: Array | None = None,
    *,
    axis: int = 1,
    block_size: int = 0,
    output_dtype: int = 0,
) -> Array:
    """``(x - zero_point) * scale``; scale and zero point as of `quantize_linear`."""
    dtype = _named("DequantizeLinear", _REAL, output_dtype) if output_dtype else scale.dtype
    if zero_point is not None:
        zero_point = _spread("DequantizeLinear", zero_point, x, axis, block_size)
    factors = _spread("DequantizeLinear", scale, x, axis, block_size).astype(np.float32)
    return (_from_zero(x, zero_point).astype(np.float32) * factors).astype(dtype, copy=False)


@operator("DynamicQuantizeLinear", since=11)
@np.errstate(all="ignore")
def dynamic_quantize_linear(x: Array) -> tuple[Array, Array, Array]:
    """Quantise to 8 bits; scale and zero point are such that they just cover all numbers and 0."""
    low, high = np.min(x, initial=0), np.max(x, initial=0)
    scale = np.float32((high - low) / np.float32(255)) or np.float32(1)  # any, for zeros alone
    zero_point = _stored(-low / scale, np.zeros((), np.uint8))
    return _stored(x / scale, zero_point), np.asarray(scale), zero_point


@operator("MatMulInteger", since=10)
def matmul_integer(a: Array, b: Array, a_zero_point: Array | None = None, b_zero_point: Array | None = None) -> Array:
    """Product of integer matrices; there may be a zero point for each row of `a`, and for each column of `b`."""
    return _product(a, a_zero_point, b, b_zero_point).astype(np.int32)


@operator("QLinearMatMul", since=10)
@np.errstate(all="ignore")
def qlinear_matmul(
    a: Array,
    a_scale: Array,
    a_zero_point: Array,
    b: Array,
    b_scale: Array,
    b_zero_point: Array,
    y_scale: Array,
    y_zero_point: Array,
) -> Array:
    """Product of quantised matrices, quantised again; scales and zero points as of `matmul_integer`."""
    a_scale, b_scale, y_scale = (scale.astype(np.float32) for scale in (_of_rows(a_scale), b_scale, _of_rows(y_scale)))
    sums = _product(a, a_zero_point, b, b_zero_point)
    return _stored(sums * (a_scale * b_scale / y_scale), _of_rows(y_zero_point))


@operator("ConvInteger", since=10)
def conv_integer(
    x: Array,
    weight: Array,
    x_zero_point: Array | None = None,
    w_zero_point: Array | None = None,
    *,
    auto_pad: str = "NOTSET",
    dilations: Shape | None = None,
    group: int = 1,
    kernel_shape: Shape | None = None,
    pads: Shape | None = None,
    strides: Shape | None = None,
) -> Array:
    """Convolution of integers; there may be a zero point for each filter."""
    if w_zero_point is not None:
        w_zero_point = _of_channels(w_zero_point, weight.ndim)
    sums = conv(
        _from_zero(x, x_zero_point).astype(np.float64),
        _from_zero(weight, w_zero_point).astype(np.float64),
        auto_pad=auto_pad,
        dilations=dilations,
        group=group,
        kernel_shape=kernel_shape,
        pads=pads,
        strides=strides,
    )
    return sums.astype(np.int32)


@operator("QLinearConv", since=10)
@np.errstate(all="ignore")
def qlinear_conv(
    x: Array,
    x_scale: Array,
    x_zero_point: Array,
    weight: Array,
    w_scale: Array,
    w_zero_point: Array,
    y_scale: Array,
    y_zero_point: Array,
    bias: Array | None = None,
    *,
    auto_pad: str = "NOTSET",
    dilations: Shape | None = None,
    group: int = 1,
    kernel_shape: Shape | None = None,
    pads: Shape | None = None,
    strides: Shape | None = None,
) -> Array:
    """Convolution of quantised numbers, quantised again; there may be a scale and a zero point for each filter."""
    sums = conv_integer(
        x,
        weight,
        x_zero_point,
        w_zero_point,
        auto_pad=auto_pad,
        dilations=dilations,
        group=group,
        kernel_shape=kernel_shape,
        pads=pads,
        strides=strides,
    )
    if bias is not None:
        sums = sums + bias.reshape(-1, *(1,) * (x.ndim - 2))
    factor = x_scale * _of_channels(w_scale, x.ndim)[None, :, 0] / y_scale
    return _stored(sums * factor, y_zero_point)


def _named(operation: str, dtypes: _DTypes, number: int) -> np.dtype[Any]:
    """Dtype of a number that a file has for it."""
    if number not in dtypes:
        names = ", ".join(f"{key} ({dtype})" for key, dtype in dtypes.items())
        raise InvalidValueError(f"{operation}: output_dtype must be one of {names}, but got {number}.")
    return dtypes[number]


def _stored(values: Array, zero_point: Array) -> Array:
    """Round to whole numbers, halves to even ones, and move them by the zero point, in whose dtype they are stored."""
    limits = np.iinfo(zero_point.dtype)
    whole = np.rint(values).astype(np.result_type(values, np.float32), copy=False) + zero_point
    stored: Array = np.clip(whole, limits.min, limits.max).astype(zero_point.dtype)
    return stored


def _from_zero(stored: Array, zero_point: Array | None) -> Array:
    """Whole numbers, counted from the zero point."""
    whole = stored.astype(np.int32)
    return whole if zero_point is None else whole - zero_point


def _product(a: Array, a_zero_point: Array | None, b: Array, b_zero_point: Array | None) -> Array:
    """Matrix product of whole numbers."""
    rows = None if a_zero_point is None else _of_rows(a_zero_point)
    left, right = _from_zero(a, rows), _from_zero(b, b_zero_point)
    sums: Array = np.matmul(left.astype(np.float64), right.astype(np.float64))
    return sums


def _of_rows(table: Array) -> Array:
    """One number, or one for each row of a matrix."""
    return table[:, None] if table.ndim == 1 and table.size > 1 else table


def _of_channels(table: Array, ndim: int) -> Array:
    """One number, or one for each filter, beside arrays whose first axis those are."""
    return table.reshape(-1, *(1,) * (ndim - 1))


def _spread(operation: str, table: Array, x: Array, axis: int, block_size: int) -> Array:
    """Scales or zero points such that they broadcast against `x`."""
    if table.size == 1:
        return table.reshape(())
    along = check_axis(operation, "axis", axis, x.shape)
    cells = x.shape[along]
    expected = (*x.shape[:along], -(-cells // block_size), *x.shape[along + 1 :]) if block_size else (cells,)
    check_shape(operation, "scale or zero point", table.shape, expected, f"along axis {axis} of x, {x.shape}")
    if not block_size:
        return table.reshape(-1, *(1,) * (x.ndim - along - 1))
    return np.take(np.repeat(table, block_size, along), range(cells), along)

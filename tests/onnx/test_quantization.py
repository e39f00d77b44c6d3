"""Quantised numbers: limits, halves, scales along axes and in blocks, and exact sums."""

from __future__ import annotations

import numpy as np
import pytest
from onnx_operators import output, outputs

from fastconv.errors import InvalidValueError

ONE = np.float32(1).reshape(())


@pytest.mark.parametrize(
    ("dtype", "expected"), [(np.uint8, [3, 3, 5, 0, 255]), (np.int8, [3, 3, 5, -128, 127]), (np.int16, None)]
)
def test_halves_go_to_even_numbers_and_the_rest_to_the_limits(dtype: type, expected: list[int] | None) -> None:
    x = np.array([0.5, -0.5, 1.5, -1e6, 1e6], np.float32)
    y = output("QuantizeLinear", x, ONE, np.array(3, dtype), opset=21)
    limits = np.iinfo(dtype)
    assert y.dtype == dtype
    np.testing.assert_array_equal(y, [3, 3, 5, limits.min, limits.max] if expected is None else expected)


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_scales_lie_along_an_axis(axis: int) -> None:
    x = np.arange(-12, 12, dtype=np.float32).reshape(2, 3, 4)
    scale = np.arange(1, 1 + x.shape[axis], dtype=np.float32)
    zero = np.arange(x.shape[axis], dtype=np.int8)
    stored = output("QuantizeLinear", x, scale, zero, opset=13, axis=axis)
    moved = np.rint(np.moveaxis(x, axis, -1) / scale) + zero
    np.testing.assert_array_equal(np.moveaxis(stored, axis, -1), moved)
    real = output("DequantizeLinear", stored, scale, zero, opset=13, axis=axis)
    np.testing.assert_array_equal(np.moveaxis(real, axis, -1), (moved - zero) * scale)


def test_the_last_block_may_be_shorter() -> None:
    x, scale = np.full((2, 5), 6, np.float32), np.array([[1, 2, 3], [6, 3, 2]], np.float32)
    stored = output("QuantizeLinear", x, scale, opset=21, axis=1, block_size=2, output_dtype=3)
    assert stored.dtype == np.int8
    np.testing.assert_array_equal(stored, [[6, 6, 3, 3, 2], [1, 1, 2, 2, 3]])
    np.testing.assert_array_equal(output("DequantizeLinear", stored, scale, opset=21, axis=1, block_size=2), x)


def test_real_numbers_have_the_dtype_of_the_scale_or_that_which_is_asked_for() -> None:
    stored = np.array([1, 2], np.int32)
    assert output("DequantizeLinear", stored, np.array(2, np.float16), opset=23).dtype == np.float16
    assert output("DequantizeLinear", stored, np.array(2, np.float16), opset=23, output_dtype=1).dtype == np.float32


def test_zeros_alone_have_a_scale() -> None:
    y, scale, zero = outputs("DynamicQuantizeLinear", np.zeros((2, 3), np.float32), count=3)
    assert (scale, zero) == (1, 0)
    assert not y.any()


def test_sums_of_integers_are_exact() -> None:
    a, b = np.full((1, 4097), 255, np.uint8), np.full((4097, 1), 253, np.uint8)
    assert output("MatMulInteger", a, b).item() == 4097 * 255 * 253  # more than float32 holds
    x, weight = a.reshape(1, 4097, 1, 1), b.reshape(1, 4097, 1, 1)
    assert output("ConvInteger", x, weight).item() == 4097 * 255 * 253


def test_zero_points_are_of_rows_of_one_matrix_and_of_columns_of_the_other() -> None:
    a, b = np.array([[1, 2], [3, 4]], np.uint8), np.array([[5, 6], [7, 8]], np.uint8)
    y = output("MatMulInteger", a, b, np.array([1, 3], np.uint8), np.array([5, 6], np.uint8))
    np.testing.assert_array_equal(y, [[2, 2], [2, 2]])


def test_a_scale_for_every_filter() -> None:
    x, weight = np.full((1, 1, 2, 2), 12, np.uint8), np.ones((2, 1, 2, 2), np.int8)
    scales = np.array([0.5, 1.0], np.float32)
    inputs = [x, ONE, np.uint8(2).reshape(()), weight, scales, np.zeros(2, np.int8), ONE, np.uint8(1).reshape(())]
    y = output("QLinearConv", *inputs, np.array([0, -8], np.int32))
    np.testing.assert_array_equal(y.ravel(), [21, 33])  # 0.5 * (4 * 10) + 1, and 4 * 10 - 8 + 1


def test_what_does_not_fit_is_refused() -> None:
    x = np.ones((2, 3), np.float32)
    with pytest.raises(InvalidValueError, match=r"scale or zero point must have shape \(3,\) \(along axis 1 of x"):
        output("QuantizeLinear", x, np.ones(2, np.float32), axis=1)
    with pytest.raises(InvalidValueError, match=r"must have shape \(2, 2\) \(along axis 1 of x"):
        output("DequantizeLinear", x.astype(np.int8), np.ones((2, 3), np.float32), opset=21, axis=1, block_size=2)
    with pytest.raises(InvalidValueError, match=r"QuantizeLinear: output_dtype must be one of .*, but got 16"):
        output("QuantizeLinear", x, ONE, opset=21, output_dtype=16)

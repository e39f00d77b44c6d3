"""Convolution and pooling as ONNX describes them: numbers by hand, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx_operators import output, outputs

import fastconv as fc
from fastconv.errors import InvalidValueError

LINE = np.array([[[1, 5, 2, 7]]], np.float32)
PLANE = np.arange(1, 7, dtype=np.float32).reshape(1, 1, 2, 3)
PAIR = np.ones((1, 1, 2), np.float32)


def test_padding_is_all_that_is_before_and_then_all_that_is_after() -> None:
    y = output("Conv", PLANE, np.ones((1, 1, 1, 1), np.float32), pads=(1, 0, 0, 2))
    np.testing.assert_array_equal(y[0, 0], [[0, 0, 0, 0, 0], [1, 2, 3, 0, 0], [4, 5, 6, 0, 0]])


@pytest.mark.parametrize(
    ("auto_pad", "expected"),
    [("VALID", [6, 7, 9]), ("SAME_UPPER", [6, 7, 9, 7]), ("SAME_LOWER", [1, 6, 7, 9]), ("NOTSET", [6, 7, 9])],
)
def test_padding_by_name_puts_the_odd_cell_where_the_name_says(auto_pad: str, expected: list[int]) -> None:
    np.testing.assert_array_equal(output("Conv", LINE, PAIR, auto_pad=auto_pad)[0, 0], expected)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [1, 1, 5, 5, 2, 2, 7, 7]),
        ({"pads": (1, 0)}, [1, 5, 5, 2, 2, 7, 7]),
        ({"output_padding": (1,)}, [1, 1, 5, 5, 2, 2, 7, 7, 0]),
        ({"output_shape": (7,)}, [1, 5, 5, 2, 2, 7, 7]),  # an odd cell is cut off before
        ({"output_shape": (7,), "auto_pad": "SAME_UPPER"}, [1, 1, 5, 5, 2, 2, 7]),
        ({"output_shape": (9,)}, [1, 1, 5, 5, 2, 2, 7, 7, 0]),
        ({"output_shape": (1, 1, 6)}, [1, 5, 5, 2, 2, 7]),  # batch and channels may be named
        ({"auto_pad": "VALID", "pads": (1, 1)}, [1, 1, 5, 5, 2, 2, 7, 7]),
    ],
)
def test_a_transposed_convolution_has_the_size_that_is_asked_for(options: dict[str, Any], expected: list[int]) -> None:
    np.testing.assert_array_equal(output("ConvTranspose", LINE, PAIR, strides=(2,), **options)[0, 0], expected)


def test_a_transposed_convolution_is_stride_times_as_large_whatever_its_kernel() -> None:
    y = output("ConvTranspose", LINE, PAIR[..., :1], strides=(3,), auto_pad="SAME_LOWER")
    np.testing.assert_array_equal(y[0, 0], [1, 0, 0, 5, 0, 0, 2, 0, 0, 7, 0, 0])


def test_indices_count_through_the_whole_array_in_either_order() -> None:
    x = np.arange(24, dtype=np.float32).reshape(2, 2, 2, 3)
    y, rows = outputs("MaxPool", x, count=2, kernel_shape=(2, 2))
    _, columns = outputs("MaxPool", x, count=2, kernel_shape=(2, 2), storage_order=1)
    np.testing.assert_array_equal(y, rows)
    np.testing.assert_array_equal(columns - rows, np.broadcast_to([[[[3 - 4, 5 - 5]]]], rows.shape))


@pytest.mark.parametrize("dtype", [np.int8, np.uint8])
def test_maxima_of_integers_are_integers(dtype: type) -> None:
    y = output("MaxPool", LINE.astype(dtype), kernel_shape=(3,), pads=(1, 1))
    assert y.dtype == dtype
    np.testing.assert_array_equal(y[0, 0], [5, 5, 7, 7])


def test_means_leave_padding_out_unless_told() -> None:
    options = {"kernel_shape": (2,), "pads": (1, 0), "strides": (2,)}
    np.testing.assert_array_equal(output("AveragePool", LINE, **options)[0, 0], [1, 3.5])
    np.testing.assert_array_equal(output("AveragePool", LINE, count_include_pad=1, **options)[0, 0], [0.5, 3.5])


def test_a_norm_of_planes() -> None:
    np.testing.assert_allclose(output("GlobalLpPool", PLANE, p=1).ravel(), [21])
    np.testing.assert_allclose(output("GlobalLpPool", PLANE).ravel(), [np.sqrt(91)], rtol=1e-6)


def test_maxima_go_back_and_the_rest_is_zeros() -> None:
    x = np.random.default_rng(0).standard_normal((2, 3, 4, 6)).astype(np.float32)
    options = {"kernel_shape": (2, 3), "strides": (2, 3)}
    y, indices = outputs("MaxPool", x, count=2, **options)
    back = output("MaxUnpool", y, indices, **options)
    np.testing.assert_array_equal(back, np.where(np.isin(x, y), x, 0))
    larger = output("MaxUnpool", y, indices, np.array([2, 3, 5, 8]), **options)
    np.testing.assert_array_equal(larger[:, :, :4, :6], back)
    assert larger.shape == (2, 3, 5, 8)
    assert not larger[:, :, 4:].any()


def test_columns_go_back() -> None:
    x = np.arange(12.0).reshape(1, 1, 3, 4)
    columns = fc.im2col(x, (2, 2), padding=((1, 0), (0, 1)))
    y = output("Col2Im", columns, np.array([3, 4]), np.array([2, 2]), pads=(1, 0, 0, 1))
    np.testing.assert_array_equal(y, fc.col2im(columns, (3, 4), (2, 2), padding=((1, 0), (0, 1))))


@pytest.mark.parametrize(
    ("operator", "inputs", "attributes", "message"),
    [
        (
            "Conv",
            (np.ones((2, 3)), np.ones((4, 3))),
            {},
            r"Conv: X must have 3, 4 or 5 axes .*, but got shape \(2, 3\)",
        ),
        ("Conv", (PLANE, np.ones((1, 1, 1, 2))), {"kernel_shape": (2, 1)}, r"kernel_shape must be that of W, \(1, 2\)"),
        (
            "MaxUnpool",
            (PLANE, np.arange(6).reshape(PLANE.shape), np.array([1, 1, 1, 3])),
            {"kernel_shape": (1, 1)},
            r"MaxUnpool: output_shape must be \(1, 1, 2, 3\), or larger along spatial axes, but got \(1, 1, 1, 3\)",
        ),
        ("MaxUnpool", (PLANE, np.full(PLANE.shape, 6)), {"kernel_shape": (1, 1)}, "indices must lie inside"),
    ],
)
def test_what_does_not_fit_is_refused(
    operator: str, inputs: tuple[np.ndarray, ...], attributes: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidValueError, match=message):
        output(operator, *inputs, **attributes)

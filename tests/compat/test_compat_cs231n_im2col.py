"""Columns in the order of the course, under the names of its NumPy and of its compiled module."""

from __future__ import annotations

from typing import Any

import cs231n_layer_loops as loops
import numpy as np
import pytest
from strategies import MEMORY, normal, stored

from fastconv.compat.cs231n import im2col, im2col_cython
from fastconv.errors import InvalidTypeError, InvalidValueError
from fastconv.testing import adjoint_check, assert_close

# x, field height and width, padding, stride
CASES: dict[str, tuple[tuple[int, ...], int, int, Any, Any]] = {
    "course": ((2, 3, 5, 6), 3, 3, 1, 1),
    "wide": ((2, 3, 5, 8), 2, 4, 1, 2),
    "tall": ((3, 2, 9, 4), 5, 2, 0, 1),
    "leftover": ((2, 3, 8, 6), 3, 2, 1, 3),
    "gaps": ((2, 2, 9, 8), 2, 1, 0, 4),
    "per axis": ((2, 3, 6, 7), 3, 2, (0, 2), (2, 1)),
    "empty batch": ((0, 3, 5, 6), 3, 2, 1, 1),
}


@pytest.mark.parametrize("case", CASES)
def test_positions_of_columns(case: str) -> None:
    shape, height, width, padding, stride = CASES[case]
    x = normal(shape, 0)
    k, i, j = im2col.get_im2col_indices(shape, height, width, padding, stride)
    assert k.shape == (shape[1] * height * width, 1)
    assert i.shape == j.shape
    cols = loops.padded(x, padding)[:, k, i, j].transpose(1, 2, 0)
    expected = loops.columns(x, height, width, padding, stride, batch_last=True)
    assert_close(cols.reshape(expected.shape), expected, magnitude=0)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", CASES)
def test_columns_are_those_of_the_loops(case: str, dtype: str) -> None:
    shape, *windows = CASES[case]
    x = normal(shape, 0, dtype)
    expected = loops.columns(x, *windows, batch_last=True)
    assert_close(im2col.im2col_indices(x, *windows), expected, magnitude=0)
    assert_close(im2col_cython.im2col_cython(x, *windows), expected, magnitude=0)


@pytest.mark.parametrize("case", CASES)
def test_col2im_is_the_adjoint_of_im2col(case: str) -> None:
    shape, *windows = CASES[case]
    by_axis = normal(loops.columns_6d(normal(shape, 0), *windows).shape, 1)
    c, height, width, n, oh, ow = by_axis.shape
    cols = by_axis.transpose(0, 1, 2, 4, 5, 3).reshape(c * height * width, oh * ow * n)
    images = im2col.col2im_indices(cols, shape, *windows)
    assert images.shape == shape
    adjoint_check(
        lambda x: im2col.im2col_indices(x, *windows),
        lambda cols: im2col.col2im_indices(cols, shape, *windows),
        shape,
        cols.shape,
    )
    assert_close(im2col_cython.col2im_cython(cols, *shape, *windows), images, magnitude=0)
    assert_close(im2col_cython.col2im_6d_cython(by_axis, *shape, *windows), images, magnitude=0)


def test_overlapping_windows_add_up_by_hand() -> None:
    cols = np.array([[1.0, 2.0], [3.0, 4.0]])
    assert im2col.col2im_indices(cols, (1, 1, 1, 3), 1, 2, padding=0).tolist() == [[[[1.0, 5.0, 4.0]]]]


def test_defaults_are_those_of_the_originals() -> None:
    x = normal((2, 3, 5, 6), 0)
    cols = im2col.im2col_indices(x, 3, 3)
    assert_close(cols, im2col.im2col_indices(x, 3, 3, padding=1, stride=1), magnitude=0)
    images = im2col.col2im_indices(cols, x.shape, field_height=3, field_width=3, padding=1, stride=1)
    assert_close(im2col.col2im_indices(cols, x.shape), images, magnitude=0)
    assert im2col.get_im2col_indices(x.shape, 3, 3)[1].max() == 6  # row 6 of the padded input


def test_sizes_that_are_whole_numbers_as_floats() -> None:
    shape, *windows = CASES["wide"]
    x = normal(shape, 0)
    floats: list[Any] = [float(size) for size in windows]
    cols = im2col.im2col_indices(x, *windows)
    images = im2col.col2im_indices(cols, shape, *windows)
    assert_close(im2col.im2col_indices(x, *floats), cols, magnitude=0)
    assert_close(im2col_cython.im2col_cython(x, *floats), cols, magnitude=0)
    assert_close(im2col.col2im_indices(cols, shape, *floats), images, magnitude=0)
    assert_close(im2col_cython.col2im_cython(cols, *shape, *floats), images, magnitude=0)
    by_axis = normal(loops.columns_6d(x, *windows).shape, 1)
    expected = im2col_cython.col2im_6d_cython(by_axis, *shape, *windows)
    assert_close(im2col_cython.col2im_6d_cython(by_axis, *shape, *floats), expected, magnitude=0)
    for ours, wanted in zip(im2col.get_im2col_indices(shape, *floats), im2col.get_im2col_indices(shape, *windows)):
        assert ours.dtype.kind == "i"
        assert_close(ours, wanted, magnitude=0)


@pytest.mark.parametrize("order", MEMORY)
def test_columns_in_any_memory_order(order: str) -> None:
    shape, *windows = CASES["wide"]
    x = normal(shape, 0)
    cols = loops.columns(x, *windows, batch_last=True)
    assert_close(im2col.im2col_indices(stored(x, order), *windows), cols, magnitude=0)
    assert_close(im2col_cython.im2col_cython(stored(x, order), *windows), cols, magnitude=0)
    images = im2col.col2im_indices(cols, shape, *windows)
    assert_close(im2col.col2im_indices(stored(cols, order), shape, *windows), images, magnitude=0)


def test_integers_are_converted_or_refused() -> None:
    x = normal((2, 3, 5, 6), 0, "int64")
    assert_close(im2col.im2col_indices(x, 3, 2), loops.columns(x, 3, 2, 1, 1, batch_last=True), dtype=np.float64)
    with pytest.raises(InvalidTypeError, match=r"^im2col_cython: x must be float32 or float64, but got int64"):
        im2col_cython.im2col_cython(x, 3, 2, 1, 1)
    with pytest.raises(InvalidTypeError, match=r"^col2im_cython: cols must be float32 or float64, but got int64"):
        im2col_cython.col2im_cython(np.ones((4, 2), int), 1, 1, 2, 3, 2, 2, 0, 1)
    with pytest.raises(InvalidTypeError, match=r"^col2im_6d_cython: cols must be float32 or float64, but got float16"):
        im2col_cython.col2im_6d_cython(np.ones((1, 2, 2, 1, 1, 2), np.float16), 1, 1, 2, 3, 2, 2, 0, 1)


def test_errors_of_columns() -> None:
    x = np.ones((2, 3, 5, 6))
    with pytest.raises(InvalidValueError, match=r"^im2col_indices: the window must fit"):
        im2col.im2col_indices(x, 9, 2)
    with pytest.raises(InvalidTypeError, match=r"^im2col_indices: \(field_height, field_width\) must be an integer"):
        im2col.im2col_indices(x, 2.5, 2)  # type: ignore[arg-type]
    with pytest.raises(InvalidTypeError, match=r"^get_im2col_indices: stride must be an integer"):
        im2col.get_im2col_indices(x.shape, 3, 2, stride=1.5)
    with pytest.raises(InvalidValueError, match=r"^get_im2col_indices: x_shape must be a sequence of 4 integers"):
        im2col.get_im2col_indices((3, 5, 6), 3, 2)
    with pytest.raises(
        InvalidValueError, match=r"^col2im_indices: cols must have shape \(27, 60\) .* but got \(27, 61\)"
    ):
        im2col.col2im_indices(np.ones((27, 61)), x.shape)
    with pytest.raises(InvalidValueError, match=r"^col2im_cython: cols must have shape \(27, 60\)"):
        im2col_cython.col2im_cython(np.ones((27, 2, 30)), 2, 3, 5, 6, 3, 3, 1, 1)
    with pytest.raises(InvalidValueError, match=r"^col2im_6d_cython: cols must have shape \(3, 3, 3, 2, 5, 6\)"):
        im2col_cython.col2im_6d_cython(np.ones((27, 60)), 2, 3, 5, 6, 3, 3, 1, 1)

"""Numbers small enough for paper, on every backend. What naive is anchored to."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from strategies import BACKENDS

import fastconv as fc
from fastconv.testing import assert_close

pytestmark = pytest.mark.parametrize("backend", BACKENDS)

NAN, INF = np.nan, np.inf


def plane(*rows: list[float]) -> Any:
    """(H, W) as (1, 1, H, W)."""
    return np.array([[rows]], dtype=np.float64)


X = plane([1, 2, 3], [4, 5, 6])


def check(actual: Any, *rows: Any) -> None:
    """Small integers and halves are exact."""
    assert_close(actual, plane(*rows), magnitude=0)


# Convolution.


def test_convolution_does_not_flip(backend: str) -> None:
    check(fc.conv2d(X, plane([1, 0], [0, -1]), backend=backend), [-4, -4])
    check(fc.conv2d(X, plane([1, 2]), backend=backend), [5, 8], [14, 17])


def test_bias_per_filter(backend: str) -> None:
    weight = np.array([[[[1.0]]], [[[-1.0]]]])
    y = fc.conv2d(X, weight, [0.5, 10], backend=backend)
    assert_close(y, [[[[1.5, 2.5, 3.5], [4.5, 5.5, 6.5]], [[9, 8, 7], [6, 5, 4]]]], magnitude=0)


def test_channels_are_summed(backend: str) -> None:
    x = np.array([[[[1.0, 2]], [[10, 20]]]])
    y = fc.conv2d(x, np.array([[[[1.0]], [[2]]], [[[3]], [[-1]]]]), backend=backend)
    assert_close(y, [[[[21.0, 42]], [[-7, -14]]]], magnitude=0)


def test_stride_height_first(backend: str) -> None:
    x = plane([1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12])
    check(fc.conv2d(x, plane([1]), stride=(2, 3), backend=backend), [1, 4], [9, 12])


@pytest.mark.parametrize(
    ("padding", "rows"),
    [
        (1, [[0, 0, 0, 0, 0], [0, 1, 2, 3, 0], [0, 4, 5, 6, 0], [0, 0, 0, 0, 0]]),
        ((0, 1), [[0, 1, 2, 3, 0], [0, 4, 5, 6, 0]]),
        (((0, 1), (2, 0)), [[0, 0, 1, 2, 3], [0, 0, 4, 5, 6], [0, 0, 0, 0, 0]]),
        (((1, 0), 1), [[0, 0, 0, 0, 0], [0, 1, 2, 3, 0], [0, 4, 5, 6, 0]]),
        ("valid", [[1, 2, 3], [4, 5, 6]]),
        ("same", [[1, 2, 3], [4, 5, 6]]),
    ],
    ids=str,
)
def test_padding_shown_by_a_one_by_one_filter(backend: str, padding: Any, rows: Any) -> None:
    check(fc.conv2d(X, plane([1]), padding=padding, backend=backend), *rows)


def test_same_with_an_even_kernel(backend: str) -> None:
    weight = plane([10, 1])
    check(fc.conv2d(X, weight, padding="same", backend=backend), [12, 23, 30], [45, 56, 60])
    check(fc.conv2d(X, weight, padding="same_lower", backend=backend), [1, 12, 23], [4, 45, 56])


def test_dilation(backend: str) -> None:
    check(fc.conv2d(X, plane([10, 1]), dilation=(1, 2), backend=backend), [13], [46])
    check(fc.conv2d(X, plane([10], [1]), padding=(1, 0), dilation=(2, 1), backend=backend), [4, 5, 6], [10, 20, 30])


def test_groups(backend: str) -> None:
    x = np.array([[[[1.0, 2]], [[3, 4]]]])
    weight = np.array([[[[1.0]]], [[[10]]], [[[100]]], [[[1000]]]])  # two filters for each of two groups
    y = fc.conv2d(x, weight, groups=2, backend=backend)
    assert_close(y, [[[[1.0, 2]], [[10, 20]], [[300, 400]], [[3000, 4000]]]], magnitude=0)


def test_convolution_gradients(backend: str) -> None:
    dy, weight = plane([1, 2], [0, 3]), plane([1, -1])
    gradients = fc.conv2d_backward(dy, X, weight, backend=backend)
    check(gradients.dx, [1, 1, -2], [0, 3, -3])
    check(gradients.dweight, [1 * 1 + 2 * 2 + 3 * 5, 1 * 2 + 2 * 3 + 3 * 6])
    assert_close(gradients.dbias, np.array([6.0]), magnitude=0)


def test_convolution_gradients_with_stride_and_padding(backend: str) -> None:
    # Padded row: 0 1 2 3 0, windows at 0 and 2: y = [1*w1, 2*w0... ] with taps (0, 1), (2, 3).
    x, dy, weight = plane([1, 2, 3]), plane([10, 100]), plane([5, 7])
    gradients = fc.conv2d_backward(dy, x, weight, stride=(1, 2), padding=(0, 1), backend=backend)
    check(gradients.dx, [70, 500, 700])
    check(gradients.dweight, [0 * 10 + 2 * 100, 1 * 10 + 3 * 100])


def test_only_the_needed_gradients(backend: str) -> None:
    gradients = fc.conv2d_backward(plane([1, 1], [1, 1]), X, plane([1, 1]), needs=("weight",), backend=backend)
    assert gradients.dx is None
    assert gradients.dbias is None
    check(gradients.dweight, [1 + 2 + 4 + 5, 2 + 3 + 5 + 6])


# Max pooling.


def pooled(x: Any, kernel: Any, backend: str, **options: Any) -> tuple[Any, Any]:
    y, indices = fc.max_pool2d(x, kernel, return_indices=True, backend=backend, **options)
    assert_close(fc.max_pool2d(x, kernel, backend=backend, **options), y, magnitude=0)
    assert indices.dtype == np.int64
    return y, indices[0, 0].tolist()


def test_max_pooling(backend: str) -> None:
    y, indices = pooled(plane([1, 8, 3, 0], [4, 5, 6, 7]), 2, backend)
    check(y, [8, 7])
    assert indices == [[1, 7]]


def test_a_tie_goes_to_the_first(backend: str) -> None:
    _, indices = pooled(plane([5, 5, 1, 7], [5, 5, 7, 7]), 2, backend)
    assert indices == [[0, 3]]


def test_nan_propagates_and_the_first_counts(backend: str) -> None:
    y, indices = pooled(plane([1, NAN, 3, INF], [NAN, 5, 6, 7]), 2, backend)
    check(y, [NAN, INF])
    assert indices == [[1, 3]]


def test_padding_is_minus_infinity_and_never_wins(backend: str) -> None:
    y, indices = pooled(plane([-3, -1], [-4, -2]), 2, backend, padding=1)
    check(y, [-3, -1], [-4, -2])
    assert indices == [[0, 1], [2, 3]]


def test_a_window_of_minus_infinities_points_at_its_first_real_cell(backend: str) -> None:
    y, indices = pooled(plane([-INF, -INF], [-INF, -INF]), 2, backend, stride=1, padding=1)
    check(y, *[[-INF] * 3] * 3)
    assert indices == [[0, 0, 1], [0, 0, 1], [2, 2, 3]]


def test_a_dilated_window_between_the_cells_has_no_maximum(backend: str) -> None:
    y, indices = pooled(plane([5], [6]), (2, 1), backend, stride=1, padding=((1, 1), (0, 0)), dilation=(3, 1))
    check(y, [-INF])  # taps at -1 and 2 of two cells
    assert indices == [[-1]]
    dx = fc.max_pool2d_backward(plane([7]), np.array([[[[-1]]]]), (1, 1, 2, 1), backend=backend)
    check(dx, [0], [0])


def test_ceil_mode_max(backend: str) -> None:
    y, indices = pooled(plane([1, 2, 3], [4, 5, 6], [7, 9, 8]), 2, backend, ceil_mode=True)
    check(y, [5, 6], [9, 8])
    assert indices == [[4, 5], [7, 8]]


def test_dilated_max(backend: str) -> None:
    y, indices = pooled(plane([1, 9, 3, 4], [5, 6, 7, 8]), (1, 2), backend, stride=1, dilation=(1, 2))
    check(y, [3, 9], [7, 8])
    assert indices == [[2, 1], [6, 7]]


def test_overlapping_max_gradients_accumulate(backend: str) -> None:
    x = plane([0, 9, 0, 1])
    _, indices = fc.max_pool2d(x, (1, 2), stride=1, return_indices=True, backend=backend)
    check(fc.max_pool2d_backward(plane([2, 4, 8]), indices, x.shape, backend=backend), [0, 6, 0, 8])


def test_max_gradient_of_several_planes(backend: str) -> None:
    dy = np.arange(1.0, 5).reshape(2, 2, 1, 1)
    indices = np.array([0, 3, 2, 1]).reshape(2, 2, 1, 1)
    dx = fc.max_pool2d_backward(dy, indices, (2, 2, 2, 2), backend=backend)
    expected = [[[[1, 0], [0, 0]], [[0, 0], [0, 2]]], [[[0, 0], [3, 0]], [[0, 4], [0, 0]]]]
    assert_close(dx, np.array(expected, float), magnitude=0)


# Average pooling.


def test_average_pooling(backend: str) -> None:
    check(fc.avg_pool2d(plane([1, 8, 3, 0], [4, 5, 6, 7]), 2, backend=backend), [4.5, 4])
    check(fc.avg_pool2d(X, (2, 1), stride=1, backend=backend), [2.5, 3.5, 4.5])


def test_padding_counts_unless_told_not_to(backend: str) -> None:
    x = plane([4, 8], [12, 16])
    check(fc.avg_pool2d(x, 2, padding=1, backend=backend), [1, 2], [3, 4])
    check(fc.avg_pool2d(x, 2, padding=1, count_include_pad=False, backend=backend), [4, 8], [12, 16])


def test_cells_beyond_the_padding_never_count(backend: str) -> None:
    # Padded: 0 1 2 3 0, width 3, stride 2: windows (0 1 2), (2 3 0), and with width 4 ceil mode adds (2 3 0 .).
    x = plane([1, 2, 3])
    options: dict[str, Any] = {"stride": (1, 2), "padding": (0, 1), "backend": backend}
    check(fc.avg_pool2d(x, (1, 3), ceil_mode=True, **options), [1, 5 / 3])
    check(fc.avg_pool2d(x, (1, 4), ceil_mode=True, **options), [6 / 4, 5 / 3])
    check(fc.avg_pool2d(x, (1, 4), ceil_mode=True, count_include_pad=False, **options), [2, 5 / 2])
    check(fc.avg_pool2d(x, (1, 4), ceil_mode=False, **options), [6 / 4])


def test_dilated_average(backend: str) -> None:
    check(fc.avg_pool2d(X, (1, 2), stride=1, dilation=(1, 2), backend=backend), [2], [5])


def test_average_gradients_add_where_windows_overlap(backend: str) -> None:
    dx = fc.avg_pool2d_backward(plane([2, 4]), (1, 1, 1, 3), (1, 2), stride=1, backend=backend)
    check(dx, [1, 3, 2])


def test_average_gradients_share_by_what_counted(backend: str) -> None:
    dy = plane([4, 8], [12, 16])
    shape = (1, 1, 2, 2)
    check(fc.avg_pool2d_backward(dy, shape, 2, padding=1, backend=backend), [1, 2], [3, 4])
    dx = fc.avg_pool2d_backward(dy, shape, 2, padding=1, count_include_pad=False, backend=backend)
    check(dx, [4, 8], [12, 16])


# Columns.


def test_im2col_rows_are_channel_then_tap(backend: str) -> None:
    x = np.concatenate([X, 10 * X], axis=1)
    cols = fc.im2col(x, (2, 2), backend=backend)
    one = np.array([[1.0, 2], [2, 3], [4, 5], [5, 6]])
    assert_close(cols, np.concatenate([one, 10 * one])[None], magnitude=0)
    last = fc.im2col(np.moveaxis(x, 1, -1), (2, 2), layout="NHWC", backend=backend)
    assert_close(last, cols, magnitude=0)


def test_im2col_with_padding_stride_and_dilation(backend: str) -> None:
    cols = fc.im2col(X, (1, 2), stride=(1, 2), padding=((0, 0), (1, 1)), dilation=(1, 2), backend=backend)
    assert_close(cols, np.array([[[0.0, 2, 0, 5], [2, 0, 5, 0]]])[..., [0, 1, 2, 3]], magnitude=0)


def test_col2im_adds_and_drops_the_padding(backend: str) -> None:
    cols = np.array([[[1.0, 2, 3], [10, 20, 30]]])  # three windows of two taps over 0 . . 0
    check(fc.col2im(cols, (1, 2), (1, 2), padding=(0, 1), backend=backend), [12, 23])


@pytest.mark.parametrize("rank", [1, 3])
def test_columns_of_other_ranks(backend: str, rank: int) -> None:
    x = np.arange(4.0).reshape(1, 1, *(1,) * (rank - 1), 4)
    kernel = (1,) * (rank - 1) + (2,)
    cols = fc.im2col(x, kernel, stride=2, backend=backend)
    assert_close(cols, np.array([[[0.0, 2], [1, 3]]]), magnitude=0)
    assert_close(fc.col2im(cols, x.shape[2:], kernel, stride=2, backend=backend), x, magnitude=0)

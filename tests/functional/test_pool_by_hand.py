"""Pooling beyond max and average in two dimensions: numbers small enough for paper, on every backend."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from strategies import BACKENDS

import fastconv as fc
from fastconv.testing import assert_close

pytestmark = pytest.mark.parametrize("backend", BACKENDS)

NAN, INF = np.nan, np.inf


def line(*numbers: float) -> Any:
    """(W,) as (1, 1, W)."""
    return np.array([[numbers]], dtype=np.float64)


def plane(*rows: list[float]) -> Any:
    """(H, W) as (1, 1, H, W)."""
    return np.array([[rows]], dtype=np.float64)


def check(actual: Any, expected: Any) -> None:
    """Small integers and halves are exact."""
    assert_close(actual, expected, magnitude=0)


# One and three axes.


def test_max_pooling_of_a_line(backend: str) -> None:
    y, indices = fc.max_pool1d(line(1, 5, 2, 0, 7), 3, stride=2, return_indices=True, backend=backend)
    check(y, line(5, 7))
    assert indices.tolist() == [[[1, 4]]]
    check(fc.max_pool1d_backward(line(2, 3), indices, (1, 1, 5), backend=backend), line(0, 2, 0, 0, 3))
    check(fc.max_pool1d(line(1, 5, 2, 0, 7), 2, ceil_mode=True, backend=backend), line(5, 2, 7))
    check(fc.max_pool1d(line(-1, -5), 3, stride=1, padding=1, backend=backend), line(-1, -1))


def test_max_pooling_of_a_volume(backend: str) -> None:
    x = np.arange(12.0).reshape(1, 1, 2, 2, 3)
    x[0, 0, 0, 1, 0] = 99
    y, indices = fc.max_pool3d(x, (2, 2, 1), return_indices=True, backend=backend)
    assert y.ravel().tolist() == [99, 10, 11]
    assert indices.ravel().tolist() == [3, 10, 11]
    dx = fc.max_pool3d_backward(y, indices, x.shape, backend=backend)
    check(dx, np.where(np.isin(x, [99, 10, 11]), x, 0))


def test_average_pooling_of_a_line(backend: str) -> None:
    x = line(2, 4, 6, 8, 1)
    check(fc.avg_pool1d(x, 2, backend=backend), line(3, 7))
    check(fc.avg_pool1d(x, 2, ceil_mode=True, backend=backend), line(3, 7, 1))
    check(fc.avg_pool1d(x, 4, stride=3, padding=1, backend=backend), line(3, 15 / 4))
    check(fc.avg_pool1d(x, 4, stride=3, padding=1, count_include_pad=False, backend=backend), line(4, 5))
    dx = fc.avg_pool1d_backward(line(4, 6), (1, 1, 3), 2, stride=1, backend=backend)
    check(dx, line(2, 5, 3))


def test_average_pooling_of_a_volume(backend: str) -> None:
    x = np.arange(12.0).reshape(1, 1, 2, 2, 3)
    check(fc.avg_pool3d(x, (2, 1, 3), backend=backend).ravel(), np.array([4.0, 7.0]))
    dx = fc.avg_pool3d_backward(np.array([6.0, 12.0]).reshape(1, 1, 1, 2, 1), x.shape, (2, 1, 3), backend=backend)
    check(dx, np.tile(np.array([[1.0], [2.0]]), (1, 1, 2, 1, 3)))


# Lp pooling.


def test_norms(backend: str) -> None:
    x = plane([3, -4, 0], [0, 0, -2])
    check(fc.lp_pool2d(x, 1, (1, 2), stride=1, backend=backend), plane([7, 4], [0, 2]))
    check(fc.lp_pool2d(x, 2, (1, 2), stride=1, backend=backend), plane([5, 4], [0, 2]))
    assert_close(fc.lp_pool2d(x, 3, (1, 2), stride=1, backend=backend), plane([91 ** (1 / 3), 4], [0, 2]))
    check(fc.lp_pool2d(x, 0.5, (2, 3), stride=1, padding=(0, 1), backend=backend).shape, (1, 1, 1, 3))
    assert_close(fc.lp_pool1d(line(4, 0, 9), 0.5, 3, backend=backend), line(25))
    check(fc.lp_pool3d(line(3, 4).reshape(1, 1, 1, 2, 1), 2, (1, 2, 1), backend=backend).ravel(), np.array([5.0]))


def test_windows_that_stick_out_have_less_to_sum(backend: str) -> None:
    check(fc.lp_pool1d(line(3, 4, -5), 2, 2, ceil_mode=True, backend=backend), line(5, 5))
    check(fc.lp_pool1d(line(3, 4, -5), 1, 2, padding=1, ceil_mode=True, backend=backend), line(3, 9))


def test_gradients_of_norms(backend: str) -> None:
    x = plane([3, -4, 0, 0])
    check(fc.lp_pool2d_backward(plane([10, 7]), x, 2, (1, 2), backend=backend), plane([6, -8, 0, 0]))
    check(fc.lp_pool2d_backward(plane([10, 7]), x, 1, (1, 2), backend=backend), plane([10, -10, 0, 0]))
    overlapping = fc.lp_pool1d_backward(line(5, 2), line(3, 4, 0), 2, 2, stride=1, backend=backend)
    check(overlapping, line(3, 4 + 2, 0))
    cubes = fc.lp_pool3d_backward(np.ones((1, 1, 1, 1, 1)), line(-2, 0).reshape(1, 1, 1, 1, 2), 3, (1, 1, 2))
    assert_close(cubes.ravel(), np.array([-1.0, 0.0]))


@pytest.mark.parametrize("p", [0.5, 1, 1.5, 2, 3, 4, 5.5])
def test_a_window_of_zeros_has_no_gradient(backend: str, p: float) -> None:
    dx = fc.lp_pool2d_backward(plane([1, 1]), plane([0, 0, 2, 0]), p, (1, 2), backend=backend)
    assert_close(dx, plane([0, 0, 1, 0]))
    assert dx[0, 0, 0, [0, 1, 3]].tolist() == [0, 0, 0]


# Adaptive pooling.


def test_adaptive_windows(backend: str) -> None:
    # Five cells in three windows: [0, 2), [1, 4), [3, 5); three in five: 0, [0, 2), 1, [1, 3), 2.
    check(fc.adaptive_avg_pool1d(line(2, 4, 6, 8, 10), 3, backend=backend), line(3, 6, 9))
    check(fc.adaptive_avg_pool1d(line(2, 4, 6), 5, backend=backend), line(2, 3, 4, 5, 6))
    check(fc.adaptive_max_pool1d(line(2, 9, 6, 8, 1), 3, backend=backend), line(9, 9, 8))
    check(fc.adaptive_avg_pool1d_backward(line(2, 3, 4), (1, 1, 5), backend=backend), line(1, 2, 1, 3, 2))
    check(fc.adaptive_avg_pool1d_backward(line(1, 2, 3, 4, 5), (1, 1, 3), backend=backend), line(2, 6, 7))


def test_adaptive_windows_height_first(backend: str) -> None:
    x = plane([1, 5, 3], [3, 7, 8])
    check(fc.adaptive_avg_pool2d(x, (1, 2), backend=backend), plane([4, 5.75]))
    y, indices = fc.adaptive_max_pool2d(x, (2, 1), return_indices=True, backend=backend)
    check(y, plane([5], [8]))
    assert indices.ravel().tolist() == [1, 5]
    check(fc.max_pool2d_backward(y, indices, x.shape, backend=backend), plane([0, 5, 0], [0, 0, 8]))


def test_none_keeps_a_size(backend: str) -> None:
    x = np.arange(24.0).reshape(1, 1, 2, 3, 4)
    for keep in (None, (None, None, None), (2, None, 4), (np.int64(2), 3, None)):
        check(fc.adaptive_avg_pool3d(x, keep, backend=backend), x)
        check(fc.adaptive_max_pool3d(x, keep, backend=backend), x)
    check(fc.adaptive_avg_pool3d(x, (None, 1, 1), backend=backend).ravel(), np.array([5.5, 17.5]))


def test_the_first_of_equals_and_the_first_nan(backend: str) -> None:
    x = plane([1, 3, 3], [3, 0, 0])
    assert fc.global_max_pool2d(x, return_indices=True, backend=backend)[1].item() == 1
    x = plane([1, 3, 3], [NAN, INF, NAN])
    y, index = fc.global_max_pool2d(x, return_indices=True, backend=backend)
    assert np.isnan(y.item())
    assert index.item() == 3
    y, index = fc.adaptive_max_pool2d(np.full((1, 1, 3, 2), -INF), (2, 1), return_indices=True, backend=backend)
    check(y, plane([-INF], [-INF]))
    assert index.ravel().tolist() == [0, 2]


def test_global_pooling(backend: str) -> None:
    x = np.array([[[[1.0, 2], [3, 6]], [[-1, -2], [-3, -4]]]])
    check(fc.global_avg_pool2d(x, backend=backend), np.array([[[[3.0]], [[-2.5]]]]))
    y, indices = fc.global_max_pool2d(x, return_indices=True, backend=backend)
    check(y, np.array([[[[6.0]], [[-1]]]]))
    assert indices.ravel().tolist() == [3, 0]
    dx = fc.global_avg_pool2d_backward(np.array([[[[4.0]], [[8.0]]]]), x.shape, backend=backend)
    check(dx, np.array([[[[1.0, 1], [1, 1]], [[2, 2], [2, 2]]]]))
    last = fc.global_avg_pool2d(np.moveaxis(x, 1, -1), layout="NHWC", backend=backend)
    check(last, np.array([[[[3.0, -2.5]]]]))
    check(fc.global_avg_pool1d(line(1, 2, 6), backend=backend), line(3))
    check(fc.global_max_pool3d(x[:, None], backend=backend).ravel(), np.array([6.0]))


# Unpooling.


def test_unpooling(backend: str) -> None:
    y, indices = plane([5, 8]), np.array([[[[1, 6]]]])
    x = fc.max_unpool2d(y, indices, (2, 4), backend=backend)
    check(x, plane([0, 5, 0, 0], [0, 0, 8, 0]))
    check(fc.max_unpool2d_backward(plane([1, 2, 3, 4], [5, 6, 7, 8]), indices, backend=backend), plane([2, 7]))
    check(fc.max_unpool1d(line(5, 8), [[[2, 0]]], 3, backend=backend), line(8, 0, 5))
    check(
        fc.max_unpool3d(np.full((1, 1, 1, 1, 1), 7.0), [[[[[5]]]]], (2, 1, 3), backend=backend).ravel()[5:],
        line(7)[0, 0],
    )


def test_of_equal_indices_the_last_in_row_major_order_wins(backend: str) -> None:
    y, indices = plane([1, 2, 3], [4, 5, 6]), np.array([[[[0, 1, 0], [1, 0, 2]]]])
    check(fc.max_unpool2d(y, indices, (1, 3), backend=backend), plane([5, 4, 6]))
    last = fc.max_unpool2d(np.moveaxis(y, 1, -1), np.moveaxis(indices, 1, -1), (1, 3), layout="NHWC", backend=backend)
    check(last, np.array([[[[5.0], [4], [6]]]]))
    check(fc.max_unpool2d_backward(plane([10, 20, 30]), indices, backend=backend), plane([10, 20, 10], [20, 10, 30]))


def test_unpooling_turns_pooling_round(backend: str) -> None:
    x = plane([1, 9, 3, 4], [5, 6, 7, 8])
    y, indices = fc.max_pool2d(x, 2, return_indices=True, backend=backend)
    check(fc.max_unpool2d(y, indices, (2, 4), backend=backend), plane([0, 9, 0, 0], [0, 0, 0, 8]))

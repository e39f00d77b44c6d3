"""Pooling: every engine against naive, over geometry, dtype, memory order and layout."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from checks import check_avg, check_max
from hypothesis import given
from hypothesis import strategies as st
from strategies import (
    ENGINES,
    FLOATS,
    MEMORY,
    POOL_CASES,
    Array,
    WindowCase,
    channels_last,
    memory_orders,
    normal,
    seeds,
    stored,
    window_cases,
)

import fastconv as fc
from fastconv.testing import assert_close

pytestmark = pytest.mark.parametrize("engine", ENGINES)

flags = st.booleans()


@pytest.mark.parametrize("case", POOL_CASES.values(), ids=POOL_CASES)
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("ceil_mode", [False, True], ids=["floor", "ceil"])
def test_named_geometries(engine: str, case: WindowCase, dtype: str, ceil_mode: bool) -> None:
    x = normal(case.x_shape, 0, dtype)
    check_max(engine, case, x, ceil_mode)
    for include_pad in (True, False):
        check_avg(engine, case, x, ceil_mode, include_pad)


@given(case=window_cases(pool=True), dtype=st.sampled_from(FLOATS), order=memory_orders, ceil_mode=flags, seed=seeds)
def test_random_max(engine: str, case: WindowCase, dtype: str, order: str, ceil_mode: bool, seed: int) -> None:
    check_max(engine, case, stored(normal(case.x_shape, seed, dtype), order), ceil_mode, order)


@given(case=window_cases(pool=True), ceil_mode=flags, seed=seeds)
def test_random_max_with_ties_nan_and_infinities(engine: str, case: WindowCase, ceil_mode: bool, seed: int) -> None:
    values = np.array([-np.inf, -1.0, -0.0, 0.0, 1.0, np.inf, np.nan])
    x = np.random.default_rng(seed).choice(values, case.x_shape, p=[0.5, 0.1, 0.1, 0.1, 0.1, 0.05, 0.05])
    check_max(engine, case, x, ceil_mode)


@given(
    case=window_cases(pool=True),
    dtype=st.sampled_from(FLOATS),
    order=memory_orders,
    ceil_mode=flags,
    include_pad=flags,
    seed=seeds,
)
def test_random_average(
    engine: str, case: WindowCase, dtype: str, order: str, ceil_mode: bool, include_pad: bool, seed: int
) -> None:
    check_avg(engine, case, stored(normal(case.x_shape, seed, dtype), order), ceil_mode, include_pad, order)


def results(engine: str, case: WindowCase, x: Array, dy: Array, indices: Array) -> list[Array]:
    options: dict[str, Any] = {**case.options, "backend": engine}
    return [
        *fc.max_pool2d(x, case.kernel, return_indices=True, **options),
        fc.max_pool2d_backward(dy, indices, x.shape, backend=engine),
        fc.avg_pool2d(x, case.kernel, **options),
        fc.avg_pool2d_backward(dy, x.shape, case.kernel, **options),
    ]


@pytest.mark.parametrize("order", MEMORY)
@pytest.mark.parametrize("name", ["plain", "overlapping", "asymmetric", "dilated", "many-channels"])
def test_memory_order_changes_no_bit_and_no_input(engine: str, name: str, order: str) -> None:
    case = POOL_CASES[name]
    x = normal(case.x_shape, 3, "float32")
    y, indices = fc.max_pool2d(x, case.kernel, **case.options, return_indices=True, backend="naive")
    arrays = (x, normal(y.shape, 4, "float32"), indices)
    moved = tuple(stored(array, order) for array in arrays)
    pairs = list(zip(results(engine, case, *moved), results(engine, case, *arrays)))
    for before, after in zip(arrays, moved):
        assert np.array_equal(before, after)  # never modified
    for actual, expected in pairs:
        assert engine != "fast" or actual.tobytes() == expected.tobytes()
        assert_close(actual, expected)


@pytest.mark.parametrize("case", POOL_CASES.values(), ids=POOL_CASES)
def test_channels_last_is_the_same_pooling(engine: str, case: WindowCase) -> None:
    x = normal(case.x_shape, 5)
    y, indices = fc.max_pool2d(x, case.kernel, **case.options, return_indices=True, backend=engine)
    first = results(engine, case, x, normal(y.shape, 6), indices)
    options: dict[str, Any] = {**case.options, "layout": "NHWC", "backend": engine}
    last, dy = channels_last(x), channels_last(normal(y.shape, 6))
    second = [
        *fc.max_pool2d(last, case.kernel, return_indices=True, **options),
        fc.max_pool2d_backward(dy, channels_last(indices), last.shape, layout="NHWC", backend=engine),
        fc.avg_pool2d(last, case.kernel, **options),
        fc.avg_pool2d_backward(dy, last.shape, case.kernel, **options),
    ]
    for one, other in zip(second, first):
        assert_close(np.moveaxis(one, -1, 1), other)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int8", "uint64", "bool"])
def test_result_dtypes(engine: str, dtype: str) -> None:
    case = POOL_CASES["padded"]
    x = normal(case.x_shape, 7, dtype)
    expected = np.dtype(dtype if dtype.startswith("float") else "float64")
    for result in results(engine, case, x, normal((2, 2, 3, 5), 8, dtype), np.zeros((2, 2, 3, 5), np.int32)):
        assert result.dtype in (expected, np.int64)
    check_max(engine, case, x, False)
    check_avg(engine, case, x, False, True)


@pytest.mark.parametrize("dtype", [np.int8, np.int32, np.uint64])
def test_indices_of_any_integer_dtype(engine: str, dtype: Any) -> None:
    indices = np.array([[[[3, 1]]]], dtype)
    dx = fc.max_pool2d_backward(np.array([[[[5.0, 6]]]]), indices, (1, 1, 2, 3), backend=engine)
    assert_close(dx, np.array([[[[0.0, 6, 0], [5, 0, 0]]]]), magnitude=0)


def test_stride_is_the_kernel_by_default(engine: str) -> None:
    x = normal((1, 2, 7, 9), 9)
    for function in (fc.max_pool2d, fc.avg_pool2d):
        assert_close(function(x, (2, 3), backend=engine), function(x, (2, 3), stride=(2, 3), backend=engine))


def test_results_are_fresh(engine: str) -> None:
    x = np.ones((1, 1, 2, 3))
    for function in (fc.max_pool2d, fc.avg_pool2d):
        y = function(x, 1, backend=engine)
        y[...] = 7
        assert np.all(x == 1)


def test_float16_sums_in_float32(engine: str) -> None:
    x = np.ones((1, 1, 64, 64), np.float16)
    assert fc.avg_pool2d(x, 64, backend=engine).item() == 1
    indices = np.zeros((1, 1, 64, 64), np.int64)
    assert fc.max_pool2d_backward(x, indices, (1, 1, 1, 1), backend=engine).item() == 4096

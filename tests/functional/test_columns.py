"""im2col and col2im: every engine against naive, for one, two and three spatial axes; and conv2d against both."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from checks import check_columns
from hypothesis import given
from hypothesis import strategies as st
from strategies import (
    BACKENDS,
    CONV_CASES,
    ENGINES,
    FLOATS,
    MEMORY,
    POOL_CASES,
    WindowCase,
    channels_last,
    conv_arrays,
    memory_orders,
    normal,
    seeds,
    stored,
    window_cases,
)

import fastconv as fc
from fastconv.testing import assert_close, magnitude

engines = pytest.mark.parametrize("engine", ENGINES)


@engines
@pytest.mark.parametrize("case", POOL_CASES.values(), ids=POOL_CASES)
@pytest.mark.parametrize("dtype", [*FLOATS, "int16", "bool"])
def test_named_geometries(engine: str, case: WindowCase, dtype: str) -> None:
    check_columns(engine, case, normal(case.x_shape, 0, dtype))


@engines
@pytest.mark.parametrize("rank", [1, 2, 3])
@given(data=st.data(), dtype=st.sampled_from(FLOATS), order=memory_orders, seed=seeds)
def test_random_geometries(engine: str, rank: int, data: st.DataObject, dtype: str, order: str, seed: int) -> None:
    case = data.draw(window_cases(rank=rank))
    check_columns(engine, case, stored(normal(case.x_shape, seed, dtype), order), order)


@engines
@pytest.mark.parametrize("order", MEMORY)
def test_memory_order_changes_no_bit_and_no_input(engine: str, order: str) -> None:
    case = POOL_CASES["asymmetric"]
    x = normal(case.x_shape, 2, "float32")
    moved = stored(x, order)
    cols = fc.im2col(x, case.kernel, **case.options, backend=engine)
    assert_close(fc.im2col(moved, case.kernel, **case.options, backend=engine), cols, magnitude=0)
    assert np.array_equal(moved, x)
    moved_cols = stored(cols, order)
    added = fc.col2im(cols, x.shape[2:], case.kernel, **case.options, backend=engine)
    again = fc.col2im(moved_cols, x.shape[2:], case.kernel, **case.options, backend=engine)
    assert_close(again, added, magnitude=0)
    assert np.array_equal(moved_cols, cols)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(("rank", "layout"), [(1, "NWC"), (2, "NHWC"), (3, "NDHWC")])
def test_rows_are_the_same_in_either_layout(backend: str, rank: int, layout: str) -> None:
    x = normal((2, 3, *range(4, 4 + rank)), 3)
    kernel = tuple(range(1, 1 + rank))
    cols = fc.im2col(x, kernel, backend=backend)
    assert_close(fc.im2col(channels_last(x), kernel, layout=layout, backend=backend), cols, magnitude=0)
    added = fc.col2im(cols, x.shape[2:], kernel, backend=backend)
    last = fc.col2im(cols, x.shape[2:], kernel, layout=layout, backend=backend)
    assert_close(np.moveaxis(last, -1, 1), added)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", ["plain", "asymmetric", "dilated", "same-strided", "leftover", "one-channel"])
def test_convolution_is_a_product_with_the_columns(backend: str, name: str) -> None:
    case = CONV_CASES[name]
    x, weight, bias, dy = conv_arrays(case, 4)
    window: dict[str, Any] = {key: case.options[key] for key in ("stride", "padding", "dilation")}
    matrix, (F, _, *kernel) = weight.reshape(len(weight), -1), weight.shape
    cols = fc.im2col(x, kernel, **window, backend=backend)
    y = (matrix @ cols + bias[:, None]).reshape(dy.shape)  # (F, K) @ (N, K, L)
    actual = fc.conv2d(x, weight, bias, **case.options, backend=backend)
    assert_close(actual, y, magnitude=magnitude(fc.conv2d, x, weight, bias, **case.options))
    rows = dy.reshape(len(x), F, -1)
    gradients = fc.conv2d_backward(dy, x, weight, **case.options, backend=backend)
    sizes = magnitude(fc.conv2d_backward, dy, x, weight, **case.options)
    dx = fc.col2im(matrix.T @ rows, x.shape[2:], kernel, **window, backend=backend)
    assert_close(gradients.dx, dx, magnitude=sizes.dx)
    dweight = np.einsum("nfl,nkl->fk", rows, cols).reshape(weight.shape)
    assert_close(gradients.dweight, dweight, magnitude=sizes.dweight)


@pytest.mark.parametrize("backend", BACKENDS)
def test_windows_apart_are_put_back_exactly(backend: str) -> None:
    x = normal((2, 3, 6, 8), 5)
    cols = fc.im2col(x, (2, 4), stride=(2, 4), backend=backend)
    assert_close(fc.col2im(cols, (6, 8), (2, 4), stride=(2, 4), backend=backend), x, magnitude=0)

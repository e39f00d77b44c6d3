"""Gradients without a second implementation: adjoints, exact to rounding, and central differences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import (
    BACKENDS,
    CONV_CASES,
    POOL_CASES,
    ConvCase,
    WindowCase,
    conv_arrays,
    conv_cases,
    normal,
    seeds,
    window_cases,
)

import fastconv as fc
from fastconv.testing import adjoint_check, gradient_check

pytestmark = pytest.mark.parametrize("backend", BACKENDS)

LIVELY_CONVS = {name: case for name, case in CONV_CASES.items() if case.x_shape[0]}
LIVELY_POOLS = {name: case for name, case in POOL_CASES.items() if case.x_shape[0]}


def check_conv(case: ConvCase, seed: int, backend: str) -> None:
    """<conv(x, w), g> == <x, dx> == <w, dw>."""
    x, weight, _, dy = conv_arrays(case, seed)
    options: dict[str, Any] = {**case.options, "backend": backend}
    adjoint_check(
        lambda x: fc.conv2d(x, weight, **options),
        lambda dy: fc.conv2d_backward(dy, x, weight, needs="x", **options).dx,
        x.shape,
        dy.shape,
        rng=seed,
    )
    adjoint_check(
        lambda weight: fc.conv2d(x, weight, **options),
        lambda dy: fc.conv2d_backward(dy, x, weight, needs="weight", **options).dweight,
        weight.shape,
        dy.shape,
        rng=seed,
    )
    adjoint_check(
        lambda bias: fc.conv2d(np.zeros_like(x), weight, bias, **options),
        lambda dy: fc.conv2d_backward(dy, x, weight, needs="bias", **options).dbias,
        weight.shape[:1],
        dy.shape,
        rng=seed,
    )


@pytest.mark.parametrize("case", LIVELY_CONVS.values(), ids=LIVELY_CONVS)
def test_convolution(backend: str, case: ConvCase) -> None:
    check_conv(case, 0, backend)


@given(case=conv_cases(), seed=seeds)
def test_convolution_anywhere(backend: str, case: ConvCase, seed: int) -> None:
    check_conv(case, seed, backend)


@pytest.mark.parametrize("rank", [1, 2, 3])
@given(data=st.data(), seed=seeds)
def test_columns(backend: str, rank: int, data: st.DataObject, seed: int) -> None:
    case = data.draw(window_cases(rank=rank))
    cols = fc.im2col(np.zeros(case.x_shape), case.kernel, **case.options, backend="naive")
    adjoint_check(
        lambda x: fc.im2col(x, case.kernel, **case.options, backend=backend),
        lambda cols: fc.col2im(cols, case.x_shape[2:], case.kernel, **case.options, backend=backend),
        case.x_shape,
        cols.shape,
        rng=seed,
    )


def pool_options(case: WindowCase, backend: str, ceil_mode: bool) -> dict[str, Any]:
    return {"kernel_size": case.kernel, **case.options, "ceil_mode": ceil_mode, "backend": backend}


@pytest.mark.parametrize("case", LIVELY_POOLS.values(), ids=LIVELY_POOLS)
@pytest.mark.parametrize("ceil_mode", [False, True])
@pytest.mark.parametrize("count_include_pad", [False, True])
def test_average_pooling(backend: str, case: WindowCase, ceil_mode: bool, count_include_pad: bool) -> None:
    options = {**pool_options(case, backend, ceil_mode), "count_include_pad": count_include_pad}
    y = fc.avg_pool2d(np.zeros(case.x_shape), **options)
    if np.isnan(y).any():
        options["count_include_pad"] = True  # a window between the cells has no mean of real cells
        y = fc.avg_pool2d(np.zeros(case.x_shape), **options)
    adjoint_check(
        lambda x: fc.avg_pool2d(x, **options),
        lambda dy: fc.avg_pool2d_backward(dy, case.x_shape, **options),
        case.x_shape,
        y.shape,
    )


@pytest.mark.parametrize("case", LIVELY_POOLS.values(), ids=LIVELY_POOLS)
@pytest.mark.parametrize("ceil_mode", [False, True])
def test_max_pooling_is_linear_between_its_kinks(backend: str, case: WindowCase, ceil_mode: bool) -> None:
    """Max pooling picks cells; picking has an adjoint."""
    options = pool_options(case, backend, ceil_mode)
    _, indices = fc.max_pool2d(normal(case.x_shape, 0), return_indices=True, **options)

    def pick(x: Any) -> Any:
        flat, where = x.reshape(*x.shape[:2], -1), indices.reshape(*x.shape[:2], -1)
        return np.where(where >= 0, np.take_along_axis(flat, where, axis=2), 0).reshape(indices.shape)

    adjoint_check(
        pick,
        lambda dy: fc.max_pool2d_backward(dy, indices, case.x_shape, backend=backend),
        case.x_shape,
        indices.shape,
    )


@pytest.mark.parametrize("name", ["asymmetric", "dilated", "groups", "same-strided"])
def test_convolution_by_differences(backend: str, name: str) -> None:
    case = CONV_CASES[name]
    x, weight, bias, _ = conv_arrays(case, 1)
    gradient_check(fc.conv2d, (x, weight, bias), **case.options, backend=backend)


@pytest.mark.parametrize("name", ["overlapping", "asymmetric", "dilated", "same"])
@pytest.mark.parametrize("function", [fc.max_pool2d, fc.avg_pool2d])
def test_pooling_by_differences(backend: str, function: Any, name: str) -> None:
    case = POOL_CASES[name]
    x = np.random.default_rng(2).permutation(int(np.prod(case.x_shape))).reshape(case.x_shape) / 10  # far from ties
    gradient_check(function, x, **pool_options(case, backend, False))


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_in_full(backend: str, layout: str) -> None:
    shape = (2, 3, 4, 5) if layout == "NCHW" else (2, 4, 5, 3)
    x, weight, bias = normal(shape, 3), normal((2, 3, 3, 2), 4), normal((2,), 5)
    gradient_check(fc.conv2d, (x, weight, bias), mode="full", padding=1, layout=layout, backend=backend)

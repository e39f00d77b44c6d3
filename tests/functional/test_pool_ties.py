"""Gradients of max pooling for all maxima of a window: by hand, against the line that NumPy users write, and naive."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from checks import check_ties, forward_and_backward
from hypothesis import given
from hypothesis import strategies as st
from strategies import (
    BACKENDS,
    ENGINES,
    FLOATS,
    POOL_CASES,
    Array,
    WindowCase,
    memory_orders,
    seeds,
    stored,
    window_cases,
)

import fastconv as fc
from fastconv.testing import assert_close

RULES = ("all", "split")
engines = pytest.mark.parametrize("engine", ENGINES)
backends = pytest.mark.parametrize("backend", BACKENDS)
rules = pytest.mark.parametrize("ties", RULES)
LONG = {
    "stride 3 and a rest": WindowCase((2, 2, 9, 61), (3, 5), (2, 3), 1),
    "stride 4": WindowCase((2, 2, 9, 90), (4, 6), 4, 2),
    "stride 5": WindowCase((1, 3, 11, 60), (2, 7), 5, 1),
    "dilated": WindowCase((2, 1, 9, 61), (3, 3), (1, 2), 1, 2),
    "dilated, stride 1": WindowCase((1, 2, 9, 40), 3, 1, 1, (1, 3)),
    "one window": WindowCase((2, 19, 13, 11), (13, 11)),
    "many channels": WindowCase((2, 37, 9, 8), 3, 2, 1),
}


def tied(shape: tuple[int, ...], seed: int, dtype: str) -> Array:
    """Few values, most windows with several maxima; some NaN, infinities, and zeros of both signs."""
    values = np.array([-np.inf, -1.0, -0.0, 0.0, 1.0, 2.0, np.inf, np.nan])
    found = np.random.default_rng(seed).choice(values, shape, p=[0.3, 0.2, 0.15, 0.15, 0.12, 0.04, 0.02, 0.02])
    return found.astype(dtype)


@backends
@rules
def test_by_hand(backend: str, ties: str) -> None:
    x = np.array([[[[2.0, 2, 1], [0, 2, 2], [2, 1, 2]]]])
    dx = fc.max_pool2d_ties_backward([[[[6.0, 12], [60, 600]]]], x, 2, stride=1, ties=ties, backend=backend)
    all_of_them = [[6, 18, 0], [0, 678, 612], [60, 0, 600]]
    split = [[2, 2 + 4, 0], [0, 2 + 4 + 30 + 200, 4 + 200], [30, 0, 200]]
    assert dx[0, 0].tolist() == (all_of_them if ties == "all" else split)


@backends
@rules
def test_a_window_with_nan_gives_nothing_and_padding_gets_nothing(backend: str, ties: str) -> None:
    x = np.array([[[[np.nan, 1.0, -np.inf, -np.inf]]]])
    dx = fc.max_pool2d_ties_backward([[[[4.0, 8.0]]]], x, (1, 2), ties=ties, backend=backend)
    assert dx[0, 0].tolist() == [[0, 0, *((8, 8) if ties == "all" else (4, 4))]]
    lonely = np.full((1, 1, 1, 1), -np.inf)
    dx = fc.max_pool2d_ties_backward([[[[4.0]]]], lonely, (1, 2), padding=(0, 1), stride=2, ties=ties, backend=backend)
    assert dx.item() == 4


@engines
@rules
def test_the_line_that_loops_have(engine: str, ties: str) -> None:
    rng = np.random.default_rng(0)
    x, dy = rng.integers(0, 3, (3, 5, 13, 21)).astype(float), rng.standard_normal((3, 5, 6, 10))
    expected = np.zeros_like(x)
    for n, c, i, j in np.ndindex(*dy.shape):
        cells = n, c, slice(2 * i, 2 * i + 3), slice(2 * j, 2 * j + 3)
        hits = x[cells] == x[cells].max()
        expected[cells] += hits * dy[n, c, i, j] / (hits.sum() if ties == "split" else 1)
    assert_close(fc.max_pool2d_ties_backward(dy, x, 3, stride=2, ties=ties, backend=engine), expected, magnitude=10)


@engines
@pytest.mark.parametrize("case", {**POOL_CASES, **LONG}.values(), ids={**POOL_CASES, **LONG})
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("ceil_mode", [False, True], ids=["floor", "ceil"])
def test_named_geometries(engine: str, case: WindowCase, dtype: str, ceil_mode: bool) -> None:
    check_ties(engine, case, tied(case.x_shape, 0, dtype), ceil_mode)


@engines
@given(data=st.data(), dtype=st.sampled_from(FLOATS), order=memory_orders, seed=seeds)
def test_random_windows_of_every_rank(engine: str, data: Any, dtype: str, order: str, seed: int) -> None:
    case = data.draw(window_cases(pool=True, rank=data.draw(st.integers(1, 3))))
    x = stored(tied(case.x_shape, seed, dtype), order)
    check_ties(engine, case, x, data.draw(st.booleans()), order)


@rules
@pytest.mark.parametrize("case", {**POOL_CASES, **LONG}.values(), ids={**POOL_CASES, **LONG})
@pytest.mark.skipif("fast" not in BACKENDS, reason="the fast backend needs Numba")
def test_memory_order_and_threads_change_no_bit(case: WindowCase, ties: str) -> None:
    x = tied(case.x_shape, 2, "float32")
    y = fc.max_pool2d(x, case.kernel, **case.options)
    dy, found = np.random.default_rng(3).standard_normal(y.shape).astype("float32"), set()
    for order, threads in (("C", 1), ("C", 3), ("channels-last", 1), ("sliced", 2)):
        arrays = [np.moveaxis(np.ascontiguousarray(np.moveaxis(each, 1, -1)), -1, 1) for each in (dy, x)]
        arrays = arrays if order == "channels-last" else [stored(each, order) for each in (dy, x)]
        with fc.use_num_threads(min(threads, fc.get_num_threads())):
            dx = fc.max_pool2d_ties_backward(*arrays, case.kernel, **case.options, ties=ties, backend="fast")
        found.add(np.ascontiguousarray(dx).tobytes())
    assert len(found) == 1


@backends
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_without_ties_it_is_the_usual_gradient_in_either_layout(backend: str, rank: int) -> None:
    rng, shape = np.random.default_rng(4), (2, 3, 5, 6, 7)[: 2 + rank]
    x = rng.permutation(np.prod(shape)).reshape(shape).astype("float32")
    pool, usual = forward_and_backward("max_pool", x)
    backward = getattr(fc, f"max_pool{rank}d_ties_backward")
    y, indices = pool(x, 2, stride=1, return_indices=True)
    dy = rng.standard_normal(y.shape).astype("float32")
    expected = usual(dy, indices, shape)
    layout = {1: "NWC", 2: "NHWC", 3: "NDHWC"}[rank]
    last = [np.moveaxis(each, 1, -1) for each in (dy, x)]
    for ties in RULES:
        assert_close(backward(dy, x, 2, stride=1, ties=ties, backend=backend), expected, magnitude=8)
        dx = backward(*last, 2, stride=1, ties=ties, layout=layout, backend=backend)
        assert_close(np.moveaxis(dx, -1, 1), expected, magnitude=8)


def test_dtypes_and_empty_batches() -> None:
    x = np.ones((1, 1, 2, 2))
    for dtype, wanted in (("float16", "float16"), ("float32", "float32"), ("int64", "float64")):
        dy = np.ones((1, 1, 1, 1), dtype)
        assert fc.max_pool2d_ties_backward(dy, x.astype(dtype), 2, ties="all").dtype == wanted
    assert fc.max_pool2d_ties_backward(dy, x, 2, ties="all").dtype == np.float64
    nothing = np.zeros((0, 2, 4, 4))
    assert fc.max_pool2d_ties_backward(nothing[:, :, :2, :2], nothing, 2, ties="split").shape == nothing.shape


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (
            {"ties": "first"},
            ValueError,
            "max_pool2d_ties_backward: ties must be one of 'all', 'split', but got 'first'",
        ),
        ({"ties": 1}, TypeError, "ties must be one of 'all', 'split', but got 1"),
        ({"dy": np.ones((1, 1, 2, 2))}, ValueError, r"dy must .*shape of the output"),
        ({"kernel_size": 5}, ValueError, "max_pool2d_ties_backward: "),
        ({"x": np.ones((4, 4))}, ValueError, "max_pool2d_ties_backward: x must"),
    ],
)
def test_wrong_calls(change: dict[str, Any], error: type[Exception], words: str) -> None:
    call = {"dy": np.ones((1, 1, 2, 1)), "x": np.ones((1, 1, 4, 3)), "kernel_size": 2, "ties": "all"}
    with pytest.raises(error, match=words):
        fc.max_pool2d_ties_backward(**{**call, **change})

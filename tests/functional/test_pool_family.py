"""Pooling over one, two and three axes, Lp, adaptive and global pooling, unpooling: every engine against naive."""

from __future__ import annotations

from collections.abc import Callable
from math import fsum, prod
from typing import Any

import numpy as np
import pytest
from checks import (
    check_adaptive,
    check_adaptive_max,
    check_avg,
    check_lp,
    check_max,
    check_unpool,
    operation,
)
from hypothesis import given
from hypothesis import strategies as st
from strategies import (
    BACKENDS,
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
from fastconv.testing import adjoint_check, assert_close, gradient_check

RANKS = (1, 2, 3)
EXPONENTS = (1, 2, 3, 4, 7, 2.5, 0.5)
LAYOUTS = {1: "NWC", 2: "NHWC", 3: "NDHWC"}
SPECIAL = np.array([-np.inf, -1.0, -0.0, 0.0, 1.0, np.inf, np.nan])

engines = pytest.mark.parametrize("engine", ENGINES)
backends = pytest.mark.parametrize("backend", BACKENDS)
ranks = pytest.mark.parametrize("rank", RANKS)
flags = st.booleans()
dtypes = st.sampled_from(FLOATS)


@st.composite
def adaptive_cases(draw: st.DrawFn, rank: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """(N, C, *size) and an output size that may divide, not divide or exceed it."""
    size = tuple(draw(st.integers(1, 9)) for _ in range(rank))
    out = tuple(draw(st.sampled_from([1, n, 2 * n, draw(st.integers(1, 11))])) for n in size)
    return (draw(st.integers(1, 3)), draw(st.sampled_from([1, 3, 9])), *size), out


def special(shape: tuple[int, ...], seed: int) -> Array:
    """Ties, zeros of both signs, infinities and NaN."""
    return np.random.default_rng(seed).choice(SPECIAL, shape, p=[0.5, 0.1, 0.1, 0.1, 0.1, 0.05, 0.05])


# Against naive.


@engines
@pytest.mark.parametrize("rank", [1, 3])
@given(data=st.data(), dtype=dtypes, order=memory_orders, ceil_mode=flags, include_pad=flags, seed=seeds)
def test_max_and_average_of_other_ranks(
    engine: str, rank: int, data: Any, dtype: str, order: str, ceil_mode: bool, include_pad: bool, seed: int
) -> None:
    case = data.draw(window_cases(pool=True, rank=rank))
    x = stored(normal(case.x_shape, seed, dtype), order)
    check_max(engine, case, x, ceil_mode, order)
    check_avg(engine, case, x, ceil_mode, include_pad, order)


@engines
@ranks
@given(data=st.data(), p=st.sampled_from(EXPONENTS), dtype=dtypes, order=memory_orders, ceil_mode=flags, seed=seeds)
def test_lp(engine: str, rank: int, data: Any, p: float, dtype: str, order: str, ceil_mode: bool, seed: int) -> None:
    case = data.draw(window_cases(pool=True, rank=rank))
    check_lp(engine, case, p, stored(normal(case.x_shape, seed, dtype), order), ceil_mode, order)


@engines
@ranks
@given(data=st.data(), dtype=dtypes, order=memory_orders, seed=seeds)
def test_adaptive(engine: str, rank: int, data: Any, dtype: str, order: str, seed: int) -> None:
    shape, out = data.draw(adaptive_cases(rank))
    check_adaptive(engine, out, stored(normal(shape, seed, dtype), order), order)


@engines
@ranks
@given(data=st.data(), order=memory_orders, seed=seeds)
def test_adaptive_maxima_with_ties_nan_and_infinities(engine: str, rank: int, data: Any, order: str, seed: int) -> None:
    shape, out = data.draw(adaptive_cases(rank))
    check_adaptive_max(engine, out, stored(special(shape, seed), order))


@engines
@ranks
@given(data=st.data(), dtype=dtypes, order=memory_orders, seed=seeds)
def test_unpooling(engine: str, rank: int, data: Any, dtype: str, order: str, seed: int) -> None:
    shape, size = data.draw(adaptive_cases(rank))
    indices = np.random.default_rng(seed).integers(0, prod(size), shape)  # with duplicates
    check_unpool(engine, size, stored(normal(shape, seed, dtype), order), stored(indices, order), order)


# Long windows, which are reduced one by one.

LONG = {
    "one-window": WindowCase((2, 3, 40, 37), (40, 37)),
    "rows-in-turn": WindowCase((1, 19, 33, 31), (29, 27), (2, 3), 3),
    "dilated": WindowCase((2, 9, 61, 59), (30, 25), 1, 0, 2),
    "whole-rows": WindowCase((2, 11, 90, 40), (30, 40), (30, 1)),
    "sparse": WindowCase((1, 2, 31, 70), (1, 35), (2, 35), (0, 5)),
}


@engines
@pytest.mark.parametrize("case", LONG.values(), ids=LONG)
@pytest.mark.parametrize("order", ["C", "channels-last", "sliced"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_long_windows(engine: str, case: WindowCase, order: str, dtype: str) -> None:
    x = stored(normal(case.x_shape, 0, dtype), order)
    check_max(engine, case, x, True, order)
    check_avg(engine, case, x, True, False, order)
    check_lp(engine, case, 2, x, True, order)
    check_max(engine, case, stored(special(case.x_shape, 1), order), False, order)


@engines
@pytest.mark.parametrize("order", ["C", "channels-last"])
@pytest.mark.parametrize("shape", [(1, 9, 300, 401), (2, 2, 130, 70), (1, 1, 1, 5000)])
def test_global_pooling_of_large_planes(engine: str, order: str, shape: tuple[int, ...]) -> None:
    x = stored(normal(shape, 1, "float32"), order)
    check_adaptive_max(engine, (1, 1), x)
    y, indices = fc.global_max_pool2d(x, return_indices=True, backend=engine)
    assert_close(y, x.max(axis=(2, 3), keepdims=True), magnitude=0)
    assert_close(indices, x.reshape(*shape[:2], -1).argmax(axis=2).reshape(y.shape))
    exact = np.array([fsum(plane.ravel()) / plane.size for plane in x.reshape(-1, *shape[2:])]).reshape(y.shape)
    size = np.abs(x.astype(np.float64)).mean(axis=(2, 3), keepdims=True)
    assert_close(fc.global_avg_pool2d(x, backend=engine), exact, dtype="float32", magnitude=size)


@pytest.mark.parametrize("engine", ["fast", "numpy"])
@pytest.mark.parametrize("order", ["C", "channels-last"])
def test_a_long_sum_in_float64_keeps_its_promise(engine: str, order: str) -> None:
    """A constant that is added again and again is the worst case: every addition of a stretch rounds the same way."""
    if engine not in BACKENDS:
        pytest.skip("the fast backend needs Numba")
    x = stored(np.full((1, 9, 351, 503), 0.1), order)
    y = fc.global_avg_pool2d(x, backend=engine)
    assert_close(y, np.full((1, 9, 1, 1), 0.1), magnitude=0.1)
    assert_close(fc.avg_pool2d(x, (351, 503), backend=engine), y, magnitude=0.1)
    root = np.full(y.shape, np.sqrt(0.1**2 * 351 * 503))
    assert_close(fc.lp_pool2d(x, 2, (351, 503), backend=engine), root)


# Whatever else is promised of every operation.


def family(rank: int, x: Array, dy: Array, indices: Array, **options: Any) -> dict[str, Array]:
    """One of everything, on planes in the layout of `options`; dy and indices have the size of pooling by 2, 2."""
    size = x.shape[1:-1] if "layout" in options else x.shape[2:]

    def run(stem: str, *arguments: Any, backward: bool = False, **more: Any) -> Any:
        return operation(stem, rank, backward=backward)(*arguments, **more, **options)

    y, places = run("max_pool", x, 2, return_indices=True)
    best, where = run("adaptive_max_pool", x, 3, return_indices=True)
    most, first = run("global_max_pool", x, return_indices=True)
    mean = run("global_avg_pool", x)
    return {
        "max": y,
        "max indices": places,
        "max dx": run("max_pool", dy, indices, x.shape, backward=True),
        "avg": run("avg_pool", x, 3, stride=2, padding=1),
        "avg dx": run("avg_pool", dy, x.shape, 2, backward=True),
        "lp": run("lp_pool", x, 2.5, 3, stride=2),
        "lp dx": run("lp_pool", dy, x, 2.5, 2, backward=True),
        "adaptive avg": run("adaptive_avg_pool", x, 3),
        "adaptive avg dx": run("adaptive_avg_pool", dy, x.shape, backward=True),
        "adaptive max": best,
        "adaptive max indices": where,
        "global avg": mean,
        "global avg dx": run("global_avg_pool", mean, x.shape, backward=True),
        "global max": most,
        "global max indices": first,
        "unpool": run("max_unpool", dy, indices, size),
        "unpool dy": run("max_unpool", x, indices, backward=True),
    }


SPACE = {1: (23,), 2: (8, 11), 3: (5, 7, 4)}


def family_arrays(rank: int, channels: int, dtype: str, batch: int = 2) -> tuple[Array, Array, Array]:
    shape = (batch, channels, *SPACE[rank])
    half = (*shape[:2], *(n // 2 for n in shape[2:]))
    indices = np.random.default_rng(3).integers(0, prod(shape[2:]), half)
    return normal(shape, 1, dtype), normal(half, 2, dtype), indices


@backends
@ranks
@pytest.mark.parametrize("channels", [3, 17])
def test_channels_last_is_the_same_pooling(backend: str, rank: int, channels: int) -> None:
    arrays = family_arrays(rank, channels, "float64")
    first = family(rank, *arrays, backend=backend)
    last = family(rank, *map(channels_last, arrays), layout=LAYOUTS[rank], backend=backend)
    for name, expected in first.items():
        assert_close(np.moveaxis(last[name], -1, 1), expected, name=name)


@engines
@ranks
@pytest.mark.parametrize("order", MEMORY)
@pytest.mark.parametrize("channels", [3, 17])
def test_memory_order_changes_no_bit_and_no_input(engine: str, rank: int, order: str, channels: int) -> None:
    arrays = family_arrays(rank, channels, "float32")
    moved = tuple(stored(array, order) for array in arrays)
    found, expected = family(rank, *moved, backend=engine), family(rank, *arrays, backend=engine)
    for before, after in zip(arrays, moved):
        assert np.array_equal(before, after)  # never modified
    for name, array in expected.items():
        assert engine != "fast" or found[name].tobytes() == array.tobytes(), name
        assert_close(found[name], array, name=name)


@pytest.mark.skipif("fast" not in BACKENDS, reason="the fast backend needs Numba")
@pytest.mark.parametrize("order", ["C", "channels-last"])
@pytest.mark.parametrize("channels", [5, 33])
def test_threads_change_no_bit(order: str, channels: int) -> None:
    from fastconv.backends.settings import thread_limit

    if thread_limit() < 2:
        pytest.skip("Numba may use one thread alone")
    x = stored(normal((3, channels, 61, 57), 1, "float32"), order)
    dy = stored(normal((3, channels, 30, 28), 2, "float32"), order)
    indices = stored(np.random.default_rng(3).integers(0, 61 * 57, dy.shape), order)
    found = []
    for threads in (1, 2):
        with fc.use_num_threads(threads):
            found.append(family(2, x, dy, indices, backend="fast"))
    for name, array in found[0].items():
        assert array.tobytes() == found[1][name].tobytes(), name


@backends
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int8", "uint64", "bool"])
def test_result_dtypes(backend: str, dtype: str) -> None:
    x, dy, indices = family_arrays(2, 3, dtype)
    results = family(2, x, dy, indices, backend=backend)
    expected = np.dtype(dtype if dtype.startswith("float") else "float64")
    for name, array in results.items():
        assert array.dtype == (np.int64 if "indices" in name else expected), name
    reference = family(2, x, dy, indices, backend="naive")
    for name, array in reference.items():
        assert_close(results[name], array, name=name)


@backends
def test_mixed_dtypes_follow_numpy(backend: str) -> None:
    x, dy = np.ones((1, 1, 2, 3), np.float32), np.ones((1, 1, 1, 1), np.float64)
    assert fc.lp_pool2d_backward(dy, x, 2, (2, 3), backend=backend).dtype == np.float64


@backends
def test_float16_is_accumulated_in_float32(backend: str) -> None:
    x = np.ones((1, 1, 64, 64), np.float16)
    assert fc.global_avg_pool2d(x, backend=backend).item() == 1
    assert fc.lp_pool2d(x, 2, 64, backend=backend).item() == 64
    assert fc.lp_pool2d(200 * x, 2, (2, 8), backend=backend)[0, 0, 0, 0] == 800  # the squares exceed float16


@backends
@ranks
def test_an_empty_batch_works(backend: str, rank: int) -> None:
    arrays = family_arrays(rank, 3, "float32", batch=0)
    expected = family(rank, *family_arrays(rank, 3, "float32"), backend="naive")
    for name, array in family(rank, *arrays, backend=backend).items():
        assert array.shape == (0, *expected[name].shape[1:]), name
        assert array.dtype == expected[name].dtype, name


@backends
def test_results_are_fresh(backend: str) -> None:
    x = np.ones((1, 1, 2, 3))
    calls: list[Callable[[], Any]] = [
        lambda: fc.adaptive_avg_pool2d(x, None, backend=backend),
        lambda: fc.adaptive_max_pool2d(x, (2, 3), backend=backend),
        lambda: fc.adaptive_avg_pool2d_backward(x, x.shape, backend=backend),
        lambda: fc.lp_pool2d(x, 1, 1, backend=backend),
    ]
    for call in calls:
        call()[...] = 7
        assert np.all(x == 1)


# Gradients without a second implementation.


@backends
@ranks
@given(data=st.data(), seed=seeds)
def test_adaptive_means_have_their_adjoint(backend: str, rank: int, data: Any, seed: int) -> None:
    shape, out = data.draw(adaptive_cases(rank))
    forward, backward = operation("adaptive_avg_pool", rank), operation("adaptive_avg_pool", rank, backward=True)
    adjoint_check(
        lambda x: forward(x, out, backend=backend),
        lambda dy: backward(dy, shape, backend=backend),
        shape,
        (*shape[:2], *out),
        rng=seed,
    )


@backends
@pytest.mark.parametrize("rank", [1, 3])
@given(data=st.data(), ceil_mode=flags, seed=seeds)
def test_averages_of_other_ranks_have_their_adjoint(
    backend: str, rank: int, data: Any, ceil_mode: bool, seed: int
) -> None:
    case = data.draw(window_cases(pool=True, rank=rank))
    options = {"kernel_size": case.kernel, **case.options, "ceil_mode": ceil_mode, "backend": backend}
    forward, backward = operation("avg_pool", rank), operation("avg_pool", rank, backward=True)
    y = forward(np.zeros(case.x_shape), **options)
    adjoint_check(
        lambda x: forward(x, **options),
        lambda dy: backward(dy, case.x_shape, **options),
        case.x_shape,
        y.shape,
        rng=seed,
    )


@backends
@ranks
def test_unpooling_without_duplicates_has_its_adjoint(backend: str, rank: int) -> None:
    x = normal((2, 3, *SPACE[rank]), 4)
    _, indices = operation("max_pool", rank)(x, 2, return_indices=True)
    forward, backward = operation("max_unpool", rank), operation("max_unpool", rank, backward=True)
    adjoint_check(
        lambda y: forward(y, indices, SPACE[rank], backend=backend),
        lambda dy: backward(dy, indices, backend=backend),
        indices.shape,
        x.shape,
    )


@backends
@pytest.mark.parametrize("p", [1, 1.5, 2, 3, 4, 5.5])
@pytest.mark.parametrize("name", ["overlapping", "asymmetric", "dilated"])
def test_norms_by_differences(backend: str, p: float, name: str) -> None:
    case = POOL_CASES[name]
    x = normal(case.x_shape, 5)
    x = np.sign(x) * (np.abs(x) + 0.1)  # away from the kink at zero
    gradient_check(fc.lp_pool2d, x, norm_type=p, kernel_size=case.kernel, **case.options, backend=backend)


# Numbers that are not finite.


@backends
@pytest.mark.parametrize("channels", [1, 9])
def test_nan_and_infinities_in_means_and_norms(backend: str, channels: int) -> None:
    x = np.tile(np.array([[1.0, np.inf, 2.0, -np.inf, np.nan, 3.0]]), (1, channels, 1, 1))
    nan, inf = np.nan, np.inf
    means = fc.adaptive_avg_pool2d(x, (1, 3), backend=backend)
    assert np.array_equal(means[0, -1], [[inf, -inf, nan]], equal_nan=True)
    norms = fc.lp_pool2d(x, 3, (1, 2), backend=backend)
    assert np.array_equal(norms[0, -1], [[inf, inf, nan]], equal_nan=True)
    assert np.isnan(fc.global_avg_pool2d(x[..., :4], backend=backend)).all()  # inf - inf


@engines
@pytest.mark.parametrize("p", [1, 2, 3, 2.5, 0.5])
@given(seed=seeds)
def test_gradients_of_norms_that_are_not_finite_are_naives(engine: str, p: float, seed: int) -> None:
    x = special((2, 9, 4, 6), seed)
    dy = normal((2, 9, 2, 3), 6)
    dx, wanted = (fc.lp_pool2d_backward(dy, x, p, 2, backend=backend) for backend in (engine, "naive"))
    assert_close(dx, wanted)

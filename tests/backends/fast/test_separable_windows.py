"""Windows of many taps, which are done along one axis after the other: the numbers and the places of one pass."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from strategies import Array, normal

import fastconv as fc
from fastconv.backends.fast.memory.plan_cache import forget_plans
from fastconv.backends.fast.pool import separable
from fastconv.backends.fast.pool.pool import maxima
from fastconv.backends.fast.pool.separable import passes_of_maxima, passes_of_means
from fastconv.backends.geometry import WindowGeometry, pool_axis
from fastconv.testing import assert_close

# (size, kernel, stride, padding, ceil mode) of planes that are done in passes
WINDOWS: list[tuple[tuple[int, ...], tuple[int, ...], Any, Any, bool]] = [
    ((30, 33), (23, 24), 1, 0, False),
    ((20, 27), (13, 11), 1, (6, 5), False),
    ((5, 260), (2, 256), 1, (0, 30), False),
    ((270, 9), (257, 2), 1, (28, 1), False),
    ((41, 33), (19, 20), (2, 3), (9, 4), True),
    ((210,), (100,), 1, 50, False),
    ((10, 11, 12), (7, 6, 5), 1, (3, 2, 1), False),
    ((140, 3), (70, 1), 1, 0, False),
]
every_window = pytest.mark.parametrize("window", WINDOWS, ids=lambda window: f"{window[0]}-{window[1]}")


@pytest.fixture(autouse=True)
def passes_wherever_they_are_shorter(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    forget_plans()
    monkeypatch.setattr(separable, "_WORTH", 0)
    yield
    forget_plans()


def geometry(size: tuple[int, ...], kernel: tuple[int, ...], stride: Any, padding: Any, ceil: bool) -> WindowGeometry:
    each = [given if isinstance(given, tuple) else (given,) * len(size) for given in (stride, padding)]
    axes = (pool_axis(n, k, s, 1, p, p, ceil_mode=ceil) for n, k, s, p in zip(size, kernel, *each))
    return WindowGeometry(tuple(axes), 2, 9)


def drawn(size: tuple[int, ...], *, ties: bool, dtype: str = "float32") -> Array:
    """Images of normal numbers, or with ties, zeros of both signs, infinities and NaN."""
    x = normal((2, 9, *size), 3, np.dtype(dtype))
    if ties:
        rng = np.random.default_rng(0)
        x = rng.integers(-2, 3, x.shape).astype(dtype) * np.where(rng.random(x.shape) < 0.5, 1, -1).astype(dtype)
        x[:, 0] = -np.inf
        x[:, 1] *= rng.random(x[:, 1].shape) < 0.001  # mostly zeros, of which the first is the maximum
        x[:, 2] = np.where(rng.random(x[:, 2].shape) < 0.01, np.nan, x[:, 2])
        x[:, 3] = np.where(rng.random(x[:, 2].shape) < 0.01, np.inf, x[:, 3])
    return x


def in_channels_last_memory(x: Array) -> Array:
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)


def pooled(name: str, x: Array, window: Any, **options: Any) -> Any:
    _, kernel, stride, padding, ceil = window
    function = getattr(fc, f"{name}{x.ndim - 2}d")
    return function(x, kernel, stride=stride, padding=padding, ceil_mode=ceil, **options)


@every_window
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_maxima_and_their_indices_are_those_of_one_pass(window: Any, dtype: str) -> None:
    assert len(passes_of_maxima(geometry(*window), "value")) > 1
    x = drawn(window[0], ties=True, dtype=dtype)
    expected, places = pooled("max_pool", x, window, return_indices=True, backend="numpy")
    for stored in (x, in_channels_last_memory(x), np.asfortranarray(x)):
        y, indices = pooled("max_pool", stored, window, return_indices=True)
        np.testing.assert_array_equal(indices, places)
        for result in (y, pooled("max_pool", stored, window)):
            np.testing.assert_array_equal(result, expected)
            a_number = expected == expected
            np.testing.assert_array_equal(np.signbit(result)[a_number], np.signbit(expected)[a_number])


@every_window
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_means_are_within_rounding_and_have_the_same_bits_in_every_order(window: Any, dtype: str) -> None:
    several = len(passes_of_means(geometry(*window))) > 1
    assert several == (sum(k > 1 for k in window[1]) > 1)
    x = drawn(window[0], ties=False, dtype=dtype)
    stored = [x, in_channels_last_memory(x), np.asfortranarray(x), x[..., ::-1].copy()[..., ::-1]]
    for count_include_pad in (False, True):
        y = pooled("avg_pool", x, window, count_include_pad=count_include_pad)
        exact = pooled("avg_pool", x.astype(np.float64), window, count_include_pad=count_include_pad, backend="numpy")
        size = pooled("avg_pool", abs(x), window, count_include_pad=count_include_pad, backend="numpy")
        assert_close(y, exact.astype(dtype), magnitude=size)
        for other in stored[1:]:
            np.testing.assert_array_equal(pooled("avg_pool", other, window, count_include_pad=count_include_pad), y)
        with fc.use_num_threads(1):
            np.testing.assert_array_equal(pooled("avg_pool", x, window, count_include_pad=count_include_pad), y)


def test_naive_agrees() -> None:
    window = ((16, 19), (12, 14), 1, (3, 6), False)
    x = drawn(window[0], ties=True)[:1, 2:4]
    assert len(passes_of_maxima(geometry(*window), "index")) > 1
    results = [pooled("max_pool", x, window, return_indices=True, backend=name) for name in ("fast", "naive")]
    for fast, naive in zip(*results):
        np.testing.assert_array_equal(fast, naive)
    means = [pooled("avg_pool", x, window, backend=name) for name in ("fast", "naive")]
    assert_close(*means, magnitude=pooled("avg_pool", np.nan_to_num(abs(x), posinf=0), window, backend="numpy"))


@pytest.mark.parametrize("kernel", [2, 37, 64, 255, 256, 257, 1000])
@pytest.mark.parametrize(("stride", "padding"), [(1, 0), (1, 0.5), (3, 0.25)])
def test_few_passes_find_the_maxima_of_any_number_of_taps(kernel: int, stride: int, padding: float) -> None:
    before = int(kernel * padding)
    axis = pool_axis(kernel + 400, kernel, stride, 1, before, before, ceil_mode=True)
    line = WindowGeometry((axis,), 1, 3)
    passes = passes_of_maxima(line, "index")
    if kernel > 100 and stride == 1:
        assert 1 < len(passes) <= 4
        assert sum(each.axis.kernel for each in passes) < 120
    x = np.random.default_rng(kernel).integers(0, kernel, (1, 3, axis.size)).astype(np.float32)
    y, indices = maxima(x, line, "index")
    padded = np.pad(x, ((0, 0), (0, 0), (before, before + kernel + stride)), constant_values=-np.inf)
    windows = np.lib.stride_tricks.sliding_window_view(padded, kernel, axis=2)[:, :, ::stride][:, :, : axis.out]
    np.testing.assert_array_equal(y, windows.max(axis=3))
    assert indices is not None
    np.testing.assert_array_equal(indices, windows.argmax(axis=3) + np.arange(axis.out) * stride - before)


def test_windows_without_a_cell_are_done_in_one_pass() -> None:
    axis = pool_axis(30, 20, 1, 40, 380, 380, ceil_mode=False)  # taps further apart than there are cells
    assert any(len(axis.taps(o)) == 0 for o in range(axis.out))
    assert passes_of_maxima(WindowGeometry((axis, axis), 8, 64), "index") == ()
    assert passes_of_means(WindowGeometry((axis, axis), 8, 64)) == ()


def test_small_windows_and_windows_side_by_side_are_done_in_one_pass() -> None:
    for kernel, stride in ((3, 1), (5, 1), (3, 2), (32, 32), (64, 64)):
        axes = (pool_axis(128, kernel, stride, 1, 0, 0, ceil_mode=False),) * 2
        assert passes_of_maxima(WindowGeometry(axes, 64, 64), "value") == ()
        assert passes_of_means(WindowGeometry(axes, 64, 64)) == ()


def test_a_network_with_long_windows_is_recorded_with_the_same_bits() -> None:
    model = fc.layers.Sequential(fc.layers.MaxPool2d(23, stride=1), fc.layers.AvgPool2d(9, stride=1))
    x = drawn((47, 46), ties=False)
    y = model(x)
    program = fc.compile(model, x)
    np.testing.assert_array_equal(program(x), y)
    np.testing.assert_array_equal(program(-x), model(-x))
    assert " 0 breaks" in str(program)

"""Plans of long signals: no table as long as a signal, all caches bounded in bytes, and `release` frees what it says.

Found by pooling signals of four million samples, of many lengths: a first call that takes a hundred times as long as
the second, and gigabytes that stay. Here what stays is weighed, and numbers are held against the definition of a
window, cell by cell.
"""

from __future__ import annotations

import gc
import sys
import tracemalloc
from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
import pytest
from programs import run
from strategies import BACKENDS, Array
from test_plans import cached_functions

import fastconv as fc
from fastconv.backends.geometry import Axis, pool_axis, window_extent
from fastconv.backends.numpy.pool import _real_taps

if "fast" not in BACKENDS:
    pytest.skip("the fast backend needs Numba", allow_module_level=True)

from fastconv.backends.fast.conv.passes import Line
from fastconv.backends.fast.depthwise import tiles as pieces
from fastconv.backends.fast.memory import plan_cache as kept
from fastconv.backends.fast.memory import workspace
from fastconv.backends.fast.pool import windows

SMALL_PLAN = 2**14  # bytes, whatever the size of what is pooled
MILLIONS = 4_000_000


@pytest.fixture(autouse=True)
def empty_caches() -> Iterator[None]:
    fc.release()
    yield
    fc.release()


def axes() -> Iterator[tuple[Axis, dict[str, Any]]]:
    """Axes of pooling with windows that reach beyond their ends, and the options that give them."""
    grid = product((1, 5, 9, 23), (1, 2, 3, 5), (1, 2, 7), (1, 3), (0, 1, 2), (0, 2), (False, True))
    for size, kernel, stride, dilation, before, after, ceil_mode in grid:
        extent = window_extent(kernel, dilation)
        if extent <= before + size + after and max(before, after) < extent:
            options = {"stride": stride, "dilation": dilation, "padding": [(before, after)], "ceil_mode": ceil_mode}
            axis = pool_axis(size, kernel, stride, dilation, before, after, ceil_mode=ceil_mode)
            yield axis, {"kernel_size": kernel, **options}


def counts(axis: Axis) -> tuple[Array, Array]:
    """Cells of every window that are real, and that are real or padding: the definition, cell by cell."""
    cells = axis.start(0) + np.arange(axis.out)[:, None] * axis.stride + np.arange(axis.kernel) * axis.dilation
    real = (cells >= 0) & (cells < axis.size)
    return real.sum(axis=1), ((cells >= -axis.before) & (cells < axis.size + axis.after)).sum(axis=1)


@pytest.mark.parametrize("backend", ["fast", "numpy"])
@pytest.mark.parametrize(("channels", "layout"), [(1, "NCW"), (9, "NWC")])
def test_divisors_are_those_of_the_definition(backend: str, channels: int, layout: str) -> None:
    """The mean of ones over windows is real cells / counted cells, and 1 where only real ones count."""
    for axis, options in axes():
        real, padded = counts(axis)
        x = np.ones((1, axis.size, channels) if layout == "NWC" else (1, channels, axis.size))
        how = {**options, "layout": layout, "backend": backend}
        means = np.moveaxis(fc.avg_pool1d(x, **how), 1 if layout == "NWC" else 2, 0).reshape(axis.out, channels)
        with np.errstate(invalid="ignore"):
            np.testing.assert_array_equal(means, np.repeat((real / padded)[:, None], channels, axis=1), str(options))
            alone = fc.avg_pool1d(x, count_include_pad=False, **how)
        np.testing.assert_array_equal(np.isnan(alone).sum(), channels * (real == 0).sum(), str(options))
        assert ((alone == 1) | np.isnan(alone)).all(), options


@pytest.mark.parametrize(("channels", "layout"), [(1, "NCW"), (9, "NWC")])
def test_shares_are_those_of_the_definition(channels: int, layout: str) -> None:
    """The gradient of the sum of all means is 1 / counted cells, added up over the windows of a cell."""
    for axis, options in axes():
        _, padded = counts(axis)
        expected = np.zeros(axis.size)
        for window in range(axis.out):
            for tap in axis.taps(window):
                expected[axis.start(window) + tap * axis.dilation] += 1 / padded[window]
        shape = (1, axis.size, channels) if layout == "NWC" else (1, channels, axis.size)
        dy = np.ones((1, axis.out, channels) if layout == "NWC" else (1, channels, axis.out))
        dx = fc.avg_pool1d_backward(dy, shape, layout=layout, backend="fast", **options)
        by_cell = np.moveaxis(dx, 1 if layout == "NWC" else 2, 0).reshape(axis.size, channels)
        np.testing.assert_allclose(by_cell, np.repeat(expected[:, None], channels, axis=1), rtol=1e-14)


def test_a_common_divisor_is_found_where_there_is_one() -> None:
    found = set()
    for axis, _ in axes():
        for divisor, counted in zip(("real", "padded"), counts(axis)):
            same = windows.same_divisor((axis,), divisor)
            assert (same == 0) == bool((counted != axis.kernel).any()), (axis, divisor)
            assert same in (0, axis.kernel)
            found.add(same)
        assert windows.same_divisor((axis,), "one") == 1
    assert found >= {0, 1, 2, 3, 5}


def test_taps_of_many_windows_are_those_of_each() -> None:
    for axis, _ in axes():
        first, number = _real_taps(axis, np.arange(axis.out), 0, axis.size)
        taps = [axis.taps(window) for window in range(axis.out)]
        assert number.tolist() == [len(one) for one in taps]
        assert [f for f, one in zip(first, taps) if one] == [one.start for one in taps if one]


def test_whole_windows_are_those_with_all_taps() -> None:
    for axis, _ in axes():
        line = Line(
            axis.size, axis.out, axis.stride, axis.dilation, axis.before, tuple(range(axis.kernel)), 0, 1, axis.out
        )
        inside = [len(pieces._inside(line, cell)) for cell in range(axis.out)]
        assert list(pieces.whole_windows(line)) == [i for i, taps in enumerate(inside) if taps == axis.kernel]
        columns = pieces.columns_of(line)
        assert [cell for cell, _, _ in columns.edges] == [i for i, taps in enumerate(inside) if taps < axis.kernel]


@pytest.mark.parametrize("size", [(16,), (8, 6), (5, 6, 4)])
def test_rows_that_follow_each_other_are_one(size: tuple[int, ...]) -> None:
    """Windows as wide as their rows, with padding that counts: the divisor is that of the whole window."""
    rank = len(size)
    x = np.random.default_rng(0).standard_normal((2, 3, *size))
    for kernel, padding in ((size, 0), ((3, *size[1:]), 1), ((1, *size[1:]), 0)):
        pads = [(0, 0)] + [(padding, padding)] * (rank - 1)
        wide = tuple(k + 2 * p[0] for k, p in zip(kernel, pads))
        for include in (True, False):
            options = {"stride": 1, "padding": pads, "count_include_pad": include}
            operation = getattr(fc, f"avg_pool{rank}d")
            fast, loops = (operation(x, wide, backend=backend, **options) for backend in ("fast", "naive"))
            np.testing.assert_allclose(fast, loops, rtol=1e-12, atol=1e-14)
            maxima = getattr(fc, f"max_pool{rank}d")
            options.pop("count_include_pad")
            got, want = (maxima(x, wide, return_indices=True, backend=b, **options) for b in ("fast", "naive"))
            np.testing.assert_array_equal(got[0], want[0])
            np.testing.assert_array_equal(got[1], want[1])


POOLS = {
    "avg": lambda x: fc.avg_pool1d(x, 3, stride=1),
    "avg, padded": lambda x: fc.avg_pool1d(x, 4, stride=2, padding=1, ceil_mode=True, count_include_pad=False),
    "avg, long windows": lambda x: fc.avg_pool1d(x, 600, stride=601),
    "max": lambda x: fc.max_pool1d(x, 3, stride=1),
    "adaptive": lambda x: fc.adaptive_avg_pool1d(x, x.shape[2] // 3 + 1),
    "global": lambda x: fc.global_avg_pool1d(x),
    "columns": lambda x: fc.im2col(x, 3, layout="NCW", stride=3),
}


@pytest.mark.parametrize("name", POOLS)
def test_a_plan_of_a_long_signal_is_a_small_one(name: str) -> None:
    x = np.zeros((1, 1, MILLIONS), np.float32)
    POOLS[name](x)
    assert 0 < kept.cached_bytes() < SMALL_PLAN


def test_a_plan_of_a_convolution_is_as_small_for_a_signal_a_hundred_times_as_long() -> None:
    sizes = []
    for samples in (20_000, 2_000_000):
        fc.release()
        x, weight = np.zeros((1, 1, samples), np.float32), np.ones((4, 1, 3), np.float32)
        y = fc.conv1d(x, weight)
        fc.conv1d_backward(y, x, weight)
        sizes.append(kept.cached_bytes())
    assert sizes[1] < 1.2 * sizes[0]


def test_many_lengths_stay_within_the_bound() -> None:
    x = np.zeros((1, 1, 20_000), np.float32)
    for cells in range(300):
        fc.avg_pool1d(x[..., cells:], 4, stride=2)
    assert kept.cached_bytes() < 300 * SMALL_PLAN


def test_what_is_kept_is_bounded_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Convolutions with ever more taps, whose plans have a table of them."""
    monkeypatch.setattr(kept, "CACHED_BYTES", 2**19)
    most = 0
    for taps in range(500, 540):
        fc.conv1d(np.zeros((1, 1, 600)), np.zeros((1, 1, taps)))
        most = max(most, kept.cached_bytes())
    assert 2**18 < most <= 2**19
    plans = cached_functions("fastconv.backends.fast")["fastconv.backends.fast.conv.plan.plan_conv"]
    assert 0 < plans.cache_info().currsize < 40


def test_weights_are_no_less_than_what_python_takes() -> None:
    def make() -> None:
        for taps in range(1000, 1010):
            fc.conv1d(np.zeros((1, 1, 1100)), np.zeros((1, 1, taps)))

    make()
    fc.release()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        make()
        workspace.release()
        gc.collect()
        taken = tracemalloc.get_traced_memory()[0] - before
        assert 100_000 < taken < kept.cached_bytes()
        fc.release()
        gc.collect()
        assert tracemalloc.get_traced_memory()[0] - before < 0.1 * taken
    finally:
        tracemalloc.stop()


def test_release_empties_every_cache() -> None:
    x = np.zeros((2, 8, 12, 13), np.float32)
    y = fc.conv2d(x, np.ones((4, 8, 3, 3), np.float32))
    fc.conv2d_backward(y, x, np.ones((4, 8, 3, 3), np.float32))
    fc.max_pool2d(x, 2)
    assert kept.cached_bytes()
    assert workspace._idle
    fc.release()
    assert kept.cached_bytes() == 0
    assert not workspace._idle
    found = cached_functions("fastconv.backends.fast")
    caches = {name: cache for name, cache in found.items() if ".fast.machine." not in name}  # what the CPU is stays
    assert "fastconv.backends.fast.pool.windows.plan_windows" in caches
    assert {name for name, cache in caches.items() if cache.cache_info().currsize} == set()


def test_release_reaches_a_backend_of_ones_own() -> None:
    numpy = sys.modules["fastconv.backends.numpy"]
    released = []

    class Keeping(numpy.NumpyBackend):  # type: ignore[name-defined, misc]
        def release(self) -> None:
            released.append(self)

    fc.register_backend("keeping", Keeping())
    try:
        fc.release()
    finally:
        fc.unregister_backend("keeping")
    assert len(released) == 1


def test_release_imports_nothing() -> None:
    run(
        """
        import sys
        import fastconv as fc
        fc.release()
        fc.avg_pool1d([[[1.0, 2.0]]], 2, backend="naive")
        fc.release()
        assert "numba" not in sys.modules and "fastconv.backends.fast" not in sys.modules
        """
    )

"""Winograd's algorithm in three dimensions, and the weight gradients of dilated passes: forward, and all gradients.

What is right is computed in float64. A tenth of what an error can grow to is allowed, so that a thousandth is noticed.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from programs import run
from strategies import BACKENDS, Array
from vector_units import PATHS, SHORT_PATHS, only_where_it_runs

import fastconv as fc
from fastconv import layers as L

if "fast" not in BACKENDS:
    pytest.skip("the fast backend needs Numba", allow_module_level=True)

from fastconv.backends.fast.conv.conv import conv_ending, plan_gradient, plan_pass
from fastconv.backends.fast.conv.passes import forward_pass
from fastconv.backends.fast.machine.emitter import RELU
from fastconv.backends.fast.winograd import cost
from fastconv.backends.fast.winograd.gradient import WinogradGradientPlan
from fastconv.backends.fast.winograd.plan import WinogradPlan
from fastconv.backends.geometry import ConvGeometry, conv_axis
from fastconv.testing.error_bounds import error_bounds

pytestmark = pytest.mark.usefixtures("always_winograd")

NAMES = ("y", "dx", "dweight")
Options = dict[str, tuple[int, ...]]


def drawn(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng([seed, *shape]).standard_normal(shape, np.float32)


def last(numbers: Array) -> Array:
    """The same numbers, channels-last in memory."""
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(numbers, 1, -1)), -1, 1)


def geometry_of(x: Array, weight: Array, stride: Any = 1, padding: Any = 0, dilation: Any = 1) -> ConvGeometry:
    each = ((size,) * (x.ndim - 2) if isinstance(size, int) else size for size in (stride, padding, dilation))
    axes = tuple(conv_axis(n, k, s, d, p, p) for n, k, s, p, d in zip(x.shape[2:], weight.shape[2:], *each))
    return ConvGeometry(axes, len(x), x.shape[1], len(weight), x.shape[1] // weight.shape[1])


def results(x: Array, weight: Array, dy: Array, geometry: ConvGeometry, backend: str = "fast") -> dict[str, Array]:
    engine = fc.backends.resolve_backend(backend)
    y = engine.conv(x, weight, None, geometry)
    return dict(zip(NAMES, (y, *engine.conv_backward(dy, x, weight, geometry, frozenset({"x", "weight"})))))


def arrays_of(x: Array, weight: Array, **options: Any) -> tuple[Array, Array, Array, ConvGeometry]:
    geometry = geometry_of(x, weight, **options)
    return x, weight, drawn(*geometry.output_shape, seed=2), geometry


def check(x: Array, weight: Array, direct: Sequence[str] = (), **options: Any) -> None:
    """All that is not said to be direct is computed by Winograd's algorithm, and is right."""
    *arrays, geometry = arrays_of(x, weight, **options)
    found = results(*arrays, geometry)
    right = results(*(array.astype(np.float64) for array in arrays), geometry, "numpy")
    bounds = error_bounds(geometry, x, weight, None, arrays[2], exact=False)
    for name in NAMES:
        assert bounds[name].runs_winograd == (name not in direct), (name, bounds[name].algorithm)
        part = 0.1 if bounds[name].runs_winograd else 1
        assert (np.abs(found[name] - right[name]) <= part * bounds[name].allowed).all(), (name, options)


CASES: dict[str, tuple[tuple[int, ...], tuple[int, ...], Options]] = {
    "3×3×3": ((2, 9, 5, 7, 9), (18, 9, 3, 3, 3), {"padding": (1, 1, 1)}),
    "no padding": ((2, 9, 5, 7, 9), (18, 9, 3, 3, 3), {}),
    "two slices": ((1, 9, 6, 6, 7), (18, 9, 2, 3, 3), {"padding": (0, 1, 0)}),
    "more padding than slices": ((2, 9, 2, 5, 6), (18, 9, 3, 3, 3), {"padding": (4, 1, 1)}),
    "five slices": ((1, 9, 8, 5, 6), (18, 9, 5, 3, 2), {"padding": (2, 1, 1)}),
    "stride along depth": ((2, 9, 8, 7, 9), (18, 9, 3, 3, 3), {"stride": (2, 1, 1), "padding": (1, 1, 1)}),
    "dilation along depth": ((2, 9, 9, 7, 9), (18, 9, 3, 3, 3), {"dilation": (3, 1, 1), "padding": (2, 1, 1)}),
    "dilation": ((2, 9, 7, 13, 11), (18, 9, 3, 3, 3), {"dilation": (2, 2, 2), "padding": (2, 2, 2)}),
    "both along depth": ((1, 9, 12, 7, 9), (18, 9, 3, 3, 3), {"stride": (2, 1, 1), "dilation": (3, 1, 1)}),
    "a row in each slice": ((1, 9, 6, 1, 17), (18, 9, 3, 1, 3), {"padding": (1, 0, 1)}),
    "groups": ((1, 34, 4, 5, 6), (36, 17, 3, 3, 3), {"padding": (1, 1, 1)}),
    "each task transforms its weights": ((1, 150, 3, 5, 6), (160, 150, 3, 3, 3), {"padding": (1, 1, 1)}),
    "several strips": ((8, 33, 4, 14, 15), (40, 33, 3, 3, 3), {"padding": (1, 1, 1)}),
    "2-D, dilation 2": ((2, 9, 13, 11), (18, 9, 3, 3), {"dilation": (2, 2), "padding": (2, 2)}),
    "2-D, dilation 3, few outputs": ((2, 9, 8, 9), (18, 9, 3, 3), {"dilation": (3, 3), "padding": (0, 1)}),
    "2-D, two dilations": ((2, 9, 13, 14), (18, 9, 3, 5), {"dilation": (1, 2), "padding": (1, 3)}),
    "2-D, dilation 4, several strips": ((9, 64, 33, 30), (70, 64, 3, 3), {"dilation": (4, 4), "padding": (4, 4)}),
    "2-D, dilation, few tiles": ((1, 250, 9, 7), (261, 250, 3, 3), {"dilation": (2, 2), "padding": (2, 2)}),
    "a dilated signal": ((2, 9, 50), (18, 9, 3), {"dilation": (4,), "padding": (4,)}),
}
THROUGH_COLUMNS = {"no padding", "both along depth", "2-D, dilation 3, few outputs"}  # see `conv.through_columns`


@pytest.mark.parametrize("name", CASES)
def test_cases(name: str) -> None:
    shape, weight, options = CASES[name]
    check(drawn(*shape), drawn(*weight, seed=1), ("dx",) if name in THROUGH_COLUMNS else (), **options)


@pytest.mark.parametrize("size", range(1, 7))
def test_every_size(size: int) -> None:
    for depth, width in product((1, 2, 4), (1, 3, 4, 6)):
        check(drawn(1, 9, depth, size, width), drawn(18, 9, 3, 3, 3, seed=1), padding=1)
        check(drawn(1, 9, size, width + depth), drawn(18, 9, 3, 3, seed=1), padding=2, dilation=2)


def test_a_stride_is_phases_in_slices() -> None:
    x, weight = drawn(2, 9, 7, 11, 12), drawn(18, 9, 2, 5, 5, seed=1)
    check(x, weight, ("dweight",), stride=2, padding=2)
    made = plan_pass(forward_pass(geometry_of(x, weight, 2, 2)), 4, 2, 2**26)
    assert isinstance(made, WinogradPlan)
    assert "of 4 phases in 2 slices" in made.description


@pytest.mark.parametrize(
    "name", ["3×3×3", "more padding than slices", "dilation", "2-D, dilation 2", "stride along depth"]
)
@pytest.mark.parametrize("value", [np.inf, np.nan, 3e38])
def test_what_is_not_finite_is_where_the_direct_method_has_it(name: str, value: float) -> None:
    shape, weight_shape, options = CASES[name]
    *arrays, geometry = arrays_of(drawn(*shape), drawn(*weight_shape, seed=1), **options)
    for changed, at in product(range(3), (0, 77, -1)):
        numbers = [array.copy() for array in arrays]
        numbers[changed].flat[at] = value
        found = []
        for exact in (False, True):
            with fc.options(exact=exact), np.errstate(all="ignore"):
                found.append(results(*numbers, geometry))
        for result in NAMES:
            ours, direct = (each[result] for each in found)
            np.testing.assert_array_equal(np.isnan(ours), np.isnan(direct))
            there = np.isfinite(direct)
            np.testing.assert_array_equal(np.isfinite(ours), there)
            if value != 3e38:  # beside which all other numbers are lost
                np.testing.assert_allclose(ours[there], direct[there], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    "name", ["several strips", "each task transforms its weights", "2-D, dilation 4, several strips"]
)
def test_the_same_bits_for_any_threads_and_memory(name: str) -> None:
    shape, weight_shape, options = CASES[name]
    x, weight, dy, geometry = arrays_of(drawn(*shape), drawn(*weight_shape, seed=1), **options)
    x[0, 5].flat[9] = np.inf
    with np.errstate(invalid="ignore"), fc.use_num_threads(1):
        wanted = results(x, weight, dy, geometry)
    for threads, order in product((1, 2, 3), (np.ascontiguousarray, np.asfortranarray, last)):
        with np.errstate(invalid="ignore"), fc.use_num_threads(min(threads, fc.get_num_threads())):
            found = results(order(x), weight, order(dy), geometry)
        for result in NAMES:
            np.testing.assert_array_equal(found[result], wanted[result])


def test_programs_and_transposed_layers_have_the_same_bits() -> None:
    network = L.Sequential(
        L.Conv3d(9, 20, 3, padding=1, rng=0), L.ReLU(), L.ConvTranspose3d(20, 17, 3, padding=1, rng=1), L.SiLU()
    )
    network.eval()
    x = drawn(2, 9, 4, 6, 7)
    np.testing.assert_array_equal(fc.compile(network, x)(x), network(x))


def test_endings() -> None:
    """A sum and a ReLU, also where rows are done again; in a range of wider channels."""
    x, weight, bias = drawn(2, 20, 3, 7, 9), drawn(37, 20, 3, 3, 3), drawn(37)
    other, geometry = last(drawn(2, 37, 3, 7, 9, seed=5)), geometry_of(x, weight, 1, 1)
    for value in (0.0, np.inf):
        x[0, 3, 2, 4, 1] = value
        with np.errstate(invalid="ignore"):
            plain = fc.conv3d(x, weight, bias, padding=1, backend="fast")
            y = conv_ending(x, weight, bias, geometry, RELU, other)
            np.testing.assert_array_equal(y, np.maximum(plain + other, 0))
        wide = last(np.full((2, 60, 3, 7, 9), 5, np.float32))
        conv_ending(x, weight, bias, geometry, 0, out=wide[:, 11:48])
        np.testing.assert_array_equal(wide[:, 11:48], plain)
        assert (wide[:, :11] == 5).all()
        assert (wide[:, 48:] == 5).all()


def algorithms_of(shape: tuple[int, ...], weight: tuple[int, ...], **options: Any) -> list[bool]:
    task = forward_pass(geometry_of(np.empty(shape), np.empty(weight), **options))
    forward, gradient = plan_pass(task, 4, 2, 2**26), plan_gradient(task, 4, 2, 2**26)
    return [isinstance(forward, WinogradPlan), isinstance(gradient, WinogradGradientPlan)]


def test_few_that_cannot_be_are_direct() -> None:
    """Windows of one column, large dilations, and more taps or channels than are added up."""
    shape = (1, 16, 9, 9, 9)
    assert algorithms_of(shape, (16, 16, 3, 3, 3)) == [True, True]
    assert algorithms_of(shape, (16, 16, 3, 1, 1)) == [False, False]
    assert algorithms_of(shape, (16, 16, 2, 2, 2), dilation=(5, 1, 1)) == [False, False]
    assert algorithms_of(shape, (16, 16, 5, 5, 5)) == [False, False]
    assert algorithms_of((1, 700, 3, 3, 3), (16, 700, 3, 3, 3)) == [False, False]


def test_where_it_pays(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the costs that were fitted: not with few channels."""
    monkeypatch.setattr(cost, "MARGIN", 1.1)
    assert algorithms_of((1, 32, 16, 16, 16), (32, 32, 3, 3, 3), padding=1) == [True, True]
    assert algorithms_of((1, 1, 16, 16, 16), (8, 1, 3, 3, 3), padding=1) == [False, False]
    assert algorithms_of((8, 64, 28, 28), (64, 64, 3, 3), padding=2, dilation=2) == [True, True]
    assert algorithms_of((1, 3, 28, 28), (8, 3, 3, 3), padding=2, dilation=2) == [False, False]


def check_small() -> None:
    """A few cases, and numbers that are not finite."""
    cost.MARGIN = 0.0
    for name in ("3×3×3", "stride along depth", "2-D, dilation 3, few outputs"):
        test_cases(name)
        test_what_is_not_finite_is_where_the_direct_method_has_it(name, np.inf)


@pytest.mark.slow
@pytest.mark.parametrize("path", ["twins", *SHORT_PATHS])
def test_elsewhere(path: str, tmp_path: Path) -> None:
    program = f"""
        import test_winograd_slices
        from fastconv.backends.fast.machine.jit import INTERPRETED
        from vector_units import built_for
        assert INTERPRETED if {path!r} == "twins" else built_for() == {path!r}
        test_winograd_slices.check_small()
    """
    if path != "twins":
        only_where_it_runs(path)
    environment = {"NUMBA_DISABLE_JIT": "1"} if path == "twins" else PATHS[path]
    run(program, NUMBA_CACHE_DIR=str(tmp_path), **environment)

"""Forward convolutions with a stride by Winograd's algorithm, in phases: sizes, memory orders, and kinds of numbers."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pytest
from programs import run
from strategies import BACKENDS, Array
from vector_units import PATHS, SHORT_PATHS, only_where_it_runs

import fastconv as fc
from fastconv import layers as L

if "fast" not in BACKENDS:
    pytest.skip("the fast backend needs Numba", allow_module_level=True)

from fastconv.backends.fast.conv.conv import conv_ending, plan_pass
from fastconv.backends.fast.conv.passes import forward_pass
from fastconv.backends.fast.machine.emitter import RELU
from fastconv.backends.fast.winograd import cost
from fastconv.backends.fast.winograd.plan import WinogradPlan
from fastconv.backends.geometry import ConvGeometry, conv_axis
from fastconv.testing.error_bounds import error_bounds

pytestmark = pytest.mark.usefixtures("always_winograd")

KERNELS = [((5, 5), (2, 2)), ((3, 3), (2, 2)), ((4, 3), (2, 1)), ((3, 5), (3, 2)), ((1, 5), (1, 2)), ((7, 1), (3, 1))]
Pair = tuple[int, int]


def drawn(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng([seed, *shape]).standard_normal(shape, np.float32)


def last(numbers: Array) -> Array:
    """The same numbers, channels-last in memory."""
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(numbers, 1, -1)), -1, 1)


def geometry_of(x: Array, weight: Array, stride: Pair, pads: Pair, groups: int = 1) -> ConvGeometry:
    axes = tuple(conv_axis(n, k, s, 1, pad, pad) for n, k, s, pad in zip(x.shape[2:], weight.shape[2:], stride, pads))
    return ConvGeometry(axes, len(x), x.shape[1], len(weight), groups)


def in_phases(geometry: ConvGeometry) -> bool:
    """Whether it runs by Winograd's algorithm, of all phases."""
    made = plan_pass(forward_pass(geometry), 4, 2, 2**26)
    return isinstance(made, WinogradPlan) and len(made.grid.phases) > 1


def check(x: Array, weight: Array, bias: Array, stride: Pair, pads: Pair, groups: int = 1, part: float = 1.0) -> bool:
    """Compare y with that of float64; return whether it was computed in phases."""
    geometry = geometry_of(x, weight, stride, pads, groups)
    options = {"stride": stride, "padding": pads, "groups": groups}
    y = fc.conv2d(x, weight, bias, **options, backend="fast")
    with np.errstate(all="ignore"):
        right = fc.conv2d(*(array.astype(np.float64) for array in (x, weight, bias)), **options, backend="numpy")
        allowed = part * error_bounds(geometry, x, weight, bias, exact=False)["y"].allowed
    there = np.isfinite(right)
    np.testing.assert_array_equal(np.isfinite(y), there)
    assert (np.abs(y - right)[there] <= allowed[there]).all()
    return in_phases(geometry)


@pytest.mark.parametrize(("kernel", "stride"), KERNELS)
def test_sizes(kernel: Pair, stride: Pair) -> None:
    """A small part of what is allowed, so that a number which is off by a thousandth is noticed."""
    weight, bias, taken = drawn(18, 9, *kernel), drawn(18), 0
    for height, width in ((1, 1), (2, 3), (3, 8), (4, 4), (5, 9), (6, 2)):
        for pads, more in (((0, 0), (0, 0)), ((1, 1), (0, 1)), (tuple(k // 2 for k in kernel), (1, 0))):
            size = [
                (out - 1) * s + k + beyond - 2 * pad
                for out, s, k, pad, beyond in zip((height, width), stride, kernel, pads, more)
            ]
            if min(size) > 0 and all(pad < k for pad, k in zip(pads, kernel)):
                taken += check(drawn(2, 9, *size), weight, bias, stride, pads, part=0.05)
    assert taken >= 6


@pytest.mark.parametrize(
    ("channels", "filters", "groups", "batch"),
    [(1, 1, 1, 1), (3, 7, 1, 2), (37, 53, 1, 2), (130, 512, 1, 1), (512, 130, 1, 1), (34, 51, 17, 2), (48, 33, 1, 40)],
)
def test_channels_filters_and_groups(channels: int, filters: int, groups: int, batch: int) -> None:
    x, weight = drawn(batch, channels, 13, 12), drawn(filters, channels // groups, 5, 5)
    assert check(x, weight, drawn(filters), (2, 2), (2, 2), groups, part=0.05)


@pytest.mark.parametrize(("kernel", "stride"), KERNELS)
@pytest.mark.parametrize("value", [np.inf, np.nan, 3e38])
def test_what_is_not_finite_is_where_the_direct_method_has_it(kernel: Pair, stride: Pair, value: float) -> None:
    pads = tuple(k // 2 for k in kernel)
    x, weight, bias = drawn(2, 20, 14, 17), drawn(21, 20, *kernel), drawn(21)
    for name, at in product(("x", "weight"), (0, 37, 777, -1)):
        changed = {"x": x.copy(), "weight": weight.copy()}
        changed[name].flat[at % changed[name].size] = value
        found = []
        for exact in (False, True):
            with fc.options(exact=exact), np.errstate(all="ignore"):
                found.append(fc.conv2d(*changed.values(), bias, stride=stride, padding=pads, backend="fast"))
        np.testing.assert_array_equal(np.isfinite(found[0]), np.isfinite(found[1]))
        if value != 3e38:  # beside which all other numbers are lost
            np.testing.assert_allclose(*found, rtol=1e-3, atol=1e-3)


def test_the_same_bits_for_any_threads_and_memory_and_in_programs() -> None:
    layer = L.Conv2d(20, 37, 5, stride=2, padding=2, rng=0)
    layer.eval()
    x = drawn(2, 20, 23, 30)
    x[1, 5, 9, 9] = np.inf
    strided = np.zeros((2, 20, 23, 60), np.float32)
    strided[..., ::2] = x
    with np.errstate(invalid="ignore"):
        with fc.use_num_threads(1):
            wanted = layer(x)
        np.testing.assert_array_equal(fc.compile(layer, x)(x), wanted)
        for source in (x, last(x), np.asfortranarray(x), strided[..., ::2], x[:, :, ::-1][:, :, ::-1]):
            np.testing.assert_array_equal(layer(source), wanted)


def test_endings() -> None:
    """A sum and a ReLU, also where rows are done again; in a range of wider channels."""
    x, weight, bias = drawn(2, 20, 14, 17), drawn(37, 20, 3, 3), drawn(37)
    other = last(drawn(2, 37, 7, 9, seed=5))
    geometry = geometry_of(x, weight, (2, 2), (1, 1))
    assert in_phases(geometry)
    for value in (0.0, np.inf):
        x[0, 3, 2, 4] = value
        with np.errstate(invalid="ignore"):
            plain = fc.conv2d(x, weight, bias, stride=2, padding=1, backend="fast")
            y = conv_ending(x, weight, bias, geometry, RELU, other)
            np.testing.assert_array_equal(y, np.maximum(plain + other, 0))
        wide = last(np.full((2, 60, 7, 9), 5, np.float32))
        conv_ending(x, weight, bias, geometry, 0, out=wide[:, 11:48])
        np.testing.assert_array_equal(wide[:, 11:48], plain)
        assert (wide[:, :11] == 5).all()
        assert (wide[:, 48:] == 5).all()


def test_few_that_cannot_be_are_direct() -> None:
    """Both a stride and a dilation, windows of padding alone in a phase, and more taps than there is a table for."""
    x = drawn(1, 8, 30, 30)
    dilated = tuple(conv_axis(30, 3, 2, dilation, 1, 1) for dilation in (1, 2))
    assert not in_phases(ConvGeometry(dilated, 1, 8, 8, 1))  # type: ignore[arg-type]
    assert not in_phases(geometry_of(x, drawn(8, 8, 3, 3), (2, 2), (2, 2)))
    assert not in_phases(geometry_of(x, drawn(8, 8, 9, 9), (2, 2), (4, 4)))
    assert in_phases(geometry_of(x, drawn(8, 8, 7, 8), (2, 2), (3, 3)))


def test_where_it_pays(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the costs that were fitted: many channels, not those of an image."""
    monkeypatch.setattr(cost, "MARGIN", 1.1)
    weight = drawn(64, 32, 5, 5)
    assert in_phases(geometry_of(drawn(16, 32, 32, 32), weight, (2, 2), (2, 2)))
    assert in_phases(geometry_of(drawn(8, 64, 56, 56), drawn(128, 64, 3, 3), (2, 2), (1, 1)))
    assert not in_phases(geometry_of(drawn(1, 3, 64, 64), drawn(64, 3, 7, 7), (2, 2), (3, 3)))
    assert not in_phases(geometry_of(drawn(1, 256, 14, 14), drawn(512, 256, 3, 3), (2, 2), (1, 1)))


def check_small() -> None:
    """A few sizes, and numbers that are not finite."""
    x, weight, bias = drawn(2, 17, 11, 14), drawn(9, 17, 5, 5), drawn(9)
    cost.MARGIN = 0.0
    assert check(x, weight, bias, (2, 2), (2, 2), part=0.05)
    assert check(x, weight[..., :3, :4], bias, (2, 3), (1, 0), part=0.05)
    x[1, 3, 5, 6] = np.inf
    with np.errstate(invalid="ignore"):
        assert check(x, weight, bias, (2, 2), (2, 2))


@pytest.mark.slow
@pytest.mark.parametrize("path", ["twins", *SHORT_PATHS])
def test_elsewhere(path: str, tmp_path: Path) -> None:
    program = f"""
        import test_winograd_strides
        from fastconv.backends.fast.machine.jit import INTERPRETED
        from vector_units import built_for
        assert INTERPRETED if {path!r} == "twins" else built_for() == {path!r}
        test_winograd_strides.check_small()
    """
    if path != "twins":
        only_where_it_runs(path)
    environment = {"NUMBA_DISABLE_JIT": "1"} if path == "twins" else PATHS[path]
    run(program, NUMBA_CACHE_DIR=str(tmp_path), **environment)

"""Convolutions of few filters, whose lanes run along the windows: values, bits, endings, and which these are.

Every pass that can be one by dots is, here, but where it is asked which these are.
"""

from __future__ import annotations

from collections.abc import Iterator
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

from fastconv.backends.fast.conv import dots
from fastconv.backends.fast.conv.conv import conv_ending, plan_pass
from fastconv.backends.fast.conv.passes import forward_pass
from fastconv.backends.fast.conv.plan import ConvPlan
from fastconv.backends.fast.machine.emitter import RELU, SILU
from fastconv.backends.fast.machine.target import AVX512, host
from fastconv.backends.fast.memory.plan_cache import forget_plans
from fastconv.validation.operations import conv_geometry

MARGIN = dots.MARGIN


@pytest.fixture(autouse=True)
def always_by_dots(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(dots, "MARGIN", 0.0)
    forget_plans()
    yield
    forget_plans()


def drawn(*shape: int, dtype: str = "float32", seed: int = 0) -> Array:
    return np.random.default_rng([seed, *shape]).standard_normal(shape).astype(dtype)


def last(numbers: Array) -> Array:
    """The same numbers, channels-last in memory."""
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(numbers, 1, -1)), -1, 1)


def geometry_of(x: Array, weight: Array, stride: int = 1, padding: int = 0, dilation: int = 1, groups: int = 1) -> Any:
    pads = ((padding, padding),) * 2
    return conv_geometry("conv2d", x.shape, weight.shape, (stride,) * 2, pads, (dilation,) * 2, groups, x.itemsize)


def by_dots(x: Array, weight: Array, *, exact: bool = True, **options: int) -> bool:
    made = plan_pass(forward_pass(geometry_of(x, weight, **options)), x.itemsize, 2, 2**26, exact=exact)
    return isinstance(made, ConvPlan) and made.by_dots


def check(x: Array, weight: Array, **options: int) -> None:
    """Every number is within what exact methods promise; a thousandth of it, and so a number that is missing shows."""
    assert by_dots(x, weight, **options)
    bias = drawn(len(weight), dtype=str(x.dtype))
    with fc.options(exact=True):
        y = fc.conv2d(x, weight, bias, **options, backend="fast")
    exact = [array.astype(np.longdouble) for array in (x, weight, bias)]
    windows = np.abs(exact[0]), np.abs(exact[1])
    wanted, size = (plain(*arrays, **options) for arrays in (exact[:2], windows))
    error = np.abs(y - (wanted + exact[2][:, None, None]))
    assert y.dtype == x.dtype
    assert (error <= 8 * np.finfo(x.dtype).eps * (size + np.abs(exact[2])[:, None, None])).all()


def plain(x: Array, weight: Array, stride: int = 1, padding: int = 0, dilation: int = 1, groups: int = 1) -> Array:
    """The definition, tap by tap, in the precision of its arrays."""
    padded = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    (n, c, *sizes), (f, _, *kernel) = padded.shape, weight.shape
    outs = [(size - (k - 1) * dilation - 1) // stride + 1 for size, k in zip(sizes, kernel)]
    y = np.zeros((n, groups, f // groups, *outs), x.dtype)
    for i, j in product(*map(range, kernel)):
        rows, columns = (
            slice(k * dilation, k * dilation + (out - 1) * stride + 1, stride) for k, out in zip((i, j), outs)
        )
        cells = padded[:, :, rows, columns].reshape(n, groups, c // groups, *outs)
        y += np.einsum("ngchw,gfc->ngfhw", cells, weight[:, :, i, j].reshape(groups, f // groups, -1))
    return y.reshape(n, f, *outs)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("filters", [1, 2, 3, 4])
def test_values(filters: int, dtype: str) -> None:
    """Whole vectors, numbers that are left, and both; rows shorter and longer than a tile; memory in planes."""
    for channels, (height, width) in ((64, (5, 37)), (37, (9, 6)), (16, (4, 70))):
        x, weight = drawn(2, channels, height, width, dtype=dtype), drawn(filters, channels, 3, 3, dtype=dtype)
        check(x, weight, padding=1)
        check(last(x), weight)


@pytest.mark.parametrize(
    ("channels", "kernel", "options"),
    [
        (48, (3, 3), {"stride": 2, "padding": 1}),
        (48, (3, 2), {"dilation": 2, "padding": 1}),
        (20, (5, 4), {"stride": 3}),
        (70, (1, 1), {}),
        (128, (1, 1), {"stride": 2}),
        (600, (3, 3), {"padding": 1}),  # several chunks of a window
        (5000, (1, 2), {}),  # of one segment
        (96, (3, 3), {"groups": 2, "padding": 1}),
    ],
)
def test_geometries(channels: int, kernel: tuple[int, int], options: dict[str, int]) -> None:
    groups = options.get("groups", 1)
    check(drawn(2, channels, 12, 15), drawn(2 * groups, channels // groups, *kernel), **options)


def test_other_ranks() -> None:
    with fc.options(exact=True):
        for name, size in (("conv1d", (5000,)), ("conv3d", (4, 7, 9))):
            x, weight = drawn(2, 40, *size), drawn(2, 40, *[3] * len(size))
            right = getattr(fc, name)(x.astype(float), weight.astype(float), padding=1, backend="numpy")
            np.testing.assert_allclose(getattr(fc, name)(x, weight, padding=1, backend="fast"), right, atol=2e-4)


def test_the_same_bits_for_any_threads_and_memory_and_in_programs() -> None:
    layer = L.Conv2d(37, 2, 3, padding=1, rng=0)
    layer.eval()
    x = drawn(2, 37, 33, 70)
    x[1, 5, 9, 9] = np.inf
    strided, raw = np.zeros((2, 37, 33, 140), np.float32), np.empty(x.nbytes + 4, np.uint8)[1 : 1 + x.nbytes]
    strided[..., ::2] = x
    misaligned = np.moveaxis(raw.view(np.dtype("f4")).reshape(2, 33, 70, 37), -1, 1)
    misaligned[...] = x
    assert by_dots(x, np.asarray(layer.weight), padding=1, exact=False)
    with np.errstate(invalid="ignore"):
        with fc.use_num_threads(1):
            wanted = layer(x)
        assert (~np.isfinite(wanted)).sum() == 2 * 9
        np.testing.assert_array_equal(fc.compile(layer, x)(x), wanted)
        for source in (x, last(x), np.asfortranarray(x), strided[..., ::2], misaligned, x[:, :, ::-1][:, :, ::-1]):
            np.testing.assert_array_equal(layer(source), wanted)


@pytest.mark.parametrize("function", [RELU, SILU])
def test_endings(function: int) -> None:
    """A sum and a function in the tiles, also where the window has several chunks; in a range of wider channels."""
    for channels in (40, 600):
        x, weight, bias = drawn(2, channels, 7, 10), drawn(3, channels, 3, 3), drawn(3)
        other, geometry = last(drawn(2, 3, 7, 10, seed=5)), geometry_of(x, weight, padding=1)
        assert by_dots(x, weight, padding=1)
        with fc.options(exact=True):
            before = fc.conv2d(x, weight, bias, padding=1, backend="fast") + other
            y = conv_ending(x, weight, bias, geometry, function, other)
            wide = last(np.full((2, 8, 7, 10), 5, np.float32))
            conv_ending(x, weight, bias, geometry, 0, out=wide[:, 2:5])
        wanted = np.maximum(before, 0) if function == RELU else before / (1 + np.exp(-before.astype(np.float64)))
        np.testing.assert_allclose(y, wanted, rtol=2e-6, atol=1e-6)
        np.testing.assert_array_equal(wide[:, 2:5] + other, before)
        assert (np.delete(wide, np.s_[2:5], axis=1) == 5).all()


def test_an_input_gradient_of_groups_of_few_channels() -> None:
    x, weight, dy = drawn(2, 6, 9, 10), drawn(80, 3, 3, 3), drawn(2, 80, 9, 10)
    with fc.options(exact=True):
        dx = fc.conv2d_backward(dy, x, weight, padding=1, groups=2, needs="x", backend="fast").dx
    right = fc.conv2d_backward(
        *(array.astype(float) for array in (dy, x, weight)), padding=1, groups=2, needs="x", backend="numpy"
    ).dx
    np.testing.assert_allclose(dx, right, atol=1e-4)


@pytest.mark.skipif(host() != AVX512, reason="lanes differ elsewhere")
@pytest.mark.parametrize(
    ("channels", "filters", "kernel", "taken"),
    [(64, 1, 3, True), (64, 4, 3, True), (16, 1, 3, True), (64, 2, 1, True), (3, 2, 7, True), (8, 1, 3, True),
     (64, 8, 3, True), (3, 3, 5, False), (1, 1, 3, False), (64, 9, 3, False), (3, 4, 3, False)],
)  # fmt: skip
def test_where_it_pays(channels: int, filters: int, kernel: int, taken: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dots, "MARGIN", MARGIN)
    x, weight = drawn(2, channels, 56, 56), drawn(filters, channels, kernel, kernel)
    assert by_dots(x, weight, padding=kernel // 2) == taken


def test_winograd_is_taken_where_it_is_faster_than_dots() -> None:
    x = drawn(2, 64, 56, 56)
    assert by_dots(x, drawn(2, 64, 3, 3), padding=1, exact=False)
    if host() == AVX512:
        assert not by_dots(x, drawn(8, 64, 3, 3), padding=1, exact=False)


def check_small() -> None:
    """A few sizes, and an ending."""
    dots.MARGIN = 0.0
    for filters in (1, 3):
        check(drawn(1, 37, 4, 6), drawn(filters, 37, 3, 3), padding=1)
    check(drawn(1, 40, 4, 6, dtype="float64"), drawn(1, 40, 3, 2, dtype="float64"))
    test_endings(RELU)


@pytest.mark.slow
@pytest.mark.parametrize("path", ["twins", *SHORT_PATHS])
def test_elsewhere(path: str, tmp_path: Path) -> None:
    program = f"""
        import test_dots
        from fastconv.backends.fast.machine.jit import INTERPRETED
        from vector_units import built_for
        assert INTERPRETED if {path!r} == "twins" else built_for() == {path!r}
        test_dots.check_small()
    """
    if path != "twins":
        only_where_it_runs(path)
    environment = {"NUMBA_DISABLE_JIT": "1"} if path == "twins" else PATHS[path]
    run(program, NUMBA_CACHE_DIR=str(tmp_path), **environment)

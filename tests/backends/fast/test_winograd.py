"""Convolutions with fewer products: what they promise for every element, at every size, and for every kind of numbers.

Every pass that can be transformed is, here, whether it is faster so or not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from grids import in_turn
from programs import run
from strategies import BACKENDS, Array
from vector_units import PATHS, SHORT_PATHS, only_where_it_runs

import fastconv as fc
from fastconv import layers as L
from fastconv.testing import assert_close
from fastconv.validation.operations import conv_geometry

if "fast" not in BACKENDS:
    pytest.skip("the fast backend needs Numba", allow_module_level=True)

from fastconv.backends.fast.conv import conv as conv_module
from fastconv.backends.fast.conv.conv import conv_ending
from fastconv.backends.fast.conv.passes import forward_pass, input_gradient_passes
from fastconv.backends.fast.machine.emitter import LEAKY_RELU, RELU, SILU
from fastconv.backends.fast.machine.endings import slope_bits
from fastconv.backends.fast.memory.layout import empty_channels_last
from fastconv.backends.fast.memory.plan_cache import forget_plans
from fastconv.backends.fast.warmup import _transforms
from fastconv.backends.fast.winograd import tiles
from fastconv.backends.fast.winograd.gradient import plan_winograd_gradient
from fastconv.backends.fast.winograd.plan import plan_winograd
from fastconv.backends.fast.winograd.points import PROMISED_ROUNDINGS, growth, transforms
from fastconv.backends.fast.winograd.tiles import OUTPUTS, OUTPUTS_OF_ONE_AXIS, can_transform
from fastconv.backends.geometry import ConvGeometry, conv_axis

EPS = 2.0**-23
Pads = tuple[tuple[int, int], tuple[int, int]]
NO_PADS: Pads = ((0, 0), (0, 0))
ONES: Pads = ((1, 1), (1, 1))


@pytest.fixture(autouse=True)
def always_transformed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    transform_whatever_can_be(monkeypatch.setattr)
    yield
    forget_plans()


def transform_whatever_can_be(change: Callable[..., None]) -> None:
    """Have every pass transformed that can be."""
    forget_plans()
    change(conv_module, "takes_winograd", lambda task, itemsize: itemsize == 4 and can_transform(task))


def drawn(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng([seed, *shape]).standard_normal(shape, np.float32)


def spread(*shape: int) -> Array:
    """Numbers from 1e-6 to 1e6, of both signs."""
    rng = np.random.default_rng(shape)
    return (np.sign(rng.uniform(-1, 1, shape)) * 10 ** rng.uniform(-6, 6, shape)).astype(np.float32)


# What is promised.


def outputs_of(weight: Array) -> list[int]:
    """Outputs of a tile along both axes."""
    taps: tuple[int, ...] = weight.shape[2:]
    return [(OUTPUTS_OF_ONE_AXIS if 1 in taps else OUTPUTS)[count] for count in taps]


def promised(x: Array, weight: Array, pads: Pads = ONES, groups: int = 1, dilation: int = 1) -> Array:
    """Sum over channels of (max |x| over the tile that a window lies in) * (sum |w| over the taps), per element."""
    taps, outputs = weight.shape[2:], outputs_of(weight)
    padded = np.pad(np.abs(np.nan_to_num(x.astype(np.float64), posinf=0, neginf=0)), ((0, 0), (0, 0), *pads))
    sizes = [size - (count - 1) * dilation for size, count in zip(padded.shape[2:], taps)]
    weights = np.abs(np.nan_to_num(weight.astype(np.float64), posinf=0, neginf=0)).sum((2, 3))
    result = np.empty((len(x), len(weight), *sizes))
    for a, b in product(range(dilation), repeat=2):  # a dilated convolution is as many over every second, third… cell
        part, source = result[:, :, a::dilation, b::dilation], padded[:, :, a::dilation, b::dilation]
        for i, j in product(*(range(0, size, step) for size, step in zip(part.shape[2:], outputs))):
            rows, columns = (slice(k, k + m + t - 1) for k, m, t in zip((i, j), outputs, taps))
            largest = source[:, :, rows, columns].max((2, 3)).reshape(len(x), groups, -1)
            sums = np.einsum("ngc,gfc->ngf", largest, weights.reshape(groups, -1, weight.shape[1]))
            part[:, :, i : i + outputs[0], j : j + outputs[1]] = sums.reshape(len(x), -1)[:, :, None, None]
    return result


def growth_of(weight: Array) -> float:
    return float(np.prod([growth(*axis) for axis in zip(outputs_of(weight), weight.shape[2:])]))


def in_growths(y: Array, x: Array, weight: Array, bias: Array | None = None, **options: Any) -> float:
    """Largest error of an element: 1 is one eps, grown as far as the transforms can let it, and the promise is 64."""
    pads, others = options.get("pads", ONES), {name: options.get(name, 1) for name in ("groups", "dilation")}
    exact = [None if array is None else array.astype(np.float64) for array in (x, weight, bias)]
    with np.errstate(invalid="ignore", over="ignore"):
        wanted = fc.conv2d(*exact, padding=pads, **others, backend="numpy")
    size = promised(x, weight, pads, **others) + (0 if bias is None else np.abs(exact[2])[:, None, None])
    there = np.isfinite(wanted)
    assert np.isfinite(y[there]).all()
    tiny = 2.0**-149 * weight[0].size * 4  # what is lost below the smallest number
    return float((np.abs(y[there] - wanted[there]) / (growth_of(weight) * EPS * size[there] + tiny)).max(initial=0))


def forward(x: Array, weight: Array, bias: Array | None = None, pads: Pads = ONES, **options: int) -> Array:
    return fc.conv2d(x, weight, bias, padding=pads, **options, backend="fast")


KINDS: dict[str, Callable[[tuple[int, ...], tuple[int, ...]], tuple[Array, Array]]] = {
    "normal": lambda x, w: (drawn(*x), drawn(*w, seed=1)),
    "constant": lambda x, w: (np.full(x, 0.7, np.float32), np.full(w, 0.3, np.float32)),
    "positive": lambda x, w: (np.abs(drawn(*x)) + 1, np.abs(drawn(*w)) + 1),
    "one huge": lambda x, w: (with_one_huge(drawn(*x)), drawn(*w)),
    "one huge weight": lambda x, w: (drawn(*x), with_one_huge(drawn(*w))),
    "spread": lambda x, w: (spread(*x), spread(*w)),
    "signs": lambda x, w: (np.sign(drawn(*x)), np.sign(drawn(*w))),
    "large": lambda x, w: (drawn(*x) * np.float32(1e30), drawn(*w) * np.float32(1e4)),
    "tiny": lambda x, w: (drawn(*x) * np.float32(1e-30), drawn(*w) * np.float32(1e-9)),
    "denormal": lambda x, w: (drawn(*x) * np.float32(1e-41), drawn(*w)),
}


def with_one_huge(numbers: Array) -> Array:
    numbers.flat[numbers.size // 3] = 1e7
    return numbers


PLAIN = ("normal", "positive", "signs")  # which need 1.4 eps of 307, see docs/kernels.md; these tests allow 3
CHANNELS = {str(count): count for count in (8, 16, 17, 37, 64, 130)}


@pytest.mark.parametrize(("channels", "kind"), [(c, k) for k, c in in_turn(KINDS, [*CHANNELS])] + [("37", "normal")])
def test_ordinary_numbers_are_within_one_grown_eps(channels: str, kind: str) -> None:
    count = CHANNELS[channels]
    x, weight = KINDS[kind]((2, count, 11, 14), (19, count, 3, 3))
    assert in_growths(forward(x, weight), x, weight) <= (0.01 if kind in PLAIN else 1)


@pytest.mark.parametrize("count", [16, 64, 400])
def test_numbers_made_to_grow_are_within_the_promise(count: int) -> None:
    """One tile in all channels, whose products at a point are as large as can be, and all of them round alike."""
    rng = np.random.default_rng(0)
    _, bt, g = (np.array([[float(number) for number in row] for row in matrix]) for matrix in transforms(4, 4, 3))
    worst = 0.0
    for i, j in product(range(6), repeat=2):
        signs = np.outer(np.where(bt[i] < 0, -1, 1), np.where(bt[j] < 0, -1, 1))
        x = np.broadcast_to(signs * rng.uniform(0.9, 1, (6, 6)), (1, count, 6, 6)).astype(np.float32)
        taps = np.outer(np.abs(g[i]) == np.abs(g[i]).max(), np.abs(g[j]) == np.abs(g[j]).max())
        weight = np.where(taps, rng.uniform(0.5, 1, (16, 1, 3, 3)), 0).repeat(count, 1).astype(np.float32)
        worst = max(worst, in_growths(forward(x, weight, pads=NO_PADS), x, weight, pads=NO_PADS))
    assert 0.3 < worst <= PROMISED_ROUNDINGS


def test_the_growth_is_the_largest_sum_of_magnitudes() -> None:
    at, bt, g = (np.array([[float(number) for number in row] for row in matrix]) for matrix in transforms(4, 4, 3))
    size = (np.abs(at) @ (np.abs(bt).sum(1) * np.abs(g).max(1))).max()
    assert growth(4, 3) == pytest.approx(size)
    assert 307 < growth(4, 3) ** 2 < 308


@pytest.mark.parametrize("outputs", [1, 2, 3, 4])
def test_the_matrices_filter(outputs: int) -> None:
    made = transforms(outputs, 4, 3)
    rows = [*range(outputs + 1), 5]
    rng = np.random.default_rng(outputs)
    x, w = rng.integers(-9, 9, outputs + 2).tolist(), rng.integers(-9, 9, 3).tolist()
    dot = lambda row, numbers: sum(a * b for a, b in zip(row, numbers))  # noqa: E731
    products = [dot(row, x) * dot(made.g[at], w) for row, at in zip(made.bt, rows)]
    assert [dot(row, products) for row in made.at] == [dot(w, x[k : k + 3]) for k in range(outputs)]


# Sizes.


def check_size(height: int, width: int, pads: Pads, kernel: tuple[int, int] = (3, 3), **sizes: int) -> None:
    """Y of a size and the gradient of x, whose padding is what is left of the window."""
    batch, channels, filters, groups, dilation = (sizes.get(name, size) for name, size in SIZES.items())
    extents = [(taps - 1) * dilation for taps in kernel]
    before = [out + extent - sum(pad) for out, extent, pad in zip((height, width), extents, pads)]
    if min(before) < 1:
        return
    x, weight = drawn(batch, channels, *before), drawn(filters, channels // groups, *kernel)
    options = {"groups": groups, "dilation": dilation}
    y = forward(x, weight, drawn(filters), pads, **options)
    assert y.shape[2:] == (height, width)
    assert in_growths(y, x, weight, drawn(filters), pads=pads, **options) <= 1
    dy = drawn(*y.shape, seed=2)
    dx = fc.conv2d_backward(dy, x, weight, padding=pads, **options, needs="x", backend="fast").dx
    turned = np.flip(weight, (2, 3)).reshape(groups, filters // groups, channels // groups, *kernel).swapaxes(1, 2)
    turned = turned.reshape(channels, filters // groups, *kernel)
    around = tuple((extent - a, extent - b) for extent, (a, b) in zip(extents, pads))
    assert in_growths(dx, dy, turned, pads=around, **options) <= 1


SIZES = {"batch": 2, "channels": 9, "filters": 18, "groups": 1, "dilation": 1}


@pytest.mark.parametrize("height", range(1, 10))
def test_every_size(height: int) -> None:
    for width in range(1, 10):
        for pads in (ONES, NO_PADS, ((2, 2), (2, 2)), ((0, 1), (2, 1)), ((2, 0), (1, 2))):
            check_size(height, width, pads)


@pytest.mark.parametrize("kernel", [(5, 5), (3, 5), (5, 3), (4, 4), (2, 3), (3, 1), (1, 5), (7, 1), (1, 7)])
def test_other_numbers_of_taps(kernel: tuple[int, int]) -> None:
    pads = tuple((taps // 2, taps // 2) for taps in kernel)
    for size in ((1, 1), (2, 3), (5, 4), (6, 11), (9, 8)):
        check_size(*size, pads, kernel)  # type: ignore[arg-type]
        check_size(*size, NO_PADS, kernel)


@pytest.mark.parametrize("dilation", [2, 3, 4])
def test_dilation(dilation: int) -> None:
    for size in ((1, 1), (3, 2), (5, 9), (8, 13), (17, 6)):
        for pads in (NO_PADS, ((dilation, dilation),) * 2, ((0, 1), (2, 1))):
            check_size(*size, pads, dilation=dilation)
    check_size(9, 13, ((0, 0), (2, 2)), kernel=(1, 5), dilation=dilation)
    check_size(9, 13, NO_PADS, kernel=(5, 3), dilation=dilation, groups=3)


def test_a_long_row_in_segments() -> None:
    check_size(1, 4001, ((0, 0), (1, 1)), kernel=(1, 3), batch=1)
    check_size(5, 1403, ONES, batch=1, channels=33, filters=8)


@pytest.mark.parametrize("size", [(1, 1), (2, 7), (5, 4), (9, 13)])
def test_three_taps_in_one_row(size: tuple[int, int]) -> None:
    for pads in (((0, 0), (1, 1)), ((0, 0), (0, 2))):
        check_size(*size, pads, kernel=(1, 3))
    x, weight = drawn(2, 12, 31), drawn(20, 12, 3)
    y = fc.conv1d(x, weight, padding=1, backend="fast")
    np.testing.assert_array_equal(y[:, :, None], forward(x[:, :, None], weight[:, :, None], pads=((0, 0), (1, 1))))


@pytest.mark.parametrize(
    "sizes",
    [
        {"channels": 1, "filters": 1},
        {"channels": 3, "filters": 7},
        {"channels": 130, "filters": 512},  # weights that each task transforms, some channels at a time
        {"channels": 512, "filters": 130},
        {"batch": 40, "channels": 64, "filters": 33},  # several strips
    ],
)
def test_channels_and_filters(sizes: dict[str, int]) -> None:
    check_size(7, 6, ONES, **sizes)


@pytest.mark.parametrize(("channels", "filters", "groups"), [(24, 32, 2), (34, 51, 17), (260, 1024, 2)])
def test_groups(channels: int, filters: int, groups: int) -> None:
    check_size(6, 5, ONES, channels=channels, filters=filters, groups=groups)


@pytest.mark.parametrize(
    ("kernel", "name"),
    [((3, 3), "(4×4, 3×3)"), ((5, 3), "(2×4, 5×3)"), ((1, 5), "(1×4, 1×5)"), ((7, 1), "(2×1, 7×1)")],
)
def test_these_are_the_passes_that_are_transformed(kernel: tuple[int, int], name: str) -> None:
    geometry = geometry_of(drawn(2, 9, 17, 16), drawn(18, 9, *kernel), NO_PADS)
    for task in (forward_pass(geometry), *input_gradient_passes(geometry)[0]):
        made = conv_module.plan_pass(task, 4, 2, 2**26)
        assert f"Winograd F{name}" in made.description
        assert "Winograd" not in conv_module.plan_pass(task, 4, 2, 2**26, exact=True).description
        assert "Winograd" not in conv_module.plan_pass(task, 8, 2, 2**26).description


def test_exact_is_within_the_other_promise() -> None:
    x, weight = KINDS["spread"]((2, 16, 11, 14), (19, 16, 3, 3))
    with fc.options(exact=True):
        y = forward(x, weight)
    exact = [array.astype(np.float64) for array in (x, weight)]
    size = fc.testing.magnitude(fc.conv2d, x, weight, padding=1)
    assert_close(y, fc.conv2d(*exact, padding=1, backend="numpy"), magnitude=size, dtype=np.float32)


def test_half_precision_and_an_empty_batch() -> None:
    x, weight = drawn(2, 16, 9, 10).astype(np.float16), drawn(24, 16, 3, 3).astype(np.float16)
    y = forward(x, weight)
    assert y.dtype == np.float16
    np.testing.assert_array_equal(y, forward(x.astype(np.float32), weight.astype(np.float32)).astype(np.float16))
    assert forward(x[:0].astype(np.float32), weight.astype(np.float32)).shape == (0, 24, 9, 10)


@pytest.mark.parametrize("size", [4, 7, 14, 15, 29])
def test_warming_up_compiles_what_a_layer_needs(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    needed = set()

    def heard(shape: Any) -> int:
        needed.add(shape)
        return 1

    monkeypatch.setattr(tiles, "transform_address", heard)
    task = forward_pass(geometry_of(drawn(2, 48, size, size), drawn(64, 48, 3, 3)))
    plan_winograd.__wrapped__(task, 2, 2**26)
    plan_winograd_gradient.__wrapped__(task, 2, 2**26)
    assert needed <= {*_transforms()}


# Endings, places, threads, memory orders.


def geometry_of(x: Array, weight: Array, pads: Pads = ONES) -> Any:
    return conv_geometry("conv2d", x.shape, weight.shape, (1, 1), pads, (1, 1), x.shape[1] // weight.shape[1], 4)


def arguments(shape: tuple[int, int] = (7, 10), channels: int = 20, filters: int = 37) -> tuple[Array, Array, Array]:
    return drawn(2, channels, *shape), drawn(filters, channels, 3, 3), drawn(filters)


def last(numbers: Array) -> Array:
    """The same numbers, channels-last in memory."""
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(numbers, 1, -1)), -1, 1)


ENDS: dict[str, tuple[int, float, Callable[[Array], Array]]] = {
    "nothing": (0, 0, lambda y: y),
    "relu": (RELU, 0, lambda y: np.maximum(y, 0)),
    "leaky": (LEAKY_RELU, 0.1, lambda y: np.where(y > 0, y, y * np.float32(0.1))),
    "silu": (SILU, 0, lambda y: y / (1 + np.exp(-y.astype(np.float64)))),
}


@pytest.mark.parametrize("adds", [False, True])
@pytest.mark.parametrize("name", ENDS)
def test_endings(name: str, adds: bool) -> None:
    function, slope, same = ENDS[name]
    (x, weight, bias), geometry = arguments(), geometry_of(*arguments()[:2])
    other = last(drawn(2, 37, 7, 10, seed=5)) if adds else None
    y = conv_ending(x, weight, bias, geometry, function, other, slope=slope_bits(slope) if slope else 0)
    plain = forward(x, weight, bias)
    wanted = same(plain + other if other is not None else plain)
    if name == "silu":
        np.testing.assert_allclose(y, wanted, rtol=2e-6, atol=1e-7)
    else:
        np.testing.assert_array_equal(y, wanted)


@pytest.mark.parametrize("name", ["relu", "leaky"])
def test_a_sum_is_added_once_where_rows_are_done_again(name: str) -> None:
    function, slope, same = ENDS[name]
    x, weight, bias = arguments()
    x[0, 3, 2, 4], x[1, 0, 5, 0] = np.inf, np.nan
    other = last(drawn(2, 37, 7, 10, seed=5))
    geometry = geometry_of(x, weight)
    y = conv_ending(x, weight, bias, geometry, function, other, slope=slope_bits(slope) if slope else 0)
    with np.errstate(invalid="ignore"):
        np.testing.assert_array_equal(y, same(forward(x, weight, bias) + other))


def test_a_range_of_wider_channels() -> None:
    x, weight, bias = arguments()
    wide = empty_channels_last((2, 60, 7, 10), np.dtype(np.float32))
    wide[...] = 5
    place = wide[:, 11 : 11 + 37]
    assert conv_ending(x, weight, bias, geometry_of(x, weight), RELU, out=place) is place
    np.testing.assert_array_equal(place, np.maximum(forward(x, weight, bias), 0))
    assert (wide[:, :11] == 5).all()
    assert (wide[:, 48:] == 5).all()
    x[0, 3, 2, 4] = np.inf  # a row of tiles is done again
    conv_ending(x, weight, bias, geometry_of(x, weight), 0, out=place)
    np.testing.assert_array_equal(place, forward(x, weight, bias))
    assert (wide[:, :11] == 5).all()
    assert (wide[:, 48:] == 5).all()


@pytest.mark.parametrize(("channels", "filters"), [(20, 37), (130, 512)])
def test_the_same_bits_for_any_threads_and_memory(channels: int, filters: int) -> None:
    x, weight, bias = arguments((13, 30), channels, filters)
    x[1, 5, 9, 9] = np.inf
    strided = np.zeros((2, channels, 13, 60), np.float32)
    strided[..., ::2] = x
    raw = np.empty(x.nbytes + 4, np.uint8)[1 : 1 + x.nbytes]
    misaligned = np.moveaxis(raw.view(np.dtype("f4")).reshape(2, 13, 30, channels), -1, 1)
    misaligned[...] = x
    with fc.use_num_threads(1):
        wanted = forward(x, weight, bias)
    for threads in (1, 2, 3):
        with fc.use_num_threads(min(threads, fc.get_num_threads())):
            for source in (x, last(x), np.asfortranarray(x), strided[..., ::2], misaligned, x[:, :, ::-1][:, :, ::-1]):
                np.testing.assert_array_equal(forward(source, weight, bias), wanted)


def test_programs_have_the_bits_of_the_layers() -> None:
    branch = lambda *layers: L.Sequential(*layers)  # noqa: E731
    network = L.Sequential(
        L.Conv2d(3, 16, 3, padding=1, rng=0),
        L.ReLU(),
        L.Residual(branch(L.Conv2d(16, 24, 3, padding=1, rng=1), L.ReLU(), L.Conv2d(24, 16, 3, padding=1, rng=2))),
        L.SiLU(),
        L.Concat(branch(L.Conv2d(16, 20, 3, padding=1, rng=3), L.ReLU()), branch(L.Conv2d(16, 9, 3, padding=1, rng=4))),
    )
    network.eval()
    x = drawn(3, 3, 14, 11)
    program = fc.compile(network, x)
    for numbers in (x, drawn(3, 3, 14, 11, seed=3), with_infinity(x, 40)):
        with np.errstate(invalid="ignore"):
            np.testing.assert_array_equal(program(numbers), network(numbers))
    with fc.use_num_threads(1):
        np.testing.assert_array_equal(fc.compile(network, x)(x), network(x))


# What is not finite.


def with_infinity(numbers: Array, at: int, value: float = np.inf) -> Array:
    changed = numbers.copy()
    changed.flat[at % changed.size] = value
    return changed


def assert_as_direct(x: Array, weight: Array, bias: Array | None, pads: Pads = ONES, dilation: int = 1) -> None:
    """Infinity and NaN are where the direct method has them, and the other numbers within the promise."""
    y = forward(x, weight, bias, pads, dilation=dilation)
    with fc.options(exact=True):
        directly = forward(x, weight, bias, pads, dilation=dilation)
    np.testing.assert_array_equal(np.isfinite(y), np.isfinite(directly))
    np.testing.assert_array_equal(y[~np.isfinite(y)], directly[~np.isfinite(y)])
    assert in_growths(y, x, weight, bias, pads=pads, dilation=dilation) <= 1


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("pads", [ONES, NO_PADS, ((2, 0), (1, 2))])
def test_infinity_and_nan(value: float, pads: Pads) -> None:
    x, weight, bias = arguments((9, 11), 20, 21)
    for at in (0, 37, 610, x.size // 2 + 5, x.size - 1):
        changed = with_infinity(x, at, value)
        assert_as_direct(changed, weight, bias, pads)
    for at in (0, 4, 8, 100, weight.size - 1):
        changed = with_infinity(weight, at, value)
        assert_as_direct(x, changed, bias, pads)
    changed = with_infinity(bias, 3, value)
    y = forward(x, weight, changed, pads)
    np.testing.assert_array_equal(y[:, 3], np.full_like(y[:, 3], value))
    assert in_growths(y, x, weight, changed, pads=pads) <= 1


@pytest.mark.parametrize("kernel", [(5, 5), (1, 7), (3, 1)])
def test_infinity_in_other_tiles(kernel: tuple[int, int]) -> None:
    x, weight, pads = drawn(2, 20, 9, 11), drawn(21, 20, *kernel), tuple((taps // 2, taps // 2) for taps in kernel)
    assert_as_direct(with_infinity(x, 777), weight, None, pads)  # type: ignore[arg-type]
    assert_as_direct(x, with_infinity(weight, 777), None, pads)  # type: ignore[arg-type]
    assert_as_direct(with_infinity(x, 777), weight, None, ONES, dilation=2)
    long = drawn(1, 20, 2, 2000)  # segments of a row
    assert_as_direct(with_infinity(long, 5100), drawn(21, 20, *kernel), None, pads)  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [np.inf, np.nan])
def test_infinity_and_nan_in_gradients(value: float) -> None:
    x, weight, _ = arguments((9, 11), 20, 21)
    dy = drawn(2, 21, 9, 11)

    def gradient(dy: Array, weight: Array) -> Array:
        return fc.conv2d_backward(dy, x, weight, padding=1, needs="x", backend="fast").dx

    for a, b in ((with_infinity(dy, 777, value), weight), (dy, with_infinity(weight, 777, value))):
        with fc.options(exact=True):
            directly = gradient(a, b)
        dx = gradient(a, b)
        np.testing.assert_array_equal(np.isfinite(dx), np.isfinite(directly))
        np.testing.assert_array_equal(dx[~np.isfinite(dx)], directly[~np.isfinite(dx)])


@pytest.mark.parametrize(("of_x", "of_weight"), [(1e30, 1e8), (1e38, 0.02), (3e38, 1e-3), (1e-30, 1e30)])
def test_what_the_direct_method_can_hold_is_finite(of_x: float, of_weight: float) -> None:
    numbers = np.clip(drawn(2, 16, 9, 10).astype(np.float64) * of_x, -3.4e38, 3.4e38)
    x, weight = numbers.astype(np.float32), drawn(17, 16, 3, 3) * np.float32(of_weight)
    with fc.options(exact=True):
        directly = forward(x, weight)
    y = forward(x, weight)
    assert np.isfinite(y[np.isfinite(directly)]).all()


@pytest.mark.parametrize(
    ("x", "weight"),
    [
        ((3.918e37, 1.042e38, 7.543e37, 5.987e37, 9.523e37, -9.941e37), (2.0283, 0.6291, 1.1205)),
        ((1.191e38, -8.154e36, 1.2539e38, -5.963e37, 5.615e37, 1.7258e38), (1.8838, -0.4581, 0.455)),
    ],
)
def test_a_partial_sum_of_one_output_that_is_too_large_is_noticed(x: Any, weight: Any) -> None:
    """Found by search: of the four outputs the second, or the third, is infinite on its way, and no other."""
    image, taps = np.zeros((1, 8, 1, 6), np.float32), np.zeros((16, 8, 1, 3), np.float32)
    image[0, 0, 0], taps[:, 0, 0] = x, weight
    for turned in (False, True):
        a, b = (numbers.transpose(0, 1, 3, 2) if turned else numbers for numbers in (image, taps))
        if turned:  # three taps along columns go with three along rows
            a, b = np.pad(a, ((0, 0), (0, 0), (0, 0), (1, 1))), np.pad(b, ((0, 0), (0, 0), (0, 0), (1, 1)))
        assert np.isfinite(forward(a, b, pads=NO_PADS)).all()


# The readable twins, and other vector units.


def check_small() -> None:
    """A few sizes, an ending, and numbers that are not finite."""
    for size, pads in product(((1, 1), (4, 4), (6, 7)), (ONES, NO_PADS)):
        check_size(*size, pads, channels=17, filters=9)
    check_size(3, 6, ((0, 0), (1, 1)), kernel=(1, 3))
    check_size(6, 5, ONES, channels=24, filters=32, groups=2)
    test_endings("leaky", True)
    with np.errstate(invalid="ignore"):
        test_a_sum_is_added_once_where_rows_are_done_again("relu")


@pytest.mark.slow
@pytest.mark.parametrize("path", ["twins", *SHORT_PATHS])
def test_elsewhere(path: str, tmp_path: Path) -> None:
    program = f"""
        import test_winograd
        from fastconv.backends.fast.machine.jit import INTERPRETED
        from vector_units import built_for
        assert INTERPRETED if {path!r} == "twins" else built_for() == {path!r}
        test_winograd.transform_whatever_can_be(setattr)
        test_winograd.check_small()
    """
    if path != "twins":
        only_where_it_runs(path)
    environment = {"NUMBA_DISABLE_JIT": "1"} if path == "twins" else PATHS[path]
    run(program, NUMBA_CACHE_DIR=str(tmp_path), **environment)


def test_a_gradient_of_weights_is_the_sum_of_many_strips() -> None:
    """Of several strips in one split, which the first begins and the others add to."""
    axes = conv_axis(14, 3, 1, 1, 1, 1), conv_axis(15, 3, 1, 1, 1, 1)
    geometry = ConvGeometry(axes, 24, 250, 256, 1)
    plan = plan_winograd_gradient(forward_pass(geometry), 2, 2**26)
    assert sum(grid.strips for grid in plan.grids) >= 3 * plan.splits
    x, dy = drawn(24, 250, 14, 15), drawn(24, 256, 14, 15, seed=1)
    weight = np.zeros((256, 250, 3, 3), np.float32)
    gradients = {}
    for exact in (True, False):
        with fc.options(exact=exact):
            gradients[exact] = fc.conv2d_backward(dy, x, weight, padding=1, needs=("weight",))[1]
    size = np.sqrt((gradients[True].astype(np.float64) ** 2).mean())
    assert 0 < np.abs(gradients[False] - gradients[True]).max() < 3e-5 * size


@pytest.mark.usefixtures("always_winograd")
@pytest.mark.parametrize(("channels", "filters", "batch"), [(17, 35, 3), (256, 256, 1)], ids=["strips", "one strip"])
@pytest.mark.parametrize("place", [(0, 0), (-1, 4), (5, 5)], ids=["corner", "edge", "middle"])
@pytest.mark.parametrize("name", ["x", "dy"])
@pytest.mark.parametrize("number", [np.inf, np.nan, 3e38])
def test_a_gradient_of_weights_is_finite_where_the_direct_one_is(
    name: str, number: float, place: tuple[int, int], channels: int, filters: int, batch: int
) -> None:
    """Each channel and block of filters that is not finite is done again: also in recorded steps, without Python."""
    arrays = {"dy": drawn(batch, filters, 9, 10), "x": drawn(batch, channels, 9, 10, seed=1)}
    arrays[name][-1, 5, place[0], place[1]] = number
    weight = np.zeros((filters, channels, 3, 3), np.float32)
    found = {}
    with np.errstate(all="ignore"):
        for exact in (True, False):
            with fc.options(exact=exact):
                gradients = fc.conv2d_backward(**arrays, weight=weight, padding=1, needs=("weight",))
                found[exact] = gradients[1]
    np.testing.assert_array_equal(np.isnan(found[False]), np.isnan(found[True]))
    there = np.isfinite(found[True])
    np.testing.assert_array_equal(np.isfinite(found[False]), there)
    if number != 3e38:  # beside which all other numbers are lost
        np.testing.assert_allclose(found[False][there], found[True][there], rtol=1e-3, atol=1e-3)

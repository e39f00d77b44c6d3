"""Depthwise convolution in place: pieces, edges, rows with fewer kernel rows, and what does not go that way."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from checks import check_conv
from grids import covering, name_of
from programs import FULL
from strategies import BACKENDS, Array, ConvCase, conv_arrays

if "fast" not in BACKENDS:
    pytest.skip("the fast backend needs Numba", allow_module_level=True)

import fastconv as fc
from fastconv.backends.fast.conv import conv as choice
from fastconv.backends.fast.conv.passes import Line, forward_pass, input_gradient_passes
from fastconv.backends.fast.depthwise import plan as sliding
from fastconv.backends.fast.depthwise import tiles as pieces
from fastconv.backends.fast.machine.target import AVX512, host
from fastconv.backends.geometry import ConvGeometry, conv_axis
from fastconv.testing import assert_close, magnitude

wide = pytest.mark.skipif(host() != AVX512, reason="windows slide on CPUs with AVX-512 alone")


def geometry_of(case: ConvCase) -> ConvGeometry:
    pairs = [(n, n) if isinstance(n, int) else n for n in (case.stride, case.dilation, case.padding)]
    sizes = zip(case.x_shape[2:], case.weight_shape[2:], *pairs)
    axes = tuple(conv_axis(size, kernel, stride, dilation, pad, pad) for size, kernel, stride, dilation, pad in sizes)
    return ConvGeometry(axes, case.x_shape[0], case.x_shape[1], case.weight_shape[0], case.groups)


def depthwise(
    x_shape: tuple[int, ...],
    kernel: tuple[int, ...],
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    each: int = 1,
) -> ConvCase:
    channels = x_shape[1]
    return ConvCase(x_shape, (channels * each, 1, *kernel), stride, padding, dilation, channels)


OPTIONS = [
    *product(
        (1, 3),
        (2, 16, 37),
        ((9, 7), (11, 30), (23, 12)),
        ((3, 3), (1, 3), (4, 1), (5, 2), (2, 7), (3, 5)),
        (1, 2, (3, 1), (1, 3)),
        (0, 1, (2, 1)),
        (1, (2, 1)),
        (1, 2),
    )
][::61]  # some of all combinations of sizes and options
ROWS = [(*options, dtype) for options in OPTIONS for dtype in ("float32", "float64")]
CHOSEN = ROWS if FULL else covering(ROWS, strength=2)  # nearly each row has kernels of its own to compile


def id_of(row: tuple[Any, ...]) -> str:
    return "-".join(map(name_of, row))


def case_of(n: int, c: int, size: tuple[int, ...], *rest: Any) -> ConvCase:
    return depthwise((n, c, *size), *rest)


@pytest.mark.parametrize(
    "row", [pytest.param(row, marks=[pytest.mark.slow] * (row[-1] == "float64"), id=id_of(row)) for row in CHOSEN]
)
def test_every_pass_is_right(row: tuple[Any, ...]) -> None:
    *options, dtype = row
    case = case_of(*options)
    x, weight, bias, dy = conv_arrays(case, 0, dtype)
    exact = [np.asarray(array, np.float64) for array in (x, weight, bias, dy)]
    y = fc.conv2d(x, weight, bias, **case.options, backend="fast")
    size = magnitude(fc.conv2d, x, weight, bias, **case.options)
    assert_close(y, fc.conv2d(*exact[:3], **case.options, backend="numpy").astype(dtype), magnitude=size)
    found = fc.conv2d_backward(dy, x, weight, **case.options, backend="fast")
    wanted = fc.conv2d_backward(exact[3], *exact[:2], **case.options, backend="numpy")
    sizes = magnitude(fc.conv2d_backward, dy, x, weight, **case.options)
    for actual, desired, most in zip(found, wanted, sizes):
        assert_close(actual, desired.astype(dtype), magnitude=most)


@wide
def test_most_of_them_slide() -> None:
    tasks = [forward_pass(geometry_of(case_of(*options))) for options in OPTIONS]
    assert sum(map(pieces.takes_depthwise_tiles, tasks)) > len(tasks) // 2


@pytest.mark.parametrize(
    "case",
    [
        depthwise((1, 3, 4, 6), (3, 3), 1, 1),
        depthwise((2, 2, 5, 4), (5, 3), (2, 1), (2, 1)),
        depthwise((2, 5, 3, 9), (2, 4), 1, (1, 2)),
        depthwise((2, 33, 2, 5), (3, 3), 1, 1),  # windows that roll over as few rows as there are
        depthwise((1, 17, 3, 6), (3, 3), 1, (0, 1)),
        depthwise((1, 40, 9, 5), (3, 3), 1, (2, 1)),
        depthwise((2, 20, 6, 8), (5, 5), 1, 2),  # two columns at either end
        depthwise((2, 20, 7, 9), (5, 5), 2, 2),
        depthwise((1, 18, 5, 6), (4, 4), 1, (1, 2)),
    ],
    ids=str,
)
def test_the_loops_agree(case: ConvCase) -> None:
    check_conv("fast", case, *conv_arrays(case, 1, "float64"))


@pytest.mark.parametrize("spoilt", ["weight", "dy", "x"])
@pytest.mark.parametrize("value", [np.inf, np.nan])
def test_what_is_not_finite_meets_the_padding(spoilt: str, value: float) -> None:
    arrays = {"x": np.ones((1, 3, 6, 8), np.float32), "weight": np.ones((3, 1, 3, 3), np.float32)}
    arrays["dy"] = np.ones((1, 3, 6, 8), np.float32)
    arrays[spoilt][0, 0, 0, 0] = value
    x, weight, dy = arrays["x"], arrays["weight"], arrays["dy"]
    for function, given in ((fc.conv2d, (x, weight)), (fc.conv2d_backward, (dy, x, weight))):
        found, wanted = (function(*given, padding=1, groups=3, backend=name) for name in ("fast", "naive"))
        for one, other in zip(*((each,) if isinstance(each, np.ndarray) else each for each in (found, wanted))):
            np.testing.assert_array_equal(one, other)


def moved(array: Array, by: int) -> Array:
    """The same numbers in channels-last memory that begins `by` numbers after a cache line."""
    last = np.moveaxis(array, 1, -1)
    memory = np.empty(last.size + 64, array.dtype)
    start = -memory.ctypes.data % 64 // array.itemsize + by
    place = memory[start : start + last.size].reshape(last.shape)
    place[...] = last
    return np.moveaxis(place, -1, 1)


@pytest.mark.parametrize(
    "case", [depthwise((2, 37, 30, 29), (3, 3), 1, 1), depthwise((3, 64, 21, 40), (5, 5), 2, 2)], ids=str
)
def test_bits_do_not_depend_on_threads_or_alignment(case: ConvCase) -> None:
    x, weight, bias, dy = conv_arrays(case, 0, "float32")

    def run(threads: int, by: int) -> list[Array]:
        with fc.use_num_threads(threads):
            y = fc.conv2d(moved(x, by), weight, bias, **case.options, backend="fast")
            gradients = fc.conv2d_backward(moved(dy, by), moved(x, by), weight, **case.options, backend="fast")
        return [y, gradients.dx, gradients.dweight]

    first = run(1, 0)
    for threads, by in ((1, 3), (2, 0), (2, 5)):
        for one, other in zip(first, run(threads, by)):
            np.testing.assert_array_equal(one, other)


def test_edges_have_the_taps_that_are_inside() -> None:
    line = Line(source=6, out=4, stride=2, step=1, before=2, taps=(0, 1, 2, 3, 4), first=0, every=1, result=4)
    columns = pieces.columns_of(line)
    assert (columns.first, columns.last) == (1, 2)
    assert columns.edges == ((0, 2, 3), (2, 0, 4), (3, 0, 2))


@wide
@pytest.mark.parametrize(
    ("case", "reason"),
    [
        (depthwise((2, 8, 40), (3,), 1, 1), "one dimension"),
        (depthwise((1, 8, 5, 9, 9), (3, 3, 3), 1, 1), "three dimensions"),
        (depthwise((2, 8, 9, 30), (3, 3), 1, 2, 2), "taps apart"),
        (depthwise((2, 8, 9, 30), (3, 9), 1, (1, 4)), "many taps"),
        (depthwise((2, 8, 9, 30), (3, 3), 4, 1), "a large stride"),
        (depthwise((1, 2, 9, 5000), (3, 3), 1, 1), "a wide image"),
        (depthwise((1, 600, 9, 1000), (3, 3), 1, 1), "a long row"),
        (depthwise((2, 8, 9, 3), (3, 3), 1, 1), "more edges than columns between them"),
        (depthwise((2, 8, 9, 30), (2, 2), 1, 3), "windows of nothing but padding"),
        (ConvCase((2, 8, 9, 30), (8, 2, 3, 3), 1, 1, 1, 4), "not depthwise"),
    ],
)
def test_what_does_not_slide(case: ConvCase, reason: str) -> None:
    pairs = {
        name: value if not isinstance(value, int) else (value,) * (len(case.x_shape) - 2)
        for name, value in (("stride", case.stride), ("dilation", case.dilation), ("padding", case.padding))
    }
    assert not pieces.takes_depthwise_tiles(
        forward_pass(geometry_of(ConvCase(case.x_shape, case.weight_shape, **pairs, groups=case.groups)))
    ), reason


@wide
def test_plans_keep_to_the_shapes() -> None:
    geometry = geometry_of(depthwise((8, 128, 28, 28), (3, 3), 1, 1))
    task, (gradient,) = forward_pass(geometry), input_gradient_passes(geometry)[0]
    for each in (task, gradient):
        made = choice.plan_pass(each, 4, 2, 2**26)
        assert isinstance(made, sliding.DepthwisePlan)
        assert made.scratch_bytes == 0
        assert made is choice.plan_pass(each, 4, 2, 2**20)  # nothing to limit
    weight = choice.plan_gradient(task, 4, 2, 2**26)
    assert isinstance(weight, sliding.DepthwiseGradientPlan)
    assert weight.splits == choice.plan_gradient(task, 4, 1, 2**26).splits
    long_row = forward_pass(geometry_of(depthwise((1, 8, 5, 900), (3, 3), 1, 1)))
    assert pieces.takes_depthwise_tiles(long_row)
    assert not isinstance(choice.plan_gradient(long_row, 4, 2, 2**26), sliding.DepthwiseGradientPlan)


def test_weights_changed_in_place_count_where_threads_pack_them() -> None:
    rng = np.random.default_rng(0)
    x, weight = rng.standard_normal((1, 96, 5, 4), np.float32), rng.standard_normal((80, 96, 3, 3), np.float32)
    axes = (conv_axis(5, 3, 1, 1, 1, 1), conv_axis(4, 3, 1, 1, 1, 1))
    made = choice.plan_pass(forward_pass(ConvGeometry(axes, 1, 96, 80, 1)), 4, 2, 2**26, exact=True)
    assert made.packs
    for _ in range(2):
        with fc.options(exact=True):
            y = fc.conv2d(x, weight, padding=1, backend="fast")
            wanted = fc.conv2d(x, weight, padding=1, backend="numpy")
            assert_close(y, wanted, magnitude=magnitude(fc.conv2d, x, weight, padding=1))
            with fc.use_num_threads(1):
                np.testing.assert_array_equal(y, fc.conv2d(x, weight, padding=1, backend="fast"))
        weight *= -2

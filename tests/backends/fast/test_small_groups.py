"""Small groups side by side in a vector: each lane multiplies with the channels of its own group, and with no other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from checks import check_conv
from grids import covering
from strategies import BACKENDS, Array, ConvCase, conv_arrays, stored

if "fast" not in BACKENDS:
    pytest.skip("the fast backend needs Numba", allow_module_level=True)

import fastconv as fc
from fastconv import layers
from fastconv.backends.fast.conv import conv
from fastconv.backends.fast.conv.passes import forward_pass
from fastconv.backends.fast.conv.plan import ConvPlan, WeightPlan
from fastconv.backends.fast.conv.tiling import side_by_side
from fastconv.backends.fast.machine.target import host
from fastconv.backends.fast.winograd.plan import takes_winograd
from fastconv.backends.geometry import ConvGeometry, conv_axis

UNLIMITED = 2**62


def grouped(
    groups: int, each: int, size: tuple[int, ...], kernel: tuple[int, ...], batch: int = 1, **options: Any
) -> ConvCase:
    case = {"stride": 1, "padding": 0, "dilation": 1, **options}
    return ConvCase((batch, groups * each, *size), (groups * each, each, *kernel), *case.values(), groups)


def geometry_of(groups: int, channels: int, filters: int, pixels: int = 14, batch: int = 1) -> ConvGeometry:
    return ConvGeometry((conv_axis(pixels, 3, 1, 1, 1, 1),) * 2, batch, groups * channels, groups * filters, groups)


# Groups that leave a vector part empty, each with every shape and option in turn.
SIZES = [(3, 4), (5, 2), (33, 8), (2, 2), (9, 4), (17, 2), (3, 8)]
SHAPES: list[tuple[tuple[int, ...], tuple[int, ...]]] = [
    ((7,), (3,)), ((5, 6), (3, 3)), ((1, 19), (1, 5)), ((6, 3), (4, 2)), ((3, 4, 5), (2, 1, 3)), ((4, 5), (1, 1))
]  # fmt: skip
OPTIONS: list[dict[str, int]] = [{}, {"padding": 1}, {"stride": 2, "padding": 1}, {"dilation": 2, "padding": 2}]
CASES = [
    grouped(*size, *shape, batch=batch, **options)
    for size, shape, options, batch in covering(
        [(size, shape, index, batch) for size in SIZES for shape in SHAPES for index in range(4) for batch in (1, 2)], 2
    )
    for options in [OPTIONS[options]]
]


@pytest.mark.parametrize("index", range(0, len(CASES), 8))
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_size_shape_and_option(index: int, dtype: str) -> None:
    for seed, case in enumerate(CASES[index : index + 8]):
        x, weight, bias, dy = conv_arrays(case, seed, dtype)
        for order in ("C", "channels-last"):
            check_conv("fast", case, stored(x, order), weight, bias, stored(dy, order))


@pytest.mark.parametrize("itemsize", [4, 8])
@pytest.mark.parametrize("each", [1, 2, 3, 4, 6, 8, 16, 32])
def test_which_groups_are_side_by_side(each: int, itemsize: int) -> None:
    lanes = host().lanes(itemsize)
    task = forward_pass(geometry_of(5, each, each))
    found = side_by_side(task, itemsize)
    if each > 1 and each < lanes and lanes % each == 0:
        assert (found.groups, found.lanes, found.depth, found.lanewise) == (1, 5 * each, each, True)
        assert (found.weights, found.multiply_adds) == (task.weights, task.multiply_adds)
    else:
        assert found == task
    for channels, filters in ((each, 2 * each), (2 * each, each)):
        other = forward_pass(geometry_of(5, channels, filters))
        assert side_by_side(other, itemsize) == other
    alone = forward_pass(geometry_of(1, each, each))
    assert side_by_side(alone, itemsize) == alone


def test_the_passes_of_resnext_are_direct() -> None:
    for each, pixels, batch in ((4, 56, 1), (4, 56, 8), (8, 28, 1), (8, 28, 8), (8, 56, 32)):
        task = forward_pass(geometry_of(32, each, each, pixels, batch))
        if side_by_side(task, 4) == task:  # on narrow vectors
            continue
        assert not takes_winograd(task, 4)
        plans = conv.plan_pass(task, 4, 2, UNLIMITED), conv.plan_gradient(task, 4, 2, UNLIMITED)
        assert [type(plan) for plan in plans] == [ConvPlan, WeightPlan]
        assert {plan.task for plan in plans} == {side_by_side(task, 4)}


@pytest.mark.parametrize(("groups", "each"), [(5, 2), (7, 4), (3, 8)])
@pytest.mark.parametrize("value", [np.inf, np.nan])
def test_no_group_reaches_another(groups: int, each: int, value: float) -> None:
    case = grouped(groups, each, (6, 9), (3, 3), padding=1)
    for spoilt in ("x", "weight", "dy"):
        x, weight, _, dy = conv_arrays(case, 0, "float32")
        number = {"x": x[0, each + 1], "weight": weight[each + 1, 0], "dy": dy[0, each + 1]}[spoilt]
        number[1, 1] = value
        y = fc.conv2d(x, weight, **case.options, backend="fast")
        dx, dweight, _ = fc.conv2d_backward(dy, x, weight, **case.options, backend="fast")
        own = slice(each, 2 * each)
        for result in (y[0], dx[0], dweight):
            assert np.isfinite(np.delete(result, own, axis=0)).all()
        arrays = {"x": (y[0], dweight), "weight": (y[0], dx[0]), "dy": (dx[0], dweight)}[spoilt]
        assert all(not np.isfinite(array[own]).all() for array in arrays)
        wanted = fc.conv2d(x, weight, **case.options, backend="naive")
        np.testing.assert_array_equal(np.isfinite(y), np.isfinite(wanted))
        gradients = fc.conv2d_backward(dy, x, weight, **case.options, backend="naive")
        for found, expected in zip((dx, dweight), gradients):
            np.testing.assert_array_equal(np.isfinite(found), np.isfinite(expected))


def moved(array: Array, by: int) -> Array:
    """The same numbers in channels-last memory that begins `by` numbers after a cache line."""
    last = np.moveaxis(array, 1, -1)
    memory = np.empty(last.size + 64, array.dtype)
    start = -memory.ctypes.data % 64 // array.itemsize + by
    place = memory[start : start + last.size].reshape(last.shape)
    place[...] = last
    return np.moveaxis(place, -1, 1)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "case", [grouped(9, 4, (41, 45), (3, 3), 2, padding=1), grouped(33, 2, (60, 30), (3, 2), 2, stride=2)], ids=str
)
def test_threads_and_memory_change_no_bit(case: ConvCase, dtype: str) -> None:
    x, weight, bias, dy = conv_arrays(case, 0, dtype)

    def results(x: Array, dy: Array) -> list[Any]:
        return [fc.conv2d(x, weight, bias, **case.options), *fc.conv2d_backward(dy, x, weight, **case.options)]

    with fc.use_backend("fast"):
        with fc.use_num_threads(1):
            expected = results(x, dy)
        for threads, by in ((1, 1), (2, 0), (2, 3)):
            with fc.use_num_threads(threads):
                for one, other in zip(results(moved(x, by), moved(dy, by)), expected):
                    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(("groups", "each"), [(5, 2), (8, 4), (3, 8)])
def test_a_program_ends_them_with_a_function(groups: int, each: int) -> None:
    channels = groups * each
    network = layers.Sequential(
        layers.Conv2d(channels, channels, 3, padding=1, groups=groups, rng=0), layers.ReLU(),
        layers.Conv2d(channels, channels, 3, stride=2, groups=groups, rng=1), layers.SiLU(),
    )  # fmt: skip
    x = np.random.default_rng(0).standard_normal((2, channels, 13, 11)).astype(np.float32)
    program = fc.compile(network, x)
    np.testing.assert_array_equal(program(x), network(x))


@pytest.mark.parametrize("each", [2, 4])
def test_a_small_workspace_is_enough(each: int) -> None:
    case = grouped(6, each, (12, 30), (3, 3), 2, padding=1)
    with fc.options(max_workspace=2**12):
        check_conv("fast", case, *conv_arrays(case, 0, "float32"))

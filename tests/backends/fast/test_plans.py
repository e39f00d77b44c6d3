"""Plans: decided once per shape, bounded, no memory but the results, never stale, the same for any thread count."""

from __future__ import annotations

import gc
import importlib
import json
import pkgutil
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np
import pytest
from checks import GRADIENTS
from grids import grid, in_turn, quick
from programs import FULL, run
from strategies import BACKENDS, Array, ConvCase, conv_arrays, normal, stored

import fastconv as fc
from fastconv.backends.geometry import ConvGeometry
from fastconv.evidence.workloads import LAYERS, Workload
from fastconv.testing import assert_close, magnitude
from fastconv.validation.operations import conv_geometry

if "fast" not in BACKENDS:
    pytest.skip("the fast backend needs Numba", allow_module_level=True)

from fastconv.backends.fast.conv import conv, plan
from fastconv.backends.fast.conv import through_columns as scatter
from fastconv.backends.fast.conv.conv_kernel import CONV
from fastconv.backends.fast.conv.passes import Pass, forward_pass, input_gradient_passes
from fastconv.backends.fast.linear.linear import plan_linear
from fastconv.backends.fast.linear.linear_kernel import PRODUCT
from fastconv.backends.fast.winograd.plan import WinogradPlan

ENGINE = "fast"
UNLIMITED, THREADS, MIB = 2**26, 2, 2**20
layers = pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.name)


def geometry_of(case: ConvCase | Workload) -> ConvGeometry:
    if isinstance(case, Workload):
        geometry = case.geometry
        assert isinstance(geometry, ConvGeometry)
        return geometry
    pairs = {name: (value,) * 2 if isinstance(value, int) else value for name, value in case.options.items()}
    pairs["padding"] = tuple((pad,) * 2 if isinstance(pad, int) else pad for pad in pairs["padding"])
    return conv_geometry(
        "conv2d", case.x_shape, case.weight_shape, itemsize=8, **{**pairs, "groups": case.options["groups"]}
    )


NEED_EXTRAS = ("fastconv.evidence.contest.engines", "fastconv.dask")


def cached_functions(package: str) -> dict[str, Any]:
    """Every function with a cache in a package and what is below it."""
    found = {}
    for module in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}."):
        if not module.name.startswith(("fastconv.__main__", *NEED_EXTRAS)):
            for name, value in vars(importlib.import_module(module.name)).items():
                if hasattr(value, "cache_info") and value.__module__.startswith("fastconv."):
                    found[f"{value.__module__}.{name}"] = value
    return found


# Caches.


def test_caches_are_bounded() -> None:
    found = {
        name: function.cache_parameters()["maxsize"]
        for package in ("fastconv.backends", "fastconv.functional", "fastconv.validation")
        for name, function in cached_functions(package).items()
    }
    assert "fastconv.backends.fast.conv.plan.plan_conv" in found
    endless = {name for name, size in found.items() if size is None}
    assert endless == set()


@layers
def test_a_plan_is_made_once(layer: Workload) -> None:
    geometry = geometry_of(layer)
    again = replace(geometry)
    assert again is not geometry
    for threads in (1, THREADS):
        for itemsize in (4, 8):
            for first, second in zip(all_plans(geometry, itemsize, threads), all_plans(again, itemsize, threads)):
                assert first is second


def test_a_second_call_plans_nothing() -> None:
    steps = [step for _, step, _ in training_steps("float32")]
    for step in steps:
        step()
    functions = cached_functions("fastconv")
    before = {name: function.cache_info().misses for name, function in functions.items()}
    for step in steps:
        step()
    assert {name: function.cache_info().misses for name, function in functions.items()} == before


def all_plans(
    geometry: ConvGeometry, itemsize: int, threads: int, limit: int = UNLIMITED
) -> Iterator[plan.ConvPlan | plan.WeightPlan | scatter.ThroughColumnsPlan]:
    """Plans of the forward pass, of the gradient of the input and of that of the weights."""
    yield plan.plan_conv(forward_pass(geometry), itemsize, threads, limit)
    yield plan.plan_weight(forward_pass(geometry), itemsize, threads, limit)
    if scatter.prefers_columns(geometry, itemsize):
        yield scatter.plan_through_columns(geometry, itemsize, threads, limit)
    else:
        for task in input_gradient_passes(geometry)[0]:
            yield plan.plan_conv(task, itemsize, threads, limit)


# Memory.

STEP_CASES = {
    "3x3": ConvCase((2, 16, 20, 18), (24, 16, 3, 3), 1, 1),
    "strided": ConvCase((2, 16, 21, 18), (24, 16, 3, 3), 2, 1),
    "1x1": ConvCase((2, 32, 20, 18), (24, 32, 1, 1)),
    "few-channels": ConvCase((2, 3, 30, 28), (24, 3, 5, 5), 1, 2),
    "depthwise": ConvCase((2, 32, 20, 18), (32, 1, 3, 3), 1, 1, 1, 32),
    "groups": ConvCase((2, 16, 20, 18), (24, 8, 3, 3), 1, 1, 1, 2),
}


def training_steps(dtype: str) -> Iterator[tuple[str, Callable[[], Any], int]]:
    """Name, call and bytes of its results, all on channels-last memory, as inside a network."""
    for name, case in STEP_CASES.items():
        x, weight, bias, dy = conv_arrays(case, 0, dtype)
        x, dy = stored(x, "channels-last"), stored(dy, "channels-last")

        def forward(x: Array = x, weight: Array = weight, bias: Any = bias, case: ConvCase = case) -> Any:
            return fc.conv2d(x, weight, bias, **case.options, backend=ENGINE)

        def backward(dy: Array = dy, x: Array = x, weight: Array = weight, case: ConvCase = case) -> Any:
            return fc.conv2d_backward(dy, x, weight, **case.options, backend=ENGINE)

        yield f"{name} forward", forward, dy.nbytes
        yield f"{name} backward", backward, x.nbytes + weight.nbytes + dy.shape[1] * dy.itemsize
    x = stored(normal((2, 24, 40, 36), 0, dtype), "channels-last")
    y, indices = fc.max_pool2d(x, 2, return_indices=True, backend=ENGINE)
    dy = stored(normal(y.shape, 1, dtype), "channels-last")
    yield "max", lambda: fc.max_pool2d(x, 2, return_indices=True, backend=ENGINE), y.nbytes + indices.nbytes
    yield "max backward", lambda: fc.max_pool2d_backward(dy, indices, x.shape, backend=ENGINE), x.nbytes
    yield "avg", lambda: fc.avg_pool2d(x, 2, backend=ENGINE), y.nbytes
    yield "avg backward", lambda: fc.avg_pool2d_backward(dy, x.shape, 2, backend=ENGINE), x.nbytes


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float64"] if FULL else ["float32"])
def test_the_steady_state_allocates_its_results_alone(dtype: str) -> None:
    steps = list(training_steps(dtype))
    for _ in range(3):
        for _, step, _ in steps:
            step()
    gc.collect()
    tracemalloc.start()
    try:
        for name, step, result_bytes in steps:
            gc.collect()
            for _ in range(120):  # fills the free lists of Python, 80 dictionaries
                step()
            before = tracemalloc.get_traced_memory()[0]
            tracemalloc.reset_peak()
            for _ in range(50):
                step()
            after, peak = tracemalloc.get_traced_memory()
            assert after - before < 2**13, name  # nothing piles up; one free tuple a call is Python's own doing
            # argument blocks, and the partial sums of the gradient of the bias
            assert peak - before - result_bytes < 2**14, (name, peak - before, result_bytes)
    finally:
        tracemalloc.stop()


def scratch_of(made: plan.ConvPlan | plan.WeightPlan | scatter.ThroughColumnsPlan) -> float:
    """Bytes per thread beyond one packed copy of the weights (or one copy of their gradient)."""
    scratch = made.scratch_bytes
    if isinstance(made, plan.WeightPlan):
        task = made.task
        itemsize = made.arguments[plan.WEIGHT_GRADIENT.index["DW_ROW"]] // task.lanes
        scratch += (made.splits - 1) * prod(made.shape[1:]) * int(itemsize)
    return scratch / made.tasks


@layers
@pytest.mark.parametrize("itemsize", [4, 8])
def test_the_workspace_is_small(layer: Workload, itemsize: int) -> None:
    for batch in (1, layer.input_shape[0]):
        for threads in (1, 2, 4):
            for made in all_plans(geometry_of(layer.with_batch(batch)), itemsize, threads):
                assert scratch_of(made) <= 8 * MIB


def band_bytes(made: plan.ConvPlan | plan.WeightPlan) -> float:
    return made.scratch_bytes / made.tasks


@layers
def test_the_workspace_is_limited_by_the_option(layer: Workload) -> None:
    geometry = geometry_of(layer)
    for limit in (1, 2**12, 2**15, 2**18):
        forms = (plan.ConvPlan, plan.WeightPlan)
        for made, smallest in zip(all_plans(geometry, 4, THREADS, limit), all_plans(geometry, 4, THREADS, 1)):
            if isinstance(made, forms) and isinstance(smallest, forms):
                tables = 16 * prod(made.arguments[[made_index(made, "ROWS_PER_BAND"), made_index(made, "OD")]]) + 128
                tables += 16 * int(made.arguments[made_index(made, "IMAGES_PER_BAND")]) * geometry.out[0]
                assert band_bytes(made) <= max(limit, band_bytes(smallest)) + tables


def made_index(made: plan.ConvPlan | plan.WeightPlan, name: str) -> int:
    block = plan.CONV if isinstance(made, plan.ConvPlan) else plan.WEIGHT_GRADIENT
    return block.index[name]


@pytest.mark.parametrize("name", STEP_CASES)
def test_a_small_workspace_is_as_right(name: str) -> None:
    case = STEP_CASES[name]
    with fc.options(max_workspace=4096):
        assert_right(case, *conv_arrays(case, 0, "float32"))


def assert_right(case: ConvCase, x: Array, weight: Array, bias: Array | None, dy: Array, **options: Any) -> None:
    """Forward and all gradients against numpy in float64."""
    exact = [None if array is None else array.astype(np.float64) for array in (x, weight, bias)]
    arrays, options = (dy.astype(np.float64), *exact[:2]), {**case.options, **options}
    y = fc.conv2d(x, weight, bias, **options, backend=ENGINE)
    expected = fc.conv2d(*exact, **options, backend="numpy")  # type: ignore[arg-type]
    assert_close(y, expected, magnitude=magnitude(fc.conv2d, *exact, **options), dtype=x.dtype, name="y")
    found = fc.conv2d_backward(dy, x, weight, **options, backend=ENGINE)
    wanted = fc.conv2d_backward(*arrays, **options, backend="numpy")  # type: ignore[arg-type]
    sizes = magnitude(fc.conv2d_backward, *arrays, **options)
    for name in GRADIENTS:
        actual, desired, size = (getattr(each, name) for each in (found, wanted, sizes))
        assert_close(actual, desired, magnitude=size, dtype=x.dtype, name=name)


# Packed weights are never stale.


@pytest.mark.parametrize("name", STEP_CASES)
def test_weights_that_change_in_place_are_seen(name: str) -> None:
    case = STEP_CASES[name]
    x, weight, bias, dy = conv_arrays(case, 0, "float32")

    def results() -> list[bytes]:
        y = fc.conv2d(x, weight, bias, **case.options, backend=ENGINE)
        dx = fc.conv2d_backward(dy, x, weight, **case.options, needs=("x",), backend=ENGINE).dx
        assert dx is not None
        return [y.tobytes(), dx.tobytes()]

    first = results()
    assert results() == first
    weight[-1, -1, -1, -1] += 1  # one number
    second = results()
    assert all(a != b for a, b in zip(first, second))
    weight *= 2  # all of them
    third = results()
    assert all(a != b for a, b in zip(second, third))
    weight = weight.copy()
    assert results() == third  # what fresh memory with the same numbers gives
    weight *= 0.5
    weight[-1, -1, -1, -1] -= 1
    x_before = x.copy()
    x *= -1
    assert fc.conv2d(x, weight, **case.options, backend=ENGINE).tobytes() == (
        (-fc.conv2d(x_before, weight, **case.options, backend=ENGINE)).tobytes()
    )


# Tiles.


def lines_of_a_set(rows: int, apart: int) -> int:
    """Most lines of one set of an L1 cache of 64 sets, the usual one, that a tile reads a number of at a time."""
    lines = {row * apart // 64 for row in range(rows)}
    return max(Counter(line % 64 for line in lines).values())


@grid(channels=(64, 192, 256, 512, 1024, 1536, 2048, 4096), itemsize=(4, 8), stride=(1, 2))
def test_a_tile_reads_no_more_lines_of_a_set_than_stay_there(channels: int, itemsize: int, stride: int) -> None:
    for kernel, padding in ((1, 0), (3, 1)):
        case = ConvCase((8, channels, 14, 14), (64, channels, kernel, kernel), stride, padding)
        made = plan.plan_conv(forward_pass(geometry_of(case)), itemsize, THREADS, UNLIMITED)
        values = dict(zip(CONV.names, made.arguments.tolist()))
        assert lines_of_a_set(values["M_BIG"], values["A_PIXEL"]) <= 8
    for form in ("forward", "dx", "dweight"):
        made = plan_linear(form, 64, channels, channels, itemsize, THREADS)
        values = dict(zip(PRODUCT.names, made.arguments.tolist()))
        assert lines_of_a_set(values["M_BIG"], values["A_ROW"]) <= 8


# Threads.


@layers
def test_a_batch_of_one_is_shared_by_all_threads(layer: Workload) -> None:
    geometry = geometry_of(layer.with_batch(1))
    large = geometry.multiply_adds() * 2 >= plan.SERIAL_FLOPS
    for threads in (2, 3, 4):
        for made in all_plans(geometry, 4, threads):
            work = made.task.multiply_adds if isinstance(made, (plan.ConvPlan, plan.WeightPlan)) else None
            is_large = large if work is None else work * 2 >= plan.SERIAL_FLOPS
            assert made.tasks == (threads if is_large else 1)


def test_tiny_work_stays_on_one_thread() -> None:
    geometry = geometry_of(ConvCase((1, 3, 8, 8), (4, 3, 3, 3), 1, 1))
    assert [made.tasks for made in all_plans(geometry, 4, 4)] == [1, 1, 1]


BITS = """
    import json, sys
    import fastconv as fc
    from test_plans import BIT_CASES, bits
    found = {}
    for threads in (1, 2, 3, 4):
        with fc.use_num_threads(threads):
            found[threads] = [bits(case) for case in BIT_CASES]
    print(json.dumps(found))
"""
BIT_CASES = (
    ConvCase((1, 16, 41, 37), (40, 16, 3, 3), 1, 1),
    ConvCase((1, 64, 19, 21), (40, 64, 3, 3), 2, 1),
    ConvCase((1, 3, 61, 57), (24, 3, 7, 7), 2, 3),
    ConvCase((1, 96, 23, 21), (50, 96, 1, 1)),
    ConvCase((1, 64, 33, 31), (64, 1, 3, 3), 1, 1, 1, 64),
    ConvCase((1, 24, 33, 31), (36, 12, 3, 3), 1, 1, 1, 2),
    ConvCase((1, 300, 4, 5), (130, 300, 3, 3), 1, 1),  # fewer rows than threads
    ConvCase((1, 1, 3, 4), (2, 1, 2, 2)),  # tiny
    ConvCase((2, 3, 5, 4), (4, 3, 3, 3), 1, 1),
)


def bits(case: ConvCase) -> list[str]:
    """Digest of the forward pass and of every gradient."""
    import hashlib

    x, weight, bias, dy = conv_arrays(case, 0, "float32")
    found = [fc.conv2d(x, weight, bias, **case.options, backend=ENGINE)]
    found += [each for each in fc.conv2d_backward(dy, x, weight, **case.options, backend=ENGINE) if each is not None]
    return [hashlib.sha256(array.tobytes()).hexdigest()[:16] for array in found]


@pytest.mark.slow
def test_the_number_of_threads_changes_no_bit_for_a_batch_of_one() -> None:
    found = json.loads(run(BITS, NUMBA_NUM_THREADS="4"))
    for threads in ("2", "3", "4"):
        for case, one, several in zip(BIT_CASES, found["1"], found[threads]):
            assert several == one, (threads, case)


# Odd shapes.

ODD = {
    "one channel": ConvCase((2, 1, 13, 17), (20, 1, 5, 5)),
    "two channels": ConvCase((2, 2, 13, 17), (20, 2, 3, 3), 1, 1),
    "three channels, strided": ConvCase((2, 3, 23, 29), (33, 3, 7, 7), 2, 3),
    "nine channels": ConvCase((2, 9, 9, 11), (17, 9, 3, 3), 1, 1),
    "one filter": ConvCase((2, 35, 9, 11), (1, 35, 3, 3), 1, 1),
    "one channel, one filter": ConvCase((2, 1, 9, 11), (1, 1, 3, 3), 1, 1),
    "three filters": ConvCase((2, 35, 9, 11), (3, 35, 3, 3), 1, 1),
    "1x1": ConvCase((3, 37, 7, 5), (29, 37, 1, 1)),
    "1x1, strided": ConvCase((3, 37, 7, 5), (29, 37, 1, 1), (2, 3)),
    "1x1, padded": ConvCase((3, 37, 7, 5), (29, 37, 1, 1), 1, (1, 2)),
    "1x1, a prime number of pixels": ConvCase((1, 33, 1, 257), (18, 33, 1, 1)),
    "narrower than a tile": ConvCase((2, 33, 19, 3), (34, 33, 3, 3), 1, 1),
    "one column": ConvCase((2, 33, 19, 1), (34, 33, 3, 1), 1, (1, 0)),
    "one column, padded": ConvCase((2, 33, 19, 1), (34, 33, 3, 3), 1, 1),
    "one row": ConvCase((2, 33, 1, 40), (34, 33, 1, 3), 1, (0, 1)),
    "one pixel": ConvCase((5, 70, 1, 1), (33, 70, 1, 1)),
    "lanes left over": ConvCase((2, 31, 9, 15), (47, 31, 3, 3), 1, 1),
    "many lanes": ConvCase((1, 100, 5, 6), (131, 100, 3, 3), 1, 1),
    "small groups": ConvCase((2, 12, 9, 11), (18, 2, 3, 3), 1, 1, 1, 6),
    "nine groups of 2": ConvCase((2, 18, 9, 11), (18, 2, 3, 3), 1, 1, 1, 9),
    "three groups of 4": ConvCase((2, 12, 9, 11), (12, 4, 3, 3), 2, 1, 1, 3),
    "five groups of 4, dilated": ConvCase((2, 20, 13, 11), (20, 4, 3, 3), (2, 1), 2, (3, 2), 5),
    "33 groups of 8": ConvCase((1, 264, 5, 6), (264, 8, 3, 3), 1, 1, 1, 33),
    "groups of 4, in place": ConvCase((2, 20, 9, 15), (20, 4, 3, 2), 1, 0, 1, 5),
    "groups of 4, 1x1": ConvCase((2, 20, 9, 11), (20, 4, 1, 1), 1, 0, 1, 5),
    "groups of 2, a wide image": ConvCase((1, 6, 3, 700), (6, 2, 3, 3), 1, 1, 1, 3),
    "groups of 17": ConvCase((2, 34, 9, 11), (38, 17, 3, 3), 2, 1, 1, 2),
    "groups, 1x1": ConvCase((2, 12, 9, 11), (18, 4, 1, 1), 1, 0, 1, 3),
    "depthwise": ConvCase((2, 37, 13, 11), (37, 1, 3, 3), 2, 1, 1, 37),
    "depthwise, one tap": ConvCase((2, 19, 5, 7), (19, 1, 1, 1), 1, 0, 1, 19),
    "depthwise, three filters each": ConvCase((2, 7, 9, 11), (21, 1, 3, 3), 1, 1, 1, 7),
    "dilated": ConvCase((2, 18, 17, 19), (20, 18, 3, 3), 1, (2, 3), (2, 3)),
    "dilated and strided": ConvCase((2, 18, 17, 19), (20, 18, 3, 3), (2, 3), 2, (3, 2)),
    "dilated, few channels": ConvCase((2, 3, 17, 19), (20, 3, 3, 3), (2, 1), 2, (2, 3)),
    "stride beyond the kernel": ConvCase((2, 17, 19, 23), (20, 17, 2, 3), (5, 4)),
    "stride beyond the kernel, few channels": ConvCase((2, 3, 19, 23), (20, 3, 2, 3), (5, 4), 1),
    "padding beyond the kernel": ConvCase((2, 17, 4, 5), (20, 17, 2, 3), 1, 4),
    "kernel is the input": ConvCase((3, 17, 6, 7), (20, 17, 6, 7)),
    "a long reduction": ConvCase((1, 700, 3, 4), (5, 700, 3, 3), 1, 1),
    "a wide image": ConvCase((1, 5, 3, 700), (7, 5, 3, 3), 1, 1),
    "several splits": ConvCase((3, 5, 40, 41), (7, 5, 3, 3), 1, 1),
}


@pytest.mark.parametrize(("name", "dtype"), in_turn(ODD, ("float32", "float64")))
def test_odd_shapes(name: str, dtype: str) -> None:
    case = ODD[name]
    x, weight, bias, dy = conv_arrays(case, 0, dtype)
    for order in ("C", "channels-last"):
        assert_right(case, stored(x, order), weight, bias, stored(dy, order))
    last = [np.ascontiguousarray(np.moveaxis(array, 1, -1)) for array in (x, dy)]
    assert_right(case, last[0], weight, bias, last[1], layout="NHWC")
    assert_right(case, np.asfortranarray(last[0]), weight, None, np.asfortranarray(last[1]), layout="NHWC")


def test_every_kind_of_kernel_is_among_them() -> None:
    geometries = [geometry_of(case) for case in ODD.values()]
    passes: list[Pass] = [forward_pass(geometry) for geometry in geometries]
    assert {scatter.prefers_columns(geometry, 4) for geometry in geometries} == {True, False}
    assert {task.lanewise for task in passes} == {True, False}
    assert {plan._can_read_in_place(task) for task in passes} == {True, False}
    assert {len(input_gradient_passes(geometry)[0]) for geometry in geometries} >= {1, 4, 6}
    both = [(task, g, exact) for task, g in zip(passes, geometries) for exact in (False, True)]
    plans = [conv._prepare(task, g, False, 4, 2, UNLIMITED, exact).plan for task, g, exact in both]
    assert {made.tasks for made in plans} == {1, 2}
    assert {type(made) for made in plans} >= {plan.ConvPlan, WinogradPlan}


def test_an_input_gradient_by_columns_is_made_in_bands() -> None:
    geometry = conv_geometry("conv2d", (1, 1, 2048, 2048), (4, 1, 3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1), 1, 4)
    for limit in (2**18, 2**26):
        made = scatter.plan_through_columns(geometry, 4, THREADS, limit)
        assert made.scratch_bytes <= made.tasks * min(limit + 2**16, 2**23)


@pytest.mark.parametrize("case", quick(["pointwise gradient", "product", "lanewise"], 3))
def test_results_larger_than_the_caches_are_right(case: str) -> None:
    rng = np.random.default_rng(0)
    shapes = {
        "product": ((1, 3, 262, 259), (64, 3, 3, 3), 1, 1),
        "pointwise gradient": ((1, 256, 131, 130), (16, 256, 1, 1), 1, 0),
        "lanewise": ((1, 64, 262, 259), (64, 1, 3, 3), 64, 1),
    }
    x_shape, weight_shape, groups, padding = shapes[case]
    x, weight = (rng.standard_normal(shape, dtype=np.float32) for shape in (x_shape, weight_shape))
    options: dict[str, Any] = {"groups": groups, "padding": padding}
    dy = rng.standard_normal((1, weight_shape[0], *x_shape[2:]), dtype=np.float32)

    def both(backend: str) -> tuple[Array, Array]:
        y = fc.conv2d(x, weight, **options, backend=backend)
        return y, fc.conv2d_backward(dy, x, weight, **options, needs="x", backend=backend).dx

    geometry = conv_geometry("", x_shape, weight_shape, (1, 1), ((padding, padding),) * 2, (1, 1), groups, 4)
    tasks = [forward_pass(geometry), *input_gradient_passes(geometry)[0]]
    assert any(plan._streams(task, 4) for task in tasks) or plan.host().vector_bytes < 64
    results = both(ENGINE)
    for actual, desired in zip(results, both("numpy")):
        fc.testing.assert_close(actual, desired)
    with fc.use_num_threads(1):
        assert all(np.array_equal(a, b) for a, b in zip(results, both(ENGINE)))

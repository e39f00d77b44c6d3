"""Rows longer than a band, above all signals, which are one row: segments of columns, each with a halo of its own."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checks import GRADIENTS, check_conv
from grids import covering, in_turn
from programs import FULL, run
from strategies import BACKENDS, Array, ConvCase, conv_arrays, stored

import fastconv as fc
from fastconv.backends.geometry import ConvGeometry
from fastconv.evidence.summary.workspace import Workspace, conv_workspace
from fastconv.testing import assert_close, magnitude
from fastconv.validation.operations import conv_geometry

if "fast" not in BACKENDS:
    pytest.skip("the fast backend needs Numba", allow_module_level=True)

from fastconv.backends.fast.conv import plan
from fastconv.backends.fast.conv import through_columns as scatter
from fastconv.backends.fast.conv.bands import BAND_BYTES
from fastconv.backends.fast.conv.passes import forward_pass, input_gradient_passes
from fastconv.backends.fast.conv.through_columns_kernel import THROUGH_COLUMNS
from fastconv.backends.fast.explain import explain
from fastconv.backends.fast.memory.workspace import borrowed, round_up

UNLIMITED, MIB = 2**26, 2**20

# Rows that are cut where nothing limits the workspace.
LONG = {
    "a signal": ConvCase((1, 20, 5003), (24, 20, 9), 1, 4),
    "a signal, pointwise": ConvCase((1, 33, 4099), (36, 33, 1)),
    "a signal, same": ConvCase((1, 24, 5003), (20, 24, 4), 3, "same"),
    "a signal, as bands": ConvCase((1, 24, 4099), (36, 12, 5), 1, 2, 1, 2),
    "a batch": ConvCase((3, 32, 2999), (32, 32, 3), 1, (1,)),
    "dilated": ConvCase((2, 16, 3001), (16, 16, 2), 1, ((512, 0),), 512),
    "halo larger than a segment": ConvCase((1, 9, 5003), (20, 9, 2), 1, 100, 4001),
    "halo everywhere": ConvCase((1, 300, 1009), (20, 300, 4), 1, "same", 330),
    "stride beyond the kernel": ConvCase((1, 20, 9001), (24, 20, 3), 5),
    "one channel, strided": ConvCase((1, 1, 20011), (24, 1, 16), 4),
    "two channels, stride beyond the kernel": ConvCase((1, 2, 20011), (16, 2, 5), 7, 3),
    "three channels, dilated": ConvCase((1, 3, 20011), (16, 3, 5), 1, 601, 300),
    "many phases": ConvCase((1, 20, 7919), (24, 20, 40), 37, "same"),
    "depthwise": ConvCase((1, 24, 4099), (24, 1, 5), 1, 2, 1, 24),
    "depthwise, two filters each, dilated": ConvCase((1, 12, 3001), (24, 1, 3), 2, 64, 64, 12),
    "two long rows": ConvCase((1, 16, 2, 3001), (16, 16, 3, 3), 1, 1),
    "long rows, two channels": ConvCase((1, 2, 3, 20011), (6, 2, 3, 3), 1, 1),
    "long rows of volumes": ConvCase((1, 16, 3, 2, 2003), (16, 16, 2, 2, 3), 1, 1),
}
long_rows = pytest.mark.parametrize("case", LONG.values(), ids=LONG)

# The same where the workspace is small: small enough for naive.
SHORT = {
    "a signal": ConvCase((2, 5, 211), (18, 5, 4), 1, 2),
    "a signal, few channels": ConvCase((1, 2, 397), (5, 2, 7), 3, 5),
    "stride beyond the kernel": ConvCase((1, 17, 311), (5, 17, 2), 5, ((0, 3),)),
    "halo larger than a segment": ConvCase((1, 9, 211), (7, 9, 3), 2, 60, 47),
    "padding beyond the window": ConvCase((1, 4, 83), (3, 4, 3), 1, 40),
    "no cell is reached": ConvCase((1, 2, 1), (3, 2, 2), 2, ((2, 0),)),
    "stride far beyond the kernel": ConvCase((2, 3, 7001), (4, 3, 2), 95, ((7, 0),)),
    "groups": ConvCase((1, 6, 151), (8, 3, 3), 1, "same", 2, 2),
    "depthwise": ConvCase((1, 19, 131), (19, 1, 4), 1, "same_lower", 1, 19),
    "pointwise": ConvCase((1, 5, 127), (9, 5, 1)),
    "long rows": ConvCase((1, 3, 5, 97), (20, 3, 3, 5), (2, 1), (1, 2)),
    "long rows, one channel": ConvCase((2, 1, 3, 149), (3, 1, 2, 4), (1, 3), 1),
    "long rows of volumes": ConvCase((1, 4, 2, 3, 61), (5, 4, 2, 2, 3), 1, 1),
}


def geometry_of(case: ConvCase) -> ConvGeometry:
    rank = len(case.x_shape) - 2
    stride, dilation = ((v,) * rank if isinstance(v, int) else v for v in (case.stride, case.dilation))
    padding = (case.padding,) * rank if isinstance(case.padding, int) else case.padding
    if not isinstance(padding, str):
        padding = tuple((pad, pad) if isinstance(pad, int) else pad for pad in padding)
    return conv_geometry("conv", case.x_shape, case.weight_shape, stride, padding, dilation, case.groups, 4)


Plan = plan.ConvPlan | plan.WeightPlan | scatter.ThroughColumnsPlan


def plans(geometry: ConvGeometry, itemsize: int = 4, threads: int = 2, limit: int = UNLIMITED) -> Iterator[Plan]:
    """Plans of the forward pass, of the gradient of the weights, and of that of the input."""
    yield plan.plan_conv(forward_pass(geometry), itemsize, threads, limit)
    yield plan.plan_weight(forward_pass(geometry), itemsize, threads, limit)
    if scatter.prefers_columns(geometry, itemsize):
        yield scatter.plan_through_columns(geometry, itemsize, threads, limit)
    else:
        for task in input_gradient_passes(geometry)[0]:
            yield plan.plan_conv(task, itemsize, threads, limit)


def segments(made: Plan) -> int:
    if isinstance(made, scatter.ThroughColumnsPlan):
        return int(made.arguments[THROUGH_COLUMNS.index["ROW_SEGMENTS"]])
    return made.source.segments


def results(case: ConvCase, x: Array, weight: Array, bias: Array | None, dy: Array, backend: str) -> dict[str, Array]:
    gradients = case.backward(dy, x, weight, **case.options, backend=backend)
    return {"y": case.forward(x, weight, bias, **case.options, backend=backend), **gradients._asdict()}


@pytest.mark.parametrize(("which", "dtype"), in_turn(LONG, ("float32", "float64")))
def test_long_rows_are_right_and_threads_change_no_bit(which: str, dtype: str) -> None:
    case = LONG[which]
    x, weight, bias, dy = conv_arrays(case, 0, dtype)
    exact: list[Any] = [None if array is None else array.astype(np.float64) for array in (x, weight, bias, dy)]
    wanted = results(case, exact[0], exact[1], exact[2], exact[3], "numpy")
    sizes = {"y": magnitude(case.forward, *exact[:3], **case.options)}
    sizes.update(magnitude(case.backward, exact[3], *exact[:2], **case.options)._asdict())
    with fc.use_num_threads(1):
        alone = results(case, x, weight, bias, dy, "fast")
    with fc.use_num_threads(2):
        shared = results(case, stored(x, "channels-last"), weight, bias, stored(dy, "channels-last"), "fast")
    for name in ("y", *GRADIENTS):
        assert_close(alone[name], wanted[name], magnitude=sizes[name], dtype=dtype, name=name)
        assert np.array_equal(alone[name], shared[name]), name


LIMITS = (1, 2**11, 2**14, UNLIMITED)  # segments of one tile, of a few, and one piece


def check_short(*limits: int) -> None:
    """Against naive."""
    for case, limit in product(SHORT.values(), limits):
        with fc.options(max_workspace=limit):
            check_conv("fast", case, *conv_arrays(case, 0, "float32"))


def test_short_segments_are_right() -> None:
    check_short(*LIMITS)


@pytest.mark.parametrize("case", SHORT.values(), ids=SHORT)
def test_a_small_workspace_cuts_short_rows(case: ConvCase) -> None:
    made = [*plans(geometry_of(case), limit=1)]
    in_place = [isinstance(each, (plan.ConvPlan, plan.WeightPlan)) and not each.source.copy for each in made]
    assert max(segments(each) for each in made) > 1 or all(in_place) or case.x_shape[-1] == 1


@pytest.mark.slow
def test_short_segments_of_the_readable_twins(tmp_path: Path) -> None:
    limits = LIMITS if FULL else LIMITS[1:2]
    program = f"from test_long_rows import check_short\ncheck_short(*{limits!r})"
    run(program, NUMBA_DISABLE_JIT="1", NUMBA_CACHE_DIR=str(tmp_path))


@long_rows
def test_segments_change_no_bit_of_what_is_not_summed_over_them(case: ConvCase) -> None:
    x, weight, bias, dy = conv_arrays(case, 0, "float32")
    usual = results(case, x, weight, bias, dy, "fast")
    with fc.options(max_workspace=2**14):
        small = results(case, x, weight, bias, dy, "fast")
    assert np.array_equal(usual["y"], small["y"])
    assert np.array_equal(usual["dx"], small["dx"])


@long_rows
def test_scratch_memory_is_written_before_it_is_read(case: ConvCase) -> None:
    x, weight, bias, dy = conv_arrays(case, 0, "float32")
    for _ in range(2):  # the second call takes what the first gave back
        with borrowed(2**25) as scratch:
            scratch.fill(255)  # NaN
        found = results(case, x, weight, bias, dy, "fast")
        assert all(np.isfinite(array).all() for array in found.values())


@long_rows
def test_every_thread_has_a_share(case: ConvCase) -> None:
    for threads in (2, 3, 4):
        for made in plans(geometry_of(case), threads=threads):
            flops = geometry_of(case).multiply_adds() * 2
            if not isinstance(made, scatter.ThroughColumnsPlan):
                flops = made.task.multiply_adds * 2
            assert made.tasks == (threads if flops >= plan.SERIAL_FLOPS else 1)
            if isinstance(made, plan.WeightPlan):
                width = made.task.lines[2].out
                assert made.splits <= made.task.pixels // width * segments(made)  # no split is empty


@long_rows
def test_segments_depend_on_shapes_alone(case: ConvCase) -> None:
    found = {}
    for threads in (1, 2, 7):
        made = [*plans(geometry_of(case), threads=threads)]
        assert max(segments(each) for each in made) > 1 or threads == 1
        # a gradient by columns is the same, to the last bit, however its cells are divided
        found[threads] = [segments(each) for each in made if not isinstance(each, scatter.ThroughColumnsPlan)]
    assert found[1] == found[2] == found[7]


LARGE = {
    "speech": ConvCase((1, 64, 100_000), (64, 64, 9), 1, 4),
    "dilated": ConvCase((8, 32, 16_000), (32, 32, 3), 1, 512, 512),
    "an encoder": ConvCase((1, 1, 10_000_000), (512, 1, 16), 8),
    "stereo": ConvCase((1, 2, 1_000_000), (8, 2, 9), 1, 4),
    "depthwise": ConvCase((8, 128, 4096), (128, 1, 5), 1, 2, 1, 128),
    "two long rows": ConvCase((1, 16, 2, 50_000), (16, 16, 3, 3), 1, 1),
    "wide and high": ConvCase((1, 64, 60, 20_000), (64, 64, 5, 5), 1, 2),
    "many channels": ConvCase((1, 1024, 20_000), (256, 1024, 3), 2, 1),
}


def borrows(geometry: ConvGeometry, itemsize: int, threads: int, limit: int) -> Workspace:
    """What the engine borrows, from its plans."""
    forward, weight, *gradient = plans(geometry, itemsize, threads, limit)
    assert isinstance(weight, plan.WeightPlan)
    sums = round_up(prod(weight.shape) * itemsize)

    def with_weights(made: Plan) -> int:
        if isinstance(made, scatter.ThroughColumnsPlan):
            return made.packed_bytes + made.zeros_bytes + made.scratch_bytes
        assert isinstance(made, plan.ConvPlan)
        packed = 0 if made.packs else round_up(made.packed_group_bytes * made.task.groups)
        return packed + made.scratch_bytes

    most = max(with_weights(made) for made in gradient)
    return Workspace(with_weights(forward), most, sums + weight.scratch_bytes)


SETTINGS = [*product((4, 8), (1, 2, 3), (1, 2**12, 2**16, 2**20, UNLIMITED))]
if not FULL:
    SETTINGS = covering(SETTINGS, strength=2)


@pytest.mark.parametrize("case", [*LONG.values(), *SHORT.values(), *LARGE.values()])
def test_the_workspace_is_within_its_bound(case: ConvCase) -> None:
    geometry, multiplier = geometry_of(case), case.weight_shape[0] // case.x_shape[1] if case.groups > 1 else 1
    repeated = multiplier > 1 and case.weight_shape[1] == 1
    for itemsize, threads, limit in SETTINGS:
        actual, bound = (f(geometry, itemsize, threads, limit) for f in (borrows, conv_workspace))
        for name, exact, most in zip(Workspace._fields, actual, bound):
            assert exact <= most, (name, itemsize, threads, limit)
            if not repeated and threads > 1 and limit == UNLIMITED:
                assert most <= 64 * exact + threads * 8 * MIB, (name, itemsize, threads)  # a bound, not a guess


@pytest.mark.parametrize("case", LARGE.values(), ids=LARGE)
def test_the_workspace_of_a_thread_is_small(case: ConvCase) -> None:
    for itemsize, threads in product((4, 8), (1, 2, 4)):
        for made in plans(geometry_of(case), itemsize, threads):
            assert made.scratch_bytes <= threads * 8 * MIB


@pytest.mark.parametrize("name", ["speech", "two long rows", "wide and high"])
def test_a_band_stays_in_the_cache(name: str) -> None:
    for made in plans(geometry_of(LARGE[name])):
        assert isinstance(made, (plan.ConvPlan, plan.WeightPlan))
        assert made.source.band_bytes <= BAND_BYTES


@pytest.mark.parametrize(
    "case",
    [
        ConvCase((1, 64, 56, 56), (64, 64, 3, 3), 1, 1),
        ConvCase((1, 3, 224, 224), (64, 3, 7, 7), 2, 3),
        ConvCase((1, 512, 7, 7), (512, 512, 3, 3), 1, 1),
        ConvCase((8, 16, 100), (16, 16, 3), 1, 1),
    ],
)
def test_ordinary_rows_stay_whole(case: ConvCase) -> None:
    assert {segments(made) for made in plans(geometry_of(case))} == {1}


def said(case: ConvCase) -> dict[str, str]:
    """Pass -> what is said about it."""
    found: dict[str, str] = {}
    for line in explain(geometry_of(case), 4, 2):
        if not line.startswith(" "):
            name = line.partition(":")[0]
        found[name] = found.get(name, "") + line + "\n"
    return found


def test_the_explanation_names_segments() -> None:
    text = said(LARGE["speech"])
    for name in ("forward", "input gradient", "weight gradient"):
        assert "segments a row, because rows are long" in text[name]
        assert "in place but for the ends" in text[name]
    assert "segments a row, because rows are long" in said(LARGE["stereo"])["input gradient"]
    with fc.options(exact=True):
        assert "bands of 2 × " in said(LARGE["two long rows"])["forward"]
    ordinary = said(ConvCase((1, 64, 56, 56), (64, 64, 3, 3), 1, 1))
    assert not any("segment" in each for each in ordinary.values())

"""Padding around images, which results and weight gradients leave out: values, bits, NaN.

Every pass that can leave it out does, here.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from checks import GRADIENTS, check_conv
from grids import grid
from strategies import BACKENDS, Array, ConvCase, conv_arrays

import fastconv as fc
from fastconv import layers as L
from fastconv.backends.geometry import ConvGeometry
from fastconv.validation.operations import conv_geometry

if "fast" not in BACKENDS:
    pytest.skip("the fast backend needs Numba", allow_module_level=True)

from fastconv.backends.fast.conv import plan
from fastconv.backends.fast.conv.conv import conv, conv_backward, frame_between
from fastconv.backends.fast.conv.conv_kernel import CHUNK_ENTRY, CONV, LAST, LEFT, RIGHT
from fastconv.backends.fast.conv.passes import Line, forward_pass, input_gradient_passes
from fastconv.backends.fast.conv.plan import Frame
from fastconv.backends.fast.conv.weight_gradient_kernel import RUN_ENTRY
from fastconv.backends.fast.machine.emitter import RELU
from fastconv.backends.fast.memory.plan_cache import forget_plans

CASES = {
    "3x3": ConvCase((3, 5, 7, 6), (9, 5, 3, 3), 1, 1),
    "runs longer than a chunk": ConvCase((2, 150, 4, 5), (9, 150, 3, 3), 1, 1),
    "strides": ConvCase((2, 5, 11, 9), (20, 5, 7, 5), (2, 3), ((5, 2), (1, 3))),
    "dilation": ConvCase((2, 5, 9, 8), (7, 5, 3, 3), 1, (3, 2), (3, 2)),
    "rows above alone": ConvCase((2, 5, 6, 5), (7, 5, 4, 1), 1, ((3, 0), (0, 0))),
    "more padding than rows": ConvCase((2, 5, 2, 5), (7, 5, 5, 3), 1, (3, 1)),
    "a row of padding alone": ConvCase((2, 5, 6, 5), (7, 5, 3, 3), 1, (3, 1)),
    "several tiles": ConvCase((2, 20, 3, 31), (40, 20, 3, 3), 1, 1),
    "ends that read the same tap": ConvCase((2, 5, 4, 5), (9, 5, 3, 2), 1, (1, 1)),
    "no tap for all pixels": ConvCase((2, 5, 4, 2), (9, 5, 3, 3), 1, (1, 2)),
    "signals": ConvCase((2, 70, 9), (9, 70, 3), 1, 1),
    "few filters": ConvCase((2, 70, 6, 5), (2, 70, 3, 3), 1, 1),
    "groups": ConvCase((2, 36, 6, 5), (40, 18, 3, 3), 1, 1, 1, 2),
    "small groups": ConvCase((2, 16, 6, 5), (16, 4, 3, 3), 1, 1, 1, 4),
    "volumes": ConvCase((2, 5, 3, 6, 5), (7, 5, 3, 3, 3), 1, 1),
    "volumes, dilated": ConvCase((2, 5, 4, 7, 5), (7, 5, 2, 3, 2), 1, (1, 2, 2), (1, 2, 2)),
}


@pytest.fixture(autouse=True)
def all_leave_it_out(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """And so does every pass of these for which it would not pay."""
    monkeypatch.setattr(plan, "SKIP_FROM", 0)
    monkeypatch.setattr(plan, "tile_cycles", lambda rows, vectors: rows * vectors)
    monkeypatch.setattr(plan, "START_CYCLES", 0)
    monkeypatch.setattr(plan, "_by_tap", lambda task, itemsize: not task.lanewise)
    forget_plans()
    with fc.options(exact=True):
        yield
    forget_plans()


def geometry_of(case: ConvCase) -> ConvGeometry:
    stride, dilation, padding = (
        (value,) * 2 if isinstance(value, int) else value for value in (case.stride, case.dilation, case.padding)
    )
    pads = tuple((pad, pad) if isinstance(pad, int) else pad for pad in padding)
    return conv_geometry("conv2d", case.x_shape, case.weight_shape, stride, pads, dilation, case.groups, 4)


def results(case: ConvCase, x: Array, weight: Array, dy: Array, backend: str = "fast") -> dict[str, Array]:
    gradients = case.backward(dy, x, weight, **case.options, backend=backend)
    return {"y": case.forward(x, weight, **case.options, backend=backend), **gradients._asdict()}


@grid(which=CASES, dtype=("float32", "float64"))
def test_results_are_right(which: str, dtype: str) -> None:
    case = CASES[which]
    check_conv("fast", case, *conv_arrays(case, 0, dtype))


@pytest.mark.parametrize("which", CASES)
def test_bits_depend_on_neither_threads_nor_the_batch(which: str) -> None:
    case = CASES[which]
    x, weight, _, dy = conv_arrays(case, 0, "float32")
    with fc.use_num_threads(1):
        alone = results(case, x, weight, dy)
    with fc.use_num_threads(2):
        shared = results(case, x, weight, dy)
        first = results(case, x[:1], weight, dy[:1])
    for name in ("y", *GRADIENTS):
        assert np.array_equal(alone[name], shared[name]), name
    for name in ("y", "dx"):
        assert np.array_equal(first[name], shared[name][:1]), name


@grid(which=CASES, name=("x", "weight", "dy"), value=(np.nan, np.inf), end=(0, -1))
def test_padding_is_multiplied_by_what_is_not_finite(which: str, name: str, value: float, end: int) -> None:
    """Zero times infinity is NaN, on every backend but for the gradient of the input."""
    case = CASES[which]
    given = dict(zip(("x", "weight", "bias", "dy"), conv_arrays(case, 0, "float32")))
    del given["bias"]
    given[name][(end,) * given[name].ndim] = value
    got, wanted = results(case, **given), results(case, **given, backend="naive")
    for result in ("y", "dweight"):
        assert np.array_equal(np.isnan(got[result]), np.isnan(wanted[result])), result


def reads(line: Line) -> list[list[bool]]:
    """For every tap, which results read numbers with it, and not padding."""
    return [
        [0 <= out * line.stride - line.before + tap * line.step < line.source for out in range(line.out)]
        for tap in range(len(line.taps))
    ]


def left_out_at_ends(line: Line) -> int:
    """Taps with which the first result reads padding, and those with which the last one does."""
    return sum((not tap[0]) + (not tap[-1]) for tap in reads(line))


ALL_LEFT_OUT = ["3x3", "runs longer than a chunk", "strides", "dilation", "rows above alone", "several tiles"]


@pytest.mark.parametrize("which", ALL_LEFT_OUT)
def test_nothing_else_is_left_out_and_all_of_that_is(which: str) -> None:
    case = CASES[which]
    geometry = geometry_of(case)
    for task in (forward_pass(geometry), *input_gradient_passes(geometry)[0]):
        made = plan.plan_conv(task, 4, 1, 2**26)
        values = dict(zip(CONV.names, made.arguments.tolist()))
        top, bottom, rows = values["ROWS_TOP"], values["ROWS_BOTTOM"], values["OH"]
        chunks = [dict(zip(CHUNK_ENTRY.names, entry)) for entry in made.chunks.reshape(-1, len(CHUNK_ENTRY.names))]
        each = [
            entry["SEGMENTS"] * entry["LENGTH"] * (task.lines[2].out - bool(entry["ENDS"] & (LEFT | RIGHT)))
            for entry in chunks
        ]
        count = values["CHUNKS"]
        kinds = [sum(each[first : first + count]) for first in range(0, len(each), count)]
        _, height, width = task.lines
        in_height = sum(map(sum, reads(height)))
        in_width = width.out * len(width.taps) - left_out_at_ends(width)
        assert sum(kinds) + (rows - top - bottom - 1) * kinds[top] == in_height * in_width * task.depth
        everything = height.out * len(height.taps) * width.out * len(width.taps)
        assert (made.witness is not None) == (in_height * in_width < everything)
    task = forward_pass(geometry)
    runs = plan.plan_weight(task, 4, 1, 2**26).tables[1].reshape(-1, len(RUN_ENTRY.names))
    _, height, width = task.lines
    taps = len(runs) // len(height.taps)
    assert taps == len(width.taps)
    multiplied = sum((last - first) * (right - left) for _, first, last, left, right in runs.tolist())
    assert multiplied == sum(map(sum, reads(height))) * sum(map(sum, reads(width)))


@pytest.mark.parametrize("which", ["3x3", "runs longer than a chunk", "dilation", "rows above alone", "several tiles"])
def test_no_kernel_reads_what_is_left_out(which: str) -> None:
    """Padding that is a part of x, and known to be zero, is not: nobody notices what else is there."""
    case = CASES[which]
    inside = geometry_of(case).with_padding_inside()
    x = np.zeros(inside.input_shape, "float32")
    (top, bottom), (left, right) = (axis.zeros for axis in inside.axes)
    rows, columns = (
        slice(first, size - last) for (first, last), size in zip(((top, bottom), (left, right)), inside.size)
    )
    x[:, :, rows, columns], weight, _, dy = conv_arrays(case, 0, "float32")
    wanted = results(case, x[:, :, rows, columns], weight, dy)
    x[:, :, :top], x[:, :, inside.size[0] - bottom :] = np.nan, np.nan
    if max(left, right) <= 1:  # of more, results beside the first and the last one read some
        x[..., :left], x[..., inside.size[1] - right :] = np.nan, np.nan
    assert np.array_equal(conv(x, weight, None, inside), wanted["y"])
    x[..., :left], x[..., inside.size[1] - right :] = np.nan, np.nan
    assert np.array_equal(conv_backward(dy, x, weight, inside, frozenset({"weight"}))[1], wanted["dweight"])


def test_the_last_chunk_is_whole_where_tiles_take_a_function() -> None:
    case = CASES["several tiles"]
    task = forward_pass(geometry_of(case))
    for ending, whole in ((plan.PLAIN, 0), (plan.Ending(RELU), LAST)):
        chunks = plan.plan_conv(task, 4, 1, 2**26, ending).chunks.reshape(-1, len(CHUNK_ENTRY.names))
        ends = chunks[:, CHUNK_ENTRY.index["ENDS"]]
        assert all(bool(end & (LEFT | RIGHT)) != (end & LAST == whole) for end in ends if end & LAST)


def test_a_program_that_writes_into_frames_has_the_same_bits() -> None:
    first, second = L.Conv2d(3, 9, 3, padding=1, rng=0), L.Conv2d(9, 5, 3, padding=1, rng=1)
    one, two = first._geometry((2, 3, 8, 7)), second._geometry((2, 9, 8, 7))
    assert frame_between(one, two, 4) == Frame(1, 1, 1, 1)
    model = L.Sequential(first, L.ReLU(), second)
    x = np.random.default_rng(0).standard_normal((2, 3, 8, 7)).astype("float32")
    assert np.array_equal(fc.compile(model, x)(x), model(x))


def test_small_work_looks_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    forget_plans()
    assert plan.plan_conv(forward_pass(geometry_of(CASES["3x3"])), 4, 1, 2**26).witness is None

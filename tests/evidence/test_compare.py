"""The comparison: what it measures, what it refuses, and that no fault slips through it."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from concurrent.futures import Future
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import fastconv as fc
from fastconv.backends.numpy import NumpyBackend
from fastconv.evidence import process, timing, workloads
from fastconv.evidence.compare import Comparison, compare, reference, references, runner
from fastconv.evidence.compare.runs import Runs
from fastconv.evidence.problem import from_call
from fastconv.evidence.quiet import Watch
from fastconv.evidence.timing import seed_seconds_per_output, workspace
from fastconv.files import check_writable, write_whole
from fastconv.report import format_bytes, format_seconds

BOTH = ("naive", "numpy")


def small_arrays(dtype: str = "float64") -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return (
        rng.standard_normal((2, 3, 7, 9)).astype(dtype),
        rng.standard_normal((4, 3, 3, 2)).astype(dtype),
        rng.standard_normal(4).astype(dtype),
    )


def small_comparison(**settings: object) -> Comparison:
    x, weight, bias = small_arrays()
    return compare(fc.conv2d, x, weight, bias, stride=(2, 1), padding=1, backends=BOTH, repeats=1, **settings)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the reference compute as little as it can."""
    monkeypatch.setattr(reference, "_SECONDS", 1e-9)


# what runs


def test_the_default_is_twelve_layers_and_six_on_images() -> None:
    pytest.importorskip("sklearn")
    from fastconv.evidence.compare.api import default_workloads

    chosen = default_workloads()
    assert [workload.name for workload in chosen] == [
        *(layer.name for layer in workloads.LAYERS),
        *workloads.IMAGE_NAMES,
    ]
    assert all(workload.input_shape[0] == 1 for workload in chosen[:12])


def test_without_scikit_learn_the_default_is_the_layers(monkeypatch: pytest.MonkeyPatch) -> None:
    from fastconv.evidence.compare import api

    def missing() -> tuple[workloads.ImageWorkload, ...]:
        raise ImportError("no scikit-learn")

    monkeypatch.setattr(api, "image_workloads", missing)
    assert len(api.default_workloads()) == 12


def test_a_name_runs_at_batch_one_and_a_workload_as_it_is() -> None:
    layer = workloads.by_name("conv5x5_1_20_28").with_batch(2)
    named, given, both = (
        compare(choice, backends=("numpy", "fast"), repeats=1, backward=False).rows
        for choice in (layer.name, layer, [layer, layer.name])
    )
    assert named[0].shapes["x"][0] == 1
    assert given[0].shapes["x"][0] == 2
    assert [row.shapes["x"][0] for row in both] == [2, 1]


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_own_arrays_agree_forward_and_in_every_gradient(dtype: str, layout: str) -> None:
    x, weight, bias = small_arrays(dtype)
    x = np.ascontiguousarray(np.moveaxis(x, 1, -1)) if layout == "NHWC" else x
    before = x.copy()
    result = compare("conv2d", x, weight, bias=bias, padding="same", stride=2, layout=layout, repeats=1)
    row = result.rows[0]
    assert result.ok
    assert [difference.array for difference in row.differences] == ["y", "dx", "dweight", "dbias"]
    assert row.dtype == dtype
    assert row.shapes["y"] == fc.conv2d(x, weight, bias, padding="same", stride=2, layout=layout).shape
    assert np.array_equal(x, before)


@pytest.mark.parametrize("operation", ["max_pool2d", "avg_pool2d"])
def test_poolings_agree(operation: str) -> None:
    x, _, _ = small_arrays("float32")
    options = {"kernel_size": (3, 2), "stride": 2, "padding": (1, 0), "ceil_mode": True}
    result = compare(operation, x, **options, repeats=1)
    assert result.ok
    assert [difference.array for difference in result.rows[0].differences] == ["y", "dx"]
    assert result.rows[0].passes[0].gflops is None


def test_without_backward_there_is_one_pass() -> None:
    row = small_comparison(backward=False).rows[0]
    assert [passed.name for passed in row.passes] == ["forward"]
    assert [difference.array for difference in row.differences] == ["y"]


def test_progress_rises_from_nothing_to_all() -> None:
    told: list[tuple[str, str, float]] = []
    small_comparison(progress=lambda *words: told.append(words))
    fractions = [fraction for _, _, fraction in told]
    assert fractions[0] == 0
    assert fractions[-1] == 1
    assert all(first <= second for first, second in pairwise(fractions))
    assert {"frozen loops", "naive"} <= {stage for _, stage, _ in told}


# a part of a problem


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize(
    ("operation", "options"),
    [
        ("conv2d", {"padding": ((2, 0), (0, 1)), "stride": (2, 1), "dilation": (2, 1)}),
        ("conv2d", {"padding": "same_lower", "stride": 3}),
        ("conv2d", {"padding": 6, "stride": 1}),
        ("max_pool2d", {"kernel_size": (3, 2), "stride": (1, 2), "padding": (2, 1), "dilation": (2, 1)}),
        ("max_pool2d", {"kernel_size": 2, "stride": (3, 2), "ceil_mode": True}),
        ("avg_pool2d", {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True, "count_include_pad": False}),
    ],
)
def test_a_part_computes_the_first_images_and_rows(operation: str, options: dict[str, object], layout: str) -> None:
    x, weight, bias = small_arrays()
    x = np.moveaxis(x, 1, -1) if layout == "NHWC" else x
    arrays = (x, weight, bias) if operation == "conv2d" else (x,)
    whole = from_call(operation, arrays, {**options, "layout": layout}, None)
    y = getattr(fc, operation)(*arrays, **options, layout=layout, backend="naive")
    for images in (1, 2):
        for rows in range(1, whole.rows + 1):
            part = whole.part(images, rows)
            part_y = getattr(fc, operation)(**part.arrays(), **part.arguments, backend="naive")
            assert part.rows == rows or (options["padding"] == 6 and part.rows > rows)
            assert np.array_equal(part_y, part.part_of_output(y))


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize(
    ("operation", "options"),
    [
        ("conv2d", {"padding": ((2, 0), (0, 1)), "stride": (2, 1), "dilation": (2, 1)}),
        ("max_pool2d", {"kernel_size": (3, 2), "stride": (1, 2), "padding": (1, 1)}),
        ("avg_pool2d", {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True, "count_include_pad": False}),
    ],
)
def test_with_zeros_beyond_a_part_the_whole_has_its_results(
    operation: str, options: dict[str, object], layout: str
) -> None:
    x, weight, bias = small_arrays()
    x = np.moveaxis(x, 1, -1) if layout == "NHWC" else x
    whole = from_call(
        operation, (x, weight, bias) if operation == "conv2d" else (x,), {**options, "layout": layout}, None
    )
    dy = whole.draw_gradient(0)
    for images, rows in ((1, 1), (1, 2), (2, 1)):
        part = whole.part(images, rows)
        masked, masked_dy = whole.zero_beyond(part, dy)
        assert masked.geometry == whole.geometry
        found, expected = (
            Runs(each, "numpy", gradient).results for each, gradient in ((masked, masked_dy), (part, dy))
        )
        assert found.keys() == expected.keys()
        for name, array in expected.items():
            np.testing.assert_allclose(found[name][part.place(name)], array, rtol=0, atol=1e-13, err_msg=name)
            beyond = found[name].copy()
            beyond[part.place(name)] = 0
            assert name == "y" or not beyond.any()


def test_what_is_not_finite_is_compared_on_the_part_itself() -> None:
    x, weight, _ = small_arrays()
    x[0, 0, 2, 3] = np.inf
    whole = from_call("conv2d", (x, weight), {}, None)
    part = whole.part(1, 1)
    seen, dy = whole.zero_beyond(part, whole.draw_gradient(0))
    assert seen is part
    assert dy is not None
    assert dy.shape == part.output_shape


def test_a_slow_reference_runs_on_a_part_and_the_row_says_so(impatient: None) -> None:
    row = (result := small_comparison()).rows[0]
    assert (row.checked_images, row.images, row.checked_rows, row.rows) == (1, 2, 1, 4)
    assert all(passed.reference_estimated for passed in row.passes)
    assert {difference.reference for difference in row.whole_differences} == {"numpy in float64"}
    in_full = result.report().in_full.text()
    assert "1 of 2 images, 1 of 4 rows" in in_full
    assert "~" in in_full
    assert result.ok


def test_full_leaves_nothing_out(impatient: None) -> None:
    row = small_comparison(full=True).rows[0]
    assert not row.partial
    assert row.whole_differences == ()
    assert not any(passed.reference_workspace_partial for passed in row.passes)


# a process beside this one


SMALL = [
    workloads.Workload("three", "conv2d", (2, 3, 7, 9), (3, 2), (4, 3, 3, 2), True),
    workloads.Workload("max", "max_pool2d", (2, 3, 7, 9), (3, 2)),
    workloads.Workload("one", "conv2d", (1, 2, 8, 5), (1, 1), (3, 2, 1, 1)),
    workloads.Workload("average", "avg_pool2d", (2, 3, 7, 9), (2, 3)),
]


def found_beside(folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[object, ...]:
    """What does not depend on time, of a comparison whose temporary files are in a folder, which it leaves empty."""
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    rows = compare(SMALL, backends=BOTH, repeats=1).rows
    assert list(folder.iterdir()) == []
    return tuple(
        (row.name, row.differences, row.whole_differences, row.checked_images, row.checked_rows) for row in rows
    )


@pytest.fixture
def computed_here(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Problems whose reference this process computes itself."""
    here: list[object] = []
    right = references.reference_of
    monkeypatch.setattr(references, "reference_of", lambda *of: (here.append(of[0].name), right(*of))[1])
    monkeypatch.setattr(references, "available_cores", lambda: 2)
    return here


def test_the_other_process_finds_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, computed_here: list[object]
) -> None:
    monkeypatch.setattr(references.References, "left", lambda self: iter(sorted(self._waiting)))  # nothing from the end
    monkeypatch.setattr(Future, "cancel", lambda self: False)
    found = found_beside(tmp_path, monkeypatch)
    assert computed_here == []
    monkeypatch.setattr(references, "available_cores", lambda: 1)
    assert found == found_beside(tmp_path, monkeypatch)
    assert len(computed_here) == len(SMALL)


@pytest.mark.skipif("fast" not in fc.available_backends(), reason="others compile nothing")
@pytest.mark.parametrize("begun", [True, False])
def test_the_other_process_compiles_what_is_not_begun_here(begun: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    here: list[str] = []
    right = references.call_first

    def call_first(problem, settings):  # type: ignore[no-untyped-def]
        here.append(problem.name)
        return right(problem, settings)

    monkeypatch.setattr(runner, "call_first", call_first)
    monkeypatch.setattr(references, "available_cores", lambda: 2)
    monkeypatch.setattr(Future, "cancel", lambda self: not begun)
    result = compare(SMALL, backends=("naive", "fast"), repeats=1)
    assert result.ok
    assert here == ([] if begun else [workload.name for workload in SMALL])


@pytest.mark.parametrize("fault", ["cannot start", "ends at once"])
def test_without_the_other_process_all_is_computed_here(
    fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, computed_here: list[object]
) -> None:
    if fault == "cannot start":
        monkeypatch.setattr(sys, "executable", str(tmp_path / "no-python"))
    else:
        monkeypatch.setattr(references, "_MODULE", "fastconv.no_such_module")
    found = found_beside(tmp_path, monkeypatch)
    assert sorted(computed_here) == sorted(row[0] for row in found)  # type: ignore[index]


def test_nothing_runs_beside_a_timing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, computed_here: list[object]
) -> None:
    begun: list[subprocess.Popen[bytes]] = []
    looked_at: list[int | None] = []
    right, right_time = process.subprocess.Popen, runner.Runs.time

    def begin(*args, **options):  # type: ignore[no-untyped-def]
        begun.append(right(*args, **options))
        return begun[-1]

    def time(self, repeats):  # type: ignore[no-untyped-def]
        looked_at.extend(each.returncode for each in begun)
        right_time(self, repeats)

    monkeypatch.setattr(process.subprocess, "Popen", begin)
    monkeypatch.setattr(runner.Runs, "time", time)
    found_beside(tmp_path, monkeypatch)
    assert len(begun) == 1
    assert looked_at
    assert None not in looked_at


# faults


def wrong_forward(monkeypatch: pytest.MonkeyPatch, error: float) -> None:
    """Let the numpy backend be wrong in one pixel at the far border, but not where it serves as the oracle."""
    right = NumpyBackend.conv

    def wrong(self, x, weight, bias, geometry):  # type: ignore[no-untyped-def]
        y = right(self, x, weight, bias, geometry)
        if x.dtype == np.float32:
            y[-1, -1, -1, -1] += error
        return y

    monkeypatch.setattr(NumpyBackend, "conv", wrong)


def faulty_comparison() -> Comparison:
    x, weight, bias = small_arrays("float32")
    return compare("conv2d", x, weight, bias, backends=BOTH, repeats=1)


def test_one_wrong_border_pixel_is_found_and_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    x, weight, bias = small_arrays("float32")
    largest = np.abs(fc.conv2d(x, weight, bias, backend="naive")).max()
    wrong_forward(monkeypatch, 0.5)
    result = faulty_comparison()
    y = result.rows[0].differences[0]
    assert not result.ok
    assert y.max_abs == pytest.approx(0.5, rel=1e-5)
    assert y.max_relative == pytest.approx(0.5 / largest, rel=1e-5)
    assert all(difference.within for difference in result.rows[0].differences[1:])
    assert "BEYOND" in str(result)
    assert len(result.report().failures) == 1
    assert "conv2d: y of numpy must be within 64 eps sum |x·w| of naive" in result.report().failures[0]


def test_a_wrong_pixel_outside_the_part_is_found(monkeypatch: pytest.MonkeyPatch, impatient: None) -> None:
    right = NumpyBackend.conv

    def wrong(self, x, weight, bias, geometry):  # type: ignore[no-untyped-def]
        y = right(self, x, weight, bias, geometry)
        if x.dtype == np.float32 and geometry.batch == 2:
            y[-1, -1, -1, -1] += 0.01
        return y

    monkeypatch.setattr(NumpyBackend, "conv", wrong)
    row = faulty_comparison().rows[0]
    assert all(difference.within for difference in row.differences)
    assert not row.whole_differences[0].within
    assert not row.ok


def test_a_gradient_off_by_a_thousandth_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    right = NumpyBackend.conv_backward

    def wrong(self, dy, x, weight, geometry, needs):  # type: ignore[no-untyped-def]
        dx, dweight, dbias = right(self, dy, x, weight, geometry, needs)
        return dx, dweight * 1.001 if x.dtype == np.float32 else dweight, dbias

    monkeypatch.setattr(NumpyBackend, "conv_backward", wrong)
    verdicts = {difference.array: difference.within for difference in faulty_comparison().rows[0].differences}
    assert verdicts == {"y": True, "dx": True, "dweight": False, "dbias": True}


def test_a_maximum_must_be_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    right = NumpyBackend.max_pool

    def wrong(self, x, geometry, return_indices):  # type: ignore[no-untyped-def]
        y, indices = right(self, x, geometry, return_indices)
        return np.nextafter(y, np.inf) if x.dtype == np.float32 else y, indices

    monkeypatch.setattr(NumpyBackend, "max_pool", wrong)
    x, _, _ = small_arrays("float32")
    result = compare("max_pool2d", x, 2, backends=BOTH, repeats=1)
    assert not result.ok
    assert "none is allowed" in result.report().failures[0]


def test_nan_on_both_sides_is_the_same_and_on_one_side_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    x, weight, bias = small_arrays("float32")
    x[0, 0, 3, 4], x[1, 1, 0, 0] = np.nan, np.inf
    with np.errstate(invalid="ignore"):
        assert compare("conv2d", x, weight, bias, backends=BOTH, repeats=1).rows[0].differences[0].within
    wrong_forward(monkeypatch, float("nan"))
    result = faulty_comparison()
    assert not result.ok
    assert json.loads(result.to_json())["rows"][0]["differences"][0]["max_abs"] is None


# what is measured


def test_a_pass_holds_together() -> None:
    row = small_comparison().rows[0]
    forward, backward = row.passes
    assert forward.outputs == 2 * 4 * 4 * 10
    assert (forward.flops, backward.flops) == (2 * forward.outputs * 18, 4 * forward.outputs * 18)
    for passed in row.passes:
        assert passed.seconds > 0
        assert passed.reference_seconds > 0
        assert passed.workspace > 0
        assert passed.gflops == pytest.approx(passed.flops / passed.seconds / 1e9)
        assert passed.times_faster == pytest.approx(
            passed.loop_seconds_per_output * passed.outputs / passed.seconds  # type: ignore[operator]
        )


def test_workspace_is_the_peak_beyond_what_is_returned() -> None:
    def call() -> dict[str, np.ndarray]:
        scratch = np.zeros(2**20, np.uint8)
        return {"y": scratch[: 2**18].copy()}

    assert 2**20 <= workspace(call) < 2**20 + 2**14


def test_buffers_kept_between_calls_count_as_workspace(monkeypatch: pytest.MonkeyPatch) -> None:
    right, kept = NumpyBackend.conv, []

    def keeping(self, x, weight, bias, geometry):  # type: ignore[no-untyped-def]
        if not kept:
            kept.append(np.zeros(2**20, np.uint8))
        return right(self, x, weight, bias, geometry)

    monkeypatch.setattr(NumpyBackend, "conv", keeping)
    monkeypatch.setattr(NumpyBackend, "release", lambda self: kept.clear(), raising=False)
    assert small_comparison().rows[0].passes[0].workspace >= 2**20


def test_the_loops_do_not_know_dilation() -> None:
    x, weight, _ = small_arrays()
    assert seed_seconds_per_output(from_call("conv2d", (x, weight), {"dilation": (1, 2)}, None), "conv2d") is None
    result = compare("conv2d", x, weight, dilation=2, backends=BOTH, repeats=1)
    assert result.rows[0].passes[0].times_faster is None
    assert "know no dilation" in result.report().in_full.text()


def test_the_loops_take_asymmetric_padding_groups_and_either_layout() -> None:
    x, _, _ = small_arrays()
    weight = np.ones((6, 1, 3, 2))
    problem = from_call("conv2d", (x, weight), {"padding": "same", "groups": 3, "layout": "NCHW"}, None)
    assert seed_seconds_per_output(problem, "conv2d_backward") > 0  # type: ignore[operator]
    last = from_call("avg_pool2d", (np.moveaxis(x, 1, -1), 2), {"layout": "NHWC", "ceil_mode": True}, None)
    assert seed_seconds_per_output(last, "avg_pool2d") > 0  # type: ignore[operator]


def test_the_yardstick_is_the_one_of_the_checkout() -> None:
    loops = timing.seed_loops()
    assert isinstance(loops, ModuleType)
    assert hasattr(loops, "conv_forward")


def test_a_missing_yardstick_is_an_error(tmp_path) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(
        ImportError, match=r"the frozen loops must be in the package or in the checkout, but got neither"
    ):
        timing._load(tmp_path / "seed_loops.py")


# what comes out


def test_it_prints_as_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Watch, "others", lambda self: None)  # whatever else runs here
    found = small_comparison()
    lines = [line for line in str(found).splitlines() if line not in found.environment.caution]  # of a busy machine
    assert lines[0].startswith("naive and numpy agree: the worst element takes ")
    assert lines[1].startswith("numpy is ")
    assert lines[5].split()[:2] == ["workload", "forward"]
    assert lines[7].split()[0] == "conv2d"
    assert [table.title for table in found.report().in_full.tables][1] == "Time and memory"
    assert lines[-1].startswith(f"fastconv {fc.__version__}, python ")


def test_units() -> None:
    assert [format_seconds(seconds) for seconds in (90.0, 0.9996, 0.0999, 1e-7)] == [
        "90.0 s",
        "1.00 s",
        "99.9 ms",
        "100 ns",
    ]
    assert [format_bytes(size) for size in (999, 1000, 5 * 2**40)] == ["999 B", "0.98 KiB", "5.00 TiB"]


def test_json_holds_everything(tmp_path) -> None:  # type: ignore[no-untyped-def]
    result = small_comparison()
    result.save(tmp_path / "result.json")
    saved = json.loads((tmp_path / "result.json").read_text(encoding="utf-8"))
    assert saved == result.to_dict()
    assert saved["format"] == "fastconv-compare/1"
    assert saved["ok"] is True
    assert saved["rows"][0]["arguments"] == {"stride": [2, 1], "padding": 1}
    assert saved["rows"][0]["passes"][0]["times_faster"] > 0
    assert saved["environment"]["versions"]["numpy"] == np.__version__


def test_a_file_is_written_whole_or_not_at_all(tmp_path) -> None:  # type: ignore[no-untyped-def]
    target = tmp_path / "result.json"
    target.write_text("old", encoding="ascii")

    def fail(stream) -> None:  # type: ignore[no-untyped-def]
        stream.write(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_whole(target, fail)
    assert target.read_text(encoding="ascii") == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_an_unwritable_file_is_named(tmp_path) -> None:  # type: ignore[no-untyped-def]
    target = tmp_path / "nowhere" / "result.json"
    for attempt in (lambda: check_writable(target), lambda: small_comparison().save(target)):
        with pytest.raises(FileNotFoundError) as raised:
            attempt()
        assert raised.value.filename == str(target)
    with pytest.raises(IsADirectoryError):
        check_writable(tmp_path)


# what is refused


@pytest.mark.parametrize(
    ("args", "arguments", "message"),
    [
        (("conv9",), {}, r"compare: a workload must be one of conv3x3_64_56, .*, but got 'conv9'\."),
        (([],), {}, r"compare: workloads must name at least one, but got none\."),
        ((["conv5x5_1_20_28"],), {"batch": 0}, r"compare: batch must be at least 1, but got 0\."),
        ((None,), {"repeats": 0}, r"compare: repeats must be at least 1, but got 0\."),
        ((None,), {"seed": -1}, r"compare: seed must be at least 0, but got -1\."),
        ((None,), {"backends": ("fast",)}, r"compare: backends must be two different names, but got \('fast',\)\."),
        ((None,), {"backends": ("fast", "fast")}, r"compare: backends must be two different names"),
        ((None,), {"backends": ("naive", "slow")}, r"backend must be one of .*, but got 'slow'\."),
        (("conv2d", np.ones((0, 1, 3, 3)), np.ones((1, 1, 1, 1))), {}, r"compare: x must hold at least one image"),
        (("conv2d", np.ones((1, 1, 3, 3)), np.ones((1, 1, 1))), {}, r"conv2d: weight must have 4 axes"),
        (("max_pool2d", np.ones((1, 1, 3, 3)), 4), {}, r"max_pool2d: the window must fit into the padded input"),
        (("max_pool2d", np.ones((1, 1, 3, 3)), 2), {"batch": 2}, r"compare: batch must not be given with arrays"),
    ],
)
def test_impossible_values(args: tuple[object, ...], arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        compare(*args, **arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("args", "arguments", "message"),
    [
        ((3,), {}, r"compare: workloads must be names, workloads or an operation, but got 3 \(int\)\."),
        (([3],), {}, r"compare: a workload must be a name or a Workload, but got 3 \(int\)\."),
        ((np.sum,), {}, r"compare: the operation must be one of conv2d, max_pool2d, avg_pool2d, but got 'sum'\."),
        ((None,), {"dtype": "int32"}, r"compare: dtype must be float16, float32 or float64, but got 'int32'\."),
        ((None,), {"full": 1}, r"compare: full must be True or False, but got 1\."),
        (
            (None,),
            {"stride": 2},
            r"compare: the first argument must be an operation .* 0 positional and stride keyword",
        ),
        (("conv2d",), {"stride": 2}, r"compare: the arguments must be those of conv2d, .*missing"),
        (
            ("conv2d", np.ones((1, 1, 3, 3)), np.ones((1, 1, 1, 1))),
            {"backend": "fast"},
            r"compare: backend must not be",
        ),
        (
            ("max_pool2d", np.ones((1, 1, 3, 3)), 2),
            {"return_indices": True},
            r"compare: return_indices must not be given",
        ),
        (("max_pool2d", np.ones((1, 1, 3, 3), complex), 2), {}, r"max_pool2d: x must have a float16, .*complex128"),
    ],
)
def test_wrong_types(args: tuple[object, ...], arguments: dict[str, object], message: str) -> None:
    with pytest.raises(TypeError, match=message):
        compare(*args, **arguments)  # type: ignore[arg-type]

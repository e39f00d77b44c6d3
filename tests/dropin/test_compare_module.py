"""`race` and ``fastconv compare --module``: somebody's functions beside fast ones."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import replace
from pathlib import Path

import loop_code
import numpy as np
import pytest
from loop_code import CS231N, IMAGES, changed
from strategies import BACKENDS

from fastconv import cli
from fastconv.dropin.check.code_process import CodeProcessError
from fastconv.dropin.race.race_report import Lap, Race, RaceRow
from fastconv.dropin.race.racing import race
from fastconv.dropin.race.sizes import Plan, Sizes, candidates
from fastconv.errors import InvalidTypeError, InvalidValueError
from fastconv.evidence.environment import current_environment

needs_fast = pytest.mark.skipif("fast" not in BACKENDS, reason="the fast backend needs Numba")

SMALL = Sizes((2, 3, 9, 8), (4, 3, 3, 2), kernel_size=2, padding=0)
TYPED = ("--input", "2,3,9,8", "--weight", "4,3,3,2", "--kernel-size", "2", "--padding", "0", "--repeats", "1")
CONV = "conv_forward_naive / conv_backward_naive"
DONE = "return out, (x, w, b, conv_param)"


def written(folder: Path, source: str, name: str = "layers.py") -> Path:
    """A file with source code in it."""
    path = folder / name
    path.write_text(source, encoding="utf-8")
    return path


def in_process(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["fastconv", "compare", *arguments])
    return cli.main()


# running


@needs_fast
def test_right_functions_beside_fast(tmp_path: Path) -> None:
    found = race(written(tmp_path, CS231N), sizes=SMALL, repeats=2)
    assert found.ok
    assert [row.operation for row in found.rows] == ["conv2d", "max_pool2d", "avg_pool2d"]
    conv, pool = found.rows[:2]
    assert conv.problem == "x (2, 3, 9, 8), w (4, 3, 3, 2), stride 2"
    assert pool.problem == "x (2, 3, 9, 8), 2x2 windows, stride 2"
    for row in found.rows:
        assert [lap.name for lap in row.laps] == ["forward", "backward"]
        assert all(lap.seconds > 0 and lap.fast_seconds > 0 and lap.rounds == 2 for lap in row.laps)
    assert [difference.array for difference in conv.differences] == ["y", "dx", "dweight", "dbias"]
    assert all(difference.of_tolerance <= 2 for difference in conv.differences)
    assert [(difference.array, difference.max_abs) for difference in pool.differences] == [("y", 0.0), ("dx", 0.0)]


@pytest.mark.slow
@needs_fast
@pytest.mark.parametrize("module", ["COURSERA", "SCRATCH", "TUTORIAL", "COLUMNS", "PLAIN", "IMAGES"])
def test_every_known_way_of_writing_runs_beside_fast(tmp_path: Path, module: str) -> None:
    found = race(written(tmp_path, getattr(loop_code, module)), sizes=Sizes((1, 2, 9, 8)), repeats=1)
    assert [row.trouble for row in found.rows] == [""] * len(found.rows)
    assert found.ok, str(found)


@pytest.mark.slow
@needs_fast
def test_loops_get_as_much_as_they_can_bear(tmp_path: Path) -> None:
    slow = changed(CS231N, (f"    {DONE}", f"    import time; time.sleep(0.02 * N)\n    {DONE}"))
    rows = race(written(tmp_path, slow), seconds=0.2, repeats=1, backward=False).rows
    images = int(re.match(r"x \((\d+),", rows[0].problem)[1])  # type: ignore[index]
    assert 1 <= images <= 10
    assert rows[1].problem == "x (100, 3, 32, 32), 2x2 windows, stride 2"  # whole, as vectorised code computes it
    assert [lap.name for lap in rows[0].laps] == ["forward"]


@pytest.mark.slow
@needs_fast
def test_loops_that_cannot_bear_one_image_get_a_smaller_one(tmp_path: Path) -> None:
    slow = changed(CS231N, (f"    {DONE}", f"    import time; time.sleep(1e-4 * H * W)\n    {DONE}"))
    row = race(written(tmp_path, slow), seconds=0.05, repeats=1, backward=False).rows[0]
    N, _, H, W = map(int, re.findall(r"\d+", row.problem)[:4])
    assert row.trouble == ""
    assert N * H * W < 31 * 31


@needs_fast
def test_a_wrong_function_is_timed_and_said_to_be_wrong(tmp_path: Path) -> None:
    found = race(written(tmp_path, changed(CS231N, (DONE, "out[0, 0, 0, 0] += 1; " + DONE))), sizes=SMALL, repeats=1)
    row = found.rows[0]
    assert not found.ok
    assert [each.ok for each in found.rows] == [False, True, True]
    assert row.fast_of_tolerance is not None
    assert row.fast_of_tolerance <= 1
    assert row.differences[0].max_abs == pytest.approx(1)
    assert f"{CONV}: their result must be within 64 eps" in str(found)
    assert re.search(r"\de\+\d+ times +\d+\.\d% +wrong", str(found))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("first", "trouble"),
    [
        ("raise ValueError('no')", r"raised: ValueError: no \(layers\.py, line \d+, in conv_forward_naive\)"),
        ("import os; os._exit(3)", "crashed: it ended its process with exit code 3"),
        ("while True: pass", r"timed out: no result after 0\.3 s \(layers\.py"),
    ],
)
def test_what_does_not_come_to_an_end_is_said(tmp_path: Path, first: str, trouble: str) -> None:
    code = changed(CS231N, (f"    {DONE}", f"    {first}\n    {DONE}"))
    row = race(written(tmp_path, code), sizes=SMALL, time_limit=0.3).rows[0]
    assert re.match(trouble, row.trouble), row.trouble
    assert not row.laps


@pytest.mark.slow
@needs_fast
def test_functions_without_stride_or_padding_are_asked_without(tmp_path: Path) -> None:
    rows = race(written(tmp_path, IMAGES), sizes=Sizes((3, 2, 9, 8)), repeats=1).rows
    assert [(row.label, row.problem, row.trouble) for row in rows] == [
        ("conv", "x (1, 2, 9, 8), w (25, 2, 3, 3), stride 2, pad 1", ""),
        ("convolve2d", "x (1, 1, 9, 8), w (1, 1, 3, 3), stride 1", ""),
        ("maxpool", "x (1, 2, 9, 8), 2x2 windows, stride 2", ""),
    ]


@pytest.mark.slow
@needs_fast
def test_a_result_that_is_missing_is_wrong(tmp_path: Path) -> None:
    row = race(written(tmp_path, changed(CS231N, (DONE, "return None, (x, w, b, conv_param)"))), sizes=SMALL).rows[0]
    assert (row.ok, row.of_tolerance, row.trouble) == (False, float("inf"), "")


def test_sizes_that_cannot_be_expressed_are_said(tmp_path: Path) -> None:
    path = written(tmp_path, changed(loop_code.COURSERA))
    rows = race(path, sizes=Sizes((1, 1, 6, 6), dilation=2), repeats=1).rows
    assert {row.trouble.split(":")[0] for row in rows} == {"cannot be asked for these sizes"}


def test_an_import_that_fails_is_raised(tmp_path: Path) -> None:
    with pytest.raises(CodeProcessError, match=r"ZeroDivisionError: division by zero \(layers\.py, line 1"):
        race(written(tmp_path, "1 / 0\n"))
    with pytest.raises(InvalidValueError, match="compare: the file must define convolution or pooling"):
        race(written(tmp_path, "\n"))


# sizes


def test_plans_go_from_the_course_to_less() -> None:
    plans = list(candidates("conv2d", Sizes(), np.float64, 0))
    assert [str(plan.with_images(1).draw()) for plan in plans] == [
        "x (1, 3, 31, 31), w (25, 3, 3, 3), stride 2, pad 1",
        "x (1, 3, 31, 31), w (25, 3, 3, 3), stride 2",
        "x (1, 3, 31, 31), w (25, 3, 3, 3), stride 1",
    ]
    assert [plan.images for plan in plans] == [100] * 3
    assert len(list(candidates("conv2d", Sizes(stride=(1, 1), padding=(0, 0)), np.float64, 0))) == 1
    assert len(list(candidates("max_pool2d", Sizes(), np.float64, 0))) == 1
    wide = Sizes(weight_shape=(4, 8, 3, 3))
    assert [
        next(iter(candidates(each, wide, np.float64, 0))).arguments["channels"] for each in ("conv2d", "max_pool2d")
    ] == [8, 3]


def test_a_smaller_plan_keeps_its_window() -> None:
    plan = next(iter(candidates("conv2d", Sizes((1, 1, 40, 20), (1, 1, 3, 5)), np.float64, 0)))
    assert plan.smaller(0.25).arguments["size"] == (20, 10)
    assert plan.smaller(1e-9).arguments["size"] == (3, 5)
    assert isinstance(plan.smaller(1e-9), Plan)
    assert min(plan.smaller(1e-9).draw().out) >= 1


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"dtype": "float16"}, InvalidValueError, r"compare: dtype must be float32 or float64, but got 'float16'"),
        ({"repeats": 0}, InvalidValueError, r"compare: repeats must be"),
        ({"seconds": -1.0}, InvalidValueError, r"compare: seconds must be positive"),
        (
            {"sizes": Sizes((1, 3, 8, 8), (5, 2, 3, 3))},
            InvalidValueError,
            r"compare: weight_shape must have the channels of input_shape .* but got 2 for 3",
        ),
        ({"sizes": Sizes(stride=0)}, InvalidValueError, r"compare: stride must be"),
        (
            {"sizes": Sizes(input_shape=(1, 2, 3))},
            InvalidValueError,
            r"compare: input_shape must be a sequence of 4 integers",
        ),
        ({"sizes": Sizes(kernel_size=2.0)}, InvalidTypeError, r"compare: kernel_size must be"),
    ],
)
def test_wrong_arguments_are_refused(
    tmp_path: Path, arguments: dict[str, object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        race(written(tmp_path, IMAGES), **arguments)  # type: ignore[arg-type]


# the tables


def made() -> Race:
    lap = Lap("forward", seconds=2.0, fast_seconds=0.004, first_seconds=2.1, fast_first_seconds=0.504, rounds=3)
    row = RaceRow("conv", "plain.conv2d", "conv2d", "x (1, 1, 4, 4)", "float64", (lap, replace(lap, name="backward")))
    return Race("layers.py", (row,), current_environment())


def test_times_faster_divides_by_their_time() -> None:
    found = made()
    assert found.rows[0].laps[0].times_faster == 500
    assert not found.ok  # nothing was compared
    assert found.report().tables == ()


def test_figures_that_are_not_finite_are_null_in_json() -> None:
    data = json.loads(replace(made(), rows=(replace(made().rows[0], of_tolerance=float("inf")),)).to_json())
    assert data["rows"][0]["of_tolerance"] is None
    assert data["rows"][0]["laps"][0]["times_faster"] == 500
    assert data["format"] == "fastconv-race/1"


# the command


@needs_fast
def test_the_command_prints_and_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("typer")
    target = tmp_path / "out.json"
    path = written(tmp_path, CS231N)
    assert in_process(monkeypatch, "--module", str(path), *TYPED, "--threads", "1", "--json", str(target)) == 0
    out, err = capsys.readouterr()
    assert re.search(rf"{CONV} +forward +\d.*s +\d.*s +\d.*×", out)
    assert f"{CONV}: x (2, 3, 9, 8), w (4, 3, 3, 2), stride 2.\n" in out
    assert "times faster: the time of theirs divided by that of fast" in out
    assert "1 thread of" in out
    assert "[100%] done" in err
    data = json.loads(target.read_text(encoding="utf-8"))
    assert data["ok"] is True
    assert [lap["name"] for lap in data["rows"][0]["laps"]] == ["forward", "backward"]


@needs_fast
def test_json_on_stdout_is_json_alone_and_wrong_code_exits_with_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("typer")
    path = written(tmp_path, changed(CS231N, (DONE, "out += 1; " + DONE)))
    assert (
        in_process(monkeypatch, "--module", str(path), *TYPED, "--no-backward", "--dtype", "float32", "--json", "-")
        == 1
    )
    out, err = capsys.readouterr()
    assert json.loads(out)["rows"][0]["dtype"] == "float32"
    assert f"fastconv: compare: {CONV}: their result must be within" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["conv3x3_64_56"], r"--module does not go with named workloads"),
        (["--full"], r"--module does not go with --full"),
        (["--backends", "naive,numpy"], r"--module does not go with --backends"),
        (["--plot", "out.png"], r"--module does not go with --plot"),
        (["--x", "x.npy"], r"--module does not go with --x"),
        (["--operation", "conv2d"], r"--module does not go with --operation"),
        (["--dtype", "float16"], r"--dtype.* must be one of float32, float64, but got 'float16'"),
        (["--input", "1,2"], r"--input.* must be 4 positive integers"),
        (["--weight", "w.npy"], r"--weight.* must be 4 positive integers"),
        (["--padding", "same"], r"--padding.* must be one integer, or two"),
        (["--map", "conv"], r"--map.* must be NAME=CONVENTION, .* but got 'conv'"),
        (["--map", "conv=some.thing"], r"compare: a convention must be one of"),
        (["--time-limit", "0"], r"fastconv: --time-limit must be positive"),
    ],
)
def test_wrong_usage_is_one_line_and_two(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    pytest.importorskip("typer")
    assert in_process(monkeypatch, "--module", str(written(tmp_path, IMAGES)), *arguments) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("fastconv: ")
    assert re.search(message, line), line


def test_options_of_modules_need_one(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("typer")
    assert in_process(monkeypatch, "--map", "a=b") == 2
    assert "--map goes with --module alone" in capsys.readouterr().err
    assert in_process(monkeypatch, "--module", "no.py") == 2
    assert "no.py: no such Python file" in capsys.readouterr().err


def test_a_file_that_cannot_be_imported_exits_with_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("typer")
    assert in_process(monkeypatch, "--module", str(written(tmp_path, "1 / 0\n"))) == 1
    assert "ZeroDivisionError: division by zero (layers.py, line 1)" in capsys.readouterr().err

"""The ladder: its rungs, its arithmetic, its processes, its report and its command."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import contest_engines
import numpy as np
import pytest
from documentation import generate_into
from programs import SUPPORT
from strategies import BACKENDS

from fastconv.errors import InvalidValueError
from fastconv.evidence.contest.engines import load
from fastconv.evidence.contest.engines.base import Job
from fastconv.evidence.contest.shared import read_job, write_problem
from fastconv.evidence.environment import current_environment
from fastconv.evidence.ladder import Ladder, climb, plot_ladder, run_ladder
from fastconv.evidence.ladder.ladder import Measured
from fastconv.evidence.ladder.rungs import CROP, RUNGS, WHOLE, Exact, Rung, Written
from fastconv.evidence.workloads import LAYERS, POOLS, Options, Workload, by_name
from fastconv.report import read_record

needs_fast = pytest.mark.skipif("fast" not in BACKENDS, reason="the fast backend needs Numba")


def layer(x: tuple[int, ...], weight: tuple[int, ...], *, bias: bool = True, **options: Any) -> Workload:
    return Workload("layer", "conv2d", x, weight[2:], weight, bias, Options(**options))  # type: ignore[arg-type]


TINY = layer((2, 3, 7, 9), (4, 3, 3, 2), stride=(2, 1), padding=1)
AWKWARD = (
    TINY,
    layer((1, 2, 5, 11), (3, 2, 2, 3), bias=False),
    layer((2, 3, 8, 6), (5, 3, 1, 1)),
    layer((1, 2, 9, 10), (2, 2, 3, 3), stride=(1, 2), padding=((0, 2), (1, 0))),
    layer((1, 1, 13, 12), (2, 1, 2, 2), stride=(3, 4)),
    layer((2, 2, 6, 7), (3, 2, 5, 6), padding=((4, 0), (0, 5))),
    layer((1, 2, 4, 5), (1, 2, 4, 5), padding="same"),
)


# the rungs


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("workload", AWKWARD, ids=lambda each: f"{each.input_shape}*{each.weight_shape}")
def test_every_rung_that_is_written_out_computes_the_same(workload: Workload, dtype: str, tmp_path: Path) -> None:
    shared = write_problem(workload, np.dtype(dtype), 0, tmp_path)
    for rung in RUNGS:
        if not issubclass(rung.engine, Written):
            continue
        for step in rung.engine.passes:
            (prepared,) = rung.engine(1).prepare(read_job(tmp_path, step)).values()
            for name, found in prepared.results(prepared.run()).items():
                found = found.astype(dtype) if rung.part == CROP else found  # the frozen loops return float64
                assert (np.abs(found - shared.expected[name]) <= shared.bounds[name].exact).all()


def test_columns_of_blocks_stay_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from fastconv.evidence.ladder import rungs

    shared = write_problem(TINY, np.dtype("float64"), 0, tmp_path)
    monkeypatch.setattr(rungs, "_BLOCK", 2 * 8 * 18 * 10)  # two rows of outputs, of 18 numbers for each of 10 columns
    job: Job = read_job(tmp_path, "forward")
    assert (np.abs(rungs.in_blocks(job) - shared.expected["y"]) <= shared.bounds["y"].exact).all()


def test_the_strided_view_is_no_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from fastconv.evidence.ladder import rungs

    workload = layer((2, 4, 6, 10), (3, 4, 3, 3), padding=1)  # rows of twelve pixels with their halo
    write_problem(workload, np.dtype("float64"), 0, tmp_path)
    seen: list[Any] = []
    matmul = np.matmul
    monkeypatch.setattr(rungs.np, "matmul", lambda a, b, out: seen.append(a) or matmul(a, b, out=out))
    rungs.in_place(read_job(tmp_path, "forward"))
    starts = [each.__array_interface__["data"][0] for each in seen[:6]]
    assert len(seen) == 2 * 3 * 3
    assert np.diff(starts).tolist() == [12 * 4 * 8, 12 * 4 * 8, (-2 * 12 + 1) * 4 * 8, 12 * 4 * 8, 12 * 4 * 8]


def test_rungs_have_a_name_a_line_and_a_place() -> None:
    assert len({rung.name for rung in RUNGS}) == len(RUNGS)
    assert all(load(rung.place) is rung.engine and rung.adds and "\n" not in rung.adds for rung in RUNGS)
    assert [rung.part for rung in RUNGS].count(CROP) == 1
    assert [rung.parallel for rung in RUNGS] == sorted(rung.parallel for rung in RUNGS)  # one thread, then all


# arithmetic, on made-up numbers


def measured(rung: str, *rounds: float, **changes: Any) -> Measured:
    return replace(Measured(rung, "words", "forward", 1, 100, 100, rounds, 0.1, 1e-6), **changes)


def made_ladder(*rungs: Measured, **changes: Any) -> Ladder:
    made = Ladder(
        workload="layer",
        description="",
        dtype="float32",
        input_shape=(1, 2, 3, 4),
        weight_shape=(5, 2, 3, 3),
        stride=(1, 1),
        padding=((1, 1), (1, 1)),
        flops=8 * 10**9,
        measured=rungs,
        peaks={"forward 1": (10.0, 20.0, 16.0), "forward 2": (20.0, 40.0, 32.0), "backward 1": (10.0, 20.0, 16.0)},
        environment=current_environment(),
        seconds=12.0,
    )
    return replace(made, **changes)


LOOPS = measured("loops", 100.0, 300.0, 80.0, outputs=1)
TILE = measured("register tile", 1.0, 2.0, 2.0)
BACKWARD = measured("register tile", 2.0, 4.0, 4.0, step="backward")
THREADS = measured("threads", 0.5, 1.0, 4.0, threads=2)


def test_gains_are_medians_of_quotients_within_rounds() -> None:
    loops, tile, threads, backward = made_ladder(LOOPS, TILE, THREADS, BACKWARD).gains
    assert (loops.before, loops.loops) == (None, 1.0)
    assert (tile.before, tile.loops) == (100.0, 100.0)  # 100, 150, 40
    assert (tile.gflops, tile.of_peak) == (4.0, 0.25)  # 8/10, 4/20, 4/16
    assert (threads.before, threads.of_peak) == (2.0, 0.2)  # 2, 2, 0.5; 16/20, 8/40, 2/32
    assert (backward.before, backward.loops) == (None, None)
    assert backward.gflops == 4.0  # twice the work


def test_the_report_is_made_of_the_json(tmp_path: Path) -> None:
    wrong = measured("threads", threads=2, of_tolerance=float("inf"), max_abs=1.0)
    made = made_ladder(LOOPS, TILE, wrong, BACKWARD)
    made.save(tmp_path / "ladder.json")
    text = (tmp_path / "ladder.json").read_text(encoding="utf-8")
    data = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    page = read_record(Ladder, data).markdown()
    assert page == made.markdown()
    assert "| loops | words | 1 | 1.00% | 100 s | – | 1.00× | 0.08 | < 1% | 10% |" in page
    assert "| register tile | words | 1 | all | 2.00 s | 100× | 100× | 4 | 25% | 10% |" in page
    assert "| threads | words | 2 | all | – | – | – | – | – | WRONG |" in page
    assert "layer: 1×2×3×4 ⋆ 5×2×3×3, stride 1×1, padding 1:1 and 1:1." in page
    assert not made.ok
    (line,) = made.failures()
    assert line.startswith(
        "ladder: forward of threads must be within what is promised of the result in float64, but got"
    )
    assert line.endswith("inf times that (largest difference 1.00e+00).")


def test_the_documentation_is_generated_from_the_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    generate = generate_into(tmp_path, monkeypatch)
    made = made_ladder(LOOPS, TILE)
    made.save(tmp_path / "ladder.json")
    generate.main("ladder", str(tmp_path / "ladder.json"))
    assert (tmp_path / "ladder.md").read_text(encoding="utf-8").endswith(made.markdown())


def test_the_picture(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    plot_ladder(made_ladder(LOOPS, TILE, THREADS, BACKWARD), tmp_path / "ladder.svg")
    assert "times faster than the frozen loops" in (tmp_path / "ladder.svg").read_text(encoding="utf-8")
    with pytest.raises(InvalidValueError, match=r"plot_ladder: path must end in one of pdf, png, svg, but got"):
        plot_ladder(made_ladder(LOOPS), tmp_path / "ladder.gif")


# processes


@needs_fast
def test_a_wrong_rung_has_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(SUPPORT))
    wrong = Rung("wrong", "a mistake", contest_engines.WrongRung)
    monkeypatch.setattr(climb, "RUNGS", (RUNGS[0], wrong, Rung("tile", "speed", Exact)))
    found = run_ladder(TINY, passes=("forward",), rounds=2, threads=1)
    loops, off, tile = found.measured
    assert (off.rounds, off.ok, off.seconds) == ((), False, None)
    assert [len(each.rounds) for each in (loops, tile)] == [2, 2]
    assert found.gains[-1].before is None
    assert found.gains[-1].loops is not None
    assert [line.split(" must")[0] for line in found.failures()] == ["ladder: forward of wrong"]


@pytest.mark.slow
@needs_fast
def test_the_whole_ladder() -> None:
    texts: list[str] = []
    workload = by_name("conv3x3_3_32_32").with_batch(2)
    found = run_ladder(workload, rounds=2, progress=lambda text, fraction: texts.append(f"{fraction:.0%} {text}"))
    threads = found.environment.threads
    names = [rung.name for rung in RUNGS if threads > 1 or rung.name != "threads"]
    assert found.ok, found.failures()
    assert [each.rung for each in found.measured if each.step == "forward"] == names
    assert [each.rung for each in found.measured if each.step == "backward"] == [
        name for name in names if name not in ("blocked", "strided view")
    ]
    assert {each.threads for each in found.measured} == {1, threads}
    for each in found.measured:
        assert len(each.rounds) == 2
        assert each.whole_outputs == 2 * 32 * 32 * 32
        assert (each.outputs == each.whole_outputs) == (RUNGS[names.index(each.rung)].part == WHOLE)
    assert all(gain.loops is not None and gain.of_peak is not None for gain in found.gains)
    assert found.gains[-1].loops is not None
    assert found.gains[-1].loops > 5
    assert texts[-1] == "100% done"


@pytest.mark.parametrize(
    ("workload", "settings", "message"),
    [
        (POOLS[0], {}, r"ladder: the layer must be a convolution, but got maxpool2x2_64_56 \(max_pool2d\)"),
        (
            by_name("depthwise3x3_128_28"),
            {},
            r"neither groups nor dilation, .* but got groups=128 and dilation=\(1, 1\)",
        ),
        (layer((1, 2, 9, 9), (3, 2, 3, 3), dilation=2), {}, r"but got groups=1 and dilation=\(2, 2\) \(layer\)"),
        (TINY.with_batch(0), {}, "ladder: the layer must have an image at least, but got none"),
        (TINY, {"passes": ("sideways",)}, "ladder: passes must be some of forward, backward, but got 'sideways'"),
        (TINY, {"dtype": "float16"}, "ladder: dtype must be some of float32, float64, but got 'float16'"),
        (TINY, {"rounds": 0}, "ladder: rounds must be at least 1, but got 0"),
        (TINY, {"seed": -1}, "ladder: seed must be at least 0, but got -1"),
    ],
)
@needs_fast
def test_wrong_arguments(workload: Workload, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        run_ladder(workload, **settings)


# the command


def command(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    pytest.importorskip("typer")
    from fastconv import cli

    monkeypatch.setattr(sys, "argv", ["fastconv", "bench", *arguments])
    return cli.main()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["conv9"], "a layer must be one of conv3x3_64_56, .*, but got 'conv9'"),
        (["one-image"], "--ladder takes one layer, but got one-image"),
        (["conv3x3_64_56", "conv3x3_512_7"], "--ladder takes one layer, but got conv3x3_64_56, conv3x3_512_7"),
        (["conv3x3_64_56", "--stride", "2"], "a name or a layer of your own, but got conv3x3_64_56 and --stride"),
        (["--input", "1,2,3,4"], "a layer of your own needs --input NxCxHxW and --weight FxCxKHxKW"),
        (["--input", "1,2,3", "--weight", "1,2,3,3"], "--input.* must be 4 positive integers with x"),
        (["--dtype", "float32,float64"], "--ladder takes one dtype, but got float32, float64"),
        (["--against", "torch"], "--against.* does not go with --ladder"),
        (["--backend", "fast"], "--backend.* does not go with --ladder"),
        (["--networks"], "--networks.* does not go with --ladder"),
        (["--plot", "out.gif"], r"--plot.* must end in \.pdf, \.png, \.svg, but got 'out\.gif'"),
    ],
)
def test_used_wrongly(
    arguments: list[str], message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(monkeypatch, "--ladder", *arguments) == 2
    assert re.search(message, capsys.readouterr().err)


def test_options_of_a_layer_go_with_the_ladder_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(monkeypatch, "--padding", "1") == 2
    assert re.search("--padding.* goes with --ladder", capsys.readouterr().err)


def test_what_the_command_asks_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    pytest.importorskip("typer")
    from fastconv.cli import ladder as part

    asked: list[Any] = []
    right, wrong = made_ladder(LOOPS, TILE), measured("threads", threads=2, of_tolerance=9.0)

    def note(workload: Workload, *, progress: object, **settings: Any) -> Ladder:
        asked.append((workload, settings))
        return right if workload.name != "layer" else replace(right, measured=(LOOPS, wrong))

    monkeypatch.setattr(part, "run_ladder", note)
    assert command(monkeypatch, "--ladder", "--json", str(tmp_path / "out.json")) == 0
    assert command(monkeypatch, "--ladder", "--quick", "--threads", "1", "--dtype", "float64") == 0
    assert command(monkeypatch, "--ladder", "one3x3_64_56", "--passes", "forward", "--rounds", "4") == 0
    own = ("--input", "3,2,7,6", "--weight", "4,2,3,3", "--stride", "2,1", "--padding", "1:0,0:2")
    assert command(monkeypatch, "--ladder", *own, "--batch", "5") == 1
    assert [settings for _, settings in asked] == [
        {},
        {"rounds": 3, "seconds": 10.0, "dtype": "float64", "threads": 1},
        {"passes": ("forward",), "rounds": 4},
        {},
    ]
    assert [workload for workload, _ in asked[:2]] == [LAYERS[0], LAYERS[0].with_batch(1)]
    assert asked[2][0].name == "one3x3_64_56"
    assert asked[3][0] == layer((5, 2, 7, 6), (4, 2, 3, 3), stride=(2, 1), padding=((1, 0), (0, 2)))
    err = capsys.readouterr().err
    assert "fastconv: bench: ladder: forward of threads must be within what is promised of the result" in err
    from fastconv.cli.report import read_saved

    saved = read_saved(tmp_path / "out.json")
    assert (saved.kind, saved.result.report) == ("ladder", right.report())

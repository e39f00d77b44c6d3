"""The contest: its processes, its judge, its arithmetic, its report and its command."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pytest
from documentation import generate_into
from light_commands import printed_by
from programs import FULL, ROOT, SUPPORT, patience, until
from strategies import BACKENDS

import fastconv as fc
from fastconv.errors import FastconvError, InvalidValueError
from fastconv.evidence.contest import Contest, Entry, Heat, Startup, run_contest, startup
from fastconv.evidence.contest.contest import plot_contest
from fastconv.evidence.contest.engines import Entrant, entrant
from fastconv.evidence.contest.engines.base import IMAGE_BY_IMAGE
from fastconv.evidence.contest.heats import median_ratio
from fastconv.evidence.contest.processes import engine_processes
from fastconv.evidence.contest.shared import check_results, read_job, write_problem
from fastconv.evidence.contest.turns import schedule
from fastconv.evidence.contest.worker import timed_turn
from fastconv.evidence.environment import current_environment
from fastconv.evidence.process import WorkerError, receive, send
from fastconv.evidence.workloads import POOLS, Options, Workload
from fastconv.report import read_record

needs_fast = pytest.mark.skipif("fast" not in BACKENDS, reason="the fast backend needs Numba")

TINY = Workload("tiny", "conv2d", (2, 3, 7, 9), (3, 2), (4, 3, 3, 2), True, Options(stride=(2, 1), padding=1))
BARE = Workload("bare", "conv2d", (1, 4, 6, 5), (2, 3), (6, 2, 2, 3), False, Options(dilation=(2, 1), groups=2))
OTHERS = [name for name in ("torch", "onnxruntime", "jax", "ncnn") if not entrant(name).missing]


def own(name: str) -> str:
    return f"contest_engines:{name}"


def contest(*engines: str, workloads: tuple[Workload, ...] = (TINY,), **settings: Any) -> Contest:
    settings = {"rounds": 2, "startup": False, "threads": 1, "passes": ("forward",), "dtypes": ("float32",), **settings}
    return run_contest(workloads, engines=engines, **settings)


@pytest.fixture(autouse=True)
def engines_can_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(SUPPORT))


# arithmetic, on made-up numbers


def entry(engine: str, *rounds: float | None, of_tolerance: float = 0.1, limit: float = 1.0) -> Entry:
    return Entry(engine, "NCHW", rounds, of_tolerance, 1e-6, limit)


def heat(*entries: Entry, **changes: Any) -> Heat:
    made = Heat(
        workload="layer",
        description="",
        step="forward",
        dtype="float32",
        flops=8 * 10**9,
        entries=entries,
        refused={},
        peaks=(10.0, 20.0, 16.0),
        single_peaks=(5.0, 10.0, 8.0),
        single_variant="NCHW",
        single=(1.5, 4.0, 3.6),
        parts={"dx": (0.5, 0.5, 0.5)},
        workspace=3 * 2**20,
        workspace_floor=2**20,
        threads=2,
        loop_seconds=200.0,
    )
    return replace(made, **changes)


OURS = entry("fastconv", 1.0, 2.0, 2.0)


def test_the_ratio_is_the_median_of_the_quotients_within_rounds() -> None:
    made = heat(OURS, entry("torch", 3.0, 2.0, 4.0), entry("jax", 2.0, 8.0, None))
    assert made.ratio == 2.0  # 2/1, 2/2, 4/2; not median(others) / median(ours)
    assert made.best(ours=False) == (2.0, 2.0, 4.0)
    assert made.best_other == "torch NCHW"


def test_the_better_variant_counts_on_both_sides() -> None:
    made = heat(OURS, entry("fastconv", 0.5, None, None), entry("torch", 1.0, 2.0, 2.0))
    assert made.best(ours=True) == (0.5, 2.0, 2.0)
    assert made.ratio == 1.0


def test_a_wrong_result_does_not_count_but_stays() -> None:
    made = heat(OURS, entry("torch", 0.1, 0.1, 0.1, of_tolerance=9.0, limit=4.0), entry("jax", 2.0, 2.0, 2.0))
    assert made.ratio == 1.0
    assert [each.ok for each in made.entries] == [True, False, True]
    assert heat(OURS, entry("torch", 0.1, 0.1, 0.1, of_tolerance=float("inf"))).ratio is None


def test_figures_of_a_heat() -> None:
    made = heat(OURS)
    assert made.ratio is None
    assert made.gflops == 4.0
    assert made.of_peak == 0.25  # 8/10, 4/20, 4/16
    assert made.part_of_peak("dx") == 0.5  # half of the work: 8/10, 8/20, 8/16
    assert made.scaling == 0.9  # 1.5, 2.0 and 1.8 times faster where the peak gains 2
    assert made.times_faster == 100.0
    assert made.excess_workspace == 2**20


def test_median_ratio_without_a_round_is_none() -> None:
    assert median_ratio([None, 1.0], [1.0, None]) is None


def made_contest(*heats: Heat, **changes: Any) -> Contest:
    made = Contest(heats, current_environment(), {}, {"fastconv": 0.001}, Startup(3.0, 0.7, 50.0), 12.0)
    return replace(made, **changes)


def test_who_goes_through_a_batch_image_by_image_is_named() -> None:
    slow = replace(entry("ncnn", 2.0, 2.0, 2.0), variant=IMAGE_BY_IMAGE)
    assert "ncnn has no axis for the batch: it computes image by image." in made_contest(heat(OURS, slow)).markdown()
    assert "image by image" not in made_contest(heat(OURS, entry("ncnn", 2.0, 2.0, 2.0))).markdown()


def test_verdicts_against_the_targets() -> None:
    slow, quick = entry("torch", 0.8, 1.6, 1.6), entry("torch", 2.0, 4.0, 4.0)
    found = made_contest(
        heat(OURS, slow),
        heat(OURS, quick, workload="other"),
        heat(OURS, quick, workload="conv3x3_64_56", step="backward"),
    ).verdicts
    by_name = {verdict.what: verdict for verdict in found}
    each = by_name["forward, float32: best other / fastconv, each"]
    assert (each.value, each.where, each.met) == (0.8, "layer forward", False)
    mean = by_name["forward, float32: geometric mean of 2"]
    assert (mean.value, mean.met) == (pytest.approx(1.6**0.5), False)
    assert by_name["backward, float32, dense 3×3: best other / fastconv, each"].met
    loops = by_name["times faster than the frozen loops: conv3x3_64_56 backward"]
    assert (loops.value, loops.met) == (100.0, False)
    assert not by_name["first convolution in a process, warm cache"].met
    assert by_name["first convolution in a process, empty cache"].met
    assert by_name["workspace beyond the copies"].value == 1.0
    assert not any("float64" in name for name in by_name)


def test_each_round_begins_with_another() -> None:
    orders = [schedule(3, index) for index in range(3)]
    assert sorted(order[0] for order in orders) == [0, 1, 2]
    assert all(sorted(order) == [0, 1, 2] for order in orders)


def test_a_turn_is_the_median_of_its_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 1.0, 10.0, 11.0, 20.0, 25.0, 30.0, 32.0])  # one call to warm up, then 1, 5 and 2 seconds
    monkeypatch.setattr(time, "perf_counter", lambda: next(clock))
    assert timed_turn(lambda: None, seconds=3.0) == 2.0


# messages and processes


def test_messages_have_a_length() -> None:
    stream = io.BytesIO()
    send(stream, {"do": "turn", "variant": "×"})
    send(stream, {})
    whole = stream.getvalue()
    stream.seek(0)
    assert receive(stream) == {"do": "turn", "variant": "×"}
    assert receive(stream) == {}
    assert receive(stream) is None
    assert receive(io.BytesIO(whole[:2])) is None
    assert receive(io.BytesIO(whole[:9])) is None


@pytest.fixture
def course(tmp_path: Path) -> Iterator[Any]:
    return write_problem(TINY, np.dtype("float32"), 0, tmp_path)


def test_workers_read_what_the_contest_wrote(course: Any) -> None:
    job = read_job(course.folder, "backward")
    assert job.geometry == course.problem.geometry
    assert (job.stride, job.padding, job.dilation) == ((2, 1), ((1, 1), (1, 1)), (1, 1))
    np.testing.assert_array_equal(job.x, TINY.inputs()["x"])
    assert job.dy.shape == TINY.output_shape


def test_a_worker_answers_and_ends(course: Any) -> None:
    with engine_processes([entrant(own("Talker"))], 1) as (process,):
        assert process.ask("versions")["versions"] == {"numpy": np.__version__}
        answer = process.ask("prepare", folder=str(course.folder), step="forward")  # what it prints is no message
        (difference,) = check_results(course, "forward", answer["variants"]["NCHW"]["files"], ours=True)
        assert difference.within
        assert process.turn("NCHW", 0.001) > 0
        with pytest.raises(WorkerError, match="contest: Talker: KeyError: 'NHWC'"):
            process.turn("NHWC", 0.001)
        assert process.turn("NCHW", 0.001) > 0  # an error does not end it
        assert 0 <= process.busy < process.rested
        pid = process.worker.pid
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_worker_that_cannot_begin_says_why() -> None:
    with engine_processes([Entrant("nobody", "contest_engines:Nobody", ())], 1) as (process,):
        with pytest.raises(WorkerError, match=r"nobody: AttributeError: .* no attribute 'Nobody'"):
            process.ask("versions")
        process.worker._process.kill()
        with pytest.raises(WorkerError, match="its process ended"):
            process.ask("versions")


def test_the_judge_wants_every_result(course: Any, tmp_path: Path) -> None:
    with pytest.raises(InvalidValueError, match="the results of backward must be dx, dweight, dbias, but got dx"):
        check_results(course, "backward", {"dx": str(tmp_path / "dx.npy")}, ours=True)


@pytest.mark.slow
@pytest.mark.parametrize("name", OTHERS)
@needs_fast
def test_the_other_engines_compute_the_same(name: str) -> None:
    found = contest(name, workloads=(TINY, BARE), passes=("forward", "backward"), dtypes=("float32", "float64"))
    assert found.absent == {}
    assert found.failures() == ()
    assert found.environment.versions.keys() > {name}
    for made in found.heats:
        ran = {each.engine for each in made.entries}
        assert ran == ({"fastconv"} if name in made.refused else {"fastconv", name})
        assert (made.ratio is None) == (name in made.refused)
    refused = {(made.step, made.dtype) for made in found.heats if made.refused}
    assert refused == (
        {("forward", "float64"), ("backward", "float32"), ("backward", "float64")}
        if name in ("onnxruntime", "ncnn")
        else set()
    )


# a whole contest


@pytest.mark.slow
@needs_fast
def test_a_contest_with_two_threads_and_all_figures() -> None:
    layer = Workload("wide", "conv2d", (2, 64, 8, 8), (3, 3), (64, 64, 3, 3), True, Options(padding=1))
    threads = min(2, fc.get_num_threads())
    found = contest(own("Right"), workloads=(layer,), passes=("forward", "backward"), threads=threads)
    assert found.ok
    assert [made.step for made in found.heats] == ["forward", "backward"]
    forward, backward = found.heats
    assert {(each.engine, each.variant) for each in forward.entries} == {
        ("fastconv", "NCHW"),
        ("fastconv", "channels-last"),
        ("Right", "NCHW"),
    }
    assert all(len(each.rounds) == 2 for each in forward.entries)
    assert len(forward.peaks) == len(forward.single_peaks) == 2
    assert forward.flops == 2 * layer.multiply_adds()
    assert backward.flops == 2 * forward.flops
    assert set(backward.parts) == {"dx", "dweight"}
    for name, seconds in backward.parts.items():  # no bound: a peak is too low where a neighbour took the core
        shares = [backward.flops // 2 / time / 1e9 / peak for time, peak in zip(seconds, backward.peaks)]
        assert backward.part_of_peak(name) == median(shares) > 0
    assert (forward.scaling is None) == (threads == 1)
    assert forward.ratio is not None
    assert forward.ratio > 0
    ours = [min(each.rounds[i] for each in forward.entries if each.engine == "fastconv") for i in range(2)]
    shares = [forward.flops / time / 1e9 / peak for time, peak in zip(ours, forward.peaks)]
    assert forward.of_peak == median(shares) > 0
    assert forward.times_faster is not None
    assert forward.times_faster > 1
    assert set(found.spinning) == {"fastconv", "Right"}
    assert found.environment.threads == threads


@pytest.mark.slow
@needs_fast
def test_a_wrong_engine_is_caught_and_does_not_count() -> None:
    found = contest(own("WrongCorner"), own("Right"), passes=("forward", "backward"))
    assert found.ok  # it is not fastconv that is wrong
    assert [re.sub(r" must.*", "", line) for line in found.failures()] == [
        "tiny: forward of WrongCorner (NCHW, float32)",
        "tiny: backward of WrongCorner (NCHW, float32)",
    ]
    for made in found.heats:
        assert made.best_other == "Right NCHW"
    assert "WRONG" in found.markdown()


@pytest.mark.slow
@needs_fast
def test_who_cannot_run_is_reported() -> None:
    missing = "no_such_package:Engine"
    names = (missing, own("Raiser"), own("ForwardOnly"), own("Forgetful"), own("Crasher"))
    found = contest(*names, passes=("forward", "backward"))
    assert found.absent["Engine"] == "not installed (no_such_package)"
    assert re.search("RuntimeError: no licence", found.absent["Raiser"])
    assert re.search(r"failed in tiny backward float32: .*must be dx, dweight, dbias", found.absent["Forgetful"])
    assert re.search(r"failed in tiny forward float32: .*its process ended \(exit code 3", found.absent["Crasher"])
    forward, backward = found.heats
    assert {each.engine for each in forward.entries} == {"fastconv", "ForwardOnly", "Forgetful"}
    assert backward.refused["ForwardOnly"] == "no gradients here"
    text = found.markdown()
    assert "Engine did not take part: not installed (no_such_package)." in text
    assert "ForwardOnly: no gradients here (backward float32)." in text


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"engines": ("caffe",)},
            "engine must be one of torch, onnxruntime, jax, ncnn, or module:Class, but got 'caffe'",
        ),
        ({"passes": ("sideways",)}, "passes must be some of forward, backward, but got 'sideways'"),
        ({"dtypes": ()}, "dtypes must be some of float32, float64, but got none"),
        ({"rounds": 0}, "rounds must be at least 1, but got 0"),
        ({"threads": 4096}, "the number of threads must be at most Numba's limit"),
        ({"workloads": ()}, "workloads must hold at least one, but got none"),
        ({"workloads": POOLS[:1]}, "a workload must be a convolution, but got maxpool2x2_64_56"),
    ],
)
def test_wrong_arguments(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        run_contest(**{"workloads": (TINY,), **settings})


@needs_fast
def test_the_peak_is_a_rate_that_adds_up(monkeypatch: pytest.MonkeyPatch) -> None:
    from fastconv.evidence import peak

    monkeypatch.setattr(peak, "_rates", {})
    seconds = {}
    monkeypatch.setattr(peak, "_run", lambda item, threads, repeats: seconds.setdefault(repeats, 0.5 * repeats))
    flops = peak.kernel.repeat_flops(8)
    assert peak.measure_peak("float64", 3, seconds=100.0) == pytest.approx(3 * flops / 0.5 / 1e9)


@needs_fast
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_chains_of_the_peak_end_where_they_should(dtype: str) -> None:
    from fastconv.backends.fast.machine import peak
    from fastconv.backends.fast.machine.launch import address, launch

    item = np.dtype(dtype).itemsize
    numbers, results = np.array([0.5, 0.5], dtype), np.zeros((2, 128 // item), dtype)
    places = {"FACTOR": address(numbers), "TERM": address(numbers) + item, "RESULT": address(results)}
    block = peak.PEAK.fill(REPEATS=2, RESULT_STEP=128, **places)
    launch(peak.peak.address(item), block, 2, 1)
    starts = np.arange(1, peak.chains() + 1)
    lanes = peak.host().lanes(item)
    np.testing.assert_array_equal(results[:, :lanes], (starts / 4 + 0.75).sum())
    np.testing.assert_array_equal(results[:, lanes:], 0)


@pytest.mark.slow
@needs_fast
def test_the_first_convolution_is_timed_with_an_empty_and_a_warm_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(startup, "_WARMUP", "import os; assert not os.listdir(os.environ['NUMBA_CACHE_DIR'])")
    found = startup.measure_startup()
    assert found.warm < found.cold
    assert found.warmup > 0
    monkeypatch.setattr(startup, "_FIRST", "raise ValueError('no')")
    with pytest.raises(FastconvError, match=r"a new process must compute .* but it failed: ValueError: no"):
        startup.measure_startup()


# report and picture


def test_the_report_is_made_of_the_json(tmp_path: Path) -> None:
    absent = {"jax": "not installed (jax)"}
    made = made_contest(heat(OURS, entry("torch", 2.0, None, 4.0, of_tolerance=float("inf"))), absent=absent)
    made.save(tmp_path / "contest.json")
    text = (tmp_path / "contest.json").read_text(encoding="utf-8")
    data = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert read_record(Contest, data).markdown() == made.markdown()
    assert "| layer | 2000.000 (10%) | 3000.000 (WRONG) | – | 4 | 25% | 16 |" in read_record(Contest, data).markdown()
    assert "jax did not take part: not installed (jax)." in read_record(Contest, data).markdown()
    assert "3.00 s with an empty cache on disk, 0.70 s with a warm one" in read_record(Contest, data).markdown()


def test_the_documentation_is_generated_from_the_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    generate = generate_into(tmp_path, monkeypatch)
    made = made_contest(heat(OURS, entry("torch", 2.0, 2.0, 4.0)))
    made.save(tmp_path / "contest.json")
    generate.main("contest", str(tmp_path / "contest.json"))
    text = (tmp_path / "contest.md").read_text(encoding="utf-8")
    assert text.startswith("<!-- GENERATED by docs/generate.py")
    assert text.endswith(made.markdown())


@pytest.mark.parametrize(("suffix", "start"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_the_picture(tmp_path: Path, suffix: str, start: bytes) -> None:
    pytest.importorskip("matplotlib")
    others = (entry("torch", 2.0, 2.0, 4.0), entry("jax", 9.0, 9.0, 9.0))
    double, lonely = heat(OURS, *others, dtype="float64"), heat(OURS, workload="lonely")
    data = made_contest(heat(OURS, *others), double, lonely, heat(OURS, *others, step="backward"))
    plot_contest(data, tmp_path / f"contest.{suffix}")
    assert (tmp_path / f"contest.{suffix}").read_bytes().startswith(start)
    with pytest.raises(InvalidValueError, match=r"path must end in one of pdf, png, svg, but got .*contest\.gif"):
        plot_contest(data, tmp_path / "contest.gif")


# the command


def command(*arguments: str, cwd: Path, **environment: str) -> subprocess.Popen[str]:
    pytest.importorskip("typer")
    paths = os.pathsep.join([str(ROOT), str(SUPPORT)])
    return subprocess.Popen(
        [sys.executable, "-m", "fastconv", "bench", *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": paths, "PYTHONIOENCODING": "utf-8", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )


@pytest.mark.slow
@needs_fast
def test_bench_quick(tmp_path: Path) -> None:
    engine = "torch" if FULL and "torch" in OTHERS else own("Right")
    files = ("--json", "out.json", "--markdown", "out.md", "--plot", "out.svg")
    process = command("conv5x5_1_20_28", "--batch", "1", "--quick", "--against", engine, *files, cwd=tmp_path)
    out, err = process.communicate(timeout=patience())
    assert process.returncode == 0, err
    assert "Best other engine / fastconv" in out
    assert "[100%] done" in err
    data = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    assert [(made["step"], made["dtype"]) for made in data["heats"]] == [
        ("forward", "float32"),
        ("backward", "float32"),
    ]
    assert all(len(made["peaks"]) == 3 and made["ratio"] > 0 for made in data["heats"])
    assert (tmp_path / "out.md").read_text(encoding="utf-8") == read_record(Contest, data).markdown()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.json", "out.md", "out.svg"]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["conv9", "--against", "torch"], 2, "a layer must be one of conv3x3_64_56, .*, but got 'conv9'"),
        (["--against", "jax", "--plot", "out.gif"], 2, r"--plot.* must end in \.pdf, \.png, \.svg, but got 'out\.gif'"),
        (["--against", "caffe"], 1, "an engine must be one of torch, onnxruntime, jax, ncnn, or module:Class"),
        (["--against", "torch", "--passes", "up"], 1, "passes must be some of forward, backward, but got 'up'"),
        (["--against", "torch", "--markdown", "nowhere/out.md"], 1, r"nowhere.out\.md: No such file or directory"),
        (["--against", "torch", "--json", "nowhere/out.json"], 1, r"nowhere.out\.json: No such file or directory"),
    ],
)
def test_bench_used_wrongly(
    arguments: list[str], code: int, message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("typer")
    from fastconv import cli

    monkeypatch.setattr(sys, "argv", ["fastconv", "bench", *arguments])
    assert cli.main() == code
    err = capsys.readouterr().err
    assert err.startswith("fastconv: ")
    assert re.search(message, err)


@needs_fast
def test_layers_and_sets_of_them_have_names(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("typer")
    from fastconv import cli
    from fastconv.cli import contest as command

    asked: list[str] = []

    def note(workloads: list[Workload], **settings: Any) -> Contest:
        asked.extend(f"{each.name} {each.input_shape}" for each in workloads)
        return made_contest(heat(OURS))

    monkeypatch.setattr(command, "run_contest", note)
    monkeypatch.setattr(sys, "argv", ["fastconv", "bench", "one3x3_64_56", "one-image", "--against", "ncnn"])
    assert cli.main() == 0
    assert asked == [
        "one3x3_64_56 (1, 64, 56, 56)",
        "one3x3_32_112 (1, 32, 112, 112)",
        "one3x3_64_112 (1, 64, 112, 112)",
        "one3x3_128_56 (1, 128, 56, 56)",
        "one3x3_128_28 (1, 128, 28, 28)",
        "one3x3_256_14 (1, 256, 14, 14)",
    ]


@needs_fast
def test_bench_exits_with_one_where_fastconv_is_wrong(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("typer")
    from fastconv import cli
    from fastconv.cli import contest as command

    wrong = made_contest(heat(entry("fastconv", 1.0, 1.0, 1.0, of_tolerance=2.0)))
    monkeypatch.setattr(command, "run_contest", lambda *args, **settings: wrong)
    monkeypatch.setattr(sys, "argv", ["fastconv", "bench", "--against", "torch"])
    assert cli.main() == 1
    assert re.search(r"fastconv: bench: layer: forward of fastconv .* but got 2\.0 times that", capsys.readouterr().err)


@pytest.mark.slow
@needs_fast
@pytest.mark.skipif(os.name == "nt", reason="SIGINT reaches the whole console there")
def test_ctrl_c_leaves_no_child_and_no_file(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    options = ("--quick", "--against", own("Sleeper"), "--json", "out.json")
    with command("conv5x5_1_20_28", *options, cwd=tmp_path, SLEEPER=str(note), TMPDIR=str(tmp_path)) as process:
        assert until(lambda: note.exists() and note.read_text(encoding="ascii").endswith("\n"))
        child = int(note.read_text(encoding="ascii"))
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=patience())
    assert process.returncode == 130
    assert err.splitlines()[-1] == "fastconv: interrupted"
    assert "Traceback" not in err
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)
    assert [path.name for path in tmp_path.iterdir()] == ["pid"]


def test_bench_help_imports_no_engine() -> None:
    assert "Usage" in printed_by("bench", "--help")

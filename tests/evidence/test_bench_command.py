"""The commands ``bench`` and ``report``, and the suite in a child process."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bench_numbers import CONV, POOL, Data, made_suite, record, run_of, write
from light_commands import printed_by
from programs import patience, until
from strategies import BACKENDS as AVAILABLE

import fastconv as fc
from fastconv.cli.report import read_saved
from fastconv.errors import InvalidValueError
from fastconv.evidence.bench import run as child
from fastconv.evidence.bench.cases import LOOPS, Case, Selection, cases
from fastconv.evidence.bench.suite import read_suite
from fastconv.evidence.bench.tables import report_of
from fastconv.report.record import read_json

ROOT = Path(fc.__file__).parent.parent

pytest.importorskip("typer")


@pytest.fixture
def comparison() -> Any:
    return fc.compare("conv2d", np.ones((1, 2, 5, 6)), np.ones((3, 2, 2, 3)), backends=("naive", "numpy"), repeats=1)


def command(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    from fastconv import cli

    monkeypatch.setattr(sys, "argv", ["fastconv", *arguments])
    return cli.main()


class Runs:
    """In the place of the child: gives prepared outcomes, notes what was asked for."""

    def __init__(self, *outcomes: child.Outcome | Data) -> None:
        self.outcomes, self.asked = list(outcomes), []  # type: ignore[var-annotated]

    def __call__(self, selection: Selection, progress: object = None) -> child.Outcome:
        self.asked.append(selection)
        given = self.outcomes.pop(0)
        return given if isinstance(given, child.Outcome) else child.Outcome(given, ())


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Runs]:
    """Prepare what the next runs give, in an empty folder."""
    pytest.importorskip("pytest_benchmark")
    monkeypatch.chdir(tmp_path)

    def prepare(*outcomes: child.Outcome | Data) -> Runs:
        made = Runs(*outcomes)
        monkeypatch.setattr("fastconv.cli.suite.run", made)
        return made

    return prepare


SLOW = record(minimum=2.0, median=2.2)


def test_bench_prints_saves_and_draws(
    runs: Callable[..., Runs], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    pytest.importorskip("matplotlib")
    made = runs(made_suite(), made_suite())
    files = ("--markdown", "out.md", "--plot", "out.svg")
    assert command(monkeypatch, "bench", "--save", "first", *files) == 0
    assert re.search(r"conv3x3_64_56 +forward +fast +all +1\.00 s .* 60×", capsys.readouterr().out)
    assert read_json(tmp_path / ".benchmarks" / "first.json") == made_suite()
    assert (tmp_path / "out.md").read_text(encoding="utf-8") == report_of(read_suite(made_suite(), "")).markdown()
    options = ("--backend", "fast, numpy", "--dtype", "float64", "--batch", "2", "--quick", "--save", "b.json")
    assert command(monkeypatch, "bench", CONV.workload, *options) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == [".benchmarks", "b.json", "out.md", "out.svg"]
    everything, part = made.asked
    assert everything == Selection()
    assert part == Selection((CONV.workload,), ("fast", "numpy", LOOPS), ("float64",), batch=2, quick=True)


def test_the_gate_runs_again_what_looks_slower(
    runs: Callable[..., Runs], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    write(tmp_path / "old.json", run_of(record(), record(POOL)))
    made = runs(run_of(SLOW, record(POOL)), run_of(SLOW), run_of(record()))
    assert command(monkeypatch, "bench", "--compare", "old.json", "--fail-over", "10", "--save", "new.json") == 0
    assert [asked.workloads for asked in made.asked] == [(), (CONV.workload,), (CONV.workload,)]
    assert {asked.backends for asked in made.asked[1:]} == {("fast",)}
    assert re.search(r"conv3x3_64_56 .* 1\.10 s +1\.10 s +1\.00 +same", capsys.readouterr().out)
    assert read_suite(read_json(tmp_path / "new.json"), "new").results[CONV].minimum == 1.0
    made = runs(run_of(SLOW, record(POOL)), *(run_of(SLOW) for _ in range(3)))
    assert command(monkeypatch, "bench", "--quick", "--compare", "old.json", "--fail-over", "10") == 1
    assert [asked.quick for asked in made.asked] == [True, False, False, False]
    err = capsys.readouterr().err
    assert err.splitlines()[-1] == (
        "fastconv: bench: conv3x3_64_56 forward fast float32: must not be slower, but it takes 100% longer "
        "(1100 ms then, 2200 ms now)."
    )


def test_the_gate_refuses_times_that_are_not_reliable(
    runs: Callable[..., Runs], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    write(tmp_path / "old.json", run_of(record(), record(POOL)))
    runs(run_of(record(), record(POOL, peak=80.0)))
    assert command(monkeypatch, "bench", "--compare", "old.json", "--fail-over", "10") == 1
    out, err = capsys.readouterr()
    assert out.startswith("The times are not reliable, because the peak moved between 80 and 100 GFLOP/s.")
    assert err.splitlines()[-1] == (
        "fastconv: bench: --fail-over must compare times that are reliable, but now the peak moved between 80 and 100 "
        "GFLOP/s. Run it again when nothing else runs."
    )


def test_without_fail_over_a_comparison_only_shows(
    runs: Callable[..., Runs], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    write(tmp_path / "old.json", run_of(record(), cpu="Slide rule"))
    runs(run_of(SLOW), run_of(SLOW))
    assert command(monkeypatch, "bench", "--compare", "old.json") == 0
    out = capsys.readouterr().out
    assert re.search(r"conv3x3_64_56 .* 2\.00 +slower", out)
    assert "not of the same machine: cpu 'Slide rule' then, 'Abacus' now" in out
    runs(run_of(record()))
    assert command(monkeypatch, "bench", "--compare", "old.json", "--fail-over", "10") == 1
    assert "--fail-over must compare runs of one machine, but got cpu" in capsys.readouterr().err


def test_a_wrong_result_is_named_and_the_rest_is_kept(
    runs: Callable[..., Runs], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    runs(child.Outcome(made_suite(), ("conv9: y must be right",)), child.Outcome({"benchmarks": []}, ("all: wrong",)))
    assert command(monkeypatch, "bench", "--save", "a.json") == 1
    assert (tmp_path / "a.json").exists()
    assert capsys.readouterr().err.endswith("fastconv: bench: conv9: y must be right\n")
    assert command(monkeypatch, "bench", "--save", "b.json") == 1
    assert not (tmp_path / "b.json").exists()
    assert capsys.readouterr().err.endswith("fastconv: bench: all: wrong\n")


def test_old_spellings_work_and_name_the_new_ones(
    runs: Callable[..., Runs], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    made = runs(made_suite(), made_suite())
    assert command(monkeypatch, "bench", "--dtypes", "float64", "--save", "a.json") == 0
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == (
        "fastconv: `fastconv bench --dtypes` will be gone in the next version; write `fastconv bench --dtype` instead"
    )
    assert lines[1].endswith("write `fastconv bench --json a.json` instead")
    assert made.asked[0].dtypes == ("float64",)
    assert read_json(tmp_path / "a.json") == made_suite()
    assert command(monkeypatch, "bench", "--json", "-", "--save", "kept") == 0
    assert json.loads(capsys.readouterr().out) == read_json(tmp_path / ".benchmarks" / "kept.json") == made_suite()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["bench", "conv9"], 2, "a workload must be one of .* names, but got 'conv9'"),
        (["bench", "--backend", "cuda"], 2, "--backend must be some of .*, but got 'cuda'"),
        (["bench", "--dtype", "int8"], 2, "--dtype must be some of .*, but got 'int8'"),
        (["bench", "--threads", "4096"], 1, "the number of threads must be at most"),
        (["bench", "--passes", "forward"], 2, "--passes.*goes with --against"),
        (["bench", "--json", "nowhere/a.json"], 1, r"nowhere.a\.json: No such file or directory"),
        (["bench", "--seed", "0"], 2, "--seed.*goes with --against"),
        (["bench", "--against", "torch", "--save", "a"], 2, "--save.*does not go with --against"),
        (["bench", "--against", "torch", "--fail-over", "5"], 2, "--fail-over.*does not go with --against"),
        (["bench", "--fail-over", "5"], 2, "--fail-over.*must have something to compare with: add --compare"),
        (["bench", "--compare", "nobody"], 1, r"\.benchmarks.nobody\.json: No such file or directory"),
        (["bench", "--compare", "text.json"], 1, r"text\.json must be JSON"),
        (["bench", "--save", "nowhere/a.json"], 1, r"nowhere.a\.json: No such file or directory"),
        (["bench", "--plot", "out.gif"], 2, r"--plot.* must end in \.pdf, \.png, \.svg"),
        (["report", "nowhere.json"], 1, r"nowhere\.json: No such file or directory"),
        (["report", "text.json"], 1, r"text\.json must be JSON"),
        (["report", "suite.json", "--plot", "out.gif"], 1, "path must end in one of pdf, png, svg"),
        (["report", "suite.json", "--markdown", "nowhere/a.md"], 1, r"nowhere.a\.md: No such file or directory"),
    ],
)
def test_used_wrongly(
    arguments: list[str],
    code: int,
    message: str,
    runs: Callable[..., Runs],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    runs()
    write(tmp_path / "text.json", "1 2 3")
    write(tmp_path / "suite.json", made_suite())
    assert command(monkeypatch, *arguments) == code
    err = capsys.readouterr().err
    assert err.startswith("fastconv: ")
    assert re.search(message, err)


def test_report_prints_or_writes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, comparison: Any
) -> None:
    pytest.importorskip("matplotlib")
    suite = write(tmp_path / "suite.json", made_suite())
    assert command(monkeypatch, "report", str(suite)) == 0
    assert "Suite, float64" in capsys.readouterr().out
    files = ("--markdown", str(tmp_path / "a.md"), "--plot", str(tmp_path / "a.svg"))
    assert command(monkeypatch, "report", str(suite), *files) == 0
    assert capsys.readouterr().out == ""
    assert (tmp_path / "a.md").read_text(encoding="utf-8") == read_saved(suite).markdown()
    comparison.save(tmp_path / "compare.json")
    assert command(monkeypatch, "report", str(tmp_path / "compare.json")) == 0
    assert "naive and numpy agree" in capsys.readouterr().out


# for real, in a child

PLUGIN = """
import fastconv.evidence.accuracy  # which judges, with the right one
from fastconv.evidence import problem as work

right = work.forward

def forward(problem, backend):
    results = right(problem, backend)
    if backend == "numpy":
        results["y"][-1, -1, -1, -1] += 0.5
    return results

work.forward = forward
"""


@pytest.fixture
def bench_files() -> None:
    pytest.importorskip("pytest_benchmark")
    try:
        child.bench_folder()
    except fc.errors.FastconvError:
        pytest.skip("the bench files are not here")


@pytest.mark.slow
@pytest.mark.usefixtures("bench_files")
def test_the_suite_in_a_child() -> None:
    seen: list[tuple[str, float]] = []
    chosen = Selection((POOL.workload,), ("numpy", "naive", LOOPS), batch=1, threads=1, quick=True)
    outcome = child.run_suite(chosen, lambda text, fraction: seen.append((text, fraction)))
    assert outcome.failures == ()
    suite = read_suite(outcome.data, "here")
    assert suite.selection == replace(chosen, quick=False)
    assert list(suite.results) == list(cases("pool", chosen))
    assert [text for text, _ in seen] == [str(case) for case in suite.results]
    assert [fraction for _, fraction in seen] == sorted(fraction for _, fraction in seen)
    for result in suite.results.values():
        assert 0 < result.minimum <= result.median
        assert result.of_tolerance is not None
        assert result.threads == 1
        assert (result.peak is None) == ("fast" not in AVAILABLE)
    numpy = suite.results[Case(POOL.workload, "forward", "numpy", "float32")]
    assert numpy.sizes["shapes"]["x"] == [1, 64, 56, 56]
    assert (suite.times_faster(numpy) or 0) > 1
    assert suite.environment.threads == 1
    assert {"python", "numpy", "numba"} <= suite.environment.versions.keys()


@pytest.mark.slow
@pytest.mark.usefixtures("bench_files")
def test_a_wrong_kernel_fails_its_bench_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "wrong_kernel.py").write_text(PLUGIN, encoding="ascii")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTEST_PLUGINS", "wrong_kernel")
    chosen = Selection(("conv5x5_1_20_28",), ("numpy", LOOPS), batch=1, quick=True)
    outcome = child.run_suite(chosen)
    (failure,) = outcome.failures
    assert re.match(r"conv5x5_1_20_28 forward numpy float32: y must be within 64 eps sum \|x·w\| of ", failure)
    timed = set(read_suite(outcome.data, "here").results)
    assert timed == set(cases("conv", chosen)) - {Case("conv5x5_1_20_28", "forward", "numpy", "float32")}


@pytest.mark.usefixtures("bench_files")
def test_a_child_that_cannot_begin_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_PLUGINS", "no_such_plugin_at_all")
    with pytest.raises(
        fc.errors.FastconvError, match=r"pytest must run the suite, but it failed \(exit code \d+\): .+"
    ):
        child.run_suite(Selection((POOL.workload,), ("numpy",)))


def test_nothing_to_run_is_an_error() -> None:
    with pytest.raises(InvalidValueError, match="must have a case in common, but got first_convolution with numpy and"):
        child.run_suite(Selection(("first_convolution",), ("numpy",)))


def test_bench_files_are_looked_for_in_the_package_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "fastconv"
    monkeypatch.setattr(child, "PACKAGE", package)
    with pytest.raises(fc.errors.FastconvError, match="the bench files must be in the package or in the checkout"):
        child.bench_folder()
    for folder in (tmp_path / "benchmarks", package / "_benchmarks"):
        folder.mkdir(parents=True)
        (folder / "conftest.py").touch()
        assert child.bench_folder() == folder


@pytest.mark.slow
@pytest.mark.usefixtures("bench_files")
@pytest.mark.skipif(os.name == "nt", reason="SIGINT reaches the whole console there")
def test_ctrl_c_leaves_no_file(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8", "TMPDIR": str(tmp_path)}
    arguments = ["bench", POOL.workload, "--backend", "numpy", "--batch", "1", "--json", "a.json"]
    with subprocess.Popen(
        [sys.executable, "-m", "fastconv", *arguments],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    ) as process:
        assert process.stderr is not None
        assert "maxpool2x2_64_56 forward numpy" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=patience())
    assert process.returncode == 130
    assert err.splitlines()[-1] == "fastconv: interrupted"
    assert until(lambda: not list(tmp_path.iterdir()))


@pytest.mark.parametrize("name", ["bench", "report"])
def test_help_imports_nothing_heavy(name: str) -> None:
    assert "Usage" in printed_by(name, "--help")

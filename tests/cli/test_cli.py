"""The command line, for real: other processes, their output, their files and their exit codes."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from light_commands import printed_by
from programs import patience

import fastconv as fc
from fastconv import cli
from fastconv.backends.numpy import NumpyBackend
from fastconv.cli import compare, console
from fastconv.cli.arguments import parse_padding, parse_shape, parse_sizes

pytest.importorskip("typer")

QUICK = ("--backends", "naive,numpy", "--repeats", "1")
LAYER = ("--input", "2,3,7,9", "--weight", "4,3,3,2")
NAMES = ("conv3x3_64_56", "photos_lines7x7", "digits_avgpool2x2")


def run(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(Path(fc.__file__).parent.parent), "PYTHONIOENCODING": "utf-8"}
    command = [sys.executable, "-m", "fastconv", *arguments]
    return subprocess.run(
        command,
        cwd=cwd,
        env=environment,
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=patience(),
    )


def in_process(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["fastconv", *arguments])
    return cli.main()


def error_line(stderr: str) -> str:
    """Return the only line of the standard error stream that is not progress."""
    lines = [line for line in stderr.splitlines() if not re.match(r"\[ *\d+%\] ", line)]
    assert len(lines) == 1, stderr
    return lines[0]


@pytest.fixture
def arrays(tmp_path: Path) -> Path:
    """Return a folder of .npy files, good and bad."""
    rng = np.random.default_rng(0)
    np.save(tmp_path / "x.npy", rng.standard_normal((2, 7, 9, 3)).astype(np.float32))
    np.save(tmp_path / "weight.npy", rng.standard_normal((4, 3, 3, 2)).astype(np.float32))
    np.save(tmp_path / "bias.npy", np.zeros(4, np.float32))
    np.save(tmp_path / "objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    (tmp_path / "text.npy").write_text("1 2 3\n", encoding="ascii")
    (tmp_path / "half.npy").write_bytes((tmp_path / "x.npy").read_bytes()[:200])
    return tmp_path


# it starts


@pytest.mark.parametrize("arguments", [[], ["--help"], ["compare", "--help"], ["info", "--help"], ["warmup", "--help"]])
def test_help_does_not_import_numba(arguments: list[str]) -> None:
    assert "Usage" in printed_by(*arguments)


def test_version() -> None:
    done = run("--version")
    assert (done.returncode, done.stdout) == (0, f"fastconv {fc.__version__}\n")


def test_list_names_every_workload(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("sklearn")
    assert in_process(monkeypatch, "compare", "--list") == 0
    out = capsys.readouterr().out
    assert all(name in out for name in NAMES)


# compare


def test_a_layer_by_options_on_the_fast_backend(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--stride", "2,1", "--padding", "1:0,0:1", "--groups", "1", "--repeats", "1")
    assert in_process(monkeypatch, "compare", *LAYER, *options, "--threads", "1") == 0
    out, err = capsys.readouterr()
    assert out.startswith("naive and fast agree: the worst element takes ")
    assert "1 thread of" in out
    assert re.search(r"conv2d .* ok", out)
    assert "[100%] done" in err


def test_real_digits_with_json_and_plot(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    names = ("digits_edges3x3", "digits_maxpool2x2", "digits_avgpool2x2")
    monkeypatch.chdir(tmp_path)
    files = ("--json", "out.json", "--plot", "out.png", "--html", "out.html")
    assert in_process(monkeypatch, "compare", *names, *QUICK, "--batch", "3", *files) == 0
    saved = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    assert [row["name"] for row in saved["rows"]] == list(names)
    assert saved["ok"] is True
    assert (tmp_path / "out.png").read_bytes().startswith(b"\x89PNG")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.html", "out.json", "out.png"]
    shown = (tmp_path / "out.html").read_text(encoding="utf-8")
    assert "naive and numpy agree on all 3 workloads" in shown
    assert "data:image/svg+xml;base64," in shown
    assert "scratch numpy" in shown


@pytest.mark.parametrize(("suffix", "start"), [("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_plots_of_bars_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, suffix: str, start: bytes) -> None:
    target = tmp_path / f"out.{suffix}"
    assert in_process(monkeypatch, "compare", *LAYER, *QUICK, "--dilation", "2", "--plot", str(target)) == 0
    assert target.read_bytes().startswith(start)


def test_json_on_stdout_is_json_alone() -> None:
    done = run(
        "compare", "--operation", "avg_pool2d", "--input", "1,2,6,8", "--kernel-size", "2", *QUICK, "--json", "-"
    )
    assert done.returncode == 0
    assert json.loads(done.stdout)["rows"][0]["operation"] == "avg_pool2d"
    assert "naive and numpy agree" in done.stderr


def test_own_arrays(arrays: Path) -> None:
    files = ("--x", "x.npy", "--weight", "weight.npy", "--bias", "bias.npy", "--layout", "NHWC")
    done = run("compare", *files, "--padding", "same", *QUICK, "--no-backward", "--json", "-", cwd=arrays)
    assert done.returncode == 0, done.stderr
    row = json.loads(done.stdout)["rows"][0]
    assert row["shapes"] == {"x": [2, 7, 9, 3], "weight": [4, 3, 3, 2], "bias": [4], "y": [2, 7, 9, 4]}
    assert [passed["name"] for passed in row["passes"]] == ["forward"]


@pytest.mark.parametrize(
    ("text", "padding"),
    [
        ("1", 1),
        ("1x2", (1, 2)),
        ("0:1x2:3", ((0, 1), (2, 3))),
        ("1,2", (1, 2)),
        ("0:1,2:3", ((0, 1), (2, 3))),
        ("0:1,2", ((0, 1), 2)),
        ("same_lower", "same_lower"),
    ],
)
def test_padding(text: str, padding: object) -> None:
    assert parse_padding("--padding", text) == padding


@pytest.mark.parametrize("text", ["1x3x32x40", "1,3,32,40", "1×3×32×40"])
def test_a_shape_is_read_in_each_way_that_people_write_it(text: str) -> None:
    assert parse_shape("--input", text, 4) == (1, 3, 32, 40)
    assert parse_shape("--input", text) == (1, 3, 32, 40)
    assert parse_sizes("--stride", "2x1") == parse_sizes("--stride", "2,1") == (2, 1)


def test_quick_and_backend(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    target = tmp_path / "out.json"
    layer = ("--input", "2x3x7x9", "--weight", "4x3x3x2")
    assert in_process(monkeypatch, "compare", *layer, "--quick", "--backend", "numpy", "--json", str(target)) == 0
    saved = json.loads(target.read_text(encoding="utf-8"))
    assert saved["backends"] == ["naive", "numpy"]
    assert saved["rows"][0]["shapes"]["x"] == [2, 3, 7, 9]
    asked: list[Any] = []

    def run_comparison(workloads: Any, **settings: Any) -> None:
        asked.append((workloads, settings["repeats"]))
        raise KeyboardInterrupt

    monkeypatch.setattr(compare, "run_comparison", run_comparison)
    assert in_process(monkeypatch, "compare", "--quick") == 130
    assert len(asked[0][0]) == 5
    assert asked[0][1] == 1


# what goes wrong


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["conv9"], r"a workload must be one of conv3x3_64_56, .*, but got 'conv9'\."),
        (["--nothing"], r"there is no option --nothing\."),
        (["--batch", "0"], r"--batch must be at least 1, but got 0\."),
        (["--backend", "fast", "--backends", "naive,numpy"], r"--backend.* is --backends naive,NAME: give one"),
        (["--backends", "fast"], r"--backends.* must be two different names of naive, numpy, fast"),
        (
            ["--input", "1,3,9"],
            r"--input.* must be 4 positive integers with x .*, such as 1x3x32x32, but got '1,3,9'",
        ),
        (["--input", "1,3,9,9", "--weight", "1,3,0,3"], r"--weight.* must be 4 positive integers"),
        ([*LAYER, "--stride", "x"], r"--stride.* must be one integer, or two with x between them"),
        ([*LAYER, "--padding", "some"], r"--padding.* must be an integer, .* but got 'some'"),
        ([*LAYER, "--kernel-size", "2"], r"--kernel-size belongs to a pooling operation"),
        ([*LAYER, "--operation", "max_pool2d"], r"--weight belongs to conv2d, but the operation is max_pool2d"),
        (["--input", "1,3,9,9"], r"a convolution needs its filters"),
        (["--weight", "4,3,3,2"], r"a layer needs its input"),
        (["--operation", "avg_pool2d", "--input", "1,3,9,9"], r"avg_pool2d needs --kernel-size"),
        (["conv5x5_1_20_28", "--groups", "2"], r"either named workloads or a layer of your own, .*--groups"),
        ([*LAYER, "--plot", "out.gif"], r"--plot.* must end in \.pdf, \.png, \.svg, but got 'out\.gif'"),
    ],
)
def test_wrong_usage_is_one_line_and_two(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert in_process(monkeypatch, "compare", *arguments) == 2
    line = error_line(capsys.readouterr().err)
    assert line.startswith("fastconv: ")
    assert re.search(message, line)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--x", "no.npy", "--weight", "weight.npy"], r"no\.npy: No such file or directory$"),
        (["--x", "text.npy", "--weight", "weight.npy"], r"--x must be a NumPy \.npy file, but got 'text\.npy'"),
        (["--x", "objects.npy", "--weight", "weight.npy"], r"--x must be .* without Python objects, but got 'objects"),
        (["--x", "half.npy", "--weight", "weight.npy"], r"--x must be a whole \.npy file .*'half\.npy'"),
        (
            ["--x", "x.npy", "--weight", "weight.npy"],
            r"--x must have as many channels as weight is for, 3, but got 7\.",
        ),
        (["--x", "x.npy", "--weight", "weight.npy", "--batch", "2"], r"--batch must not be given with arrays"),
        ([*LAYER, "--threads", "4096"], r"the number of threads must be at most Numba's limit"),
        ([*LAYER, "--json", "nowhere/out.json"], r"nowhere.out\.json: No such file or directory$"),
        ([*LAYER, "--json", "."], r": Is a directory$"),
        ([*LAYER, "--plot", "nowhere/out.png"], r"nowhere.out\.png: No such file or directory$"),
    ],
)
def test_a_failure_is_one_line_and_one(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arrays: Path,
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(arrays)
    before = sorted(arrays.iterdir())
    assert in_process(monkeypatch, "compare", *arguments, *QUICK) == 1
    line = error_line(capsys.readouterr().err)
    assert line.startswith("fastconv: ")
    assert re.search(message, line)
    assert sorted(arrays.iterdir()) == before


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    done = run("compare", "--x", "no.npy", "--weight", "1,1,1,1", "--debug", cwd=tmp_path)
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert done.stderr.splitlines()[-1] == "fastconv: no.npy: No such file or directory"


def test_an_unexpected_error_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def broken(*args: object, **settings: object) -> None:
        raise RuntimeError("something\nbroke")

    monkeypatch.setattr(compare, "run_comparison", broken)
    assert in_process(monkeypatch, "compare", *LAYER) == 1
    assert error_line(capsys.readouterr().err) == (
        "fastconv: unexpected RuntimeError: something broke (--debug shows where)"
    )


def test_a_plot_without_matplotlib_names_the_extra(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda package: None)
    assert in_process(monkeypatch, "compare", *LAYER, *QUICK, "--plot", str(tmp_path / "out.png")) == 1
    assert 'pip install "fastconv[plot]"' in error_line(capsys.readouterr().err)


def test_a_difference_beyond_the_tolerance_exits_with_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    right = NumpyBackend.conv

    def wrong(self, x, weight, bias, geometry):  # type: ignore[no-untyped-def]
        y = right(self, x, weight, bias, geometry)
        if x.dtype == np.float32:  # not where it serves as the oracle
            y[-1, -1, -1, -1] += 0.01
        return y

    monkeypatch.setattr(NumpyBackend, "conv", wrong)
    target = tmp_path / "out.json"
    assert in_process(monkeypatch, "compare", *LAYER, *QUICK, "--json", str(target)) == 1
    out, err = capsys.readouterr()
    assert "BEYOND" in out
    assert re.search(r"fastconv: compare: conv2d: y of numpy must be within 64 eps sum \|x·w\| of naive", err)
    assert json.loads(target.read_text(encoding="utf-8"))["ok"] is False


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="SIGINT reaches the whole console there")
@pytest.mark.parametrize(
    "workloads",
    [("conv3x3_64_56", "--full"), ("conv3x3_64_56", "conv3x3_128_28", "conv3x3_256_14")],
    ids=["one process", "two processes"],
)
def test_ctrl_c_leaves_no_file_and_no_process_and_gives_130(workloads: tuple[str, ...], tmp_path: Path) -> None:
    arguments = (*workloads, "--backends", "naive,numpy", "--json", "out.json", "--plot", "out.png")
    command = [sys.executable, "-m", "fastconv", "compare", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(Path(fc.__file__).parent.parent), "TMPDIR": str(tmp_path)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=tmp_path, env=environment, start_new_session=True, **pipes) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if ": naive" in line:  # the slow part has begun
                break
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=patience())
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)
    assert process.returncode == 130
    assert out == ""
    assert err.splitlines()[-1] == "fastconv: interrupted"
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []


# info and warmup


def test_info_says_what_the_machine_is(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert in_process(monkeypatch, "info") == 0
    out = capsys.readouterr().out
    for name in ("fastconv", "python", "processor", "threading layer", "cache folder", "blas", "options"):
        assert re.search(rf"^{name} ", out, re.MULTILINE), name


def test_info_as_json(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert in_process(monkeypatch, "info", "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["packages"]["numpy"] == np.__version__
    assert facts["threading_layer"] in ("omp", "tbb", "workqueue")
    assert facts["threads"] <= facts["thread_limit"]
    assert facts["memory_limit"] > 2**20
    assert facts["backends"] == ["fast", "numpy", "naive"]
    assert facts["options"] == {"exact": False, "max_workspace": 2**26}
    assert facts["cache_writable"] is True
    assert facts["cached_kernels"] == len(list(Path(facts["cache_folder"]).glob("*.nbc"))) > 0


def test_info_says_where_nothing_can_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = pytest.importorskip("fastconv.backends.fast.machine.cache_folders")
    (tmp_path / folders._name()).mkdir()
    monkeypatch.setenv("FASTCONV_CACHE", str(tmp_path))
    monkeypatch.setattr(folders, "_roots", lambda *_: [tmp_path, tmp_path / "missing"])
    monkeypatch.setattr(folders, "_refusal", lambda _: PermissionError(13, "Permission denied"))
    monkeypatch.setattr("fastconv.backends.fast.machine.launch.threading_layer", lambda: "omp")
    assert in_process(monkeypatch, "info", "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["cache_writable"], facts["cached_kernels"]) == (False, 0)
    assert facts["cache_folder"] == str(tmp_path / folders._name())


def test_info_shows_what_the_environment_says(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("fastconv.backends.settings._defaults", None)
    monkeypatch.setenv("FASTCONV_EXACT", "1")
    monkeypatch.setenv("SECRET_OF_NUMBA_", "not for a report")
    assert in_process(monkeypatch, "info", "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["options"]["exact"] is True
    assert facts["variables"]["FASTCONV_EXACT"] == "1"
    assert "SECRET_OF_NUMBA_" not in facts["variables"]


def test_warmup_says_what_it_compiled(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def compiled(progress):  # type: ignore[no-untyped-def]
        progress("conv_f32", 0.5)
        return [("conv_f32", 1.5, False), ("tile_2x16_f32", 0.25, False), ("tile_3x16_f32", 0.25, True)]

    monkeypatch.setattr("fastconv.backends.fast.warmup", compiled)
    assert in_process(monkeypatch, "warmup") == 0
    out, err = capsys.readouterr()
    assert re.search(r"conv_f32 +1 +0 +1\.50 s", out)
    assert re.search(r"tile_\*_f32 +1 +1 +500 ms", out)
    assert "2 compiled, 1 from the cache" in out
    assert "[ 50%] compiled conv_f32" in err


def test_warmup_into_a_file_and_out_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("numba")
    from small_kernels import nine

    monkeypatch.setattr("fastconv.backends.fast.warmup", lambda progress: [("nine", 0.25, nine())])
    monkeypatch.setenv("FASTCONV_CACHE", str(tmp_path / "there"))
    assert in_process(monkeypatch, "warmup", "--export", str(tmp_path / "kernels.zip")) == 0
    assert re.search(r"1 kernels, [\d.]+ KiB, are in .*kernels\.zip", capsys.readouterr().out)
    monkeypatch.setenv("FASTCONV_CACHE", str(tmp_path / "here"))
    assert in_process(monkeypatch, "warmup", "--import", str(tmp_path / "kernels.zip")) == 0
    assert re.search(r"1 kernels, [\d.]+ KiB, are in .*here", capsys.readouterr().out)
    assert nine() is True


def test_warmup_refuses_what_it_cannot_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def compiled(progress):  # type: ignore[no-untyped-def]
        pytest.fail("it compiled first")

    pytest.importorskip("numba")
    monkeypatch.setattr("fastconv.backends.fast.warmup", compiled)
    (tmp_path / "text.zip").write_text("no archive")
    for arguments, code, words in (
        (["--export", "a", "--import", "b"], 2, "must be given without --import"),
        (["--export", str(tmp_path / "missing" / "kernels.zip")], 1, "No such file or directory"),
        (["--import", str(tmp_path / "missing.zip")], 1, "missing.zip: No such file or directory"),
        (
            ["--import", str(tmp_path / "text.zip")],
            1,
            "warmup --import: .*text.zip must be what warmup --export writes",
        ),
    ):
        assert in_process(monkeypatch, "warmup", *arguments) == code
        assert re.search(words, error_line(capsys.readouterr().err)), words


@pytest.mark.slow
def test_warmup_for_real() -> None:
    done = run("warmup")
    assert done.returncode == 0, done.stderr
    assert re.search(r"\d+ compiled, \d+ from the cache", done.stdout)


def test_progress_in_a_terminal_is_a_bar(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    with console.progress_bar() as advance:
        advance("halfway", 0.5)
    assert "halfway" in capsys.readouterr().err

"""Code that does not come to an end: every way of that is a verdict, and none reaches the process that asks."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from loop_code import CS231N, changed
from programs import FULL, patience, until

import fastconv as fc
from fastconv.backends.settings import use_num_threads
from fastconv.dropin.check import CaseResult, CheckReport, examination
from fastconv.dropin.check.code_process import CodeProcess, CodeProcessError
from fastconv.dropin.check.examinee import Examinee
from fastconv.dropin.conventions import draw
from fastconv.errors import ExaminationError

POSIX = os.name == "posix"
LIMIT = 0.5
FORWARD = "conv_forward_naive"


def written(folder: Path, *lines: str, source: str = CS231N, name: str = "layers.py", first: str = "pass") -> Path:
    """Right loops, with something put into the forward function of the convolution, and lines before everything."""
    code = changed(source, ("    N, C, H, W = x.shape\n    F, _", f"    {first}\n    N, C, H, W = x.shape\n    F, _"))
    path = folder / name
    path.write_text("\n".join([*lines, code]), encoding="utf-8")
    return path


def line_of(path: Path, text: str) -> int:
    """Number of the first line with a text in it."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return next(number for number, line in enumerate(lines, 1) if text in line)


def plain(path: Path, *, limit: float | None = None, label: str = FORWARD) -> CaseResult:
    """The verdict on the plain case."""
    return fc.check(path, cases=["plain"], time_limit=limit or patience())[label]["plain"]


def gone(pid: int) -> bool:
    """Whether a process has ended, or does so within a moment."""

    def has_ended() -> bool:
        try:
            os.kill(pid, 0)
            state = Path(f"/proc/{pid}/stat")  # Z: ended, and its parent has not looked
            return state.exists() and state.read_text(encoding="utf-8").rpartition(")")[2].split()[0] == "Z"
        except ProcessLookupError:
            return True

    return until(has_ended)


# in a call


@pytest.mark.parametrize(
    ("first", "verdict", "what"),
    [
        ("raise ValueError('not\\nyet')", "raised", "ValueError: not yet"),
        ("raise KeyboardInterrupt", "raised", "KeyboardInterrupt"),
        ("sys.exit(3)", "crashed", "it called sys.exit(3)"),
        pytest.param("os._exit(7)", "crashed", "it ended its process with exit code 7", marks=pytest.mark.slow),
        ("input()", "raised", "EOFError: EOF when reading a line"),
        ("np.ones(10**15)", "raised", "MemoryError: Unable to allocate"),
        ("conv_forward_naive(x, w, b, conv_param)", "raised", "RecursionError: maximum recursion depth"),
    ],
)
def test_what_ends_a_call_is_its_verdict(tmp_path: Path, first: str, verdict: str, what: str) -> None:
    path = written(tmp_path, "import sys, os", first=first)
    found = plain(path)
    assert found.verdict == verdict
    assert found.what.startswith(what)
    if "os._exit" not in first:  # which says nothing
        place = f"line {line_of(path, f'    {first}')}"
        assert place in f"{found.what} {found.where}"
    assert found.example is not None
    assert f"{FORWARD}(x, w, b, " in found.example.code


@pytest.fixture(autouse=True)
def little_shrinking(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process for every trial takes its time: half a second of them is enough here."""
    monkeypatch.setitem(examination._SHRINKING, "crashed", 0.5)


@pytest.mark.slow
@pytest.mark.skipif(not POSIX, reason="named after signals")
def test_a_segmentation_fault_is_a_verdict_with_its_line(tmp_path: Path) -> None:
    path = written(tmp_path, "import ctypes", first="ctypes.string_at(0) if conv_param['pad'] else 0")
    report = fc.check(path, cases=["plain", "padding", "much padding", "overlapping windows"])
    verdicts = [case.verdict for case in report[FORWARD].cases]
    assert verdicts == ["ok", "crashed", "crashed", "ok"]  # a new process each time
    found = report[FORWARD]["padding"]
    assert found.what == "its process was ended by SIGSEGV, a segmentation fault"
    assert found.where == f"layers.py, line {line_of(path, 'string_at')}, in conv_forward_naive"
    assert found.example is not None
    assert '"pad": 1' in found.example.code


@pytest.mark.parametrize(("helper", "verdict"), [("types.SimpleNamespace(py_func=len)", "ok"), ("len", "timed out")])
def test_the_first_call_of_what_is_compiled_may_take_longer(tmp_path: Path, helper: str, verdict: str) -> None:
    lines = "import time, types", f"helper = {helper}", "late = [1.5]"
    path = written(tmp_path, *lines, first="time.sleep(late.pop() if late else 0)")
    assert plain(path, limit=LIMIT).verdict == verdict


ENDLESS = {
    "silent": "while True: pass",
    "printing": "while True: print('x' * 1000)",
    "complaining": "while True: sys.stderr.write('x' * 1000)",
    "deaf": "exec('while True:\\n try:\\n  while True: pass\\n except BaseException: pass')",
    "waiting": "threading.Event().wait()",
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", ENDLESS if FULL else ("silent", "printing", "deaf"))
def test_an_endless_loop_is_a_verdict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    shows = kind == "silent"
    if not shows:  # an example waits for the end of the time twice more
        monkeypatch.setattr(examination, "_minimal", lambda *arguments: None)
    path = written(tmp_path, "import sys, threading", first=ENDLESS[kind])
    found = plain(path, limit=LIMIT)
    assert (found.verdict, found.what) == ("timed out", "no result after 0.5 s")
    if kind != "deaf":
        assert found.where == f"layers.py, line {line_of(path, ENDLESS[kind])}, in conv_forward_naive"
    if shows:
        assert found.example is not None
        assert f"{FORWARD}(x, w, b, " in found.example.code


@pytest.mark.slow
def test_after_three_endless_cases_the_others_are_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examination, "_minimal", lambda *arguments: None)  # an example waits twice more
    names = ["plain", "a single image", "a tall kernel", "padding", "ties", "negative input", "dilation"]
    report = fc.check(written(tmp_path, first="while True: pass"), time_limit=0.2, cases=names)
    verdicts = [case.verdict for case in report[FORWARD].cases if case.verdict != "cannot be expressed"]
    assert verdicts[:3] == ["timed out"] * 3
    assert set(verdicts[3:]) == {"skipped"}
    assert report["max_pool_forward_naive"].ok  # the next one is examined all the same
    assert "3 timed out" in repr(report)


@pytest.mark.slow
def test_a_slow_gradient_check_ends_with_its_time(tmp_path: Path) -> None:
    path = written(tmp_path, "import time", first="time.sleep(0.15)")
    found = fc.check(path, cases=["gradients against slopes"], time_limit=LIMIT)[FORWARD].cases[0]
    assert (found.verdict, found.what) == ("timed out", "no result after 0.5 s")


# at the import


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("raise SystemExit('bye')", "it called sys.exit('bye')"),
        ("import os; os._exit(0)", "it ended its process with exit code 0"),
        pytest.param("while True: pass", "no result after 0.5 s", marks=pytest.mark.slow),
    ],
)
def test_what_ends_the_import_is_said_and_the_rest_is_examined(tmp_path: Path, line: str, why: str) -> None:
    report = fc.check(written(tmp_path, line), time_limit=LIMIT, cases=["plain"])
    assert report.ok, str(report)
    assert report.notes == (f"stopped at line 1: {why}; what is defined before and below it was examined",)
    assert report.notes[0].split(";")[0] in str(report)
    assert CheckReport.from_dict(json.loads(report.to_json())) == report


@pytest.mark.parametrize(
    ("source", "verdict", "what"),
    [
        ("import numpy\ndef f(:", "raised", "SyntaxError: invalid syntax"),
        ("import numpy\nprint 'epoch', 1", "raised", "this is Python 2 (print statement, line 2): run 2to3 first"),
        ("x = 1\nraise SystemExit", "crashed", "it called sys.exit()"),
    ],
)
def test_a_file_with_nothing_that_can_be_examined_is_a_failure(
    tmp_path: Path, source: str, verdict: str, what: str
) -> None:
    path = tmp_path / "layers.py"
    path.write_text(source, encoding="utf-8")
    report = fc.check(path)
    assert report.failure is not None
    assert (report.failure.verdict, report.failure.what, report.failure.where) == (verdict, what, "layers.py, line 2")
    assert not report.ok
    assert "layers.py cannot be imported" in str(report)
    assert CheckReport.from_dict(json.loads(report.to_json())) == report


# what the code does besides


RUDE = """
import os, sys, threading, time
import numpy as np
print("something on the standard output", flush=True)
sys.stdout = sys.stderr = sys.stdin = None
os.write(1, b"\\x00\\x00\\x00\\x02{}")
os.chdir("/")
np.seterr(all="raise")
np.abs = np.max = np.allclose = np.full = None
np.random.standard_normal = None
threading.Thread(target=lambda: time.sleep(1000)).start()
"""


def test_right_code_with_bad_manners_is_right(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    here = os.getcwd()
    report = fc.check(written(tmp_path, RUDE, first="print('x' * 10**6)"), cases=["plain", "padding", "float32"])
    assert [case.verdict for case in report[FORWARD].cases] == ["ok"] * 3
    assert capfd.readouterr() == ("", "")
    assert os.getcwd() == here
    assert np.abs(-1) == 1


@pytest.mark.slow
@pytest.mark.parametrize("name", ["my layers.py", "2-layers.py", "random.py", "über.py"])
def test_files_with_unusual_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    path = written(tmp_path, name=name, first="raise ValueError")
    found = plain(path)
    assert found.what == f"ValueError: (conv_forward_naive, line {line_of(path, 'raise ValueError')})"
    monkeypatch.chdir(tmp_path)
    assert found.example is not None
    done = subprocess.run(
        [sys.executable, "-c", f"import numpy\n{found.example.code}"],
        env={**os.environ, "PYTHONUTF8": "1"},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.stderr.rstrip().endswith("ValueError"), done.stderr


def test_a_file_of_a_package_with_its_neighbours(tmp_path: Path) -> None:
    package = tmp_path / "course" / "part"
    package.mkdir(parents=True)
    (tmp_path / "course" / "__init__.py").write_text("from course.part.layers import *\n", encoding="utf-8")
    (package / "__init__.py").write_text("from ..data import SCALE\n", encoding="utf-8")
    (tmp_path / "course" / "data.py").write_text("SCALE = 1.0\n", encoding="utf-8")
    (package / "near.py").write_text("WIDTH = 2\n", encoding="utf-8")
    lines = (
        "from ..data import SCALE",
        "from . import SCALE as again",
        "import course",
        "import near",
        "from .near import WIDTH",
    )
    report = fc.check(written(package, *lines, first="assert __name__ == 'course.part.layers'"), cases=["plain"])
    assert report.ok, str(report)
    assert not list(tmp_path.rglob("__pycache__"))


def test_a_package_is_examined_as_a_whole(tmp_path: Path) -> None:
    folder = tmp_path / "course"
    folder.mkdir()
    written(folder, name="__init__.py")
    report = fc.check(folder, cases=["plain"])
    assert (report.ok, report.file) == (True, "course")


def test_what_stands_under_main_does_not_run(tmp_path: Path) -> None:
    path = written(tmp_path)
    path.write_text(
        path.read_text(encoding="utf-8") + "\nif __name__ == '__main__':\n    raise SystemExit\n", encoding="utf-8"
    )
    assert fc.check(path, cases=["plain"]).ok


def test_the_process_has_the_threads_of_this_one(tmp_path: Path) -> None:
    path = written(tmp_path, "import fastconv", first="assert fastconv.get_num_threads() == 1")
    with use_num_threads(1):
        assert fc.check(path, cases=["plain"]).ok


def test_memory_without_end_is_a_memory_error_where_the_system_can_say_so(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource", reason="limits of memory are known to POSIX alone")
    if sys.platform != "linux":
        pytest.skip("the limit of data holds on Linux")
    before = resource.getrlimit(resource.RLIMIT_DATA)
    path = written(tmp_path, first="kept = [np.empty(2**34, np.uint8) for _ in range(10**6)]")
    found = plain(path)  # the pages are never touched
    assert (found.verdict, found.what[:12]) == ("raised", "MemoryError:")
    assert resource.getrlimit(resource.RLIMIT_DATA) == before


# processes


def test_a_crashed_file_is_started_again(tmp_path: Path) -> None:
    problem = draw("conv2d", size=(3, 3), kernel=(2, 2))
    padded = draw("conv2d", size=(3, 3), kernel=(2, 2), padding=(1, 1))
    path = written(tmp_path, "import os", first="os._exit(1) if conv_param['pad'] else 0")
    with Examinee(path, {}, 20.0) as examinee:
        conv = examinee.load()[0]
        assert examinee.run(conv, problem)[1].errors == {}
        with pytest.raises(CodeProcessError, match="ended its process with exit code 1"):
            examinee.run(conv, padded)
        assert examinee.run(conv, problem)[1].errors == {}


@pytest.mark.skipif(not POSIX, reason="asks for process numbers")
def test_nothing_is_left_running(tmp_path: Path) -> None:
    lines = (
        "import subprocess, sys, os",
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(1000)'])",
        f"open({str(tmp_path / 'pids')!r}, 'w').write(f'{{os.getpid()}} {{child.pid}}')",
    )
    plain(written(tmp_path, *lines))
    pids = [int(word) for word in (tmp_path / "pids").read_text(encoding="utf-8").split()]
    assert len(pids) == 2
    assert all(gone(pid) for pid in pids)


@pytest.mark.skipif(not POSIX, reason="kills by signal")
def test_a_killed_examiner_takes_the_process_with_it(tmp_path: Path) -> None:
    path = written(
        tmp_path, f"import os; open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))", "while True: pass"
    )
    program = f"import fastconv as fc; fc.check({str(path)!r}, time_limit=1000)"
    environment = {**os.environ, "PYTHONPATH": str(Path(fc.__file__).parents[1])}
    examiner = subprocess.Popen([sys.executable, "-c", program], env=environment)
    try:
        pid = waited_for(tmp_path / "pid")
    finally:
        examiner.kill()
        examiner.wait()
    assert gone(pid)


def waited_for(path: Path) -> int:
    """The number in a file, once it is there."""
    assert until(lambda: path.exists() and path.read_text(encoding="utf-8")), f"{path} was not written"
    return int(path.read_text(encoding="utf-8"))


@pytest.mark.skipif(not POSIX, reason="SIGINT reaches the whole console there")
def test_ctrl_c_ends_cleanly_and_leaves_no_child(tmp_path: Path) -> None:
    pytest.importorskip("typer")
    line = f"open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))"
    path = written(tmp_path, "import os", first=f"{line}\n    while True: pass")
    command = [sys.executable, "-m", "fastconv", "check", str(path), "--time-limit", "1000", "--json", "out.json"]
    environment = {**os.environ, "PYTHONPATH": str(Path(fc.__file__).parents[1])}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, cwd=tmp_path, env=environment, text=True, **pipes) as process:
        pid = waited_for(tmp_path / "pid")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=patience())
    assert process.returncode == 130
    assert out == ""
    assert err.splitlines()[-1] == "fastconv: interrupted"
    assert "Traceback" not in err
    assert gone(pid)
    assert not (tmp_path / "out.json").exists()


def test_a_process_that_has_gone_says_so_again(tmp_path: Path) -> None:
    process = CodeProcess(written(tmp_path))
    try:
        process._process.kill()
        process._process.wait()
        for _ in range(2):
            with pytest.raises(CodeProcessError) as caught:
                process.ask(5.0, "start")
            assert caught.value.verdict == "crashed"
    finally:
        process.end()


def test_a_process_that_does_not_start_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fastconv.dropin.check.code_process._PROGRAM", "import nothing_like_this")
    said = r"could not examine layers.py: .* exit code 1: ModuleNotFoundError: No module named 'nothing_like_this'"
    with pytest.raises(ExaminationError, match=said):
        CodeProcess(written(tmp_path))


def test_an_error_of_fastconv_in_the_process_of_the_code_is_no_verdict(tmp_path: Path) -> None:
    lines = "from fastconv.dropin.conventions.convention import UNUSED", "UNUSED.clear()"
    said = r"could not examine layers\.py: KeyError: 'dilation' \(convention\.py, line"
    with pytest.raises(ExaminationError, match=said):
        plain(written(tmp_path, *lines))

"""Small Python programs in processes of their own: for what happens once per process, or ends one."""

from __future__ import annotations

import os
import runpy
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest

import fastconv

ROOT = Path(fastconv.__file__).parent.parent
EXAMPLES = ROOT / "examples"
SUPPORT = Path(__file__).parent  # what several tests share
TESTS = SUPPORT.parent
FULL = os.environ.get("FASTCONV_FULL") == "1"  # the long forms of tests that have a short one
CLEARED = ("FASTCONV_BACKEND", "FASTCONV_EXACT", "FASTCONV_NUM_THREADS", "NUMBA_NUM_THREADS", "NUMBA_THREADING_LAYER")

_T = TypeVar("_T")
_HUNG = 600  # seconds of a quiet machine after which something does not only take long

# Put before a program: makes these packages impossible to import.
BLOCKER = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in BLOCKED:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Blocker())
"""


def patience() -> int:
    """Seconds after which a test may say that something hangs: more of them where others keep the processors busy."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    return round(_HUNG * max(1.0, 2 * load / (os.cpu_count() or 1)))


def until(found: Callable[[], _T]) -> _T:
    """Ask until the answer is true, or patience ends, and return the last one."""
    end = time.monotonic() + patience()
    while not (answer := found()) and time.monotonic() < end:
        time.sleep(0.05)
    return answer


def run(code: str, *, blocked: tuple[str, ...] = (), fails: bool = False, **environment: str) -> str:
    """Run `code` with warnings as errors, and return what it printed; `fails` expects a traceback instead."""
    program = textwrap.dedent(code)
    if blocked:
        program = f"BLOCKED = {blocked!r}\n{BLOCKER}\n{program}"
    return _finish(["-c", program], fails=fails, **environment)


def run_example(name: str, *arguments: str, folder: Path, **environment: str) -> str:
    """Run a file of examples/ as a user does, in `folder`, with warnings as errors, and return what it printed."""
    return _finish([str(_example(name)), *arguments], cwd=folder, **environment)


def run_file(file: Path, *arguments: str, **environment: str) -> str:
    """Run a file of the tests, with warnings as errors, and return what it printed."""
    return _finish([str(file), *arguments], **environment)


def load_example(name: str) -> dict[str, Any]:
    """Return the names that a file of examples/ defines."""
    return runpy.run_path(str(_example(name)))


def _example(name: str) -> Path:
    file = EXAMPLES / f"{name}.py"
    if not file.is_file():
        pytest.skip("the examples are in a checkout and in the source distribution alone")
    return file


def _finish(command: list[str], *, cwd: Path | None = None, fails: bool = False, **environment: str) -> str:
    """Run Python with warnings as errors, and return what it printed."""
    clean = {name: value for name, value in os.environ.items() if name not in CLEARED}
    folders = sorted({file.parent for file in TESTS.rglob("*.py")})  # a program may import what a test defines
    paths = os.pathsep.join(map(str, [ROOT, *folders]))
    process = subprocess.Popen(
        [sys.executable, "-W", "error", *command],
        cwd=cwd,
        env={**clean, "PYTHONPATH": paths, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    limit = patience()
    try:
        out, err = process.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        _kill_group(process)
        out, err = process.communicate()
        raise AssertionError(f"the program hung for {limit} s\n{' '.join(command)}\n{out}\n{err}") from None
    if fails:
        assert process.returncode == 1, (
            f"exit code {process.returncode} instead of 1\n{' '.join(command)}\n{out}\n{err}"
        )
        return err
    assert process.returncode == 0, f"exit code {process.returncode}\n{' '.join(command)}\n{out}\n{err}"
    return out


def _kill_group(process: subprocess.Popen[str]) -> None:
    """End the program and whatever it forked."""
    if hasattr(os, "killpg"):
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()

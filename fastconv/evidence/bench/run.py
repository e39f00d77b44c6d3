"""The suite in a process of its own: pytest over the bench files, wherever they are."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any, NamedTuple

from fastconv.errors import FastconvError, InvalidValueError
from fastconv.evidence.bench.cases import TABLE, Selection, cases
from fastconv.evidence.process import PACKAGE, child_environment

MARK = "@fastconv "  # before each event in the output of the child

Progress = Callable[[str, float], None]

_QUICK = ("--benchmark-max-time=0.1", "--benchmark-min-rounds=3")
_PATIENCE = 10.0  # seconds that the child has to end after Ctrl-C
_FAILED = 1  # exit code of pytest: some tests failed


class Outcome(NamedTuple):
    """What a run gave.

    Attributes
    ----------
    data : dict
        The JSON; without benchmarks where every one failed.
    failures : tuple of str
        Why a case was not timed, one line each.
    """

    data: dict[str, Any]
    failures: tuple[str, ...]


def bench_folder() -> Path:
    """Return the folder of the bench files: inside the installed package, or in the checkout.

    Raises
    ------
    FastconvError
        If it is in neither.
    """
    folders = (PACKAGE / "_benchmarks", PACKAGE.parent / "benchmarks")
    for folder in folders:
        if (folder / "conftest.py").is_file():
            return folder
    raise FastconvError(
        f"bench: the bench files must be in the package or in the checkout, but got neither {folders[0]} nor "
        f"{folders[1]}. Install fastconv again."
    )


def run_suite(selection: Selection, progress: Progress | None = None) -> Outcome:
    """Run the cases of a selection.

    Parameters
    ----------
    selection : Selection
        Which cases, and how.
    progress : callable, optional
        Called with what is being done and the fraction done.

    Returns
    -------
    Outcome
        The JSON, and what failed.

    Raises
    ------
    ValueError
        If none of the cases exists.
    FastconvError
        If pytest itself fails.
    """
    if not any(True for each in TABLE for _ in cases(each.kind, selection)):
        raise InvalidValueError(
            f"bench: the workloads, backends and dtypes must have a case in common, but got "
            f"{', '.join(selection.workloads) or 'all'} with {', '.join(selection.backends)} and "
            f"{', '.join(selection.dtypes)}."
        )
    with TemporaryDirectory(prefix="fastconv-suite-") as folder:
        target = Path(folder) / "suite.json"
        environment = child_environment(
            without=("PYTEST_ADDOPTS",),
            PYTHONIOENCODING="utf-8",
            PYTHONDONTWRITEBYTECODE="1",  # nothing is written beside the installed bench files
            PYTEST_DISABLE_PLUGIN_AUTOLOAD="1",  # what else is installed has no say here
            TMPDIR=folder,
        )
        with subprocess.Popen(
            _command(selection, target),
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
        ) as process:
            try:
                log = _Log(progress)
                log.follow(process.stdout)
                code = process.wait()
            finally:
                _end(process)
        if code not in (0, _FAILED) or (code == _FAILED and not log.failures):
            raise FastconvError(f"bench: pytest must run the suite, but it failed (exit code {code}): {log.last}")
        data = json.loads(target.read_text(encoding="utf-8")) if target.exists() else {"benchmarks": []}
        return Outcome(data, tuple(dict.fromkeys(log.failures)))


def _command(selection: Selection, target: Path) -> list[str]:
    folder = bench_folder()
    command = [sys.executable, "-m", "pytest", str(folder), "-c", str(folder / "pytest.ini"), "--rootdir", str(folder)]
    command += ["-p", "pytest_benchmark.plugin", "-q", "--tb=short", "--tell", f"--benchmark-json={target}"]
    command += [f"--benchmark-storage=file://{target.parent / 'storage'}"]  # which it makes, also where nothing is kept
    command += [f"--{name}={','.join(getattr(selection, name))}" for name in ("workloads", "backends", "dtypes")]
    for name in ("batch", "threads"):
        if getattr(selection, name) is not None:
            command.append(f"--{name}={getattr(selection, name)}")
    return [*command, *(_QUICK if selection.quick else ())]


class _Log:
    """Reads what the child prints."""

    def __init__(self, progress: Progress | None) -> None:
        self.failures: list[str] = []
        self.last = ""
        self._progress, self._begun, self._total = progress, 0, 1

    def follow(self, lines: IO[str] | None) -> None:
        """Read to the end."""
        for line in lines or ():
            before, mark, event = line.partition(MARK)
            if mark:
                self._note(json.loads(event))
            elif before.strip():
                self.last = before.strip()

    def _note(self, event: dict[str, Any]) -> None:
        self._total = event.get("total", self._total)
        if "failed" in event:
            self.failures.append(" ".join(event["failed"].split()))
        if "begins" in event:
            if self._progress is not None:
                self._progress(event["begins"], self._begun / max(1, self._total))
            self._begun += 1


def _end(process: subprocess.Popen[str]) -> None:
    """End the child as Ctrl-C would, so that it can end its own children."""
    if process.poll() is None:
        with suppress(OSError, ValueError):
            process.send_signal(signal.SIGINT)
        try:
            process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()

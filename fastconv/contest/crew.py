"""The workers as the contest sees them: started, asked, and ended without a trace."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, cast

from fastconv.contest.engines import Entrant
from fastconv.contest.wire import Message, receive, send
from fastconv.errors import FastconvError

__all__ = ["Hand", "WorkerError", "crew"]

_PATIENCE = 300.0  # seconds for one answer; compiling everything takes a few
# Settings that would let an engine spin while another is timed, or that would change what is compared.
_CLEARED = (
    "FASTCONV_BACKEND",
    "FASTCONV_NUM_THREADS",
    "GOMP_SPINCOUNT",
    "KMP_BLOCKTIME",
    "MKL_NUM_THREADS",
    "OMP_NUM_THREADS",
    "OMP_WAIT_POLICY",
    "XLA_FLAGS",
)


class WorkerError(FastconvError, RuntimeError):
    """An engine failed, or its process ended."""


class Hand:
    """One engine at work in its process.

    Parameters
    ----------
    entrant : Entrant
        The engine.
    threads : int
        Threads that it may use.

    Attributes
    ----------
    busy, rested : float
        Seconds of processor time that the process used between its turns, and how long those breaks were.
    """

    def __init__(self, entrant: Entrant, threads: int) -> None:
        self.name, self.busy, self.rested = entrant.name, 0.0, 0.0
        self._errors: Any = tempfile.TemporaryFile()  # noqa: SIM115 (closed by `end`)
        paths = [str(Path(__file__).parents[2]), *filter(None, sys.path)]  # what this process imports, it can import
        environment = {name: value for name, value in os.environ.items() if name not in _CLEARED}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "fastconv.contest.worker", entrant.place, str(threads)],
            env={**environment, "PYTHONPATH": os.pathsep.join(paths), "JAX_PLATFORMS": "cpu"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
        )
        self._in, self._out = cast(BinaryIO, self._process.stdin), cast(BinaryIO, self._process.stdout)

    @property
    def pid(self) -> int:
        """Number of the process."""
        return self._process.pid

    def ask(self, do: str, **details: Any) -> Message:
        """Send a message and wait for the answer; raise `WorkerError` where it is an error or does not come."""
        watchdog = threading.Timer(_PATIENCE, self._process.kill)
        watchdog.start()
        try:
            send(self._in, {"do": do, **details})
            answer = receive(self._out)
        except OSError:
            answer = None
        finally:
            watchdog.cancel()
        if answer is None:
            raise WorkerError(f"contest: {self.name}: its process ended ({self._last_words()}).")
        if "error" in answer:
            raise WorkerError(f"contest: {self.name}: {answer['error']}")
        return answer

    def turn(self, variant: str, seconds: float) -> float:
        """Let a variant be timed; return the median seconds of a call."""
        answer = self.ask("turn", variant=variant, seconds=seconds)
        self.busy += answer["busy"]
        self.rested += answer["rested"]
        return float(answer["seconds"])

    def end(self) -> None:
        """End the process, whatever it is doing."""
        self._process.kill()
        for stream in (self._in, self._out):
            with contextlib.suppress(OSError):
                stream.close()
        self._process.wait()
        self._errors.close()

    def _last_words(self) -> str:
        code = self._process.wait()
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        return f"exit code {code}: {lines[-1]}" if lines else f"exit code {code}"


@contextlib.contextmanager
def crew(entrants: Sequence[Entrant], threads: int) -> Iterator[list[Hand]]:
    """Start a worker for each engine; none is left at the end of the ``with`` block, however it ends."""
    hands: list[Hand] = []
    try:
        for entrant in entrants:
            hands.append(Hand(entrant, threads))  # noqa: PERF401 (those that started are ended if one does not)
        yield hands
    finally:
        for hand in hands:
            hand.end()

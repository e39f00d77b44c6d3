"""A process that answers messages: how it is asked, and how it answers."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any, BinaryIO, cast

from fastconv.errors import FastconvError
from fastconv.evidence.process.wire import Message, receive, send

__all__ = ["Worker", "WorkerError", "answer_messages", "first_line"]


class WorkerError(FastconvError, RuntimeError):
    """A worker answered with an error, or its process ended."""


class Worker:
    """A Python process that is asked for one thing at a time.

    Parameters
    ----------
    name : str
        What messages call it, after the operation: ``"contest: torch"``.
    arguments : sequence of str
        Of Python: ``("-m", "package.module", "argument")``; the program calls `answer_messages`.
    environment : dict of str to str
        Its environment.
    time_limit : float
        Seconds that one answer may take; then the process is ended.
    """

    def __init__(self, name: str, arguments: Sequence[str], environment: Mapping[str, str], time_limit: float) -> None:
        self._name, self._limit = name, time_limit
        self._errors: Any = tempfile.TemporaryFile()  # noqa: SIM115 (closed by `end`)
        self._process = subprocess.Popen(
            [sys.executable, *arguments],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
        )
        self._in, self._out = cast(BinaryIO, self._process.stdin), cast(BinaryIO, self._process.stdout)

    @property
    def pid(self) -> int:
        """Number of the process."""
        return self._process.pid

    def ask(self, message: Message) -> Message:
        """Send a message and wait for the answer; raise `WorkerError` where it is an error or does not come."""
        watchdog = threading.Timer(self._limit, self._process.kill)
        watchdog.start()
        try:
            send(self._in, message)
            answer = receive(self._out)
        except OSError:
            answer = None
        finally:
            watchdog.cancel()
        if answer is None:
            raise WorkerError(f"{self._name}: its process ended ({self._last_words()}).")
        if "error" in answer:
            raise WorkerError(f"{self._name}: {answer['error']}")
        return answer

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


def answer_messages(answer: Callable[[Message], Message]) -> None:
    """Answer every message on the standard input until it ends; an exception becomes an error.

    Whatever is printed meanwhile goes to the standard error stream: the standard output carries answers alone.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches who asks, and that ends this process
    out = _private_stdout()
    with contextlib.suppress(BrokenPipeError):
        while (message := receive(sys.stdin.buffer)) is not None:
            try:
                found = answer(message)
            except Exception as error:  # noqa: BLE001 (whatever is raised is reported, not lost)
                traceback.print_exc()
                found = {"error": f"{type(error).__name__}: {first_line(error)}"}
            send(out, found)


def _private_stdout() -> BinaryIO:
    """Return the standard output for messages; prints, from C too, go to the standard error stream from now on."""
    messages = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return messages


def first_line(error: BaseException) -> str:
    """Return what an exception says, in one line."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__

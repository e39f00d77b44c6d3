"""Processes that answer messages: what every child needs, how messages are sent, how a process is asked and ended."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, cast

from fastconv.backends.settings import get_options
from fastconv.errors import FastconvError

PACKAGE = Path(__file__).resolve().parents[1]  # the folder fastconv/, in a checkout or installed

Message = dict[str, Any]  # sent as a JSON object, after its length
_LENGTH = 4  # bytes, big-endian
_WINDOWS_CRASHES = {0xC0000005: "access violation", 0xC00000FD: "stack overflow", 0xC0000409: "stack overrun"}


def import_paths() -> list[str]:
    """Where this process imports from, first of all the package itself."""
    return [str(PACKAGE.parent), *filter(None, sys.path)]


def child_environment(without: Iterable[str] = (), **changes: str) -> dict[str, str]:
    """Return the environment for a Python process that can import what this one can, and is as exact by default.

    Parameters
    ----------
    without : iterable of str
        Variables that the child does not get.
    **changes
        Variables that it gets beside those of this process.
    """
    dropped = {*without}
    inherited = {name: value for name, value in os.environ.items() if name not in dropped}
    ours = {"PYTHONPATH": os.pathsep.join(import_paths()), "FASTCONV_EXACT": str(int(get_options().exact))}
    return {**inherited, **ours, **changes}


def send(stream: BinaryIO, message: Message) -> None:
    """Write a message."""
    body = json.dumps(message).encode()
    stream.write(len(body).to_bytes(_LENGTH, "big") + body)
    stream.flush()


def receive(stream: BinaryIO) -> Message | None:
    """Read a message; None where the other side has gone, in the middle of one too."""
    head = stream.read(_LENGTH)
    if len(head) < _LENGTH:
        return None
    size = int.from_bytes(head, "big")
    body = stream.read(size)
    if len(body) < size:
        return None
    message: Message = json.loads(body)
    return message


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
        pipe = subprocess.PIPE
        try:
            self._process = subprocess.Popen(
                [sys.executable, *arguments], env=environment, stdin=pipe, stdout=pipe, stderr=self._errors
            )
        except BaseException:
            self._errors.close()
            raise
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


def exit_code(error: SystemExit) -> int:
    """Return the exit code of a process that ends with this."""
    return error.code if isinstance(error.code, int) else int(error.code is not None)


def exit_words(code: int) -> str:
    """Return how a process ended, by its exit code: that of a signal is negative."""
    if code < 0:
        try:
            name = signal.Signals(-code).name
        except ValueError:
            return f"its process was ended by signal {-code}"
        why = {"SIGSEGV": ", a segmentation fault", "SIGKILL": ", as the system does when memory runs out"}
        return f"its process was ended by {name}{why.get(name, '')}"
    crash = _WINDOWS_CRASHES.get(code & 0xFFFFFFFF)
    return f"its process ended with {crash}" if crash else f"it ended its process with exit code {code}"

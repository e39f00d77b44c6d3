"""Somebody's code as the examiner sees it: a process that is asked, given a time limit, and ended without a trace."""

from __future__ import annotations

import contextlib
import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, BinaryIO, cast

from fastconv.backends.settings import get_num_threads
from fastconv.dropin.source.blocks import belongs_to
from fastconv.dropin.source.statements import Place
from fastconv.errors import ExaminationError, FastconvError
from fastconv.evidence.process import Message, child_environment, exit_words, receive, send

CRASHED, RAISED, TIMED_OUT = "crashed", "raised", "timed out"

_STARTING = 120.0  # seconds for Python, NumPy and fastconv to be imported, on a machine with other things to do
_GRACE = 2.0  # seconds beyond the limit in which the child can still say where it is, on a machine that is busy
_LAST_WORDS = 5.0  # seconds that the pipes of an ended process may take to be read; something may hold them open
_LOOK = 0.1  # seconds between looks: on Windows Ctrl-C does not end a wait
_TAIL = 2**16  # bytes of its error stream that are kept; a loop that prints must not fill the memory
_FRAME = re.compile(r'File "(?P<file>.*)", line (?P<line>\d+) in (?P<function>\S+)')
# The first statement keeps modules of the current folder from standing in for those of fastconv.
_PROGRAM = (
    "import sys; sys.path[:] = filter(None, sys.path); from fastconv.dropin.check.code_process_main import main; main()"
)


class CodeProcessError(FastconvError, RuntimeError):
    """Somebody's code did not come to an end with a result.

    Parameters
    ----------
    verdict : {"raised", "crashed", "timed out"}
        How it ended.
    what : str
        What was raised, or what the process said; in one line.
    where : str
        File, line and function, as far as they are known.
    """

    def __init__(self, verdict: str, what: str, where: str = "") -> None:
        super().__init__(f"{what} ({where})" if where else what)
        self.verdict, self.what, self.where = verdict, what, where


def unexamined(file: Path, what: str) -> ExaminationError:
    """Return the error of an examination that ended because of fastconv, and not because of the file."""
    return ExaminationError(
        f"could not examine {file.name}: {what}. This says nothing about the file: it is an error of fastconv,"
        " or of its installation. Please report it, with the file."
    )


class CodeProcess:
    """A Python file in a process of its own.

    Parameters
    ----------
    file : Path
        The file.

    Attributes
    ----------
    notes : (list of str, list of str)
        Imports and statements that led to where it is, where they were asked for.
    at : Place or None
        Which statement of the file, or of its neighbours, was the last to begin.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self._process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM],
            env=child_environment(
                PYTHONIOENCODING="utf-8:backslashreplace",  # a print must not fail because nobody reads it
                PYTHONDONTWRITEBYTECODE="1",  # nothing is left beside the file
                FASTCONV_EXACT="1",  # what is judged, or is timed beside what is exact
                FASTCONV_NUM_THREADS=str(get_num_threads()),
                MPLBACKEND="Agg",  # a plot at the end of the file must not wait for somebody to close it
            ),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            # Ctrl-C is for the examiner alone, which ends the process, and on POSIX whatever that has started
            start_new_session=True,
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
        )
        self._in, self._out = cast(BinaryIO, self._process.stdin), cast(BinaryIO, self._process.stdout)
        self.notes: tuple[list[str], list[str]] = ([], [])
        self.at: Place | None = None
        self._answers: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        self._words = b""
        self._readers = [threading.Thread(target=each, daemon=True) for each in (self._read, self._listen)]
        for reader in self._readers:
            reader.start()
        try:
            self.ask(_STARTING, "start")
        except CodeProcessError as error:  # not the fault of the file, whose turn has not come
            words = self._words.decode(errors="replace").strip().splitlines()
            raise unexamined(file, f"{error.what}: {words[-1]}" if words else error.what) from None
        except BaseException:
            self.end()
            raise

    @property
    def pid(self) -> int:
        """Number of the process."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it can be asked again."""
        return self._process.poll() is None

    def ask(self, limit: float, do: str, **details: Any) -> Message:
        """Send a message and wait for the answer.

        Parameters
        ----------
        limit : float
            Seconds that the answer may take; after them the process is ended.
        do : str
            What is asked for: a ``do_…`` of `fastconv.dropin.check.code_process_main`.
        **details
            Plain data.

        Returns
        -------
        dict
            The answer.

        Raises
        ------
        CodeProcessError
            If the code raised, ended its process, or took longer.
        ExaminationError
            If that was fastconv.
        """
        self.notes = ([], [])
        try:
            send(self._in, {"do": do, "limit": limit, **details})
        except (OSError, ValueError):  # it has gone, and its last words say why; or it was ended before
            answer = None
        else:
            answer = self._wait(limit)
        if answer is None:
            raise CodeProcessError(CRASHED, *self._obituary())
        self._words = b""  # here, and not where it is asked: it may have ended before that, with last words
        if "fault" in answer:
            raise unexamined(self.file, answer["fault"])
        if "failed" in answer:
            raise CodeProcessError(*answer["failed"])
        return answer

    def _wait(self, limit: float) -> Message | None:
        end = time.monotonic() + limit
        while (left := end + _GRACE - time.monotonic()) > 0:
            if left <= _GRACE and self._place():  # it is late, and has said where it is
                break
            gone = not self.alive
            try:
                answer = self._answers.get(timeout=min(left, _LOOK))
            except queue.Empty:
                if gone:  # and what it has forked holds the pipe open
                    return None
                continue
            if answer is not None and "at" in answer:
                self.at = Place(*answer["at"])
            elif answer is not None and "note" in answer:
                imports, lines = answer["note"]
                self.notes = imports, lines
            else:
                return answer
        self.end()
        raise CodeProcessError(TIMED_OUT, f"no result after {limit:g} s", self._place())

    def _read(self) -> None:
        """Collect the answers, in a thread."""
        with contextlib.suppress(OSError, ValueError):  # the pipe has been closed; a message is damaged
            while (answer := receive(self._out)) is not None:
                self._answers.put(answer)
        self._answers.put(None)

    def _listen(self) -> None:
        """Keep the end of what it says on its error stream, in a thread."""
        stream = cast(BinaryIO, self._process.stderr)
        with contextlib.suppress(OSError, ValueError):
            while block := stream.read1(_TAIL):  # type: ignore[attr-defined]  # a BufferedReader
                self._words = (self._words + block)[-_TAIL:]

    def end(self) -> None:
        """End the process, whatever it is doing, and on POSIX what it has started."""
        if hasattr(os, "killpg"):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)
        self._process.kill()
        self._process.wait()
        with contextlib.suppress(OSError):
            self._in.close()
        for reader, stream in zip(self._readers, (self._out, self._process.stderr)):
            reader.join(_LAST_WORDS)
            if stream is not None and not reader.is_alive():  # or else the thread holds its lock
                stream.close()

    def _obituary(self) -> tuple[str, str]:
        """Say how the process ended, and where."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_LAST_WORDS)
        code = self._process.poll()
        self.end()
        return "its messages were damaged" if code is None else exit_words(code), self._place()

    def _place(self) -> str:
        """Line of the file that was running last, as `faulthandler` saw it; empty where it did not."""
        for frame in _FRAME.finditer(self._words.decode(errors="replace")):
            if belongs_to(frame["file"], self.file):
                return f"{Path(frame['file']).name}, line {frame['line']}, in {frame['function']}"
        return ""

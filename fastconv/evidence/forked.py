"""Calling a function in a copy of this process, with a time limit: nothing that it does is seen here but its result.

The copy is a forked child, in which everything is as it is in memory, closures and jitted functions too. It has one
thread; `fast` computes on one in a forked child. What files, sockets and terminals the process holds leads nowhere
in it, so that it cannot write to them or move on in them.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import pickle
import re
import signal
import sys
import sysconfig
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, NoReturn, TypeVar

from fastconv.evidence.process import PACKAGE, exit_code, exit_words
from fastconv.evidence.watchdog import EndedError, NotEndedError

Result = TypeVar("Result")

# Apple's frameworks, of which NumPy may use one, are not to be used in a forked child.
CAN_FORK = hasattr(os, "fork") and sys.platform != "darwin"

_SAYING = 2.0  # seconds in which a child that is ended can still say where it is
_PAUSE = 0.02  # seconds between looks, at most
_ORPHAN = 10  # times the limit after which a child ends that nobody is left to end
_FRAME = re.compile(r'File "(?P<file>.*)", line (?P<line>\d+) in (?P<function>.+)')


def call_in_child(function: Callable[[], Result], time_limit: float) -> Result:
    """Call a function in a forked child and return its result.

    Parameters
    ----------
    function : callable
        Without arguments; may be a closure.
    time_limit : float
        Seconds that it may take, without those in which it waited for a processor; then the child is ended.

    Returns
    -------
    object
        A copy of its result, which has to be something that `pickle` takes.

    Raises
    ------
    NotEndedError
        If it took longer.
    EndedError
        If it ended the process.
    Exception
        What it raised.
    """
    with tempfile.TemporaryFile() as answer, tempfile.TemporaryFile() as words:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of other threads, which the child does not have
            child = os.fork()
        if child == 0:
            _answer(function, time_limit, answer, words)
        try:
            code = _wait(child, time_limit)
            if code is None:
                _ask_where(child)
        finally:
            _end(child)
        if code is None:
            raise NotEndedError(f"it did not end within {time_limit:g} s{_place(words)}")
        answer.seek(0)
        said = answer.read()
        if code != 0 or not said:
            raise EndedError(f"{exit_words(code)}{_place(words)}", code)
        result, error = pickle.loads(said)
    if error is not None:
        raise error
    return result  # type: ignore[no-any-return]


def _answer(function: Callable[[], Any], time_limit: float, answer: IO[bytes], words: IO[bytes]) -> NoReturn:
    """Call the function, write down what comes out, and end this process, which is the child."""
    code = 1
    try:
        os.setsid()  # Ctrl-C is for the parent
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, _ORPHAN * (time_limit + 1))
        _let_go({answer.fileno(), words.fileno()})
        _say_where(words)
        _use_one_thread()
        answer.write(_called(function))
        answer.flush()
        code = 0
    except SystemExit as error:
        code = exit_code(error)
    finally:
        os._exit(code)  # neither flushes what the parent has yet to write nor runs what it does at its end


def _called(function: Callable[[], Any]) -> bytes:
    """The result and None, or None and what was raised."""
    try:
        return pickle.dumps((function(), None))
    except Exception as error:  # noqa: BLE001 - raised again in the parent
        with contextlib.suppress(Exception):
            pickle.loads(said := pickle.dumps((None, error)))  # of some exceptions only the second half fails
            return said
        return pickle.dumps((None, RuntimeError(f"{type(error).__name__}: {error}")))


def _let_go(kept: set[int]) -> None:
    """Point all descriptors but some to where nothing is."""
    nothing = os.open(os.devnull, os.O_RDWR)
    folder = next((each for each in ("/proc/self/fd", "/dev/fd") if os.path.isdir(each)), None)
    found = {0, 1, 2} if folder is None else {int(name) for name in os.listdir(folder)}
    for descriptor in found - kept:
        with contextlib.suppress(OSError):  # that of the listing
            os.dup2(nothing, descriptor)


def _say_where(words: IO[bytes]) -> None:
    """Have the line that is running written down when the process crashes, or is told to."""
    import resource  # not on Windows, which does not come here

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    faulthandler.enable(words, all_threads=False)


def _use_one_thread() -> None:
    """Keep PyTorch from waiting for its threads, which a child does not have."""
    with contextlib.suppress(KeyError, AttributeError):
        sys.modules["torch"].set_num_threads(1)


def _wait(child: int, time_limit: float) -> int | None:
    """Wait for the end of a child and return its exit code; None if it does not end within the limit."""
    start, pause = time.monotonic(), 0.001
    while time.monotonic() - start - _queued(child) < time_limit:
        try:
            ended, status = os.waitpid(child, os.WNOHANG)
        except ChildProcessError:  # somebody in this process waits for all children; then how it ended is not known
            return 0
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(pause)
        pause = min(2 * pause, _PAUSE)
    return None


def _queued(child: int) -> float:
    """Seconds that a process was ready and waited for a processor, where the system tells."""
    try:
        return int(Path(f"/proc/{child}/schedstat").read_text().split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return 0.0


def _ask_where(child: int) -> None:
    """Have a child write down where it is, which ends it."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, signal.SIGABRT)
        _wait(child, _SAYING)


def _end(child: int) -> None:
    """End a child and what it has started."""
    for kill in (os.killpg, os.kill):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            kill(child, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):
        os.waitpid(child, 0)


def _place(words: IO[bytes]) -> str:
    """Line that was running last, outside of libraries; empty where it is not known."""
    paths = sysconfig.get_paths()
    libraries = {PACKAGE, *(Path(paths[name]) for name in ("stdlib", "purelib", "platlib"))}
    words.seek(0)
    for frame in _FRAME.finditer(words.read().decode(errors="replace")):
        if libraries.isdisjoint(Path(frame["file"]).parents):
            return f" ({frame['function']}, line {frame['line']})"
    return ""

"""Calling a function in this thread, with a time limit."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from typing import TypeVar

from fastconv.evidence.process import exit_code, exit_words

Result = TypeVar("Result")

_AGAIN = 1.0  # seconds until it is raised again in code that catches everything


class NoResultError(Exception):
    """A function gave no result; the text says why."""


class NotEndedError(NoResultError):
    """It took too long."""


class EndedError(NoResultError):
    """It ended the process, or would have done so.

    Parameters
    ----------
    text : str
        How, in words.
    code : int
        Exit code; that of a signal is negative.
    """

    def __init__(self, text: str, code: int) -> None:
        super().__init__(text)
        self.code = code


class _TimeIsUp(BaseException):
    """Raised inside the function; no Exception, which it may catch."""


def call_within(function: Callable[[], Result], time_limit: float) -> Result:
    """Call a function and return its result.

    Parameters
    ----------
    function : callable
        Without arguments.
    time_limit : float
        Seconds that it may take. Then an exception is raised in it, which does not reach compiled code: such a function
        goes on until it returns to Python.

    Returns
    -------
    object
        Its result.

    Raises
    ------
    NotEndedError
        If it took longer.
    EndedError
        If it raised SystemExit.
    """
    thread, done = threading.get_ident(), threading.Event()

    def watch() -> None:
        wait = time_limit
        while not done.wait(wait):
            _raise_in(thread, _TimeIsUp)
            wait = _AGAIN

    def call_off() -> None:
        done.set()
        watcher.join()
        for _ in range(2):  # what is still to be raised comes at the end of a round, and is not taken back: after that
            pass  # CPython 3.11 looks for it for ever, and never ends where a profiler is set

    watcher = threading.Thread(target=watch, daemon=True)
    try:
        try:
            watcher.start()
            return function()
        finally:
            call_off()
    except _TimeIsUp:
        call_off()  # it may have been raised in the call before
        raise NotEndedError(f"it did not end within {time_limit:g} s") from None
    except SystemExit as error:
        raise EndedError(exit_words(exit_code(error)), exit_code(error)) from None


def _raise_in(thread: int, error: type[BaseException]) -> None:
    """Raise an exception in a thread as soon as it runs Python."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(error))

"""The process of somebody's code: ``python -c "... import main; main()"``, started by `fastconv.dropin.check.worker`.

It does one thing at a time, when a message asks for it. Messages have pipes of their own: what the code prints goes
nowhere, and its standard input is empty.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import queue
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, TextIO

from fastconv.contest.wire import Message, receive, send
from fastconv.dropin.check.desk import Desk
from fastconv.validation.memory import memory_limit

__all__ = ["main"]


def main() -> None:
    """Answer messages until nobody asks any more."""
    asked, answers, errors = _private_streams()
    faulthandler.enable(errors)  # a segmentation fault says where
    _limit_memory()
    messages: queue.SimpleQueue[Message] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(asked, messages), daemon=True).start()
    desk = Desk(lambda note: send(answers, note))
    while True:
        answer = _answer(desk, messages.get(), errors)
        try:
            send(answers, answer)
        except BrokenPipeError:
            return


def _private_streams() -> tuple[BinaryIO, BinaryIO, TextIO]:
    """Return the streams of the messages and that of the errors; nothing leads there from the usual ones any more."""
    asked, answers, errors = (os.dup(number) for number in (0, 1, 2))  # not inherited by what the code starts
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 0)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    return os.fdopen(asked, "rb"), os.fdopen(answers, "wb"), os.fdopen(errors, "w", encoding="utf-8")


def _limit_memory() -> None:
    """Let what asks for more than all memory get a MemoryError, before the system ends something else for it."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        _, most = resource.getrlimit(resource.RLIMIT_DATA)
        limit = memory_limit() if most == resource.RLIM_INFINITY else min(memory_limit(), most)
        resource.setrlimit(resource.RLIMIT_DATA, (limit, most))


def _listen(stream: BinaryIO, messages: queue.SimpleQueue[Message]) -> None:
    """Hand on what is asked; end the process when the examiner has gone, whatever the code is doing."""
    with contextlib.suppress(OSError):
        while (message := receive(stream)) is not None:
            messages.put(message)
    os._exit(0)


def _answer(desk: Desk, message: Message, errors: TextIO) -> Message:
    """Do what a message asks for; whatever the code raises is the answer."""
    action: Callable[..., Message] = getattr(desk, f"do_{message.pop('do')}")
    faulthandler.dump_traceback_later(message.pop("limit"), file=errors)  # where it is when its time is over
    try:
        return action(**message)
    except SystemExit as error:
        status = "" if error.code is None else repr(error.code)
        return {"failed": ("crashed", f"it called sys.exit({status})", _place(error, desk.file))}
    except BaseException as error:  # noqa: BLE001 (whatever the code raises is reported)
        return {"failed": ("raised", _described(error), _place(error, desk.file))}
    finally:
        faulthandler.cancel_dump_traceback_later()


def _described(error: BaseException) -> str:
    """Type and message of an error, in one line."""
    try:
        lines = str(error.msg if isinstance(error, SyntaxError) else error).split()
    except Exception:  # noqa: BLE001 (its own __str__ fails)
        lines = []
    return f"{type(error).__name__}: {' '.join(lines)}" if lines else type(error).__name__


def _place(error: BaseException, file: Path) -> str:
    """Return the last line of the file, or else of its neighbours, that an error came through."""
    frames = traceback.extract_tb(error.__traceback__)
    if isinstance(error, SyntaxError) and error.filename:
        return f"{Path(error.filename).name}, line {error.lineno}"
    own = [frame for frame in frames if Path(frame.filename) == file]
    near = [frame for frame in frames if file.parent == Path(frame.filename).parent]
    for frame in (own or near)[-1:]:
        function = "" if frame.name == "<module>" else f", in {frame.name}"
        return f"{Path(frame.filename).name}, line {frame.lineno}{function}"
    return ""


if __name__ == "__main__":
    sys.exit("started by fastconv.dropin.check.worker")

"""The process of somebody's code: ``python -c "... import main; main()"``, started by a `CodeProcess`.

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
from inspect import getattr_static
from pathlib import Path
from types import ModuleType
from typing import BinaryIO, TextIO

from fastconv.dropin.check.messages import Packed, pack, pack_problem, unpack_problem
from fastconv.dropin.check.recorder import Recorder, perform
from fastconv.dropin.check.timed_calls import TimedCalls
from fastconv.dropin.conventions import Implementation, Problem, recognise, run
from fastconv.dropin.conventions.calls import Calls
from fastconv.dropin.conventions.judge import fault_of
from fastconv.dropin.conventions.near_misses import near_misses, told
from fastconv.dropin.source.blocks import Python2Error, belongs_to
from fastconv.dropin.source.loading import load_file
from fastconv.dropin.source.notes import notes_on
from fastconv.dropin.source.statements import Course, Place
from fastconv.errors import FastconvError
from fastconv.evidence.process import Message, receive, send
from fastconv.validation.memory import memory_limit

Failure = tuple[str, str, str]  # verdict, what, where

_SIMPLE = (str, int, float, bool)


def main() -> None:
    """Answer messages until nobody asks any more."""
    asked, answers, errors = _private_streams()
    faulthandler.enable(errors)  # a segmentation fault says where
    _limit_memory()
    messages: queue.SimpleQueue[Message] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(asked, messages), daemon=True).start()
    requests = Requests(lambda note: send(answers, note))
    while True:
        answer = _answer(requests, messages.get(), errors)
        try:
            send(answers, answer)
        except BrokenPipeError:
            return


def _private_streams() -> tuple[BinaryIO, BinaryIO, TextIO]:
    """Return the streams of the messages and that of the errors; nothing leads there from the usual ones any more."""
    asked, answers, errors = (os.dup(number) for number in (0, 1, 2))  # not inherited by what the code starts
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nowhere, number)
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


def _answer(requests: Requests, message: Message, errors: TextIO) -> Message:
    """Do what a message asks for; whatever the code raises is the answer."""
    action: Callable[..., Message] = getattr(requests, f"do_{message.pop('do')}")
    faulthandler.dump_traceback_later(message.pop("limit"), file=errors)  # where it is when its time is over
    try:
        return action(**message)
    except _CannotExpress as reason:
        return {"cannot": str(reason)}
    except BaseException as error:  # noqa: BLE001 (whatever the code raises is reported)
        fault = fault_of(error)
        return {"fault": fault} if fault else {"failed": _failure(error, requests.file)}
    finally:
        faulthandler.cancel_dump_traceback_later()


def _failure(error: BaseException, file: Path) -> Failure:
    """Return the verdict on an exception, what it says and where it was raised."""
    if isinstance(error, SystemExit):
        status = "" if error.code is None else repr(error.code)
        return "crashed", f"it called sys.exit({status})", _place(error, file)
    return "raised", _described(error), _place(error, file)


def _described(error: BaseException) -> str:
    """Type and message of an error, in one line."""
    try:
        lines = str(error.msg if isinstance(error, SyntaxError) else error).split()
    except Exception:  # noqa: BLE001 (its own __str__ fails)
        lines = []
    if isinstance(error, Python2Error):
        return " ".join(lines)
    return f"{type(error).__name__}: {' '.join(lines)}" if lines else type(error).__name__


def _place(error: BaseException, file: Path) -> str:
    """Return the last line of the file, or else of its neighbours, that an error came through."""
    frames = traceback.extract_tb(error.__traceback__)
    if isinstance(error, SyntaxError) and error.filename:
        return f"{Path(error.filename).name}, line {error.lineno}"
    own = [frame for frame in frames if belongs_to(frame.filename, file)]
    near = [frame for frame in frames if file.parent == Path(frame.filename).parent]
    for frame in (own or near)[-1:]:
        function = "" if frame.name == "<module>" else f", in {frame.name}"
        return f"{Path(frame.filename).name}, line {frame.lineno}{function}"
    return ""


class _CannotExpress(Exception):
    """A problem that the functions have no way to be asked."""


class Requests:
    """The file, what was recognised in it, and what is done with that.

    Parameters
    ----------
    notify : callable
        Sends a message that is not yet the answer.
    """

    def __init__(self, notify: Callable[[Message], None]) -> None:
        self.file = Path()
        self._module = ModuleType("")
        self._notify = notify
        self._recognise: Callable[[], list[Implementation]] = list
        self._found: list[Implementation] = []
        self._timed: dict[bool, TimedCalls] = {}

    def do_start(self) -> Message:
        """Say that everything is imported."""
        return {"pid": os.getpid()}

    def do_load(
        self, file: str, root: str | None, mapping: dict[str, str], source: str, avoided: list[tuple[Place, Failure]]
    ) -> Message:
        """Run the file, and say what is recognised in it, where it stopped, and what is special about it."""
        self.file = Path(file)
        known = {Place(*place): failure for place, failure in avoided}
        course = Course(known.keys(), lambda place: self._notify({"at": place}))
        module = self._module = load_file(self.file, course, None if root is None else Path(root))
        self._recognise = lambda: recognise(module, mapping, source=source)
        try:
            self._found = self._recognise()
        except FastconvError as error:  # the mapping is wrong
            return {"refused": str(error)}
        stops = {
            place: known[place] if error is None else _failure(error, self.file)
            for place, error in course.stops.items()
        }
        return {
            "module": module.__name__,
            "found": [_recognised(each) for each in self._found],
            "stopped": next((stops[place] for place in stops if belongs_to(place.block, self.file)), None),
            "notes": notes_on(self.file, {place: what for place, (_, what, _) in stops.items()}, course.missing),
            "near_misses": told(near_misses(module, self._found)),
            "jitted": any(getattr_static(value, "py_func", None) for value in vars(module).values()),
        }

    def do_replace(self, statement: str, block: str) -> Message:
        """Run a definition of the file again, with or without a change: it takes the place of what has its name."""
        before = [each.label for each in self._found]
        try:
            exec(compile(statement, block, "exec"), vars(self._module))
        except Exception:  # noqa: BLE001 (theirs: a decorator, a default)
            return {"same": False}
        self._found = self._recognise()
        return {"same": before == [each.label for each in self._found]}

    def do_run(self, index: int, problem: Packed) -> Message:
        """Run forward and backward on a problem, or say why it cannot be expressed."""
        implementation = self._found[index]
        given, adapted = _adapted(implementation, problem)
        found = run(implementation, given)
        if found.fault:
            return {"fault": found.fault}
        return {
            "adapted": adapted,
            "results": [pack(result) for result in found.results],
            "errors": dict(found.errors),
            "modified": list(found.modified),
            "details": {name: value for name, value in implementation.details.items() if isinstance(value, _SIMPLE)},
        }

    def do_record(self, index: int, problem: Packed) -> Message:
        """Run a problem again, and return the statements that do the same."""
        given = unpack_problem(problem)
        recorder = Recorder(given.memory, lambda imports, lines: self._notify({"note": [imports, lines]}))
        perform(self._found[index], given, recorder)
        arrays = {name: pack(array) for name, array in recorder.arrays()}
        return {
            "imports": recorder.imports,
            "lines": recorder.lines,
            "first": recorder.first or 0,
            "arrays": arrays,
            "changed": recorder.changed(),
        }

    def do_prepare(self, index: int, problem: Packed, fast: bool, results: bool) -> Message:
        """Run a problem with the functions, or with fast ones in their place, and keep the calls for `do_turn`."""
        implementation = self._found[index]
        given, adapted = _adapted(implementation, problem)
        if fast:
            implementation = implementation.with_functions(implementation.convention.fast(implementation, Calls()))
        self._timed[fast] = timed = TimedCalls(implementation, given)
        return {
            "adapted": adapted,
            "results": [pack(result) for result in timed.results] if results else None,
            "seconds": timed.seconds,
        }

    def do_turn(self, fast: bool, step: str) -> Message:
        """Time one round of calls that were prepared; return the seconds of a call."""
        return {"seconds": self._timed[fast].turn(step)}


def _adapted(implementation: Implementation, packed: Packed) -> tuple[Problem, Packed | None]:
    """Return the part of a problem that functions take; and as a message, where it is not the whole."""
    problem = unpack_problem(packed)
    reason = implementation.convention.cannot_express(implementation, problem)
    if reason is not None:
        raise _CannotExpress(reason)
    adapted = implementation.convention.adapted(implementation, problem)
    return adapted, None if adapted is problem else pack_problem(adapted)


def _recognised(implementation: Implementation) -> Packed:
    return {
        "label": implementation.label,
        "convention": implementation.convention.name,
        "targets": {role: target.name for role, target in implementation.targets.items()},
        "names": _imported(implementation),
    }


def _imported(implementation: Implementation) -> list[str]:
    """Names that a program takes from the file to call the functions."""
    if implementation.cls is not None:
        return [implementation.cls.__name__]
    return list(dict.fromkeys(target.label.partition(".")[0] for target in implementation.targets.values()))


if __name__ == "__main__":
    sys.exit("started by fastconv.dropin.check.code_process")

"""What the process of somebody's code can be asked for."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from fastconv.contest.wire import Message
from fastconv.dropin.check.loading import load_file
from fastconv.dropin.check.messages import Packed, pack, pack_problem, unpack_problem
from fastconv.dropin.check.recorder import Recorder
from fastconv.dropin.check.stand_ins import perform
from fastconv.dropin.check.timed_calls import Track
from fastconv.dropin.conventions import Implementation, recognise, run
from fastconv.dropin.conventions.calls import Calls
from fastconv.errors import FastconvError

__all__ = ["Desk"]

_SIMPLE = (str, int, float, bool)


class Desk:
    """The file, what was recognised in it, and what is done with that.

    Parameters
    ----------
    notify : callable
        Sends a message that is not yet the answer.
    """

    def __init__(self, notify: Callable[[Message], None]) -> None:
        self.file = Path()
        self._notify = notify
        self._found: list[Implementation] = []
        self._tracks: dict[bool, Track] = {}

    def do_start(self) -> Message:
        """Say that everything is imported."""
        return {"pid": os.getpid()}

    def do_load(self, file: str, mapping: dict[str, str], source: str) -> Message:
        """Run the file, and say what is recognised in it."""
        self.file = Path(file)
        module = load_file(self.file)
        try:
            self._found = recognise(module, mapping, source=source)
        except FastconvError as error:  # the mapping is wrong
            return {"refused": str(error)}
        return {"module": module.__name__, "found": [_described(each) for each in self._found]}

    def do_run(self, index: int, problem: Packed) -> Message:
        """Run forward and backward on a problem, or say why it cannot be expressed."""
        implementation, given = self._found[index], unpack_problem(problem)
        reason = implementation.convention.cannot_express(implementation, given)
        if reason is not None:
            return {"cannot": reason}
        adapted = implementation.convention.adapted(implementation, given)
        found = run(implementation, adapted)
        return {
            "adapted": None if adapted is given else pack_problem(adapted),
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
        implementation, given = self._found[index], unpack_problem(problem)
        convention = implementation.convention
        reason = convention.cannot_express(implementation, given)
        if reason is not None:
            return {"cannot": reason}
        adapted = convention.adapted(implementation, given)
        if fast:
            implementation = implementation.with_functions(convention.fast(implementation, Calls()))
        self._tracks[fast] = track = Track(implementation, adapted)
        return {
            "adapted": None if adapted is given else pack_problem(adapted),
            "results": [pack(result) for result in track.results] if results else None,
            "seconds": track.seconds,
        }

    def do_turn(self, fast: bool, step: str) -> Message:
        """Time one round of calls that were prepared; return the seconds of a call."""
        return {"seconds": self._tracks[fast].turn(step)}


def _described(implementation: Implementation) -> Packed:
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

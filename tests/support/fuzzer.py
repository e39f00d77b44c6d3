"""Right calls with one or two arguments replaced: each gives a right result or a clear error.

As a program: ``python tests/support/fuzzer.py SEED CALLS engine`` prints the calls that do neither; ``dropins`` makes
those of what stands in for other people's code.
"""

from __future__ import annotations

import faulthandler
import re
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from traceback import walk_tb
from typing import Any
from unittest import mock

import numpy as np
from fuzzed_calls import every_call
from fuzzed_dropins import dropin_calls
from hostile_values import ANYTHING, OTHER_NUMBERS, SAME_NUMBERS
from programs import patience
from public_call import PublicCall

from fastconv.errors import FastconvError
from fastconv.validation import memory

LONGEST = 600  # characters of a message
MOST_CAUSES = 2  # exceptions that a message comes with, itself included
_LINE = 400  # characters of what is printed about a call
MEMORY = 2**28  # bytes that a call may ask for

ROWS = {"engine": every_call, "dropins": dropin_calls}
_FINITE = {*ANYTHING, *SAME_NUMBERS, *OTHER_NUMBERS} - {"NaNs", "infinities"}


@dataclass(frozen=True)
class Trial:
    """A call, and what was put in place of its arguments: a name of `hostile_values` for each."""

    call: PublicCall
    replaced: dict[str, str]

    def arguments(self) -> dict[str, Any]:
        """Arguments of the call as it is made."""
        found = dict(self.call.arguments)
        for name, what in self.replaced.items():
            form = {**SAME_NUMBERS, **OTHER_NUMBERS}.get(what)
            found[name] = ANYTHING[what]() if form is None else form(found[name])
        return found

    def __str__(self) -> str:
        return f"{self.call.name}({', '.join(f'{name}: {what}' for name, what in self.replaced.items())})"


def trials(seed: int, count: int, rows: str = "engine") -> Iterator[Trial]:
    """Every call in turn, until there are so many."""
    rng, calls = np.random.default_rng(seed), ROWS[rows]()
    for number in range(count):
        call = calls[number % len(calls)]
        names = list(call.arguments)
        chosen = rng.choice(names, min(len(names), 1 + (rng.random() < 0.25)), replace=False)
        yield Trial(call, {str(name): _form(rng, call.arguments[name]) for name in chosen})


def _form(rng: np.random.Generator, value: Any) -> str:
    """Name of what replaces an argument."""
    floats = isinstance(value, np.ndarray) and value.dtype.kind == "f" and value.ndim
    tables = [ANYTHING, SAME_NUMBERS, OTHER_NUMBERS] if floats else [ANYTHING]
    return str(rng.choice(list(tables[rng.integers(len(tables))])))


def verdict(trial: Trial) -> str | None:
    """What is wrong with what a call did, or None."""
    before = {name: value.tobytes() for name, value in trial.call.arguments.items() if isinstance(value, np.ndarray)}
    with limited(), warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        arguments = trial.arguments()
        try:
            found = trial.call.function(**arguments)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is judged
            return unclear(error, trial.call)
        wrong = _unlike(trial, arguments, found)
    changed = [name for name, content in before.items() if trial.call.arguments[name].tobytes() != content]
    return f"changed {', '.join(changed)}" if changed else wrong


@contextmanager
def limited() -> Iterator[None]:
    """Let nothing be computed that a small machine has no memory for."""
    with mock.patch.object(memory, "memory_limit", return_value=MEMORY):
        yield


def unclear(error: BaseException, call: PublicCall | None = None) -> str | None:
    """What an error lacks to be clear, or None."""
    text = str(error)
    kind = f"{type(error).__name__}: {text[:200]}"
    if isinstance(error, OSError) and error.filename is not None:
        return None  # the system says what is wrong with which file
    if isinstance(error, AssertionError) and call is not None and call.name in ("assert_close", "gradient_check"):
        return None if len(text) < LONGEST else f"AssertionError of {len(text)} characters"  # it is made to raise one
    if call is not None and _said_by(error, call.theirs):
        return None
    if not isinstance(error, FastconvError):
        return f"{kind} is not one of fastconv.errors"
    if len(re.sub("must be one of .*, but got|Known are .*;|or write one of.*", "", text, flags=re.DOTALL)) > LONGEST:
        return f"{type(error).__name__} of {len(text)} characters: {text[:200]}"
    causes = _causes(error)
    if len(causes) > MOST_CAUSES:
        return f"{kind} after {' and '.join(type(one).__name__ for one in causes[1:])}"
    if not re.match(r"[^:]{1,120}: .*\S", text, re.DOTALL):
        return f"{kind} does not name the operation"
    if call is not None and not _names(text, call):
        return f"{kind} names no argument"
    return None


def _said_by(error: BaseException, libraries: tuple[str, ...]) -> bool:
    """Whether one of these libraries, called by ours, has raised an exception."""
    frames = [str(frame.f_globals.get("__name__")).partition(".")[0] for frame, _ in walk_tb(error.__traceback__)]
    own = max((place for place, name in enumerate(frames) if name == "fastconv"), default=0)
    return any(name in libraries for name in frames[own:])


def _names(text: str, call: PublicCall) -> bool:
    """Whether a message names an argument, or what follows from several."""
    words = (*call.arguments, "window", "output", "input", "columns", "arrays", "result", "channels", "rows", "must")
    return any(re.search(rf"\b{re.escape(word)}\b", text) for word in words)


def _causes(error: BaseException | None) -> list[BaseException]:
    """An exception and those before it, as a traceback shows them."""
    found: list[BaseException] = []
    while error is not None and error not in found:
        found.append(error)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return found


def _unlike(trial: Trial, arguments: dict[str, Any], found: Any) -> str | None:
    """How a result differs from that of the plain arrays, or of the other backend."""
    others = dict(arguments)
    if all(what in SAME_NUMBERS for what in trial.replaced.values()):
        others = dict(trial.call.arguments)
    elif not trial.call.backends or "backend" in trial.replaced:
        return None
    else:
        others = trial.arguments()
    if trial.call.backends:
        others["backend"] = "numpy"
    expected = trial.call.function(**others)
    for one, other in zip(_arrays(found), _arrays(expected)):
        if one.shape != other.shape or not _close(
            one, other, undefined=not _FINITE.issuperset(trial.replaced.values())
        ):
            return f"a result of {one.shape} {one.dtype} that is not that of {other.shape} {other.dtype}"
    return None


def _arrays(value: Any) -> list[np.ndarray[Any, Any]]:
    parts = value if isinstance(value, (tuple, list)) else [value]
    return [part.view(np.ndarray) for part in parts if isinstance(part, np.ndarray)]


def _close(one: Any, other: Any, undefined: bool) -> bool:
    """Whether numbers agree; `undefined` says that NaN may stand in place of a number, as zero times infinity does."""
    if one.dtype.kind not in "fc":
        return bool(np.array_equal(one, other))
    if undefined:
        other = np.where(np.isnan(one), one, other)
    eps = max(np.finfo(one.dtype).eps, np.finfo(np.float32).eps)
    scale = np.nanmax(np.abs(np.where(np.isfinite(other), other, 0)), initial=0)
    slack = 1e4 * max(eps * scale, float(np.finfo(np.float32).tiny))  # what lies below is not exact
    return bool(np.allclose(one, other, rtol=1e4 * eps, atol=slack, equal_nan=True))


def main(seed: int, count: int, rows: str) -> None:
    """Make so many calls, and print what is wrong with them; a crash or a hang shows where it was."""
    faulthandler.enable()
    wrong = 0
    for trial in trials(seed, count, rows):
        faulthandler.dump_traceback_later(patience(), exit=True)
        found = verdict(trial)
        if found is not None:
            print(f"{trial} -> {found}"[:_LINE].encode("ascii", "backslashreplace").decode())
        wrong += found is not None
    faulthandler.cancel_dump_traceback_later()
    print(f"{count} calls with seed {seed}, {wrong} unclear")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])

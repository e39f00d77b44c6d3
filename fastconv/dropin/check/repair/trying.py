"""Changes of one line, tried one after the other."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator

from fastconv.dropin.check.repair.changes import changes
from fastconv.dropin.check.repair.line import Line
from fastconv.dropin.check.repair.source import Function, Source

Works = Callable[[Source, int, str], bool]  # with which line of what changed into what


def find_line(
    source: Source, functions: list[Function], mistakes: Iterable[str], works: Works, seconds: float
) -> tuple[str, Line] | None:
    """Return the first change of a line with which the code works, and the mistake that suggests it.

    Parameters
    ----------
    source : Source
        The file.
    functions : list of ast.FunctionDef
        Where to look: what fails, and what that calls.
    mistakes : iterable of str
        Names of the mistakes that are suspected.
    works : callable
        Called with the number of a line and what it becomes; whether the code is right with the change.
    seconds : float
        How long to try.

    Returns
    -------
    tuple of (str, Line) or None
        None where no change of one line is enough, or none was found in time.
    """
    end, tried = time.monotonic() + seconds, set[tuple[int, str]]()
    for mistake, number, better in _in_turn({name: changes(source, functions, name) for name in mistakes}):
        if time.monotonic() > end:
            return None
        if (number, better) in tried:
            continue
        tried.add((number, better))
        if source.fits(number, better) and works(source, number, better):
            return mistake, Line(source.name, number, source.line(number), better)
    return None


def _in_turn(given: dict[str, Iterator[tuple[int, str]]]) -> Iterator[tuple[str, int, str]]:
    """Give one change of each mistake, then a second of each: what suggests few is not kept waiting by the others."""
    while given:
        for name, found in list(given.items()):
            change = next(found, None)
            if change is None:
                del given[name]
            else:
                yield name, *change

"""Never slower: originals and their equivalents timed side by side, after the proof."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import wraps
from itertools import product
from time import perf_counter
from typing import Any

import numpy as np

from fastconv.dropin.conventions.convention import Function, Implementation
from fastconv.dropin.conventions.judge import run
from fastconv.dropin.conventions.problem import Problem, draw
from fastconv.report.words import format_seconds

Clock = Callable[[], float]
Group = tuple[str, ...]
Sizes = dict[str, Any]

_TINY: Sizes = {"images": 1, "channels": 2, "filters": 2, "size": (8, 8)}
_ORDINARY: tuple[Sizes, ...] = (
    {"images": 4, "channels": 8, "filters": 8, "size": (16, 16)},
    {"images": 8, "channels": 16, "filters": 16, "size": (24, 24)},
)
_WINDOWS: tuple[Sizes, ...] = (
    {"kernel": (3, 3), "stride": (1, 1), "padding": (1, 1)},
    {"kernel": (3, 3), "stride": (1, 1)},
    {"kernel": (2, 2), "stride": (2, 2)},
)
_FAR = 8  # times as fast on a tiny problem: these are loops
_NEAR = 1.05  # times as long: less is noise
_CALLS, _SECONDS = 9, 0.15  # at most, for each problem


@dataclass
class _Stopwatch:
    """Functions that note how long they take; those that they call count with them."""

    clock: Clock
    taken: dict[str, float] = field(default_factory=dict)
    running: bool = False

    def around(self, role: str, function: Function) -> Function:
        """Return the function, timed."""

        @wraps(function)
        def timed(*args: Any, **kwargs: Any) -> Any:
            if self.running:
                return function(*args, **kwargs)
            self.running, start = True, self.clock()
            try:
                return function(*args, **kwargs)
            finally:
                self.taken[role] = self.taken.get(role, 0.0) + self.clock() - start
                self.running = False

        return timed


@dataclass(frozen=True)
class _Contest:
    """Somebody's functions beside their equivalents."""

    implementation: Implementation
    equal: Mapping[str, Function]
    clock: Clock

    def times(self, problem: Problem, calls: int) -> dict[str, tuple[float, float]]:
        """Seconds of each function and of its equivalent, by role: the least of calls that take turns."""
        self._once(problem, self.equal)  # warms up
        runs: list[tuple[dict[str, float], dict[str, float]]] = []
        start = self.clock()
        while len(runs) < calls and (not runs or self.clock() - start < _SECONDS):
            runs.append((self._once(problem, {}), self._once(problem, self.equal)))
        return {
            role: (min(theirs.get(role, 0.0) for theirs, _ in runs), min(ours.get(role, 0.0) for _, ours in runs))
            for role in self.equal
        }

    def _once(self, problem: Problem, functions: Mapping[str, Function]) -> dict[str, float]:
        watch = _Stopwatch(self.clock)
        timed = {role: watch.around(role, functions.get(role, self.implementation[role])) for role in self.equal}
        run(self.implementation.with_functions(timed), problem)
        return watch.taken


def slower(
    implementation: Implementation, equal: Mapping[str, Function], clock: Clock = perf_counter
) -> dict[str, str]:
    """Return the functions whose equivalents are slower than they are, with both times.

    Parameters
    ----------
    implementation : Implementation
        Somebody's functions.
    equal : mapping of str to callable
        Their equivalents by role, proven to be the same.
    clock : callable
        Gives seconds.

    Returns
    -------
    dict of str to str
        By role, such as "0.31 ms, ours 0.52 ms". Functions that hand something to each other count together.

    Notes
    -----
    A function is slower if its equivalent takes more than 1.05 times as long on two ordinary problems, by the least of
    several calls, to which other programs add least. What is 8 times as fast on a tiny one is not looked at further:
    these are loops, which would take seconds.
    """
    problems = _problems(implementation, equal)
    if not problems:
        return {}
    tiny, *ordinary = problems
    contest = _Contest(implementation, equal, clock)
    groups = _groups(implementation, equal)
    times = contest.times(tiny, 1)
    groups = [group for group in groups if _sum(times, group, 0) < _FAR * _sum(times, group, 1)]
    for problem in ordinary:
        times = contest.times(problem, _CALLS) if groups else {}
        groups = [group for group in groups if _sum(times, group, 1) > _NEAR * _sum(times, group, 0)]
    return {
        role: f"{format_seconds(times[role][0])}, ours {format_seconds(times[role][1])}"
        for group in groups
        for role in group
    }


def _groups(implementation: Implementation, equal: Mapping[str, Function]) -> list[Group]:
    """Roles that are replaced together or not at all."""
    together = implementation.convention.cached or implementation.cls is not None
    return [tuple(equal)] if together else [(role,) for role in equal]


def _sum(times: Mapping[str, tuple[float, float]], group: Group, whose: int) -> float:
    return sum(times[role][whose] for role in group)


def _problems(implementation: Implementation, equal: Mapping[str, Function]) -> list[Problem]:
    """A tiny problem and two ordinary ones, with windows that the functions take; none where they take no such."""
    convention = implementation.convention
    for dtype, windows in product((np.float64, np.float32), _WINDOWS):  # some are fast for float32 alone
        drawn = [draw(convention.operations[0], dtype=dtype, **sizes, **windows) for sizes in (_TINY, *_ORDINARY)]
        if convention.cannot_express(implementation, drawn[0]) is None:
            problems = [convention.adapted(implementation, problem) for problem in drawn]
            if not any(run(each, problems[0]).errors for each in _both(implementation, equal)):
                return problems
    return []


def _both(implementation: Implementation, equal: Mapping[str, Function]) -> tuple[Implementation, Implementation]:
    return implementation, implementation.with_functions(equal)

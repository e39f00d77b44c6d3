"""Trials of somebody's functions: every case that they can express, run once and judged."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from fastconv.dropin.conventions.cases import Case
from fastconv.dropin.conventions.convention import Implementation
from fastconv.dropin.conventions.judge import CANNOT, RAISED, Verdict, judged, run
from fastconv.dropin.conventions.problem import Problem, draw


class Trial(NamedTuple):
    """What functions did in one case for one operation.

    Attributes
    ----------
    case : Case
        The case.
    problem : Problem
        The part of it that the functions take.
    verdicts : mapping of str to Verdict
        By role.
    """

    case: Case
    problem: Problem
    verdicts: Mapping[str, Verdict]

    def __str__(self) -> str:
        return f"{self.case.phrase} ({self.problem})"


Trials = Sequence[Trial]


def tried(implementation: Implementation, cases: Iterable[Case]) -> list[Trial]:
    """Run functions on cases.

    Parameters
    ----------
    implementation : Implementation
        Somebody's functions.
    cases : iterable of Case
        Which.

    Returns
    -------
    list of Trial
        In their order. Cases that are the same for these functions, such as one image and several for what takes one
        plane, are run once.
    """
    convention = implementation.convention
    trials: list[Trial] = []
    seen = set()
    for case in cases:
        for operation in convention.operations:
            problem = case.draw(operation)
            if problem is None:
                continue
            reason = convention.cannot_express(implementation, problem)
            if reason is not None:
                verdicts = dict.fromkeys(implementation.targets, Verdict(CANNOT, reason))
                trials.append(Trial(case, problem, verdicts))
                continue
            problem = convention.adapted(implementation, problem)
            kind = _kind(case, problem)
            if kind not in seen:
                seen.add(kind)
                trials.append(Trial(case, problem, verdicts_on(implementation, case, problem)))
    return trials


def _kind(case: Case, problem: Problem) -> tuple[Any, ...]:
    """What a function can see of a case, but for random numbers."""
    arrays = tuple((name, array.shape, array.dtype) for name, array in problem.arrays.items())
    values = case.sizes[problem.operation].get("values", "")
    sizes = problem.kernel, problem.stride, problem.padding, problem.dilation
    return problem.operation, arrays, sizes, problem.memory, values, case.also == "repeat"


def verdicts_on(implementation: Implementation, case: Case, problem: Problem) -> dict[str, Verdict]:
    """Judge functions on the part of a case that they take; what is repeated is so after a call with other sizes."""
    try:
        runs = [run(implementation, problem)]
        if case.also == "repeat":
            run(implementation, _larger(implementation, problem))
            runs.append(run(implementation, problem))
    except SystemExit:
        return dict.fromkeys(implementation.targets, Verdict(RAISED, "SystemExit"))
    return judged(implementation, problem, runs, "unmodified")  # not "dtype": that is learned


def _larger(implementation: Implementation, problem: Problem) -> Problem:
    """A problem with the same windows on a larger image."""
    _, _, height, width = problem.x.shape
    size = height + 1, width + 2
    larger = draw(problem.operation, size=size, kernel=problem.kernel, **problem.options, memory=problem.memory, seed=1)
    return implementation.convention.adapted(implementation, larger)

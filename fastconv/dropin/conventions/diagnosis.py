"""Words for what somebody's code computes instead: the usual mistakes, tried one after the other."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

import numpy as np

from fastconv.dropin.conventions.expected import expected
from fastconv.dropin.conventions.judge import OK, compared
from fastconv.dropin.conventions.mistakes import MISTAKES, Mistake, Suspicion, suspicions
from fastconv.dropin.conventions.problem import Problem
from fastconv.validation.arrays import Array


def diagnose(name: str, got: Any, problem: Problem) -> str:
    """Say which usual mistake gives exactly what came out.

    Parameters
    ----------
    name : {"y", "dx", "dweight", "dbias"}
        Which array.
    got : object
        What came out; not what should have.
    problem : Problem
        The problem.

    Returns
    -------
    str
        Words, or nothing where no usual mistake explains it.

    Examples
    --------
    >>> from fastconv.dropin.conventions.problem import draw
    >>> from fastconv.functional.conv import conv2d
    >>> problem = draw("conv2d")
    >>> diagnose("y", conv2d(problem.x, problem.weight, backend="numpy"), problem)
    'the bias is forgotten'
    """
    return next((mistake.words for mistake in mistakes_in(name, got, problem)), "")


def mistakes_in(name: str, got: Any, problem: Problem, only: Collection[str] = ()) -> Iterator[Mistake]:
    """Give the usual mistakes that lead to exactly what came out, the most telling first.

    Parameters
    ----------
    name : {"y", "dx", "dweight", "dbias"}
        Which array.
    got : object
        What came out.
    problem : Problem
        The problem.
    only : collection of str
        Names of the mistakes to try; all of them by default.

    Yields
    ------
    Mistake
        None of what is right: a mistake that would change nothing, or too little to tell, is not among them.
    """
    if not isinstance(got, np.ndarray) or got.dtype.kind not in "fiu":
        return
    if got.dtype.kind in "iu" or _is_close(got, name, problem):
        stored = "integer result" if got.dtype.kind in "iu" and problem.x.dtype.kind in "iu" else "rounded"
        if (not only or stored in only) and compared(name, got, problem).kind != OK:
            yield MISTAKES[stored]
        return
    shape = getattr(expected(problem), name).shape
    for suspicion in suspicions(name, problem):
        if (not only or suspicion.name in only) and _explains(suspicion, got, shape):
            yield suspicion.mistake


def contradicts(mistake: Mistake, name: str, problem: Problem) -> bool:
    """Return whether a mistake cannot have been made, for a problem came out right with which it would not.

    Parameters
    ----------
    mistake : Mistake
        One of `mistakes_in`.
    name : {"y", "dx", "dweight", "dbias"}
        The array in which it is suspected.
    problem : Problem
        What came out right.
    """
    same = [each for each in suspicions(name, problem) if each.name == mistake.name and each.mistake == mistake]
    results = [(each.shape, each.compute()) for each in same]
    return bool(results) and all(
        wrong is not None and not _is_close(wrong, name, problem)
        if shape is None
        else shape != getattr(expected(problem), name).shape
        for shape, wrong in results
    )


def _explains(suspicion: Suspicion, got: Array, shape: tuple[int, ...]) -> bool:
    if suspicion.shape is not None:
        return suspicion.shape == got.shape != shape
    wrong = suspicion.compute()
    return wrong is not None and wrong.shape == got.shape and _close(wrong, got)


def _is_close(got: Array, name: str, problem: Problem) -> bool:
    right = getattr(expected(problem), name)
    return got.shape == right.shape and _close(got, right)


def _close(one: Array, other: Array) -> bool:
    return np.allclose(one, other, rtol=1e-4, atol=1e-6, equal_nan=True)

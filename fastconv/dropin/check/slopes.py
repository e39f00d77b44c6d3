"""Somebody's gradients against the slopes of their own forward function."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from fastconv.dropin.check.code_process import RAISED, TIMED_OUT, CodeProcessError
from fastconv.dropin.check.examinee import CannotExpress, Examinee, Subject
from fastconv.dropin.conventions import CANNOT, CASES, OK, WRONG, Case, Problem, Verdict
from fastconv.errors import InvalidTypeError, InvalidValueError
from fastconv.testing import gradient_check
from fastconv.validation.arrays import Array

GRADIENTS = Case(
    "gradients against slopes",
    "forward and backward do not belong together; where this alone is right, the convention is another",
    {},
)
_TRIED = ("overlapping windows", "a stride that does not divide", "plain")  # the first that can be expressed
_INPUTS = {"x": "dx", "weight": "dweight", "bias": "dbias"}


def compare_slopes(examinee: Examinee, subject: Subject, operation: str) -> Verdict:
    """Compare the backward function with central differences of the forward function.

    Raises
    ------
    CodeProcessError
        If the code did not come to an end in time.
    """
    first = subject.convention.first
    if first not in subject.targets or not subject.differentiates:
        missing = "forward" if first not in subject.targets else "backward"
        return Verdict(CANNOT, f"there is no {missing} function")
    reason = "no case for it"
    for name in _TRIED:
        problem = next(case for case in CASES if case.name == name).draw(operation)
        if problem is None:
            continue
        try:
            return _compare(examinee, subject, problem)
        except CannotExpress as error:
            reason = str(error)
    return Verdict(CANNOT, reason)


def _compare(examinee: Examinee, subject: Subject, problem: Problem) -> Verdict:
    end = time.monotonic() + examinee.time_limit
    problem, first = examinee.run(subject, problem)
    if first.errors:
        return Verdict(RAISED, next(iter(first.errors.values())))
    given = {name: getattr(first.results, gradient) for name, gradient in _INPUTS.items()}
    names = [name for name, gradient in given.items() if gradient is not None and name in problem.arrays]
    pairs = [("y", first.results.y, problem.gradient)]
    pairs += [(_INPUTS[name], given[name], getattr(problem, name)) for name in names]
    for array, got, like in pairs if names else []:
        if np.shape(got) != like.shape:
            return Verdict(WRONG, f"{array} has shape {np.shape(got)} instead of {like.shape}", array, np.inf)

    def run(values: tuple[Array, ...], dy: Array | None) -> Any:
        arrays: dict[str, Any] = {**dict(zip(names, values)), "dy": dy}
        return _results(examinee, subject, replace(problem, **arrays), end)

    def backward(dy: Array, *values: Array) -> tuple[Any, ...]:
        results = run(values, dy)
        return tuple(getattr(results, _INPUTS[name]) for name in names)

    forward: Callable[..., Any] = lambda *values: run(values, None).y  # noqa: E731 (the pair stands together)
    if not names or not isinstance(first.results.y, np.ndarray):
        return Verdict(CANNOT, "there is no gradient to look at")
    inputs = tuple(getattr(problem, name) for name in names)
    try:
        check = gradient_check((forward, backward), inputs, dy=problem.dy, raise_exception=False)
    except (InvalidValueError, InvalidTypeError) as error:  # what comes out differs from call to call
        return Verdict(CANNOT, f"there are no slopes: {error}")
    errors = dict(zip(names, check.errors.values()))
    worst = max(names, key=lambda name: np.nan_to_num(errors[name], nan=np.inf))
    if check.ok:
        return Verdict(OK)
    relative = dict(zip(names, check.relative_errors.values()))[worst]
    text = f"{_INPUTS[worst]} is not the slope of the forward function (relative error {relative:.2g})"
    return Verdict(WRONG, text, _INPUTS[worst], relative)


def _results(examinee: Examinee, subject: Subject, problem: Problem, end: float) -> Any:
    """Run a problem within what is left of the time."""
    left, late = end - time.monotonic(), f"no result after {examinee.time_limit:g} s"
    if left <= 0:
        raise CodeProcessError(TIMED_OUT, late)
    try:
        _, found = examinee.run(subject, problem, limit=left)
    except CodeProcessError as error:
        if error.verdict == TIMED_OUT:
            raise CodeProcessError(TIMED_OUT, late, error.where) from None
        raise
    for said in found.errors.values():
        raise CodeProcessError(RAISED, said)
    return found.results

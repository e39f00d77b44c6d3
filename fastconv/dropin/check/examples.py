"""A failure as Python that can be pasted: the arrays, the calls, and what should have come out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import permutations
from textwrap import indent
from typing import Any, NamedTuple

import numpy as np

from fastconv.dropin.check.case_results import Example
from fastconv.dropin.check.code_process import CodeProcessError
from fastconv.dropin.check.examinee import CannotExpress, Examinee, Recorded, Subject
from fastconv.dropin.check.literals import array_literal
from fastconv.dropin.conventions import Problem, Verdict
from fastconv.dropin.source.blocks import NOTEBOOK
from fastconv.validation.arrays import Array

_CLOSE = 1e-9  # what a right result may differ by: rounding of a few small numbers


class _Place(NamedTuple):
    """Where a result is found: in a variable, its axes in another order or folded."""

    variable: str
    shape: tuple[int, ...]
    axes: tuple[int, ...]

    def of_shape(self, array: Array) -> _Place:
        """Return the place for an array of another shape, axes in the same order; without axes where that is open."""
        spare = array.ndim - len(self.axes)
        shape = array.shape[max(0, spare) :] if set(array.shape[: max(0, spare)]) <= {1} else array.shape
        if len(shape) == len(self.axes):
            sizes = dict(zip(self.axes, shape))
            return _Place(self.variable, tuple(sizes[axis] for axis in range(len(shape))), self.axes)
        return self if array.size == np.prod(self.shape) else _Place(self.variable, (), ())

    def fold(self, array: Array) -> Array:
        """Return an array, axes as fastconv has them, in the form of the variable."""
        back = np.argsort(self.axes)
        folded: Array = array.reshape([self.shape[axis] for axis in self.axes]).transpose(back)
        return folded


def make_example(
    examinee: Examinee, subject: Subject, problem: Problem, verdict: Verdict, also: str, original: Problem
) -> Example:
    """Return a program that shows a failure.

    Parameters
    ----------
    examinee : Examinee
        The file.
    subject : Subject
        Whose failure it is.
    problem : Problem
        Where they fail.
    verdict : Verdict
        How they fail there.
    also : str
        What was looked at, see `fastconv.dropin.conventions.Case`.
    original : Problem
        What `problem` was before it was made smaller: where every axis is one, no layout is told from another.

    Returns
    -------
    Example
        A program which ends with the call that fails, or with a statement that raises until the result is right.
    """
    if verdict.array == "y":  # to which the backward pass adds nothing
        problem, original = replace(problem, dy=None), replace(original, dy=None)
    recorded = examinee.record(subject, problem)
    place = _place(examinee, subject, (problem, original), verdict, recorded)
    tail = _tail(verdict, recorded, place, also)
    lines = list(recorded.lines)
    if also == "unmodified":
        lines[recorded.first : recorded.first] = [f"{name}_before = {name}.copy()" for name in recorded.changed]
    if also == "repeat":
        lines = ["for _ in range(2):", *(indent(line, "    ") for line in lines)]
    code = "\n".join(["import numpy as np", *recorded.imports, *_imports(examinee, subject), "", *lines, *tail]) + "\n"
    return Example(str(problem), code, _plain(verdict.got), _plain(verdict.expected))


def _imports(examinee: Examinee, subject: Subject) -> list[str]:
    """Return the statements that import the functions; a comment where an import does not come to its end."""
    if examinee.stopped or examinee.file.suffix == NOTEBOOK:
        return [f"# paste this below {', '.join(subject.names)} in {examinee.file.name}"]
    if examinee.module.rpartition(".")[2] == examinee.file.stem or examinee.file.name == "__init__.py":
        return [f"from {examinee.module} import {', '.join(subject.names)}"]
    return [  # the name of the file is none of Python, or that of another module
        "import runpy",
        "",
        f"theirs = runpy.run_path({examinee.file.name!r})",
        *(f"{name} = theirs[{name!r}]" for name in subject.names),
    ]


def _tail(verdict: Verdict, recorded: Recorded, place: _Place | None, also: str) -> list[str]:
    """Return the statements that raise until the result is right."""
    said = f"# {' '.join(verdict.text.split())}"
    if verdict.kind != "wrong":
        return [said]
    if also == "unmodified" and recorded.changed:
        return [said, *(f"np.testing.assert_array_equal({name}, {name}_before)" for name in recorded.changed)]
    if place is None or verdict.expected is None:
        return [said]
    if not place.axes and verdict.expected.ndim:
        return [said, f"print({place.variable})", f"assert np.size({place.variable}) == {verdict.expected.size}"]
    expected = array_literal(place.fold(verdict.expected))
    close = _CLOSE if verdict.difference > 2 * _CLOSE else verdict.difference / 2
    return [
        said,
        f"print({place.variable})",
        *f"expected = {expected}".split("\n"),
        f"np.testing.assert_allclose({place.variable}, expected, rtol=0, atol={close:.3g})",
    ]


def _place(
    examinee: Examinee, subject: Subject, problems: Sequence[Problem], verdict: Verdict, recorded: Recorded
) -> _Place | None:
    """Find the variable that holds what is wrong.

    It is looked for with numbers that do not repeat themselves: among small integers a transposed array may look like
    another.
    """
    if not isinstance(verdict.expected, np.ndarray):
        return None
    known = None
    for problem in problems:
        try:
            _, found = examinee.run(subject, _lively(problem))
            arrays: Mapping[str, Any] = examinee.record(subject, _lively(problem)).arrays
        except (CodeProcessError, CannotExpress):
            continue
        got: Any = getattr(found.results, verdict.array, None)
        place = _matched(arrays, got)
        if place is not None and got.shape == verdict.expected.shape:
            return place
        known = place or known
    place = known or _matched(recorded.arrays, verdict.got)
    return None if place is None else place.of_shape(verdict.expected)


def _lively(problem: Problem) -> Problem:
    """Return the problem with other numbers, no two alike."""
    rng = np.random.default_rng(0)
    floats: dict[str, Any] = {name: array for name, array in problem.arrays.items() if array.dtype.kind == "f"}
    return replace(problem, **{name: rng.standard_normal(a.shape).astype(a.dtype) for name, a in floats.items()})


def _matched(arrays: Mapping[str, Any], got: Any) -> _Place | None:
    """Find a result among variables, the last first."""
    if not isinstance(got, np.ndarray):
        return None
    for variable, value in reversed(list(arrays.items())):
        if not isinstance(value, np.ndarray) or value.size != got.size:
            continue
        orders = list(permutations(range(value.ndim)))
        for axes in sorted(orders, key=lambda axes: value.transpose(axes).shape != got.shape):  # the same shape first
            if np.array_equal(value.transpose(axes).reshape(got.shape), got, equal_nan=got.dtype.kind in "fc"):
                return _Place(variable, value.shape, axes)
    return None


def _plain(array: Any) -> Any:
    return array.tolist() if isinstance(array, (np.ndarray, np.generic)) else None

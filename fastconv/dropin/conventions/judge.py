"""One implementation on one problem: what comes out, and whether it is right."""

from __future__ import annotations

import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from textwrap import shorten
from typing import Any

import numpy as np

from fastconv.dropin.conventions.convention import Implementation
from fastconv.dropin.conventions.expected import Results, expected, rounding
from fastconv.dropin.conventions.problem import Problem
from fastconv.dropin.conventions.ties import FIRST, remark_on, rule_kept, rule_of
from fastconv.dropin.source.blocks import cell_of
from fastconv.errors import FastconvError
from fastconv.testing.closeness import tolerance
from fastconv.validation.arrays import Array

OK, WRONG, RAISED, CANNOT = "ok", "wrong", "raised", "cannot be expressed"
LATER = "a second call is not like the first"
_FASTCONV = Path(__file__).parents[2]
_SEVERITY = (WRONG, RAISED, CANNOT, OK)


@dataclass(frozen=True)
class Verdict:
    """What one function does on one problem.

    Parameters
    ----------
    kind : {"ok", "wrong", "raised", "cannot be expressed"}
        The verdict.
    text : str
        Words for what is not ok: "dx differs by up to 3", "ValueError: … (layers.py, line 12)"; or a remark on what is.
    array : str
        The array that is wrong: y, dx, dweight or dbias.
    difference : float
        The largest difference; infinite where shape or kind differ.
    got, expected : ndarray or None
        The array that is wrong, and the right one.
    """

    kind: str
    text: str = ""
    array: str = ""
    difference: float = 0.0
    got: Any = None
    expected: Any = None


@dataclass(frozen=True)
class Run:
    """What came out of one forward and backward pass.

    Parameters
    ----------
    results : Results
        As they came, not yet compared: anything may be among them.
    errors : mapping of str to str
        By role, what was raised.
    modified : tuple of (str, str)
        Roles, and the inputs that they wrote to.
    fault : str
        What was raised by fastconv itself, and by nothing of theirs: no verdict follows from it.
    """

    results: Results
    errors: Mapping[str, str]
    modified: tuple[tuple[str, str], ...] = ()
    fault: str = ""


class _Watched(Problem):
    """A problem that remembers what it has handed out."""

    def stored(self, array: Array) -> Array:
        copy = super().stored(array)
        self.__dict__.setdefault("handed", []).append((copy, array))
        return copy

    def modified(self, role: str) -> set[tuple[str, str]]:
        """The role with every input that has been written to by now; a second look sees what is new alone."""
        names = {id(array): name for name, array in self.arrays.items()}
        handed: list[tuple[Array, Array]] = self.__dict__.get("handed", [])
        changed = [pair for pair in handed if not np.array_equal(*pair)]
        self.__dict__["handed"] = [pair for pair in handed if all(pair is not other for other in changed)]
        known = (names.get(id(array)) or names.get(id(array.base)) for _, array in changed)  # some are views
        return {(role, name or "input") for name in known}


def run(implementation: Implementation, problem: Problem) -> Run:
    """Run forward and backward once, whatever happens.

    Parameters
    ----------
    implementation : Implementation
        What to call.
    problem : Problem
        One that it can express.

    Returns
    -------
    Run
        Exceptions of theirs are in `errors`, not raised (but KeyboardInterrupt and SystemExit are).
    """
    convention = implementation.convention
    watched = _Watched(**vars(problem))
    first = convention.first
    try:
        y, context = convention.forward(implementation, watched)
    except Exception as error:  # noqa: BLE001 - theirs: whatever it is, it is reported
        errors = dict.fromkeys(implementation.targets, _said(error))
        return Run(Results(), errors, tuple(watched.modified(first)), fault_of(error))
    modified = watched.modified(first)
    results: dict[str, Any] = {"y": y if first in implementation else None}
    errors, fault = {}, ""
    if problem.dy is not None:
        for role in implementation.targets:
            if role != first:
                try:
                    gradients = convention.backward(implementation, watched, context, role)
                    results.update({name: getattr(gradients, name) for name in convention.gives[role]})
                except Exception as error:  # noqa: BLE001 - as above
                    errors[role], fault = _said(error), fault or fault_of(error)
                modified |= watched.modified(role)
    return Run(Results(**results), errors, tuple(sorted(modified)), fault)


def _said(error: Exception) -> str:
    theirs = _theirs(error)
    place = f" ({theirs[-1].name}, {cell_of(theirs[-1].filename)}line {theirs[-1].lineno})" if theirs else ""
    return f"{_described(error)}{place}"


def fault_of(error: BaseException) -> str:
    """Say what fastconv itself has raised, and where; nothing where somebody's code may be to blame.

    A call that their function does not take ends in our line with a TypeError, an attribute that their object does not
    have in an AttributeError, memory may run out anywhere, and a file may be no Python.
    """
    *_, last = traceback.extract_tb(error.__traceback__) or [None]
    blamed = isinstance(error, (TypeError, AttributeError, MemoryError, RecursionError, SyntaxError, FastconvError))
    if blamed or last is None or not isinstance(error, Exception) or _theirs(error):
        return ""
    file = Path(last.filename)
    return f"{_described(error)} ({file.name}, line {last.lineno})" if _FASTCONV in file.parents else ""


def _theirs(error: BaseException) -> list[traceback.FrameSummary]:
    """Calls of code that is neither fastconv nor installed, the last of which is the innermost."""
    frames = ((frame, Path(frame.filename)) for frame in traceback.extract_tb(error.__traceback__))
    return [frame for frame, file in frames if _FASTCONV not in file.parents and "site-packages" not in file.parts]


def _described(error: BaseException) -> str:
    return f"{type(error).__name__}: {shorten(str(error), 200, placeholder=' …')}"


def judge(implementation: Implementation, problem: Problem, also: str = "") -> dict[str, Verdict]:
    """Judge every function of an implementation on a problem.

    Parameters
    ----------
    implementation : Implementation
        What to judge.
    problem : Problem
        The problem; the part of it that the implementation takes is used (`Convention.adapted`).
    also : {"", "dtype", "unmodified", "repeat"}
        What is looked at besides the numbers, see `Case`.

    Returns
    -------
    dict of str to Verdict
        By role.
    """
    convention = implementation.convention
    reason = convention.cannot_express(implementation, problem)
    if reason is not None:
        return dict.fromkeys(implementation.targets, Verdict(CANNOT, reason))
    problem = convention.adapted(implementation, problem)
    first = run(implementation, problem)
    runs = [first, run(implementation, problem)] if also == "repeat" else [first]
    return judged(implementation, problem, runs, also)


def judged(implementation: Implementation, problem: Problem, runs: Sequence[Run], also: str = "") -> dict[str, Verdict]:
    """Judge what came out of one or two runs, without running anything.

    Parameters
    ----------
    implementation : Implementation
        Whose runs they are; its functions are not called.
    problem : Problem
        What was run: the part that the implementation takes.
    runs : sequence of Run
        The first, and where `also` is "repeat" the second.
    also : {"", "dtype", "unmodified", "repeat"}
        See `judge`.

    Returns
    -------
    dict of str to Verdict
        By role.
    """
    verdicts = {}
    for role in implementation.targets:
        found = [_of_role(each, implementation, problem, role, also) for each in runs]
        verdicts[role] = found[0] if found[0].kind != OK else found[-1]
        if len(found) > 1 and found[0].kind == OK != found[1].kind:
            verdicts[role] = replace(found[1], text=f"{LATER}: {found[1].text}")
    return verdicts


def _of_role(found: Run, implementation: Implementation, problem: Problem, role: str, also: str) -> Verdict:
    convention = implementation.convention
    if role != convention.first and problem.dy is None:
        return Verdict(CANNOT, "there is no gradient in this case")
    if role in found.errors:
        return Verdict(RAISED, found.errors[role])
    remarks = []
    for name in convention.arrays(implementation, role):
        verdict = _compared(implementation, name, getattr(found.results, name), problem, dtype=also == "dtype")
        if verdict.kind != OK:
            return verdict
        remarks += [verdict.text] if verdict.text else []
    changed = [name for by, name in found.modified if by == role]
    if also == "unmodified" and changed:
        return Verdict(WRONG, f"its input {' and '.join(changed)} is modified in place", changed[0], float("inf"))
    return Verdict(OK, " and ".join(remarks))


def _compared(implementation: Implementation, name: str, got: Any, problem: Problem, *, dtype: bool) -> Verdict:
    """Compare one array; the gradient of a maximum under the rule for ties that the functions keep."""

    def under(rule: str) -> Verdict:
        return compared(name, got, problem, dtype=dtype, ties=rule)

    details = implementation.details
    if name != "dx" or problem.operation != "max_pool2d":
        return under(FIRST)
    rule = rule_kept(details, lambda each: under(each).kind == OK)
    verdict = under(rule or rule_of(details))
    if rule is None or rule == FIRST or under(FIRST).kind == OK:
        return verdict
    return replace(verdict, text=" and ".join(filter(None, (verdict.text, remark_on(rule)))))


def compared(name: str, got: Any, problem: Problem, *, dtype: bool = False, ties: str = FIRST) -> Verdict:
    """Compare one array with what should have come out.

    Parameters
    ----------
    name : {"y", "dx", "dweight", "dbias"}
        Which.
    got : object
        What came out.
    problem : Problem
        The problem.
    dtype : bool
        Remark on another dtype than that of the problem.
    ties : {"first", "all", "split"}
        Which maxima of a window get its gradient.

    Returns
    -------
    Verdict
        Ok within the rounding error of the coarser of both dtypes, see `fastconv.testing.tolerance`.
    """
    desired = getattr(expected(problem, ties=ties), name)
    actual = np.asarray(got) if isinstance(got, (np.ndarray, np.generic, float, int)) else None
    difference = float("inf")
    if actual is None:
        said = "is no array but None" if got is None else f"is no array but a {type(got).__name__}"
    elif actual.dtype.kind not in "fiub":
        said = f"is of dtype {actual.dtype}"
    elif actual.shape != desired.shape:
        said = f"has shape {actual.shape} instead of {desired.shape}"
    else:
        difference = _largest_error(actual, desired, getattr(rounding(problem, ties=ties), name), problem)
        if not difference:
            other = dtype and actual.dtype != problem.x.dtype
            return Verdict(OK, f"{name} is {actual.dtype} for {problem.x.dtype} input" if other else "")
        said = "is NaN in places" if np.isnan(actual).any() else f"differs by up to {difference:.3g}"
    return Verdict(WRONG, f"{name} {said}", name, difference, actual, desired)


def _largest_error(actual: Array, desired: Array, size: Any, problem: Problem) -> float:
    """Return the largest difference that is not allowed; 0 where there is none."""
    floats = [dtype for dtype in (actual.dtype, problem.x.dtype) if dtype.kind == "f"]
    coarsest = max(floats or [np.dtype(np.float64)], key=lambda dtype: float(np.finfo(dtype).eps))
    with np.errstate(invalid="ignore", over="ignore"):
        stored = desired.astype(actual.dtype) if actual.dtype == coarsest else desired  # a maximum is rounded once
        error = abs(actual.astype(np.float64) - stored)
    wrong = ~(error <= tolerance(coarsest, size))  # NaN is wrong
    return float(np.nan_to_num(error[wrong], nan=np.inf).max(initial=0.0))


def worst(verdicts: Mapping[str, Verdict]) -> Verdict:
    """Return the gravest of several verdicts: wrong, raised, cannot be expressed, ok with a remark, ok."""
    return min(verdicts.values(), key=lambda verdict: (_SEVERITY.index(verdict.kind), not verdict.text))

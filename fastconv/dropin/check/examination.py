"""One implementation under all cases: verdicts, and the smallest example of each failure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from fastconv.dropin.check.case_results import CaseResult, Examination, Example, error_and_place
from fastconv.dropin.check.code_process import CRASHED, TIMED_OUT, CodeProcessError
from fastconv.dropin.check.examinee import CannotExpress, Examinee, Subject
from fastconv.dropin.check.examples import make_example
from fastconv.dropin.check.shrinking import shrink
from fastconv.dropin.check.slopes import GRADIENTS, compare_slopes
from fastconv.dropin.check.traits import keeps_traits
from fastconv.dropin.conventions import CANNOT, CASES, OK, RAISED, WRONG, Case, Implementation, Problem, Target, Verdict
from fastconv.dropin.conventions.diagnosis import diagnose
from fastconv.dropin.conventions.judge import judged, worst
from fastconv.errors import FastconvError

Report = Callable[[str], None]

_HONEST = "NotImplementedError"  # the code itself says that it does not do this
_PATIENCE = 3  # cases in a row that may end at the time limit
_LONGEST = 10.0  # seconds of shrinking, for the first failure
_SHRINKING = {TIMED_OUT: 0.0, CRASHED: 3.0}  # where every trial ends a process


def names_of_cases() -> dict[str, str]:
    """Return every case by name, with what code does wrong that fails it."""
    return {case.name: case.why for case in (*CASES, GRADIENTS)}


def examine(
    examinee: Examinee, subject: Subject, chosen: Sequence[str] | None, report: Report
) -> Iterator[Examination]:
    """Put every case to an implementation; one examination for each operation that it computes.

    Parameters
    ----------
    examinee : Examinee
        The file.
    subject : Subject
        Which of its functions.
    chosen : sequence of str or None
        Names of cases; all of them by default.
    report : callable
        Told the name of each case when it begins.
    """
    for operation in subject.convention.operations:
        label = subject.label_of(operation)
        results: list[CaseResult] = []
        for case in (*CASES, GRADIENTS):
            about = case is GRADIENTS or case.draw(operation) is not None
            if about and (chosen is None or case.name in chosen):
                report(f"{label}: {case.name}")
                results.append(_skipped(case, results) or _result(examinee, subject, case, operation, results))
        remark = subject.convention.remark(subject.details)
        first = next((index for index, each in enumerate(results) if each.verdict == OK), None)
        if remark and first is not None:
            results[first] = replace(results[first], what=remark)
        yield Examination(label, subject.convention.name, subject.convention.form, tuple(results))


def _skipped(case: Case, before: list[CaseResult]) -> CaseResult | None:
    """Give up on what never comes to an end."""
    last = [each.verdict for each in before if each.verdict != CANNOT][-_PATIENCE:]
    if last and (last == [TIMED_OUT] * _PATIENCE or last[-1] == "skipped"):
        return CaseResult(case.name, case.why, "skipped", f"{_PATIENCE} cases before it took too long")
    return None


def _result(examinee: Examinee, subject: Subject, case: Case, operation: str, before: list[CaseResult]) -> CaseResult:
    """Return the verdict on one case."""
    problem = case.draw(operation)
    result = CaseResult(case.name, case.why, OK)
    if problem is None:
        return _slopes(examinee, subject, operation, result)
    patience = _LONGEST / (1 + sum(each.example is not None for each in before))  # 40 s in all, if 30 cases fail
    if case.also == "repeat":
        examinee.end()  # a new process: here the first call is the first
    try:
        adapted, verdict = _verdict(examinee, subject, problem, case.also)
    except CannotExpress as reason:
        return replace(result, verdict=CANNOT, what=str(reason))
    except CodeProcessError as error:
        verdict = Verdict(error.verdict, error.what)
        result = replace(result, verdict=error.verdict, what=error.what, where=error.where)
        if error.verdict == TIMED_OUT and any(each.verdict == TIMED_OUT for each in before):
            return result  # one such example is worth its time
        return replace(result, example=_minimal(examinee, subject, problem, verdict, case, patience))
    result = _told(result, verdict)
    if result.verdict in (OK, CANNOT):
        return result
    words = _reason(verdict, adapted)
    what = f"{result.what}: {words}" if words else result.what
    return replace(result, what=what, example=_minimal(examinee, subject, adapted, verdict, case, patience))


def _told(result: CaseResult, verdict: Verdict) -> CaseResult:
    """Return the result with a verdict."""
    array, difference = (verdict.array, verdict.difference) if verdict.array else (None, None)
    what = " ".join(verdict.text.split())
    return replace(result, verdict=_kind(verdict), what=what, array=array, difference=difference)


def _kind(verdict: Verdict) -> str:
    return CANNOT if verdict.kind == RAISED and verdict.text.startswith(_HONEST) else verdict.kind


def _slopes(examinee: Examinee, subject: Subject, operation: str, result: CaseResult) -> CaseResult:
    try:
        return _told(result, compare_slopes(examinee, subject, operation))
    except CodeProcessError as error:
        return replace(_told(result, Verdict(error.verdict, error.what)), where=error.where)


def _verdict(examinee: Examinee, subject: Subject, problem: Problem, also: str) -> tuple[Problem, Verdict]:
    """Run a problem, twice where the case asks for it, and judge here what came out there."""
    adapted, first = examinee.run(subject, problem)
    runs = [first, examinee.run(subject, problem)[1]] if also == "repeat" else [first]
    targets = {role: Target(None, name, _never) for role, name in subject.targets.items()}
    verdicts = judged(Implementation(subject.convention, targets, None, subject.details), adapted, runs, also)
    told = {role: verdict for role, verdict in verdicts.items() if _kind(verdict) != CANNOT}  # of one of two, at least
    missing = [verdict for verdict in verdicts.values() if _kind(verdict) != verdict.kind]  # not written yet
    found = worst(told or verdicts)
    return adapted, replace(found, text=missing[0].text) if missing and found.kind == OK else found


def _never(*args: Any, **kwargs: Any) -> None:
    raise AssertionError("the functions are called in their own process")


def _reason(verdict: Verdict, problem: Problem) -> str:
    """Say which usual mistake it is; nothing where it is none."""
    return diagnose(verdict.array, verdict.got, problem) if verdict.kind == WRONG and verdict.difference else ""


def _minimal(
    examinee: Examinee, subject: Subject, problem: Problem, verdict: Verdict, case: Case, patience: float
) -> Example | None:
    """Return the smallest example of the case that fails in the same way and for the same reason, as found in time."""
    kept, reason = keeps_traits(case.name, problem), _reason(verdict, problem)

    def fails(candidate: Problem) -> Verdict | None:
        try:
            if not kept(candidate):
                return None
            adapted, found = _verdict(examinee, subject, candidate, case.also)
        except CodeProcessError as error:
            return Verdict(error.verdict, error.what) if error.verdict == verdict.kind else None
        except (CannotExpress, FastconvError):  # or windows that do not fit
            return None
        same = _manner(found) == _manner(verdict) and (not reason or _reason(found, adapted) == reason)
        return found if same else None

    seconds = min(_SHRINKING.get(verdict.kind, patience), examinee.time_limit)
    smallest = shrink(problem, lambda candidate: fails(candidate) is not None, seconds)
    said = verdict if verdict.kind in (TIMED_OUT, CRASHED) else fails(smallest) or verdict
    said = replace(said, text=f"{said.text}: {reason}") if reason else said
    try:
        return make_example(examinee, subject, smallest, said, case.also, problem)
    except CodeProcessError:  # it cannot be started any more
        return None


def _manner(verdict: Verdict) -> tuple[object, ...]:
    """How it fails: what is wrong with which array, or what is raised in which line."""
    if verdict.kind == RAISED:
        return verdict.kind, error_and_place(verdict.text)
    return verdict.kind, verdict.array, np.isinf(verdict.difference), verdict.difference == 0

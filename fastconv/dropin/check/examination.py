"""One implementation under all cases: verdicts, and the smallest example of each failure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from fastconv.dropin.check.case_results import CaseResult, Examination, Example, error_and_place, has_place
from fastconv.dropin.check.code_process import CRASHED, TIMED_OUT, CodeProcessError
from fastconv.dropin.check.examinee import CannotExpress, Examinee, Subject
from fastconv.dropin.check.examples import make_example
from fastconv.dropin.check.explanation import Explainer
from fastconv.dropin.check.findings import Finding, suspected
from fastconv.dropin.check.findings import chosen as most_likely
from fastconv.dropin.check.shrinking import shrink
from fastconv.dropin.check.slopes import GRADIENTS, compare_slopes
from fastconv.dropin.check.traits import keeps_traits
from fastconv.dropin.conventions import CANNOT, CASES, OK, RAISED, Case, Implementation, Problem, Target, Verdict
from fastconv.dropin.conventions.judge import judged, worst
from fastconv.errors import FastconvError

Report = Callable[[str], None]

_HONEST = "NotImplementedError"  # the code itself says that it does not do this
_REFUSED = re.compile(r"TypeError: .*\bargument")
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
        findings: list[Finding] = []
        for case in (*CASES, GRADIENTS):
            about = case is GRADIENTS or case.draw(operation) is not None
            if about and (chosen is None or case.name in chosen):
                report(f"{label}: {case.name}")
                findings.append(_found(examinee, subject, case, operation, findings))
        results = [*_told_why(examinee, subject, operation, most_likely(findings))]
        remark = subject.convention.remark(subject.details)
        first = next((index for index, each in enumerate(results) if each.verdict == OK), None)
        if remark and first is not None:
            results[first] = replace(results[first], what=remark)
        yield Examination(label, subject.convention.name, subject.convention.form, tuple(results))


def _told_why(examinee: Examinee, subject: Subject, operation: str, findings: list[Finding]) -> Iterator[CaseResult]:
    """Give the results, those that failed with the mistake, the line at fault and the smallest example."""

    def judge(finding: Finding) -> Verdict:
        if finding.problem is None:
            return compare_slopes(examinee, subject, operation)
        return _verdict(examinee, subject, finding.problem, finding.case.also)[1]

    shown, causes = 0, set[tuple[str, ...]]()
    for finding in Explainer(examinee, subject, judge).explained(findings):
        result, mistake = finding.result, finding.mistake
        if mistake is not None:
            what = result.what if mistake.words in result.what else f"{result.what}: {mistake.words}"
            result = replace(result, what=what, mistake=mistake.name, fix=mistake.fix)
        if finding.verdict is not None and finding.problem is not None and finding.cause not in causes:
            if mistake is not None:
                causes.add(finding.cause)  # one example is enough
            patience = _LONGEST / (1 + shown)  # 40 s in all, if 30 cases fail
            result = replace(result, example=_minimal(examinee, subject, finding, patience))
            shown += result.example is not None
        yield result


def _skipped(case: Case, before: list[Finding]) -> CaseResult | None:
    """Give up on what never comes to an end."""
    last = [each.result.verdict for each in before if each.result.verdict != CANNOT][-_PATIENCE:]
    if last and (last == [TIMED_OUT] * _PATIENCE or last[-1] == "skipped"):
        return CaseResult(case.name, case.why, "skipped", f"{_PATIENCE} cases before it took too long")
    return None


def _found(examinee: Examinee, subject: Subject, case: Case, operation: str, before: list[Finding]) -> Finding:
    """Return the verdict on one case."""
    skipped = _skipped(case, before)
    if skipped is not None:
        return Finding(case, skipped)
    problem = case.draw(operation)
    result = CaseResult(case.name, case.why, OK)
    if problem is None:
        return Finding(case, _slopes(examinee, subject, operation, result))
    if case.also == "repeat":
        examinee.end()  # a new process: here the first call is the first
    try:
        adapted, verdict = _verdict(examinee, subject, problem, case.also)
    except CannotExpress as reason:
        return Finding(case, replace(result, verdict=CANNOT, what=str(reason)))
    except CodeProcessError as error:
        verdict = Verdict(error.verdict, error.what)
        result = replace(result, verdict=error.verdict, what=error.what, where=error.where)
        if error.verdict == TIMED_OUT and any(each.result.verdict == TIMED_OUT for each in before):
            return Finding(case, result)  # one such example is worth its time
        return Finding(case, result, verdict, problem)
    result = _told(result, verdict)
    if result.verdict in (OK, CANNOT):
        return Finding(case, result, problem=adapted)
    return Finding(case, result, verdict, adapted, suspected(verdict, adapted, case.also))


def _told(result: CaseResult, verdict: Verdict) -> CaseResult:
    """Return the result with a verdict."""
    array, difference = (verdict.array, verdict.difference) if verdict.array else (None, None)
    what = " ".join(verdict.text.split())
    what = f"it cannot be called so: {what}" if _is_uncallable(verdict) else what
    return replace(result, verdict=_kind(verdict), what=what, array=array, difference=difference)


def _kind(verdict: Verdict) -> str:
    honest = verdict.kind == RAISED and verdict.text.startswith(_HONEST)
    return CANNOT if honest or _is_uncallable(verdict) else verdict.kind


def _is_uncallable(verdict: Verdict) -> bool:
    """Whether the call itself was refused, before any line of theirs ran."""
    return verdict.kind == RAISED and bool(_REFUSED.match(verdict.text)) and not has_place(verdict.text)


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


def _minimal(examinee: Examinee, subject: Subject, finding: Finding, patience: float) -> Example | None:
    """Return the smallest example of the case that fails in the same way and for the same reason, as found in time."""
    problem, verdict, case = finding.problem, finding.verdict, finding.case
    assert problem is not None
    assert verdict is not None
    mistake = finding.mistake if verdict.array else None
    kept = keeps_traits(case.name, problem)

    def fails(candidate: Problem) -> Verdict | None:
        try:
            if not kept(candidate):
                return None
            adapted, found = _verdict(examinee, subject, candidate, case.also)
        except CodeProcessError as error:
            return Verdict(error.verdict, error.what) if error.verdict == verdict.kind else None
        except (CannotExpress, FastconvError):  # or windows that do not fit
            return None
        if _manner(found) != _manner(verdict):
            return None
        same = not mistake or suspected(found, adapted, case.also, mistake.name)
        return found if same else None

    seconds = min(_SHRINKING.get(verdict.kind, patience), examinee.time_limit)
    smallest = shrink(problem, lambda candidate: fails(candidate) is not None, seconds)
    said = verdict if verdict.kind in (TIMED_OUT, CRASHED) else fails(smallest) or verdict
    said = replace(said, text=f"{said.text}: {mistake.words}") if mistake else said
    try:
        return make_example(examinee, subject, smallest, said, case.also, problem)
    except CodeProcessError:  # it cannot be started any more
        return None


def _manner(verdict: Verdict) -> tuple[object, ...]:
    """How it fails: what is wrong with which array, or what is raised in which line."""
    if verdict.kind == RAISED:
        return verdict.kind, error_and_place(verdict.text)
    return verdict.kind, verdict.array, np.isinf(verdict.difference), verdict.difference == 0

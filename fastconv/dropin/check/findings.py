"""What came out of the cases of one implementation, before it is explained, and which mistake explains most of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from fastconv.dropin.check.case_results import CaseResult, error_and_place
from fastconv.dropin.conventions import OK, RAISED, WRONG, Case, Problem, Verdict
from fastconv.dropin.conventions.diagnosis import contradicts, mistakes_in
from fastconv.dropin.conventions.judge import LATER
from fastconv.dropin.conventions.mistakes import MISTAKES, Mistake
from fastconv.dropin.conventions.problem import ARRAYS


@dataclass(frozen=True)
class Finding:
    """One case.

    Attributes
    ----------
    case : Case
        Which.
    result : CaseResult
        The verdict, as it is reported.
    verdict : Verdict or None
        The verdict with the arrays, of what failed.
    problem : Problem or None
        What was asked; None where it was not one problem.
    mistakes : tuple of Mistake
        Usual mistakes that give exactly what came out; once they are chosen, one at most.
    """

    case: Case
    result: CaseResult
    verdict: Verdict | None = None
    problem: Problem | None = None
    mistakes: tuple[Mistake, ...] = ()

    @property
    def mistake(self) -> Mistake | None:
        """The mistake that is reported."""
        return next(iter(self.mistakes), None)

    @property
    def cause(self) -> tuple[str, ...]:
        """What failures of the same cause have in common."""
        if self.result.verdict == RAISED:
            why = error_and_place(self.result.what)
        elif self.mistake:
            why = self.mistake.words
        else:
            why = "slopes" if self.problem is None else str(self.result.difference == float("inf"))
        return self.result.verdict, str(self.result.array), why


def suspected(verdict: Verdict, problem: Problem, also: str, only: str = "") -> tuple[Mistake, ...]:
    """Return the usual mistakes that give what came out; those of one name, where one is given."""
    if verdict.kind == RAISED and "read-only" in verdict.text:
        return (MISTAKES["changes its input"],)
    if verdict.kind != WRONG or not verdict.difference:
        return ()
    if verdict.array in (*ARRAYS, "input"):
        return (MISTAKES["changes its input"],)
    if verdict.got is None:
        return (MISTAKES["nothing returned"],) if "None" in verdict.text else ()
    repeated = also == "repeat" and verdict.text.startswith(LATER)
    adding = MISTAKES["adds up between calls"]
    looked_for = {"twice" if only == adding.name else only} - {""}
    found = tuple(mistakes_in(verdict.array, verdict.got, problem, looked_for))
    if repeated and any(mistake.name == "twice" for mistake in found):
        return (adding,)
    return found


def chosen(findings: Sequence[Finding]) -> list[Finding]:
    """Return the findings with one mistake each: of those that no right case contradicts, what explains most cases."""
    right = [finding.problem for finding in findings if finding.result.verdict == OK and finding.problem is not None]
    counts = Counter(
        (finding.result.array, mistake)
        for finding in findings
        for mistake in dict.fromkeys(finding.mistakes)  # which may be the same by two formulas
    )
    possible = {key: count for key, count in counts.items() if not any(map(partial(_contradicted, *key), right))}
    made = []
    for finding in findings:
        known = [mistake for mistake in finding.mistakes if (finding.result.array, mistake) in possible]
        best = sorted(known, key=lambda mistake: -possible[finding.result.array, mistake])[:1]
        made.append(replace(finding, mistakes=tuple(best)))
    return made


def _contradicted(array: str | None, mistake: Mistake, problem: Problem) -> bool:
    known = array in ("y", "dx", "dweight", "dbias") and (array == "y" or problem.dy is not None)
    return known and contradicts(mistake, str(array), problem)

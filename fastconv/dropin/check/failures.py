"""Cases that fail in the same way, told as one."""

from __future__ import annotations

from dataclasses import dataclass

from fastconv.dropin.check.case_results import CaseResult, Examination, Example, error_and_place
from fastconv.dropin.check.repair import Line


@dataclass(frozen=True)
class Failure:
    """Cases of one cause.

    Attributes
    ----------
    cases : tuple of CaseResult
        In the order in which they ran.
    """

    cases: tuple[CaseResult, ...]

    @property
    def first(self) -> CaseResult:
        """The case that says most: one whose mistake is known, if there is one."""
        return next((case for case in self.cases if case.mistake), self.cases[0])

    @property
    def line(self) -> Line | None:
        """The line at fault."""
        return self.first.line

    @property
    def fix(self) -> str:
        """The idea of the fix; nothing where a line says it, or nothing is known."""
        return "" if self.line else self.first.fix

    @property
    def example(self) -> Example | None:
        """The shortest program that shows the failure."""
        found = [case.example for case in (self.first, *self.cases) if case.example is not None]
        return min(found, key=lambda example: example.code.count("\n")) if found else None

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the cases."""
        return tuple(case.case for case in self.cases)


def failures(examination: Examination) -> list[Failure]:
    """Return the failures of an implementation, those whose mistake or line is known before the others."""
    found: dict[tuple[str, ...], list[CaseResult]] = {}
    for case in examination.bad:
        found.setdefault(_cause(case), []).append(case)
    made = [Failure(tuple(cases)) for cases in found.values()]
    return sorted(made, key=lambda failure: (failure.line is None, not failure.first.mistake))


def _cause(case: CaseResult) -> tuple[str, ...]:
    """Return what failures of the same cause have in common."""
    if case.line is not None:
        return (str(case.line),)
    if case.verdict == "wrong":
        what = case.mistake or ("shape" if case.difference == float("inf") else "")
        return case.verdict, str(case.array), what
    why = error_and_place(case.what) if case.verdict == "raised" else f"{case.what} {case.where}"
    return case.verdict, case.where, why

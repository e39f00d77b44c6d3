"""Where the original raised: what that leaves unproven, so that such calls go on to it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from fastconv.dropin.conventions.calls import Calls
from fastconv.dropin.conventions.cases import Case
from fastconv.dropin.conventions.convention import Implementation
from fastconv.dropin.conventions.judge import OK, RAISED, Verdict, run
from fastconv.dropin.conventions.problem import Problem
from fastconv.dropin.conventions.properties import Part, Properties, unproven

_FEW = 3  # parts that are named


class Trial(NamedTuple):
    """One case for one operation."""

    case: Case
    problem: Problem

    def __str__(self) -> str:
        return f"{self.case.phrase} ({self.problem})"


Verdicts = Sequence[tuple[Trial, dict[str, Verdict]]]  # what each function did in each case, by role


@dataclass(frozen=True)
class Gap:
    """What a proof says nothing about.

    Parameters
    ----------
    trial : Trial
        The first case in which the original raised.
    said : str
        What it raised.
    parts : tuple of frozenset of str
        Calls with all the properties of one of these are unproven, those of most cases in which it raised first; empty
        where no property tells such a case from those in which it ran.
    """

    trial: Trial
    said: str
    parts: tuple[Part, ...] = ()

    def __str__(self) -> str:
        phrases = [" and ".join(sorted(part)) for part in self.parts[:_FEW]]
        more = f", or with one of {len(self.parts) - _FEW} rarer things" if len(self.parts) > _FEW else ""
        return f"{self.trial} it raised {self.said}; calls with {', or with '.join(phrases)}{more} go to it"


@dataclass(frozen=True)
class _Noting(Calls):
    """Calls that note what they are like."""

    engine: str = "numpy"
    noted: dict[str, Properties] = field(default_factory=dict)

    @property
    def watches(self) -> bool:
        return True

    def meet(self, role: str, found: Properties) -> None:
        self.noted[role] = found


def find_gaps(implementation: Implementation, verdicts: Verdicts, roles: Sequence[str]) -> dict[str, Gap]:
    """Return what is unproven about functions that were right wherever they ran.

    Parameters
    ----------
    implementation : Implementation
        Somebody's functions.
    verdicts : sequence of (Trial, dict)
        What each did in each case.
    roles : sequence of str
        Which of them.

    Returns
    -------
    dict of str to Gap
        By role; a function that ran in every case is not there.
    """
    gaps = {}
    for role in roles:
        raised = [(trial, found[role].text) for trial, found in verdicts if found[role].kind == RAISED]
        if raised:
            right = [trial for trial, found in verdicts if found[role].kind == OK]
            gaps[role] = _gap(implementation, role, raised, right)
    return gaps


def _gap(implementation: Implementation, role: str, raised: list[tuple[Trial, str]], right: list[Trial]) -> Gap:
    tried = [_properties(implementation, role, trial) for trial in right]
    known = [properties for properties in tried if properties is not None]
    missing: list[frozenset[Part]] = []
    for trial, said in raised:
        properties = _properties(implementation, role, trial)
        if properties is not None:
            missing.append(unproven(known, properties))
            if not missing[-1]:
                return Gap(trial, said)
    often = Counter(part for parts in missing for part in parts)
    minimal = [part for part in often if not any(other < part for other in often)]
    return Gap(*raised[0], tuple(sorted(minimal, key=lambda part: (-often[part], sorted(part)))))


def _properties(implementation: Implementation, role: str, trial: Trial) -> Properties | None:
    """What a case is like when it comes to the equivalent of a role; None where that does not take it either."""
    convention, calls = implementation.convention, _Noting()
    ours = implementation.with_functions(convention.fast(implementation, calls))
    run(ours, convention.adapted(implementation, trial.problem))
    return calls.noted.get("forward" if role == convention.first else "backward")

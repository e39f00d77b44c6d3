"""Where a function that is not right everywhere was proven: calls inside are fast, those outside stay with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from fastconv.dropin.accelerate.trials import Trial, Trials
from fastconv.dropin.conventions.calls import Calls
from fastconv.dropin.conventions.cases import CASES
from fastconv.dropin.conventions.convention import Implementation
from fastconv.dropin.conventions.judge import OK, RAISED, WRONG, run
from fastconv.dropin.conventions.properties import Part, Properties, proven_by, unproven


@dataclass(frozen=True)
class Region:
    """The calls for which a function was proven.

    Parameters
    ----------
    proven : frozenset of frozenset of str
        A call is inside if each of its properties is here, and every two of those of its sizes are together.
    outside : tuple of frozenset of str
        What tells the cases in which the function was not right from those in which it was; nothing where nothing does.
    trial : Trial
        A case in which it was not right: the first in which it was wrong, if there is one.
    said : str
        What it did there, in words.
    wrong : bool
        Whether it was wrong in that case, and did not raise an exception.
    """

    proven: frozenset[Part]
    outside: tuple[Part, ...]
    trial: Trial
    said: str
    wrong: bool = False

    @property
    def limits(self) -> str:
        """What is outside, in a few words."""
        return ", or ".join("with " + " and ".join(sorted(part)) for part in self.outside)

    def __str__(self) -> str:
        return f"{self.trial} {self.said}; calls {self.limits} go to it"


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


def find_regions(implementation: Implementation, roles: Sequence[str], trials: Trials) -> dict[str, Region]:
    """Return where functions were right that were not right in every case.

    Parameters
    ----------
    implementation : Implementation
        Somebody's functions.
    roles : sequence of str
        Which of them.
    trials : sequence of Trial
        What they did.

    Returns
    -------
    dict of str to Region
        By role. Where nothing tells a case in which it was not right from the others, `outside` is empty, and the trial
        is that one. A role is missing that was right in every case that its equivalent takes.
    """
    calls = [_properties(implementation, trial) for trial in trials]
    regions = {}
    for role in roles:
        key = "forward" if role == implementation.convention.first else "backward"
        known = [(trial, call[key]) for trial, call in zip(trials, calls) if key in call]
        if any(failed(role, trial) for trial, _ in known):
            regions[role] = _region(role, known)
    return regions


def failed(role: str, trial: Trial) -> bool:
    """Whether a function was wrong or raised."""
    return trial.verdicts[role].kind in (WRONG, RAISED)


def _region(role: str, known: Sequence[tuple[Trial, Properties]]) -> Region:
    proven = proven_by(call for trial, call in known if trial.verdicts[role].kind == OK)
    bad = [(trial, unproven(proven, call)) for trial, call in known if failed(role, trial)]
    # the name of a case says more than drawn sizes, and a wrong number more than an exception
    bad.sort(key=lambda found: (found[0].case not in CASES, found[0].verdicts[role].kind != WRONG))
    alike = [trial for trial, parts in bad if not parts]
    if alike:
        return _described(proven, (), next((trial for trial in alike if trial.case in CASES), bad[0][0]), role)
    return _described(proven, tuple(_fewest([parts for _, parts in bad])), bad[0][0], role)


def _described(proven: frozenset[Part], outside: tuple[Part, ...], trial: Trial, role: str) -> Region:
    verdict = trial.verdicts[role]
    said = verdict.text if verdict.kind == WRONG else f"it raised {verdict.text}"
    return Region(proven, outside, trial, said, verdict.kind == WRONG)


def _fewest(left: Sequence[frozenset[Part]]) -> Iterator[Part]:
    """Few parts, of which one at least is in each of these sets: the commonest first, of these the shortest."""
    while left:
        often = Counter(part for parts in left for part in parts)
        chosen = min(often, key=lambda part: (-often[part], len(part), sorted(part)))
        yield chosen
        left = [parts for parts in left if chosen not in parts]


def _properties(implementation: Implementation, trial: Trial) -> dict[str, Properties]:
    """What a case is like when it comes to the equivalents, by pass; those that do not take it are missing."""
    if all(verdict.kind not in (OK, WRONG, RAISED) for verdict in trial.verdicts.values()):
        return {}
    calls = _Noting()
    run(implementation.with_functions(implementation.convention.fast(implementation, calls)), trial.problem)
    return calls.noted

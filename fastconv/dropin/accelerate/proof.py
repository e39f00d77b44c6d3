"""Proof before replacement: somebody's functions and their equivalents on every case, forward and backward."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field, replace

from fastconv.backends import available_backends
from fastconv.dropin.accelerate.beside import lonely, not_together, reads_theirs
from fastconv.dropin.accelerate.learning import learn_dtypes
from fastconv.dropin.accelerate.memory import remembering
from fastconv.dropin.accelerate.mismatch import Mismatch
from fastconv.dropin.accelerate.pace import slower
from fastconv.dropin.accelerate.region import Region, failed, find_regions
from fastconv.dropin.accelerate.trials import Trial, Trials, tried, verdicts_on
from fastconv.dropin.conventions.calls import Calls
from fastconv.dropin.conventions.cases import CASES
from fastconv.dropin.conventions.convention import Function, Implementation
from fastconv.dropin.conventions.diagnosis import diagnose
from fastconv.dropin.conventions.drawn import drawn_cases
from fastconv.dropin.conventions.judge import CANNOT, OK, RAISED, WRONG

_INTEGERS = "an integer image"
# One of them has to be right at least; float32 alone is, where something is rounded to that on the way.
_BASIC = (CASES[0].name, "a single image", "padding", "float32")


@dataclass(frozen=True)
class Proof:
    """What was found out about an implementation.

    Parameters
    ----------
    implementation : Implementation
        The one in question.
    equal : mapping of str to callable
        By role the equivalents that may replace the originals, as they were proven.
    refused : mapping of str to Mismatch
        By role, why the others may not.
    regions : mapping of str to Region
        By role of `equal` where the original was right, if it was not so everywhere: the other calls go on to it.
    originals : mapping of str to callable
        By role of `equal` what takes the calls that its equivalent leaves to it.
    slower : mapping of str to str
        By role the functions that are not in `equal` because they are faster than their equivalents: both times.
    """

    implementation: Implementation
    equal: Mapping[str, Function]
    refused: Mapping[str, Mismatch]
    regions: Mapping[str, Region] = field(default_factory=dict)
    originals: Mapping[str, Function] = field(default_factory=dict)
    slower: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Findings:
    """What the trials of an implementation told: plain data, that another process can send.

    Parameters
    ----------
    refused : mapping of str to Mismatch
        See `Proof`.
    good : sequence of str
        The roles that are right.
    regions : mapping of str to Region
        See `Proof`.
    calls : Calls
        How their equivalents have to call fastconv.
    slower : mapping of str to str
        See `Proof`.
    """

    refused: Mapping[str, Mismatch]
    good: Sequence[str] = ()
    regions: Mapping[str, Region] = field(default_factory=dict)
    calls: Calls = field(default_factory=Calls)
    slower: Mapping[str, str] = field(default_factory=dict)


def proof_of(implementation: Implementation, findings: Findings) -> Proof:
    """Make the equivalents of which the trials have told that they are right; nothing of theirs is called.

    Parameters
    ----------
    implementation : Implementation
        Somebody's functions.
    findings : Findings
        What `find` returned for them.

    Returns
    -------
    Proof
        A role is in `equal`, in `refused` or in `slower`, unless it was settled.
    """
    convention, regions = implementation.convention, findings.regions
    equal = {}
    for role in findings.good:
        calls = replace(findings.calls, proven=regions[role].proven if role in regions else None)
        if role not in findings.slower:
            equal[role] = convention.fast(implementation, calls)[role]
    originals = {role: implementation[role] for role in findings.good}
    if not findings.calls.foreign:
        originals.update(convention.resuming(implementation, findings.good))
    return Proof(implementation, equal, findings.refused, regions, originals, findings.slower)


def find(implementation: Implementation, settled: Set[str], *, contiguous: bool) -> Findings:
    """Run an implementation and its equivalents on every case that it can express.

    Parameters
    ----------
    implementation : Implementation
        Somebody's functions.
    settled : set of str
        Roles that are not in question: their functions are fast already.
    contiguous : bool
        Let the equivalents give results in C order.

    Returns
    -------
    Findings
        A role is in `good` or in `refused`, unless it is in `settled`.
    """
    every = tried(implementation, CASES)
    whole = [trial for trial in every if trial.case.name == _INTEGERS]
    trials: Trials = [trial for trial in every if trial.case.name != _INTEGERS]
    asked = [role for role in implementation.targets if role not in settled]
    refused = _never_right(implementation, asked, trials)
    refused |= remembering(implementation, [role for role in asked if role not in refused], trials)
    trials, regions = _regions(implementation, [role for role in asked if role not in refused], trials)
    refused |= {role: _nothing_tells(implementation, role, it) for role, it in regions.items() if not it.outside}
    refused |= _not_replaceable(implementation, [role for role in asked if role not in refused])
    regions = {role: _explained(implementation, role, it) for role, it in regions.items() if role not in refused}
    good = [role for role in asked if role not in refused]
    if not good:
        return Findings(refused)
    calls = _calls(implementation, trials, whole, good, contiguous)
    findings = Findings(refused, good, regions, calls)
    made = proof_of(implementation, findings)
    mismatch = lonely(implementation, good, calls, trials)
    mismatch = mismatch or not_together(implementation, made.equal, made.originals, trials)
    if mismatch is not None:
        return Findings({**refused, **dict.fromkeys(good, mismatch)})
    return replace(findings, slower=slower(implementation, made.equal))


def _regions(implementation: Implementation, roles: list[str], trials: Trials) -> tuple[Trials, dict[str, Region]]:
    """Where the functions are right that are not right everywhere; with the trials that it took to find that out."""
    doubtful = [role for role in roles if any(failed(role, trial) for trial in trials)]
    if not doubtful:
        return trials, {}
    regions = find_regions(implementation, doubtful, trials)
    if not any(region.outside for region in regions.values()):
        return trials, regions
    trials = [*trials, *tried(implementation, drawn_cases())]
    return trials, find_regions(implementation, doubtful, trials)


def _never_right(implementation: Implementation, roles: list[str], trials: Trials) -> dict[str, Mismatch]:
    """The functions that are right in none of the basic cases, and what they do instead."""
    found = {}
    for role in roles:
        basic = {trial.verdicts[role].kind for trial in trials if trial.case.name in _BASIC}
        every = {trial.verdicts[role].kind for trial in trials}
        if OK in basic or (basic <= {CANNOT} and OK in every):
            continue
        bad = [trial for kind in (WRONG, RAISED) for trial in trials if trial.verdicts[role].kind == kind]
        if bad:
            found[role] = _mismatch(implementation, role, bad[0])
        else:
            text = next((trial.verdicts[role].text for trial in trials), "there is no case")
            found[role] = Mismatch("", f"it could not be tried: {text}")
    return found


def _not_replaceable(implementation: Implementation, roles: list[str]) -> dict[str, Mismatch]:
    """The functions that their convention says no equivalent can stand for, and why."""
    reasons = {role: implementation.convention.cannot_replace(implementation, role) for role in roles}
    return {role: Mismatch("", reason) for role, reason in reasons.items() if reason is not None}


def _nothing_tells(implementation: Implementation, role: str, region: Region) -> Mismatch:
    """Why a function is refused that is wrong, or raises, where nothing about the sizes says so."""
    found = _mismatch(implementation, role, region.trial)
    if region.wrong:
        return found
    return replace(found, text=f"{found.text}, and nothing about the sizes tells that from calls in which it ran")


def _explained(implementation: Implementation, role: str, region: Region) -> Region:
    """The same with a small example of what is outside, and the usual mistake of which it is one."""
    if not region.wrong:
        return region
    trial, said = _smallest(implementation, role, region.trial)
    return replace(region, trial=trial, said=said)


def _mismatch(implementation: Implementation, role: str, trial: Trial) -> Mismatch:
    """What a function does in a case that is not right."""
    if trial.verdicts[role].kind == RAISED:
        return Mismatch(trial.case.name, f"{trial} it raised {trial.verdicts[role].text}", problem=trial.problem)
    trial, said = _smallest(implementation, role, trial)
    verdict = trial.verdicts[role]
    return Mismatch(trial.case.name, f"{trial} {said}", verdict.array, verdict.difference, trial.problem)


def _smallest(implementation: Implementation, role: str, trial: Trial) -> tuple[Trial, str]:
    """The same with one image, one channel and one filter, as far as it is still wrong; and what is wrong."""
    for part in ("images", "channels", "filters"):
        problem = implementation.convention.adapted(implementation, trial.problem.only(**{part: 1}))
        smaller = Trial(trial.case, problem, verdicts_on(implementation, trial.case, problem))
        if smaller.verdicts[role].kind == WRONG:
            trial = smaller
    verdict = trial.verdicts[role]
    words = diagnose(verdict.array, verdict.got, trial.problem)
    return trial, verdict.text + (f": {words}" if words else "")


def _calls(implementation: Implementation, trials: Trials, whole: Trials, good: list[str], contiguous: bool) -> Calls:
    """How the equivalents have to call fastconv."""
    first = implementation.convention.first
    exact = all(trial.verdicts[first].kind == OK for trial in whole if first in trial.verdicts)
    fastest = available_backends()[0]  # where Numba cannot be imported, numpy is faster than loops all the same
    right = [trial.problem for trial in trials if all(trial.verdicts[role].kind == OK for role in good)]
    calls = Calls(learn_dtypes(implementation, exact, right), contiguous, engine=fastest)
    foreign = implementation.convention.cached and reads_theirs(implementation, calls, trials, good)
    return replace(calls, foreign=foreign)

"""Proof before replacement: somebody's functions and their equivalents on every case, forward and backward."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from fastconv.backends import available_backends
from fastconv.dropin.accelerate.gaps import Gap, Trial, Verdicts, find_gaps
from fastconv.dropin.accelerate.learning import learn_dtypes
from fastconv.dropin.conventions.calls import Calls
from fastconv.dropin.conventions.cases import CASES
from fastconv.dropin.conventions.convention import Function, Implementation
from fastconv.dropin.conventions.diagnosis import diagnose
from fastconv.dropin.conventions.judge import CANNOT, OK, RAISED, WRONG, Run, Verdict, judge, run
from fastconv.dropin.conventions.problem import Problem, draw

MEMORY_CASES = ("input in Fortran order", "sliced input")
_INTEGERS = "an integer image"
_BASIC = (CASES[0].name, "a single image", "padding")  # one of them has to run at least


@dataclass(frozen=True)
class Mismatch:
    """Why a function was left as it is.

    Parameters
    ----------
    case : str
        Name of the case in which it differs; empty where the reason is another function.
    text : str
        What differs, in words.
    array : str
        The array that differs: y, dx, dweight or dbias.
    difference : float
        The largest difference; infinite where there is no number for it.
    problem : Problem or None
        A small problem on which it differs.
    """

    case: str
    text: str
    array: str = ""
    difference: float = float("inf")
    problem: Problem | None = None

    def __str__(self) -> str:
        return self.text


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
    gaps : mapping of str to Gap
        By role of `equal` where the original raised: such calls go on to it.
    originals : mapping of str to callable
        By role of `equal` what takes the calls that its equivalent leaves to it.
    """

    implementation: Implementation
    equal: Mapping[str, Function]
    refused: Mapping[str, Mismatch]
    gaps: Mapping[str, Gap] = field(default_factory=dict)
    originals: Mapping[str, Function] = field(default_factory=dict)


@dataclass(frozen=True)
class Findings:
    """What the trials of an implementation told: plain data, that another process can send.

    Parameters
    ----------
    refused : mapping of str to Mismatch
        See `Proof`.
    good : sequence of str
        The roles that may be replaced.
    gaps : mapping of str to Gap
        See `Proof`.
    calls : Calls
        How their equivalents have to call fastconv.
    """

    refused: Mapping[str, Mismatch]
    good: Sequence[str] = ()
    gaps: Mapping[str, Gap] = field(default_factory=dict)
    calls: Calls = field(default_factory=Calls)


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
        A role is in `equal` or in `refused`, unless it was settled.
    """
    equal = _equivalents(implementation, findings.good, findings.calls, findings.gaps)
    originals = {role: implementation[role] for role in findings.good}
    if not findings.calls.foreign:
        originals.update(implementation.convention.resuming(implementation, findings.good))
    return Proof(implementation, equal, findings.refused, findings.gaps, originals)


def find(implementation: Implementation, settled: Set[str], *, contiguous: bool) -> Findings:
    """Run an implementation and its equivalents on every case that it can express.

    Parameters
    ----------
    implementation : Implementation
        Somebody's functions.
    settled : mapping of str to callable
        Roles that are not in question: their functions are fast already.
    contiguous : bool
        Let the equivalents give results in C order.

    Returns
    -------
    Findings
        A role is in `good` or in `refused`, unless it is in `settled`.
    """
    trials = list(_trials(implementation))
    verdicts = [(trial, _judged(implementation, trial)) for trial in trials]
    usable = [(trial, found) for trial, found in verdicts if trial.case.name != _INTEGERS]
    refused, gaps = _refused(implementation, [role for role in implementation.targets if role not in settled], usable)
    good = [role for role in implementation.targets if role not in refused and role not in settled]
    if not good:
        return Findings(refused)
    calls = _calls(implementation, verdicts, good, contiguous)
    equal = _equivalents(implementation, good, calls, gaps)
    mismatch = _lonely(implementation, good, calls, trials) or _together(implementation, equal, usable)
    if mismatch is not None:
        return Findings({**refused, **dict.fromkeys(good, mismatch)})
    return Findings(refused, good, gaps, calls)


def _equivalents(
    implementation: Implementation, roles: Sequence[str], calls: Calls, gaps: Mapping[str, Gap]
) -> dict[str, Function]:
    equal = {}
    for role in roles:
        unproven = gaps[role].parts if role in gaps else ()
        equal[role] = implementation.convention.fast(implementation, replace(calls, unproven=unproven))[role]
    return equal


def _refused(
    implementation: Implementation, roles: list[str], verdicts: Verdicts
) -> tuple[dict[str, Mismatch], dict[str, Gap]]:
    """Why some roles may not be replaced, and what is unproven about the others."""
    refused = _adding_up(implementation, roles, verdicts)
    for role in roles:
        mismatch = _first_mismatch(implementation, role, [(trial, found[role]) for trial, found in verdicts])
        if mismatch is not None:
            refused[role] = mismatch
    gaps = find_gaps(implementation, verdicts, [role for role in roles if role not in refused])
    for role, gap in gaps.items():
        if not gap.parts:
            text = f"it raised {gap.said}, and nothing about the sizes tells that from calls in which it ran"
            refused[role] = _mismatch(gap.trial, text)
    return refused, {role: gap for role, gap in gaps.items() if role not in refused}


def _mismatch(trial: Trial, text: str, array: str = "", difference: float = float("inf")) -> Mismatch:
    return Mismatch(trial.case.name, f"{trial} {text}", array, difference, trial.problem)


def _trials(implementation: Implementation) -> Iterator[Trial]:
    convention = implementation.convention
    for case in CASES:
        for operation in convention.operations:
            problem = case.draw(operation)
            if problem is not None:
                yield Trial(case, problem)


def _judged(implementation: Implementation, trial: Trial) -> dict[str, Verdict]:
    also = "repeat" if trial.case.also == "repeat" else "unmodified"  # not "dtype": that is learned
    try:
        return judge(implementation, trial.problem, also)
    except SystemExit:
        return dict.fromkeys(implementation.targets, Verdict(RAISED, "SystemExit"))


def _first_mismatch(implementation: Implementation, role: str, found: list[tuple[Trial, Verdict]]) -> Mismatch | None:
    """The first case in which a role is wrong, or, if it never runs, what it raises."""
    for trial, verdict in found:
        if verdict.kind == WRONG:
            return _described(implementation, role, trial, verdict)
    if any(verdict.kind == OK and trial.case.name in _BASIC for trial, verdict in found):
        return None
    for trial, verdict in found:
        if verdict.kind == RAISED:
            return _mismatch(trial, f"it raised {verdict.text}")
    return Mismatch("", f"it could not be tried: {next((verdict.text for _, verdict in found), 'there is no case')}")


def _adding_up(implementation: Implementation, roles: list[str], verdicts: Verdicts) -> dict[str, Mismatch]:
    """The backward functions that give something else when they are called again after the same forward pass."""
    convention, found = implementation.convention, {}
    backwards = [role for role in roles if role != convention.first] if convention.cached else []
    for role in backwards:
        trial = next((trial for trial, verdict in verdicts if verdict[role].kind == OK), verdicts[0][0])
        problem = convention.adapted(implementation, trial.problem)
        try:
            _, context = convention.forward(implementation, problem)
            first, second = (deepcopy(convention.backward(implementation, problem, context, role)) for _ in range(2))
        except (Exception, SystemExit):  # noqa: BLE001 - theirs: it cannot be called again, so nothing adds up
            continue
        before, now = (Run(results, {}) for results in (first, second))
        if not _gave_same(implementation, role, before, now):
            text = (
                "a second backward pass does not give the same as the first: gradients add up, or something is used up"
            )
            found[role] = replace(_mismatch(Trial(trial.case, problem), text), case="a second call")
    return found


def _described(implementation: Implementation, role: str, trial: Trial, verdict: Verdict) -> Mismatch:
    trial, verdict = _smallest(implementation, role, trial, verdict)
    words = diagnose(verdict.array, verdict.got, trial.problem)
    return _mismatch(trial, verdict.text + (f": {words}" if words else ""), verdict.array, verdict.difference)


def _smallest(implementation: Implementation, role: str, trial: Trial, verdict: Verdict) -> tuple[Trial, Verdict]:
    """The same with one image, one channel and one filter, as far as it is still wrong."""
    trial = Trial(trial.case, implementation.convention.adapted(implementation, trial.problem))
    for part in ("images", "channels", "filters"):
        smaller = Trial(trial.case, trial.problem.only(**{part: 1}))
        found = _judged(implementation, smaller)[role]
        if found.kind == WRONG:
            trial, verdict = smaller, found
    return trial, verdict


def _calls(implementation: Implementation, verdicts: Verdicts, good: list[str], contiguous: bool) -> Calls:
    """How the equivalents have to call fastconv."""
    whole = [found for trial, found in verdicts if trial.case.name == _INTEGERS]
    first = implementation.convention.first
    exact = all(found[first].kind == OK for found in whole if first in found)
    fastest = available_backends()[0]  # where Numba cannot be imported, numpy is faster than loops all the same
    right = [trial.problem for trial, found in verdicts if all(found[role].kind == OK for role in good)]
    calls = Calls(learn_dtypes(implementation, exact, right), contiguous, engine=fastest)
    foreign = implementation.convention.cached and _reads_theirs(implementation, calls, verdicts, good)
    return replace(calls, foreign=foreign)


def _reads_theirs(implementation: Implementation, calls: Calls, verdicts: Verdicts, good: list[str]) -> bool:
    """Whether the fast backward function understands what their forward function has kept."""
    if "backward" not in good or implementation.cls is not None:
        return False
    made = implementation.convention.fast(implementation, calls)
    mixed = implementation.with_functions({"backward": made["backward"]})
    trials = [trial for trial, found in verdicts if found["backward"].kind == OK]
    return all(_judged(mixed, trial)["backward"].kind == OK for trial in trials)


def _lonely(implementation: Implementation, good: list[str], calls: Calls, trials: list[Trial]) -> Mismatch | None:
    """Why one of a pair that is held together by a cache cannot be replaced alone."""
    if not implementation.convention.cached:
        return None
    first = implementation.convention.first
    if first in implementation and first not in good and not calls.foreign:
        return Mismatch("", f"it works on what {implementation.targets[first].label} keeps, which was left as it is")
    alone = first in good and len(implementation.targets) == 1 and implementation.cls is None
    if alone and not all(_same_cache(implementation, calls, trial.problem) for trial in trials):
        return Mismatch(
            "", f"its cache is not that of {implementation.convention.form}, and no backward function is beside it"
        )
    return None


def _same_cache(implementation: Implementation, calls: Calls, problem: Problem) -> bool:
    """Whether their forward function keeps what the fast one keeps."""
    convention = implementation.convention
    ours = implementation.with_functions(convention.fast(implementation, calls))
    if convention.cannot_express(implementation, problem) is not None:
        return True
    problem = convention.adapted(implementation, problem)
    if problem.dy is None or run(implementation, problem).errors:
        return True
    _, theirs = convention.forward(implementation, problem)
    _, mine = convention.forward(ours, problem)
    return isinstance(theirs, tuple) and len(theirs) == len(mine) and all(map(_same, theirs, mine))


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        return np.array_equal(one, other)
    return type(one) is type(other) and bool(one == other)


def _together(implementation: Implementation, equal: Mapping[str, Function], verdicts: Verdicts) -> Mismatch | None:
    """Why the equivalents cannot stand beside what is left of the originals; None if they can.

    The equivalents have to be right wherever the originals are, and what is left has to give what it gave before.
    """
    mixed = implementation.with_functions(equal)
    left = [role for role in implementation.targets if role not in equal]
    for trial, before in verdicts:
        now = _judged(mixed, trial)
        for role in equal:
            if before[role].kind == OK and now[role].kind != OK:
                text = f"its fast equivalent is not the same {trial}: {now[role].text}"
                return Mismatch(trial.case.name, text, now[role].array, now[role].difference, trial.problem)
        if left and before[left[0]].kind != CANNOT and not _unchanged(implementation, mixed, left, trial):
            names = " and ".join(implementation.targets[role].label for role in left)
            return Mismatch("", f"{names}, which was left as it is, does not work with its fast equivalent")
    return None


def _unchanged(implementation: Implementation, mixed: Implementation, left: list[str], trial: Trial) -> bool:
    """Whether the roles that are left give the same beside the equivalents as among themselves."""
    convention = implementation.convention
    other = draw(trial.problem.operation, size=(9, 8), kernel=(2, 2), stride=(2, 2), seed=1)
    run(implementation, convention.adapted(implementation, other))  # what it keeps somewhere is of another problem now
    problem = convention.adapted(implementation, trial.problem)
    now, before = run(mixed, problem), run(implementation, problem)
    return all(_gave_same(implementation, role, before, now) for role in left)


def _gave_same(implementation: Implementation, role: str, before: Run, now: Run) -> bool:
    if role in before.errors or role in now.errors:
        return (role in before.errors) == (role in now.errors)
    for name in implementation.convention.arrays(implementation, role):
        one, other = getattr(before.results, name), getattr(now.results, name)
        if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
            if one.shape != other.shape or one.dtype != other.dtype or not _close(one, other):
                return False
        elif type(one) is not type(other):
            return False
    return True


def _close(one: Any, other: Any) -> bool:
    eps = np.finfo(one.dtype).eps if one.dtype.kind == "f" else 0
    largest = float(np.abs(one).max(initial=0))
    return bool(np.allclose(one, other, rtol=0, atol=1000 * float(eps) * largest, equal_nan=True))

"""Equivalents beside what is left of the originals: what goes from one to the other has to be understood."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from fastconv.dropin.accelerate.mismatch import Mismatch
from fastconv.dropin.accelerate.places import CallCounts, replacement
from fastconv.dropin.accelerate.trials import Trial, Trials, verdicts_on
from fastconv.dropin.conventions.calls import Calls
from fastconv.dropin.conventions.convention import Function, Implementation
from fastconv.dropin.conventions.judge import CANNOT, OK, Run, run
from fastconv.dropin.conventions.problem import Problem, draw


def reads_theirs(implementation: Implementation, calls: Calls, trials: Trials, good: list[str]) -> bool:
    """Return whether the fast backward function understands what their forward function has kept."""
    if "backward" not in good or implementation.cls is not None:
        return False
    made = implementation.convention.fast(implementation, calls)
    mixed = implementation.with_functions({"backward": made["backward"]})
    right = [trial for trial in trials if trial.verdicts["backward"].kind == OK]
    return all(verdicts_on(mixed, trial.case, trial.problem)["backward"].kind == OK for trial in right)


def lonely(implementation: Implementation, good: list[str], calls: Calls, trials: Trials) -> Mismatch | None:
    """Return why one of a pair that is held together by a cache cannot be replaced alone."""
    if not implementation.convention.cached:
        return None
    first = implementation.convention.first
    if first in implementation and first not in good and not calls.foreign:
        return Mismatch("", f"it works on what {implementation.targets[first].label} keeps, which was left as it is")
    alone = first in good and len(implementation.targets) == 1 and implementation.cls is None
    right = [trial for trial in trials if trial.verdicts[first].kind == OK] if alone else []
    if not all(_same_cache(implementation, calls, trial.problem) for trial in right):
        return Mismatch(
            "", f"its cache is not that of {implementation.convention.form}, and no backward function is beside it"
        )
    return None


def _same_cache(implementation: Implementation, calls: Calls, problem: Problem) -> bool:
    """Whether their forward function keeps what the fast one keeps."""
    convention = implementation.convention
    ours = implementation.with_functions(convention.fast(implementation, calls))
    _, theirs = convention.forward(implementation, problem)
    _, mine = convention.forward(ours, problem)
    return isinstance(theirs, tuple) and len(theirs) == len(mine) and all(map(_same, theirs, mine))


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        return np.array_equal(one, other)
    return type(one) is type(other) and bool(one == other)


def not_together(
    implementation: Implementation,
    equal: Mapping[str, Function],
    originals: Mapping[str, Function],
    trials: Trials,
) -> Mismatch | None:
    """Return why the equivalents cannot stand beside what is left of the originals; None if they can.

    The equivalents have to be right wherever the originals are, and what is left has to give what it gave before.
    """
    alone = implementation.with_functions(equal)
    mixed = implementation.with_functions(
        {role: replacement(implementation[role], equal[role], originals[role], CallCounts()) for role in equal}
    )
    left = [role for role in implementation.targets if role not in equal]
    for trial in trials:
        right = [role for role in equal if trial.verdicts[role].kind == OK]
        whole = all(trial.verdicts[role].kind in (OK, CANNOT) for role in equal)
        now = verdicts_on(alone if whole else mixed, trial.case, trial.problem) if right else {}
        for role in right:
            if now[role].kind != OK:
                text = f"its fast equivalent is not the same {trial}: {now[role].text}"
                return Mismatch(trial.case.name, text, now[role].array, now[role].difference, trial.problem)
        if left and trial.verdicts[left[0]].kind != CANNOT and not _unchanged(implementation, mixed, left, trial):
            names = " and ".join(implementation.targets[role].label for role in left)
            return Mismatch("", f"{names}, which was left as it is, does not work with its fast equivalent")
    return None


def _unchanged(implementation: Implementation, mixed: Implementation, left: list[str], trial: Trial) -> bool:
    """Whether the roles that are left give the same beside the equivalents as among themselves."""
    convention = implementation.convention
    other = draw(trial.problem.operation, size=(9, 8), kernel=(2, 2), stride=(2, 2), seed=1)
    run(implementation, convention.adapted(implementation, other))  # what it keeps somewhere is of another problem now
    now, before = run(mixed, trial.problem), run(implementation, trial.problem)
    return all(gave_same(implementation, role, before, now) for role in left)


def gave_same(implementation: Implementation, role: str, before: Run, now: Run) -> bool:
    """Return whether a function did the same in two runs."""
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

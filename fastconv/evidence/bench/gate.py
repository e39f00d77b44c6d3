"""Two runs side by side, and whether the newer one is slower: the gate against regressions.

A case is slower only if everything says so: its minimum and its median (a disturbance of one run moves one of them, a
change of the code both), and each of them after taking out the clock in every way that it may have changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from fastconv.evidence.bench.cases import LOOPS, Case
from fastconv.evidence.bench.suite import Result, Suite, read_suite

SAME, SLOWER, FASTER, NEW, MISSING, OTHER = "same", "slower", "faster", "new", "missing", "other work"

_ARITHMETIC = ("fast", "numpy")  # backends whose convolutions are bound by multiply-adds
_PASSES = ("forward", "backward")  # of one operation; a network does more than multiply-adds


@dataclass(frozen=True)
class Change:
    """One case in two runs.

    Attributes
    ----------
    case : Case
        Which one.
    old, new : Result or None
        What it was, and what it is.
    ratio : float or None
        New by old, as `cautious` puts it: above 1 it is slower. None where there is nothing to divide.
    verdict : {"same", "slower", "faster", "new", "missing", "other work"}
        What that means with the limit that was asked for.
    """

    case: Case
    old: Result | None
    new: Result | None
    ratio: float | None
    verdict: str

    @property
    def fails(self) -> bool:
        """Whether the gate stops here: what is slower, or was asked for and did not run. The yardstick never is."""
        return self.verdict in (SLOWER, MISSING) and self.case.backend != LOOPS


def cautious(ratios: Iterable[float]) -> float:
    """Return the ratio that claims the least: the one nearest to 1, and 1 where they disagree about the direction.

    Examples
    --------
    >>> cautious([1.3, 1.1]), cautious([0.8, 0.9]), cautious([0.8, 1.3])
    (1.1, 0.9, 1.0)
    """
    found = list(ratios)
    return min(found) if min(found) > 1 else max(found) if max(found) < 1 else 1.0


def changes(old: Suite, new: Suite, percent: float = 0.0) -> tuple[Change, ...]:
    """Compare two runs case by case.

    Parameters
    ----------
    old, new : Suite
        The runs. A case of `old` that `new` was not asked for is left out.
    percent : float
        How much slower or faster a case must be to be called so.

    Returns
    -------
    tuple of Change
        In the order of `new`; what is missing there comes last.
    """
    found = [_change(case, old, new, percent) for case in new.results]
    missing = [case for case in old.results if case not in new.results and case in new.selection]
    return (*found, *(Change(case, old.results[case], None, None, MISSING) for case in missing))


def _change(case: Case, old: Suite, new: Suite, percent: float) -> Change:
    before, now = old.results.get(case), new.results[case]
    if before is None:
        return Change(case, None, now, None, NEW)
    if (before.sizes, before.threads) != (now.sizes, now.threads):
        return Change(case, before, now, None, OTHER)
    times = (now.minimum / before.minimum, now.median / before.median)
    ratio = cautious(time * clock for time in times for clock in _clocks(before, now, old, new))
    limit = 1 + percent / 100
    verdict = SLOWER if ratio > limit else FASTER if ratio < 1 / limit else SAME
    return Change(case, before, now, ratio, verdict)


def _clocks(before: Result, now: Result, old: Suite, new: Suite) -> list[float]:
    """How much faster the chip may have been in the newer run.

    By the peak beside the case, which knows of a clock that changed in the middle of a run; and by the best peak of the
    run, which knows of a neighbour that took the core while that was measured. What has no multiply-adds, plain loops
    and networks wait for memory or the interpreter, which no peak says anything about: for them it may be none at all.
    """
    clocks = [_quotient(now.peak, before.peak), _quotient(new.best_peak(now.case.dtype), old.best_peak(now.case.dtype))]
    arithmetic = now.flops > 0 and now.case.backend in _ARITHMETIC and now.case.step in _PASSES
    return clocks if arithmetic else [*clocks, 1.0]


def _quotient(now: float | None, before: float | None) -> float:
    return now / before if now and before else 1.0


def with_better(old: Suite, data: dict[str, Any], again: dict[str, Any]) -> dict[str, Any]:
    """Return the JSON of a run in which each case has the better of two runs, as `changes` judges them."""
    first, second = read_suite(data, "this run"), read_suite(again, "this run, once more")
    judged = {change.case: change.ratio for change in changes(old, first) if change.ratio is not None}
    better = {
        change.case
        for change in changes(old, second)
        if change.ratio is not None and change.ratio < judged.get(change.case, 0)
    }
    # `read_suite` keeps the order of the records
    taken = {case: record for case, record in zip(second.results, again["benchmarks"]) if case in better}
    records = [taken.get(case, record) for case, record in zip(first.results, data["benchmarks"])]
    return {**data, "benchmarks": records}


def obstacles(old: Suite, new: Suite) -> tuple[str, ...]:
    """Say what makes the times of two runs incomparable: another processor, other threads, other exactness."""
    facts = ("cpu", "cores", "threads", "exact")
    both = [(what, getattr(old.environment, what), getattr(new.environment, what)) for what in facts]
    return tuple(f"{what} {before!r} then, {now!r} now" for what, before, now in both if before != now)


def doubts(old: Suite, new: Suite) -> tuple[str, ...]:
    """Say whose times are not reliable, and why."""
    both = (("then", old.environment.unreliable), ("now", new.environment.unreliable))
    return tuple(f"{when} {why}" for when, why in both if why)


def failures(found: Sequence[Change]) -> tuple[str, ...]:
    """Say what stops the gate, one line each."""
    return tuple(_failure(change) for change in found if change.fails)


def _failure(change: Change) -> str:
    if change.new is None or change.old is None or change.ratio is None:
        return f"{change.case}: must run as it did before, but it did not."
    return (
        f"{change.case}: must not be slower, but it takes {100 * (change.ratio - 1):.0f}% longer "
        f"({1e3 * change.old.median:.4g} ms then, {1e3 * change.new.median:.4g} ms now)."
    )

"""One heat: every engine prepared and judged, then timed in turns, round after round."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from math import prod
from statistics import median

import numpy as np

from fastconv.backends.geometry import ConvGeometry
from fastconv.comparison.results import Difference
from fastconv.comparison.timing import seed_seconds_per_output
from fastconv.contest.crew import Hand, WorkerError
from fastconv.contest.engines import own
from fastconv.contest.problem import Course, judge
from fastconv.contest.results import OURS, Entry, Heat
from fastconv.contest.targets import has_parts
from fastconv.errors import FastconvError

__all__ = ["Pace", "run_heat", "schedule"]

_LIMITS = {OURS: 1.0}
_OTHER_LIMIT = 4.0  # the others promise nothing; what is beyond this is a wrong result and no rounding error
_TRIALS = 3  # rounds that every variant takes part in
_FAR_BEHIND = 2.0  # times the best of its side: such a variant rests in the later rounds


@dataclass(frozen=True)
class Pace:
    """How long a heat may take: at most so many rounds of turns of so many seconds, within a budget of seconds."""

    rounds: int
    turn: float = 0.04
    peak: float = 0.02
    budget: float = float("inf")


@dataclass
class _Runner:
    """A variant on its way through the rounds; `extra` ones do not compete."""

    hand: Hand
    variant: str
    differences: tuple[Difference, ...] = ()
    first: float = 0.0
    extra: bool = False
    rounds: list[float | None] = field(default_factory=list)

    @property
    def ours(self) -> bool:
        return self.hand.name == OURS

    def median(self) -> float:
        return median([seconds for seconds in self.rounds if seconds is not None] or [float("inf")])


@dataclass
class _Peaks:
    """The peak, measured by the worker of fastconv in every round."""

    hand: Hand
    threads: int
    dtype: str
    many: list[float] = field(default_factory=list)
    one: list[float] = field(default_factory=list)

    def measure(self, seconds: float) -> None:
        self.many.append(self._ask(self.threads, seconds))
        self.one.append(self.many[-1] if self.threads == 1 else self._ask(1, seconds))

    def _ask(self, threads: int, seconds: float) -> float:
        answer = self.hand.ask("peak", dtype=self.dtype, threads=threads, seconds=seconds)
        return float(answer["gflops"])


def run_heat(
    course: Course, step: str, hands: list[Hand], threads: int, pace: Pace, report: Callable[[str], None]
) -> Heat:
    """Let all engines run one pass; the first of the hands is fastconv's.

    An engine that fails is ended and taken from `hands`; where that is fastconv, the error is raised.
    """
    refused: dict[str, str] = {}
    start = time.perf_counter()
    report("checking")
    runners = [runner for hand in list(hands) for runner in _ready(course, step, hand, hands, refused)]
    extras = _extras(course, step, hands[0], runners, threads)
    peaks = _Peaks(hands[0], threads, str(course.problem.dtype))
    everyone = [*runners, *extras]
    while len(peaks.many) < pace.rounds:
        if len(peaks.many) >= _TRIALS and time.perf_counter() - start > pace.budget:
            break
        report(f"round {len(peaks.many) + 1}")
        _round(everyone, hands, refused, peaks, pace)
    report("memory and loops")
    entries = tuple(_entry(runner) for runner in runners if runner.hand.name not in refused)
    return _heat(course, step, entries, refused, peaks, extras, _workspace(hands[0], runners))


def _ready(course: Course, step: str, hand: Hand, hands: list[Hand], refused: dict[str, str]) -> Iterator[_Runner]:
    """Prepare an engine, and judge the results of every variant before any is timed."""
    try:
        answer = hand.ask("prepare", folder=str(course.folder), step=step)
        if "refused" in answer:
            refused[hand.name] = answer["refused"]
            return
        for variant, first in answer["variants"].items():
            yield _Runner(hand, variant, judge(course, step, first["files"]), first["seconds"])
    except FastconvError as error:
        _give_up(hand, hands, refused, error)


def _give_up(hand: Hand, hands: list[Hand], refused: dict[str, str], error: FastconvError) -> None:
    """Go on without an engine that failed; without fastconv there is no contest."""
    if hand.name == OURS:
        raise error
    refused[hand.name] = str(error)
    hands.remove(hand)
    hand.end()


def _extras(course: Course, step: str, ours: Hand, runners: list[_Runner], threads: int) -> list[_Runner]:
    """What of fastconv is timed besides: its better variant on one thread, and gradients that have targets."""
    better = _better(runners)
    names = [own.alone(better)] if threads > 1 else []
    geometry, weight = course.problem.geometry, course.problem.weight
    stride = tuple(axis.stride for axis in geometry.axes)
    if weight is not None and has_parts(step, geometry.kernel, stride, weight.shape):
        names += [own.part(gradient, better) for gradient in ("dx", "dweight")]
    return [_Runner(ours, name, extra=True) for name in names]


def _better(runners: list[_Runner]) -> str:
    return min((runner for runner in runners if runner.ours), key=lambda runner: runner.first).variant


def schedule(count: int, index: int) -> list[int]:
    """Return the order of `count` turns in round `index`: each round begins with the next one.

    Examples
    --------
    >>> schedule(4, 0), schedule(4, 5)
    ([0, 1, 2, 3], [1, 2, 3, 0])
    """
    return [(turn + index) % count for turn in range(count)]


def _round(runners: list[_Runner], hands: list[Hand], refused: dict[str, str], peaks: _Peaks, pace: Pace) -> None:
    """Give every variant its turn, and nothing to those that rest."""
    resting = _far_behind(runners) if len(peaks.many) >= _TRIALS else []
    peaks.measure(pace.peak)
    for turn in schedule(len(runners), len(peaks.many) - 1):
        runner = runners[turn]
        if runner in resting or runner.hand not in hands:
            runner.rounds.append(None)
            continue
        try:
            runner.rounds.append(runner.hand.turn(runner.variant, pace.turn))
        except WorkerError as error:
            _give_up(runner.hand, hands, refused, error)


def _far_behind(runners: list[_Runner]) -> list[_Runner]:
    """Variants that take twice the time of the best on their side."""
    resting = []
    for ours in (True, False):
        side = [runner for runner in runners if runner.ours == ours and not runner.extra]
        best = min((runner.median() for runner in side), default=0.0)
        resting += [runner for runner in side if runner.median() > _FAR_BEHIND * best]
    return resting


def _entry(runner: _Runner) -> Entry:
    return Entry(
        engine=runner.hand.name,
        variant=runner.variant,
        rounds=tuple(runner.rounds),
        of_tolerance=max(difference.of_tolerance for difference in runner.differences),
        max_abs=max(difference.max_abs for difference in runner.differences),
        limit=_LIMITS.get(runner.hand.name, _OTHER_LIMIT),
    )


def _workspace(ours: Hand, runners: list[_Runner]) -> int:
    return int(ours.ask("workspace", variant=_better(runners))["bytes"])


def _floor(course: Course, step: str) -> int:
    """Bytes of a packed copy of the weights and a haloed copy of x, and of dy in the backward pass."""
    geometry, item = course.problem.geometry, course.problem.dtype.itemsize
    x = geometry.batch * geometry.channels * prod(axis.padded for axis in geometry.axes)
    weights = 0 if course.problem.weight is None else course.problem.weight.size
    if step == "forward" or not isinstance(geometry, ConvGeometry):
        return item * (x + weights)
    halo = prod(axis.out + 2 * (axis.extent - 1) for axis in geometry.axes)
    return item * (x + weights + geometry.batch * geometry.filters * halo)


def _heat(
    course: Course,
    step: str,
    entries: tuple[Entry, ...],
    refused: dict[str, str],
    peaks: _Peaks,
    extras: list[_Runner],
    workspace: int,
) -> Heat:
    problem = course.problem
    operation = problem.operation if step == "forward" else f"{problem.operation}_backward"
    loop = seed_seconds_per_output(problem, operation)
    alone = [runner for runner in extras if runner.variant.endswith("one thread")]
    return Heat(
        workload=problem.name,
        description=problem.description,
        step=step,
        dtype=str(np.dtype(problem.dtype)),
        flops=problem.multiply_adds * (2 if step == "forward" else 4),  # backward: dx and dweight
        entries=entries,
        refused=refused,
        peaks=tuple(peaks.many),
        single_peaks=tuple(peaks.one),
        single_variant=alone[0].variant.partition(",")[0] if alone else "",
        single=tuple(alone[0].rounds) if alone else (),
        parts={_gradient(runner): tuple(runner.rounds) for runner in extras if runner not in alone},
        workspace=workspace,
        workspace_floor=_floor(course, step),
        threads=peaks.threads,
        loop_seconds=None if loop is None else loop * problem.outputs,
    )


def _gradient(runner: _Runner) -> str:
    return "dweight" if "dweight" in runner.variant else "dx"

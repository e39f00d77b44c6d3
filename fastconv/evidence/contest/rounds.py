"""One heat: every engine prepared and checked, then timed in turns, round after round."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from math import prod
from statistics import median

from fastconv.backends.geometry import ConvGeometry
from fastconv.errors import FastconvError
from fastconv.evidence.accuracy import Difference
from fastconv.evidence.contest.engines import own
from fastconv.evidence.contest.heats import OURS, Entry, Heat
from fastconv.evidence.contest.processes import EngineProcess
from fastconv.evidence.contest.shared import SharedProblem, check_results
from fastconv.evidence.contest.targets import has_parts
from fastconv.evidence.problem import OperationProblem
from fastconv.evidence.process import WorkerError
from fastconv.evidence.timing import seed_seconds_per_output

_LIMIT = 1.0  # of the tolerance
_OTHER_LIMIT = 4.0  # the others promise nothing; what is beyond this is a wrong result and no rounding error
_SINGLE, _PARTS = "one thread", ("dx", "dweight")  # what is timed besides
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

    process: EngineProcess
    variant: str
    differences: tuple[Difference, ...] = ()
    first: float = 0.0
    extra: bool = False
    rounds: list[float | None] = field(default_factory=list)

    @property
    def ours(self) -> bool:
        return self.process.name == OURS

    def median(self) -> float:
        return median([seconds for seconds in self.rounds if seconds is not None] or [float("inf")])

    def entry(self) -> Entry:
        return Entry(
            engine=self.process.name,
            variant=self.variant,
            rounds=tuple(self.rounds),
            of_tolerance=max(difference.of_tolerance for difference in self.differences),
            max_abs=max(difference.max_abs for difference in self.differences),
            limit=_LIMIT if self.ours else _OTHER_LIMIT,
        )


def schedule(count: int, index: int) -> list[int]:
    """Return the order of `count` turns in round `index`: each round begins with the next one.

    Examples
    --------
    >>> schedule(4, 0), schedule(4, 5)
    ([0, 1, 2, 3], [1, 2, 3, 0])
    """
    return [(turn + index) % count for turn in range(count)]


@dataclass
class HeatRun:
    """One heat on its way: who takes part, who had to be left out, the peaks so far.

    The first of the processes is fastconv's. An engine that fails is ended and taken from `processes`; where that is
    fastconv, the error is raised.
    """

    shared: SharedProblem
    step: str
    processes: list[EngineProcess]
    threads: int
    pace: Pace
    refused: dict[str, str] = field(default_factory=dict)
    peaks: list[float] = field(default_factory=list)
    single_peaks: list[float] = field(default_factory=list)

    def run(self, report: Callable[[str], None]) -> Heat:
        """Prepare and check everybody, then time in rounds."""
        start = time.perf_counter()
        report("checking")
        runners = [runner for process in list(self.processes) for runner in self._ready(process)]
        better = min((runner for runner in runners if runner.ours), key=lambda runner: runner.first).variant
        extras = self._extras(better)
        while len(self.peaks) < self.pace.rounds:
            if len(self.peaks) >= _TRIALS and time.perf_counter() - start > self.pace.budget:
                break
            report(f"round {len(self.peaks) + 1}")
            self._round([*runners, *extras.values()])
        report("memory and loops")
        entries = tuple(runner.entry() for runner in runners if runner.process.name not in self.refused)
        return self._heat(entries, extras, better)

    def _ready(self, process: EngineProcess) -> Iterator[_Runner]:
        """Prepare an engine, and check the results of every variant before any is timed."""
        try:
            answer = process.ask("prepare", folder=str(self.shared.folder), step=self.step)
            if "refused" in answer:
                self.refused[process.name] = answer["refused"]
                return
            for variant, first in answer["variants"].items():
                found = check_results(self.shared, self.step, first["files"])
                yield _Runner(process, variant, found, first["seconds"])
        except FastconvError as error:
            self._give_up(process, error)

    def _give_up(self, process: EngineProcess, error: FastconvError) -> None:
        """Go on without an engine that failed; without fastconv there is no contest."""
        if process.name == OURS:
            raise error
        self.refused[process.name] = str(error)
        self.processes.remove(process)
        process.worker.end()

    def _extras(self, better: str) -> dict[str, _Runner]:
        """What of fastconv is timed besides: its better variant on one thread, and gradients that have targets."""
        names = {_SINGLE: own.alone(better)} if self.threads > 1 else {}
        geometry, weight = self.shared.problem.geometry, self.shared.problem.weight
        stride = tuple(axis.stride for axis in geometry.axes)
        if weight is not None and has_parts(self.step, geometry.kernel, stride, weight.shape):
            names |= {gradient: own.part(gradient, better) for gradient in _PARTS}
        return {what: _Runner(self.processes[0], name, extra=True) for what, name in names.items()}

    def _round(self, runners: list[_Runner]) -> None:
        """Give every variant its turn, and nothing to those that rest."""
        resting = _far_behind(runners) if len(self.peaks) >= _TRIALS else []
        self.peaks.append(self._peak(self.threads))
        self.single_peaks.append(self.peaks[-1] if self.threads == 1 else self._peak(1))
        for turn in schedule(len(runners), len(self.peaks) - 1):
            runner = runners[turn]
            if runner in resting or runner.process not in self.processes:
                runner.rounds.append(None)
                continue
            try:
                runner.rounds.append(runner.process.turn(runner.variant, self.pace.turn))
            except WorkerError as error:
                self._give_up(runner.process, error)

    def _peak(self, threads: int) -> float:
        """Let the worker of fastconv measure the peak."""
        dtype = str(self.shared.problem.dtype)
        answer = self.processes[0].ask("peak", dtype=dtype, threads=threads, seconds=self.pace.peak)
        return float(answer["gflops"])

    def _heat(self, entries: tuple[Entry, ...], extras: dict[str, _Runner], better: str) -> Heat:
        problem = self.shared.problem
        operation = problem.operation if self.step == "forward" else f"{problem.operation}_backward"
        loop = seed_seconds_per_output(problem, operation)
        rounds = {what: tuple(runner.rounds) for what, runner in extras.items()}
        return Heat(
            workload=problem.name,
            description=problem.description,
            step=self.step,
            dtype=str(problem.dtype),
            flops=problem.multiply_adds * (2 if self.step == "forward" else 4),  # backward: dx and dweight
            entries=entries,
            refused=self.refused,
            peaks=tuple(self.peaks),
            single_peaks=tuple(self.single_peaks),
            single_variant=better if _SINGLE in rounds else "",
            single=rounds.get(_SINGLE, ()),
            parts={gradient: rounds[gradient] for gradient in _PARTS if gradient in rounds},
            workspace=int(self.processes[0].ask("workspace", variant=better)["bytes"]),
            workspace_floor=_floor(problem, self.step),
            threads=self.threads,
            loop_seconds=None if loop is None else loop * problem.outputs,
        )


def _far_behind(runners: list[_Runner]) -> list[_Runner]:
    """Variants that take twice the time of the best on their side."""
    resting = []
    for ours in (True, False):
        side = [runner for runner in runners if runner.ours == ours and not runner.extra]
        best = min((runner.median() for runner in side), default=0.0)
        resting += [runner for runner in side if runner.median() > _FAR_BEHIND * best]
    return resting


def _floor(problem: OperationProblem, step: str) -> int:
    """Bytes of a packed copy of the weights and a haloed copy of x, and of dy in the backward pass."""
    geometry, item = problem.geometry, problem.dtype.itemsize
    x = geometry.batch * geometry.channels * prod(axis.padded for axis in geometry.axes)
    weights = 0 if problem.weight is None else problem.weight.size
    if step == "forward" or not isinstance(geometry, ConvGeometry):
        return item * (x + weights)
    halo = prod(axis.out + 2 * (axis.extent - 1) for axis in geometry.axes)
    return item * (x + weights + geometry.batch * geometry.filters * halo)

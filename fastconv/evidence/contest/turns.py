"""Turns: engines prepared and checked, then timed one after another, round after round."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Protocol

from fastconv.errors import FastconvError
from fastconv.evidence.accuracy import Difference
from fastconv.evidence.contest.heats import OURS, Entry
from fastconv.evidence.contest.processes import EngineProcess
from fastconv.evidence.process import WorkerError

TRIALS = 3  # rounds that every variant takes part in
_LIMIT = 1.0  # of the tolerance
_OTHER_LIMIT = 4.0  # the others promise nothing; what is beyond this is a wrong result and no rounding error
_FAR_BEHIND = 2.0  # times the best of its side: such a variant rests in the later rounds


@dataclass(frozen=True)
class Pace:
    """How long a heat may take: at most so many rounds of turns of so many seconds, within a budget of seconds."""

    rounds: int
    turn: float = 0.04
    peak: float = 0.02
    budget: float = float("inf")


class Shared(Protocol):
    """What all engines of a heat read, with the right results."""

    @property
    def folder(self) -> Path:
        """Where the files are."""

    @property
    def dtype(self) -> str:
        """Dtype of all arrays."""

    def check(self, step: str, files: dict[str, str], *, ours: bool) -> tuple[Difference, ...]:
        """Return how far the results in some files, fastconv's or not, are from the right ones; they are deleted."""


@dataclass
class Runner:
    """A variant on its way through the rounds; `extra` ones do not compete."""

    process: EngineProcess
    variant: str
    differences: tuple[Difference, ...] = ()
    first: float = 0.0
    extra: bool = False
    rounds: list[float | None] = field(default_factory=list)

    @property
    def ours(self) -> bool:
        """Whether it is fastconv's."""
        return self.process.name == OURS

    def median(self) -> float:
        """Median over the rounds so far."""
        return median([seconds for seconds in self.rounds if seconds is not None] or [float("inf")])

    def entry(self) -> Entry:
        """Return what the result says of it."""
        worst = max(self.differences, key=lambda difference: difference.of_tolerance)
        return Entry(
            engine=self.process.name,
            variant=self.variant,
            rounds=tuple(self.rounds),
            of_tolerance=worst.of_tolerance,
            max_abs=max(difference.max_abs for difference in self.differences),
            limit=_LIMIT if self.ours else _OTHER_LIMIT,
            promise=worst.promise,
            algorithms={each.array: each.algorithm for each in self.differences if each.algorithm},
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
class TurnsRun:
    """One heat on its way: who takes part, who had to be left out, the peaks so far.

    The first of the processes is fastconv's. An engine that fails is ended and taken from `processes`; where that is
    fastconv, the error is raised.
    """

    shared: Shared
    step: str
    processes: list[EngineProcess]
    threads: int
    pace: Pace
    refused: dict[str, str] = field(default_factory=dict)
    peaks: list[float] = field(default_factory=list)
    single_peaks: list[float] = field(default_factory=list)

    def ready(self) -> list[Runner]:
        """Prepare and check everybody."""
        return [runner for process in list(self.processes) for runner in self._ready(process)]

    def take_turns(self, runners: Sequence[Runner], start: float, report: Callable[[str], None]) -> None:
        """Time in rounds, within the budget since `start`."""
        while len(self.peaks) < self.pace.rounds:
            if len(self.peaks) >= TRIALS and time.perf_counter() - start > self.pace.budget:
                break
            report(f"round {len(self.peaks) + 1}")
            self._round(list(runners))

    def entries(self, runners: Sequence[Runner]) -> tuple[Entry, ...]:
        """Return what the result says of those that are still there."""
        return tuple(runner.entry() for runner in runners if runner.process.name not in self.refused)

    def _ready(self, process: EngineProcess) -> Iterator[Runner]:
        """Prepare an engine, and check the results of every variant before any is timed."""
        try:
            answer = process.ask("prepare", folder=str(self.shared.folder), step=self.step)
            if "refused" in answer:
                self.refused[process.name] = answer["refused"]
                return
            for variant, first in answer["variants"].items():
                found = self.shared.check(self.step, first["files"], ours=process.name == OURS)
                yield Runner(process, variant, found, first["seconds"])
        except FastconvError as error:
            self._give_up(process, error)

    def _give_up(self, process: EngineProcess, error: FastconvError) -> None:
        """Go on without an engine that failed; without fastconv there is no contest."""
        if process.name == OURS:
            raise error
        self.refused[process.name] = str(error)
        self.processes.remove(process)
        process.worker.end()

    def _round(self, runners: list[Runner]) -> None:
        """Give every variant its turn, and nothing to those that rest."""
        resting = _far_behind(runners) if len(self.peaks) >= TRIALS else []
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
        answer = self.processes[0].ask("peak", dtype=self.shared.dtype, threads=threads, seconds=self.pace.peak)
        return float(answer["gflops"])


def _far_behind(runners: list[Runner]) -> list[Runner]:
    """Variants that take twice the time of the best on their side."""
    resting = []
    for ours in (True, False):
        side = [runner for runner in runners if runner.ours == ours and not runner.extra]
        best = min((runner.median() for runner in side), default=0.0)
        resting += [runner for runner in side if runner.median() > _FAR_BEHIND * best]
    return resting

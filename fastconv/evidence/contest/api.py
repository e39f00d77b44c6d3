"""`run_contest`: the public function."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median_high
from tempfile import TemporaryDirectory

import numpy as np

from fastconv.errors import InvalidValueError
from fastconv.evidence.contest.contest import Contest
from fastconv.evidence.contest.engines import FASTCONV, OTHERS, entrant
from fastconv.evidence.contest.heats import Heat
from fastconv.evidence.contest.participants import check_names, check_threads, meet, present
from fastconv.evidence.contest.processes import EngineProcess, engine_processes
from fastconv.evidence.contest.rounds import HeatRun
from fastconv.evidence.contest.shared import write_problem
from fastconv.evidence.contest.startup import measure_startup
from fastconv.evidence.contest.turns import Pace
from fastconv.evidence.environment import current_environment
from fastconv.evidence.quiet import doubted, moved
from fastconv.evidence.workloads import LAYERS, Workload
from fastconv.validation.sizes import check_flag, check_integer

Progress = Callable[[str, float], None]

PASSES = ("forward", "backward")
DTYPES = ("float32", "float64")
ENGINES = tuple(known.name for known in OTHERS)
_STARTUP_SHARE = 0.1  # of the progress


@dataclass
class _Plan:
    """Everything that is to run, and how far it is."""

    workloads: tuple[Workload, ...]
    passes: tuple[str, ...]
    dtypes: tuple[str, ...]
    threads: int
    pace: Pace
    deadline: float
    seed: int
    progress: Progress | None
    done: int = 0

    @property
    def heats(self) -> int:
        return len(self.workloads) * len(self.passes) * len(self.dtypes)

    def report(self, text: str, offset: float = 0.0) -> None:
        if self.progress is not None:
            self.progress(text, _STARTUP_SHARE + (1 - _STARTUP_SHARE) * (self.done + offset) / self.heats)

    def next_pace(self) -> Pace:
        """Pace of the next heat, which may take its share of the time that is left."""
        return replace(self.pace, budget=(self.deadline - time.perf_counter()) / (self.heats - self.done))


def run_contest(
    workloads: Sequence[Workload] | None = None,
    *,
    engines: Sequence[str] = ENGINES,
    passes: Sequence[str] = PASSES,
    dtypes: Sequence[str] = DTYPES,
    threads: int | None = None,
    rounds: int = 15,
    seconds: float = 600.0,
    startup: bool = True,
    seed: int = 0,
    progress: Progress | None = None,
) -> Contest:
    """Time convolution against other engines on the same arrays, each in its own process, in interleaved rounds.

    Parameters
    ----------
    workloads : sequence of Workload, optional
        Convolutions to run; by default the twelve layers of `fastconv.evidence.workloads.LAYERS` with their own batch
        sizes.
    engines : sequence of str
        Whom to compare with: ``"torch"``, ``"onnxruntime"``, ``"jax"``, ``"ncnn"``, or an `Engine` of your own as
        ``"module:Class"``. One that is not installed is left out, and the result says so.
    passes : sequence of {"forward", "backward"}
        What to run; backward computes dx, dweight and dbias.
    dtypes : sequence of {"float32", "float64"}
        In which precision.
    threads : int, optional
        Threads of every engine; by default those that fastconv uses.
    rounds : int
        Rounds of turns. In each one every variant is timed once, and the floating-point peak too.
    seconds : float
        About how long the heats may take altogether. Every variant has three rounds in any case.
    startup : bool
        Measure also what a new process waits for.
    seed : int
        Seed of everything that is drawn.
    progress : callable, optional
        Called with what is being done and the fraction done.

    Returns
    -------
    Contest
        All times with the errors beside them; prints as tables.

    Raises
    ------
    ValueError
        If an engine, a pass, a dtype or a workload is none that can run.
    ImportError
        If Numba is missing.

    Notes
    -----
    Every result is checked against the numpy backend in float64 before it is timed.
    """
    plan = _Plan(
        _check_workloads(workloads),
        check_names("passes", passes, PASSES),
        check_names("dtypes", dtypes, DTYPES),
        check_threads(threads),
        Pace(check_integer("contest", "rounds", rounds, 1)),
        0.0,
        check_integer("contest", "seed", seed, 0),
        progress,
    )
    entrants, absent = present([entrant(name) for name in engines])
    begun, environment = time.perf_counter(), replace(current_environment(), threads=plan.threads)
    first = None
    if check_flag("contest", "startup", startup):
        plan.report("first convolution of a new process, and warmup", -_STARTUP_SHARE * plan.heats)
        first = measure_startup()
    with engine_processes([FASTCONV, *entrants], plan.threads) as processes:
        plan.report("starting the engines")
        versions = meet(processes, absent)
        plan.deadline = time.perf_counter() + seconds
        heats = tuple(_heats(plan, processes, absent))
        spinning = {process.name: process.busy / process.rested for process in processes if process.rested}
    if progress is not None:
        progress("done", 1.0)
    peaks = [median_high(heat.peaks) for heat in heats if heat.dtype == plan.dtypes[0]]
    environment = doubted(replace(environment, versions={**environment.versions, **versions}), *moved(peaks))
    return Contest(heats, environment, absent, spinning, first, time.perf_counter() - begun)


def _heats(plan: _Plan, processes: list[EngineProcess], absent: dict[str, str]) -> Iterator[Heat]:
    """Run all heats; an engine that fails in one is absent from the others."""
    for dtype in plan.dtypes:
        for workload in plan.workloads:
            with TemporaryDirectory(prefix="fastconv-contest-") as folder:
                plan.report(f"{workload.name} {dtype}: arrays and right results")
                shared = write_problem(workload, np.dtype(dtype), plan.seed, Path(folder))
                for step in plan.passes:
                    title = f"{workload.name} {step} {dtype}"
                    heat = HeatRun(shared, step, processes, plan.threads, plan.next_pace()).run(_reporter(plan, title))
                    working = {process.name for process in processes}
                    for name in heat.refused.keys() - working:
                        absent[name] = f"failed in {title}: {heat.refused[name]}"
                    plan.done += 1
                    yield heat


def _reporter(plan: _Plan, title: str) -> Callable[[str], None]:
    return lambda stage: plan.report(f"{title}: {stage}", 0.5)


def _check_workloads(workloads: Sequence[Workload] | None) -> tuple[Workload, ...]:
    chosen = tuple(LAYERS if workloads is None else workloads)
    if not chosen:
        raise InvalidValueError("contest: workloads must hold at least one, but got none. Leave it out for all layers.")
    for workload in chosen:
        if workload.operation != "conv2d":
            raise InvalidValueError(
                f"contest: a workload must be a convolution, but got {workload.name} ({workload.operation})."
            )
    return chosen

"""`run_ladder`: the public function."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from fastconv.backends.geometry import ConvGeometry
from fastconv.errors import BackendUnavailableError, InvalidValueError
from fastconv.evidence.accuracy import Difference
from fastconv.evidence.bench.cases import LOOPS as SEEDS
from fastconv.evidence.bench.cases import sized
from fastconv.evidence.contest.engines import FASTCONV, Entrant
from fastconv.evidence.contest.participants import check_names, check_threads
from fastconv.evidence.contest.processes import EngineProcess
from fastconv.evidence.contest.shared import SharedProblem, write_problem
from fastconv.evidence.contest.turns import TRIALS, Pace, schedule
from fastconv.evidence.environment import current_environment
from fastconv.evidence.ladder.ladder import Ladder, Measured, peak_of
from fastconv.evidence.ladder.rungs import CROP, IMAGE, RUNG, RUNGS, THREADS, WHOLE, Exact, Fewer, Rung
from fastconv.evidence.quiet import doubted, moved
from fastconv.evidence.workloads import LAYERS, Workload
from fastconv.validation.sizes import check_integer

Progress = Callable[[str, float], None]

PASSES = ("forward", "backward")
DTYPES = ("float32", "float64")
# NumPy's BLAS on one thread, whichever it is
_ONE_THREAD = dict.fromkeys(
    ("BLIS_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"), "1"
)


def run_ladder(
    workload: Workload = LAYERS[0],
    *,
    passes: Sequence[str] = PASSES,
    dtype: str = DTYPES[0],
    threads: int | None = None,
    rounds: int = 15,
    seconds: float = 60.0,
    seed: int = 0,
    progress: Progress | None = None,
) -> Ladder:
    """Time one convolution in every way from plain loops to the engine, each checked before it is timed.

    Parameters
    ----------
    workload : Workload
        A convolution without groups and dilation; by default 3×3, 64 → 64 channels, 8 images of 56×56.
    passes : sequence of {"forward", "backward"}
        What to run; backward computes dx, dweight and dbias, and not every rung has it.
    dtype : {"float32", "float64"}
        In which precision.
    threads : int, optional
        Threads of the upper rungs; by default those that fastconv uses. The lower ones have one.
    rounds : int
        Rounds of turns. In each one every rung is timed once, and the floating-point peak too.
    seconds : float
        About how long the rounds may take altogether. Every rung has three in any case.
    seed : int
        Seed of everything that is drawn.
    progress : callable, optional
        Called with what is being done and the fraction done.

    Returns
    -------
    Ladder
        All times with the errors beside them; prints as tables.

    Raises
    ------
    ValueError
        If the workload, a pass or the dtype is none that can run.
    ImportError
        If Numba is missing.

    Notes
    -----
    The loops run on a crop of one image, and NumPy plane by plane on one image: their times are extrapolated.
    """
    _check(workload)
    steps = check_names("passes", passes, PASSES, "ladder")
    (kind,) = check_names("dtype", (dtype,), DTYPES, "ladder")
    count = check_threads(threads)
    pace = Pace(check_integer("ladder", "rounds", rounds, 1), budget=seconds / len(steps))
    begun, environment = time.perf_counter(), replace(current_environment(), threads=count)
    tell = progress or (lambda text, fraction: None)
    parts = {WHOLE: workload, IMAGE: workload.with_batch(1), CROP: sized(workload, SEEDS)}
    with contextlib.ExitStack() as stack:
        tell("arrays and right results", 0.0)
        seed = check_integer("ladder", "seed", seed, 0)
        shared = {part: _written(stack, layer, np.dtype(kind), seed) for part, layer in parts.items()}
        rungs = [rung for rung in RUNGS if count > 1 or rung.name != THREADS]
        climbers = [_Climber(rung, _started(stack, rung, count), shared[rung.part]) for rung in rungs]
        versions: dict[str, str] = {}
        for climber in climbers:
            versions |= climber.process.ask("versions")["versions"]
        measured: list[Measured] = []
        peaks: dict[str, list[float]] = {}
        for index, step in enumerate(steps):
            climb = _Climb(climbers, step, kind, count, pace, peaks)
            measured += climb.run(_within(tell, index / len(steps), 1 / len(steps)))
    tell("done", 1.0)
    unsteady = tuple(dict.fromkeys(reason for rates in peaks.values() for reason in moved(rates)))
    geometry = shared[WHOLE].problem.geometry
    return Ladder(
        workload=workload.name,
        description=workload.description,
        dtype=kind,
        input_shape=workload.input_shape,
        weight_shape=tuple(workload.weight_shape or ()),
        stride=tuple(axis.stride for axis in geometry.axes),
        padding=tuple((axis.before, axis.after) for axis in geometry.axes),
        flops=workload.flops(),
        measured=tuple(measured),
        peaks={name: tuple(rates) for name, rates in peaks.items()},
        environment=doubted(replace(environment, versions={**environment.versions, **versions}), *unsteady),
        seconds=time.perf_counter() - begun,
    )


def _within(tell: Progress, begin: float, share: float) -> Progress:
    """Return the progress of a part of the work."""
    return lambda text, fraction: tell(text, begin + share * fraction)


def _check(workload: Workload) -> None:
    """Refuse what not every rung computes."""
    if FASTCONV.missing:
        raise BackendUnavailableError("ladder: the fast backend needs Numba, which is not installed.")
    geometry = workload.geometry
    if not isinstance(geometry, ConvGeometry):
        raise InvalidValueError(
            f"ladder: the layer must be a convolution, but got {workload.name} ({workload.operation})."
        )
    if geometry.groups > 1 or any(axis.extent != axis.kernel for axis in geometry.axes):
        dilation = tuple(axis.dilation for axis in geometry.axes)
        raise InvalidValueError(
            f"ladder: the layer must have neither groups nor dilation, which the loops do not know, but got "
            f"groups={geometry.groups} and dilation={dilation} ({workload.name})."
        )
    if geometry.batch == 0:
        raise InvalidValueError(f"ladder: the layer must have an image at least, but got none ({workload.name}).")


def _written(stack: contextlib.ExitStack, workload: Workload, dtype: Any, seed: int) -> SharedProblem:
    """Write the arrays of a part of the layer to a folder, which goes at the end."""
    folder = stack.enter_context(TemporaryDirectory(prefix="fastconv-ladder-"))
    return write_problem(workload, dtype, seed, Path(folder))


def _started(stack: contextlib.ExitStack, rung: Rung, threads: int) -> EngineProcess:
    """Start the process of a rung, which ends at the end."""
    entrant = Entrant(rung.name, rung.place, ())
    process = EngineProcess(entrant, threads if rung.parallel else 1, operation="ladder", **_ONE_THREAD)
    stack.callback(process.worker.end)
    return process


@dataclass
class _Climber:
    """A rung on its way through the rounds of a pass."""

    rung: Rung
    process: EngineProcess
    shared: SharedProblem
    differences: tuple[Difference, ...] = ()
    rounds: list[float] = field(default_factory=list)

    @property
    def right(self) -> bool:
        """Whether it has this pass, and its results are within their tolerance."""
        return bool(self.differences) and all(each.within for each in self.differences)

    def prepare(self, step: str) -> None:
        """Prepare a pass, and check its results; without any where the rung does not have it."""
        self.differences, self.rounds = (), []
        answer = self.process.ask("prepare", folder=str(self.shared.folder), step=step)
        if "refused" not in answer:
            files = answer["variants"][RUNG]["files"]
            self.differences = self.shared.check(step, files, ours=issubclass(self.rung.engine, Fewer))


@dataclass
class _Climb:
    """All rungs in one pass: prepared and checked, then timed in turns."""

    climbers: list[_Climber]
    step: str
    dtype: str
    threads: int
    pace: Pace
    peaks: dict[str, list[float]]

    def run(self, tell: Progress) -> list[Measured]:
        """Prepare, check, and time in rounds, within the budget; return every rung that has this pass."""
        for index, climber in enumerate(self.climbers):
            tell(f"{self.step}: {climber.rung.name}: checking", 0.2 * index / len(self.climbers))
            climber.prepare(self.step)
        start, runners = time.perf_counter(), [climber for climber in self.climbers if climber.right]
        for index in range(self.pace.rounds):
            spent = time.perf_counter() - start
            if index >= TRIALS and spent > self.pace.budget:
                break
            tell(f"{self.step}: round {index + 1}", 0.2 + 0.8 * index / self.pace.rounds)
            self._peaks()
            for turn in schedule(len(runners), index):
                runners[turn].rounds.append(runners[turn].process.turn(RUNG, self.pace.turn))
        return [self._measured(climber) for climber in self.climbers if climber.differences]

    def _peaks(self) -> None:
        """Let the engine measure what the chip can do now, on one thread and on all."""
        engines = {self._threads(each): each.process for each in self.climbers if issubclass(each.rung.engine, Exact)}
        for threads, process in engines.items():
            answer = process.ask("peak", dtype=self.dtype, threads=threads, seconds=self.pace.peak)
            self.peaks.setdefault(peak_of(self.step, threads), []).append(float(answer["gflops"]))

    def _threads(self, climber: _Climber) -> int:
        return self.threads if climber.rung.parallel else 1

    def _measured(self, climber: _Climber) -> Measured:
        part, whole = climber.shared.problem.outputs, self.climbers[-1].shared.problem.outputs
        return Measured(
            rung=climber.rung.name,
            adds=climber.rung.adds,
            step=self.step,
            threads=self._threads(climber),
            outputs=part,
            whole_outputs=whole,
            rounds=tuple(seconds * whole / part for seconds in climber.rounds),
            of_tolerance=max(each.of_tolerance for each in climber.differences),
            max_abs=max(each.max_abs for each in climber.differences),
        )

"""One problem on two backends, from the first call to a finished row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fastconv.evidence.accuracy import Difference, Results, differences, exact_results, magnitudes, promised
from fastconv.evidence.compare.rows import FeatureMaps, PassResult, Row
from fastconv.evidence.problem import OperationProblem, bound_call
from fastconv.evidence.timing import once, rounds, seed_seconds_per_output, workspace
from fastconv.validation.arrays import Array

STAGES = 5  # reports of `compare_problem`

_REFERENCE_SECONDS = 1.0  # of one workload: plain loops are not what one waits for
_TRACED_SECONDS = 0.5
_TRACED_SLOWDOWN = 4.0  # of the naive loops under tracemalloc
_EXACT = "numpy in float64"  # who judges what the reference has no time for

_Differences = tuple[Difference, ...]


class Runs:
    """Both passes of a backend over a problem; making one runs them for the first time.

    Parameters
    ----------
    problem : OperationProblem
        What to run.
    backend : str
        Who runs it.
    dy : ndarray or None
        Gradient of the output of the problem, or of a larger one that it is a part of; None to run forward only.

    Attributes
    ----------
    results : dict of str to ndarray
        Results of the first run: ``y`` and the gradients.
    first : dict of str to float
        Seconds of the first run, by pass.
    """

    def __init__(self, problem: OperationProblem, backend: str, dy: Array | None) -> None:
        self.problem = problem
        self._backend = backend
        self._calls = {"forward": bound_call(problem, backend, None)}
        self._rounds: dict[str, list[float]] = {}
        self.results: dict[str, Array] = {}
        self.first: dict[str, float] = {}
        self._run("forward")
        if dy is not None:
            self._calls["backward"] = bound_call(problem, backend, problem.part_of_output(dy))
            self._run("backward")

    def _run(self, name: str) -> None:
        self.first[name], results = once(self._calls[name])
        self.results |= results

    def time(self, repeats: int) -> None:
        """Add rounds of timing."""
        for name, call in self._calls.items():
            self._rounds.setdefault(name, []).extend(rounds(call, repeats) if repeats else [])

    def seconds(self, name: str) -> float:
        """Median of the rounds of a pass."""
        return float(np.median(self._rounds[name]))

    def compile_seconds(self, name: str) -> float:
        """What the first run of a pass took beyond a later one."""
        return max(0.0, self.first[name] - self.seconds(name))

    def workspaces(self) -> dict[str, int]:
        """Peak bytes of another run, by pass, those included that the backend keeps from call to call."""
        return {name: workspace(call, self._backend) for name, call in self._calls.items()}


@dataclass(frozen=True)
class Settings:
    """How to compare: see `fastconv.compare`."""

    reference: str
    candidate: str
    repeats: int
    backward: bool
    full: bool
    seed: int


def compare_problem(problem: OperationProblem, settings: Settings, report: Callable[[str], None]) -> Row:
    """Run, time and compare one problem; `report` is told of each stage when it begins."""
    dy = problem.draw_gradient(settings.seed) if settings.backward else None
    report(f"{settings.candidate}, {'compiling and ' if settings.candidate == 'fast' else ''}first call")
    candidate = Runs(problem, settings.candidate, dy)
    report(f"{settings.candidate}, timing")
    candidate.time(-(-settings.repeats // 2))
    report("frozen loops")
    loops = _time_loops(problem, settings)
    report(settings.reference)
    part = problem if settings.full else _affordable(problem, settings, dy)
    reference = Runs(part, settings.reference, dy)
    candidate.time(settings.repeats // 2)  # apart from the others, so that one disturbance does not reach both
    loops = _faster(loops, _time_loops(problem, settings))
    report("differences and memory")
    exact = None if part is problem else exact_results(problem, dy)
    near, whole = _compare(candidate, reference, exact, settings, dy)
    passes = _passes(candidate, reference, _traced(reference, settings, dy), loops)
    return Row(
        name=problem.name,
        operation=problem.operation,
        description=problem.description,
        shapes={**{name: array.shape for name, array in problem.arrays().items()}, "y": problem.output_shape},
        arguments=problem.arguments,
        dtype=str(problem.dtype),
        passes=passes,
        differences=near,
        whole_differences=whole,
        images=problem.geometry.batch,
        rows=problem.rows,
        checked_images=part.geometry.batch,
        checked_rows=part.rows,
        maps=_maps(candidate, reference, exact, settings),
    )


def _time_loops(problem: OperationProblem, settings: Settings) -> dict[str, float | None]:
    loops = {"forward": seed_seconds_per_output(problem, problem.operation)}
    if settings.backward:
        loops["backward"] = seed_seconds_per_output(problem, f"{problem.operation}_backward")
    return loops


def _faster(first: dict[str, float | None], second: dict[str, float | None]) -> dict[str, float | None]:
    """Return the shorter of two times, so that a disturbance of the yardstick does not flatter what is measured."""
    return {name: time if time is None else min(time, second[name] or time) for name, time in first.items()}


def _affordable(problem: OperationProblem, settings: Settings, dy: Array | None) -> OperationProblem:
    """Return the largest part that the reference computes in a few seconds."""
    probe = Runs(problem.part(1, 1), settings.reference, dy)
    return _largest_part(problem, _REFERENCE_SECONDS * probe.problem.outputs / sum(probe.first.values()))


def _largest_part(problem: OperationProblem, outputs: float) -> OperationProblem:
    """Halve the images, then the output rows, until so many outputs are left."""
    images, rows = problem.geometry.batch, problem.rows
    each = problem.outputs / (images * rows)
    while images * rows * each > outputs and images > 1:
        images = -(-images // 2)
    while images * rows * each > outputs and rows > 1:
        rows = -(-rows // 2)
    return problem.part(images, rows)


def _compare(
    candidate: Runs, reference: Runs, exact: Results | None, settings: Settings, dy: Array | None
) -> tuple[_Differences, _Differences]:
    """Compare over the part of the reference; where that is not the whole, compare the whole with `exact` too."""
    whole, part = candidate.problem, reference.problem
    names = settings.candidate, settings.reference
    sums = magnitudes(whole, dy)
    if exact is None:
        return differences(
            candidate.results, reference.results, promised(whole, dy, sums, *names), settings.reference
        ), ()
    part_dy = None if dy is None else part.part_of_output(dy)
    same_part = Runs(part, settings.candidate, dy).results
    bounds = promised(part, part_dy, magnitudes(part, part_dy), *names)
    near = differences(same_part, reference.results, bounds, settings.reference)
    bounds = promised(whole, dy, sums, settings.candidate)
    return near, differences(candidate.results, exact, bounds, _EXACT)


def _traced(reference: Runs, settings: Settings, dy: Array | None) -> Runs:
    """Return the reference over what it computes in good time under tracemalloc, which slows plain loops down."""
    if settings.full or settings.reference != "naive":
        return reference
    share = _TRACED_SECONDS / (_TRACED_SLOWDOWN * sum(reference.first.values()))
    part = _largest_part(reference.problem, reference.problem.outputs * share)
    return reference if part is reference.problem else Runs(part, settings.reference, dy)


def _passes(candidate: Runs, reference: Runs, traced: Runs, loops: dict[str, float | None]) -> tuple[PassResult, ...]:
    problem = candidate.problem
    scale = problem.outputs / reference.problem.outputs
    memory, reference_memory = candidate.workspaces(), traced.workspaces()
    return tuple(
        PassResult(
            name=name,
            seconds=candidate.seconds(name),
            compile_seconds=candidate.compile_seconds(name),
            workspace=memory[name],
            reference_seconds=seconds * scale,
            reference_estimated=reference.problem is not problem,
            reference_workspace=reference_memory[name],
            reference_workspace_partial=traced.problem is not problem,
            loop_seconds_per_output=loops[name],
            outputs=problem.outputs,
            flops=problem.multiply_adds * (2 if name == "forward" else 4),  # backward: dx and dweight
        )
        for name, seconds in reference.first.items()
    )


def _maps(candidate: Runs, reference: Runs, exact: Results | None, settings: Settings) -> FeatureMaps | None:
    """Return the first image with what was made of all of it, where there are pictures."""
    problem = candidate.problem
    if not problem.image:
        return None
    source, results = (settings.reference, reference.results) if exact is None else (_EXACT, exact)
    return FeatureMaps(
        image=problem.x[0].copy(),
        reference=results["y"][0].copy(),
        candidate=candidate.results["y"][0].copy(),
        source=source,
        names=problem.map_names,
    )

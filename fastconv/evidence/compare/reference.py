"""What a candidate is compared with: the results of the reference, and how far from them it may be."""

from __future__ import annotations

from dataclasses import dataclass

from fastconv.evidence.accuracy import Results, exact_results, magnitudes
from fastconv.evidence.compare.runs import Runs, Settings, largest_size
from fastconv.evidence.problem import OperationProblem
from fastconv.validation.arrays import Array

_SECONDS = 1.0  # of one workload: plain loops are not what one waits for
_TRACED_SECONDS = 0.1
_TRACED_SLOWDOWN = 4.0  # of the naive loops under tracemalloc


@dataclass(frozen=True)
class Reference:
    """All that can be known of a problem without the candidate.

    Attributes
    ----------
    size : (int, int)
        Images and output rows of the part that the reference computed, see `OperationProblem.part`.
    results : dict of str to ndarray
        Its results on that part.
    seconds : dict of str to float
        How long it took, by pass. Where other work ran beside it, this is no measurement.
    sums, part_sums : dict of str to ndarray
        ``sum |x·w|`` of every element of the whole problem, and of the problem that is zero beyond the part.
    exact : dict of str to ndarray or None
        Results of the whole problem, exact by the measure of its dtype; None where the part is the whole.
    workspaces : dict of str to int
        Peak bytes of the reference, by pass.
    workspace_partial : bool
        Whether these were measured on a part.
    """

    size: tuple[int, int]
    results: Results
    seconds: dict[str, float]
    sums: Results
    part_sums: Results
    exact: Results | None
    workspaces: dict[str, int]
    workspace_partial: bool


def reference_of(problem: OperationProblem, settings: Settings) -> Reference:
    """Run the reference on as much of a problem as it computes in about a second, or in full on all of it."""
    dy = settings.gradient(problem)
    size = (problem.geometry.batch, problem.rows) if settings.full else _affordable(problem, settings, dy)
    part = problem.part(*size)
    reference = Runs(part, settings.reference, dy)
    sums, partial = magnitudes(problem, dy), part is not problem
    traced = _traced(reference, settings, dy)
    return Reference(
        size=size,
        results=reference.results,
        seconds=reference.first,
        sums=sums,
        part_sums=magnitudes(*problem.zero_beyond(part, dy)) if partial else sums,
        exact=exact_results(problem, dy) if partial else None,
        workspaces=traced.workspaces(),
        workspace_partial=traced.problem is not problem,
    )


def _affordable(problem: OperationProblem, settings: Settings, dy: Array | None) -> tuple[int, int]:
    """Size of the largest part that the reference computes in good time."""
    probe = Runs(problem.part(1, 1), settings.reference, dy)
    return largest_size(problem, probe.outputs_within(_SECONDS))


def _traced(reference: Runs, settings: Settings, dy: Array | None) -> Runs:
    """Return the reference over what it computes in good time under tracemalloc, which slows plain loops down."""
    if settings.full or settings.reference != "naive":
        return reference
    size = largest_size(reference.problem, reference.outputs_within(_TRACED_SECONDS / _TRACED_SLOWDOWN))
    part = reference.problem.part(*size)
    return reference if part is reference.problem else Runs(part, settings.reference, dy)

"""What a candidate is compared with: the results of the reference, and how far from them it may be."""

from __future__ import annotations

from dataclasses import dataclass

from fastconv.evidence.accuracy import Results, exact_results, magnitudes
from fastconv.evidence.compare.runs import Runs, Settings, largest_size
from fastconv.evidence.problem import OperationProblem
from fastconv.validation.arrays import Array

_SECONDS = 0.5  # of one workload: plain loops are not what one waits for
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
    """Run the reference on as much of a problem as it computes in about half a second, or in full on all of it."""
    dy = settings.gradient(problem)
    size, least = (problem.geometry.batch, problem.rows), None
    if not settings.full:
        least = Runs(problem.part(1, 1), settings.reference, dy)
        size = largest_size(problem, least.outputs_within(_SECONDS))
    part = problem.part(*size)
    reference = Runs(part, settings.reference, dy)
    sums, partial = magnitudes(problem, dy), part is not problem
    traced = reference if least is None or settings.reference != "naive" else _traced(reference, least, settings, dy)
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


def _traced(reference: Runs, least: Runs, settings: Settings, dy: Array | None) -> Runs:
    """Return plain loops over what they compute in good time under tracemalloc, which slows them down.

    `least` has run over the least that there is of the problem.
    """
    size = largest_size(reference.problem, reference.outputs_within(_TRACED_SECONDS / _TRACED_SLOWDOWN))
    part = reference.problem.part(*size)
    if part is reference.problem:
        return reference
    return least if size == (1, 1) else Runs(part, settings.reference, dy)

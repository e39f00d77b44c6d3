"""How two backends are compared, and what is measured of one backend."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fastconv.evidence.problem import OperationProblem, bound_call
from fastconv.evidence.timing import once, rounds, workspace
from fastconv.validation.arrays import Array

Seconds = dict[str, float]  # by pass


@dataclass(frozen=True)
class Settings:
    """How to compare: see `fastconv.compare`."""

    reference: str
    candidate: str
    repeats: int
    backward: bool
    full: bool
    seed: int

    def gradient(self, problem: OperationProblem) -> Array | None:
        """Draw the gradient of the result of a problem; None where passes run forward only."""
        return problem.draw_gradient(self.seed) if self.backward else None


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
        self.first: Seconds = {}
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

    def workspaces(self) -> dict[str, int]:
        """Peak bytes of another run, by pass, those included that the backend keeps from call to call."""
        return {name: workspace(call, self._backend) for name, call in self._calls.items()}

    def outputs_within(self, seconds: float) -> float:
        """Outputs that the backend computes in so long, by both passes of the first run."""
        return self.problem.outputs * seconds / sum(self.first.values())


def largest_size(problem: OperationProblem, outputs: float) -> tuple[int, int]:
    """Halve the images, then the output rows, until so many outputs are left; return how many of both."""
    images, rows = problem.geometry.batch, problem.rows
    each = problem.outputs / (images * rows)
    while images * rows * each > outputs and images > 1:
        images = -(-images // 2)
    while images * rows * each > outputs and rows > 1:
        rows = -(-rows // 2)
    return images, rows

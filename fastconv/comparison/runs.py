"""The passes of one backend over one problem: run, timed, weighed."""

from __future__ import annotations

import numpy as np

from fastconv.backends import resolve_backend
from fastconv.comparison.passes import backward, forward, winners
from fastconv.comparison.problem import Problem
from fastconv.comparison.timing import Call, once, rounds, workspace
from fastconv.validation.arrays import Array

__all__ = ["Runs"]


class Runs:
    """Both passes of a backend over a problem; making one runs them for the first time.

    Parameters
    ----------
    problem : Problem
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

    def __init__(self, problem: Problem, backend: str, dy: Array | None) -> None:
        self.problem = problem
        self._backend = resolve_backend(backend)
        self._calls: dict[str, Call] = {"forward": lambda: forward(problem, backend)}
        self._rounds: dict[str, list[float]] = {}
        self.results: dict[str, Array] = {}
        self.first: dict[str, float] = {}
        self._run("forward")
        if dy is not None:
            here, indices = problem.part_of_output(dy), winners(problem, backend)
            self._calls["backward"] = lambda: backward(problem, backend, here, indices)
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
        return {name: self._workspace(call) for name, call in self._calls.items()}

    def _workspace(self, call: Call) -> int:
        release = getattr(self._backend, "release", None)  # of a backend that keeps buffers
        if release is not None:
            release()
        return workspace(call)

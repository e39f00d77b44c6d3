"""Every result of a case is right, or the case is not timed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from fastconv.errors import FastconvError
from fastconv.evidence.accuracy import Difference, differences, exact_results, magnitudes, promised
from fastconv.evidence.bench.cases import Case
from fastconv.evidence.bench.operation_work import Work
from fastconv.evidence.bench.scipy_oracle import scipy_forward
from fastconv.evidence.bench.torch_oracle import TorchOracle
from fastconv.evidence.environment import version_of
from fastconv.evidence.problem import OperationProblem
from fastconv.validation.arrays import Array

Results = dict[str, Array]


class WrongResultError(FastconvError, ArithmeticError):
    """A result is beyond its tolerance, so that its time means nothing."""


class Agreement(NamedTuple):
    """How far the results of a case are from the right ones.

    Attributes
    ----------
    checked : str
        What they were compared with; or why they were not.
    of_tolerance : float or None
        Worst element as a share of what is promised: ``64 eps sum |x·w|``, or for Winograd's algorithm more.
    max_abs, max_relative : float or None
        Largest difference, absolute and relative to the largest magnitude of its array.
    """

    checked: str
    of_tolerance: float | None = None
    max_abs: float | None = None
    max_relative: float | None = None


class _Right(NamedTuple):
    """Right results with the ``sum |x·w|`` of each element, and who computed them."""

    results: Results
    sums: Results
    source: str
    image: tuple[Array, str] | None  # SciPy's last image, its version


class ResultCheck:
    """Compares results with those of PyTorch and SciPy in float64, or of the numpy backend where they are missing.

    The right results of the last problem are kept, for the next backend.

    Parameters
    ----------
    threads : int
        Threads of PyTorch.
    torch : bool, optional
        Whether to ask PyTorch; by default where it is installed.
    """

    def __init__(self, threads: int, torch: bool | None = None) -> None:
        asked = TorchOracle.installed() if torch is None else torch
        self._torch = TorchOracle(threads) if asked else None
        self._last: tuple[object, _Right] | None = None

    def check(self, case: Case, work: Work, results: Results) -> Agreement:
        """Return how right the results are; raise where one is beyond its tolerance.

        Raises
        ------
        WrongResultError
            If an element is beyond what is promised of its algorithm; the message names the array and the promise.
        """
        if work.fault is not None:
            return Agreement(work.fault)
        right = self._right(case, work)
        check_names(case, results, right.results)
        bounds = promised(work.problem, work.dy, right.sums, work.promises)
        found = differences(results, right.results, bounds, right.source)
        if right.image is not None:
            y, source = right.image
            last = {"y": bounds["y"].part(np.s_[-1:])}
            found += differences({"y": results["y"][-1:]}, {"y": y}, last, source)
        return agreement(case, found)

    def _right(self, case: Case, work: Work) -> _Right:
        key = (case.workload, case.step, work.problem.geometry, work.problem.dtype)
        if self._last is None or self._last[0] != key:
            self._last = None  # one at a time is in memory
            self._last = key, self._compute(work.problem, work.dy)
        return self._last[1]

    def _compute(self, problem: OperationProblem, dy: Array | None) -> _Right:
        if self._torch is not None:
            results, source = self._torch.results(problem, dy), self._torch.name
        else:
            results, source = exact_results(problem, dy), "numpy in float64"
        if dy is not None:
            results.pop("y", None)
        sums = {name: each for name, each in magnitudes(problem, dy).items() if name in results}
        image = None
        if dy is None and version_of("scipy") is not None:
            one = scipy_forward(problem, problem.geometry.batch - 1)
            image = one, f"scipy {version_of('scipy')} in float64 (one image)"
        return _Right(results, sums, source, image)

    def end(self) -> None:
        """End the process of PyTorch."""
        if self._torch is not None:
            self._torch.end()


def agreement(case: Case, found: Iterable[Difference], allowed: str | None = None) -> Agreement:
    """Return the worst of some differences.

    Raises
    ------
    WrongResultError
        If one is beyond its tolerance, which `allowed` names; by default what is promised of it.
    """
    judged = tuple(found)
    for difference in judged:
        if not difference.within:
            raise WrongResultError(
                f"{case}: {difference.array} must be within {allowed or difference.promise} of "
                f"{difference.reference}, but got {difference.of_tolerance:,.1f} times that (largest difference "
                f"{difference.max_abs:.2e})."
            )
    return Agreement(
        "; ".join(dict.fromkeys(difference.reference for difference in judged)),
        max(difference.of_tolerance for difference in judged),
        max(difference.max_abs for difference in judged),
        max(difference.max_relative for difference in judged),
    )


def check_names(case: Case, found: Iterable[str], expected: Iterable[str]) -> None:
    """Raise where the results are not those that there should be."""
    names, wanted = list(found), list(expected)
    if set(names) != set(wanted):
        raise WrongResultError(
            f"{case}: the results must be {', '.join(wanted)}, but got {', '.join(names) or 'none'}."
        )

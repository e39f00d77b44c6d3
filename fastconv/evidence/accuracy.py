"""How far two results are apart, and how far they may be."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastconv.evidence.problem import OperationProblem, backward, forward, winners
from fastconv.testing.closeness import tolerance
from fastconv.validation.arrays import Array

_ORACLE = "numpy"
_ARRAYS = ("y", "dx", "dweight", "dbias")

Results = dict[str, Array]


@dataclass(frozen=True)
class Difference:
    """How far one result of the candidate is from that of the reference.

    Attributes
    ----------
    array : {"y", "dx", "dweight", "dbias"}
        Which result.
    reference : str
        The backend that computed the other one.
    max_abs : float
        Largest absolute difference.
    max_relative : float
        That, divided by the largest magnitude in the result of the reference (not element by element, which would
        say nothing next to zero).
    of_tolerance : float
        Largest absolute difference in units of what is allowed for its element, ``64 * eps * sum |x·w|``. A maximum is
        one of its inputs, so that there nothing is allowed and this is 0 or infinite.
    """

    array: str
    reference: str
    max_abs: float
    max_relative: float
    of_tolerance: float

    @property
    def within(self) -> bool:
        """Whether every element is within its tolerance."""
        return self.of_tolerance <= 1

    def __str__(self) -> str:
        return "0" if self.max_abs == 0 else f"{self.max_abs:.1e} ({self.max_relative:.0e})"


def arrays_of(found: Iterable[Difference]) -> list[str]:
    """Return the names of the arrays that there are differences of, the result first."""
    names = {difference.array for difference in found}
    return [name for name in _ARRAYS if name in names]


def exact_results(problem: OperationProblem, dy: Array | None) -> Results:
    """Results of the numpy backend in float64: exact, by the measure of any lesser dtype."""
    return _run(problem.in_float64(), None if dy is None else dy.astype(np.float64), winners(problem, _ORACLE))


def magnitudes(problem: OperationProblem, dy: Array | None) -> Results:
    """``sum |x·w|`` for every element of every result: the same computation on the magnitudes of its inputs.

    A maximum is one of its inputs, so between two of them nothing is allowed.
    """
    absolute = None if dy is None else np.abs(dy.astype(np.float64))
    sums = _run(problem.in_float64(magnitudes=True), absolute, winners(problem, _ORACLE))
    if problem.operation == "max_pool2d":
        sums["y"] = np.zeros_like(sums["y"])
    return sums


def _run(problem: OperationProblem, dy: Array | None, indices: Array | None) -> Results:
    results = forward(problem, _ORACLE)
    if dy is not None:
        results |= backward(problem, _ORACLE, dy, indices)
    return results


def differences(
    actual: Results, expected: Results, sums: Results, dtype: np.dtype[Any], reference: str
) -> tuple[Difference, ...]:
    """Return the difference of every result of `expected`, where `reference` says who computed them."""
    return tuple(_difference(name, actual[name], expected[name], sums[name], dtype, reference) for name in expected)


def _difference(
    name: str, actual: Array, expected: Array, sums: Array, dtype: np.dtype[Any], reference: str
) -> Difference:
    if actual.shape != expected.shape:
        return Difference(name, reference, np.inf, np.inf, np.inf)
    actual, expected = actual.astype(np.float64), expected.astype(np.float64)
    with np.errstate(invalid="ignore"):
        distance = np.abs(actual - expected)
    same = (actual == expected) | (np.isnan(actual) & np.isnan(expected))
    distance[same] = 0.0
    distance[np.isnan(distance)] = np.inf  # a NaN on one side alone
    # the step between the smallest numbers on top, where eps says nothing; an empty sum is exact
    allowed = np.where(sums > 0, tolerance(dtype, sums) + float(np.finfo(dtype).smallest_subnormal), 0.0)
    finite = np.abs(expected[np.isfinite(expected)])
    largest = float(distance.max(initial=0.0))
    return Difference(
        name,
        reference,
        largest,
        _quotient(largest, float(finite.max(initial=0.0))),
        float(np.max(_shares(distance, allowed), initial=0.0)),
    )


def _shares(distance: Array, allowed: Array) -> Array:
    """Distance in units of what is allowed; infinite where there is one and none is allowed."""
    with np.errstate(divide="ignore", invalid="ignore"):
        shares: Array = np.where(distance == 0, 0.0, distance / allowed)
    shares[np.isnan(shares)] = np.inf
    return shares


def _quotient(value: float, unit: float) -> float:
    if value == 0:
        return 0.0
    return value / unit if unit else float("inf")

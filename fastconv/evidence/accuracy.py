"""How far two results are apart, and how far they may be."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fastconv.backends.geometry import ConvGeometry
from fastconv.evidence.problem import OperationProblem, backward, forward, winners
from fastconv.report.record import ADDED
from fastconv.testing.error_bounds import EXACT, ErrorBound, bounds_of_sums, exact_bound
from fastconv.validation.arrays import Array

_ORACLE = "numpy"
_ARRAYS = ("y", "dx", "dweight", "dbias")
_IMAGES = ("x", "dy", "y", "dx")

# notes below several tables
OF_PROMISE = (
    "What is promised is 64 eps sum |x·w|; Winograd's algorithm, which --exact and exact=True avoid, "
    "is judged by a 64th of its promise."
)
EFFECTIVE = (
    "The multiply-adds are those of a direct convolution: an algorithm that does with fewer may be above the peak."
)

Results = dict[str, Array]
Bounds = dict[str, ErrorBound]


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
        Largest absolute difference in units of what is allowed for its element by the promise that holds. A maximum is
        one of its inputs, so that there nothing is allowed and this is 0 or infinite.
    algorithm : str
        What computes the result on the fast backend; empty for other backends and for a pooling.
    promise : str
        What is allowed, in words.
    of_exact, of_winograd : float or None
        The same in units of each of the two promises, ``64 * eps * sum |x·w|`` and that of Winograd's algorithm; None
        where there is none.
    """

    array: str
    reference: str
    max_abs: float
    max_relative: float
    of_tolerance: float
    algorithm: str = field(default="", metadata=ADDED)
    promise: str = field(default=EXACT, metadata=ADDED)
    of_exact: float | None = field(default=None, metadata=ADDED)
    of_winograd: float | None = field(default=None, metadata=ADDED)

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


def exact_bounds(sums: Results, dtype: np.dtype[Any]) -> Bounds:
    """Return what direct methods promise of results with these ``sum |x·w|``."""
    return {name: ErrorBound(exact_bound(dtype, each)) for name, each in sums.items()}


def promised(problem: OperationProblem, dy: Array | None, sums: Results, *backends: str) -> Bounds:
    """Return what backends promise of the results of a problem: that of `fast` depends on its algorithm."""
    geometry, weight = problem.geometry, problem.weight
    if "fast" not in backends or weight is None or not isinstance(geometry, ConvGeometry):
        return exact_bounds(sums, problem.dtype)

    def turn(name: str, array: Array, source: int, target: int) -> Array:
        return np.moveaxis(array, source, target) if problem.channels_last and name in _IMAGES else array

    first = {name: turn(name, each, -1, 1) for name, each in sums.items()}
    x, dy = turn("x", problem.x, -1, 1), None if dy is None else turn("dy", dy, -1, 1)
    found = bounds_of_sums(geometry, problem.dtype, first, x, weight, problem.bias, dy)
    return {
        name: bound._replace(
            exact=turn(name, bound.exact, 1, -1),
            winograd=None if bound.winograd is None else turn(name, bound.winograd, 1, -1),
        )
        for name, bound in found.items()
    }


def differences(actual: Results, expected: Results, bounds: Bounds, reference: str) -> tuple[Difference, ...]:
    """Return the difference of every result of `expected`, where `reference` says who computed them."""
    return tuple(_difference(name, actual[name], expected[name], bounds[name], reference) for name in expected)


def _difference(name: str, actual: Array, expected: Array, bound: ErrorBound, reference: str) -> Difference:
    if actual.shape != expected.shape:
        return Difference(name, reference, np.inf, np.inf, np.inf, bound.algorithm, bound.promise)
    actual, expected = actual.astype(np.float64), expected.astype(np.float64)
    with np.errstate(invalid="ignore"):
        distance = np.abs(actual - expected)
    same = (actual == expected) | (np.isnan(actual) & np.isnan(expected))
    distance[same] = 0.0
    distance[np.isnan(distance)] = np.inf  # a NaN on one side alone
    finite = np.abs(expected[np.isfinite(expected)])
    largest = float(distance.max(initial=0.0))
    return Difference(
        name,
        reference,
        largest,
        _quotient(largest, float(finite.max(initial=0.0))),
        _worst_share(distance, bound.allowed),
        bound.algorithm,
        bound.promise,
        _worst_share(distance, bound.exact),
        None if bound.winograd is None else _worst_share(distance, bound.winograd),
    )


def _worst_share(distance: Array, allowed: Array) -> float:
    """Largest distance in units of what is allowed; infinite where there is one and none is allowed."""
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = np.where(distance == 0, 0.0, distance / allowed)
    shares[np.isnan(shares)] = np.inf
    return float(shares.max(initial=0.0))


def _quotient(value: float, unit: float) -> float:
    if value == 0:
        return 0.0
    return value / unit if unit else float("inf")

"""How exact convolutions are in float32, directly and by Winograd's algorithm, over the number of channels."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from fastconv.backends.settings import options
from fastconv.evidence.accuracy import OF_PROMISE, Difference, differences, exact_results, magnitudes, promised
from fastconv.evidence.environment import Environment, current_environment
from fastconv.evidence.problem import backward, forward, from_workload
from fastconv.evidence.workloads import Options, Workload
from fastconv.report import MISSING, Record, Report, Table, format_number
from fastconv.validation.arrays import Array
from fastconv.validation.sizes import check_integer

Progress = Callable[[str, float], None]

CHANNELS = (16, 32, 64, 128, 256, 512)
SIZE, BATCH = (28, 28), 1
RESULTS = ("y", "dx", "dweight")


@dataclass(frozen=True)
class Rounding:
    """The error of one result by one algorithm.

    Attributes
    ----------
    channels : int
        Channels, and as many filters.
    result : {"y", "dx", "dweight"}
        Which result.
    exact : bool
        Whether exact results were asked for.
    algorithm : str
        What computed it.
    max_error, rms_error : float
        The largest error, and the root of the mean square, divided by the root of the mean square of the result.
    of_promise : float
        The worst element as a share of what is promised.
    of_exact : float or None
        The same in units of ``64 eps sum |x·w|``.
    """

    channels: int
    result: str
    exact: bool
    algorithm: str
    max_error: float
    rms_error: float
    of_promise: float
    of_exact: float | None


@dataclass(frozen=True, repr=False)
class Roundings(Record):
    """Errors of 3×3 layers over the number of channels; prints as a table.

    Attributes
    ----------
    rows : tuple of Rounding
        For each number of channels and each result, without ``exact`` and with it.
    shape : tuple of int
        Images, height and width.
    seed : int
        Of the arrays, which are standard normal but for the weights, of variance 2 by the inputs of a window.
    environment : Environment
        Where the numbers come from.
    """

    rows: tuple[Rounding, ...]
    shape: tuple[int, ...]
    seed: int
    environment: Environment

    FORMAT = "fastconv-rounding/1"
    DERIVED = ("ok",)

    @property
    def ok(self) -> bool:
        """Whether every element is within what is promised."""
        return all(row.of_promise <= 1 for row in self.rows)

    def report(self) -> Report:
        """Return the table, and what it means."""
        images, height, width = self.shape
        figures = ("max", "RMS", "of promise", "of exact", "direct: max", "RMS", "of exact", "times the RMS")
        headers = ("result", "channels", "algorithm", *figures)
        lines = tuple(_cells(*pair) for pair in self._pairs())
        title = f"Error of 3×3 layers of {height}×{width} pixels in float32, by the RMS of the result"
        notes = (
            "max, RMS: of the error, from the numpy backend in float64, divided by the root mean square of the result.",
            "of promise, of exact: the worst element as a share of what is promised, and of 64 eps sum |x·w|.",
            OF_PROMISE,
            "direct: the same with exact=True. times the RMS: of the algorithm by that of the direct one.",
            f"Images: {images}. x and dy are standard normal, weights of variance 2 by the inputs of a window.",
            f"{self.environment.origin()}.",
        )
        return Report((Table(title, headers, lines, 3),), notes, tuple(self._failures()))

    def _pairs(self) -> Iterator[tuple[Rounding, Rounding]]:
        """Every result, as it is by default and exact, sorted by result."""
        found = {(row.result, row.channels, row.exact): row for row in self.rows}
        for name in RESULTS:
            for (result, channels, exact), row in found.items():
                if result == name and not exact:
                    yield row, found[result, channels, True]

    def _failures(self) -> Iterator[str]:
        for row in self.rows:
            if not row.of_promise <= 1:
                yield (
                    f"{row.result} of {row.channels} channels ({row.algorithm}) must be within what is promised, but "
                    f"got {row.of_promise:,.1f} times that."
                )


def _cells(free: Rounding, direct: Rounding) -> tuple[str, ...]:
    def figures(row: Rounding) -> tuple[str, str]:
        return f"{row.max_error:.1e}", f"{row.rms_error:.1e}"

    return (
        free.result,
        str(free.channels),
        free.algorithm,
        *figures(free),
        f"{free.of_promise:.1%}",
        _share(free.of_exact),
        *figures(direct),
        _share(direct.of_exact),
        format_number(free.rms_error / direct.rms_error if direct.rms_error else None, ".1f"),
    )


def _share(share: float | None) -> str:
    return MISSING if share is None else f"{share:.1%}"


def measure_rounding(
    channels: tuple[int, ...] = CHANNELS, *, batch: int = BATCH, seed: int = 0, progress: Progress | None = None
) -> Roundings:
    """Measure the errors of a 3×3 layer, forward and of both gradients, without ``exact`` and with it.

    Parameters
    ----------
    channels : tuple of int
        Channels of the layers, and filters.
    batch : int
        Images.
    seed : int
        Seed of the arrays.
    progress : callable, optional
        Called with what is being done and the fraction done.

    Returns
    -------
    Roundings
        Prints as a table; its `ok` says whether all promises are kept.
    """
    batch, seed = check_integer("bench", "batch", batch, 1), check_integer("bench", "seed", seed, 0)
    environment = current_environment()
    rows: list[Rounding] = []
    for number, count in enumerate(channels):
        if progress is not None:
            progress(f"{count} channels", number / len(channels))
        rows += _layer(count, batch, seed)
    if progress is not None:
        progress("done", 1.0)
    return Roundings(tuple(rows), (batch, *SIZE), seed, environment)


def _layer(channels: int, batch: int, seed: int) -> Iterator[Rounding]:
    name, shape, weight_shape = f"{channels} channels", (batch, channels, *SIZE), (channels, channels, 3, 3)
    layer = Workload(name, "conv2d", shape, (3, 3), weight_shape, options=Options(padding=1))
    problem = from_workload(layer, np.dtype(np.float32), seed)
    dy = problem.draw_gradient(seed)
    right, sums = exact_results(problem, dy), magnitudes(problem, dy)
    right, sums = ({name: each[name] for name in RESULTS} for each in (right, sums))
    for exact in (False, True):
        with options(exact=exact):
            found = {**forward(problem, "fast"), **backward(problem, "fast", dy, None)}
            bounds = promised(problem, dy, sums, "fast")
        for difference in differences(found, right, bounds, "numpy in float64"):
            yield _rounding(channels, exact, difference, found[difference.array], right[difference.array])


def _rounding(channels: int, exact: bool, difference: Difference, found: Array, right: Array) -> Rounding:
    unit = _rms(right)
    return Rounding(
        channels, difference.array, exact, difference.algorithm, difference.max_abs / unit,
        _rms(found - right) / unit, difference.of_tolerance, difference.of_exact,
    )  # fmt: skip


def _rms(array: Array) -> float:
    return float(np.sqrt(np.square(array.astype(np.float64)).mean()))

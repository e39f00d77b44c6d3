"""What a comparison found: prints as a table, saves as JSON, is drawn as pictures (which needs the extra ``plot``)."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastconv.evidence.accuracy import EFFECTIVE, OF_PROMISE, Difference
from fastconv.evidence.compare.rows import Row
from fastconv.evidence.compare.tables import (
    algorithm_table,
    difference_table,
    overview_table,
    page_table,
    time_table,
    verdict,
)
from fastconv.evidence.environment import Environment
from fastconv.report import MISSING, Record, Report, format_seconds
from fastconv.report.figure import SMALL, bars_height, draw_bars, new_figure, save_figure
from fastconv.validation.arrays import Array

_NAME = "plot_comparison"
_MAPS = 2  # feature maps shown of a convolution
_COLUMNS = (
    "GFLOP/s: a multiply-add counts as two. scratch: peak memory beyond inputs and results.",
    EFFECTIVE,
    "(relative): absolute, divided by the largest magnitude in the array.",
    OF_PROMISE,
)
_OF_TOLERANCE = "of tolerance: the worst element as a share of what is promised; a maximum must be exact."
_ALGORITHMS = (
    "of exact: the worst element as a share of 64 eps sum |x·w|, which direct algorithms keep.",
    "of Winograd's: as a share of what its algorithm keeps, in proportion to the largest |x| of its tile.",
)


@dataclass(frozen=True, repr=False)
class Comparison(Record):
    """Two backends side by side; prints as a table.

    Attributes
    ----------
    rows : tuple of Row
        One for each workload.
    environment : Environment
        Where the numbers come from.
    backends : (str, str)
        Reference and candidate.
    """

    rows: tuple[Row, ...]
    environment: Environment
    backends: tuple[str, str] = ("naive", "fast")

    FORMAT = "fastconv-compare/1"
    DERIVED = ("ok", "compile_seconds")

    @property
    def ok(self) -> bool:
        """Whether every difference of every workload is within its tolerance."""
        return all(row.ok for row in self.rows)

    @property
    def compile_seconds(self) -> float:
        """What the first calls took beyond the later ones, all together."""
        return sum(passed.compile_seconds for row in self.rows for passed in row.passes)

    @property
    def dtypes(self) -> list[str]:
        """Of the results."""
        return sorted({row.dtype for row in self.rows})

    def report(self) -> Report:
        """Return the verdict and a line for each workload; in the details times, memory and differences."""
        details = [time_table(self.rows, *self.backends), difference_table(self.rows, *self.backends)]
        if self._with_algorithms:
            details.append(algorithm_table(self._with_algorithms))
        return Report(
            (overview_table(self.rows, self.backends[1]),),
            (*self._notes(), self.environment.origin(", ".join(self.dtypes))),
            (*self._failures(),),
            (*verdict(self.rows, *self.backends), *self.environment.caution),
            (*details,),
            (*self._remarks(),),
        )

    @property
    def _with_algorithms(self) -> list[Row]:
        """Rows of which it is known what computed them."""
        return [row for row in self.rows if any(difference.algorithm for difference in row.all_differences)]

    def markdown(self) -> str:
        """Return a line about where it was measured, and one table, for a page to include."""
        here = self.environment
        note = (
            f"Measured on {here.date[:10]}: {here.cpu}, {here.settings}, {', '.join(self.dtypes)}, one image "
            f"for the named layers; {here.packages}. Compiling took {self.compile_seconds:.1f} s and is in none of the "
            "times."
        )
        return f"{note}\n\n{page_table(self.rows)}\n"

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data.

        Returns
        -------
        dict
            Dicts, lists, strings and numbers; what is not finite (a difference from NaN) is None.
        """
        data = super().to_dict()
        for row, plain in zip(self.rows, data["rows"]):
            for kind in ("differences", "whole_differences"):
                for difference, entry in zip(getattr(row, kind), plain[kind]):
                    entry["within"] = difference.within
        return data

    def _notes(self) -> Iterator[str]:
        """Say in words what the columns of the overview mean."""
        candidate = self.backends[1]
        yield f"faster: the time of the frozen loops of the tutorials for all outputs, divided by that of {candidate}."
        yield (
            f"Times of {candidate} are medians after the first call. Compiling took "
            f"{format_seconds(self.compile_seconds)} in all and is in none of them."
        )
        yield _OF_TOLERANCE

    def _remarks(self) -> Iterator[str]:
        """Say the same of the details."""
        reference = self.backends[0]
        passes = [passed for row in self.rows for passed in row.passes]
        yield "loops/output: the frozen loops, timed on a crop."
        yield from _COLUMNS
        if self._with_algorithms:
            yield from _ALGORITHMS
        if any(row.partial for row in self.rows):
            yield f"~ {reference} ran on the part that was checked, its time is extrapolated; numpy checked the whole."
        if any(passed.reference_workspace_partial for passed in passes):
            yield f"> scratch of {reference} on a part; the whole takes more."
        if any(passed.loop_seconds_per_output is None for passed in passes):
            yield f"{MISSING} under loops/output: the frozen loops know no dilation, they cannot do this work."

    def _failures(self) -> Iterator[str]:
        """Say which results are beyond their tolerance, one line each."""
        for row in self.rows:
            for difference in row.all_differences:
                if not difference.within:
                    yield (
                        f"{row.name}: {difference.array} of {self.backends[1]} must be within {difference.promise} of "
                        f"{difference.reference}, but got {_excess(difference)} (largest difference "
                        f"{difference.max_abs:.2e})."
                    )


def _excess(difference: Difference) -> str:
    times = difference.of_tolerance
    return f"{times:,.1f} times that" if math.isfinite(times) else "a difference where none is allowed"


def plot_comparison(comparison: Comparison, path: str | os.PathLike[str]) -> None:
    """Draw the speed-ups as bars, and for real images the feature maps of both backends side by side.

    Files, suffixes and errors are those of `save_figure`.
    """
    save_figure(_NAME, path, lambda: _figure(comparison))


def _figure(comparison: Comparison) -> Any:
    pictures = [row for row in comparison.rows if row.maps is not None]
    bars, maps = bars_height(len(comparison.rows)), 1.9 * sum(_shown(row) for row in pictures)
    figure = new_figure(_NAME, 11, bars + maps)
    if not pictures:
        _draw_speeds(figure.subplots(), comparison)
        return figure
    above, below = figure.subfigures(2, 1, height_ratios=(bars, maps))
    _draw_speeds(above.subplots(), comparison)
    _draw_maps(below, pictures, comparison.backends[1])
    return figure


def _draw_speeds(axes: Any, comparison: Comparison) -> None:
    """One bar for each pass of each workload; a workload without yardstick has none."""
    rows = comparison.rows
    passes = [passed.name for passed in rows[0].passes]
    speeds = {name: [row.passes[index].times_faster for row in rows] for index, name in enumerate(passes)}
    draw_bars(axes, [row.name for row in rows], speeds, lambda value: f"{value:,.0f}×")
    axes.invert_yaxis()
    axes.set_xlabel(f"times faster than the frozen loops ({comparison.backends[1]})")
    axes.legend(frameon=False, loc="lower right", bbox_to_anchor=(1, 1), ncols=2)  # above: no bar ends there
    axes.set_title(comparison.environment.headline, fontsize=9, loc="left")


def _shown(row: Row) -> int:
    """Lines of pictures that a workload takes."""
    return _MAPS if row.operation == "conv2d" and row.shapes["weight"][0] >= _MAPS else 1


def _draw_maps(figure: Any, pictures: list[Row], candidate_name: str) -> None:
    """One line for each feature map: input, reference, candidate, and their difference; all of them whole."""
    lines = [(row, index) for row in pictures for index in range(_shown(row))]
    grid: Any = figure.subplots(len(lines), 4, squeeze=False)
    for axes, (row, index) in zip(grid, lines):
        maps = row.maps
        if maps is None:
            continue
        reference, candidate = maps.reference[index], maps.candidate[index]
        distance = np.abs(reference.astype(np.float64) - candidate.astype(np.float64))
        low, high = float(reference.min()), float(reference.max())
        _show(axes[0], _as_picture(maps.image), f"{row.name}: input")
        name = maps.names[index] if maps.names else f"channel {index + 1}"
        _show(axes[1], reference, f"{name}, {maps.source}", low, high)
        _show(axes[2], candidate, f"{name}, {candidate_name}", low, high)
        words = f"difference, up to {distance.max():.1e}" if distance.any() else "no difference"
        _show(axes[3], distance, words, 0.0, float(distance.max()) or 1.0)


def _as_picture(image: Array) -> Array:
    """(C, H, W) -> (H, W, 3) of a colour picture, (H, W) of another."""
    return np.clip(np.moveaxis(image, 0, -1), 0, 1) if image.shape[0] == 3 else image[0]


def _show(axes: Any, image: Array, title: str, low: float | None = None, high: float | None = None) -> None:
    axes.imshow(image.astype(np.float32), cmap="gray", vmin=low, vmax=high, interpolation="nearest")
    axes.set_title(title, fontsize=SMALL)
    axes.set_axis_off()

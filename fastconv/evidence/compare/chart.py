"""Pictures of a comparison. Needs the extra ``plot``."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from fastconv.evidence.compare.comparison import Comparison
from fastconv.evidence.compare.rows import Row
from fastconv.report.figure import bars_height, draw_bars, new_figure, save_figure
from fastconv.validation.arrays import Array

__all__ = ["plot_comparison"]

_NAME = "plot_comparison"
_MAPS = 2  # feature maps shown of a convolution


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
    _draw_maps(below, pictures, comparison.backends)
    return figure


def _draw_speeds(axes: Any, comparison: Comparison) -> None:
    """One bar for each pass of each workload; a workload without yardstick has none."""
    rows = comparison.rows
    passes = [passed.name for passed in rows[0].passes]
    speeds = {name: [row.passes[index].times_faster for row in rows] for index, name in enumerate(passes)}
    draw_bars(axes, [row.name for row in rows], speeds, lambda value: f"{value:,.0f}×")
    axes.invert_yaxis()
    lengths = [1.0, *(value for values in speeds.values() for value in values if value is not None)]
    axes.set_xlim(min(lengths), 2 * max(lengths))
    axes.set_xlabel(f"times faster than the frozen loops ({comparison.backends[1]})")
    axes.legend(frameon=False)
    axes.set_title(comparison.environment.headline, fontsize=9)


def _shown(row: Row) -> int:
    """Lines of pictures that a workload takes."""
    return _MAPS if row.operation == "conv2d" and row.shapes["weight"][0] >= _MAPS else 1


def _draw_maps(figure: Any, pictures: list[Row], backends: tuple[str, str]) -> None:
    """One line for each feature map: input, reference, candidate, and their difference."""
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
        _show(axes[1], reference, f"{backends[0]}, map {index}", low, high)
        _show(axes[2], candidate, f"{backends[1]}, map {index}", low, high)
        _show(
            axes[3],
            distance,
            f"difference, up to {distance.max():.1e}" if distance.any() else "no difference",
            0.0,
            float(distance.max()) or 1.0,
        )


def _as_picture(image: Array) -> Array:
    """(C, H, W) -> (H, W, 3) of a colour picture, (H, W) of another."""
    return np.clip(np.moveaxis(image, 0, -1), 0, 1) if image.shape[0] == 3 else image[0]


def _show(axes: Any, image: Array, title: str, low: float | None = None, high: float | None = None) -> None:
    axes.imshow(image.astype(np.float32), cmap="gray", vmin=low, vmax=high, interpolation="nearest")
    axes.set_title(title, fontsize=7)
    axes.set_axis_off()

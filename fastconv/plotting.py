"""Pictures of a comparison. Needs the extra ``plot``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fastconv.comparison.files import write_whole
from fastconv.errors import InvalidValueError
from fastconv.validation.arrays import Array

if TYPE_CHECKING:
    from fastconv.comparison import Comparison, Row

__all__ = ["plot_comparison"]

_FORMATS = ("pdf", "png", "svg")
_COLOURS = {"forward": "#1f6f8b", "backward": "#e08e45"}
_MAPS = 2  # feature maps shown of a convolution


def plot_comparison(comparison: Comparison, path: str | os.PathLike[str]) -> None:
    """Draw the speed-ups as bars, and for real images the feature maps of both backends side by side.

    Parameters
    ----------
    comparison : Comparison
        From `fastconv.compare`.
    path : path-like
        The file, which is written whole or not at all; its suffix says png, svg or pdf.

    Raises
    ------
    ValueError
        If the suffix is something else.
    ImportError
        If matplotlib is missing.
    OSError
        If the file cannot be written.
    """
    suffix = Path(path).suffix.lower().lstrip(".")
    if suffix not in _FORMATS:
        raise InvalidValueError(
            f"plot_comparison: path must end in one of {', '.join(_FORMATS)}, but got {os.fspath(path)!r}."
        )
    figure = _figure(comparison)
    write_whole(path, lambda stream: figure.savefig(stream, format=suffix, dpi=120))


def _figure(comparison: Comparison) -> Any:
    """Return a figure; no window, no global state."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(
            f"plot_comparison: matplotlib must be installed, but got {error}. "
            'Install it with: python -m pip install "fastconv[plot]"'
        ) from error
    pictures = [row for row in comparison.rows if row.maps is not None]
    bars, maps = 1.6 + 0.42 * len(comparison.rows), 1.9 * sum(_shown(row) for row in pictures)
    figure: Any = Figure(figsize=(11, bars + maps), layout="constrained")
    if not pictures:
        _draw_bars(figure.subplots(), comparison)
        return figure
    above, below = figure.subfigures(2, 1, height_ratios=(bars, maps))
    _draw_bars(above.subplots(), comparison)
    _draw_maps(below, pictures, comparison.backends)
    return figure


def _draw_bars(axes: Any, comparison: Comparison) -> None:
    """One bar for each pass of each workload, on a logarithmic scale; a workload without yardstick has none."""
    positions = np.arange(len(comparison.rows))
    passes = [passed.name for passed in comparison.rows[0].passes]
    height, lengths = 0.8 / len(passes), [1.0]
    for index, name in enumerate(passes):
        values = [row.passes[index].times_faster or np.nan for row in comparison.rows]
        lengths.extend(value for value in values if not np.isnan(value))
        bars = axes.barh(positions + index * height, values, height, label=name, color=_COLOURS[name])
        labels = ["" if np.isnan(value) else f"{value:,.0f}×" for value in values]
        axes.bar_label(bars, labels, padding=3, fontsize=7)
    axes.set_yticks(positions + height * (len(passes) - 1) / 2, [row.name for row in comparison.rows])
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.set_xlim(min(1.0, *lengths), 2 * max(1.0, *lengths))  # a bar begins at 1, as fast as the loops
    axes.set_xlabel(f"times faster than the frozen loops ({comparison.backends[1]})")
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    here = comparison.environment
    axes.set_title(f"{here.cpu}, {here.threads} threads, fastconv {here.versions['fastconv']}", fontsize=9)


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

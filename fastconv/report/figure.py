"""Pictures of results: the file, the head, and groups of bars. Needs the extra ``plot``."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from fastconv.errors import InvalidValueError
from fastconv.files import write_whole
from fastconv.report.colours import colours_of

FORMATS = ("pdf", "png", "svg")
SMALL = 8  # points, the least that is read in a picture
_TITLE = 9
_LINE = 0.42  # inches of a group of bars
_GROUP = 0.8  # of the distance between two groups
_PANEL = 5.5  # inches of one of several panels
_BEFORE, _AFTER = 1.5, 3.0  # how far the axis goes on beyond the ends of all bars: the words need room

Series = Mapping[str, Sequence[float | None]]  # values of one bar in every group, by its name


def save_figure(operation: str, path: str | os.PathLike[str], draw: Callable[[], Any]) -> None:
    """Draw a figure into a file, which is written whole or not at all.

    Parameters
    ----------
    operation : str
        Whom messages name.
    path : path-like
        The file; its suffix says png, svg or pdf.
    draw : callable
        Returns the figure.

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
    if suffix not in FORMATS:
        raise InvalidValueError(
            f"{operation}: path must end in one of {', '.join(FORMATS)}, but got {os.fspath(path)!r}."
        )
    with _plain_style(operation):
        figure = draw()
        write_whole(
            path, lambda stream: figure.savefig(stream, format=suffix, dpi=120, facecolor="white", transparent=False)
        )


def new_figure(operation: str, width: float, height: float) -> Any:
    """Return an empty figure of so many inches; no window, no global state.

    Raises
    ------
    ImportError
        If matplotlib is missing.
    """
    return _matplotlib(operation, "figure").Figure(figsize=(width, height), layout="constrained")


def _plain_style(operation: str) -> Any:
    """Matplotlib's own style, dark on white, whatever the settings of the user are: a file is read anywhere."""
    return _matplotlib(operation, "style").context("default", after_reset=True)


def _matplotlib(operation: str, module: str) -> Any:
    try:
        return import_module(f"matplotlib.{module}")
    except ImportError as error:
        raise ImportError(
            f"{operation}: matplotlib must be installed, but got {error}. "
            'Install it with: python -m pip install "fastconv[plot]"'
        ) from None


def bars_height(groups: int) -> float:
    """Inches that so many groups of bars take, with their title."""
    return 1.6 + _LINE * groups


def bars_figure(
    operation: str, names: Sequence[str], panels: Mapping[str, Series], label: Callable[[float], str], headline: str
) -> Any:
    """Return a figure with bars side by side for each title, its groups from the top down, and one legend."""
    figure = new_figure(operation, 2 + _PANEL * len(panels), bars_height(len(names)) + 0.2)
    for axes, (title, series) in zip(figure.subplots(1, len(panels), sharey=True, squeeze=False)[0], panels.items()):
        draw_bars(axes, names, series, label)
        axes.set_title(title, fontsize=_TITLE)
    figure.axes[0].invert_yaxis()
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside lower right", ncols=3, frameon=False)
    figure.suptitle(headline, fontsize=_TITLE)
    return figure


def draw_bars(axes: Any, names: Sequence[str], series: Series, label: Callable[[float], str]) -> None:
    """Draw a group of bars for each name, from 1 (as fast as the other) on a logarithmic scale.

    Parameters
    ----------
    axes : matplotlib axes
        Where to draw.
    names : sequence of str
        One for each group.
    series : dict of str to sequence of float or None
        Values of one bar in every group, by its name; None where there is no bar.
    label : callable
        What is written at the end of a bar.
    """
    height, colours = _GROUP / max(1, len(series)), colours_of(series)
    for index, (name, values) in enumerate(series.items()):
        numbers = [math.nan if value is None else value for value in values]
        places = [group + index * height for group in range(len(names))]
        lengths = [value - 1 for value in numbers]
        bars = axes.barh(places, lengths, height, left=1, label=name, color=colours[name])
        words = ["" if math.isnan(value) else label(value) for value in numbers]
        axes.bar_label(bars, words, padding=3, fontsize=SMALL)
    axes.set_yticks([group + height * (len(series) - 1) / 2 for group in range(len(names))], names)
    axes.set_xscale("log")
    ends = [1.0, *(value for values in series.values() for value in values if value is not None)]
    axes.set_xlim(min(ends) / _BEFORE, max(ends) * _AFTER)
    axes.spines[["top", "right"]].set_visible(False)

"""The picture of a contest. Needs the extra ``plot``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from fastconv.comparison.files import write_whole
from fastconv.contest.report import ratios
from fastconv.errors import InvalidValueError

__all__ = ["plot_contest"]

_FORMATS = ("pdf", "png", "svg")
_COLOURS = {"forward": "#1f6f8b", "backward": "#e08e45"}


def plot_contest(data: dict[str, Any], path: str | os.PathLike[str]) -> None:
    """Draw the ratio of every workload as bars, one panel for each dtype.

    Parameters
    ----------
    data : dict
        What `Contest.to_dict` returns, or `json.load` of its file.
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
            f"plot_contest: path must end in one of {', '.join(_FORMATS)}, but got {os.fspath(path)!r}."
        )
    figure = _figure(data)
    write_whole(path, lambda stream: figure.savefig(stream, format=suffix, dpi=120))


def _figure(data: dict[str, Any]) -> Any:
    """Return a figure; no window, no global state."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(
            f"plot_contest: matplotlib must be installed, but got {error}. "
            'Install it with: python -m pip install "fastconv[plot]"'
        ) from error
    dtypes = list(dict.fromkeys(heat["dtype"] for heat in data["heats"]))
    names = list(dict.fromkeys(heat["workload"] for heat in data["heats"]))
    figure: Any = Figure(figsize=(2 + 5.5 * len(dtypes), 1.6 + 0.42 * len(names)), layout="constrained")
    panels = figure.subplots(1, len(dtypes), sharey=True, squeeze=False)[0]
    for axes, dtype in zip(panels, dtypes):
        _draw(axes, data, dtype, names)
    panels[0].invert_yaxis()
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower right", ncols=2, frameon=False)
    here = data["environment"]
    figure.suptitle(f"{here['cpu']}, {here['threads']} threads, fastconv {here['versions']['fastconv']}", fontsize=9)
    return figure


def _draw(axes: Any, data: dict[str, Any], dtype: str, names: list[str]) -> None:
    """One bar for each pass of each workload, to the right of 1 where fastconv is ahead."""
    from matplotlib.ticker import LogLocator

    steps = list(dict.fromkeys(heat["step"] for heat in data["heats"]))
    positions, height = np.arange(len(names)), 0.8 / len(steps)
    ends = [0.8, 1.25]
    for index, step in enumerate(steps):
        found = ratios(data, step, dtype)
        values = np.array([found.get(name) or np.nan for name in names])
        ends.extend(values[~np.isnan(values)])
        bars = axes.barh(positions + index * height, values - 1, height, left=1, label=step, color=_COLOURS[step])
        labels = ["" if np.isnan(value) else f"{value:.2f}" for value in values]
        axes.bar_label(bars, labels, padding=3, fontsize=7)
    axes.set_yticks(positions + height * (len(steps) - 1) / 2, names)
    axes.set_xscale("log")
    axes.set_xlim(min(ends) / 1.25, max(ends) * 1.25)
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter("")
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_xlabel("time of the best other engine / time of fastconv")
    axes.set_title(dtype, fontsize=9)
    axes.spines[["top", "right"]].set_visible(False)

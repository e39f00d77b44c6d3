"""The picture of a suite. Needs the extra ``plot``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from fastconv.comparison.files import write_whole
from fastconv.errors import InvalidValueError
from fastconv.suite.cases import LOOPS
from fastconv.suite.results import Suite

__all__ = ["plot_suite"]

_FORMATS = ("pdf", "png", "svg")

_COLOURS = {"fast": "#1f6f8b", "numpy": "#e08e45", "naive": "#9aa5ab"}


def plot_suite(suite: Suite, path: str | os.PathLike[str]) -> None:
    """Draw how many times faster than the frozen loops everything is, one panel for each dtype and pass.

    Parameters
    ----------
    suite : Suite
        The results.
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
            f"plot_suite: path must end in one of {', '.join(_FORMATS)}, but got {os.fspath(path)!r}."
        )
    figure = _figure(suite)
    write_whole(path, lambda stream: figure.savefig(stream, format=suffix, dpi=120))


def _figure(suite: Suite) -> Any:
    """Return a figure; no window, no global state."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(
            f"plot_suite: matplotlib must be installed, but got {error}. "
            'Install it with: python -m pip install "fastconv[plot]"'
        ) from error
    found = {case: faster for case, result in suite.results.items() if (faster := suite.times_faster(result))}
    names = list(dict.fromkeys(case.workload for case in found))
    panels = list(dict.fromkeys((case.dtype, case.step) for case in found)) or [("", "")]
    made: Any = Figure(figsize=(2 + 5.0 * len(panels), 1.8 + 0.42 * len(names)), layout="constrained")
    for axes, (dtype, step) in zip(made.subplots(1, len(panels), sharey=True, squeeze=False)[0], panels):
        here = {case: value for case, value in found.items() if (case.dtype, case.step) == (dtype, step)}
        values = {(case.backend, case.workload): value for case, value in here.items()}
        _draw(axes, values, names)
        axes.set_title(f"{step}, {dtype}", fontsize=9)
    made.axes[0].invert_yaxis()
    handles, labels = made.axes[0].get_legend_handles_labels()
    made.legend(handles, labels, loc="outside lower right", ncols=3, frameon=False)
    machine = suite.environment
    title = f"{machine['cpu']}, {machine['threads']} threads, fastconv {machine['versions'].get('fastconv')}"
    made.suptitle(title, fontsize=9)
    return made


def _draw(axes: Any, values: dict[tuple[str, str], float], names: list[str]) -> None:
    """One bar for each backend of each workload, from 1 (as fast as the loops) to the right."""
    backends = list(dict.fromkeys(backend for backend, _ in values if backend != LOOPS))
    positions, height = np.arange(len(names)), 0.8 / max(1, len(backends))
    for index, backend in enumerate(backends):
        lengths = np.array([values.get((backend, name), np.nan) for name in names])
        bars = axes.barh(
            positions + index * height, lengths - 1, height, left=1, label=backend, color=_COLOURS.get(backend)
        )
        labels = ["" if np.isnan(x) else f"{x:,.0f}×" if x >= 10 else f"{x:.1f}×" for x in lengths]
        axes.bar_label(bars, labels, padding=3, fontsize=6)
    axes.set_yticks(positions + height * (len(backends) - 1) / 2, names)
    axes.set_xscale("log")
    axes.set_xlim(min([1.0, *values.values()]) / 2.5, 3 * max([1.0, *values.values()]))
    axes.set_xlabel("times faster than the frozen loops")
    axes.spines[["top", "right"]].set_visible(False)

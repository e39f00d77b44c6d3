"""The picture of a suite. Needs the extra ``plot``."""

from __future__ import annotations

import os
from typing import Any

from fastconv.evidence.bench.cases import LOOPS
from fastconv.evidence.bench.suite import Suite
from fastconv.report import format_times
from fastconv.report.figure import bars_height, draw_bars, new_figure, save_figure

__all__ = ["plot_suite"]

_NAME = "plot_suite"


def plot_suite(suite: Suite, path: str | os.PathLike[str]) -> None:
    """Draw how many times faster than the frozen loops everything is, one panel for each dtype and pass.

    Files, suffixes and errors are those of `save_figure`.
    """
    save_figure(_NAME, path, lambda: _figure(suite))


def _figure(suite: Suite) -> Any:
    found = {case: faster for case, result in suite.results.items() if (faster := suite.times_faster(result))}
    names = list(dict.fromkeys(case.workload for case in found))
    panels = list(dict.fromkeys((case.dtype, case.step) for case in found)) or [("", "")]
    figure = new_figure(_NAME, 2 + 5.0 * len(panels), bars_height(len(names)) + 0.2)
    for axes, (dtype, step) in zip(figure.subplots(1, len(panels), sharey=True, squeeze=False)[0], panels):
        here = {case: value for case, value in found.items() if (case.dtype, case.step) == (dtype, step)}
        _draw(axes, {(case.backend, case.workload): value for case, value in here.items()}, names)
        axes.set_title(f"{step}, {dtype}", fontsize=9)
    figure.axes[0].invert_yaxis()
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower right", ncols=3, frameon=False)
    figure.suptitle(suite.environment.headline, fontsize=9)
    return figure


def _draw(axes: Any, values: dict[tuple[str, str], float], names: list[str]) -> None:
    """One bar for each backend of each workload, from 1 (as fast as the loops) to the right."""
    backends = dict.fromkeys(backend for backend, _ in values if backend != LOOPS)
    speeds = {backend: [values.get((backend, name)) for name in names] for backend in backends}
    draw_bars(axes, names, speeds, lambda value: format_times(value, 1))
    axes.set_xlim(min([1.0, *values.values()]) / 2.5, 3 * max([1.0, *values.values()]))
    axes.set_xlabel("times faster than the frozen loops")

"""The picture of a contest. Needs the extra ``plot``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from fastconv.evidence.contest.contest import Contest
from fastconv.evidence.contest.heats import Heat
from fastconv.report.figure import bars_height, draw_bars, new_figure, save_figure

__all__ = ["plot_contest"]

_NAME = "plot_contest"


def plot_contest(contest: Contest, path: str | os.PathLike[str]) -> None:
    """Draw the ratio of every workload as bars, one panel for each dtype.

    Files, suffixes and errors are those of `save_figure`.
    """
    save_figure(_NAME, path, lambda: _figure(contest))


def _figure(contest: Contest) -> Any:
    dtypes = list(dict.fromkeys(heat.dtype for heat in contest.heats))
    names = list(dict.fromkeys(heat.workload for heat in contest.heats))
    figure = new_figure(_NAME, 2 + 5.5 * len(dtypes), bars_height(len(names)))
    panels = figure.subplots(1, len(dtypes), sharey=True, squeeze=False)[0]
    for axes, dtype in zip(panels, dtypes):
        _draw(axes, [heat for heat in contest.heats if heat.dtype == dtype], names)
        axes.set_title(dtype, fontsize=9)
    panels[0].invert_yaxis()
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower right", ncols=2, frameon=False)
    figure.suptitle(contest.environment.headline, fontsize=9)
    return figure


def _draw(axes: Any, heats: Sequence[Heat], names: Sequence[str]) -> None:
    """One bar for each pass of each workload, to the right of 1 where fastconv is ahead."""
    from matplotlib.ticker import LogLocator

    ratios = {(heat.step, heat.workload): heat.ratio for heat in heats}
    steps = dict.fromkeys(heat.step for heat in heats)
    draw_bars(axes, names, {step: [ratios.get((step, name)) for name in names] for step in steps}, "{:.2f}".format)
    ends = [0.8, 1.25, *(ratio for ratio in ratios.values() if ratio is not None)]
    axes.set_xlim(min(ends) / 1.25, max(ends) * 1.25)
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter("")
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_xlabel("time of the best other engine / time of fastconv")

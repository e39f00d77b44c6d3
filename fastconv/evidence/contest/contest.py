"""What a contest found: prints as tables, saves as JSON, is drawn as bars (which needs the extra ``plot``)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from fastconv.evidence.accuracy import EFFECTIVE, OF_PROMISE
from fastconv.evidence.contest.heats import OURS, Entry, Heat, Startup
from fastconv.evidence.contest.notes import absences, breaks, refusals, without_batch
from fastconv.evidence.contest.tables import ratio_table, target_table, time_table
from fastconv.evidence.contest.targets import Target, targets
from fastconv.evidence.environment import Environment
from fastconv.report import Record, Report, Table
from fastconv.report.figure import bars_figure, save_figure

_NAME = "plot_contest"
_COLUMNS = (
    "ratio: median over the rounds of the best time of the others divided by the best of fastconv in that round.",
    "GFLOP/s: of fastconv; a multiply-add counts as two, padding included.",
    EFFECTIVE,
    "of peak: divided by what nothing but multiply-adds reaches in the same round, the column peak (GFLOP/s).",
    "one thread: milliseconds of the better variant of fastconv. scratch: its memory beyond inputs and results.",
    "error: the worst element as a share of what is promised, from the result in float64.",
    OF_PROMISE,
)


@dataclass(frozen=True, repr=False)
class Contest(Record):
    """Every heat, and where the numbers come from.

    Attributes
    ----------
    heats : tuple of Heat
        One for each workload, pass and dtype.
    environment : Environment
        Machine and versions, those of the other engines included.
    absent : dict of str to str
        Engines that did not take part, and why.
    spinning : dict of str to float
        Processor time that each engine used between its turns, as a share of one core.
    startup : Startup or None
        Where it was measured.
    seconds : float
        What the contest took.
    """

    heats: tuple[Heat, ...]
    environment: Environment
    absent: dict[str, str]
    spinning: dict[str, float]
    startup: Startup | None
    seconds: float

    FORMAT = "fastconv-contest/1"
    DERIVED = ("ok", "verdicts")

    @property
    def ok(self) -> bool:
        """Whether every result of fastconv is within its tolerance."""
        return all(entry.engine != OURS for _, entry in self.wrong)

    @property
    def wrong(self) -> list[tuple[Heat, Entry]]:
        """Every result that is beyond its tolerance."""
        return [(heat, entry) for heat in self.heats for entry in heat.entries if not entry.ok]

    @property
    def verdicts(self) -> tuple[Target, ...]:
        """Every target that it says something about."""
        return targets(self.heats, self.startup, exact=self.environment.exact)

    @property
    def groups(self) -> dict[tuple[str, str], list[Heat]]:
        """Heats by pass and dtype."""
        found: dict[tuple[str, str], list[Heat]] = {}
        for heat in self.heats:
            found.setdefault((heat.step, heat.dtype), []).append(heat)
        return found

    def report(self) -> Report:
        """Return the targets, the ratios of every workload, and the times behind them."""
        verdicts = self.verdicts
        tables: list[Table] = [target_table(verdicts)] if verdicts else []
        tables += [ratio_table(self.groups), *(time_table(*key, heats) for key, heats in self.groups.items())]
        origin = self.environment.origin(f"{self.seconds / 60:.1f} minutes")
        return Report(tuple(tables), (*self._notes(), origin), verdict=self.environment.caution)

    def failures(self) -> tuple[str, ...]:
        """Say whose results are wrong, fastconv's or another's, one line each."""
        return tuple(
            f"{heat.workload}: {heat.step} of {entry.engine} ({entry.variant}, {heat.dtype}) must be within "
            f"{entry.limit:g} times {entry.promise} of the result in float64, but got {entry.of_tolerance:,.1f} times "
            f"that (largest difference {entry.max_abs:.2e})."
            for heat, entry in self.wrong
        )

    def _notes(self) -> Iterator[str]:
        """Say what the columns mean, who did not take part and why, and what was wrong."""
        yield from _COLUMNS
        yield from absences(self.absent)
        yield from refusals((heat.refused, f"{heat.step} {heat.dtype}") for heat in self.heats)
        yield from without_batch(entry for heat in self.heats for entry in heat.entries)
        for heat, entry in self.wrong:
            yield (
                f"WRONG: {entry} on {heat.workload} {heat.step} {heat.dtype}, beyond {entry.limit:g} times the "
                "tolerance; its times do not count."
            )
        if self.startup is not None:
            yield (
                f"First convolution of a new process, with the import of {OURS} and Numba and without NumPy's: "
                f"{self.startup.cold:.2f} s with an empty cache on disk, {self.startup.warm:.2f} s with a warm one. "
                f"Warmup with an empty cache: {self.startup.warmup:.1f} s."
            )
        yield from breaks(self.spinning)


def plot_contest(contest: Contest, path: str | os.PathLike[str]) -> None:
    """Draw the ratio of every workload as bars, one panel for each dtype.

    Files, suffixes and errors are those of `save_figure`.
    """
    save_figure(_NAME, path, lambda: _figure(contest))


def _figure(contest: Contest) -> Any:
    """One bar for each pass of each workload, to the right of 1 where fastconv is ahead."""
    ratios = {(heat.dtype, heat.step, heat.workload): heat.ratio for heat in contest.heats}
    names = list(dict.fromkeys(heat.workload for heat in contest.heats))
    panels: dict[str, dict[str, list[float | None]]] = {}
    for dtype, step, _ in ratios:
        panels.setdefault(dtype, {})[step] = [ratios.get((dtype, step, name)) for name in names]
    figure = bars_figure(_NAME, names, panels, "{:.2f}".format, contest.environment.headline)
    mark_ratios(figure, "time of the best other engine / time of fastconv")
    return figure


def mark_ratios(figure: Any, label: str) -> None:
    """Let the axes of all panels say that they are ratios, and where fastconv is as fast."""
    from matplotlib.ticker import LogLocator  # after the figure, which says how to install it

    for axes in figure.axes:
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter("")
        axes.axvline(1, color="black", linewidth=0.8)
        axes.set_xlabel(label)

"""What a contest of networks found: tables, JSON, and a chart (which needs the extra ``plot``)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from fastconv.evidence.accuracy import EFFECTIVE
from fastconv.evidence.contest.contest import mark_ratios
from fastconv.evidence.contest.heats import OURS, Entry
from fastconv.evidence.contest.networks.heats import NetworkHeat
from fastconv.evidence.contest.networks.tables import by_kind, ladder_table, others, ratio_table, time_table
from fastconv.evidence.contest.notes import absences, breaks, refusals
from fastconv.evidence.environment import Environment
from fastconv.report import Record, Report
from fastconv.report.figure import bars_figure, save_figure

_NAME = "plot_networks"
_COLUMNS = (
    "ratio: median over the rounds of the best time of the others divided by the best of fastconv in that round.",
    "GFLOP/s: of fastconv; a multiply-add counts as two, and a training step three times an inference.",
    EFFECTIVE,
    "of peak: divided by what nothing but multiply-adds reaches in the same round, the column peak (GFLOP/s).",
    "error of an inference: the distance of all scores from those in float64, as a share of 16 eps for each layer.",
    "error of a training step: the worst of the first four losses, as a share of 2 % of what they change by.",
    "fastconv layers, recorded and fused compute every convolution directly (exact=True), program by the default.",
)


@dataclass(frozen=True, repr=False)
class NetworkContest(Record):
    """Every heat, and where the numbers come from.

    Attributes
    ----------
    heats : tuple of NetworkHeat
        One for each network, step and batch.
    environment : Environment
        Machine and versions, those of the other engines included.
    absent : dict of str to str
        Engines that did not take part, and why.
    spinning : dict of str to float
        Processor time that each engine used between its turns, as a share of one core.
    seconds : float
        What the contest took.
    """

    heats: tuple[NetworkHeat, ...]
    environment: Environment
    absent: dict[str, str]
    spinning: dict[str, float]
    seconds: float

    FORMAT = "fastconv-networks/1"
    DERIVED = ("ok",)

    @property
    def ok(self) -> bool:
        """Whether every result of fastconv is within its tolerance."""
        return all(entry.engine != OURS for _, entry in self.wrong)

    @property
    def wrong(self) -> list[tuple[NetworkHeat, Entry]]:
        """Every result that is beyond its tolerance."""
        return [(heat, entry) for heat in self.heats for entry in heat.entries if not entry.ok]

    def report(self) -> Report:
        """Return the ratios of every kind of step, and the times behind them."""
        tables = [ratio_table(self.heats), *(time_table(*each) for each in by_kind(self.heats).items())]
        ladder = ladder_table(self.heats)
        tables += [ladder] if ladder.rows else []
        origin = self.environment.origin(f"{self.seconds / 60:.1f} minutes")
        return Report(tuple(tables), (*self._notes(), origin), verdict=self.environment.caution)

    def failures(self) -> tuple[str, ...]:
        """Say whose results are wrong, fastconv's or another's, one line each."""
        return tuple(
            f"{heat}: {entry} must be within {entry.limit:g} times the tolerance of the result in float64, but got "
            f"{entry.of_tolerance:,.1f} times that (largest difference {entry.max_abs:.2e})."
            for heat, entry in self.wrong
        )

    def _notes(self) -> Iterator[str]:
        """Say what the columns mean, who did not take part and why, and what was wrong."""
        yield from _COLUMNS
        yield from absences(self.absent)
        yield from refusals((heat.refused, heat.kind) for heat in self.heats)
        for heat, entry in self.wrong:
            yield f"WRONG: {entry} on {heat}, beyond {entry.limit:g} times the tolerance; its times do not count."
        yield from breaks(self.spinning)


def plot_networks(contest: NetworkContest, path: str | os.PathLike[str]) -> None:
    """Draw the ratio to each engine on every network as bars, one panel for each kind of step.

    Files, suffixes and errors are those of `save_figure`.
    """
    save_figure(_NAME, path, lambda: _figure(contest))


def _figure(contest: NetworkContest) -> Any:
    """One bar for each engine on each network, to the right of 1 where fastconv is ahead."""
    names = list(dict.fromkeys(_row(heat) for heat in contest.heats))
    panels: dict[str, dict[str, list[float | None]]] = {}
    for kind, heats in by_kind(contest.heats).items():
        found = {_row(heat): heat for heat in heats}
        panels[kind] = {
            engine: [found[name].ratio_to(engine) if name in found else None for name in names]
            for engine in others(contest.heats) or [OURS]
        }
    figure = bars_figure(_NAME, names, panels, "{:.2f}".format, contest.environment.headline)
    mark_ratios(figure, "time of the other engine / time of fastconv")
    return figure


def _row(heat: NetworkHeat) -> str:
    """Name of a group of bars: a network has several where it is trained by several rules."""
    return f"{heat.network} {heat.optimizer}" if heat.optimizer not in ("", "sgd") else heat.network

"""What a run over ranks found and predicts: prints as tables, saves as JSON, is drawn as curves (extra ``plot``)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from fastconv.evidence.environment import Environment
from fastconv.evidence.scaling.network import Network, Step, between
from fastconv.report import Record, Report, Table, format_seconds
from fastconv.report.colours import colours_of
from fastconv.report.figure import new_figure, save_figure
from fastconv.report.words import format_bytes, plural

_NAME = "plot_scaling"
_MODES = (
    "weak: every rank has as many images. strong: all share those of one rank. All cores work in each row that is "
    "measured: one rank has a thread for each."
)
_ASSUMED = (
    "a sum of n bytes over N ranks takes 2 log2(N) latencies and 2 (N - 1) / N times n bytes. Messages go on one at a "
    "time, beside the computation, which they do not slow down; all ranks are as fast as this one; the network is "
    "theirs alone."
)
_EMULATED = "emulated: one process that says it is one of many, and waits as long as their messages take."
_SHARED = 16  # as many batches as a rank has in weak scaling are shared by all in strong scaling


@dataclass(frozen=True)
class Measured:
    """Training on ranks of this machine.

    Attributes
    ----------
    mode : {"weak", "strong"}
        Whether every rank has as many images, or all together.
    ranks, threads : int
        How many, and the threads of each.
    images : int
        Of a step, on all ranks.
    seconds : float
        Of a step, median.
    """

    mode: str
    ranks: int
    threads: int
    images: int
    seconds: float


@dataclass(frozen=True)
class Checked:
    """A prediction, and what emulated ranks took.

    Attributes
    ----------
    ranks : int
        How many were emulated.
    latency, bandwidth : float
        Seconds, and bytes per second.
    predicted, seconds : float
        Of a step.
    """

    ranks: int
    latency: float
    bandwidth: float
    predicted: float
    seconds: float


@dataclass(frozen=True)
class Predicted:
    """Training on more ranks.

    Attributes
    ----------
    mode : {"weak", "strong"}
        As of `Measured`.
    ranks : int
        How many.
    images : float
        Of a step, on each rank.
    seconds, exposed : float
        Of a step, and what of it the messages add.
    efficiency : float
        Images per second of a rank, as a share of those of one rank alone.
    """

    mode: str
    ranks: int
    images: float
    seconds: float
    exposed: float
    efficiency: float


@dataclass(frozen=True, repr=False)
class Scaling(Record):
    """How the training of a network scales.

    Attributes
    ----------
    network : str
        Its name.
    batch : int
        Images of a rank in weak scaling; strong scaling shares 16 times as many.
    threads : int
        Of a rank, in steps, checks and predictions.
    latency, bandwidth : float
        What the predictions assume, in seconds and bytes per second.
    most_ranks : int
        Of the predictions.
    steps : tuple of Step
        Steps of one rank whose messages take no time.
    measured : tuple of Measured
        On ranks of this machine.
    checks : tuple of Checked
        Predictions beside emulated ranks.
    environment : Environment
        Machine and versions.
    seconds : float
        What it took.
    """

    network: str
    batch: int
    threads: int
    latency: float
    bandwidth: float
    most_ranks: int
    steps: tuple[Step, ...]
    measured: tuple[Measured, ...]
    checks: tuple[Checked, ...]
    environment: Environment
    seconds: float

    FORMAT = "fastconv-scaling/1"
    DERIVED = ("predictions",)

    @property
    def predictions(self) -> tuple[Predicted, ...]:
        """Weak and strong scaling to the most ranks, by doubling."""
        return tuple(each for mode in ("weak", "strong") for each in self._predicted(mode))

    def _predicted(self, mode: str) -> Iterator[Predicted]:
        network, ranks, alone = Network(self.latency, self.bandwidth), 1, 0.0
        while ranks <= self.most_ranks:
            images = self.batch if mode == "weak" else _SHARED * self.batch / ranks
            if images < 1:
                return
            step = between(self.steps, images)
            seconds = step.predicted(network, ranks)
            rate = images / seconds
            alone = alone or rate
            yield Predicted(mode, ranks, images, seconds, seconds - step.seconds, rate / alone)
            ranks *= 2

    def report(self) -> Report:
        """Return what was measured, what was checked, and what is predicted."""
        measured = Table(
            "Measured on this machine",
            ("scaling", "ranks", "threads each", "images", "step", "images/s", "of one rank"),
            tuple(self._measured_rows()),
            1,
            ("threads each", "step"),
        )
        checked = Table(
            "Emulated ranks: a delay in each sum",
            ("ranks", "latency", "GB/s", "predicted", "measured", "measured / predicted"),
            tuple(
                (
                    *(str(each.ranks), format_seconds(each.latency), f"{each.bandwidth / 1e9:.2g}"),
                    *(format_seconds(each.predicted), format_seconds(each.seconds)),
                    f"{each.seconds / each.predicted:.2f}",
                )
                for each in self.checks
            ),
            0,
        )
        predicted = Table(
            "Predicted",
            ("scaling", "ranks", "images each", "step", "of it messages", "efficiency"),
            tuple(
                (
                    *(each.mode, f"{each.ranks:,}", f"{each.images:g}", format_seconds(each.seconds)),
                    *("–" if each.ranks == 1 else format_seconds(each.exposed), f"{each.efficiency:.0%}"),
                )
                for each in self.predictions
            ),
            1,
        )
        tables = (measured, checked, predicted)
        return Report(tables, (*self._notes(), self.environment.origin(f"{self.seconds:.0f} s")))

    def _measured_rows(self) -> Iterator[tuple[str, ...]]:
        alone = {each.mode: each.images / each.seconds for each in self.measured if each.ranks == 1}
        for each in self.measured:
            rate = each.images / each.seconds
            cells = (each.mode, str(each.ranks), str(each.threads), str(each.images), format_seconds(each.seconds))
            yield (*cells, f"{rate:,.0f}", f"{rate / alone[each.mode]:.2f}")

    def _notes(self) -> tuple[str, ...]:
        words = plural(len(self.steps[0].messages), "message")
        sent = f"{format_bytes(self.steps[0].bytes)} from each rank, in {words}, beside the computation"
        assumed = f"{format_seconds(self.latency)} and {self.bandwidth / 1e9:g} GB/s between them"
        return (
            f"{self.network}: a step sends {sent}, and {self.steps[0].last} bytes after it.",
            _MODES,
            f"predicted: ranks with {plural(self.threads, 'thread')} each, {assumed}; {_ASSUMED}",
            _EMULATED,
        )


def plot_scaling(scaling: Scaling, path: str | os.PathLike[str]) -> None:
    """Draw the efficiency over the ranks: curves are predicted, points measured.

    Files, suffixes and errors are those of `save_figure`.
    """
    save_figure(_NAME, path, lambda: _figure(scaling))


def _figure(scaling: Scaling) -> Any:
    figure = new_figure(_NAME, 6.5, 4.0)
    axes = figure.add_subplot()
    colours = colours_of(["weak", "strong"])
    for mode, mark in (("weak", "o"), ("strong", "s")):
        colour = colours[mode]
        curve = [each for each in scaling.predictions if each.mode == mode]
        axes.plot(
            [each.ranks for each in curve],
            [each.efficiency for each in curve],
            color=colour,
            label=f"{mode}, predicted",
        )
        points = [each for each in scaling.measured if each.mode == mode]
        alone = next((each.images / each.seconds for each in points if each.ranks == 1), 0.0)
        heights = [each.images / each.seconds / alone for each in points]  # of one rank on all cores
        axes.plot([each.ranks for each in points], heights, mark, color=colour, label=f"{mode}, measured")
    axes.set_xscale("log", base=2)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("ranks")
    axes.set_ylabel("images per second of a core, of those of one rank")
    axes.set_title(f"{scaling.network}, {scaling.batch} images on a rank in weak scaling", fontsize=10)
    axes.legend(frameon=False)
    return figure

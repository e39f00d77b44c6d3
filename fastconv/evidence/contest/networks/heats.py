"""What was found in one step of one network."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from fastconv.evidence.contest.engines.networks.base import TRAINING
from fastconv.evidence.contest.heats import OURS, Entry, Standing, median_ratio
from fastconv.evidence.contest.networks.shared import SharedNetwork
from fastconv.evidence.contest.turns import TurnsRun


@dataclass(frozen=True)
class NetworkHeat(Standing):
    """All engines over one step of one network.

    Attributes
    ----------
    network, description, step : str
        What ran.
    optimizer : str
        Update rule of a training step; empty for an inference.
    batch, parameters : int
        Inputs at once; numbers that are trained.
    flops : int
        Floating-point operations, a multiply-add counted as two; a training step counts three times an inference.
    entries : tuple of Entry
        Every variant of every engine.
    refused : dict of str to str
        Engines that did not run, and why.
    peaks, single_peaks : tuple of float
        GFLOP/s of nothing but multiply-adds, in each round, on all threads and on one.
    threads : int
        Threads of the contest.
    """

    network: str
    description: str
    step: str
    optimizer: str
    batch: int
    parameters: int
    flops: int
    entries: tuple[Entry, ...]
    refused: dict[str, str]
    peaks: tuple[float, ...]
    single_peaks: tuple[float, ...]
    threads: int

    DERIVED = ("ratio", "best_other", "gflops", "of_peak", "ratios")

    def __str__(self) -> str:
        return " ".join(filter(None, (self.network, self.step, self.optimizer, f"batch {self.batch}")))

    @property
    def kind(self) -> str:
        """What it is counted with."""
        if self.step == TRAINING:
            return TRAINING
        return f"{self.step}, one input" if self.batch == 1 else f"{self.step}, several inputs"

    def ratio_to(self, engine: str) -> float | None:
        """Median over the rounds of the best time of one engine divided by ours: above 1, fastconv is faster."""
        theirs = [entry for entry in self.entries if entry.engine == engine and entry.ok]
        return median_ratio(self.least(theirs), self.best(ours=True))

    @property
    def ratios(self) -> dict[str, float | None]:
        """The same of each other engine that ran."""
        names = dict.fromkeys(entry.engine for entry in self.entries if entry.engine != OURS)
        return {name: self.ratio_to(name) for name in names}


@dataclass
class NetworkRun(TurnsRun):
    """One heat on its way; see `TurnsRun`. What the engines need to get ready, as to compile, is not in its budget."""

    shared: SharedNetwork

    def run(self, report: Callable[[str], None]) -> NetworkHeat:
        """Prepare and check everybody, then time in rounds."""
        report("checking")
        runners = self.ready()
        self.take_turns(runners, time.perf_counter(), report)
        case = self.shared.case
        return NetworkHeat(
            network=case.network.name,
            description=case.network.description,
            step=case.step,
            optimizer=case.optimizer,
            batch=case.batch,
            parameters=self.shared.parameters,
            flops=self.shared.flops,
            entries=self.entries(runners),
            refused=self.refused,
            peaks=tuple(self.peaks),
            single_peaks=tuple(self.single_peaks),
            threads=self.threads,
        )

"""What was found in one pass of one workload: frozen records with the figures that follow from them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import median

from fastconv.report.record import ADDED
from fastconv.testing.error_bounds import EXACT

OURS = "fastconv"

Rounds = tuple[float | None, ...]


def median_ratio(numerators: Sequence[float | None], denominators: Sequence[float | None]) -> float | None:
    """Median over the rounds of the quotients within each round; rounds in which one did not run do not count.

    Examples
    --------
    >>> median_ratio([2.0, None, 9.0, 8.0], [1.0, 1.0, 3.0, 2.0])
    3.0
    """
    quotients = [a / b for a, b in zip(numerators, denominators) if a is not None and b is not None]
    return median(quotients) if quotients else None


@dataclass(frozen=True)
class Entry:
    """One variant of one engine in one heat.

    Attributes
    ----------
    engine, variant : str
        Who, and in which order of memory.
    rounds : tuple of float or None
        Seconds of a call in each round; None where it rested, being far behind.
    of_tolerance : float
        Worst element of all results as a share of what is allowed for it.
    max_abs : float
        Largest absolute difference from the result in float64.
    limit : float
        What `of_tolerance` may be: 1 for fastconv, which promises it; more for the others, which do not.
    promise : str
        What is allowed for the worst element, in words: of a layer ``64 eps sum |x·w|``, but for Winograd's algorithm.
    algorithms : dict of str to str
        Of fastconv, what computes each result of a layer.
    """

    engine: str
    variant: str
    rounds: Rounds
    of_tolerance: float
    max_abs: float
    limit: float
    promise: str = field(default=EXACT, metadata=ADDED)
    algorithms: dict[str, str] = field(default_factory=dict, metadata=ADDED)

    DERIVED = ("seconds", "ok")

    def __str__(self) -> str:
        return f"{self.engine} {self.variant}"

    @property
    def ok(self) -> bool:
        """Whether the results are right."""
        return self.of_tolerance <= self.limit

    @property
    def seconds(self) -> float | None:
        """Median over the rounds."""
        return median_ratio(self.rounds, [1.0] * len(self.rounds))


class Standing:
    """Who is ahead in a heat, and how near fastconv is to the peak."""

    entries: tuple[Entry, ...]
    peaks: tuple[float, ...]
    flops: int

    def best(self, *, ours: bool) -> Rounds:
        """Shortest time in each round, of the variants of fastconv or of all others; wrong results do not count."""
        return self.least([entry for entry in self.entries if (entry.engine == OURS) == ours and entry.ok])

    def least(self, entries: Sequence[Entry]) -> Rounds:
        """Shortest time of some variants in each round."""
        return tuple(_least(entry.rounds[index] for entry in entries) for index in range(len(self.peaks)))

    @property
    def ratio(self) -> float | None:
        """Median over the rounds of the best time of the others divided by ours: above 1, fastconv is faster."""
        return median_ratio(self.best(ours=False), self.best(ours=True))

    @property
    def best_other(self) -> str | None:
        """The engine and variant with the shortest median among the others."""
        timed = {
            str(entry): entry.seconds
            for entry in self.entries
            if entry.engine != OURS and entry.ok and entry.seconds is not None
        }
        return min(timed, key=lambda name: timed[name], default=None)

    @property
    def gflops(self) -> float | None:
        """GFLOP/s of fastconv."""
        return median_ratio([self.flops / 1e9] * len(self.peaks), self.best(ours=True))

    @property
    def of_peak(self) -> float | None:
        """GFLOP/s of fastconv divided by the peak of the same round."""
        return self._of_peak(self.best(ours=True), self.flops)

    def _of_peak(self, seconds: Rounds, flops: int) -> float | None:
        rates = [None if time is None else flops / time / 1e9 for time in seconds]
        return median_ratio(rates, self.peaks)


@dataclass(frozen=True)
class Heat(Standing):
    """All engines over one pass of one workload in one dtype.

    Attributes
    ----------
    workload, description, step, dtype : str
        What ran.
    flops : int
        Floating-point operations of the pass, a multiply-add counted as two, padding included.
    entries : tuple of Entry
        Every variant of every engine.
    refused : dict of str to str
        Engines that did not run, and why.
    peaks, single_peaks : tuple of float
        GFLOP/s of nothing but multiply-adds, in each round, on all threads and on one.
    single_variant : str
        The variant of fastconv that ran on one thread as well.
    single : tuple of float or None
        Its seconds in each round; empty where the contest has one thread.
    parts : dict of str to tuple of float or None
        Seconds of the gradients by themselves, where they were timed.
    workspace, workspace_floor : int
        Bytes that the better variant of fastconv allocates beyond its results, and the bytes of one packed copy of the
        weights and one haloed copy of every other input.
    threads : int
        Threads of the contest.
    loop_seconds : float or None
        Seconds that the frozen loops would take, extrapolated from a crop.
    """

    workload: str
    description: str
    step: str
    dtype: str
    flops: int
    entries: tuple[Entry, ...]
    refused: dict[str, str]
    peaks: tuple[float, ...]
    single_peaks: tuple[float, ...]
    single_variant: str
    single: Rounds
    parts: dict[str, Rounds]
    workspace: int
    workspace_floor: int
    threads: int
    loop_seconds: float | None

    DERIVED = (
        "ratio",
        "best_other",
        "gflops",
        "of_peak",
        "scaling",
        "times_faster",
        "excess_workspace",
        "parts_of_peak",
    )

    def part_of_peak(self, gradient: str) -> float | None:
        """The same of one gradient by itself, ``dx`` or ``dweight``, which is half of the work."""
        return self._of_peak(self.parts.get(gradient, ()), self.flops // 2)

    @property
    def parts_of_peak(self) -> dict[str, float | None]:
        """The same of every gradient that was timed."""
        return {gradient: self.part_of_peak(gradient) for gradient in self.parts}

    @property
    def scaling(self) -> float | None:
        """What fastconv gains by its threads, divided by what nothing but multiply-adds gains in the same round."""
        together = next(
            (entry.rounds for entry in self.entries if (entry.engine, entry.variant) == (OURS, self.single_variant)), ()
        )
        gains = [None if a is None or b is None else a / b for a, b in zip(self.single, together)]
        return median_ratio(gains, [many / one for many, one in zip(self.peaks, self.single_peaks)])

    @property
    def times_faster(self) -> float | None:
        """Time of the frozen loops divided by that of fastconv."""
        ours = median_ratio(self.best(ours=True), [1.0] * len(self.peaks))
        return None if self.loop_seconds is None or ours is None else self.loop_seconds / ours

    @property
    def excess_workspace(self) -> float:
        """Bytes of workspace for each thread, beyond the copies that are allowed."""
        return max(0, self.workspace - self.workspace_floor) / self.threads


def _least(times: Iterable[float | None]) -> float | None:
    return min((time for time in times if time is not None), default=None)


@dataclass(frozen=True)
class Startup:
    """What a new process waits for, in seconds.

    Attributes
    ----------
    cold, warm : float
        From before ``import fastconv`` (NumPy is there already) to the first result of a convolution, with an empty
        cache on disk and with a full one.
    warmup : float
        `fastconv warmup` with an empty cache, from the start of its process to the end.
    """

    cold: float
    warm: float
    warmup: float

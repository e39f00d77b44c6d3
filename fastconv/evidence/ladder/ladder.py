"""What a ladder found: prints as tables, saves as JSON, is drawn as bars (which needs the extra ``plot``)."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from fastconv.evidence.accuracy import OF_PROMISE
from fastconv.evidence.contest.heats import median_ratio
from fastconv.evidence.environment import Environment
from fastconv.evidence.ladder.rungs import LOOPS
from fastconv.report import Record, Report, Table, format_number, format_seconds, format_times
from fastconv.report.figure import bars_figure, save_figure
from fastconv.report.words import format_shape, plural

_NAME = "plot_ladder"
_HEADERS = (
    *("rung", "what it adds", "threads", "of it", "time", "faster than before", "than the loops"),
    *("GFLOP/s", "of peak", "error"),
)
_SPARE = ("what it adds", "of it", "error", "than the loops", "GFLOP/s", "of peak")
_NOTES = (
    "time: of the whole layer, median over the rounds; extrapolated where only a part of it ran.",
    "of it: the outputs that ran. faster: median of the quotients within each round.",
    "GFLOP/s: a multiply-add counts as two, padding included, also where a rung multiplies less.",
    "of peak: divided by what nothing but multiply-adds reaches in the same round, on as many threads.",
    "error: the worst element as a share of what is promised, from the result in float64.",
    OF_PROMISE,
    "One process for each rung; NumPy and its BLAS have one thread.",
    "Arrays are planes, and channels last for the engine; what a rung pads, packs or reorders is in its time.",
)


@dataclass(frozen=True)
class Measured:
    """One rung in one pass.

    Attributes
    ----------
    rung, adds : str
        Which, and what it does that the one before does not.
    step : {"forward", "backward"}
        Which pass.
    threads : int
        Threads that ran.
    outputs, whole_outputs : int
        Outputs that were computed, and those of the whole layer.
    rounds : tuple of float
        Seconds of the whole layer in each round, extrapolated where only a part of it ran; none if it is wrong.
    of_tolerance : float
        Worst element of all results as a share of what is allowed for it.
    max_abs : float
        Largest absolute difference from the result in float64.
    """

    rung: str
    adds: str
    step: str
    threads: int
    outputs: int
    whole_outputs: int
    rounds: tuple[float, ...]
    of_tolerance: float
    max_abs: float

    DERIVED = ("seconds",)

    @property
    def ok(self) -> bool:
        """Whether the results are right."""
        return self.of_tolerance <= 1

    @property
    def seconds(self) -> float | None:
        """Median over the rounds."""
        return median_ratio(self.rounds, [1.0] * len(self.rounds))


@dataclass(frozen=True)
class Gain:
    """How far one rung got in one pass; None where it has no time, or the other has none.

    Attributes
    ----------
    rung, step : str
        Which.
    before, loops : float or None
        Time of the rung before it, and of the frozen loops, divided by its own.
    gflops : float or None
        GFLOP/s.
    of_peak : float or None
        That as a share of what nothing but multiply-adds reaches on as many threads.
    """

    rung: str
    step: str
    before: float | None
    loops: float | None
    gflops: float | None
    of_peak: float | None


@dataclass(frozen=True, repr=False)
class Ladder(Record):
    """Every rung in every pass, and where the numbers come from.

    Attributes
    ----------
    workload, description, dtype : str
        What ran.
    input_shape, weight_shape, stride : tuple of int
        Its sizes.
    padding : tuple of (int, int)
        Before and after, per axis.
    flops : int
        Floating-point operations of the forward pass, a multiply-add counted as two, padding included; backward, dx
        and dweight, has twice as many.
    measured : tuple of Measured
        The rungs, from the bottom, one pass after the other.
    peaks : dict of str to tuple of float
        GFLOP/s of nothing but multiply-adds in each round, on one thread and on all: by pass and number of threads,
        as in ``"forward 2"``.
    environment : Environment
        Machine and versions.
    seconds : float
        What it took.
    """

    workload: str
    description: str
    dtype: str
    input_shape: tuple[int, ...]
    weight_shape: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]
    flops: int
    measured: tuple[Measured, ...]
    peaks: dict[str, tuple[float, ...]]
    environment: Environment
    seconds: float

    FORMAT = "fastconv-ladder/1"
    DERIVED = ("ok", "gains")

    @property
    def ok(self) -> bool:
        """Whether every result is within its tolerance."""
        return all(each.ok for each in self.measured)

    @property
    def passes(self) -> dict[str, list[Measured]]:
        """Rungs by pass."""
        found: dict[str, list[Measured]] = {}
        for each in self.measured:
            found.setdefault(each.step, []).append(each)
        return found

    @property
    def gains(self) -> tuple[Gain, ...]:
        """How far every rung got."""
        return tuple(gain for rungs in self.passes.values() for gain in self._gains(rungs))

    def _gains(self, rungs: Sequence[Measured]) -> Iterator[Gain]:
        loops = next((each.rounds for each in rungs if each.rung == LOOPS), ())
        before: tuple[float, ...] = ()
        for each in rungs:
            work = self.flops * (1 if each.step == "forward" else 2) / 1e9
            rates = [work / seconds for seconds in each.rounds]
            yield Gain(
                each.rung,
                each.step,
                median_ratio(before, each.rounds),
                median_ratio(loops, each.rounds),
                median_ratio(rates, [1.0] * len(rates)),
                median_ratio(rates, self.peaks[peak_of(each.step, each.threads)]),
            )
            before = each.rounds

    def report(self) -> Report:
        """Return a table for each pass."""
        gains = {(gain.rung, gain.step): gain for gain in self.gains}
        tables = tuple(
            self._table(step, [(each, gains[each.rung, step]) for each in rungs]) for step, rungs in self.passes.items()
        )
        notes = (self._layer(), *_NOTES, self.environment.origin(f"{self.seconds:.0f} s"))
        return Report(tables, notes, verdict=self.environment.caution)

    def failures(self) -> tuple[str, ...]:
        """Say whose results are wrong, one line each."""
        return tuple(
            f"ladder: {each.step} of {each.rung} must be within what is promised of the result in float64, but got "
            f"{each.of_tolerance:,.1f} times that (largest difference {each.max_abs:.2e})."
            for each in self.measured
            if not each.ok
        )

    def _table(self, step: str, rows: Sequence[tuple[Measured, Gain]]) -> Table:
        return Table(f"The ladder, {step}, {self.dtype}", _HEADERS, tuple(_cells(*row) for row in rows), 2, _SPARE)

    def _layer(self) -> str:
        """What the layer is."""
        shapes = f"{format_shape(self.input_shape)} ⋆ {format_shape(self.weight_shape)}"
        padding = " and ".join(f"{before}:{after}" for before, after in self.padding)
        title = f"{self.workload}, {self.description}" if self.description else self.workload
        return f"{title}: {shapes}, stride {format_shape(self.stride)}, padding {padding}."


def peak_of(step: str, threads: int) -> str:
    """Key of the peaks of a pass on so many threads.

    Examples
    --------
    >>> peak_of("forward", 2)
    'forward 2'
    """
    return f"{step} {threads}"


def _cells(each: Measured, gain: Gain) -> tuple[str, ...]:
    share = each.outputs / each.whole_outputs
    error = "WRONG" if not each.ok else f"{each.of_tolerance:.0%}" if each.of_tolerance >= 0.01 else "< 1%"
    return (
        each.rung,
        each.adds,
        str(each.threads),
        "all" if share == 1 else f"{share:.2%}",
        format_number(None) if each.seconds is None else format_seconds(each.seconds),
        format_times(gain.before),
        format_times(gain.loops),
        format_number(gain.gflops, ",.0f" if (gain.gflops or 0) >= 10 else ".2g"),
        format_number(gain.of_peak, ".0%") if (gain.of_peak or 1) >= 0.01 else "< 1%",
        error,
    )


def plot_ladder(ladder: Ladder, path: str | os.PathLike[str]) -> None:
    """Draw how many times faster than the loops every rung is.

    Files, suffixes and errors are those of `save_figure`.
    """
    save_figure(_NAME, path, lambda: _figure(ladder))


def _figure(ladder: Ladder) -> Any:
    """One bar for each pass of each rung, from the loops down."""
    names = list(dict.fromkeys(each.rung for each in ladder.measured))
    gains = {(gain.step, gain.rung): gain.loops for gain in ladder.gains}
    series = {step: [gains.get((step, name)) for name in names] for step in ladder.passes}
    title = f"{ladder.workload}, {ladder.dtype}, {plural(ladder.input_shape[0], 'image')}"
    figure = bars_figure(_NAME, names, {title: series}, format_times, ladder.environment.headline)
    figure.axes[0].set_xlabel("times faster than the frozen loops")
    return figure

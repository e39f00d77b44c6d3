"""Whether times can be relied on: how much of the processors others took meanwhile, and whether the peak moved."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from fastconv.evidence.environment import Environment

_MOVED = 0.15  # of the larger of two peaks
_SPARED = 0.25  # cores that others may take from what runs: the system itself is never still
_STAT = Path("/proc/stat")
_IDLE = (3, 4)  # places of the idle times in its lines; those after the eighth are in others
_PLACES = 8


class Watch:
    """What others take of the processors, from when it is made; nothing is known of that but on Linux."""

    def __init__(self) -> None:
        self._start = time.perf_counter()
        self._all, self._own = _busy_seconds(), _own_seconds()

    def others(self) -> float | None:
        """Cores that other processes took, on average; those of children count as own when they have ended."""
        everything = _busy_seconds()
        if everything is None or self._all is None:
            return None
        taken = everything - self._all - (_own_seconds() - self._own)
        return max(0.0, taken / max(1e-9, time.perf_counter() - self._start))

    def judged(self, environment: Environment, peaks: Iterable[float | None] = ()) -> Environment:
        """Return the environment with the reasons for which the times are not reliable, if there are any.

        Parameters
        ----------
        environment : Environment
            Of the run, with the threads that ran.
        peaks : iterable of float or None
            GFLOP/s of nothing but multiply-adds at several moments, of one dtype and as many threads.
        """
        return doubted(environment, *busy(environment, self.others()), *moved(peaks))


def doubted(environment: Environment, *reasons: str) -> Environment:
    """Return the environment with more reasons for which the times are not reliable."""
    known = [environment.unreliable] if environment.unreliable else []
    return replace(environment, unreliable=" and ".join([*known, *reasons]))


def busy(environment: Environment, others: float | None) -> tuple[str, ...]:
    """Say that others took what the threads of a run needed.

    Parameters
    ----------
    environment : Environment
        Of the run: its cores and threads.
    others : float or None
        Cores that others took.
    """
    free = environment.cores - environment.threads
    if others is None or others <= free + _SPARED:
        return ()
    return (f"other processes took {others:.1f} of {environment.cores} cores",)


def moved(peaks: Iterable[float | None]) -> tuple[str, ...]:
    """Say that the peak is not what it was.

    Examples
    --------
    >>> moved([265.0, 250.0]), moved([265.0, None, 190.0])
    ((), ('the peak moved between 190 and 265 GFLOP/s',))
    """
    found = [peak for peak in peaks if peak]
    if not found or min(found) >= (1 - _MOVED) * max(found):
        return ()
    return (f"the peak moved between {min(found):,.0f} and {max(found):,.0f} GFLOP/s",)


def _own_seconds() -> float:
    """Processor time of this process and of its children that have ended."""
    return sum(os.times()[:4])


def _busy_seconds() -> float | None:
    """Processor time that everybody took of the cores that this process may use."""
    try:
        lines = _STAT.read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    mine = {f"cpu{core}" for core in os.sched_getaffinity(0)}
    ticks = 0
    for name, *times in (line.split() for line in lines if line.startswith("cpu")):
        if name in mine:
            ticks += sum(int(each) for place, each in enumerate(times[:_PLACES]) if place not in _IDLE)
    return ticks / os.sysconf("SC_CLK_TCK")

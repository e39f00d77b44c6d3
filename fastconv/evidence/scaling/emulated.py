"""Ranks that are not there: a communicator of one process that says it is one of many, and takes their time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from fastconv.evidence.scaling.network import Network
from fastconv.validation.arrays import Array


class Emulated:
    """Rank 0 of a number of ranks that all have the same gradients.

    Parameters
    ----------
    size : int
        How many there are.
    network : Network
        What connects them. A sum that goes on beside the computation is ready after its time, and those before it.

    Attributes
    ----------
    events : list of (str, int, float)
        What happened: "start" of a sum, "wait" for the first of them, "sum" at the end of a step; bytes; when.
    """

    rank = 0

    def __init__(self, size: int, network: Network) -> None:
        self.size, self._network = size, network
        self.events: list[tuple[str, int, float]] = []
        self._free = 0.0

    def Dup(self) -> Emulated:
        """Return itself: nobody else has messages."""
        return self

    def Allreduce(self, values: Array, total: Array) -> None:
        """Sum at once."""
        self._note("sum", values.nbytes)
        np.multiply(values, 1, out=total)
        _sleep_until(time.perf_counter() + self._network.seconds(values.nbytes, self.size))

    def Iallreduce(self, values: Array, total: Array) -> _Request:
        """Start a sum."""
        self._note("start", values.nbytes)
        np.multiply(values, 1, out=total)
        self._free = max(self._free, time.perf_counter()) + self._network.seconds(values.nbytes, self.size)
        return _Request(self._free, lambda: self._note("wait", 0))

    def allgather(self, value: Any) -> list[Any]:
        """Return what all ranks have."""
        return [value] * self.size

    def bcast(self, value: Any) -> Any:
        """Return what rank 0 has."""
        return value

    def Abort(self, code: int) -> None:
        """Do nothing: the exception goes on."""

    def _note(self, kind: str, size: int) -> None:
        self.events.append((kind, size, time.perf_counter()))


class _Request:
    def __init__(self, ready: float, note: Callable[[], None]) -> None:
        self._ready, self._note = ready, note

    def Test(self) -> bool:
        return time.perf_counter() >= self._ready

    def Wait(self) -> None:
        self._note()
        _sleep_until(self._ready)


def _sleep_until(when: float) -> None:
    """Wait, asleep but for the last millisecond, of which the system may take its part."""
    while (left := when - time.perf_counter()) > 0:
        if left > 2e-3:
            time.sleep(left - 1e-3)

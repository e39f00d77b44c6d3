"""The calls of a problem, timed again and again in the process of somebody's code."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from typing import Any

from fastconv.dropin.check.recorder import Recorder, perform
from fastconv.dropin.conventions import Implementation, Problem

_ROUND = 0.02  # seconds that a round lasts at least: far above the resolution of the clock
_MOST_CALLS = 1000


class TimedCalls:
    """One run of a problem, whose calls can be repeated.

    Only the calls of the functions themselves are repeated and timed: not what puts the arrays into their form, and no
    constructor.

    Parameters
    ----------
    implementation : Implementation
        What to call.
    problem : Problem
        On what.

    Attributes
    ----------
    results : Results
        What came out.
    seconds : dict of str to float
        Time of the first calls, by pass.
    """

    def __init__(self, implementation: Implementation, problem: Problem) -> None:
        recorder = _Timed(problem.memory, write=lambda name, array, memory: [])
        self.results = perform(implementation, problem, recorder)
        self.seconds = recorder.seconds
        self._calls = recorder.calls

    def turn(self, step: str) -> float:
        """Time the calls of a pass for a moment; return the seconds of one repetition."""
        calls = [call for name, call in self._calls if name == step]
        gc.disable()
        try:
            spent = _time(calls, 1)
            count = min(_MOST_CALLS, int(_ROUND / max(spent, 1e-9)))
            return _time(calls, count) if count > 1 else spent
        finally:
            gc.enable()


def _time(calls: list[Callable[[], Any]], count: int) -> float:
    start = time.perf_counter()
    for _ in range(count):
        for call in calls:
            call()
    return (time.perf_counter() - start) / count


class _Timed(Recorder):
    """A recorder that times the first calls."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.seconds: dict[str, float] = {}

    def run(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        start = time.perf_counter()
        result = super().run(target, args, kwargs)
        if not isinstance(target, type):
            self.seconds[self.step] = self.seconds.get(self.step, 0.0) + time.perf_counter() - start
        return result

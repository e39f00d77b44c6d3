"""The process of one engine: ``python -m fastconv.evidence.contest.worker module:Class THREADS``.

It does one thing at a time, when a message on its standard input asks for it, and sleeps in between.
"""

from __future__ import annotations

import gc
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from fastconv.evidence.contest.engines import load
from fastconv.evidence.contest.engines.base import Prepared, Refusal
from fastconv.evidence.contest.engines.networks.base import NetworkEngine
from fastconv.evidence.contest.networks.model_files import read_model_file
from fastconv.evidence.contest.networks.shared import read_network
from fastconv.evidence.contest.shared import read_job
from fastconv.evidence.process import Message, answer_messages
from fastconv.evidence.timing import settle, workspace

_MOST_CALLS = 1000


class EngineWorker:
    """One engine, and the pass that it has prepared.

    Parameters
    ----------
    place : str
        ``module:Class`` of the engine.
    threads : int
        Threads that it may use.
    """

    def __init__(self, place: str, threads: int) -> None:
        self.engine: Any = load(place)(threads)
        self._ready: dict[str, Prepared] = {}
        self._resting = time.process_time(), time.perf_counter()

    def answer(self, message: Message) -> Message:
        """Do what a message asks for."""
        action: Callable[..., Message] = getattr(self, "do_" + message.pop("do"))
        answer = action(**message)
        settle()
        self._resting = time.process_time(), time.perf_counter()
        return answer

    def do_versions(self) -> Message:
        """Return the versions of the engine."""
        return {"versions": self.engine.versions()}

    def do_prepare(self, folder: str, step: str) -> Message:
        """Prepare a pass over the arrays of a folder, run every variant, and leave its results in files."""
        self._ready.clear()
        file = read_model_file(Path(folder), step)
        read: Callable[..., Any] = read_network if isinstance(self.engine, NetworkEngine) else read_job
        job = read(Path(folder), step) if file is None else file
        try:
            variants = self.engine.prepare(job) if file is None else self.engine.prepare_file(file)
        except Refusal as refusal:
            return {"refused": str(refusal)}
        self._ready = {**variants, **self.engine.extras(job)}
        return {"variants": {name: self._first(name, Path(folder)) for name in variants}}

    def _first(self, name: str, folder: Path) -> Message:
        """Run a variant for the first time; return its files, and the seconds of a second run."""
        prepared = self._ready[name]
        files = {}
        for array, values in prepared.results(prepared.run()).items():
            files[array] = str(folder / f"{type(self.engine).__name__}-{name}-{array}.npy")
            np.save(files[array], values)
        start = time.perf_counter()
        prepared.run()
        return {"files": files, "seconds": time.perf_counter() - start}

    def do_turn(self, variant: str, seconds: float) -> Message:
        """Time a variant for about so many seconds; say what the process did since its last turn, too."""
        busy, start = time.process_time(), time.perf_counter()
        between = {"busy": busy - self._resting[0], "rested": start - self._resting[1]}
        return {"seconds": timed_turn(self._ready[variant].run, seconds), **between}

    def do_peak(self, dtype: str, threads: int, seconds: float) -> Message:
        """Measure the floating-point peak."""
        from fastconv.evidence.peak import measure_peak

        return {"gflops": measure_peak(dtype, threads, seconds)}

    def do_workspace(self, variant: str) -> Message:
        """Trace the memory of a variant beyond its results, kept buffers included."""
        prepared = self._ready[variant]
        return {"bytes": workspace(lambda: prepared.results(prepared.run()), "fast")}


def timed_turn(run: Callable[[], Any], seconds: float) -> float:
    """Median seconds of a call, over as many as fit; one more before them wakes the threads and fills the caches."""
    start = time.perf_counter()
    run()
    calls = max(1, min(_MOST_CALLS, round(seconds / max(time.perf_counter() - start, 1e-9))))
    spent = []
    gc.disable()
    try:
        for _ in range(calls):
            start = time.perf_counter()
            run()
            spent.append(time.perf_counter() - start)
    finally:
        gc.enable()
    return median(spent)


def _use_cores(threads: int) -> None:
    """Keep to as many cores as there are threads: the one setting that every engine understands."""
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        if threads < len(cores):
            os.sched_setaffinity(0, cores[:threads])


def main(place: str, threads: int) -> None:
    """Answer messages until the standard input ends."""
    _use_cores(threads)
    worker: EngineWorker | None = None

    def answer(message: Message) -> Message:
        nonlocal worker
        worker = worker or EngineWorker(place, threads)  # here, so that what it raises is an answer too
        return worker.answer(message)

    answer_messages(answer)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))

"""The engines as the contest sees them, each in its process: started, asked, and ended without a trace."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

from fastconv.evidence.contest.engines import Entrant
from fastconv.evidence.process import Message, Worker, child_environment

_TIME_LIMIT = 300.0  # seconds for one answer; compiling everything takes a few
# Settings that would let an engine spin while another is timed, or that would change what is compared.
_CLEARED = (
    "FASTCONV_BACKEND",
    "FASTCONV_NUM_THREADS",
    "GOMP_SPINCOUNT",
    "KMP_BLOCKTIME",
    "MKL_NUM_THREADS",
    "OMP_NUM_THREADS",
    "OMP_WAIT_POLICY",
    "XLA_FLAGS",
)


class EngineProcess:
    """One engine at work in its process.

    Parameters
    ----------
    entrant : Entrant
        The engine.
    threads : int
        Threads that it may use.
    operation : str
        Whom messages name.
    **variables
        Of its environment.

    Attributes
    ----------
    busy, rested : float
        Seconds of processor time that the process used between its turns, and how long those breaks were.
    """

    def __init__(self, entrant: Entrant, threads: int, *, operation: str = "contest", **variables: str) -> None:
        self.name, self.busy, self.rested = entrant.name, 0.0, 0.0
        program = ("-m", "fastconv.evidence.contest.worker", entrant.place, str(threads))
        environment = child_environment(_CLEARED, JAX_PLATFORMS="cpu", **variables)
        self.worker = Worker(f"{operation}: {entrant.name}", program, environment, _TIME_LIMIT)

    def ask(self, do: str, **details: Any) -> Message:
        """Send a message and wait for the answer; raise `WorkerError` where it is an error or does not come."""
        return self.worker.ask({"do": do, **details})

    def turn(self, variant: str, seconds: float) -> float:
        """Let a variant be timed; return the median seconds of a call."""
        answer = self.ask("turn", variant=variant, seconds=seconds)
        self.busy += answer["busy"]
        self.rested += answer["rested"]
        return float(answer["seconds"])


@contextlib.contextmanager
def engine_processes(entrants: Sequence[Entrant], threads: int) -> Iterator[list[EngineProcess]]:
    """Start a process for each engine; none is left at the end of the ``with`` block, however it ends."""
    processes: list[EngineProcess] = []
    try:
        for entrant in entrants:
            processes.append(EngineProcess(entrant, threads))  # noqa: PERF401 (what started is ended if one does not)
        yield processes
    finally:
        for process in processes:
            process.worker.end()

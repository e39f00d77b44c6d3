"""Recordings: what one thread starts while it computes something, for `fastconv.programs`.

A recording hears of every run of a kernel, with a copy of its argument block, and of every array whose address was
asked for. It keeps these arrays, so that no address is given twice, and thereby tells what an entry of a block points
into. Scratch memory is not used again while a recording runs.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Block = NDArray[np.int64]


class Run(NamedTuple):
    """One run of a kernel: tasks `first` to ``first + tasks - 1`` over an argument block, on so many threads."""

    kernel: int
    arguments: Block
    first: int
    tasks: int
    threads: int
    work: float  # in the unit of `launch.SLICE`
    scratch: tuple[int, int] = (0, 0)  # an entry whose address is so many bytes before the memory that it is of


PATIENCE = 5.0  # seconds


class BusyError(Exception):
    """Another thread records."""


class Recording:
    """What was heard: runs in order, arrays, and bounds, addresses at which another part of scratch memory starts.

    Numbers are arrays of one number that a kernel wrote and Python took.
    """

    def __init__(self) -> None:
        self.thread, self.deaf = threading.get_ident(), False
        self.dry = False  # whether kernels are heard of, and not run
        self.groups = 1  # groups of images like this one, of a batch that is done in groups
        self.runs: list[Run] = []
        self.arrays: list[NDArray[Any]] = []
        self.numbers: list[NDArray[Any]] = []
        self.plans: list[NDArray[Any]] = []  # tables of plans, whichever thread made them
        self.bounds: set[int] = set()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Hear of new plans alone, which stay."""
        self.deaf = True
        try:
            yield
        finally:
            self.deaf = False


active: list[Recording] = []  # at most one; looked at by every call of the engine
_lock = threading.Lock()


@contextmanager
def recording() -> Iterator[Recording]:
    """Record what this thread does inside the block.

    Another thread that wants to record waits; it may be what this one waits for, and so only for a while.

    Raises
    ------
    BusyError
        If another thread goes on recording.
    """
    lock = _lock
    if not lock.acquire(timeout=PATIENCE):
        raise BusyError
    record = Recording()
    try:
        active.append(record)
        yield record
    finally:
        active.clear()
        lock.release()


def listening() -> Recording | None:
    """Recording of this thread, if there is one that is not paused."""
    record = active[0] if active else None
    return record if record is not None and is_recording() and not record.deaf else None


def groups_of_images() -> int:
    """How many times as many images there are as this thread is given: where it records one group of a batch."""
    return active[0].groups if active and is_recording() else 1  # also while it is paused


def taken(array: NDArray[Any]) -> float:
    """Return the number of an array of one, as a Python number; a recording hears where it came from."""
    if active and (record := listening()):
        record.numbers.append(array)
    return float(array[0])


def is_recording() -> bool:
    """Whether this thread records, or has paused."""
    return any(record.thread == threading.get_ident() for record in active)


def _after_fork() -> None:
    global _lock
    _lock = threading.Lock()
    active.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)

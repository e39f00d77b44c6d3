"""The processes that train together: what they agree on, and what happens if one of them fails."""

from __future__ import annotations

import os
import platform
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np

from fastconv._version import __version__
from fastconv.backends.settings import threads_are_chosen
from fastconv.errors import DivergedError, InvalidTypeError, InvalidValueError, shown
from fastconv.parallel.shares import Share
from fastconv.validation.arrays import Array

T = TypeVar("T")
E = TypeVar("E", bound=BaseException)
_OF_ALL = "_of_all_ranks"
_FAILED = 1  # exit code of all ranks where one has failed


class Ranks:
    """The ranks of a communicator.

    Parameters
    ----------
    operation : str
        Whom the message of an error names.
    communicator : mpi4py.MPI.Intracomm or None
        None is this process alone. Everybody else's messages stay apart: a duplicate is used.

    Attributes
    ----------
    communicator
        As it was passed.
    rank, size : int
        Number of this process, from 0, and how many there are.
    """

    def __init__(self, operation: str, communicator: Any = None) -> None:
        for name in () if communicator is None else ("Allreduce", "Iallreduce", "allgather", "bcast", "Abort"):
            if not callable(getattr(communicator, name, None)):
                raise InvalidTypeError(
                    f"{operation}: communicator must be one of mpi4py, such as MPI.COMM_WORLD, or None, but got "
                    f"{shown(communicator)}."
                )
        self.communicator = communicator
        self.rank: int = 0 if communicator is None else communicator.rank
        self.size: int = 1 if communicator is None else communicator.size
        self._comm = communicator.Dup() if self.size > 1 else None

    @property
    def is_first(self) -> bool:
        """Whether this is rank 0, which writes files and reports."""
        return self.rank == 0

    def share(self, whole: int) -> Share:
        """Images of a batch of `whole` that belong to this rank."""
        return Share.of(whole, self.rank, self.size)

    # what is the same on all ranks

    def totals(self, *numbers: float) -> list[float]:
        """Return the sums of numbers over all ranks."""
        if self._comm is None:
            return [*numbers]
        values = np.array(numbers, np.float64)
        total = np.empty_like(values)
        self._comm.Allreduce(values, total)
        return [*map(float, total)]

    def gathered(self, value: T) -> list[T]:
        """Return what each rank has."""
        return [value] if self._comm is None else self._comm.allgather(value)

    def from_first(self, value: T) -> T:
        """Return what rank 0 has."""
        return value if self._comm is None else self._comm.bcast(value)

    def by_first(self, function: Callable[[], T]) -> T:
        """Return what a function gives on rank 0, where alone it is called; what it raises is raised everywhere."""
        return self._together(function, calls=self.is_first)

    def by_all(self, function: Callable[[], T]) -> T:
        """Return what a function gives here, unless it raises on any rank, which is raised everywhere."""
        return self._together(function, own=True)

    def _together(self, function: Callable[[], T], *, calls: bool = True, own: bool = False) -> T:
        if self._comm is None:
            return function()
        result: Any = None
        error: BaseException | None = None
        if calls:
            try:
                result = function()
            except Exception as raised:  # noqa: BLE001 - raised again, everywhere
                error = raised
        found = self.gathered(None if error is None else f"{type(error).__name__}: {error}")
        rank = next((rank for rank, message in enumerate(found) if message is not None), None)
        if rank is not None:
            raise _of_all(error or RankError(f"rank {rank}: {found[rank]}"))
        given: T = result if own else self.from_first(result)
        return given

    def check_same(self, operation: str, values: Callable[[], Mapping[str, Any]]) -> None:
        """Refuse ranks that differ in what has to be the same, by name."""
        if self._comm is None:
            return
        everybody = self.gathered(dict(values()))
        differing = [
            f"{name} ({', '.join(f'{each.get(name)} on rank {rank}' for rank, each in enumerate(everybody))})"
            for name in {name: None for each in everybody for name in each}
            if any(each.get(name) != everybody[0].get(name) for each in everybody)
        ]
        if differing:
            error = f"{operation}: all ranks must train the same network on the same data, but these differ: "
            raise _of_all(InvalidValueError(f"{error}{'; '.join(differing)}."))

    # sums that go on while something else is computed

    def start_sum(self, values: Array, total: Array) -> Any:
        """Start to sum arrays over all ranks; the request is to be waited for."""
        assert self._comm is not None
        return self._comm.Iallreduce(values, total)

    def threads(self) -> int | None:
        """Threads for this rank: its part of the cores it shares with others; None alone, and where they are set."""
        if self._comm is None:
            return None
        cores = frozenset(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        here = platform.node(), cores
        sharing = self.gathered(here).count(here)  # by all ranks, also those that have chosen
        if threads_are_chosen():
            return None
        return max(1, (len(cores) if isinstance(cores, frozenset) else cores or 1) // sharing)

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """End all ranks, with the message, if this one fails alone: the others would wait for it."""
        try:
            yield
        except BaseException as error:
            if self._comm is None or isinstance(error, DivergedError) or hasattr(error, _OF_ALL):
                raise  # so do the others
            print(f"rank {self.rank} of {self.size}: {_described(error)}", file=sys.__stderr__, flush=True)
            self._comm.Abort(_FAILED)
            raise

    def interrupted(self) -> KeyboardInterrupt:
        """Return what all ranks raise after Ctrl-C was heard by one."""
        return _of_all(KeyboardInterrupt())


def versions() -> dict[str, str]:
    """Versions that all ranks must have in common."""
    return {"fastconv": __version__, "numpy": np.__version__, "python": platform.python_version()}


class RankError(RuntimeError):
    """Another rank has failed; the message is its."""


def _of_all(error: E) -> E:
    """Mark what every rank raises, so that none ends the others for it."""
    setattr(error, _OF_ALL, True)
    return error


def _described(error: BaseException) -> str:
    if isinstance(error, (InvalidValueError, InvalidTypeError, OSError, MemoryError)):
        return f"{type(error).__name__}: {error}"
    return "".join(traceback.format_exception(type(error), error, error.__traceback__)).rstrip()

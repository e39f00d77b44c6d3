"""A program over a batch that goes a few images at a time, each group on one thread, in memory that stays in its cache.

Threads then wait for each other once, and what one kernel leaves for the next, with its border and what a pooling makes
of it, has not left the core in between.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from fastconv.backends.base import Array
from fastconv.backends.fast.machine.launch import GROUPS, SLICE, address, run_groups
from fastconv.backends.fast.memory.workspace import ALIGNMENT, aligned
from fastconv.backends.fast.program import KEPT_CONTEXTS, Break, FastProgram, Step, table_of


@dataclass
class _Context:
    """Memory of a call: the argument block of all groups, and what it holds the addresses of."""

    arguments: Array
    workers: Array
    memory: list[tuple[Array, Array, Array]]  # arena, argument blocks and table of each worker


class GroupedProgram:
    """A program over a batch.

    Parameters
    ----------
    part : FastProgram
        What is done with a group of images: recorded for one thread; `can_group` says whether it fits.
    rest : FastProgram or None
        What is done with the results of all images.
    images, batch : int
        Images of a group, and of them all.
    threads : int
        Threads that share the groups.

    Attributes
    ----------
    runs, breaks, steps, constants, constant_bytes, arena_bytes
        As of `FastProgram`, of both parts.
    """

    def __init__(self, part: FastProgram, rest: FastProgram | None, images: int, batch: int, threads: int) -> None:
        self._part, self._rest, self.images, self._batch = part, rest, images, batch
        self.groups = batch // images
        self.threads = min(threads, self.groups)
        parts = [part] if rest is None else [part, rest]
        self.steps: list[Step] = [step for one in parts for step in one.steps]
        self.runs = [run for one in parts for run in one.runs]
        self.breaks: list[Break] = [step for one in parts for step in one.breaks]
        self.constants = sum(one.constants for one in parts)
        self.constant_bytes = sum(one.constant_bytes for one in parts)
        self.arena_bytes = self.threads * part.arena_bytes
        if rest is not None:
            self.arena_bytes += rest.arena_bytes + self._bytes
        work = sum(run.work for run in part.runs) * self.groups
        cuts = int(work // (SLICE * self.threads)) + 1
        self._cuts = sorted({self.groups * i // cuts for i in range(cuts + 1)})
        self._contexts: list[_Context] = []

    @property
    def _bytes(self) -> int:
        """Bytes of the results of all groups."""
        return self.groups * self._part.y_bytes

    def _context(self) -> _Context:
        part, memory, rows = self._part, [], []
        for _ in range(self.threads):
            arena, blocks = aligned(part.arena_bytes), part.blocks.copy()
            part.to_arena.set(blocks, address(arena))
            table = table_of(part.runs, [address(blocks) + start for start in part.starts])
            memory.append((arena, blocks, table))
            rows.append((address(table), address(blocks)))
        workers, (to_x,), to_y = np.array(rows, np.int64), part.to_inputs, part.to_y
        arguments = GROUPS.fill(
            WORKERS=address(workers), RUNS=len(part.runs), NEXT=0,
            X=0, X_GROUP=0, X_ENTRIES=address(to_x.entries), X_OFFSETS=address(to_x.offsets), X_COUNT=len(to_x.entries),
            Y=0, Y_GROUP=part.y_bytes, Y_ENTRIES=address(to_y.entries), Y_OFFSETS=address(to_y.offsets),
            Y_COUNT=len(to_y.entries),
        )  # fmt: skip
        return _Context(arguments, workers, memory)

    def results(self) -> Array:
        """Memory for the results of all groups."""
        y, memory = self._part.place, aligned(self._bytes + ALIGNMENT)[self._part.y_start :]
        return np.ndarray((self._batch, *y.shape[1:]), y.dtype, memory, 0, y.strides)

    def __call__(self, x: Array, out: Array | None = None) -> Array:
        """Return the output for an input of the shape and the strides of the recorded one."""
        try:
            context = self._contexts.pop()  # atomic: no other thread gets the same one
        except IndexError:
            context = self._context()
        result, arguments, place = self.results(), context.arguments, GROUPS.index
        arguments[place["X"]], arguments[place["X_GROUP"]] = address(x), self.images * x.strides[0]
        arguments[place["Y"]] = address(result)
        for first, last in pairwise(self._cuts):
            run_groups(arguments, first, last, self.threads)
        if len(self._contexts) < KEPT_CONTEXTS:
            self._contexts.append(context)
        return result if self._rest is None else self._rest(result, out=out)


def can_group(part: FastProgram) -> bool:
    """Whether the results of groups lie one after the other, and nothing is computed by NumPy."""
    y = part.place
    if not part.fresh or part.breaks or y.offset or not y.shape or part.y_bytes % ALIGNMENT:
        return False
    return part.y_bytes == y.shape[0] * y.strides[0] == y.dtype.itemsize * int(np.prod(y.shape))

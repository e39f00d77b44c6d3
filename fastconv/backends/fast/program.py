"""Recorded runs as a program: what depends on the input is done again, in memory of its own, by one call.

A recording (`machine.record`) has runs of kernels in order, and the arrays in which their addresses lie. Memory is cut
into *pieces*: arrays, and the parts of scratch buffers. A piece varies if a run writes it that reads what varies, the
input first. Runs that write constants alone, such as those that pack weights, were done when they were recorded, and
are left out. What varies lies in one *arena*, where a piece takes the place of those that nobody needs any more.

Between runs there may be *breaks*, functions that NumPy computes: they get views of the arena.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from fastconv.backends.base import Array
from fastconv.backends.fast.machine.kernel import AT
from fastconv.backends.fast.machine.launch import BLOCK, ENTRY_BYTES, FIRST, KERNEL, SLICE, TASKS, address, run_program
from fastconv.backends.fast.machine.record import Recording, Run
from fastconv.backends.fast.memory.workspace import ALIGNMENT, aligned, round_up

KEPT_CONTEXTS = 4  # memory of programs that is kept for the next call, a piece for each call at the same time


class Place(NamedTuple):
    """An array in a piece of memory."""

    piece: int
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: np.dtype[Any]

    def view(self, start: int, keep: object) -> Array:
        """The array where the piece starts at an address; `keep` owns the memory."""
        return np.asarray(_Memory(start + self.offset, self, keep))


class Break(NamedTuple):
    """Something that NumPy computes in the middle of a program: a function of arrays that returns arrays."""

    function: Callable[..., Iterable[Array]]
    inputs: tuple[Array | Place, ...]  # as they were recorded; in a program, where they lie
    outputs: tuple[Array | Place, ...]


Step = Run | Break


class OtherShapeError(Exception):
    """A break gave an array of another shape or dtype than when it was recorded."""


class _Memory:
    """What NumPy makes an array of: memory at an address."""

    def __init__(self, start: int, place: Place, keep: object) -> None:
        self.keep = keep
        self.__array_interface__ = {
            "version": 3,
            "data": (start, False),
            "shape": place.shape,
            "strides": place.strides,
            "typestr": place.dtype.str,
        }


class Memory:
    """The pieces of memory of a recording."""

    def __init__(self, arrays: Iterable[Array], bounds: Iterable[int]) -> None:
        owners: dict[int, tuple[int, Array]] = {}
        for array in arrays:
            owner = _owner(array)
            start, stop = _bounds(owner)
            owners[start] = max(stop, owners.get(start, (stop,))[0]), owner
        self.starts: list[int] = []
        self.stops: list[int] = []
        self.owners: list[Array | None] = []
        cuts = sorted(bounds)
        for start, (stop, owner) in sorted(owners.items()):
            inside = [cut for cut in cuts if start < cut < stop]
            for first, last in zip((start, *inside), (*inside, stop)):
                self.starts.append(first)
                self.stops.append(last)
                self.owners.append(owner)

    def at(self, place: int) -> int | None:
        """Number of the piece that an address lies in."""
        i = bisect_right(self.starts, place) - 1
        return i if i >= 0 and place < self.stops[i] else None

    def place(self, array: Array | Place) -> Place:
        """Where an array lies."""
        if isinstance(array, Place):
            return array
        piece = self.at(address(array))
        assert piece is not None
        return Place(piece, address(array) - self.starts[piece], array.shape, array.strides, array.dtype)

    def bytes_of(self, piece: int) -> Array:
        """Memory of a piece."""
        place = Place(piece, 0, (self.stops[piece] - self.starts[piece],), (1,), np.dtype(np.uint8))
        return place.view(self.starts[piece], self.owners[piece])

    def touched(self, run: Run) -> dict[int, int]:
        """Entries of an argument block that are addresses, and the piece that each lies in."""
        values = run.arguments.tolist()
        entry, before = run.scratch
        values[entry] += before
        pieces = ((i, self.at(value)) for i, value in enumerate(values))
        return {i: piece for i, piece in pieces if piece is not None}

    def written(self, run: Run, touched: dict[int, int]) -> set[int]:
        """Pieces that a run writes."""
        return {touched[i] for i in AT[run.kernel].written(run.arguments) if i in touched}


def _owner(array: Array) -> Array:
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def _bounds(array: Array) -> tuple[int, int]:
    """Addresses of the first byte of an array, and of the one after its last."""
    steps = [stride * (size - 1) for size, stride in zip(array.shape, array.strides)]
    start = address(array)
    return start + sum(min(0, step) for step in steps), start + sum(max(0, step) for step in steps) + array.itemsize


def again(runs: list[Run], memory: Memory, state: Iterable[Array] = ()) -> None:
    """Do runs where they were recorded, after everything that they write, but for `state`, was overwritten."""
    kept = {memory.at(address(array)) for array in state}
    for run in runs:
        for piece in memory.written(run, memory.touched(run)) - kept:
            memory.bytes_of(piece)[...] = 0xFF
    blocks = [run.arguments.copy() for run in runs]
    table = table_of(runs, [address(block) for block in blocks])
    run_program(table, 0, len(table), max((run.threads for run in runs), default=1))


def table_of(runs: list[Run], blocks: list[int]) -> Array:
    """Table of runs for the launcher, with the addresses of their argument blocks."""
    table = aligned(ENTRY_BYTES * len(runs)).view(np.int64).reshape(-1, ENTRY_BYTES // 8)
    for row, run, block in zip(table, runs, blocks):
        row[KERNEL], row[BLOCK], row[FIRST], row[TASKS] = run.kernel, block, run.first, run.tasks
    return table


@dataclass
class Context:
    """Memory in which one call at a time does a program."""

    blocks: Array
    table: Array
    arena: Array | None = None
    starts: list[int] | None = None  # addresses of inputs and output


class Addresses:
    """Entries of all argument blocks in a row that point into some memory, and how far from its start."""

    def __init__(self, found: list[tuple[int, int]]) -> None:
        self.entries, self.offsets = np.array(found, np.int64).reshape(-1, 2).T.copy()

    def set(self, blocks: Array, start: int) -> None:
        """Point them into memory that starts at an address."""
        if len(self.entries):
            blocks[self.entries] = self.offsets + start


class FastProgram:
    """A program over inputs of one shape and memory order.

    Parameters
    ----------
    recording : Recording
        Arrays and bounds of everything in `steps`.
    steps : list of Run and Break
        What was done, in order.
    inputs : sequence of ndarray
        The inputs that were recorded.
    y : ndarray
        The output that was recorded.
    state : sequence of ndarray
        Arrays that vary and stay where they are, such as weights in training: those of one call are there in the next.

    Attributes
    ----------
    steps, runs, breaks : list
        What is done for every input.
    kept : list of int
        Which of the recorded steps these are.
    constants : int
        Runs and breaks that were done once.
    arena_bytes : int
        Memory that a call needs beside input, output and state.
    constant_bytes : int
        Memory of what was computed once, such as weights in the order of the kernels.
    place, y_start, y_bytes, fresh : Place, int, int, bool
        Where the output lies in its memory, how far from a cache line that starts, its bytes, and whether the output
        has it for itself.
    blocks, starts : ndarray, list of int
        All argument blocks in a row, and where each starts, in bytes.
    to_inputs, to_y, to_arena : Addresses
        Entries of the blocks that are addresses.
    """

    def __init__(
        self, recording: Recording, steps: list[Step], inputs: Sequence[Array], y: Array, state: Sequence[Array] = ()
    ) -> None:
        arrays = [*recording.arrays, *recording.plans, *_arrays(steps), *inputs, y, *state]
        memory = self._memory = Memory(arrays, recording.bounds)
        self._inputs, self.place = [memory.place(x) for x in inputs], memory.place(y)
        given, state_pieces = {x.piece for x in self._inputs}, {memory.place(array).piece for array in state}
        self.kept, self._varying = _kept(memory, steps, given | state_pieces)
        self.steps = [_placed(memory, steps[i]) for i in self.kept]
        self.runs = [step for step in self.steps if isinstance(step, Run)]
        self.breaks = [step for step in self.steps if isinstance(step, Break)]
        self.constants = len(steps) - len(self.steps)
        self.threads = max((run.threads for run in self.runs), default=1)
        moving = self._varying - given - state_pieces
        self.fresh = self.place.piece in moving  # the output is in memory of its own
        self._places, self.arena_bytes = self._arranged(moving - {self.place.piece})
        constant = {piece for step in self.steps for piece in _used(memory, step)} - self._varying
        self.constant_bytes = sum(memory.stops[piece] - memory.starts[piece] for piece in constant)
        self.y_bytes = memory.stops[self.place.piece] - memory.starts[self.place.piece]
        self.y_start = memory.starts[self.place.piece] % ALIGNMENT
        self.blocks = np.concatenate([run.arguments for run in self.runs] or [np.zeros(0, np.int64)])
        self.starts: list[int] = []  # of every argument block, in bytes from that of the first
        self.to_inputs, self.to_y, self.to_arena = self._point()
        self._parts = list(self._cut())
        for piece in moving | given:  # what was computed when it was recorded
            memory.owners[piece] = None
        self._contexts: list[Context] = []

    def _arranged(self, pieces: set[int]) -> tuple[dict[int, int], int]:
        """Offset of every piece in the arena: two of which are needed at once do not overlap. And its bytes."""
        memory, lives = self._memory, _lives(self._memory, self.steps, pieces)
        placed: list[tuple[int, int, int]] = []  # first byte, byte after the last, piece
        for piece in sorted(lives, key=lambda piece: memory.starts[piece] - memory.stops[piece]):
            first, last = lives[piece]
            size, offset = round_up(memory.stops[piece] - memory.starts[piece] + ALIGNMENT), 0
            for start, stop, other in sorted(placed):
                if first <= lives[other][1] and lives[other][0] <= last and start < offset + size:
                    offset = max(offset, stop)
            placed.append((offset, offset + size, piece))
        # as far from a cache line as it was, for kernels that know of that
        places = {piece: start + memory.starts[piece] % ALIGNMENT for start, _, piece in placed}
        return places, max((stop for _, stop, _ in placed), default=0)

    def _point(self) -> tuple[list[Addresses], Addresses, Addresses]:
        """Entries that are addresses of each input, of the output, and of what else lies in the arena."""
        to_inputs: list[list[tuple[int, int]]] = [[] for _ in self._inputs]
        to_y: list[tuple[int, int]] = []
        to_arena: list[tuple[int, int]] = []
        numbers = {place.piece: i for i, place in enumerate(self._inputs)}
        first = 0
        for run in self.runs:
            self.starts.append(8 * first)
            for i, piece in self._memory.touched(run).items():
                offset = int(run.arguments[i]) - self._memory.starts[piece]
                if piece in numbers:
                    to_inputs[numbers[piece]].append((first + i, offset - self._inputs[numbers[piece]].offset))
                elif piece == self.place.piece and self.fresh:
                    to_y.append((first + i, offset))
                elif piece in self._places:
                    to_arena.append((first + i, offset + self._places[piece]))
            first += len(run.arguments)
        return [Addresses(found) for found in to_inputs], Addresses(to_y), Addresses(to_arena)

    def _cut(self) -> Iterator[tuple[int, int] | Break]:
        """Ranges of runs that are one call each, no longer than Ctrl-C may wait, and the breaks between them."""
        first = last = 0
        work = 0.0
        for step in self.steps:
            if last > first and (isinstance(step, Break) or work > SLICE):
                yield first, last
                first, work = last, 0.0
            if isinstance(step, Break):
                yield step
            else:
                last, work = last + 1, work + step.work
        if last > first:
            yield first, last

    def _context(self) -> Context:
        blocks = self.blocks.copy()
        return Context(blocks, table_of(self.runs, [address(blocks) + start for start in self.starts]))

    def __call__(self, *inputs: Array, arena: Array | None = None, out: Array | None = None) -> Array:
        """Return the output for inputs of the shapes and the strides of the recorded ones.

        `arena` is memory of at least `arena_bytes` that starts on a cache line; by default the program keeps some. The
        output is in `out` if kernels can write there, else in memory of its own.
        """
        try:
            context = self._contexts.pop()  # atomic: no other thread gets the same one
        except IndexError:
            context = self._context()
        if context.arena is None or (arena is not None and arena is not context.arena):
            context.arena = aligned(self.arena_bytes) if arena is None else arena
            self.to_arena.set(context.blocks, address(context.arena))
        if out is not None and self._takes(out, inputs):
            result = out
        else:
            result = aligned(self.y_bytes + ALIGNMENT)[self.y_start :]
        starts = [*map(address, inputs), address(result)]
        if starts != context.starts:  # often they are those of the last call
            context.starts = starts
            for places, start in zip((*self.to_inputs, self.to_y), starts):
                places.set(context.blocks, start)
        here = partial(self._here, context.arena, inputs, result)
        for part in self._parts:
            if isinstance(part, Break):
                self._compute(part, here)
            else:
                run_program(context.table, *part, self.threads)
        if len(self._contexts) < KEPT_CONTEXTS:
            self._contexts.append(context)
        if result is out:
            return out
        if self.fresh:
            return np.ndarray(self.place.shape, self.place.dtype, result, self.place.offset, self.place.strides)
        return here(self.place).copy()

    def _compute(self, part: Break, here: Callable[[Array | Place], Array]) -> None:
        """Do a break, on the arrays of a call."""
        values = part.function(*map(here, part.inputs))
        for target, value in zip(map(here, part.outputs), map(np.asarray, values)):
            if (value.shape, value.dtype) != (target.shape, target.dtype):
                raise OtherShapeError
            target[...] = value

    def _takes(self, out: Array, inputs: Sequence[Array]) -> bool:
        """Whether an array is all of the memory of the output, where it lies as that did, and apart from the inputs."""
        y = self.place
        same = (out.shape, out.strides, out.dtype, out.nbytes) == (y.shape, y.strides, y.dtype, self.y_bytes)
        free = out.flags.writeable and not any(np.may_share_memory(out, x) for x in inputs)
        return self.fresh and same and free and address(out) % ALIGNMENT == self.y_start

    def _here(self, arena: Array, inputs: Sequence[Array], result: Array, array: Array | Place) -> Array:
        """An array of this call."""
        place = self._memory.place(array)
        for recorded, x in zip(self._inputs, inputs):
            if place.piece == recorded.piece:
                view = place.view(address(x) - recorded.offset, x)
                if not x.flags.writeable:
                    view.flags.writeable = False
                return view
        if place.piece in self._places:
            return place.view(address(arena) + self._places[place.piece], arena)
        if place.piece == self.place.piece and self.fresh:
            return place.view(address(result), result)
        return place.view(self._memory.starts[place.piece], self._memory.owners[place.piece])


def _arrays(steps: list[Step]) -> Iterator[Array]:
    """Arrays of the breaks among steps that were recorded."""
    for step in steps:
        if isinstance(step, Break):
            yield from (array for array in (*step.inputs, *step.outputs) if isinstance(array, np.ndarray))


def _placed(memory: Memory, step: Step) -> Step:
    """Return a step that holds on to no array."""
    if isinstance(step, Run):
        return step
    return Break(step.function, tuple(map(memory.place, step.inputs)), tuple(map(memory.place, step.outputs)))


def _kept(memory: Memory, steps: list[Step], given: set[int]) -> tuple[list[int], set[int]]:
    """Numbers of the steps that have to be done for every input, and the pieces that vary, at first those `given`."""
    varying = {*given}
    while True:
        kept, before = [], len(varying)
        for i, step in enumerate(steps):
            used = _used(memory, step)
            if varying & used:
                varying |= _written(memory, step)
                kept.append(i)
        if len(varying) == before:
            return kept, varying


def _used(memory: Memory, step: Step) -> set[int]:
    """Pieces that a step reads or writes."""
    if isinstance(step, Run):
        return {*memory.touched(step).values()}
    return {memory.place(array).piece for array in (*step.inputs, *step.outputs)}


def _written(memory: Memory, step: Step) -> set[int]:
    """Pieces that a step writes; what a break reads may be a constant, which stays where it is."""
    if isinstance(step, Run):
        return memory.written(step, memory.touched(step))
    return {memory.place(array).piece for array in step.outputs}


def _lives(memory: Memory, steps: list[Step], pieces: set[int]) -> dict[int, tuple[int, int]]:
    """First and last step that has to do with each of some pieces."""
    lives: dict[int, tuple[int, int]] = {}
    for i, step in enumerate(steps):
        for piece in _used(memory, step) & pieces:
            lives[piece] = lives.get(piece, (i, i))[0], i
    return lives

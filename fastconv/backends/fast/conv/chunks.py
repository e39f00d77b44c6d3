"""How the reduction of a pass is cut: runs of a window, chunks of runs, and the tables that tiles read.

The *depth* of a sum is how many additions one of its terms goes through at most. Each of them rounds, by half an eps at
most, so that a sum of depth d is within d / 2 eps of the sum of the magnitudes (`machine.partial_sums`). The promise is
64 eps. Every plan stays within `LIMIT` additions, or its tiles are compensated: what is rounded off where a chunk is
added to the result is summed up as well, and added at the end.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import product
from typing import NamedTuple

import numpy as np

from fastconv.backends.base import Array
from fastconv.backends.fast.conv.conv_kernel import CHUNK_ENTRY, FIRST, LAST, LEFT, RIGHT
from fastconv.backends.fast.conv.passes import Line, Pass
from fastconv.backends.fast.machine.partial_sums import MOST

# Products that are added to the result at a time: a chunk of weights stays in the L1 cache, but for long reductions,
# whose chunks would be too many (see above)
CHUNKS = (384, 512, 768)
LIMIT = 126  # 63 eps: the last one is for what is not of first order
MOST_KINDS = 64  # of rows, see `RowKinds`
COMPENSATED = 2  # additions after a chunk whose tiles are compensated: what was lost, which is rounded itself


class Run(NamedTuple):
    """Numbers of a window that are one piece of memory: bytes from its start, and positions of their first tap."""

    offset: int
    height: int
    width: int


def runs_of(
    task: Pass, strides: tuple[int, int, int], itemsize: int, *, by_tap: bool = False
) -> tuple[list[Run], int, int]:
    """Runs of a window, the numbers in each, and the bytes between them.

    A run is a kernel row where that is one piece of memory, and otherwise, or `by_tap`, the channels of one tap;
    lanewise it is a kernel row, one number per tap.
    """
    plane, row, pixel = strides
    depth, height, width = task.lines
    taps = range(len(width.taps))
    whole_rows = task.lanewise or (width.step == 1 and not by_tap)
    runs = [
        Run(d * plane + h * height.step * row + w * width.step * pixel, h, w)
        for d, h, w in product(range(len(depth.taps)), range(len(height.taps)), taps[:1] if whole_rows else taps)
    ]
    if task.lanewise:
        return runs, len(taps), width.step * pixel
    return runs, len(taps) * task.depth if whole_rows else task.depth, itemsize


def _chunks(runs: int, length: int, most: int, together: int) -> Iterator[tuple[int, int, int, int]]:
    """(first run, runs, first number in the run, numbers): at most so many products each, of some runs `together`."""
    if length > most:
        pieces = -(-length // most)
        for run in range(runs):
            for piece in range(pieces):
                start = length * piece // pieces
                yield run, 1, start, length * (piece + 1) // pieces - start
        return
    for first in range(0, runs, together):
        last = min(first + together, runs)
        for run in range(first, last, most // length):
            yield run, min(most // length, last - run), 0, length


def chunk_size(runs: int, length: int, products: int = 1, together: int = 0) -> tuple[int, int, bool]:
    """Numbers of a chunk, depth of the sum over all runs, and whether tiles must be compensated.

    Each number is a term of the sum, or some `products` are. A chunk is of some runs `together`, or of any.
    """

    def depth(most: int) -> int:
        chunks = [count * numbers for _, count, _, numbers in _chunks(runs, length, most, together or runs)]
        return chain_depth(max(chunks) * products, len(chunks))

    return first_within((most // products, depth(most // products)) for most in CHUNKS)


def number_of_chunks(runs: int, length: int, together: int = 0) -> int:
    """Chunks of a reduction, see `chunk_size`."""
    most, _, _ = chunk_size(runs, length, 1, together)
    return len(list(_chunks(runs, length, most, together or runs)))


class RowKinds(NamedTuple):
    """Rows of a result by what they read: those at the `top` and the `bottom` are a kind each, all others are one.

    `reads` says of each kind, from the first row to the last, which taps in height read numbers, and not zeros.
    """

    reads: list[list[bool]]
    top: int = 0
    bottom: int = 0


def row_kinds(line: Line) -> RowKinds:
    """Return the kinds of rows; one, if no row reads everything, or one reads nothing."""
    outputs = line.reads
    top, bottom = max(rows.start for rows in outputs), line.out - min(rows.stop for rows in outputs)
    if top + bottom < min(line.out, MOST_KINDS):
        reads = [[row in rows for rows in outputs] for row in (*range(top + 1), *range(line.out - bottom, line.out))]
        if all(map(any, reads)):
            return RowKinds(reads, top, bottom)
    return one_kind(line)


def one_kind(line: Line) -> RowKinds:
    """Return rows that all read zeros, too."""
    return RowKinds([[True] * len(line.taps)])


class RowEnds(NamedTuple):
    """How the results at the ends of a row leave out padding: by runs of one tap each, in an `order` of their own.

    Some `together` have the same position in width, and `edges` says of each run whether the result at the `LEFT` or
    the `RIGHT` end of a row reads zeros there.
    """

    order: list[int]
    together: int
    edges: list[int]


def row_ends(task: Pass) -> RowEnds | None:
    """Return how the ends of rows leave out padding; None if they read none, or some with every tap, or with one both.

    Taps with which they read none are first: the sums of all results have to begin.
    """
    line, runs, taps = task.lines[2], range(len(task.tap_numbers)), len(task.lines[2].taps)
    edges = [LEFT * (read.start > 0) + RIGHT * (read.stop < line.out) for read in line.reads]
    if not any(edges) or 0 not in edges or LEFT + RIGHT in edges:
        return None
    order = sorted(runs, key=lambda run: (edges[run % taps] > 0, run % taps))
    return RowEnds(order, len(runs) // taps, [edges[run % taps] for run in order])


def chunk_tables(
    runs: list[int], length: int, most: int, a_step: int, b_step: int, kinds: Iterable[Sequence[bool]] = (),
    ends_of_rows: RowEnds | None = None, *, whole: int = FIRST,
) -> tuple[Array, Array]:  # fmt: skip
    """Chunk entries and offset table; with `b_step` the table holds pairs, and b moves on by it for every number.

    There are entries for each of the `kinds` of rows, which say of every run whether it is read; without kinds, all
    are. A chunk that is not read has no segments. One of which a part in the middle is not is read from the first to
    the last run that is. The `ends_of_rows` leave out chunks, but the `FIRST`, the `LAST` or both, which are `whole`.
    """
    entries: list[Array] = []
    offsets: list[int] = []
    chunks = list(_chunks(len(runs), length, most, ends_of_rows.together if ends_of_rows else len(runs)))
    for run, count, start, _ in chunks:
        for r in range(run, run + count):
            offsets.append(runs[r] + start * a_step)
            if b_step:
                offsets.append((r * length + start) * b_step)
    for reads in kinds or [[True] * len(runs)]:
        place, own = 0, []
        for run, count, start, numbers in chunks:
            read = [i for i in range(count) if reads[run + i]]
            skipped, segments = (read[0], read[-1] + 1 - read[0]) if read else (0, 0)
            first = (place + skipped) * (2 if b_step else 1)
            first_k = 0 if b_step else (run + skipped) * length + start
            own.append({"SEGMENTS": segments, "LENGTH": numbers, "OFFSET": 8 * first, "FIRST_K": first_k})
            place += count
        used = [number for number, entry in enumerate(own) if entry["SEGMENTS"]]
        for number, (entry, (run, *_)) in enumerate(zip(own, chunks)):
            ends = FIRST * (number == used[0]) + LAST * (number == used[-1])
            edges = ends_of_rows.edges[run] if ends_of_rows and not ends & whole else 0
            entries.append(CHUNK_ENTRY.fill(**entry, ENDS=ends | edges))
    return np.array(entries), np.array(offsets, np.int64)


def chain_depth(steps: int, chunks: int) -> int:
    """Depth of a chain of chunks of at most `steps` products: in a register, where that is put aside, and the chain."""
    return min(steps, MOST) + -(-steps // MOST) + chunks - 1


def pairs_depth(parts: int) -> int:
    """Depth of a sum of some numbers in pairs."""
    return (parts - 1).bit_length()


def first_within(depths: Iterable[tuple[int, int]]) -> tuple[int, int, bool]:
    """First (size, depth) within the limit; else the last one, and True: its tiles must be compensated.

    Examples
    --------
    >>> first_within([(384, 150), (512, 120)])
    (512, 120, False)
    """
    size, depth = 0, 0
    for size, depth in depths:
        if depth <= LIMIT:
            return size, depth, False
    return size, depth, True

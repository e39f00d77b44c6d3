"""How the reduction of a pass is cut: runs of a window, chunks of runs, and the tables that tiles read."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np

from fastconv.backends.base import Array
from fastconv.backends.fast.conv.conv_kernel import CHUNK_ENTRY
from fastconv.backends.fast.conv.passes import Pass
from fastconv.backends.fast.conv.rounding import chain_depth, first_within

__all__ = ["CHUNKS", "chunk_size", "chunk_tables", "runs_of"]

# Products that are added to the result at a time: a chunk of weights stays in the L1 cache, but for long reductions,
# whose chunks would be too many (see `conv.rounding`)
CHUNKS = (384, 512, 768)


def runs_of(task: Pass, strides: tuple[int, int, int], itemsize: int) -> tuple[list[int], int, int]:
    """Byte offsets of the runs of a window, the numbers in each, and the bytes between them.

    A run is a kernel row where that is one piece of memory, and otherwise the channels of one tap; lanewise it is a
    kernel row, one number per tap.
    """
    plane, row, pixel = strides
    depth, height, width = task.lines
    rows = [d * plane + h * height.step * row for d, h in product(range(len(depth.taps)), range(len(height.taps)))]
    if task.lanewise:
        return rows, len(width.taps), width.step * pixel
    if width.step == 1:
        return rows, len(width.taps) * task.depth, itemsize
    taps = range(len(width.taps))
    return [start + tap * width.step * pixel for start in rows for tap in taps], task.depth, itemsize


def _chunks(runs: int, length: int, most: int) -> Iterator[tuple[int, int, int, int]]:
    """(first run, runs, first number in the run, numbers): at most so many products each."""
    if length > most:
        pieces = -(-length // most)
        for run in range(runs):
            for piece in range(pieces):
                start = length * piece // pieces
                yield run, 1, start, length * (piece + 1) // pieces - start
        return
    step = most // length
    for run in range(0, runs, step):
        yield run, min(step, runs - run), 0, length


def chunk_size(runs: int, length: int) -> tuple[int, int, bool]:
    """Products of a chunk, depth of the sum over all runs, and whether tiles must be compensated."""

    def depth(most: int) -> int:
        chunks = [count * numbers for _, count, _, numbers in _chunks(runs, length, most)]
        return chain_depth(max(chunks), len(chunks))

    return first_within((most, depth(most)) for most in CHUNKS)


def chunk_tables(runs: list[int], length: int, most: int, a_step: int, b_step: int) -> tuple[Array, Array]:
    """Chunk entries and offset table; with `b_step` the table holds pairs, and b moves on by it for every number."""
    entries: list[Array] = []
    offsets: list[int] = []
    for run, count, start, numbers in _chunks(len(runs), length, most):
        first_k = 0 if b_step else run * length + start
        entries.append(CHUNK_ENTRY.fill(SEGMENTS=count, LENGTH=numbers, OFFSET=8 * len(offsets), FIRST_K=first_k))
        for r in range(run, run + count):
            offsets.append(runs[r] + start * a_step)
            if b_step:
                offsets.append((r * length + start) * b_step)
    return np.array(entries), np.array(offsets, np.int64)

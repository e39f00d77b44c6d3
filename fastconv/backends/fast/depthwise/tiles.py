"""Depthwise convolution in two dimensions: which pieces its rows are made of (see `depthwise.depthwise_kernel`)."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from fastconv.backends.base import Array
from fastconv.backends.fast.conv.chunks import LIMIT
from fastconv.backends.fast.conv.passes import Line, Pass
from fastconv.backends.fast.conv.tiling import lane_blocks
from fastconv.backends.fast.depthwise.depthwise_kernel import PIECE_ENTRY, SUM_PIECE_ENTRY
from fastconv.backends.fast.depthwise.depthwise_tile_kernel import (
    ROLLING,
    TAPS,
    WINDOWS,
    DepthwiseTile,
    depthwise_tile_address,
)
from fastconv.backends.fast.machine.target import AVX512, host
from fastconv.backends.fast.memory.plan_cache import plan_cache

MOST_STRIDE = 3
WIDEST = 4096  # columns, and below it numbers of a row: a table of more than some thousand pieces is slow to make
LONGEST_ROW = 2**19
LONGEST_SUM = 448  # pixels that are added up in one call: their rows stay in the L2 cache

# By the taps of a kernel row: vectors and pixels of the largest tile; the same by kernel rows and taps, of the largest
# that rolls; and kernel rows, vectors and pixels of the largest sum. They keep everything in 32 registers, found by
# compiling (test_codegen.py). LLVM loads ahead of time, so that about half of the registers must be to spare. With 16
# of them, or where a multiply-add takes no operand from memory (NEON), too little is left.
LARGEST = {1: (2, 7), 2: (2, 7), 3: (2, 6), 4: (2, 4), 5: (1, 7), 6: (1, 6), 7: (1, 5)}
LARGEST_ROLLING = {(3, 3): (2, 3)}
_SUMS = {1: (3, 2, 4), 2: (3, 2, 4), 3: (3, 2, 2), 4: (2, 2, 2), 5: (1, 2, 4), 6: (1, 2, 4), 7: (1, 2, 4)}


class Columns(NamedTuple):
    """Columns of a row of y: in the middle, with their windows inside x, and (column, first tap, taps) at the edges."""

    first: int
    last: int
    edges: tuple[tuple[int, int, int], ...]


def _inside(line: Line, cell: int) -> range:
    """Taps that lie inside the source, of output number `cell`."""
    start = cell * line.stride - line.before
    first = max(0, -(start // line.step))
    return range(first, max(first, min(len(line.taps), -((start - line.source) // line.step))))


def whole_windows(line: Line) -> range:
    """Outputs along an axis whose windows lie inside the source.

    Examples
    --------
    >>> whole_windows(Line(source=5, out=5, stride=1, step=1, before=1, taps=(0, 1, 2), first=0, every=1, result=5))
    range(1, 4)
    """
    first = max(0, -(-line.before // line.stride))
    last = (line.source - line.extent + line.before) // line.stride
    return range(first, max(first, min(line.out, last + 1)))


def columns_of(line: Line) -> Columns:
    """Which columns of a row are edges.

    Examples
    --------
    >>> columns_of(Line(source=5, out=5, stride=1, step=1, before=1, taps=(0, 1, 2), first=0, every=1, result=5))
    Columns(first=1, last=4, edges=((0, 1, 2), (4, 0, 2)))
    """
    whole = whole_windows(line)
    first, last = (whole.start, whole.stop) if whole else (0, 0)
    edges = ((cell, _inside(line, cell)) for cell in (*range(first), *range(last, line.out)))
    return Columns(first, last, tuple((cell, inside.start, len(inside)) for cell, inside in edges))


@plan_cache(1024)
def takes_depthwise_tiles(task: Pass) -> bool:
    """Whether a pass is made of pieces: a depthwise one in two dimensions whose taps lie side by side, on AVX-512.

    Every window must reach into x, and no more than half of the columns may be edges, which take a call each in weight
    gradients. The taps are added up in one register.
    """
    depth, height, width = task.lines
    if not task.lanewise or height.out == 1 or (depth.out, depth.source, len(depth.taps)) != (1, 1, 1) or depth.before:
        return False
    if host() != AVX512 or width.step > 1 or width.stride > MOST_STRIDE or len(width.taps) not in LARGEST:
        return False
    if width.out > WIDEST or width.out * task.lanes > LONGEST_ROW:
        return False
    if len(height.taps) * len(width.taps) >= LIMIT:  # in one register
        return False
    columns = columns_of(width)
    edges = (*columns_of(height).edges, *columns.edges)
    return all(count for _, _, count in edges) and len(columns.edges) <= columns.last - columns.first


def _tail(vectors: int, valid: int, lanes: int) -> tuple[int, int]:
    """Valid lanes of the last vector, and whether some are not."""
    tail = valid - (vectors - 1) * lanes
    return tail, int(tail < lanes)


def is_rolling(task: Pass) -> bool:
    """Whether the results of as many rows as there are kernel rows stay in registers: at stride 1, of few taps."""
    _, height, width = task.lines
    return height.stride == height.step == width.stride == 1 and (len(height.taps), len(width.taps)) in LARGEST_ROLLING


def window_pieces(task: Pass, itemsize: int, ending: int, slope: int, y_pixel: int) -> Array:
    """Table of the pieces of forward and input gradient.

    `ending` and `slope` are those of the tiles, `y_pixel` the bytes from a pixel of y to the next, or 0.
    """
    _, height, width = task.lines
    lanes, taps, pixel = host().lanes(itemsize), len(width.taps), task.lanes * itemsize
    kind, runs, (most_vectors, most) = WINDOWS, 1, LARGEST[taps]
    if is_rolling(task):
        kind, runs = ROLLING, len(height.taps)
        most_vectors, most = LARGEST_ROLLING[runs, taps]
    pieces, entries = -(-width.out // most), []
    bounds = [width.out * piece // pieces for piece in range(pieces + 1)]
    for first, last in pairwise(bounds):
        start = first * width.stride - width.before
        behind = (last - 1) * width.stride - width.before + taps - width.source
        for lane, vectors, valid in lane_blocks(task.lanes, most_vectors, lanes):
            tail, masked = _tail(vectors, valid, lanes)
            tile = DepthwiseTile(
                kind, last - first, vectors, lanes, itemsize, masked, taps, width.stride, runs, ending, slope,
                before=max(0, -start), after=max(0, behind),
            )  # fmt: skip
            entry = PIECE_ENTRY.fill(
                KERNEL=depthwise_tile_address(tile), X=start * pixel + lane * itemsize,
                Y=first * width.every * (y_pixel or pixel) + lane * itemsize, LANE=lane * itemsize, TAIL=tail,
            )  # fmt: skip
            entries.append(entry)
    return np.array(entries)


def additions_of(line: Line) -> int:
    """How many pieces of a row add to the same tap of the weight gradient, at most."""
    columns = columns_of(line)
    edges = [tap for _, first, count in columns.edges for tap in range(first, first + count)]
    return 2 + max((edges.count(tap) for tap in set(edges)), default=0)


class Sums(NamedTuple):
    """How many kernel rows of how many vectors a weight gradient has in registers, and pixels it takes at a time."""

    runs: int
    vectors: int
    pixels: int


def largest_sum(taps: int) -> Sums:
    """Largest sum for a kernel row of so many taps."""
    return Sums(*_SUMS[taps])


def _needed(height: Line, most: int) -> set[int]:
    """Numbers of kernel rows that are taken at a time."""
    rows, needed = columns_of(height), set()
    for runs in {len(height.taps)} | {count for _, _, count in rows.edges}:
        needed |= {min(most, runs), *({runs % most} - {0})}
    return needed


def gradient_pieces(task: Pass, itemsize: int) -> Array:
    """Table of the pieces of the weight gradient, whose lines have all lanes side by side."""
    _, height, width = task.lines
    lanes, columns, pixel = host().lanes(itemsize), columns_of(width), task.lanes * itemsize
    sums = largest_sum(len(width.taps))
    needed = _needed(height, sums.runs)
    entries = []

    def add(first: int, pixels: int, steps: int, tap: int, taps: int, block: tuple[int, int, int]) -> None:
        lane, vectors, valid = block
        tail, masked = _tail(vectors, valid, lanes)
        tile = DepthwiseTile(TAPS, pixels, vectors, lanes, itemsize, masked, taps, width.stride)
        kernels = {f"KERNEL_{n}": 0 for n in (1, 2, 3)}
        kernels |= {f"KERNEL_{n}": depthwise_tile_address(tile._replace(runs=n)) for n in sorted(needed)}
        x, start = first * width.stride - width.before + tap, lane * itemsize
        places = {"X": x * pixel + start, "Y": first * pixel + start, "WEIGHT": tap * pixel + start}
        entries.append(SUM_PIECE_ENTRY.fill(**kernels, **places, STEPS=steps, TAIL=tail))

    count, taps = columns.last - columns.first, len(width.taps)
    fitting = [pixels for pixels in range(sums.pixels, 1, -1) if count % pixels == 0]
    pixels = fitting[0] if fitting else min(sums.pixels, count)
    for block in lane_blocks(task.lanes, sums.vectors, lanes):
        add(columns.first, pixels, count // pixels, 0, taps, block)
        if count % pixels:
            add(columns.last - count % pixels, count % pixels, 1, 0, taps, block)
        for column, tap, inside in columns.edges:
            add(column, 1, 1, tap, inside, block)
    return np.array(entries)

"""How a row of pixels and a set of lanes are cut into tiles, from the registers of the CPU."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import gcd

from fastconv.backends.fast.conv.passes import Pass
from fastconv.backends.fast.machine.target import host
from fastconv.backends.fast.memory.plan_cache import plan_cache

_VECTORS = (2, 1, 4, 3, 6, 8)  # of a tile, in the order of preference; and of one of few rows, which should be wide
_VECTORS_OF_FEW_ROWS = (4, 2, 1, 3, 6, 8)
SETS_BYTES = 4096  # from one line of a set of the L1 cache to the next, of most CPUs
FEW_ROWS = 6  # lines of a set, of eight: the others are for weights and results
ANY_ROWS = 32  # more than there are registers for


@dataclass(frozen=True)
class Tiling:
    """How a row of pixels and a set of lanes are cut into tiles."""

    tall: int
    tiles: int
    tall_tiles: int
    widths: tuple[tuple[int, int], ...]  # per block of lanes: vectors, valid lanes

    @property
    def short(self) -> int:
        """Rows of the tiles that are not tall."""
        return self.tall - 1

    @property
    def last(self) -> int:
        """Rows of the last tile."""
        return self.short if self.tall_tiles < self.tiles else self.tall

    def first_column(self, tile: int) -> int:
        """Pixel of the row at which a tile starts; tall tiles come first."""
        return tile * self.short + min(tile, self.tall_tiles)

    def tile_of(self, pixel: int) -> int:
        """Tile that a pixel of the row is in."""
        rest = pixel - self.tall_tiles * self.tall
        return pixel // self.tall if rest < 0 else self.tall_tiles + rest // self.short


def tile_cycles(rows: int, vectors: int) -> float:
    """Cycles of one step of the reduction: two multiply-adds, two loads a cycle; four cycles of latency.

    The last term is the start of a tile (80 cycles) over the 256 steps of a chunk: tall tiles start less often.
    """
    return max(rows * vectors / 2, (rows + vectors) / 2, 4.0) + 0.3


def _widths(lanes: int, vectors: int, vector_lanes: int) -> tuple[tuple[int, int], ...]:
    full, rest = divmod(lanes, vectors * vector_lanes)
    widths = [(vectors, vectors * vector_lanes)] * full
    if rest:
        widths.append((-(-rest // vector_lanes), rest))
    return tuple(widths)


def place_blocks(widths: tuple[tuple[int, int], ...], vector_lanes: int) -> Iterator[tuple[int, int, int]]:
    """(first lane, vectors, valid lanes) of blocks side by side."""
    first = 0
    for vectors, valid in widths:
        yield first, vectors, valid
        first += vectors * vector_lanes


def lane_blocks(lanes: int, vectors: int, vector_lanes: int) -> Iterator[tuple[int, int, int]]:
    """(first lane, vectors, valid lanes) of blocks at most `vectors` wide."""
    return place_blocks(_widths(lanes, vectors, vector_lanes), vector_lanes)


@plan_cache(1024)
def side_by_side(task: Pass, itemsize: int) -> Pass:
    """Pass with all groups side by side, lanewise, where they are a part of a vector each."""
    lanes = host().lanes(itemsize)
    if task.groups == 1 or not 1 < task.depth == task.lanes < lanes or lanes % task.depth:
        return task
    return replace(task, groups=1, lanes=task.groups * task.lanes, lanewise=True)


def pass_tiling(task: Pass, itemsize: int) -> Tiling:
    """Tiling of a row of the result of a pass."""
    pixels = task.lines[2].out
    if not task.has_small_groups:
        return tiling(pixels, task.lanes, itemsize, pixels_that_fit(task, itemsize))[0]
    return _narrow(pixels, host().group_tile_rows(task.depth, summed=True), task.lanes, itemsize)


def dots_tiling(pixels: int, filters: int) -> Tiling:
    """Tiling of a row by dots, in which every sum is a vector; all filters are one block."""
    return _cut(pixels, host().tile_rows(filters), ((1, filters),))


def gradient_tiling(task: Pass, length: int, itemsize: int) -> Tiling:
    """Tiling of a run of the weight gradient of a pass; of its taps, where small groups stand side by side."""
    if not task.has_small_groups:
        return tiling(length, task.lanes, itemsize)[0]
    return _narrow(length, host().group_tile_rows(task.depth, summed=False), task.lanes, itemsize)


def _narrow(count: int, highest: int, lanes: int, itemsize: int) -> Tiling:
    """Tiling by tiles of one vector: shuffles take the time there, and more vectors would share none of them."""
    return _cut(count, highest, _widths(lanes, 1, host().lanes(itemsize)))


def _cut(count: int, highest: int, widths: tuple[tuple[int, int], ...]) -> Tiling:
    tiles = -(-count // highest)
    tall = -(-count // tiles)
    return Tiling(tall, tiles, count - tiles * (tall - 1), widths)


def rows_that_fit(apart: int) -> int:
    """Most rows of a tile whose numbers are some bytes apart: few where they lie in one or two sets of the L1 cache.

    So they do where rows are long, by a power of two: then a line is gone before its next number is read.
    """
    return FEW_ROWS if gcd(apart, SETS_BYTES) >= SETS_BYTES // 2 else ANY_ROWS


def pixels_that_fit(task: Pass, itemsize: int) -> int:
    """The same of pixels that a pass reads."""
    return rows_that_fit(task.lines[2].stride * task.channels * itemsize)


@plan_cache(4096)
def tiling(pixels: int, lanes: int, itemsize: int, most: int = ANY_ROWS) -> tuple[Tiling, float]:
    """Best tiling of a row, with tiles of at most so many rows, and its cycles per step of the reduction."""
    best: tuple[float, Tiling] | None = None
    for vectors in _VECTORS_OF_FEW_ROWS if most == FEW_ROWS else _VECTORS:
        highest = min(host().tile_rows(vectors), most)
        if vectors > 1 and (highest * vectors + vectors >= host().registers or vectors > 8):
            continue
        cut = _cut(pixels, highest, _widths(lanes, vectors, host().lanes(itemsize)))
        cost = sum(
            cut.tall_tiles * tile_cycles(cut.tall, width) + (cut.tiles - cut.tall_tiles) * tile_cycles(cut.short, width)
            for width, _ in cut.widths
        )
        if best is None or cost < best[0] * 0.97:  # a narrower tile of the same cost has the smaller panel
            best = cost, cut
    assert best is not None
    return best[1], best[0]

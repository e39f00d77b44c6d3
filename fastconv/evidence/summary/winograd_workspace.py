"""Scratch memory of passes by Winograd's algorithm, from sizes alone: the most that any CPU takes.

Passes are not asked whether they would be faster so, and those of a dilation or of the phases of a stride count as if
each were the largest. A weight gradient goes through all images that a dilation interleaves.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from math import prod
from typing import NamedTuple

from fastconv.backends.geometry import Axis

_LINE = 64  # bytes of a cache line
_LANES = (4, 8, 16)  # numbers of a vector, of all CPUs that there are
_VECTORS, _GROUP, _HEADER = 2, 16, 1536  # vectors of a block; channels that lie together; bytes ahead of the tiles
_OUTPUTS = {1: 1, 2: 4, 3: 4, 4: 3, 5: 2}  # of a whole tile, by taps
_OUTPUTS_OF_ONE_AXIS = {**_OUTPUTS, 5: 4, 7: 2}  # where the other axis has one tap
_MOST_DILATION, _MOST_TAPS = 4, 64
_STRIP, _GRADIENT_STRIP, _FEWEST_TILES = 3 * 2**17, 3 * 2**18, 14  # bytes, or else tiles, of a strip
_SUMS, _MAX_SPLITS, _MOST_STRIP = 2**23, 16, 2**22  # bytes of the sums of a weight gradient; of a strip of one
_PANEL_TILES, _PANEL_WEIGHTS, _PANEL_CHANNELS = 128, 2**16, 128  # where each task transforms its own weights


class _Tiles(NamedTuple):
    """Tiles of a pass: points of one, by phase, tiles of a row, rows; taps; sizes of a group; interleaved images."""

    points: tuple[int, ...]
    columns: int
    rows: int
    taps: int
    groups: int
    depth: int
    lanes: int
    images: int = 1

    @property
    def nbytes(self) -> int:
        """Bytes of the input of a tile."""
        return _odd_lines(4 * _GROUP * sum(self.points) * -(-self.depth // _GROUP))

    def weights(self, lanes: int) -> int:
        """Bytes of all weights, transformed, where vectors have so many lanes."""
        block = _VECTORS * lanes
        whole, rest = divmod(-(-self.lanes // lanes) * lanes, block)
        sizes = [block] * whole + [rest] * (rest > 0)
        return self.groups * sum(self.points) * sum(_odd_lines(4 * size * self.depth) for size in sizes)

    def has_panels(self, limit: int, lanes: int) -> bool:
        """Whether each task transforms the weights that it uses itself."""
        every = self.images * self.columns * self.rows
        few = every <= _PANEL_TILES and every * (self.nbytes + self.products(lanes)) <= limit
        return few and len(self.points) * self.depth * self.lanes >= _PANEL_WEIGHTS

    def products(self, lanes: int) -> int:
        """Bytes of the products of a tile, for a block of filters."""
        return _odd_lines(4 * _VECTORS * lanes * max(self.points))

    def strips(self, most: int, limit: int, lanes: int) -> tuple[int, int]:
        """Strips at least, and tiles at a time at most, where these have about so many bytes."""
        every = self.columns * self.rows
        if self.has_panels(limit, lanes):
            return 1, self.images * every
        tiles = max(_FEWEST_TILES, min(most, limit) // (self.nbytes + self.products(lanes)))
        segments = -(-self.columns // (2 * tiles))
        if segments > 1:
            return self.rows * segments, -(-self.columns // segments) + 1
        strips = min(self.rows, -(-every // tiles))
        longest = -(-self.rows // strips) * self.columns
        return strips, max(longest, min(tiles, self.images * longest))

    def scratch(self, most: int, limit: int, lanes: int) -> int:
        """Bytes of the tiles of a task, and of the weights of its own that it may have."""
        _, strip = self.strips(most, limit, lanes)
        panel = max(self.points) * _odd_lines(4 * _VECTORS * lanes * min(_PANEL_CHANNELS, self.depth))
        tiles = _lines(strip * self.nbytes) + _lines(strip * self.products(lanes))
        return _HEADER + tiles + (_lines(panel) if self.has_panels(limit, lanes) else 0)


def _lines(nbytes: int) -> int:
    return -(-nbytes // _LINE) * _LINE


def _odd_lines(nbytes: int) -> int:
    return (-(-nbytes // _LINE) | 1) * _LINE


def _tiles(
    taps: Sequence[int], outs: Sequence[int], planes: int, slices: int, groups: int, depth: int, lanes: int,
    strides: Sequence[int] = (1, 1), apart: Sequence[int] = (1, 1),
) -> _Tiles | None:  # fmt: skip
    """Tiles of a pass; of its interleaved images, of every second or third output, and so on, where these are apart."""
    phases = [[len(range(first, count, stride)) for first in range(min(stride, count))]
              for count, stride in zip(taps, strides)]  # fmt: skip
    most = {of_axis[0] for of_axis in phases}
    outputs = _OUTPUTS_OF_ONE_AXIS if 1 in most else _OUTPUTS
    if most == {1} or not most <= set(outputs) or slices * prod(taps) > _MOST_TAPS:
        return None
    sizes = [min(outputs[of_axis[0]], max(1, out // step)) for of_axis, out, step in zip(phases, outs, apart)]
    longest = [-(-out // step) for out, step in zip(outs, apart)]
    rows, columns = (-(-out // size) for out, size in zip(longest, sizes))
    images = prod(min(out, step) for out, step in zip(outs, apart))
    points = tuple(prod(size + count - 1 for size, count in zip(sizes, counts)) for counts in product(*phases))
    return _Tiles(slices * points, columns, planes * rows, slices * prod(taps), groups, depth, lanes, images)


def _pass_bytes(tiles: _Tiles, threads: int, limit: int, lanes: int) -> int:
    tiles = tiles._replace(images=1)  # each is a pass of its own
    packed = tiles.groups * 4 * -(-tiles.lanes // lanes) * lanes * tiles.depth * tiles.taps
    transformed = 0 if tiles.has_panels(limit, lanes) else tiles.weights(lanes)
    return _lines(packed) + _lines(transformed) + threads * tiles.scratch(_STRIP, limit, lanes)


def _gradient_bytes(tiles: _Tiles, threads: int, limit: int, lanes: int) -> int:
    sums = tiles.weights(lanes)
    strip = max(_GRADIENT_STRIP, min(sums, _MOST_STRIP))
    weights = 4 * tiles.taps * tiles.groups * tiles.depth * tiles.lanes
    tiles = tiles._replace(points=tiles.points[:1])  # each tap along depth by itself
    if tiles.has_panels(limit, lanes):
        return _lines(weights) + threads * tiles.scratch(strip, limit, lanes)
    strips, _ = tiles.strips(strip, limit, lanes)
    most = min(_MAX_SPLITS, tiles.images * strips, max(1, _SUMS // sums))
    splits = 1 << (most.bit_length() - 1)
    tasks = min(threads, splits * -(-tiles.lanes // (_VECTORS * lanes)))
    return _lines(splits * sums) + _lines(weights) + tasks * tiles.scratch(strip, limit, lanes)


def tiled_bytes(
    axes: tuple[Axis, Axis, Axis], batch: int, groups: int, depth: int, lanes: int, threads: int, limit: int
) -> tuple[int, int, int]:
    """Bytes that forward pass, input gradient and weight gradient borrow at most; 0 for one that is never in tiles."""
    deep, *plane = axes
    if any(a.dilation > _MOST_DILATION for a in axes):
        return 0, 0, 0
    strided, dilated = (any(getattr(a, name) > 1 for a in plane) for name in ("stride", "dilation"))
    forward: list[_Tiles | None] = []
    backward: list[_Tiles | None] = []
    if not (strided and dilated):
        kernel, outs, strides = ([getattr(a, name) for a in plane] for name in ("kernel", "out", "stride"))
        planes, slices, apart = batch * deep.out, deep.kernel, [a.dilation if a.kernel > 1 else 1 for a in plane]
        forward = [_tiles(kernel, outs, planes, slices, groups, depth, lanes, strides, apart)]
        # a phase of a stride has as many taps as the largest, or one less
        taps = [{-(-a.kernel // a.stride), max(1, a.kernel // a.stride)} for a in plane]
        of_dx = batch * deep.size, deep.kernel, groups, lanes, depth
        backward = [_tiles(each, [a.size for a in plane], *of_dx, apart=apart) for each in product(*taps)]
    unstrided = [] if strided else forward
    sizes = [
        (
            *(max((_pass_bytes(tiles, threads, limit, width) for tiles in found if tiles), default=0)
              for found in (forward, backward)),
            max((_gradient_bytes(tiles, threads, limit, width) for tiles in unstrided if tiles), default=0),
        )
        for width in _LANES
    ]  # fmt: skip
    y, dx, dweight = map(max, zip(*sizes))
    return y, dx, dweight

"""Scratch memory of passes by Winograd's algorithm, from sizes alone: the most that any CPU takes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from fastconv.backends.geometry import Axis

_LINE = 64  # bytes of a cache line
_LANES = (4, 8, 16)  # numbers of a vector, of all CPUs that there are
_VECTORS, _GROUP, _HEADER = 2, 16, 1536  # vectors of a block; channels that lie together; bytes ahead of the tiles
_OUTPUTS = {1: 1, 3: 4}  # of a whole tile, by taps
_STRIP, _GRADIENT_STRIP, _FEWEST_TILES = 3 * 2**17, 3 * 2**18, 14  # bytes, or else tiles, of a strip
_SUMS, _MAX_SPLITS, _MOST_STRIP = 2**23, 16, 2**22  # bytes of the sums of a weight gradient; of a strip of one
_PANEL_TILES, _PANEL_WEIGHTS, _PANEL_CHANNELS = 128, 2**16, 128  # where each task transforms its own weights
_FEWEST_CHANNELS = 8
_SERIAL_FLOPS = 1_500_000  # below this there is one thread


class TiledPass(NamedTuple):
    """A pass of stride 1 in two dimensions: source and result (height, width), and channels and filters of a group."""

    kernel: tuple[int, int]
    source: tuple[int, int]
    out: tuple[int, int]
    batch: int
    groups: int
    depth: int
    lanes: int

    def turned(self) -> TiledPass:
        """Return that of the input gradient."""
        return self._replace(source=self.out, out=self.source, depth=self.lanes, lanes=self.depth)


def tiled_pass(axes: tuple[Axis, Axis, Axis], batch: int, groups: int, depth: int, lanes: int) -> TiledPass | None:
    """Return the forward pass of a convolution where it may be in tiles; None where it is not."""
    deep, *plane = axes
    if (deep.size, deep.out, deep.kernel, deep.before) != (1, 1, 1, 0) or min(depth, lanes) < _FEWEST_CHANNELS:
        return None
    if plane[1].kernel != 3 or any(a.stride != 1 or a.dilation != 1 or a.kernel not in _OUTPUTS for a in plane):
        return None
    height, width = plane
    kernel, sizes, out = ((getattr(height, n), getattr(width, n)) for n in ("kernel", "size", "out"))
    return TiledPass(kernel, sizes, out, batch, groups, depth, lanes)


def pass_bytes(task: TiledPass, threads: int) -> int:
    """Bytes that are borrowed at most for a forward pass, or an input gradient."""
    return max(_pass_bytes(task, _threads(task, threads), lanes) for lanes in _LANES)


def gradient_bytes(task: TiledPass, threads: int) -> int:
    """Bytes that are borrowed at most for the weight gradient of a forward pass."""
    return max(_gradient_bytes(task, _threads(task, threads), lanes) for lanes in _LANES)


def _threads(task: TiledPass, threads: int) -> int:
    return 1 if 2 * task.batch * task.out[0] * task.out[1] * _weights(task) < _SERIAL_FLOPS else threads


def _weights(task: TiledPass) -> int:
    return task.kernel[0] * task.kernel[1] * task.groups * task.depth * task.lanes


def _lines(nbytes: int) -> int:
    return -(-nbytes // _LINE) * _LINE


def _odd_lines(nbytes: int) -> int:
    return (-(-nbytes // _LINE) | 1) * _LINE


class _Tiles(NamedTuple):
    """Tiles of a pass: points of one, rows of them in all images, tiles of a row, bytes of the input of one."""

    points: int
    items: int
    columns: int
    nbytes: int

    def strip(self, strips: int) -> int:
        """Tiles of the longest strip."""
        return -(-self.items // strips) * self.columns


def _tiles(task: TiledPass) -> _Tiles:
    (rows, row_points), (columns, column_points) = (
        (-(-out // outputs), outputs + taps - 1)
        for taps, out in zip(task.kernel, task.out)
        for outputs in (min(_OUTPUTS[taps], out),)
    )
    points = row_points * column_points
    return _Tiles(points, task.batch * rows, columns, _odd_lines(4 * _GROUP * points * -(-task.depth // _GROUP)))


def _has_panels(task: TiledPass, tiles: _Tiles) -> bool:
    return tiles.items * tiles.columns <= _PANEL_TILES and task.depth * task.lanes >= _PANEL_WEIGHTS


def _blocks(task: TiledPass, lanes: int) -> Iterator[int]:
    """Bytes of the weights of each block of filters at one point."""
    vectors = -(-task.lanes // lanes)
    for width in [_VECTORS] * (vectors // _VECTORS) + [vectors % _VECTORS] * (vectors % _VECTORS > 0):
        yield _odd_lines(4 * width * lanes * task.depth)


def _scratch(task: TiledPass, tiles: _Tiles, strip: int, lanes: int, *, panels: bool) -> int:
    """Bytes of one task: its tiles before and after the products, and transformed weights where it has its own."""
    vectors = 4 * _VECTORS * lanes
    both = _lines(strip * tiles.nbytes) + _lines(strip * _odd_lines(vectors * tiles.points))
    panel = tiles.points * _odd_lines(vectors * min(_PANEL_CHANNELS, task.depth))
    return _HEADER + both + (_lines(panel) if panels else 0)


def _strips(tiles: _Tiles, most_bytes: int, lanes: int) -> int:
    tile = tiles.nbytes + _odd_lines(4 * _VECTORS * lanes * tiles.points)
    return min(tiles.items, -(-tiles.items * tiles.columns // max(_FEWEST_TILES, most_bytes // tile)))


def _pass_bytes(task: TiledPass, threads: int, lanes: int) -> int:
    """Bytes of packed weights, the same transformed, and of all tasks, where vectors have so many lanes."""
    tiles = _tiles(task)
    panels = _has_panels(task, tiles)
    strips = 1 if panels else _strips(tiles, _STRIP, lanes)
    numbers = task.batch * task.source[0] * task.source[1] * task.groups * task.depth
    if not (panels or (strips < threads and _weights(task) > numbers)):
        strips = min(tiles.items, -(-strips // threads) * threads)
    packed = task.groups * 4 * -(-task.lanes // lanes) * lanes * task.depth * task.kernel[0] * task.kernel[1]
    transformed = 0 if panels else task.groups * tiles.points * sum(_blocks(task, lanes))
    scratch = _scratch(task, tiles, tiles.strip(strips), lanes, panels=panels)
    return _lines(packed) + _lines(transformed) + threads * scratch


def _gradient_bytes(task: TiledPass, threads: int, lanes: int) -> int:
    """Bytes of the sums at all points, of the gradient that is made of them, and of all tasks."""
    tiles = _tiles(task)
    panels, blocks = _has_panels(task, tiles), [*_blocks(task, lanes)]
    sums = task.groups * tiles.points * sum(blocks)
    strips = 1 if panels else _strips(tiles, max(_GRADIENT_STRIP, min(sums, _MOST_STRIP)), lanes)
    most = min(_MAX_SPLITS, strips, max(1, _SUMS // sums))
    splits = 1 << (most.bit_length() - 1)
    tasks = min(threads, splits * min(len(blocks), -(-threads // splits)))
    weights = 4 * _weights(task)
    whole = _lines(splits * weights) if panels else _lines(splits * sums) + _lines(weights)
    strip = tiles.strip(-(-strips // splits) * splits)
    return whole + tasks * _scratch(task, tiles, strip, lanes, panels=panels)

"""Scratch memory of the fast backend where it may take fewer products: the upper bound of `workspace`, once more."""

from __future__ import annotations

from math import prod
from typing import NamedTuple

from fastconv.backends.geometry import Axis, ConvGeometry
from fastconv.evidence.summary.workspace import Workspace

_OUTPUTS = {1: 1, 2: 4, 3: 4, 5: 2}  # of a tile along an axis, by its taps; and where the other axis has one tap
_OUTPUTS_OF_ONE_AXIS = {**_OUTPUTS, 5: 4, 7: 2}
_GROUP, _LANES, _BLOCK = 16, 16, 32  # channels side by side, lanes of the widest vectors, filters of a block
_STRIP, _FEWEST = 3 * 2**17, 14  # bytes of a strip of tiles, or tiles
_GRADIENT_STRIP, _LARGEST_GRADIENT_STRIP = 3 * 2**18, 2**22
_PANEL_TILES, _PANEL_WEIGHTS, _PANEL_CHANNELS = 128, 2**16, 128  # where each task transforms the weights that it uses
_SPLITS, _SPLIT_BYTES = 16, 2**23  # sums of a weight gradient
_HEADER, _LINE = 2**11, 64


def _lines(nbytes: int) -> int:
    """Bytes of whole cache lines, an odd number of them."""
    return (-(-nbytes // _LINE) | 1) * _LINE


class _Tiles(NamedTuple):
    """Tiles of a pass, or of one of the interleaved images of a dilated one."""

    groups: int
    depth: int
    lanes: int
    taps: int
    points: int
    number: int
    columns: int

    @property
    def nbytes(self) -> int:
        """Bytes of a tile of x, for all channels, and of one of products, for a block of filters."""
        return _lines(4 * _GROUP * self.points * -(-self.depth // _GROUP)) + _lines(4 * _BLOCK * self.points)

    @property
    def own(self) -> bool:
        """Whether each task transforms the weights that it uses."""
        return self.number <= _PANEL_TILES and self.depth * self.lanes >= _PANEL_WEIGHTS

    @property
    def weights(self) -> int:
        """Bytes of packed weights, or of their gradient."""
        return 4 * self.groups * -(-self.lanes // _LANES) * _LANES * self.depth * self.taps

    @property
    def transformed(self) -> int:
        """Bytes of the same after a transform."""
        lanes, blocks = -(-self.lanes // _LANES) * _LANES, -(-self.lanes // 8) + 1
        return self.groups * self.points * (4 * lanes * self.depth + 2 * _LINE * blocks)

    def scratch(self, strip: int) -> int:
        """Bytes of a task, with strips of so many bytes or a few tiles."""
        most, row = max(_FEWEST, strip // self.nbytes), self.columns
        tiles = self.number if self.own else min(self.number, most + row if row <= most else min(row, 4 * most + 2))
        panel = self.points * _lines(4 * _BLOCK * min(_PANEL_CHANNELS, self.depth)) if self.own else 0
        # narrower vectors have smaller tiles, and as many bytes of them
        some = max(tiles, row) * self.nbytes + (0 if self.own else strip)
        return _HEADER + min(self.number * self.nbytes, some) + panel

    def of_pass(self, threads: int) -> int:
        """Bytes of a pass."""
        return self.weights + (0 if self.own else self.transformed) + threads * self.scratch(_STRIP) + 4 * _LINE

    def of_gradient(self, threads: int) -> int:
        """Bytes of a weight gradient."""
        strip = max(_GRADIENT_STRIP, min(self.transformed, _LARGEST_GRADIENT_STRIP))
        splits = min(_SPLITS, self.number, max(1, _SPLIT_BYTES // self.transformed))
        sums = self.weights if self.own else splits * self.transformed
        return sums + self.weights + threads * self.scratch(strip) + 4 * _LINE


def _tiles(batch: int, sizes: list[tuple[int, int, int]], groups: int, depth: int, lanes: int) -> _Tiles | None:
    """Tiles of a pass of (outputs, taps, dilation) along rows and columns; None where there are no transforms."""
    taps = [count for _, count, _ in sizes]
    outputs = _OUTPUTS_OF_ONE_AXIS if 1 in taps else _OUTPUTS
    if set(taps) == {1} or not set(taps) <= {*outputs}:
        return None
    points, counts = [], []
    for out, count, dilation in sizes:
        step = dilation if count > 1 else 1
        tile, longest = min(outputs[count], max(1, out // step)), -(-out // step)
        points.append(tile + count - 1)
        counts.append(-(-longest // tile))
    return _Tiles(groups, depth, lanes, prod(taps), prod(points), batch * prod(counts), counts[1])


def winograd_workspace(geometry: ConvGeometry, threads: int) -> Workspace:
    """Bytes that the fast backend borrows at most for each pass in float32, if that is by Winograd's algorithm.

    Parameters
    ----------
    geometry : ConvGeometry
        The convolution.
    threads : int
        Threads that may run.

    Returns
    -------
    Workspace
        Bytes of the forward pass, the gradient of the input and the gradient of the weights; 0 where there is none.

    Examples
    --------
    >>> from fastconv.backends.geometry import ConvGeometry, conv_axis
    >>> axis = conv_axis(32, 3, 1, 1, 1, 1)
    >>> winograd_workspace(ConvGeometry((axis, axis), 8, 16, 16, 1), threads=1).forward
    898944
    """
    depthwise = geometry.groups > 1 and geometry.group_channels == 1
    if geometry.batch == 0 or geometry.rank > 2 or depthwise:
        return Workspace(0, 0, 0)
    axes: tuple[Axis, ...] = ((Axis(1, 1, 1, 1, 0, 0, 1),) * (2 - geometry.rank)) + geometry.axes
    groups, depth, lanes = geometry.groups, geometry.group_channels, geometry.group_filters
    forward = gradient = None
    if all(axis.stride == 1 for axis in axes):
        sizes = [(axis.out, axis.kernel, axis.dilation) for axis in axes]
        forward = _tiles(geometry.batch, sizes, groups, depth, lanes)
    phases = 0
    for taps in sorted({tuple(_phase_taps(axis, more) for axis, more in zip(axes, pair)) for pair in _PAIRS}):
        counts = [
            (-(-axis.size // axis.stride), count, axis.dilation if axis.stride == 1 else 1)
            for axis, count in zip(axes, taps)
        ]
        gradient = _tiles(geometry.batch, counts, groups, lanes, depth)
        phases = max(phases, 0 if gradient is None else gradient.of_pass(threads))
    return Workspace(
        0 if forward is None else forward.of_pass(threads), phases,
        0 if forward is None else forward.of_gradient(threads),
    )  # fmt: skip


_PAIRS = ((0, 0), (0, 1), (1, 0), (1, 1))


def _phase_taps(axis: Axis, more: int) -> int:
    """Taps along an axis in the phases of the gradient of x that have the fewest, or one more."""
    return -(-axis.kernel // axis.stride) if more else max(1, axis.kernel // axis.stride)

"""Scratch memory of the fast backend, from sizes alone: an upper bound that imports no compiler.

The exact bytes are in the plans of `fastconv.backends.fast`, which need to know the vectors of the CPU. What is here
holds for all of them, and a test compares it with the plans.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd, prod
from typing import Any, NamedTuple

from fastconv.backends.geometry import Axis, ConvGeometry, window_extent
from fastconv.evidence.summary.winograd_workspace import tiled_bytes

KEPT_BUFFER = 2**27  # a buffer up to this size stays with the engine between calls
_LINE = 64  # bytes of a cache line, which is what buffers are cut at; no vector is wider
_BAND = 2**19  # bytes of the band of one thread, unless one window takes more
# Weight gradients larger than the first, and passes with more weights than numbers of x, have bands up to the second.
_HEAVY, _HEAVY_BAND = 2**20, 2**22
_PACK = 2**8 + _LINE  # bytes of an order to pack weights, of each thread that packs its own
_COLUMN_BAND = 2**22  # the same where the gradient of the input goes through columns
_LARGEST_BAND = 2**22  # of a segment of a row that would be halo for the most part in a smaller one
_SHORT_ROW, _SHORTEST_SEGMENT = 2**8, 2**6  # pixels of a row that stays whole where it can; of a segment
_TALLEST = 28  # pixels of a tile
_SPLITS, _SPLIT_PIXELS, _SPLIT_BYTES = 16, 2**10, 2**22  # partial sums of a weight gradient, see `plan_weight`
# Up to these no sum has so many chunks that what it rounds off is kept beside the result: products of a result, and of
# one of a linear layer, in place and by dots; chunks of a weight gradient
_FEW_PRODUCTS, _FEW_INPUTS, _FEW_LINES, _FEW_DOTS, _FEW_CHUNKS = 19_000, 39_000, 1_700, 50_000, 54
_SMALL_CHUNK, _WIDE_WINDOW = 100, 2**16  # pixels, unless so many bytes of a column of a window make bands short
_SMALL_GROUPS = (2, 4, 8)  # channels and filters of groups that may be a part of a vector
_SERIAL_FLOPS = 1_500_000  # below this there is one thread
_TRIVIAL = Axis(1, 1, 1, 1, 0, 0, 1)


_CHUNKS = (384, 512, 768)  # products that are added to a result at a time
_PANEL, _BLOCK = 2**18, 512  # bytes of packed weights of a linear layer, and of the widest row of a block
_FEW_ROWS, _DOTS = 8, 8  # rows of a linear layer that are dots, and how many at a time


class Workspace(NamedTuple):
    """Bytes of scratch memory that each pass of a layer takes at most."""

    forward: int
    input_gradient: int
    weight_gradient: int


@dataclass(frozen=True)
class _Lowering:
    """Sizes of a convolution as the engine sees it: three axes; depthwise and small groups are one group of lanes."""

    axes: tuple[Axis, Axis, Axis]
    batch: int
    groups: int
    depth: int  # channels of a window, per group
    lanes: int  # filters, per group
    pixel: int  # numbers of one pixel in a band
    itemsize: int
    threads: int
    limit: int

    @property
    def lanewise(self) -> bool:
        """Whether each lane reads channels of its own."""
        return self.pixel == self.lanes != self.depth

    @property
    def in_place(self) -> bool:
        """Whether every window lies inside the source, which is then read without a band."""
        return self.groups == 1 and all(
            axis.before == 0 and (axis.out - 1) * axis.stride + axis.extent <= axis.size for axis in self.axes
        )


def conv_workspace(geometry: ConvGeometry, itemsize: int, threads: int, limit: int, *, exact: bool = True) -> Workspace:
    """Bytes that the fast backend borrows at most for each pass of a convolution.

    Parameters
    ----------
    geometry : ConvGeometry
        The convolution.
    itemsize : int
        Bytes of a number: 4 or 8.
    threads : int
        Threads that may run.
    limit : int
        The option ``max_workspace``.
    exact : bool
        The option of that name; where it is False, a pass takes what the more demanding of its algorithms does.

    Returns
    -------
    Workspace
        Bytes of the forward pass, the gradient of the input and the gradient of the weights.

    Examples
    --------
    >>> from fastconv.backends.geometry import ConvGeometry, conv_axis
    >>> axis = conv_axis(32, 3, 1, 1, 1, 1)
    >>> conv_workspace(ConvGeometry((axis, axis), 8, 16, 16, 1), 4, threads=1, limit=2**26).forward
    279040
    """
    if geometry.batch == 0:
        return Workspace(0, 0, 0)
    depthwise = geometry.groups > 1 and geometry.group_channels == 1
    groups, depth, lanes = geometry.groups, geometry.group_channels, geometry.group_filters
    axes: Any = (_TRIVIAL,) * (3 - geometry.rank) + geometry.axes
    in_tiles = (0, 0, 0)
    if not (exact or depthwise or itemsize != 4):
        in_tiles = tiled_bytes(axes, geometry.batch, groups, depth, lanes, threads, limit)
    if 2 * geometry.multiply_adds() < _SERIAL_FLOPS:
        threads = 1
    repeated = _repeated(geometry, itemsize) if depthwise else 0
    side_by_side = 1, 1 if depthwise else depth, geometry.filters, geometry.filters
    ways = [side_by_side] if depthwise else [(groups, depth, lanes, depth)]
    if groups > 1 and depth == lanes and depth in _SMALL_GROUPS:
        ways.append(side_by_side)
    direct = [_direct(_Lowering(axes, geometry.batch, *way, itemsize, threads, limit), geometry) for way in ways]
    return Workspace(*(max(passes) + repeated for passes in zip(*direct, in_tiles)))


def _direct(sizes: _Lowering, geometry: ConvGeometry) -> tuple[int, int, int]:
    by_columns = _prefers_columns(geometry, sizes.itemsize)
    return _forward(sizes), _by_columns(sizes) if by_columns else _by_phases(sizes), _weight_gradient(sizes)


def _repeated(geometry: ConvGeometry, itemsize: int) -> int:
    """Bytes of an input of a depthwise convolution with each channel once for every filter."""
    if geometry.group_filters == 1:
        return 0
    return geometry.batch * geometry.filters * prod(geometry.size) * itemsize


def _whole_lines(nbytes: int) -> int:
    return -(-nbytes // _LINE) * _LINE


def _packed(groups: int, lanes: int, reduction: int, itemsize: int) -> int:
    """Bytes of packed weights: the lanes are filled up to whole vectors."""
    return groups * _whole_lines(lanes * itemsize) * reduction


class _Row(NamedTuple):
    """One row of a pass: its pixels, the cells they read, and bytes of a cell and of the results of a pixel."""

    out: int
    stride: int
    extent: int
    cell: int
    result: int

    def nbytes(self, pixels: int) -> int:
        """Bytes of the cells that some pixels read."""
        return ((pixels - 1) * self.stride + self.extent) * self.cell


def _band(source_rows: int, extent: int, row: _Row, most: int, limit: int) -> int:
    """Bytes of a band: the rows that fit together with their results, one window at least, the whole source at most.

    Rows of which one window does not fit are cut into segments, and others may be, to be shared.
    """
    whole = row.nbytes(row.out)
    fitting = min(most // (whole + row.out * row.result), limit // whole)
    if fitting >= extent:
        band = min(most, limit) if row.out > _SHORT_ROW else fitting * whole
    else:
        shortest = max(row.out if row.out <= _SHORT_ROW else _SHORTEST_SEGMENT, -(-row.extent // row.stride))
        halo = min(extent * row.nbytes(min(shortest, row.out)), limit, max(most, _LARGEST_BAND))
        band = max(min(most, limit), halo, extent * row.nbytes(min(_TALLEST, row.out)))
    return _whole_lines(min(band, source_rows * whole))


def _forward(sizes: _Lowering) -> int:
    taps = prod(axis.kernel for axis in sizes.axes)
    packed = _packed(sizes.groups, sizes.lanes, taps * sizes.depth, sizes.itemsize)
    heavy = sizes.lanes * taps > sizes.batch * prod(axis.size for axis in sizes.axes)
    most = _HEAVY_BAND if heavy else _BAND
    result = sizes.batch * prod(axis.out for axis in sizes.axes) * sizes.groups * sizes.lanes * sizes.itemsize
    lost = result if taps * sizes.depth > _FEW_PRODUCTS else 0
    return _whole_lines(packed) + sizes.threads * (_source_band(sizes, most) + heavy * _PACK) + lost


def _source_band(sizes: _Lowering, most: int) -> int:
    if sizes.in_place:
        return 0
    depth, height, width = sizes.axes
    result = sizes.groups * sizes.lanes * sizes.itemsize // height.stride
    row = _Row(width.out, width.stride, width.extent, depth.kernel * sizes.pixel * sizes.itemsize, result)
    rows = sizes.batch * depth.out * ((height.out - 1) * height.stride + height.extent)
    return _band(rows, height.extent, row, most, sizes.limit)


def _weight_gradient(sizes: _Lowering) -> int:
    """Partial sums, and per thread a band and a table with 16 bytes per row of output."""
    taps = prod(axis.kernel for axis in sizes.axes)
    size = sizes.groups * taps * sizes.depth * sizes.lanes * sizes.itemsize
    depth, height, width = sizes.axes
    rows = sizes.batch * depth.out * height.out
    splits = max(1, min(_SPLITS, rows * width.out // _SPLIT_PIXELS, _SPLIT_BYTES // size))
    pixels, window = rows * width.out, depth.kernel * height.extent * sizes.pixel * sizes.itemsize
    tight = sizes.limit < _LARGEST_BAND or window > _WIDE_WINDOW  # a chunk may be a single pixel
    if (
        sizes.depth == 1 and sizes.pixel == sizes.lanes
    ):  # depthwise: of a few rows each, where many would round too much
        splits = max(splits, min(rows // 3, _SPLIT_BYTES // size))
    if splits == 1 and (pixels if tight else pixels // _SMALL_CHUNK) > _FEW_CHUNKS:
        splits = 2
    most = _HEAVY_BAND if size > _HEAVY else _BAND
    shortest = min(4, width.out) * sizes.pixel * sizes.itemsize  # a row of pixels, or a segment
    table = 16 * min(rows * width.out, max(1, most // shortest))
    return _whole_lines(splits * size) + sizes.threads * (_whole_lines(table) + _source_band(sizes, most))


def _by_phases(sizes: _Lowering) -> int:
    """One convolution of dy for each phase of the stride, one after the other; the largest counts."""
    counts, taps, extents = [], [], []
    for axis in sizes.axes:
        common = gcd(axis.stride, axis.dilation)
        counts.append(-(-axis.size // axis.stride))
        taps.append(-(-axis.kernel * common // axis.stride))
        extents.append(window_extent(taps[-1], axis.dilation // common))
    lanes, reduction = (sizes.lanes, sizes.depth) if sizes.lanewise else (sizes.depth, sizes.lanes)
    row = _Row(counts[2], 1, extents[2], taps[0] * sizes.lanes * sizes.itemsize, sizes.groups * lanes * sizes.itemsize)
    images = 0 if sizes.groups == 1 and all(axis.kernel == 1 == axis.stride for axis in sizes.axes) else sizes.batch
    heavy = lanes * prod(taps) > sizes.batch * prod(axis.out for axis in sizes.axes)
    rows, most = images * counts[0] * (counts[1] - 1 + extents[1]), _HEAVY_BAND if heavy else _BAND
    band = _band(rows, extents[1], row, most, sizes.limit) + heavy * _PACK
    result = sizes.batch * prod(axis.size for axis in sizes.axes) * sizes.groups * lanes * sizes.itemsize
    lost = result if prod(taps) * reduction > _FEW_PRODUCTS else 0
    packed = _packed(sizes.groups, lanes, prod(taps) * reduction, sizes.itemsize)
    return _whole_lines(packed) + sizes.threads * band + lost


def _prefers_columns(geometry: ConvGeometry, itemsize: int) -> bool:
    """Whether the input gradient may go through columns: few channels (of the widest vectors), passes, or windows."""
    strides = prod(axis.stride for axis in geometry.axes)
    many_passes = prod(min(axis.stride, axis.kernel) for axis in geometry.axes) > 32
    few_windows = prod(geometry.size) > 2 * strides * geometry.windows
    few_channels = 2 * geometry.channels * itemsize <= _LINE
    return geometry.groups == 1 and geometry.taps > 1 and (few_channels or many_passes or few_windows)


def _by_columns(sizes: _Lowering) -> int:
    """Packed weights, and per thread a tile of columns and a band of dx; never less than the other way takes."""
    depth, height, width = sizes.axes
    taps = prod(axis.kernel for axis in sizes.axes)
    cell = depth.size * sizes.depth * sizes.itemsize
    row = max((width.out - 1) * width.stride + width.extent, width.before + width.size) * cell
    most = min(sizes.limit, _COLUMN_BAND)
    parts = min(height.size, max(-(-height.size // max(1, most // row)), -(-sizes.threads // sizes.batch)))
    band, tasks = -(-height.size // parts) * row, min(sizes.threads, sizes.batch * parts)
    few_rows = sizes.threads > sizes.batch * height.size or width.size >= 32 * (width.extent + width.stride)
    if row > most or (few_rows and width.size >= 4 * (width.extent + width.stride)):  # rows may be cut into segments
        shortest = 4 * (width.extent + _TALLEST * width.stride) * cell
        band, tasks = min(max(most, min(row, shortest)), height.size * row), sizes.threads
    columns = _whole_lines(taps * sizes.depth * sizes.itemsize)
    tile = min(_TALLEST, width.out) * columns
    scatter = columns * (sizes.lanes + 1) + tasks * (_whole_lines(tile) + _whole_lines(band))
    return max(scatter, _by_phases(sizes))


def linear_workspace(rows: int, inputs: int, outputs: int, itemsize: int, threads: int) -> Workspace:
    """Bytes that the fast backend borrows at most for each pass of a linear layer.

    Parameters
    ----------
    rows, inputs, outputs : int
        Images, and features before and after.
    itemsize : int
        Bytes of a number: 4 or 8.
    threads : int
        Threads that may run.

    Returns
    -------
    Workspace
        Bytes of the forward pass, the gradient of the input and the gradient of the weights.

    Examples
    --------
    >>> linear_workspace(50, 1000, 10, 4, threads=1).weight_gradient
    227200
    """
    if rows == 0:
        return Workspace(0, 0, 0)
    forward = rows * _DOTS * _LINE * threads
    if rows > _FEW_ROWS or inputs > _FEW_DOTS:
        turned = _whole_lines((outputs + _TALLEST) * _panel_row(rows, inputs, itemsize)) + _TALLEST * _BLOCK
        forward = max(
            forward, _panels(outputs, inputs, itemsize, threads),
            _panels(rows, inputs, itemsize, threads) + threads * turned,
        )  # fmt: skip
    lost = [
        rows * outputs if inputs > _FEW_INPUTS else 0,
        rows * inputs if outputs > (_FEW_LINES if rows <= _TALLEST else _FEW_INPUTS) else 0,
        outputs * inputs if rows > _FEW_INPUTS else 0,
    ]
    most = (forward, _panels(inputs, outputs, itemsize, threads), _panels(inputs, rows, itemsize, threads))
    return Workspace(*(panels + itemsize * numbers for panels, numbers in zip(most, lost)))


def _panel_chunks(length: int) -> list[int]:
    """Lines that a panel may have: the reduction in equal pieces."""
    return [-(-length // -(-length // most)) for most in _CHUNKS]


def _panel_row(lanes: int, length: int, itemsize: int) -> int:
    """Bytes of a line of a panel: whole blocks, as many as fit."""
    return min(_whole_lines(lanes * itemsize) + _BLOCK, max(_BLOCK, _PANEL // min(_panel_chunks(length))))


def _panels(lanes: int, length: int, itemsize: int, threads: int) -> int:
    widest = _whole_lines(lanes * itemsize) + _BLOCK
    most = max(chunk * min(widest, max(_BLOCK, _PANEL // chunk)) for chunk in _panel_chunks(length))
    return threads * _whole_lines(most)

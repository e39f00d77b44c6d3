"""Input gradient through columns, for few channels or many passes (see `conv.through_columns_kernel`)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from math import gcd, prod

import numpy as np

from fastconv.backends.base import Array
from fastconv.backends.fast.conv.chunks import CHUNKS, chain_depth, chunk_tables, first_within
from fastconv.backends.fast.conv.passes import three_axes
from fastconv.backends.fast.conv.plan import SERIAL_FLOPS, conv_blocks
from fastconv.backends.fast.conv.through_columns_kernel import RUN_ENTRY, THROUGH_COLUMNS, through_columns
from fastconv.backends.fast.conv.tiling import Tiling, tiling
from fastconv.backends.fast.machine.launch import address, by_tasks, launch
from fastconv.backends.fast.machine.target import host
from fastconv.backends.fast.memory.layout import empty_channels_last
from fastconv.backends.fast.memory.plan_cache import plan_cache
from fastconv.backends.fast.memory.reorder import Reorder, WeightOrder, plan_weights, reorder
from fastconv.backends.fast.memory.workspace import borrowed, part, round_up
from fastconv.backends.geometry import Axis, ConvGeometry
from fastconv.backends.settings import get_options

BAND_LIMIT = 2**22  # bytes of dx that are made at a time: smaller bands compute more output rows twice
ITEMS = 64  # segments that all rows are cut into, to be shared, where that computes 1/16 of the columns twice at most
MANY_PASSES = 32  # with 64 passes (kernel and stride of 8) columns took 3/4 of the time, with 1024 a thirtieth
SHORT_CHUNKS = (96, 32, 16)
_X, _WEIGHT, _SCRATCH, _BIAS, _DX = (THROUGH_COLUMNS.index[name] for name in ("X", "WEIGHT", "SCRATCH", "BIAS", "DX"))


@plan_cache(1024)
def why_columns(geometry: ConvGeometry, itemsize: int) -> str:
    """Why the input gradient goes through columns rather than passes into dx; empty where it does not."""
    if geometry.groups > 1 or geometry.taps == 1 or columns_chunk(geometry)[2]:
        return ""
    lanes = host().lanes(itemsize)
    if 2 * geometry.channels <= lanes:
        few = f"{geometry.channels} {'channel' if geometry.channels == 1 else 'channels'}"
        return f"channels are few: {few} would leave most of the {lanes} lanes of a vector empty"
    passes = prod(min(axis.stride, axis.kernel) for axis in geometry.axes)
    if passes > MANY_PASSES:
        return f"the stride has many phases: there would be up to {passes} passes"
    cells, reached = prod(geometry.size), prod(axis.stride for axis in geometry.axes) * geometry.windows
    if cells > 2 * reached:
        return f"windows are few: {cells} cells would be summed over all taps, most of them over zeros around dy"
    return ""


def columns_chunk(geometry: ConvGeometry) -> tuple[int, int, bool]:
    """Filters of a chunk, depth of the sums over them and over the windows of a cell, and whether that is too much.

    Where many windows meet in a cell, chunks are shorter.
    """
    meeting = prod(-(-axis.kernel * gcd(axis.stride, axis.dilation) // axis.stride) for axis in geometry.axes)
    chunks = ((most, -(-geometry.filters // most)) for most in (*CHUNKS, *SHORT_CHUNKS))
    return first_within((most, chain_depth(min(most, geometry.filters), count) + meeting) for most, count in chunks)


def prefers_columns(geometry: ConvGeometry, itemsize: int) -> bool:
    """Whether the input gradient goes through columns."""
    return bool(why_columns(geometry, itemsize))


@dataclass(frozen=True)
class ThroughColumnsPlan:
    """Everything that depends on shapes alone."""

    arguments: Array
    tables: tuple[Array, ...]  # kept alive: the block holds their addresses
    weights: Reorder
    packed_bytes: int
    zeros_bytes: int
    scratch_bytes: int
    tasks: int


@plan_cache(512)
def plan_through_columns(geometry: ConvGeometry, itemsize: int, threads: int, limit: int) -> ThroughColumnsPlan:
    """Plan of the input gradient of a geometry."""
    depth, height, width = three_axes(geometry.axes)
    channels, filters = geometry.channels, geometry.filters
    numbers = geometry.taps * channels
    cut, _ = tiling(width.out, numbers, itemsize)
    padded = sum(vectors for vectors, _ in cut.widths) * host().lanes(itemsize)
    chunks, offsets = chunk_tables([0], filters, columns_chunk(geometry)[0], itemsize, 0)
    blocks = np.array(list(conv_blocks(cut, itemsize, filters, 0)))
    runs, run_numbers = _run_table(geometry, itemsize)
    if geometry.multiply_adds() * 2 < SERIAL_FLOPS:
        threads = 1
    pixel, dy_pixel = channels * itemsize, filters * itemsize
    most = min(limit, BAND_LIMIT) // (depth.size * pixel)  # cells of a plane of dx that a band may have
    segments = _segments(width, cut, most, geometry.batch * height.size, threads)
    band_cells = max(_band_cells(width, cut, segment, segments) for segment in range(segments))
    fitting = max(1, most // band_cells)  # rows
    parts = min(height.size, max(-(-height.size // fitting), -(-threads // (geometry.batch * segments))))
    tasks = min(threads, geometry.batch * parts * segments)
    rows, band_row = -(-height.size // parts), band_cells * pixel
    columns_bytes = round_up(cut.tall * padded * itemsize)
    scratch = columns_bytes + round_up(depth.size * rows * band_row)
    dy_row, dx_row = width.out * dy_pixel, width.size * pixel
    values: dict[str, int] = dict.fromkeys(THROUGH_COLUMNS.names, 0)
    values.update(
        X_N=depth.out * height.out * dy_row, X_D=height.out * dy_row, X_H=dy_row, OD=depth.out, OH=height.out,
        S_D=depth.stride, S_H=height.stride, PAD_D=depth.before, PAD_H=height.before, EXTENT_H=height.extent,
        BAND_ROW=band_row, BAND_PLANE=rows * band_row, SCRATCH_STRIDE=scratch, BLOCKS=len(cut.widths),
        BLOCK_TABLE=address(blocks), CHUNKS=len(chunks), CHUNK_TABLE=address(chunks),
        OFFSETS=address(offsets), A_PIXEL=dy_pixel, A_K=itemsize, Y_W=padded * itemsize, TILES=cut.tiles,
        TILES_BIG=cut.tall_tiles, M_BIG=cut.tall, M_SMALL=cut.short, RUNS=len(runs), RUN_TABLE=address(runs),
        RUN_NUMBERS=run_numbers, STEP_W=width.stride * pixel, DX_N=depth.size * height.size * dx_row,
        DX_D=height.size * dx_row, DX_H=dx_row, OW=width.out, S_W=width.stride, PAD_W=width.before,
        EXTENT_W=width.extent, CHANNELS=channels, ROW_SEGMENTS=segments, DX_DEPTH=depth.size, DX_HEIGHT=height.size,
        DX_WIDTH=width.size, PARTS=parts, BATCH=geometry.batch, BAND_OFFSET=columns_bytes, TASKS=tasks,
    )  # fmt: skip
    packed, widths = padded * filters * itemsize, [vectors * host().lanes(itemsize) for vectors, _ in cut.widths]
    # one group, taps*channels lanes, filters: the lanes are numbers of the window in the order (taps, C)
    order = WeightOrder(
        groups=1, filters=filters, channels=channels, taps=geometry.taps, used=tuple(range(geometry.taps)),
        order="window", blocks=len(widths), width=widths[0], last_width=widths[-1], group_bytes=packed,
    )  # fmt: skip
    return ThroughColumnsPlan(
        THROUGH_COLUMNS.fill(**values), (chunks, offsets, blocks, runs), plan_weights(order, itemsize, threads),
        round_up(packed), round_up(padded * itemsize), scratch * tasks, tasks,
    )  # fmt: skip


def _segments(width: Axis, cut: Tiling, most: int, rows: int, threads: int) -> int:
    """Segments of each of `rows` rows of dx, `most` cells of which fit into a band; any number gives the same dx.

    Each computes some output pixels at its ends that its neighbours compute too.
    """
    twice = width.extent + cut.tall * width.stride
    whole = max((width.out - 1) * width.stride + width.extent, width.before + width.size)
    by_size = 1 if whole <= most else -(-width.size // max(most - 2 * twice, 2 * twice))
    shared = min(width.size // (16 * twice), -(-ITEMS // rows)), min(width.size // (2 * twice), -(-threads // rows))
    return max(1, by_size, *shared)


def _band_cells(width: Axis, cut: Tiling, segment: int, segments: int) -> int:
    """Cells of a row that the output pixels which reach a segment touch, in whole tiles, and the segment itself."""
    left, right = (width.size * s // segments + width.before for s in (segment, segment + 1))
    first, last = max(0, -((width.extent - 1 - left) // width.stride)), min(width.out, (right - 1) // width.stride + 1)
    if first >= last:
        return right - left
    start, stop = cut.first_column(cut.tile_of(first)), cut.first_column(cut.tile_of(last - 1) + 1)
    return max(right, (stop - 1) * width.stride + width.extent) - min(left, start * width.stride)


def _run_table(geometry: ConvGeometry, itemsize: int) -> tuple[Array, int]:
    """Kernel rows of a window: one run each, or one per tap where the taps are apart; and the numbers of a run."""
    depth, height, width = three_axes(geometry.axes)
    merged = width.dilation == 1
    steps = range(1) if merged else range(width.kernel)
    numbers = geometry.channels * (width.kernel if merged else 1)
    entries = []
    for i, (d, h, w) in enumerate(product(range(depth.kernel), range(height.kernel), steps)):
        row = w * width.dilation * geometry.channels * itemsize
        places = {"DEPTH": d * depth.dilation, "HEIGHT": h * height.dilation, "ROW": row}
        entries.append(RUN_ENTRY.fill(**places, COLUMN=i * numbers * itemsize))
    return np.array(entries), numbers


def input_gradient_by_columns(dy: Array, weight: Array, geometry: ConvGeometry, threads: int) -> Array:
    """Gradient of the input; dy is channels-last and the weights are contiguous."""
    item = dy.itemsize
    dx = empty_channels_last(geometry.input_shape, dy.dtype)
    plan = plan_through_columns(geometry, item, threads, get_options().max_workspace)
    with borrowed(plan.packed_bytes + plan.zeros_bytes + plan.scratch_bytes) as scratch:
        packed = address(scratch)
        scratch[plan.packed_bytes : plan.packed_bytes + plan.zeros_bytes] = 0
        reorder(plan.weights, item, address(weight), packed)
        arguments = plan.arguments.copy()
        arguments[_X], arguments[_WEIGHT], arguments[_DX] = address(dy), packed, address(dx)
        arguments[_BIAS] = part(packed, plan.packed_bytes)
        arguments[_SCRATCH] = part(packed, plan.packed_bytes + plan.zeros_bytes)
        work = geometry.multiply_adds() / 16
        launch(through_columns.address(item), arguments, plan.tasks, plan.tasks, work, by_tasks(THROUGH_COLUMNS))
    return dx

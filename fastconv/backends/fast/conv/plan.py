"""What depends on shapes alone, decided once: blocks, chunks, bands, partition.

A plan is a frozen argument block with the addresses of one call left out, kept in a bounded cache.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from math import prod
from typing import ClassVar, NamedTuple

import numpy as np

from fastconv.backends.base import Array
from fastconv.backends.fast.conv.bands import (
    BAND_BYTES,
    Source,
    columns_that_fit,
    make_source,
    segments_of,
    source_arguments,
)
from fastconv.backends.fast.conv.chunks import (
    COMPENSATED,
    RowEnds,
    chain_depth,
    chunk_size,
    chunk_tables,
    first_within,
    number_of_chunks,
    one_kind,
    pairs_depth,
    row_ends,
    row_kinds,
    runs_of,
)
from fastconv.backends.fast.conv.conv_kernel import BLOCK_ENTRY, CONV, FIRST, LAST, LEFT, PACK_BYTES, conv
from fastconv.backends.fast.conv.dots import CHUNK, dots_block, dots_depth, takes_dots
from fastconv.backends.fast.conv.passes import Line, Pass
from fastconv.backends.fast.conv.tiling import (
    ANY_ROWS,
    Tiling,
    dots_tiling,
    gradient_tiling,
    pass_tiling,
    pixels_that_fit,
    place_blocks,
    side_by_side,
    tile_cycles,
    tiling,
)
from fastconv.backends.fast.conv.weight_gradient_kernel import (
    RUN_ENTRY,
    WEIGHT_BLOCK_ENTRY,
    WEIGHT_GRADIENT,
    weight_gradient,
)
from fastconv.backends.fast.machine.kernel import Kernel
from fastconv.backends.fast.machine.launch import address
from fastconv.backends.fast.machine.pack import pack
from fastconv.backends.fast.machine.target import host
from fastconv.backends.fast.machine.tile import CHANNELS, LANEWISE, PACKED, STRIDED, Tile, tile_address
from fastconv.backends.fast.memory.plan_cache import plan_cache
from fastconv.backends.fast.memory.workspace import ALIGNMENT, round_up

PIXEL_CHUNKS = (256, 512, 640)  # the same for weight gradients, where it is a chunk of dy
LONGEST_PIXEL_CHUNK = 448  # where one chunk takes all pixels, and every gradient is written once
HEAVY_BYTES = 2**20  # weight gradients larger than this are slow to go through: bands are larger, chunks fewer
HEAVY_BAND_BYTES = 2**22
STREAM_BYTES = 2**24  # of results, from which on they go past the caches
SERIAL_FLOPS = 1_500_000  # below this a second thread costs more than it brings (2 µs to start, 250 flops/ns)
SKIP_FROM = 2**19  # multiply-adds of an image: below, the look for what is not finite costs more than padding
START_CYCLES = 80  # of a chunk of a tile
SPLIT_PIXELS = 1024  # pixels of a split of the weight gradient at least
SPLIT_BYTES = 2**22  # memory of all splits of a weight gradient together
MAX_SPLITS = 16
ITEMS = 64  # rows, or segments of SEGMENT pixels or more, that there are at least: what threads share
SEGMENT = 224
SPLIT_ITEMS = 4  # rows, or segments of 64 pixels or more, that a split of a weight gradient has at least


def _flatten(task: Pass, itemsize: int, most: int = ANY_ROWS) -> Pass:
    """Give the pixels of a pointwise pass, one row of memory, the row length that tiles of `most` rows cut best."""
    pixels = task.pixels
    candidates = [width for width in range(8, 257) if pixels % width == 0] or [task.lines[2].out]
    width = min(candidates, key=lambda w: (round(tiling(w, task.lanes, itemsize, most)[1] / w, 3), w))

    def line(size: int) -> Line:
        return Line(size, size, 1, 1, 0, (0,), 0, 1, size)

    return replace(task, lines=(line(1), line(pixels // width), line(width)), batch=1, kernel=(1, 1, 1))


def _can_read_in_place(task: Pass) -> bool:
    return task.groups == 1 and all(line.inside for line in task.lines)


def _can_skip(task: Pass) -> bool:
    """Whether padding may be left out: the same for any number of images, which have the bits of a batch of one."""
    return task.multiply_adds >= SKIP_FROM * task.batch


def _ends_that_pay(task: Pass, cut: Tiling) -> RowEnds | None:
    """How the ends of rows leave out padding, where that is more than what it takes to start more chunks."""
    ends, width, (vectors, _) = row_ends(task), task.lines[2], cut.widths[0]
    if ends is None or task.lanewise or cut.last == 1 or width.out < 3:
        return None
    heights = [cut.tall if edge == LEFT else cut.last for edge in ends.edges if edge]
    saved = sum(task.depth * (tile_cycles(rows, vectors) - tile_cycles(rows - 1, vectors)) for rows in heights)
    whole_rows = ends.together, len(width.taps) * task.depth
    by_tap = len(ends.order), task.depth
    before = number_of_chunks(*(whole_rows if width.step == 1 else by_tap))
    more = number_of_chunks(*by_tap, ends.together) - before
    return ends if saved > more * cut.tiles * START_CYCLES else None


def _by_tap(task: Pass, itemsize: int) -> bool:
    """Whether runs of a weight gradient are taps, which leave out padding, or kernel rows, which tiles fit better."""
    width, taps = task.lines[2], len(task.lines[2].taps)
    if task.lanewise or width.step > 1:
        return not task.lanewise
    (_, of_tap), (_, of_row) = (tiling(length, task.lanes, itemsize) for length in (task.depth, taps * task.depth))
    return of_tap * sum(map(len, _reads(width, leaves_out=True))) < of_row * width.out


def _reads(line: Line, *, leaves_out: bool) -> list[range]:
    """Outputs that read numbers with each tap; all, unless it `leaves_out` the others, and some tap reads every one."""
    reads, every = line.reads, range(line.out)
    return reads if leaves_out and every in reads else [every] * len(reads)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything about one pass, or one weight gradient, that depends on shapes alone."""

    kernel: ClassVar[Kernel]
    task: Pass
    arguments: Array
    tables: tuple[Array, ...]  # kept alive: the argument block holds their addresses
    tasks: int
    threads: int
    scratch_bytes: int = 0
    description: str
    depth: int
    compensated: bool = False  # what is rounded off is added up beside the result


@dataclass(frozen=True, kw_only=True)
class PassPlan(Plan):
    """Plan of a forward pass, or of one of an input gradient."""

    pack_width: int
    pack_last_width: int
    blocks: int
    taps: tuple[int, ...]  # of the weights, in the order in which they are multiplied
    packed_group_bytes: int
    result_offset: int
    packs: bool = False  # each task packs the weights that it uses, block by block
    transformed_bytes: int = 0  # of packed weights after a transform
    others: tuple[PassPlan, ...] = ()  # with the same weights, for other parts of the result


@dataclass(frozen=True, kw_only=True)
class GradientPlan(Plan):
    """Plan of a weight gradient."""

    splits: int
    shape: tuple[int, ...]  # (splits, groups, runs, numbers of a run, lanes); twice the splits if compensated


@dataclass(frozen=True, kw_only=True)
class ConvPlan(PassPlan):
    """Plan of a pass through bands, or in place; `by_dots`, its lanes run along the windows (`conv.dots`)."""

    kernel = conv
    source: Source
    by_dots: bool
    chunks: Array  # what a tile adds up at a time
    witness: tuple[int, int] | None  # a pixel that reads padding as well as all others; None where all of them do


@dataclass(frozen=True, kw_only=True)
class WeightPlan(GradientPlan):
    """Plan of a weight gradient through bands, or in place."""

    kernel = weight_gradient
    source: Source
    witness: tuple[int, int] | None  # a tap with which all of dy is read; None where it is with every one


def partition(rows: int, blocks: int, threads: int, *, heavy_weights: bool) -> tuple[int, int]:
    """Tasks along the rows and along the blocks of filters: as even as can be.

    Between equals, rows are divided, except where the weights are larger than the source: a thread that owns blocks of
    filters packs and reads its own half of them, and none that another core has just written.
    """
    return min(
        ((r, threads // r) for r in range(1, threads + 1) if threads % r == 0),
        key=lambda tasks: (-(-rows // tasks[0]) * -(-blocks // tasks[1]), tasks[0] if heavy_weights else tasks[1]),
    )


def _streams(task: Pass, itemsize: int) -> bool:
    """Whether results go past the caches: they are larger, and their rows of lanes are whole cache lines.

    A cache line that is written in the ordinary way is read first, and where that is from memory the tiles wait for it.
    """
    vector = host().lanes(itemsize)
    whole = task.lanes % vector == 0 and task.lines[2].every == 1 and vector * itemsize == ALIGNMENT
    return whole and task.pixels * task.groups * task.lanes * itemsize >= STREAM_BYTES


class Frame(NamedTuple):
    """Zeros around every plane of a result, in cells: the padding of the next convolution."""

    top: int = 0
    bottom: int = 0
    left: int = 0
    right: int = 0


NO_FRAME = Frame()


def result_strides(
    task: Pass, itemsize: int, pixel: int = 0, frame: Frame = NO_FRAME
) -> tuple[tuple[int, int, int, int], int]:
    """Byte strides (N, D, H, W) of one step of the pass in the result, and the byte offset of its first pixel."""
    depth, height, width = task.lines
    pixel = pixel or task.groups * task.lanes * itemsize
    row = (width.result + frame.left + frame.right) * pixel
    plane = (height.result + frame.top + frame.bottom) * row
    strides = (depth.result * plane, depth.every * plane, height.every * row, width.every * pixel)
    return strides, depth.first * plane + height.first * row + width.first * pixel


def _conv_source(task: Pass, cut: Tiling, itemsize: int, in_place: bool, limit: int, band_bytes: int) -> Source:
    """Bands, with segments of whole tiles: neither tiles nor results know of them."""
    columns = task.lines[2].out
    fitting = columns_that_fit(task, itemsize, 2**62 if in_place else limit)
    rows = task.pixels // columns
    segments = segments_of(columns, cut.tiles, fitting, rows=rows, items=ITEMS, fewest=-(-SEGMENT // cut.tall))
    longest = min(columns, -(-cut.tiles // segments) * cut.tall)
    return make_source(task, itemsize, in_place, limit, band_bytes, segments, longest)


class Ending(NamedTuple):
    """What is particular about a pass of a program.

    What `tiles` do with their results (`machine.tile`), bytes from a `pixel` of the result to the next where it is a
    part of wider ones (0 where it is not), whether its weights are packed `once`, before, the bits of the `slope`
    that belongs to what the tiles do, and the `frame` around the result.
    """

    tiles: int = 0
    pixel: int = 0
    once: bool = False
    slope: int = 0
    frame: Frame = NO_FRAME


PLAIN = Ending()


@plan_cache(512)
def plan_conv(
    task: Pass, itemsize: int, threads: int, limit: int, ending: Ending = PLAIN, finite: bool = True
) -> ConvPlan:
    """Plan of a pass over a channels-last source; weights that are not `finite` are multiplied by all padding."""
    taps, task = task.tap_numbers, side_by_side(task, itemsize)
    in_place = _can_read_in_place(task)
    if in_place and task.is_pointwise:
        task = _flatten(task, itemsize, pixels_that_fit(task, itemsize))
    if task.multiply_adds * 2 < SERIAL_FLOPS:
        threads = 1
    by_dots = takes_dots(task, itemsize)
    cut = dots_tiling(task.lines[2].out, task.lanes) if by_dots else pass_tiling(task, itemsize)
    heavy = task.weights > task.batch * prod(line.source for line in task.lines) * task.groups * task.channels
    source = _conv_source(task, cut, itemsize, in_place, limit, HEAVY_BAND_BYTES if heavy else BAND_BYTES)
    strides = source.strides(task.channels * itemsize)
    vector_lanes = host().lanes(itemsize)
    padded_lanes = sum(width for width, _ in cut.widths) * vector_lanes
    skips = finite and _can_skip(task)
    ends = _ends_that_pay(task, cut) if skips and not by_dots else None
    runs, length, a_k = runs_of(task, strides, itemsize, by_tap=ends is not None)
    line = padded_lanes * itemsize if task.lanewise else 0
    spread = task.depth if task.lanewise else 1  # products of each number
    most, depth, compensated = chunk_size(len(runs), length, spread, ends.together if ends else 0)
    if by_dots:
        most, depth, compensated = CHUNK, dots_depth(task, itemsize), False
    kinds = row_kinds(task.lines[1]) if skips else one_kind(task.lines[1])
    if ends is not None:
        runs, taps = [runs[run] for run in ends.order], tuple(taps[run] for run in ends.order)
    chunks, offsets = chunk_tables(
        [run.offset for run in runs], length, most, a_k, line * spread,
        [[reads[run.height] for run in runs] for reads in kinds.reads],
        ends, whole=FIRST | LAST if ending.tiles else FIRST,
    )  # fmt: skip
    count = len(chunks) // len(kinds.reads)
    reduction = len(runs) * length * spread
    frame = ending.frame
    stream = int(count == 1 and not ending.pixel and frame == NO_FRAME and _streams(task, itemsize))
    kind = {"stream": stream, "compensated": int(compensated), "depth": spread, "edges": int(ends is not None)}
    block_table = np.array(list(conv_blocks(cut, itemsize, reduction, line, ending, **kind)))
    blocks, widths = (1 if task.lanewise else len(cut.widths)), [width * vector_lanes for width, _ in cut.widths]
    if by_dots:  # each filter is a block of weights, which lie one after the other
        block_table = np.array([dots_block(cut, task.lanes, itemsize, ending.tiles, ending.slope)])
        blocks, widths, padded_lanes, a_k = task.lanes, [1], task.lanes, reduction * itemsize
    rows = task.batch * task.lines[0].out * task.lines[1].out * source.segments
    row_tasks, block_tasks = partition(rows, task.groups * len(cut.widths), threads, heavy_weights=heavy)
    result, offset = result_strides(task, itemsize, ending.pixel, ending.frame)
    panel = max(cut.widths)[0] * vector_lanes * reduction * itemsize
    packs = (
        heavy
        and not ending.once
        and row_tasks == 1
        and not task.lanewise
        and not by_dots
        and source.holds_all(task)
        and panel <= HEAVY_BAND_BYTES
    )
    scratch = round_up(source.band_bytes) + (PACK_BYTES + round_up(panel) if packs else 0)
    arguments = source_arguments(task, source)
    arguments.update(
        PACK=0, PACK_KERNEL=pack.address(itemsize) if packs else 0, PANEL=round_up(source.band_bytes),
        SCRATCH_STRIDE=scratch, GROUPS=task.groups, BLOCKS=len(cut.widths), BLOCK_TABLE=address(block_table),
        WEIGHT=0, WEIGHT_GROUP=padded_lanes * reduction * itemsize, CHUNKS=count,
        CHUNK_TABLE=address(chunks), OFFSETS=address(offsets),
        A_PIXEL=task.lines[2].stride * strides[2], A_ROW=task.lines[1].stride * strides[1], A_IMAGE=0, A_K=a_k,
        BIAS=0, Y=0, Y_N=result[0], Y_D=result[1], Y_H=result[2], Y_W=result[3], Y_GROUP=task.lanes * itemsize,
        TILES_BIG=cut.tall_tiles, TILES=cut.tiles, M_BIG=cut.tall, M_SMALL=cut.short,
        ROWS_TOP=kinds.top, ROWS_BOTTOM=kinds.bottom, ROW_TASKS=row_tasks, BLOCK_TASKS=block_tasks,
        STREAM=stream, AHEAD=itemsize if in_place and task.is_pointwise and task.depth >= task.lanes else 0, BESIDE=0,
        FRAME_TOP=frame.top * result[2] + frame.left * result[3], FRAME_SIDES=(frame.left + frame.right) * result[3],
        FRAME_BOTTOM=frame.bottom * result[2] + frame.right * result[3],
    )  # fmt: skip
    return ConvPlan(
        task=task, arguments=CONV.fill(**arguments), tables=(block_table, chunks, offsets),
        tasks=row_tasks * block_tasks, threads=threads, scratch_bytes=scratch * row_tasks * block_tasks,
        pack_width=padded_lanes if task.lanewise else widths[0],
        pack_last_width=padded_lanes if task.lanewise else widths[-1], blocks=blocks, taps=taps,
        packed_group_bytes=padded_lanes * reduction * itemsize, result_offset=offset, source=source,
        description=_describe(task, cut, itemsize, source, row_tasks, block_tasks, by_dots=by_dots), packs=packs,
        depth=chain_depth(most * spread, 1) + COMPENSATED if compensated else depth, compensated=compensated,
        by_dots=by_dots, chunks=chunks,
        witness=(kinds.top, int(ends is not None)) if ends is not None or len(kinds.reads) > 1 else None,
    )  # fmt: skip


def conv_blocks(
    cut: Tiling, itemsize: int, reduction: int, line: int, ending: Ending = PLAIN, *, edges: int = 0, **kind: int
) -> Iterator[Array]:
    """Entries of the block table; `line` is the bytes of all lanes of a lanewise pass, 0 for a product.

    With `edges`, there are tiles for the ends of a row that leave out a pixel.
    """
    mode, lanes = LANEWISE if line else PACKED, host().lanes(itemsize)
    for first, vectors, valid in place_blocks(cut.widths, lanes):
        offset = first * itemsize
        pair = tile_pair(mode, cut, vectors, valid, itemsize, **kind)
        last = tile_pair(mode, cut, vectors, valid, itemsize, ending=ending.tiles, slope=ending.slope, **kind)
        edge = tile_pair(mode, replace(cut, tall=cut.short), vectors, valid, itemsize, **kind) if edges else pair
        yield BLOCK_ENTRY.fill(
            **pair, **other_pair("LAST", last), **other_pair("EDGE", edge),
            A_OFFSET=offset if line else 0, B_OFFSET=offset * (1 if line else reduction),
            B_K=line or vectors * lanes * itemsize, C_OFFSET=offset,
        )  # fmt: skip


def other_pair(name: str, pair: dict[str, int]) -> dict[str, int]:
    """The tiles that are called at the `LAST` chunk of the reduction, or at the `EDGE` of a row."""
    return {f"{name}_BIG": pair["TILE_BIG"], f"{name}_SMALL": pair["TILE_SMALL"]}


def tile_pair(mode: int, cut: Tiling, vectors: int, valid: int, itemsize: int, **kind: int) -> dict[str, int]:
    """Addresses of the tall and the short tile of a block, and its valid lanes in the last vector."""
    lanes = host().lanes(itemsize)
    tail = valid - (vectors - 1) * lanes
    masked = int(tail < lanes)
    heights = (cut.tall, cut.last)
    tall, short = (tile_address(Tile(mode, m, vectors, lanes, itemsize, masked, **kind)) for m in heights)
    return {"TILE_BIG": tall, "TILE_SMALL": short, "TAIL": tail}


def _describe(
    task: Pass, cut: Tiling, itemsize: int, source: Source, row_tasks: int, block_tasks: int, *, by_dots: bool = False
) -> str:
    lanes = cut.widths[0][0] * host().lanes(itemsize)
    kind = "lanewise" if task.lanewise else "product"
    if by_dots:
        kind, lanes = "dots in", task.lanes
    return f"{kind} tiles of {cut.tall}×{lanes}, {source.describe()}, {row_tasks}×{block_tasks} tasks"


def power_of_two(most: int) -> int:
    """Largest power of two up to `most`; at least 1: what threads share evenly."""
    return 1 << max(0, most.bit_length() - 1)


def splits_of(task: Pass, size: int) -> int:
    """Splits of the pixels of a weight gradient of `size` bytes: as many for any number of threads."""
    return power_of_two(min(MAX_SPLITS, task.pixels // SPLIT_PIXELS, SPLIT_BYTES // size))


@plan_cache(512)
def plan_weight(task: Pass, itemsize: int, threads: int, limit: int, finite: bool = True) -> WeightPlan:
    """Plan of the weight gradient of a forward pass; a dy that is not `finite` is multiplied by all padding."""
    task = side_by_side(task, itemsize)
    in_place = _can_read_in_place(task)
    if in_place and task.is_pointwise:
        task = _flatten(task, itemsize)
    size = task.weights * itemsize
    splits = splits_of(task, size)
    heavy = size > HEAVY_BYTES
    source = _weight_source(task, splits, itemsize, in_place, limit, HEAVY_BAND_BYTES if heavy else BAND_BYTES)
    strides = source.strides(task.channels * itemsize)
    skips = finite and _can_skip(task)
    by_tap = skips and _by_tap(task, itemsize)
    runs, length, number = runs_of(task, strides, itemsize, by_tap=by_tap)
    cut = gradient_tiling(task, length, itemsize)
    spread = task.depth if task.lanewise else 1  # rows of each number
    if task.multiply_adds * 2 < SERIAL_FLOPS:
        threads = 1
    longest, depth, compensated = _pixel_chunk(task, source, splits)
    if compensated and splits == 1:  # what is lost takes as much memory as a second split
        splits = 2
        longest, depth, compensated = _pixel_chunk(task, source, splits)
    if compensated:
        splits //= 2
    parts_of_sum = 2 * splits if compensated else splits
    parts = 1 if splits >= threads else -(-threads // splits)
    tasks = min(threads, splits * parts)
    block_table = np.array(list(_weight_blocks(task, cut, itemsize, compensated=int(compensated))))
    rows, pixels = _reads(task.lines[1], leaves_out=skips), _reads(task.lines[2], leaves_out=by_tap)
    all_rows, all_pixels = (range(line.out) for line in task.lines[1:])
    leaves_out = {*rows, *pixels} != {all_rows, all_pixels}
    run_table = np.array(
        [
            RUN_ENTRY.fill(
                OFFSET=run.offset, FIRST=rows[run.height].start, LAST=rows[run.height].stop,
                LEFT=pixels[run.width].start, RIGHT=pixels[run.width].stop,
            )
            for run in runs
        ]
    )  # fmt: skip
    output_width = task.lines[2].out
    pieces = -(-source.columns // longest)
    table_bytes = round_up(16 * source.images_per_band * source.rows_per_band)
    scratch = table_bytes + round_up(source.band_bytes)
    dy_pixel = task.groups * task.lanes * itemsize
    lane_bytes = task.lanes * itemsize
    arguments = source_arguments(task, source)
    arguments.update(
        SCRATCH_STRIDE=scratch, GROUPS=task.groups, BLOCKS=len(cut.widths), BLOCK_TABLE=address(block_table),
        RUNS=len(runs), RUN_TABLE=address(run_table),
        TILES=cut.tiles, TILES_BIG=cut.tall_tiles, M_BIG=cut.tall, M_SMALL=cut.short,
        A_ROW=task.lines[1].stride * strides[1], A_PIXEL=task.lines[2].stride * strides[2],
        A_NUMBER=number,
        DY=0, DY_IMAGE=task.lines[1].out * output_width * dy_pixel, DY_ROW=output_width * dy_pixel, DY_PIXEL=dy_pixel,
        DY_GROUP=lane_bytes, PIECES=pieces, PIECE_ROWS=max(1, longest // source.columns), START=0,
        DW=0, DW_SPLIT=size, DW_GROUP=size // task.groups, DW_RUN=length * spread * lane_bytes, DW_ROW=lane_bytes,
        DW_NUMBER=spread * lane_bytes,
        SPLITS=splits, PARTS=parts, TASKS=tasks, ROW_TABLE=table_bytes,
        AHEAD_BYTES=strides[2] if not source.copy or (source.inside and not task.lanewise) else 0,
        LAST_TAP=(task.lines[2].extent - 1) * strides[2], LOST=splits * size,
    )  # fmt: skip
    return WeightPlan(
        task=task, arguments=WEIGHT_GRADIENT.fill(**arguments), tables=(block_table, run_table), tasks=tasks,
        threads=threads, scratch_bytes=scratch * tasks, source=source, splits=splits,
        shape=(parts_of_sum, task.groups, len(runs), length * spread, task.lanes),
        description=_describe(task, cut, itemsize, source, splits, parts),
        depth=(chain_depth(longest, 1) + COMPENSATED if compensated else depth) + pairs_depth(parts_of_sum),
        compensated=compensated,
        witness=(rows.index(all_rows), pixels.index(all_pixels)) if leaves_out else None,
    )  # fmt: skip


def _chunks_of(task: Pass, source: Source, first: int, last: int, longest: int) -> int:
    """Chunks of the rows `first` to ``last - 1``, as `conv.weight_gradient_kernel.split_rows` goes through them."""
    height, chunks = task.lines[1].out, 0
    step, pieces = max(1, longest // source.columns), -(-source.columns // longest)
    while first < last:
        images, rows = 1, min(source.rows_per_band, height - first % height, last - first)
        if rows == height:
            images = min(source.images_per_band, (last - first) // height)
        chunks += -(-images * rows // step) * pieces
        first += images * rows
    return chunks


def _pixel_chunk(task: Pass, source: Source, splits: int) -> tuple[int, int, bool]:
    """Pixels of a chunk, depth of the sum over a split, and whether tiles must be compensated."""
    rows = task.pixels // task.lines[2].out * source.segments
    bounds = [rows * split // splits for split in range(splits + 1)]

    band = source.images_per_band * source.rows_per_band * source.columns

    def depth(longest: int) -> int:
        chunks = max(_chunks_of(task, source, *ends, longest) for ends in pairwise(bounds))
        return chain_depth(min(longest, band), chunks) + pairs_depth(splits)

    whole = task.pixels <= splits * LONGEST_PIXEL_CHUNK
    size, deepest, compensated = first_within(
        (longest, depth(longest)) for longest in ((LONGEST_PIXEL_CHUNK,) if whole else PIXEL_CHUNKS)
    )
    return size, deepest - pairs_depth(splits), compensated


def _weight_source(task: Pass, splits: int, itemsize: int, in_place: bool, limit: int, band_bytes: int) -> Source:
    """Bands, with segments where a split would have less than a few rows."""
    columns = task.lines[2].out
    fitting = columns_that_fit(task, itemsize, 2**62 if in_place else limit, band_bytes)
    rows, pieces = task.pixels // columns, -(-columns // 8)
    items = SPLIT_ITEMS * splits if splits > 1 else 1
    segments = segments_of(columns, pieces, fitting, rows=rows, items=items, fewest=8)
    return make_source(task, itemsize, in_place, limit, band_bytes, segments, -(-columns // segments))


def _weight_blocks(task: Pass, cut: Tiling, itemsize: int, **kind: int) -> Iterator[Array]:
    mode = CHANNELS if task.has_small_groups else LANEWISE if task.lanewise else STRIDED
    kind["depth"] = task.depth if task.lanewise else 1
    for first, vectors, valid in place_blocks(cut.widths, host().lanes(itemsize)):
        offset = first * itemsize
        yield WEIGHT_BLOCK_ENTRY.fill(
            **tile_pair(mode, cut, vectors, valid, itemsize, **kind), A_OFFSET=offset if task.lanewise else 0,
            B_OFFSET=offset, C_OFFSET=offset,
        )  # fmt: skip

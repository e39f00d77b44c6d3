"""Plans of passes by Winograd's algorithm, and which passes these are."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np

from fastconv.backends.base import Array
from fastconv.backends.fast.conv.passes import Line, Pass
from fastconv.backends.fast.conv.plan import (
    PLAIN,
    SERIAL_FLOPS,
    Ending,
    PassPlan,
    partition,
    result_strides,
)
from fastconv.backends.fast.conv.tiling import lane_blocks
from fastconv.backends.fast.machine.launch import address, launch
from fastconv.backends.fast.machine.target import host
from fastconv.backends.fast.machine.tile import PACKED, ROWS, Tile, tile_address
from fastconv.backends.fast.memory.plan_cache import plan_cache
from fastconv.backends.fast.memory.workspace import round_up
from fastconv.backends.fast.winograd.cost import FORWARD, Costs, pays
from fastconv.backends.fast.winograd.transform_kernel import (
    GROUP,
    INPUT,
    OUTPUT,
    WEIGHTS,
    Transform,
    transform_address,
)
from fastconv.backends.fast.winograd.winograd_kernel import (
    HEADER,
    WINOGRAD,
    WINOGRAD_BLOCK,
    WINOGRAD_WEIGHTS,
    winograd,
    winograd_weights,
)

STRIP_BYTES = 3 * 2**17  # of V and M of a strip: they stay in the L2 cache
FEWEST_TILES = 14  # of a strip, for which U is read once
VECTORS = 2  # of a block of filters
# Where tiles are few and weights many, each task transforms the weights that it uses, for some channels at a time, into
# memory that stays in the L2 cache: U is four times as large as they are
PANEL_TILES, PANEL_WEIGHTS, PANEL_CHANNELS = 128, 2**16, 128


def odd_lines(nbytes: int) -> int:
    """Bytes up to an odd number of cache lines: what lies that far apart is in different sets of a cache."""
    return (-(-nbytes // 64) | 1) * 64


@dataclass(frozen=True)
class Cut:
    """How an axis is cut into tiles: so many whole ones, each of `outputs`, and one of `part` outputs, or none of 0."""

    outputs: int
    taps: int
    whole: int
    part: int

    @property
    def points(self) -> int:
        """Points of a whole tile."""
        return self.outputs + self.taps - 1

    @property
    def tiles(self) -> int:
        """Tiles along the axis."""
        return self.whole + (self.part > 0)

    @property
    def products(self) -> int:
        """Products along the axis, for a channel and a filter."""
        return self.whole * self.points + (self.part + self.taps - 1 if self.part else 0)


_OUTPUTS = {1: 1, 3: 4}  # of a whole tile, by taps: six points


def cut_axis(line: Line) -> Cut:
    """Cut an axis of a pass."""
    taps = len(line.taps)
    outputs = min(_OUTPUTS[taps], line.out)
    return Cut(outputs, taps, line.out // outputs, line.out % outputs)


def reaches_in(line: Line) -> bool:
    """Whether every window along an axis has a cell inside the source."""
    return line.before < line.extent and line.out - 1 - line.before < line.source


def can_transform(task: Pass) -> bool:
    """Whether a pass is one of stride 1 in two dimensions with three taps along an axis."""
    depth, height, width = task.lines
    if task.lanewise or (depth.out, depth.source, len(depth.taps)) != (1, 1, 1) or depth.before:
        return False
    if not all(line.stride == line.step == line.every == 1 and reaches_in(line) for line in (height, width)):
        return False
    return {len(height.taps), len(width.taps)} in ({3}, {1, 3}) and len(width.taps) == 3


@plan_cache(1024)
def takes_winograd(task: Pass, itemsize: int, costs: Costs = FORWARD) -> bool:
    """Whether a pass is faster by Winograd's algorithm, or with the costs of a weight gradient, that is."""
    if itemsize != 4 or not can_transform(task):
        return False
    height, width = (cut_axis(line) for line in task.lines[1:])
    return pays(task, costs, height.products * width.products, height.tiles * width.tiles)


@dataclass(frozen=True, kw_only=True)
class WinogradPlan(PassPlan):
    """Plan of a pass by Winograd's algorithm."""

    kernel = winograd
    transform: Array  # of the packed weights
    transform_tasks: int


def has_panels(task: Pass, tiles: int) -> bool:
    """Whether each task transforms the weights that it uses itself, see `PANEL_TILES`."""
    return tiles <= PANEL_TILES and task.depth * task.lanes >= PANEL_WEIGHTS


def _kinds(height: Cut, width: Cut) -> list[tuple[int, int]]:
    """Outputs of tiles: whole, part of a column, part of a row, part of both; 0 where there are none."""
    return [
        (rows, columns)
        for rows in (height.outputs if height.whole else 0, height.part)
        for columns in (width.outputs if width.whole else 0, width.part)
    ]


def transform_kernels(kind: int, height: Cut, width: Cut, **shape: int) -> Array:
    """Addresses of the micro-kernels of all kinds of tiles."""
    addresses = []
    for rows, columns in _kinds(height, width):
        made = Transform(
            kind, rows, columns, height.outputs, width.outputs, height.taps, width.taps,
            host().lanes(4), **shape,
        )  # fmt: skip
        addresses.append(transform_address(made) if rows and columns else 0)
    return np.array(addresses, np.int64)


def tile_arguments(task: Pass, height: Cut, width: Cut, strips: int, inputs: Array, zeros: Array) -> dict[str, int]:
    """Entries of an argument block that say how x is cut into tiles."""
    _, rows, columns = task.lines
    pixel = task.groups * task.depth * 4
    return {
        "X": 0, "X_N": rows.source * columns.source * pixel, "X_H": columns.source * pixel, "X_W": pixel,
        "X_GROUP": task.depth * 4, "IN_H": rows.source, "IN_W": columns.source,
        "PAD_H": rows.before, "PAD_W": columns.before, "IMAGES": task.batch, "GROUPS": task.groups,
        "CHANNELS": task.depth, "ZEROS": address(zeros), "M_H": height.outputs, "M_W": width.outputs,
        "PART_H": height.part, "PART_W": width.part, "TILE_ROWS": height.tiles, "WHOLE_ROWS": height.whole,
        "COLUMNS": width.whole, "POINTS_H": height.points, "POINTS_W": width.points,
        "V_TILE": v_tile_bytes(task, height, width), "INPUTS": address(inputs), "STRIPS": strips,
    }  # fmt: skip


def v_tile_bytes(task: Pass, height: Cut, width: Cut) -> int:
    """Bytes of V of a tile."""
    return odd_lines(4 * GROUP * height.points * width.points * -(-task.depth // GROUP))


def zeros_for(task: Pass, width: Cut) -> Array:
    """What is read for a row of a tile outside x, and a start for sums."""
    return np.zeros(width.points * task.groups * task.depth + 64, np.float32)


@plan_cache(512)
def plan_winograd(task: Pass, threads: int, ending: Ending = PLAIN) -> WinogradPlan:
    """Plan of a pass for which `can_transform` holds."""
    lanes = host().lanes(4)
    _, rows, columns = task.lines
    height, width = cut_axis(rows), cut_axis(columns)
    points = height.points * width.points
    if task.multiply_adds * 2 < SERIAL_FLOPS:
        threads = 1
    v_tile, m_point = v_tile_bytes(task, height, width), 4 * VECTORS * lanes
    m_tile = odd_lines(m_point * points)
    items = task.batch * height.tiles
    widths = list(lane_blocks(task.lanes, VECTORS, lanes))
    most_tiles = max(FEWEST_TILES, STRIP_BYTES // (v_tile + m_tile))
    own = has_panels(task, items * width.tiles)
    strips = 1 if own else min(items, -(-items * width.tiles // most_tiles))
    heavy = own or (
        strips < threads and task.weights > task.batch * rows.source * columns.source * task.groups * task.depth
    )
    if not heavy:
        strips = min(items, -(-strips // threads) * threads)
    row_tasks, block_tasks = partition(strips, task.groups * len(widths), threads, heavy_weights=heavy)
    strip_tiles = -(-items // strips) * width.tiles
    most = host().tile_rows(VECTORS)

    padded = sum(vectors for _, vectors, _ in widths) * lanes
    packed_group_bytes = 4 * padded * task.depth * height.taps * width.taps
    inputs = transform_kernels(INPUT, height, width, vectors=1, masked=int(task.depth % lanes > 0))
    products = {vectors: _products(vectors, lanes, most, strips, items, height, width) for _, vectors, _ in widths}
    outputs, entries, u_bytes = {}, [], 0
    for first, vectors, valid in widths:
        tail = valid - (vectors - 1) * lanes
        masked = int(tail < lanes)
        if masked not in outputs:
            kind = {"masked": masked, "ending": ending.tiles, "slope": ending.slope}
            outputs[masked] = transform_kernels(OUTPUT, height, width, vectors=VECTORS, **kind)
        pixel = Tile(ROWS, 1, vectors, lanes, 4, masked, ending=ending.tiles, slope=ending.slope)
        b_k, u_point = 4 * vectors * lanes, odd_lines(4 * vectors * lanes * task.depth)
        entry = WINOGRAD_BLOCK.fill(
            PRODUCTS=address(products[vectors]), OUTPUTS=address(outputs[masked]), FILTERS=valid, U=u_bytes,
            WEIGHT=4 * first * task.depth * height.taps * width.taps, LANE=4 * first, U_POINT=u_point, B_K=b_k,
            PIXEL=tile_address(pixel), TAIL=tail,
        )  # fmt: skip
        entries.append(entry)
        u_bytes += 0 if own else points * u_point
    blocks, zeros = np.array(entries), zeros_for(task, width)
    offsets = np.arange(max(1, task.depth // GROUP), dtype=np.int64) * (4 * GROUP * points)
    strides, first = result_strides(task, 4, ending.pixel)
    v_bytes, m_bytes = round_up(strip_tiles * v_tile), round_up(strip_tiles * m_tile)
    panel_channels = min(PANEL_CHANNELS, task.depth)
    panel_point = odd_lines(m_point * panel_channels)
    panel = HEADER + v_bytes + m_bytes
    scratch = panel + (round_up(points * panel_point) if own else 0)
    tasks = row_tasks * block_tasks
    weights = transform_address(
        Transform(WEIGHTS, height.outputs, width.outputs, height.outputs, width.outputs, height.taps, width.taps,
                  lanes, 1, 0)
    )  # fmt: skip
    arguments = WINOGRAD.fill(
        **tile_arguments(task, height, width, strips, inputs, zeros),
        BLOCKS=len(entries), BLOCK_TABLE=address(blocks), U=0, U_GROUP=u_bytes, OFFSETS=address(offsets),
        M_TILE=m_tile, M_POINT=m_point, BIAS=0, Y=0, Y_N=strides[0], Y_H=strides[2], Y_W=strides[3],
        Y_GROUP=4 * task.lanes, OW=columns.out, OH=rows.out, BESIDE=0, WEIGHT=0, WEIGHT_GROUP=packed_group_bytes,
        TAPS_H=height.taps, TAPS_W=width.taps, MOST=most, ROW_TASKS=row_tasks, BLOCK_TASKS=block_tasks, SCRATCH=0,
        SCRATCH_STRIDE=scratch, V=HEADER, M=HEADER + v_bytes, PANEL=panel if own else 0,
        PANEL_CHANNELS=panel_channels, PANEL_POINT=panel_point, WEIGHTS=weights, VECTOR=4 * lanes,
    )  # fmt: skip
    pieces = max(1, task.depth // 16)
    transform_tasks = threads if task.weights >= 2**15 else 1
    transform = WINOGRAD_WEIGHTS.fill(
        WEIGHT=0, WEIGHT_GROUP=packed_group_bytes, U=0, U_GROUP=u_bytes, GROUPS=task.groups, BLOCKS=len(entries),
        BLOCK_TABLE=address(blocks), CHANNELS=task.depth, PIECES=pieces, VECTOR=4 * lanes,
        KERNEL=weights, TASKS=transform_tasks,
    )  # fmt: skip
    share = (
        height.products * width.products / prod(cut.taps * line.out for cut, line in ((height, rows), (width, columns)))
    )
    return WinogradPlan(
        task=task, arguments=arguments,
        tables=(blocks, zeros, offsets, inputs, *products.values(), *outputs.values()), tasks=tasks, threads=threads,
        scratch_bytes=tasks * scratch, depth=0, pack_width=widths[0][1] * lanes, pack_last_width=widths[-1][1] * lanes,
        blocks=len(entries), packed_group_bytes=packed_group_bytes, result_offset=first, transform=transform,
        transform_tasks=transform_tasks, transformed_bytes=round_up(task.groups * u_bytes),
        description=f"Winograd F({height.outputs}×{width.outputs}, {height.taps}×{width.taps}), {1 / share:.2f} times "
        f"fewer products, strips of {strip_tiles} tiles, {tasks} tasks",
    )  # fmt: skip


def transform_weights(plan: WinogradPlan, packed: int, u: int) -> int:
    """Transform packed weights into memory at `u`; return that."""
    if not plan.transformed_bytes:  # each task does so itself
        return u
    arguments, places = plan.transform.copy(), WINOGRAD_WEIGHTS.index
    arguments[places["WEIGHT"]], arguments[places["U"]] = packed, u
    launch(winograd_weights.address(), arguments, plan.transform_tasks, plan.transform_tasks, 0)
    return u


def _products(vectors: int, lanes: int, most: int, strips: int, items: int, height: Cut, width: Cut) -> Array:
    """Addresses of the tiles of all numbers of rows that occur."""
    counts = set()
    for strip in range(strips):
        item, stop = items * strip // strips, items * (strip + 1) // strips
        whole = sum(1 for i in range(item, stop) if i % height.tiles < height.whole)
        part, side = stop - item - whole, min(width.part, 1)
        full = whole * width.whole
        for corner in (0, whole * side):
            counts.add(corner + full)
            counts.add(corner + full + part * width.whole + (part * side if corner == whole * side else 0))
    table = np.zeros(most + 1, np.int64)
    for count in counts:
        chunks = -(-count // most)
        for chunk in range(chunks):
            rows = count * (chunk + 1) // chunks - count * chunk // chunks
            if not table[rows]:
                table[rows] = tile_address(Tile(PACKED, rows, vectors, lanes, 4, 0))
    return table

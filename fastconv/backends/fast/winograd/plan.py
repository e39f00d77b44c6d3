"""Plans of passes by Winograd's algorithm, and which passes these are."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod

import numpy as np

from fastconv.backends.base import Array
from fastconv.backends.fast.conv.chunks import chain_depth
from fastconv.backends.fast.conv.passes import Pass
from fastconv.backends.fast.conv.plan import (
    PLAIN,
    SERIAL_FLOPS,
    Ending,
    PassPlan,
    partition,
    result_strides,
)
from fastconv.backends.fast.conv.tiling import lane_blocks
from fastconv.backends.fast.machine.launch import address, by_tasks, launch
from fastconv.backends.fast.machine.target import host
from fastconv.backends.fast.machine.tile import PACKED, ROWS, Tile, tile_address
from fastconv.backends.fast.memory.plan_cache import plan_cache
from fastconv.backends.fast.memory.workspace import round_up
from fastconv.backends.fast.winograd.axes import first_phase
from fastconv.backends.fast.winograd.cost import FORWARD, Costs, pays
from fastconv.backends.fast.winograd.points import GROUP
from fastconv.backends.fast.winograd.tiles import VECTORS, Grid, can_transform, grids_of, odd_lines
from fastconv.backends.fast.winograd.transform_kernel import INPUT, OUTPUT, WEIGHTS
from fastconv.backends.fast.winograd.winograd_kernel import (
    HEADER,
    PHASE,
    TILES,
    WINOGRAD,
    WINOGRAD_BLOCK,
    WINOGRAD_WEIGHTS,
    winograd,
    winograd_weights,
)

STRIP_BYTES = 3 * 2**17  # of V and M of a strip: they stay in the L2 cache
# Where tiles are few and weights many, each task transforms the weights that it uses, for some channels at a time, into
# memory that stays in the L2 cache: U is four times as large as they are
PANEL_TILES, PANEL_WEIGHTS, PANEL_CHANNELS = 128, 2**16, 128
SERIAL_WEIGHTS = 2**15  # numbers below which one thread transforms them
_BY_TASKS = by_tasks(WINOGRAD_WEIGHTS)


@plan_cache(1024)
def takes_winograd(task: Pass, itemsize: int, costs: Costs = FORWARD) -> bool:
    """Whether a pass is faster by Winograd's algorithm, or with the costs of a weight gradient, that is."""
    if itemsize != 4 or not can_transform(task):
        return False
    return pays(grids_of(task), costs)


@dataclass(frozen=True, kw_only=True)
class WinogradPlan(PassPlan):
    """Plan of a pass by Winograd's algorithm."""

    kernel = winograd
    grid: Grid
    transform: Array  # arguments of what transforms the packed weights
    transform_tasks: int


def has_panels(grid: Grid, limit: int, grids: int = 1) -> bool:
    """Whether each task transforms the weights that it uses itself, see `PANEL_TILES`; `limit` is of its memory.

    The tiles are those of some `grids`, of which this is the largest.
    """
    tiles = grids * grid.row_tiles
    few = tiles <= PANEL_TILES and tiles * (grid.v_tile + grid.m_tile) <= limit
    return few and len(grid.phases) * grid.task.depth * grid.task.lanes >= PANEL_WEIGHTS


@plan_cache(512)
def plan_winograd(
    task: Pass, threads: int, limit: int, ending: Ending = PLAIN, whole: Pass | None = None
) -> WinogradPlan:
    """Plan of a pass for which `can_transform` holds; `limit` is what tiles of a thread may take, if that can be.

    Sums are added up as in the pass over a `whole` batch, where the task is one over some of its images.
    """
    grids = grids_of(task)
    own = has_panels(grids_of(whole or task)[0], limit)
    tile = grids[0].v_tile + grids[0].m_tile
    if not own:
        grids = tuple(grid.in_strips(min(STRIP_BYTES, limit) // tile) for grid in grids)
    first, *others = (_plan(grid, own, threads, ending) for grid in grids)
    scratch = max(plan.scratch_bytes for plan in (first, *others))
    return replace(first, others=tuple(others), scratch_bytes=scratch)


def _plan(grid: Grid, own: bool, threads: int, ending: Ending) -> WinogradPlan:
    task = grid.task
    lanes, most = host().lanes(4), host().tile_rows(VECTORS)
    if task.multiply_adds * 2 < SERIAL_FLOPS:
        threads = 1
    if not own:
        grid = grid.shared(threads)
    widths = list(lane_blocks(task.lanes, VECTORS, lanes))
    heavy = grid.strips < threads and task.weights > prod(line.source for line in task.lines) * task.batch * task.depth
    row_tasks, block_tasks = partition(grid.strips, task.groups * len(widths), threads, heavy_weights=own or heavy)

    taps, phases = len(task.tap_numbers), grid.phases
    all_points = sum(phase.points for phase in phases)
    padded = sum(vectors for _, vectors, _ in widths) * lanes
    packed_group_bytes = 4 * padded * task.depth * taps
    products = {vectors: _products(grid, vectors, lanes, most) for _, vectors, _ in widths}
    outputs, entries, u_bytes = {}, [], 0
    for first, vectors, valid in widths:
        tail = valid - (vectors - 1) * lanes
        masked = int(tail < lanes)
        if masked not in outputs:
            kind = {"masked": masked, "ending": ending.tiles, "slope": ending.slope}
            outputs[masked] = grid.transforms(OUTPUT, vectors=VECTORS, **kind)
        pixel = Tile(ROWS, 1, vectors, lanes, 4, masked, ending=ending.tiles, slope=ending.slope)
        b_k, u_point = 4 * vectors * lanes, odd_lines(4 * vectors * lanes * task.depth)
        entry = WINOGRAD_BLOCK.fill(
            PRODUCTS=address(products[vectors]), OUTPUTS=address(outputs[masked]), FILTERS=valid, U=u_bytes,
            WEIGHT=4 * first * task.depth * taps, LANE=4 * first, U_POINT=u_point, B_K=b_k,
            PIXEL=tile_address(pixel), TAIL=tail,
        )  # fmt: skip
        entries.append(entry)
        u_bytes += 0 if own else all_points * u_point
    blocks = np.array(entries)
    strides, first = result_strides(task, 4, ending.pixel)
    of_phases, tables = _phases(grid, strides)
    v_bytes, m_bytes = (round_up(grid.strip_tiles * size) for size in (grid.v_tile, grid.m_tile))
    panel_channels = min(PANEL_CHANNELS, task.depth)
    panel, panel_point = HEADER + v_bytes + m_bytes, odd_lines(grid.m_point * panel_channels)
    scratch, tasks = panel + (round_up(grid.points * panel_point) if own else 0), row_tasks * block_tasks
    of_first = dict(zip(TILES.names, of_phases[0].tolist()))
    depth, rows, columns = task.lines
    arguments = WINOGRAD.fill(
        **of_first | {"X": phases[0].first_cell}, PHASES=len(phases), PHASE_TABLE=address(of_phases),
        STRIDE_H=rows.stride, STRIDE_W=columns.stride, START_H=first_phase(rows)[1], START_W=first_phase(columns)[1],
        SIZE_H=rows.source, SIZE_W=columns.source,
        CELL_H=of_first["X_H"] // rows.stride, CELL_W=of_first["X_W"] // columns.stride,
        STEP_D=depth.step, CELL_D=depth.step * grid.strides[1],
        STEPS=task.depth * all_points // 2, BLOCKS=len(entries), BLOCK_TABLE=address(blocks), U=0, U_GROUP=u_bytes,
        M_TILE=grid.m_tile, M_POINT=grid.m_point, BIAS=0,
        Y=0, Y_H=strides[2], Y_W=strides[3], Y_GROUP=4 * task.lanes, BESIDE=0, WEIGHT=0,
        WEIGHT_GROUP=packed_group_bytes, TAPS=taps, TAPS_PLANE=taps // len(depth.taps), TAPS_W=len(columns.taps),
        MOST=most, ROW_TASKS=row_tasks, BLOCK_TASKS=block_tasks,
        SCRATCH=0, SCRATCH_STRIDE=scratch, V=HEADER, M=HEADER + v_bytes, PANEL=panel if own else 0,
        PANEL_CHANNELS=panel_channels if own else task.depth, PANEL_POINT=panel_point, VECTOR=4 * lanes,
    )  # fmt: skip
    transform_tasks = threads if task.weights >= SERIAL_WEIGHTS else 1
    transform = WINOGRAD_WEIGHTS.fill(
        WEIGHT=0, WEIGHT_GROUP=packed_group_bytes, U=0, U_GROUP=u_bytes, GROUPS=task.groups, BLOCKS=len(entries),
        BLOCK_TABLE=address(blocks), CHANNELS=task.depth, PIECES=max(1, task.depth // GROUP), VECTOR=4 * lanes,
        PHASES=len(phases), PHASE_TABLE=address(of_phases), TASKS=transform_tasks,
    )  # fmt: skip
    return WinogradPlan(
        task=task, arguments=arguments,
        tables=(blocks, of_phases, *tables, *products.values(), *outputs.values()), tasks=tasks, threads=threads,
        scratch_bytes=tasks * scratch, depth=_depth(task.depth, own, len(phases)),
        pack_width=widths[0][1] * lanes, pack_last_width=widths[-1][1] * lanes, taps=task.tap_numbers,
        blocks=len(entries), packed_group_bytes=packed_group_bytes, result_offset=first, grid=grid, transform=transform,
        transform_tasks=transform_tasks, transformed_bytes=round_up(task.groups * u_bytes),
        description=f"{describe(grid)}, {row_tasks}×{block_tasks} tasks",
    )  # fmt: skip


def _phases(grid: Grid, result: tuple[int, int, int, int]) -> tuple[Array, list[Array]]:
    """Table of the phases of a stride, and what it has addresses of; `result` has the strides of y."""
    entries: list[Array] = []
    tables: list[Array] = []
    v = u = 0
    _, height, width = grid.task.lines
    beside = min(width.stride, len(width.taps))
    of_slice = beside * min(height.stride, len(height.taps))
    for number, phase in enumerate(grid.phases):
        first = (phase.tap or 0) * len(height.taps) * len(width.taps)
        first += number % of_slice // beside * len(width.taps) + number % beside
        inputs = phase.transforms(INPUT, vectors=1, masked=int(grid.task.depth % host().lanes(4) > 0))
        zeros, items = phase.zeros(), phase.items_table(result)
        offsets = np.arange(max(1, grid.task.depth // GROUP), dtype=np.int64) * (4 * GROUP * phase.points)
        both = (phase.height, grid.height), (phase.width, grid.width)
        rows, columns = ([*range(own.points - 1), most.points - 1] for own, most in both)
        places = np.array([row * grid.width.points + column for row in rows for column in columns], np.int64)
        tiles = phase.arguments(inputs, zeros, items)
        tiles |= {"X": phase.first_cell - grid.phases[0].first_cell, "V_TILE": grid.v_tile}
        entry = PHASE.fill(
            **tiles, V=v, U=u, TAP=first,
            TAP_H=height.stride * len(width.taps), TAP_W=width.stride, PLACES=address(places), OFFSETS=address(offsets),
            WEIGHTS=phase.transform(WEIGHTS, vectors=1, masked=0),
        )  # fmt: skip
        entries.append(entry)
        tables += [inputs, zeros, items, offsets, places, phase.strips_table, phase.kinds_table]
        v, u = v + phase.v_phase, u + phase.points
    return np.array(entries), tables


def _depth(channels: int, own: bool, phases: int) -> int:
    """Depth of the sums over channels: in each piece of weights, of those that fill no group, and of all pieces."""
    piece = PANEL_CHANNELS if own else channels
    return chain_depth(min(piece, channels), phases * -(-channels // piece)) + phases * (channels % GROUP > 0)


def describe(grid: Grid) -> str:
    """Algorithm of a pass, and how it is cut."""
    height, width = grid.height, grid.width
    outputs, taps = f"{height.outputs}×{width.outputs}", f"{height.taps}×{width.taps}"
    direct = grid.task.pixels // grid.task.batch * len(grid.task.tap_numbers)
    fewer = direct / sum(phase.products for phase in grid.phases)
    return (
        f"Winograd F({outputs}, {taps}){grid.of_phases}, {fewer:.2f} times fewer products, strips of "
        f"{grid.strip_tiles} tiles"
    )


def transform_weights(plan: WinogradPlan, packed: int, u: int) -> int:
    """Transform packed weights into memory at `u`; return that."""
    if not plan.transformed_bytes:  # each task does so itself
        return u
    arguments, places = plan.transform.copy(), WINOGRAD_WEIGHTS.index
    arguments[places["WEIGHT"]], arguments[places["U"]] = packed, u
    numbers = plan.transformed_bytes // 4
    launch(winograd_weights.address(), arguments, plan.transform_tasks, plan.transform_tasks, numbers, _BY_TASKS)
    return u


def _products(grid: Grid, vectors: int, lanes: int, most: int) -> Array:
    """Addresses of the tiles of all numbers of rows that occur."""
    table = np.zeros(most + 1, np.int64)
    for count in grid.counts:
        chunks = -(-count // most)
        for rows in {count * (chunk + 1) // chunks - count * chunk // chunks for chunk in range(chunks)}:
            table[rows] = table[rows] or tile_address(Tile(PACKED, rows, vectors, lanes, 4, 0))
    return table

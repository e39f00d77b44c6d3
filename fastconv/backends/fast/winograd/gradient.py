"""Plans of weight gradients by Winograd's algorithm, and how one is carried out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from fastconv.backends.base import Array
from fastconv.backends.fast.conv.chunks import LIMIT, chain_depth, pairs_depth
from fastconv.backends.fast.conv.passes import Pass
from fastconv.backends.fast.conv.plan import SERIAL_FLOPS, GradientPlan, power_of_two, result_strides
from fastconv.backends.fast.conv.tiling import lane_blocks
from fastconv.backends.fast.machine.launch import address, by_tasks, launch
from fastconv.backends.fast.machine.target import host
from fastconv.backends.fast.machine.tile import STRIDED, Tile, tile_address
from fastconv.backends.fast.memory.plan_cache import plan_cache
from fastconv.backends.fast.memory.workspace import round_up
from fastconv.backends.fast.winograd.cost import GRADIENT as GRADIENT_COSTS
from fastconv.backends.fast.winograd.plan import PANEL_CHANNELS, describe, has_panels, takes_winograd
from fastconv.backends.fast.winograd.points import GROUP
from fastconv.backends.fast.winograd.tiles import VECTORS, Grid, grids_of, odd_lines
from fastconv.backends.fast.winograd.transform_kernel import GRADIENT, INPUT, TAPS
from fastconv.backends.fast.winograd.winograd_gradient_kernel import (
    GRADIENT_BLOCK,
    PLACE,
    WINOGRAD_GRADIENT,
    winograd_gradient,
    winograd_taps,
)
from fastconv.backends.fast.winograd.winograd_kernel import HEADER, STRIP, TILES

ROWS = 8  # channels of a product: with two vectors of filters, sums in 16 registers
SUMS_BYTES = 2**23  # of the sums of all splits together
MAX_SPLITS = 16
_BY_TASKS = by_tasks(WINOGRAD_GRADIENT)
STRIP_BYTES = 3 * 2**18  # of V and Z of a strip at least: as many as of the sums, which each strip goes through,
LARGEST_STRIP_BYTES = 2**22  # or so many


@dataclass(frozen=True, kw_only=True)
class WinogradGradientPlan(GradientPlan):
    """Plan of a weight gradient by Winograd's algorithm; `shape` is that of the sums, in numbers of a split."""

    kernel = winograd_gradient
    grids: tuple[Grid, ...]
    sums_first: bool  # whether gradients are made of the sums over all tiles by another launch


@plan_cache(512)
def plan_winograd_gradient(task: Pass, threads: int, limit: int) -> WinogradGradientPlan:
    """Plan of the weight gradient that belongs to a forward pass for which `tiles.can_transform` holds."""
    lanes = host().lanes(4)
    if task.multiply_adds * 2 < SERIAL_FLOPS:
        threads = 1
    grids = tuple(grid.by_tap[0] for grid in grids_of(task))
    taps_d = len(task.lines[0].taps)
    own = has_panels(grids[0], limit, len(grids))
    widths = list(lane_blocks(task.lanes, VECTORS, lanes))
    sums_slice = sum(grids[0].points * odd_lines(4 * vectors * lanes * task.depth) for _, vectors, _ in widths)
    sums_bytes = task.groups * taps_d * sums_slice
    strip_bytes = max(STRIP_BYTES, min(sums_bytes, LARGEST_STRIP_BYTES))
    most = min(strip_bytes, limit) // (grids[0].v_tile + grids[0].m_tile)
    if not own:
        grids = tuple(grid.in_strips(most) for grid in grids)
    strips = sum(grid.strips for grid in grids)
    splits = 1 if own else power_of_two(min(MAX_SPLITS, strips, max(1, SUMS_BYTES // sums_bytes)))
    grids = tuple(grid.shared(-(-splits // len(grids))) for grid in grids)
    strips = sum(grid.strips for grid in grids)
    parts = min(len(widths), -(-threads // splits))

    grid = grids[0]
    entries, tables, offset = [], [], 0
    for first, vectors, valid in widths:
        masked, channel = int(valid < vectors * lanes), 4 * vectors * lanes
        gradients = np.array([each.transforms(GRADIENT, vectors=VECTORS, masked=masked) for each in grids])
        products = np.zeros(ROWS + 1, np.int64)
        for count in {min(ROWS, task.depth), task.depth % ROWS or ROWS}:
            products[count] = tile_address(Tile(STRIDED, count, vectors, lanes, 4, 0))
        entry = GRADIENT_BLOCK.fill(
            PRODUCTS=address(products), GRADIENTS=address(gradients), FILTERS=valid, SUMS=offset, LANE=4 * first,
            TAPS=grid.transform(TAPS, vectors=1, masked=masked), POINT=odd_lines(channel * task.depth),
            CHANNEL=channel, ONE_TAP=tile_address(Tile(STRIDED, 1, vectors, lanes, 4, masked)),
            TAIL=valid - (vectors - 1) * lanes,
        )  # fmt: skip
        offset += grid.points * odd_lines(channel * task.depth)
        entries.append(entry)
        tables += [products, gradients]
    blocks, zeros, no_offsets = np.array(entries), grid.zeros(), np.zeros(2, np.int64)
    places, of_places = _places(grids, zeros)
    tiles = max(each.strip_tiles for each in grids)
    at_once = strips if own else min(strips, max(1, most // tiles))
    v_bytes, z_bytes = (round_up(at_once * tiles * size) for size in (grid.v_tile, grid.m_tile))
    panel_channels = min(PANEL_CHANNELS, task.depth)
    panel, panel_point = HEADER + v_bytes + z_bytes, odd_lines(grid.m_point * panel_channels)
    scratch, tasks = panel + (round_up(grid.points * panel_point) if own else 0), min(threads, splits * parts)
    numbers, taps = task.depth * task.lanes, grid.height.taps * grid.width.taps
    depth, rows, columns = task.lines
    (_, _, y_h, y_w), _ = result_strides(task, 4)
    (_, _, every_h, every_w), _ = result_strides(grid.task, 4)
    x_w = 4 * task.groups * task.depth
    arguments = WINOGRAD_GRADIENT.fill(
        X=0, X_N=grid.strides[0], X_D=grid.strides[1], X_H=columns.source * x_w, X_W=x_w, X_GROUP=4 * task.depth,
        SIZE_D=depth.source, SIZE_H=rows.source, SIZE_W=columns.source, STRIDE_D=depth.stride, PAD_D=depth.before,
        PAD_H=rows.before, PAD_W=columns.before, STEP_D=depth.step, STEP_H=rows.step, STEP_W=columns.step,
        IMAGES=task.batch, OUT_D=depth.out, OUT_H=rows.out, OUT_W=columns.out,
        DY=0, DY_H=y_h, DY_W=y_w, DY_GROUP=4 * task.lanes, EVERY_H=every_h, EVERY_W=every_w,
        TAPS_D=taps_d, TAPS=taps, TAPS_W=grid.width.taps, GROUPS=task.groups, CHANNELS=task.depth, POINTS=grid.points,
        V_TILE=grid.v_tile, LINE=4 * GROUP * grid.points, ZEROS=address(zeros), STRIPS=strips, AT_ONCE=at_once,
        V_STRIP=tiles * grid.v_tile, Z_STRIP=tiles * grid.m_tile, PLACES=address(places),
        BLOCKS=len(entries), BLOCK_TABLE=address(blocks), Z_TILE=grid.m_tile, Z_POINT=grid.m_point,
        NO_OFFSETS=address(no_offsets), SUMS=0, SUMS_SPLIT=sums_bytes, SUMS_GROUP=taps_d * sums_slice,
        SUMS_SLICE=sums_slice, ROWS=ROWS, SPLITS=splits, PARTS=parts, TASKS=tasks, SCRATCH=0, SCRATCH_STRIDE=scratch,
        V=HEADER, Z=HEADER + v_bytes, PANEL=panel if own else 0,
        PANEL_CHANNELS=panel_channels if own else task.depth, PANEL_POINT=panel_point,
        DW=0, DW_GROUP=4 * taps_d * taps * numbers, DW_SLICE=4 * taps * numbers, DW_TAP=4 * numbers,
        DW_ROW=4 * task.lanes,
    )  # fmt: skip
    chain = strips if own else max(b - a for a, b in pairwise(strips * split // splits for split in range(splits + 1)))
    return WinogradGradientPlan(
        task=task, arguments=arguments, tables=(blocks, zeros, no_offsets, places, *of_places, *tables), tasks=tasks,
        threads=threads, scratch_bytes=tasks * scratch, splits=splits, grids=grids,
        shape=(splits, taps_d * taps * numbers * task.groups if own else sums_bytes // 4), sums_first=not own,
        depth=chain_depth(tiles, chain) + pairs_depth(splits),
        description=f"{describe(replace(grid, tap=None))}, {splits}×{parts} tasks",
    )  # fmt: skip


def _places(grids: Sequence[Grid], zeros: Array) -> tuple[Array, list[Array]]:
    """Table of all strips, by taps along depth, and what it has addresses of."""
    entries: list[Array] = []
    tables: list[Array] = []
    for tap in range(len(grids[0].task.lines[0].taps)):
        for number, grid in enumerate(grids):
            strides, first = result_strides(grid.task, 4)
            inputs = grid.transforms(INPUT, vectors=1, masked=int(grid.task.depth % host().lanes(4) > 0))
            items = (replace(grid, tap=tap) if grid.tap is not None else grid).items_table(strides)
            of_grid = TILES.fill(**grid.arguments(inputs, zeros, items))
            for strip in range(grid.strips):
                entry = PLACE.fill(
                    TILES=address(of_grid), STRIP=address(grid.strips_table) + strip * STRIP.nbytes,
                    DY=first, SHAPES=number * 4 * 8,
                )  # fmt: skip
                entries.append(entry)
            tables += [inputs, items, of_grid, grid.strips_table, grid.kinds_table]
    return np.array(entries), tables


@plan_cache(1024)
def takes_winograd_gradient(task: Pass, itemsize: int, limit: int = 2**62) -> bool:
    """Whether a weight gradient is faster by Winograd's algorithm, and its sums are no deeper than the direct ones."""
    if any(line.stride > 1 for line in task.lines[1:]):
        return False
    return takes_winograd(task, itemsize, GRADIENT_COSTS) and plan_winograd_gradient(task, 1, limit).depth <= LIMIT


def to_taps(plan: WinogradGradientPlan, arguments: Array) -> None:
    """Make the gradient of packed weights [group, tap, channel, filter], at DW, of the sums over all tiles, at SUMS."""
    launch(winograd_taps.address(), arguments, plan.tasks, plan.threads, plan.shape[1], _BY_TASKS)

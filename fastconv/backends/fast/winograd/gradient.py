"""Plans of weight gradients by Winograd's algorithm, and how one is carried out."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from fastconv.backends.base import Array
from fastconv.backends.fast.conv.chunks import LIMIT, chain_depth, pairs_depth
from fastconv.backends.fast.conv.passes import Pass
from fastconv.backends.fast.conv.plan import SERIAL_FLOPS, GradientPlan
from fastconv.backends.fast.conv.tiling import lane_blocks
from fastconv.backends.fast.machine.launch import address, by_tasks, launch
from fastconv.backends.fast.machine.target import host
from fastconv.backends.fast.machine.tile import STRIDED, Tile, tile_address
from fastconv.backends.fast.memory.plan_cache import plan_cache
from fastconv.backends.fast.memory.workspace import round_up
from fastconv.backends.fast.winograd.cost import GRADIENT as GRADIENT_COSTS
from fastconv.backends.fast.winograd.plan import (
    FEWEST_TILES,
    PANEL_CHANNELS,
    VECTORS,
    cut_axis,
    has_panels,
    odd_lines,
    takes_winograd,
    tile_arguments,
    transform_kernels,
    v_tile_bytes,
    zeros_for,
)
from fastconv.backends.fast.winograd.transform_kernel import GRADIENT, INPUT, TAPS, Transform, transform_address
from fastconv.backends.fast.winograd.winograd_gradient_kernel import (
    GRADIENT_BLOCK,
    WINOGRAD_GRADIENT,
    WINOGRAD_TAPS,
    winograd_gradient,
    winograd_taps,
)
from fastconv.backends.fast.winograd.winograd_kernel import HEADER

ROWS = 8  # channels of a product: with two vectors of filters, sums in 16 registers
SUMS_BYTES = 2**23  # of the sums of all splits together
MAX_SPLITS = 16
_BY_TASKS = by_tasks(WINOGRAD_TAPS)
STRIP_BYTES = 3 * 2**18  # of V and Z of a strip at least; as many as the sums, which each strip goes through


@dataclass(frozen=True, kw_only=True)
class WinogradGradientPlan(GradientPlan):
    """Plan of a weight gradient by Winograd's algorithm; `shape` is that of the sums, in numbers of a split."""

    kernel = winograd_gradient
    taps: Array | None  # arguments of what makes the gradient of the sums; None where each task does so itself


def _power_of_two(most: int) -> int:
    return 1 << max(0, most.bit_length() - 1)


@plan_cache(512)
def plan_winograd_gradient(task: Pass, threads: int) -> WinogradGradientPlan:
    """Plan of the weight gradient that belongs to a forward pass for which `plan.can_transform` holds."""
    lanes = host().lanes(4)
    _, rows, columns = task.lines
    height, width = cut_axis(rows), cut_axis(columns)
    points = height.points * width.points
    if task.multiply_adds * 2 < SERIAL_FLOPS:
        threads = 1
    widths = list(lane_blocks(task.lanes, VECTORS, lanes))
    v_tile, z_point = v_tile_bytes(task, height, width), 4 * VECTORS * lanes
    z_tile = odd_lines(z_point * points)
    sums_group = sum(points * odd_lines(4 * vectors * lanes * task.depth) for _, vectors, _ in widths)
    sums_bytes = task.groups * sums_group
    items = task.batch * height.tiles
    most_tiles = max(FEWEST_TILES, max(STRIP_BYTES, min(sums_bytes, 2**22)) // (v_tile + z_tile))
    own = has_panels(task, items * width.tiles)
    strips = 1 if own else min(items, -(-items * width.tiles // most_tiles))
    splits = _power_of_two(min(MAX_SPLITS, strips, max(1, SUMS_BYTES // sums_bytes)))
    strips = -(-strips // splits) * splits
    parts = min(len(widths), -(-threads // splits))
    tasks = min(threads, splits * parts)
    strip_tiles = -(-items // strips) * width.tiles

    shape = {"masked": int(task.depth % lanes > 0)}
    inputs = transform_kernels(INPUT, height, width, vectors=1, **shape)
    entries, tables, offset = [], [], 0
    for first, vectors, valid in widths:
        masked = int(valid < vectors * lanes)
        gradients = transform_kernels(GRADIENT, height, width, vectors=VECTORS, masked=masked)
        channels = {min(ROWS, task.depth), task.depth % ROWS or ROWS}
        products = np.zeros(ROWS + 1, np.int64)
        for count in channels:
            products[count] = tile_address(Tile(STRIDED, count, vectors, lanes, 4, 0))
        taps = Transform(
            TAPS,
            height.outputs,
            width.outputs,
            height.outputs,
            width.outputs,
            height.taps,
            width.taps,
            lanes,
            1,
            masked,
        )
        channel = 4 * vectors * lanes
        entry = GRADIENT_BLOCK.fill(
            PRODUCTS=address(products), GRADIENTS=address(gradients), TAPS=transform_address(taps), FILTERS=valid,
            SUMS=offset, LANE=4 * first, POINT=odd_lines(channel * task.depth), CHANNEL=channel,
        )  # fmt: skip
        offset += points * odd_lines(channel * task.depth)
        entries.append(entry)
        tables += [products, gradients]
    blocks, zeros, no_offsets = np.array(entries), zeros_for(task, width), np.zeros(2, np.int64)
    v_bytes, z_bytes = round_up(strip_tiles * v_tile), round_up(strip_tiles * z_tile)
    panel_channels = min(PANEL_CHANNELS, task.depth)
    panel, panel_point = HEADER + v_bytes + z_bytes, odd_lines(z_point * panel_channels)
    scratch, pixel = panel + (round_up(points * panel_point) if own else 0), 4 * task.groups * task.lanes
    numbers, tap_count = task.depth * task.lanes, height.taps * width.taps
    places = {"DW_GROUP": 4 * tap_count * numbers, "DW_TAP": 4 * numbers, "DW_ROW": 4 * task.lanes}
    arguments = WINOGRAD_GRADIENT.fill(
        **tile_arguments(task, height, width, strips, inputs, zeros), BLOCKS=len(entries), BLOCK_TABLE=address(blocks),
        DY=0, DY_N=rows.out * columns.out * pixel, DY_H=columns.out * pixel, DY_W=pixel, DY_GROUP=4 * task.lanes,
        Z_TILE=z_tile, Z_POINT=z_point, NO_OFFSETS=address(no_offsets), SUMS=0, SUMS_SPLIT=sums_bytes,
        SUMS_GROUP=sums_group, ROWS=ROWS, SPLITS=splits, PARTS=parts, TASKS=tasks, SCRATCH=0,
        SCRATCH_STRIDE=scratch, V=HEADER, Z=HEADER + v_bytes,
        PANEL=panel if own else 0, PANEL_CHANNELS=panel_channels, PANEL_POINT=panel_point,
        **places,
    )  # fmt: skip
    to_taps = WINOGRAD_TAPS.fill(
        SUMS=0, SUMS_GROUP=sums_group, DW=0, GROUPS=task.groups, BLOCKS=len(entries), BLOCK_TABLE=address(blocks),
        CHANNELS=task.depth, TASKS=threads, **places,
    )  # fmt: skip
    per_split = max(b - a for a, b in pairwise(strips * split // splits for split in range(splits + 1)))
    return WinogradGradientPlan(
        task=task, arguments=arguments, tables=(blocks, zeros, no_offsets, inputs, *tables), tasks=tasks,
        threads=threads, scratch_bytes=tasks * scratch, splits=splits,
        shape=(splits, tap_count * numbers * task.groups if own else sums_bytes // 4),
        taps=None if own else to_taps,
        depth=chain_depth(strip_tiles, per_split) + pairs_depth(splits),
        description=f"Winograd F({height.taps}×{width.taps}, {height.outputs}×{width.outputs}), "
        f"strips of {strip_tiles} tiles, {splits}×{parts} tasks",
    )  # fmt: skip


@plan_cache(1024)
def takes_winograd_gradient(task: Pass, itemsize: int) -> bool:
    """Whether a weight gradient is faster by Winograd's algorithm, and its sums are no deeper than the direct ones."""
    return takes_winograd(task, itemsize, GRADIENT_COSTS) and plan_winograd_gradient(task, 1).depth <= LIMIT


def to_taps(plan: WinogradGradientPlan, sums: int, dw: int) -> None:
    """Make the gradient of packed weights [group, tap, channel, filter] of the sums over all tiles."""
    assert plan.taps is not None
    arguments, places = plan.taps.copy(), WINOGRAD_TAPS.index
    arguments[places["SUMS"]], arguments[places["DW"]] = sums, dw
    launch(winograd_taps.address(), arguments, plan.threads, plan.threads, plan.shape[1], _BY_TASKS)

"""The bias: added where no kernel does it, and its gradient, the sum of dy over batch and positions."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from fastconv.backends.base import Array, Gradients
from fastconv.backends.fast.conv.chunks import chain_depth, pairs_depth
from fastconv.backends.fast.conv.plan import PIXEL_CHUNKS, SERIAL_FLOPS
from fastconv.backends.fast.conv.sums_kernel import ROWS_ADD, SUM_ENTRY, SUMS, TOTALS_SUM, rows_add, sums, totals_sum
from fastconv.backends.fast.conv.tiling import lane_blocks
from fastconv.backends.fast.machine.launch import address, by_tasks, launch
from fastconv.backends.fast.machine.target import host
from fastconv.backends.fast.machine.tile import STRIDED, Tile, tile_address
from fastconv.backends.fast.memory.plan_cache import plan_cache
from fastconv.backends.fast.memory.strided import SERIAL_NUMBERS, copy_into
from fastconv.backends.fast.memory.workspace import borrowed
from fastconv.backends.geometry import CHANNELS_LAST
from fastconv.backends.settings import get_num_threads

_SPLIT_PIXELS = 1024  # pixels of a split at least
_MAX_SPLITS = 64  # unless these would have more than so many pixels, which bounds the rounding error
_LONGEST_SPLIT = 8192
_VECTORS = 8  # of one tile: as many additions under way as the pipes take
_ROW_BYTES = 512  # of the pixels that are taken for one where channels are few, for as many additions
_X, _TOTALS = SUMS.index["X"], SUMS.index["TOTALS"]


@dataclass(frozen=True)
class SumPlan:
    """Everything that depends on shapes alone."""

    arguments: Array
    tables: tuple[Array, ...]  # kept alive: the block holds their addresses
    totals: int  # of each channel: one for each split, and for each of the pixels that are taken for one
    threads: int
    depth: int


def _fold(channels: int, pixels: int, item: int) -> int:
    """How many pixels are taken for one, a power of two, where enough are left for a split."""
    fold = 1
    while (
        2 * fold * channels * item <= _ROW_BYTES and pixels % (2 * fold) == 0 and pixels // (2 * fold) >= _SPLIT_PIXELS
    ):
        fold *= 2
    return fold


@plan_cache(512)
def plan_sums(channels: int, pixels: int, dtype: np.dtype[Any], threads: int) -> SumPlan:
    """Plan of the sums over the pixels of a channels-last array; their order depends on the shape alone."""
    item, lanes = dtype.itemsize, host().lanes(dtype.itemsize)
    fold = _fold(channels, pixels, item)
    channels, pixels = channels * fold, pixels // fold
    entries = []
    for first, vectors, valid in lane_blocks(channels, min(_VECTORS, host().registers - 3), lanes):
        tail = valid - (vectors - 1) * lanes
        tile = tile_address(Tile(STRIDED, 1, vectors, lanes, item, int(tail < lanes)))
        entries.append(SUM_ENTRY.fill(TILE=tile, OFFSET=first * item, TAIL=tail))
    table, one, zero = np.array(entries), np.ones(1, dtype), np.zeros(_VECTORS * lanes, dtype)
    offsets = np.zeros(2, np.int64)
    splits = max(1, min(_MAX_SPLITS, pixels // _SPLIT_PIXELS), -(-pixels // _LONGEST_SPLIT))
    chunk = PIXEL_CHUNKS[0]
    depth = chain_depth(chunk, -(-min(pixels, _LONGEST_SPLIT) // chunk)) + pairs_depth(splits * fold)
    threads = 1 if channels * pixels * 2 < SERIAL_FLOPS // 8 else min(threads, splits)
    arguments = SUMS.fill(
        X=0, PIXEL=channels * item, PIXELS=pixels, SPLITS=splits, CHUNK=chunk, BLOCKS=len(entries),
        BLOCK_TABLE=address(table), ONE=address(one), ZERO_VECTOR=address(zero), NO_OFFSETS=address(offsets), ITEM=item,
        TOTALS=0, TOTALS_SPLIT=channels * item, TASKS=threads,
    )  # fmt: skip
    return SumPlan(arguments, (table, one, zero, offsets), splits * fold, threads, depth)


def bias_gradient(dy: Array, threads: int) -> Array:
    """Sum of a channels-last dy over all axes but the channels; totals of parts are added in pairs, in float64."""
    plan = plan_sums(dy.shape[1], dy.shape[0] * prod(dy.shape[2:]), dy.dtype, threads)
    totals = np.empty((plan.totals, dy.shape[1]), dy.dtype)
    arguments = plan.arguments.copy()
    arguments[_X], arguments[_TOTALS] = address(dy), address(totals)
    launch(sums.address(), arguments, plan.threads, plan.threads, dy.size, by_tasks(SUMS))
    if plan.totals > 1:
        with borrowed(8 * plan.totals) as scratch:
            block = TOTALS_SUM.fill(
                X=address(totals), CHANNELS=dy.shape[1], SPLITS=plan.totals, SCRATCH=address(scratch)
            )
            launch(totals_sum.address(dy.itemsize), block, 1, 1)
    return np.asarray(totals[0])


def gradients_of_nothing(
    needs: frozenset[str], shape: tuple[int, ...], weight_shape: tuple[int, ...], count: int, dtype: np.dtype[Any]
) -> Gradients:
    """Gradients of an empty batch: dx has no numbers, those of weight and bias are zero."""
    dx = np.empty(shape, dtype) if "x" in needs else None
    dweight = np.zeros(weight_shape, dtype) if "weight" in needs else None
    return dx, dweight, np.zeros(count, dtype) if "bias" in needs else None


def _rows(y: Array, bias: Array) -> tuple[Array, Array]:
    """Channels-last y as rows of W*C numbers, and the bias repeated for one of them: few channels make no loops."""
    rows = y.transpose(CHANNELS_LAST[y.ndim]).reshape(-1, y.shape[-1] * y.shape[1])
    repeated = np.empty((y.shape[-1], y.shape[1]), y.dtype)
    copy_into(repeated, np.broadcast_to(bias, repeated.shape))
    return rows, repeated.reshape(-1)


def fill_bias(y: Array, bias: Array) -> None:
    """Set every number of a channels-last y to the bias of its channel."""
    rows, numbers = _rows(y, bias)
    copy_into(rows, np.broadcast_to(numbers, rows.shape))


def add_lost(y: Array, lost: Array) -> None:
    """Add what was rounded off, which lies as a channels-last y does, to y."""
    rows = y.transpose(CHANNELS_LAST[y.ndim]).reshape(-1, y.shape[1])
    _add(rows, lost.reshape(rows.shape))


def add_bias(y: Array, bias: Array | None) -> Array:
    """Add the bias of its channel to every number of a channels-last y, and return y."""
    if bias is not None:
        rows, numbers = _rows(y, bias)
        _add(rows, np.broadcast_to(numbers, rows.shape))
    return y


def _add(rows: Array, others: Array) -> None:
    """Add others to rows, in place."""
    threads = get_num_threads() if rows.size >= SERIAL_NUMBERS else 1
    block = ROWS_ADD.fill(
        Y=address(rows), OTHER=address(others), OTHER_ROW=others.strides[0], ROWS=len(rows), LENGTH=rows.shape[1],
        TASKS=threads,
    )  # fmt: skip
    launch(rows_add.address(rows.itemsize), block, threads, threads, rows.size, by_tasks(ROWS_ADD))

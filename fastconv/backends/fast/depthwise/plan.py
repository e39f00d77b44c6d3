"""Plans of depthwise convolution in two dimensions: what depends on shapes alone, decided once."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from fastconv.backends.base import Array
from fastconv.backends.fast.conv.chunks import LIMIT, chain_depth, pairs_depth
from fastconv.backends.fast.conv.passes import Line, Pass
from fastconv.backends.fast.conv.plan import (
    PLAIN,
    SERIAL_FLOPS,
    SPLIT_BYTES,
    Ending,
    GradientPlan,
    PassPlan,
    result_strides,
    splits_of,
)
from fastconv.backends.fast.depthwise.depthwise_kernel import (
    DEPTHWISE_CONV,
    DEPTHWISE_GRADIENT,
    depthwise_conv,
    depthwise_gradient,
)
from fastconv.backends.fast.depthwise.tiles import (
    LONGEST_SUM,
    additions_of,
    columns_of,
    gradient_pieces,
    is_rolling,
    largest_sum,
    whole_windows,
    window_pieces,
)
from fastconv.backends.fast.machine.launch import address
from fastconv.backends.fast.machine.target import host
from fastconv.backends.fast.memory.plan_cache import plan_cache


class DepthwisePlan(PassPlan):
    """Plan of a pass made of pieces."""

    kernel = depthwise_conv


class DepthwiseGradientPlan(GradientPlan):
    """Plan of a weight gradient made of pieces."""

    kernel = depthwise_gradient


def _planes(task: Pass, itemsize: int, threads: int, pieces: Array) -> dict[str, int]:
    """Entries of an argument block that forward pass and weight gradient have in common."""
    _, height, width = task.lines
    pixel = task.lanes * itemsize
    full = whole_windows(height)
    return {
        "X": 0, "X_N": height.source * width.source * pixel, "X_H": width.source * pixel, "IN_H": height.source,
        "PAD_H": height.before, "S_H": height.stride, "STEP_H": height.step, "KH": len(height.taps),
        "IMAGES": task.batch, "OH": height.out,
        "FULL_FIRST": full.start if full else 0, "FULL_LAST": full.stop if full else 0,
        "CELL": pixel, "PIECES": len(pieces), "PIECE_TABLE": address(pieces), "TASKS": threads,
    }  # fmt: skip


def _threads(task: Pass, threads: int) -> int:
    return 1 if task.multiply_adds * 2 < SERIAL_FLOPS else threads


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _describe(task: Pass, what: str, items: str) -> str:
    edges = len(columns_of(task.lines[2]).edges)
    cut = f", {edges} columns cut at the edge" if edges else ""
    return f"{what}, x in place{cut}, {items}"


@plan_cache(512)
def plan_depthwise(task: Pass, itemsize: int, threads: int, ending: Ending = PLAIN) -> DepthwisePlan:
    """Plan of a pass for which `depthwise.tiles.takes_depthwise_tiles` holds."""
    lanes, (_, height, width) = host().lanes(itemsize), task.lines
    threads = _threads(task, threads)
    padded = -(-task.lanes // lanes) * lanes
    line = padded * itemsize
    pieces = window_pieces(task, itemsize, ending.tiles, ending.slope, ending.pixel)
    x_row = width.source * task.lanes * itemsize
    runs = range(len(height.taps))
    offsets = np.array([(h * height.step * x_row, h * len(width.taps) * line) for h in runs], np.int64)
    strides, first = result_strides(task, itemsize, ending.pixel)
    moves = "roll" if is_rolling(task) else "slide"
    arguments = DEPTHWISE_CONV.fill(
        **_planes(task, itemsize, threads, pieces), LINE=line,
        Y=0, Y_N=strides[0], Y_H=strides[2], Y_W=strides[3], WEIGHT=0, OFFSETS=address(offsets), BIAS=0,
        ROLLS=int(is_rolling(task)),
    )  # fmt: skip
    return DepthwisePlan(
        task=task, arguments=arguments, tables=(pieces, offsets), tasks=threads, threads=threads, blocks=1,
        pack_width=padded, pack_last_width=padded, taps=task.tap_numbers, result_offset=first,
        packed_group_bytes=line * len(height.taps) * len(width.taps),
        description=_describe(task, f"windows of {len(runs)}×{len(width.taps)} that {moves}", _count(threads, "task")),
        depth=len(runs) * len(width.taps) + 1,
    )  # fmt: skip


def _calls_of(height: Line, full: range, first: int, last: int, most: int) -> int:
    """Calls for the rows `first` to ``last - 1`` of all images, as `depthwise.depthwise_kernel` makes them."""
    calls = 0
    while first < last:
        row = first % height.out
        first += min(full.stop - row, last - first, most) if row in full else 1
        calls += 1
    return calls


@plan_cache(512)
def _splits(task: Pass, itemsize: int) -> tuple[int, int]:
    """Splits of the rows, and depth of the sums: twice as many splits, and again, until it is within the limit.

    Few rows of small images add to the gradient at a time, and it is small, so that many splits cost little.
    """
    _, height, width = task.lines
    rows, most, size = task.batch * height.out, max(1, LONGEST_SUM // width.out), task.weights * itemsize
    splits, full, additions = splits_of(task, size), whole_windows(height), additions_of(width)
    while True:
        bounds = [rows * split // splits for split in range(splits + 1)]
        calls = max(_calls_of(height, full, *ends, most) for ends in pairwise(bounds))
        depth = chain_depth(min(most, height.out) * width.out, calls * additions) + pairs_depth(splits)
        if depth <= LIMIT or 2 * splits > min(rows, SPLIT_BYTES // size):
            return splits, depth
        splits *= 2


def sums_fit(task: Pass, itemsize: int) -> bool:
    """Whether the rows of the weight gradient can be added up within the promised rounding."""
    return task.lines[2].out <= LONGEST_SUM and _splits(task, itemsize)[1] <= LIMIT


@plan_cache(512)
def plan_depthwise_gradient(task: Pass, itemsize: int, threads: int) -> DepthwiseGradientPlan:
    """Plan of the weight gradient of a forward pass for which `depthwise.tiles.takes_depthwise_tiles` holds."""
    _, height, width = task.lines
    pixel = task.lanes * itemsize
    size = task.weights * itemsize
    splits, depth = _splits(task, itemsize)
    threads = min(splits, _threads(task, threads))
    pieces = gradient_pieces(task, itemsize)
    arguments = DEPTHWISE_GRADIENT.fill(
        **_planes(task, itemsize, threads, pieces), LINE=pixel,
        DY=0, Y_N=height.out * width.out * pixel, Y_H=width.out * pixel, Y_W=pixel,
        RUNS=largest_sum(len(width.taps)).runs, ROWS=max(1, LONGEST_SUM // width.out),
        LINE_RUN=len(width.taps) * pixel, DW=0, DW_SPLIT=size, SPLITS=splits,
    )  # fmt: skip
    return DepthwiseGradientPlan(
        task=task, arguments=arguments, tables=(pieces,), tasks=threads, threads=threads, splits=splits,
        shape=(splits, 1, len(height.taps), len(width.taps), task.lanes),
        description=_describe(task, f"sums of {len(height.taps)}×{len(width.taps)} taps", _count(splits, "split")),
        depth=depth,
    )  # fmt: skip

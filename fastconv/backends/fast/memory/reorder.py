"""Changes of order: argument blocks of the one kernel that does them all (see `machine.pack`)."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np

from fastconv.backends.base import Array
from fastconv.backends.fast.machine.launch import address, by_tasks, launch
from fastconv.backends.fast.machine.pack import PACK, pack
from fastconv.backends.fast.memory.plan_cache import plan_cache

_SOURCE, _TARGET = PACK.index["SOURCE"], PACK.index["TARGET"]
_BY_TASKS = by_tasks(PACK)
SERIAL_NUMBERS = 2**15  # numbers below which one thread does it all
_PIXELS = 64  # pixels of a plane, or channels of a filter, in one item of work
_CHANNELS = 16


@dataclass(frozen=True)
class Reorder:
    """A change of order, but for the addresses."""

    arguments: Array
    tables: tuple[Array, ...]  # kept alive: the block holds their addresses
    tasks: int
    numbers: int


def reorder(plan: Reorder, itemsize: int, source: int, target: int) -> None:
    """Carry out a change of order."""
    arguments = plan.arguments.copy()
    arguments[_SOURCE], arguments[_TARGET] = source, target
    launch(pack.address(itemsize), arguments, plan.tasks, plan.tasks, plan.numbers, _BY_TASKS)


def by_block(plan: Reorder) -> Reorder:
    """Return the same change of order in which task i is block i of all groups, whoever carries it out."""
    arguments, places = plan.arguments.copy(), PACK.index
    tasks = arguments[places["GROUPS"]] * arguments[places["BLOCKS"]]
    arguments[places["TASKS"]] = tasks
    return Reorder(arguments, plan.tables, int(tasks), plan.numbers)


def _plan(rows: Array, table: Array, numbers: int, threads: int, itemsize: int, **values: int) -> Reorder:
    tasks = 1 if numbers < SERIAL_NUMBERS else threads
    rows, table = (np.ascontiguousarray(numbers, np.int64) for numbers in (rows, table.reshape(-1)))
    adjacent = int((np.diff(rows) == itemsize).all())
    places = {"SOURCE": 0, "TARGET": 0, "ROWS": address(rows), "TABLE": address(table)}
    block = PACK.fill(**places, **values, ADJACENT=adjacent, TASKS=tasks)
    return Reorder(block, (rows, table), tasks, numbers)


@dataclass(frozen=True)
class WeightOrder:
    """What the order of packed weights depends on: sizes of the weights, taps of the pass, blocks of lanes."""

    groups: int
    filters: int  # per group
    channels: int  # per group
    taps: int
    used: tuple[int, ...]  # taps in the order of the reduction
    order: str  # "forward", or "gradient": lanes are channels, or "window": lanes are (tap, channel); see below
    blocks: int
    width: int
    last_width: int
    group_bytes: int
    beside: int = 1  # small groups that one of these is made of, whose lanes are side by side


@plan_cache(1024)
def plan_weights(order: WeightOrder, itemsize: int, threads: int) -> Reorder:
    """Plan of weights (groups, filters, channels, taps) into panels [block][tap][depth][lane]."""
    place = np.full(order.taps, -1, np.int64)
    place[list(order.used)] = np.arange(len(order.used))
    channel, filter_ = order.taps * itemsize, order.channels * order.taps * itemsize
    if order.order == "window":  # row (tap, channel), one number per filter
        depth, lanes = order.filters, order.taps * order.channels
        numbers = np.arange(lanes).reshape(order.channels, order.taps).T.reshape(-1)
        rows, table, columns, all_columns = numbers * itemsize, np.zeros(1, np.int64), 1, 2**62
        outer, outer_bytes, outer_lines, lines = depth, filter_, 1, depth
    elif order.order == "gradient":  # row channel, one number per tap, for each filter
        depth, lanes = order.filters // order.beside, order.channels * order.beside
        rows = (np.arange(order.beside)[:, None] * depth * filter_ + np.arange(order.channels) * channel).reshape(-1)
        table = np.where(place >= 0, place * depth, -1)
        columns, all_columns, lines = order.taps, 2**62, len(order.used) * depth
        outer, outer_bytes, outer_lines = depth, filter_, 1
    else:  # row filter, one number per (channel, tap), for some channels at a time
        depth, lanes, step = order.channels, order.filters, min(_CHANNELS, order.channels)
        rows = np.arange(lanes) * filter_
        table = np.where(place >= 0, place * depth + np.arange(step)[:, None], -1)
        columns, all_columns, lines = step * order.taps, depth * order.taps, len(order.used) * depth
        outer, outer_bytes, outer_lines = -(-depth // step), step * channel, step
    return _plan(
        rows, table, order.groups * order.filters * order.channels * order.taps, threads, itemsize,
        SOURCE_GROUP=order.filters * filter_, COLUMNS=columns, ALL_COLUMNS=all_columns, OUTER=outer,
        OUTER_BYTES=outer_bytes, OUTER_LINES=outer_lines, LANES=lanes, TARGET_GROUP=order.group_bytes,
        GROUPS=order.groups, BLOCKS=order.blocks, WIDTH=order.width, LAST_WIDTH=order.last_width, LINES=lines,
        LINE_BYTES=0, PADDED=int(order.width > 1),
    )  # fmt: skip


@plan_cache(512)
def plan_gradient_order(groups: int, filters: int, channels: int, taps: int, itemsize: int, threads: int) -> Reorder:
    """Plan of (groups, taps, channels, filters) into (groups, filters, channels, taps)."""
    numbers = channels * taps
    rows = np.arange(numbers).reshape(taps, channels).T.reshape(-1) * filters * itemsize
    size, blocks = filters * numbers, -(-numbers // _PIXELS)
    return _plan(
        rows, np.arange(filters), groups * size, threads, itemsize,
        SOURCE_GROUP=size * itemsize, COLUMNS=filters, ALL_COLUMNS=filters, OUTER=1, OUTER_BYTES=0, OUTER_LINES=0,
        LANES=numbers, TARGET_GROUP=size * itemsize, GROUPS=groups, BLOCKS=blocks, WIDTH=_PIXELS,
        LAST_WIDTH=numbers - (blocks - 1) * _PIXELS, LINES=1, LINE_BYTES=numbers * itemsize, PADDED=0,
    )  # fmt: skip


@plan_cache(512)
def plan_planes(shape: tuple[int, ...], itemsize: int, threads: int) -> Reorder:
    """Plan of (N, C, *spatial) planes into channels-last order."""
    batch, channels, pixels = shape[0], shape[1], prod(shape[2:])
    image = channels * pixels * itemsize
    return _plan(
        np.arange(channels) * pixels * itemsize, np.arange(_PIXELS), prod(shape), threads, itemsize,
        SOURCE_GROUP=image, COLUMNS=_PIXELS, ALL_COLUMNS=pixels, OUTER=-(-pixels // _PIXELS),
        OUTER_BYTES=_PIXELS * itemsize, OUTER_LINES=_PIXELS, LANES=channels, TARGET_GROUP=image, GROUPS=batch,
        BLOCKS=1, WIDTH=channels, LAST_WIDTH=channels, LINES=0, LINE_BYTES=channels * itemsize, PADDED=0,
    )  # fmt: skip

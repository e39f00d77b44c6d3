"""Resampling on the fast engine: one launch for axes that follow each other in memory; and gradients, one for each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from math import prod
from typing import NamedTuple

import numpy as np

from fastconv.backends.base import Array
from fastconv.backends.fast.machine.launch import Cut, address, by_tasks, launch
from fastconv.backends.fast.memory.copying import in_order
from fastconv.backends.fast.memory.layout import is_channels_last
from fastconv.backends.fast.memory.plan_cache import plan_cache
from fastconv.backends.fast.memory.workspace import apart, borrowed
from fastconv.backends.fast.resampling.gradient_kernel import RESAMPLING, SIDE_BY_SIDE
from fastconv.backends.fast.resampling.gradient_kernel import resample_backward as gradient_kernel
from fastconv.backends.fast.resampling.resampling_kernel import COPIES, SUMS, resample_by_copies, resample_by_sums
from fastconv.backends.geometry import CHANNELS_FIRST, CHANNELS_LAST
from fastconv.backends.resampling import Resampled, Resampling, Taps
from fastconv.backends.settings import get_num_threads

_SERIAL_BYTES = 2**19  # read and written, below which one thread does it all
_SERIAL_SHARES = 2**15  # products, likewise
_FEW = 8  # numbers inside of an axis, below which each is looked up by itself
_RUN = 8  # cells side by side from which on they are copied at once
_SCRATCH = SUMS.index["SCRATCH"]
_SCRATCH_BYTES = apart(SIDE_BY_SIDE * 8)


class _Pass(NamedTuple):
    """How some axes of an array in C order get another size, in one launch."""

    block: Array  # but for the addresses of arrays
    kernel: int
    threads: int
    work: int
    scratch: int  # bytes of a task
    cut: Cut
    shape: tuple[int, ...]  # of the result
    tables: tuple[Array, ...]  # kept alive: the block holds their addresses


Axes = tuple[tuple[int, Resampled], ...]


def resample(x: Array, axes: Mapping[int, Resampled]) -> Array:
    """See `Backend.resample`; the result is channels-last if x is, else in C order."""
    last = x.ndim in CHANNELS_LAST and is_channels_last(x)
    y = in_order(x.transpose(CHANNELS_LAST[x.ndim]) if last else x)
    for one in _passes(x.shape, x.itemsize, last, (*axes.items(),), get_num_threads()):
        y = _carry_out(one, y)
    return y.transpose(CHANNELS_FIRST[x.ndim]) if last else y


def _carry_out(plan: _Pass, x: Array) -> Array:
    y: Array = np.empty(plan.shape, x.dtype)
    if y.size:
        arguments = plan.block.copy()
        arguments[0], arguments[1] = address(x), address(y)
        if plan.scratch:
            with borrowed(plan.threads * plan.scratch) as memory:
                arguments[_SCRATCH] = address(memory)
                launch(plan.kernel, arguments, plan.threads, plan.threads, plan.work, plan.cut)
        else:
            launch(plan.kernel, arguments, plan.threads, plan.threads, plan.work, plan.cut)
    return y


@plan_cache(256)
def _passes(shape: tuple[int, ...], item: int, channels_last: bool, axes: Axes, threads: int) -> tuple[_Pass, ...]:
    """Passes over an array of that logical shape."""
    order = CHANNELS_LAST[len(shape)] if channels_last else (*range(len(shape)),)
    sizes, passes = tuple(shape[axis] for axis in order), []
    for some in _launches(tuple((order.index(axis), each) for axis, each in axes)):
        passes.append(_pass(sizes, item, some, threads))
        sizes = passes[-1].shape
    return tuple(passes)


def _launches(axes: Axes) -> Iterator[Axes]:
    """Axes that one launch does: as many as follow each other where cells are copied, else two at the end."""
    follow = all(second == first + 1 for (first, _), (second, _) in pairwise(axes))
    together = (len(axes) if axes[0][1].copies else 2) if follow else 1
    alone = max(len(axes) - together, 0)
    yield from ((axis,) for axis in axes[:alone])
    yield axes[alone:]


def _pass(shape: tuple[int, ...], item: int, axes: Axes, threads: int) -> _Pass:
    """Pass along axes that follow each other: cells of the last are columns, unless it is alone and they are long."""
    first, last = axes[0][0], axes[-1][0]
    inner, taps = prod(shape[last + 1 :]), [each.taps() for _, each in axes]
    out = tuple(len(each[0][0]) for each in taps)
    y_shape = (*shape[:first], *out, *shape[last + 1 :])
    line, columns, by_row, by_column = shape[last] * inner, out[-1], taps[:-1], taps[-1:]
    if inner < _FEW:
        by_column, columns, inner = [_number_by_number(taps[-1], inner)], columns * inner, 1
    elif len(axes) == 1:
        by_row, by_column, line, columns = taps, [], inner, 1
    outer, size, y_size = prod(shape[:first]), prod(shape[first:]), prod(y_shape[first:])
    work = outer * (size + y_size)
    threads = 1 if work * item < _SERIAL_BYTES else threads
    sizes = {
        "OUTER": outer, "SIZE": size // max(1, line), "ROWS": y_size // max(1, columns * inner), "LINE": line,
        "COLUMNS": columns, "INNER": inner, "TASKS": threads,
    }  # fmt: skip
    make = _copies if axes[0][1].copies else _sums
    block, kernel, scratch, cut, tables = make(by_row, by_column, shape[first:last], item, sizes)
    return _Pass(block, kernel, threads, work, scratch, cut, y_shape, tables)


def _number_by_number(taps: Taps, inner: int) -> Taps:
    """Taps of every number of a row, where a column is some of them."""
    if inner == 1:
        return taps
    numbers = [(cells[:, None] * inner + np.arange(inner)).reshape(-1) for cells, _ in taps]
    weights = [None if weight is None else np.repeat(weight, inner) for _, weight in taps]
    return [*zip(numbers, weights)]


def _copies(
    by_row: list[Taps], by_column: list[Taps], shape: tuple[int, ...], item: int, sizes: dict[str, int]
) -> tuple[Array, int, int, Cut, tuple[Array, ...]]:
    """Argument block and what else there is of a plan, where cells are copied."""
    rows = np.zeros(1, np.int64)
    for ((cells, _),), cells_of_axis in zip(by_row, (*shape, 1)):
        rows = np.where((rows[:, None] < 0) | (cells < 0), -1, rows[:, None] * cells_of_axis + cells).reshape(-1)
    columns = np.ascontiguousarray(by_column[0][0][0] if by_column else [0], np.int64)
    zeros = bool(min(rows.min(), columns.min()) < 0)
    run, stop = _inside(columns) if zeros else _longest_run(columns)
    twice = sizes["INNER"] == 1 and np.array_equal(columns, np.arange(len(columns)) // 2) and len(columns) % 2 == 0
    block = COPIES.fill(
        X=0, Y=0, ROW_CELLS=address(rows), COLUMN_CELLS=address(columns), RUN=run, RUN_STOP=stop,
        TWICE=int(twice), **sizes,
    )  # fmt: skip
    return block, resample_by_copies.address(item, zeros), 0, by_tasks(COPIES), (rows, columns)


def _inside(cells: Array) -> tuple[int, int]:
    """First and last but one of the columns that are no zeros."""
    inside = np.flatnonzero(cells >= 0)
    return int(inside[0]), int(inside[-1]) + 1


def _longest_run(cells: Array) -> tuple[int, int]:
    """First and last but one of the most columns that are copies of neighbours; none where these are few."""
    edges = np.flatnonzero(np.diff(cells) != 1) + 1
    starts, stops = np.append(0, edges), np.append(edges, len(cells))
    longest = int(np.argmax(stops - starts))
    run, stop = int(starts[longest]), int(stops[longest])
    return (run, stop) if stop - run >= _RUN else (0, 0)


def _sums(
    by_row: list[Taps], by_column: list[Taps], shape: tuple[int, ...], item: int, sizes: dict[str, int]
) -> tuple[Array, int, int, Cut, tuple[Array, ...]]:
    """The same where cells are summed."""
    (row_cells, row_weights), (cells, weights) = (_tables(taps, item) for taps in (by_row, by_column))
    scratch = apart(sizes["LINE"] * item)
    block = SUMS.fill(
        X=0, Y=0, ROW_CELLS=address(row_cells), ROW_WEIGHTS=address(row_weights), ROW_TAPS=len(row_cells),
        COLUMN_CELLS=address(cells), COLUMN_WEIGHTS=address(weights), COLUMN_TAPS=len(cells), SCRATCH=0,
        SCRATCH_STRIDE=scratch, **sizes,
    )  # fmt: skip
    tables = (row_cells, row_weights, cells, weights)
    return block, resample_by_sums.address(item), scratch, by_tasks(SUMS), tables


def _tables(taps: list[Taps], item: int) -> tuple[Array, Array]:
    """Cells and weights of an axis if there is one, (taps, results)."""
    dtype = np.dtype(f"f{item}")
    if not taps:
        return np.zeros((0, 1), np.int64), np.zeros((0, 1), dtype)
    return np.array([cells for cells, _ in taps[0]], np.int64), np.array([weight for _, weight in taps[0]], dtype)


def resample_backward(dy: Array, axis: int, resampling: Resampling) -> Array:
    """See `Backend.resample_backward`; the result is in C order."""
    dy = in_order(dy)
    before, after = dy.shape[:axis], dy.shape[axis + 1 :]
    dx = np.empty((*before, resampling.cells, *after), dy.dtype)
    if dx.size:
        block, threads, work, _ = _gradient_plan(resampling, prod(before), prod(after), get_num_threads())
        arguments = block.copy()
        with borrowed(threads * _SCRATCH_BYTES) as memory:
            places = (RESAMPLING.index[name] for name in ("DY", "OUT", "SCRATCH"))
            for place, array in zip(places, (dy, dx, memory)):
                arguments[place] = address(array)
            launch(gradient_kernel.address(dy.itemsize), arguments, threads, threads, work, by_tasks(RESAMPLING))
    return dx


@plan_cache(256)
def _gradient_plan(
    resampling: Resampling, outer: int, inner: int, threads: int
) -> tuple[Array, int, int, tuple[Array, Array, Array]]:
    """Argument block but for the addresses of arrays, threads, products, and the tables that the block points to."""
    first, count, weights = tables = resampling.shares()
    work = outer * inner * int(count.sum())
    threads = 1 if work < _SERIAL_SHARES else threads
    block = RESAMPLING.fill(
        DY=0, OUT=0, FIRST=address(first), COUNT=address(count), WEIGHTS=address(weights), OUTER=outer,
        SIZE=resampling.out, CELLS=resampling.cells, INNER=inner, MOST=weights.shape[1], SCRATCH=0,
        SCRATCH_STRIDE=_SCRATCH_BYTES, TASKS=threads,
    )  # fmt: skip
    return block, threads, work, tables

"""Sliding windows tap by tap on the fast engine: the plan of a launch; im2col and col2im."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np

from fastconv.backends.base import Array
from fastconv.backends.fast.conv.passes import three_axes
from fastconv.backends.fast.machine.launch import Cut, address, by_span, by_tasks, launch, slices_of
from fastconv.backends.fast.memory.copying import in_order
from fastconv.backends.fast.memory.layout import empty_channels_last
from fastconv.backends.fast.memory.plan_cache import plan_cache
from fastconv.backends.fast.memory.workspace import apart, borrowed
from fastconv.backends.fast.pool import im2col_kernel
from fastconv.backends.fast.pool.avg_gradient_kernel import HALF, PART
from fastconv.backends.fast.pool.windows_kernel import AXIS, WINDOWS
from fastconv.backends.geometry import Axis, WindowGeometry
from fastconv.backends.settings import get_num_threads

SERIAL_TAPS = 2**16  # window elements below which one thread does it all
FEW_CHANNELS = 8  # below this, lanes would be empty: windows are reduced one by one also in channels-last memory
_CHANNELS = 16  # of a task at least, one cache line of float32
# What is kept of a maximum beside its value: the number of its tap in the window, or its position in the plane.
KEPT: dict[str, np.dtype[Any]] = {"place": np.dtype(np.uint8), "index": np.dtype(np.int64)}
_X, _Y, _INDEX, _SCRATCH = (WINDOWS.index[name] for name in ("X", "Y", "INDEX", "SCRATCH"))
BY_TASKS, BY_SPAN = by_tasks(WINDOWS), by_span(WINDOWS)


@dataclass(frozen=True)
class WindowPlan:
    """Argument block of one geometry and memory order, but for the addresses of the arrays."""

    arguments: Array
    threads: int
    scratch_bytes: int  # of one task
    work: int  # taps of all windows
    rows: int  # of windows that tasks share
    table: Array | None = None  # kept alive: the block holds its address

    def with_table(self, table: Array) -> WindowPlan:
        """Return the same plan with a table."""
        arguments = self.arguments.copy()
        arguments[WINDOWS.index["TABLE"]] = address(table)
        return replace(self, arguments=arguments, table=table)


def by_axis(strides: tuple[int, ...]) -> tuple[int, ...]:
    """Byte strides (N, C, D, H, W); axes that the array does not have get 0."""
    return (*strides[:2], *(0,) * (5 - len(strides)), *strides[2:])


def _cells_that_count(axis: Axis, divisor: str) -> tuple[int, int]:
    return (-axis.before, axis.size + axis.after) if divisor == "padded" else (0, axis.size)


def same_divisor(axes: tuple[Axis, ...], divisor: str) -> int:
    """What every mean is divided by, "padded" or "real" cells, or "one"; 0 where windows differ."""
    if divisor == "one":
        return 1
    for axis in axes:
        first, stop = _cells_that_count(axis, divisor)
        if axis.start(0) < first or axis.start(axis.out - 1) + axis.extent > stop:
            return 0
    return prod(axis.kernel for axis in axes)


@plan_cache(1024)
def sums_first(geometry: WindowGeometry, divisor: str) -> bool:
    """Whether the gradient of a cell is a sum in registers: all windows are divided by one number, and dense."""
    return same_divisor(geometry.axes, divisor) > 0 and all(axis.dilation == 1 for axis in geometry.axes)


def form_of(channels: int, *, channels_last: bool) -> str:
    """Form of a kernel: "lanes", unless they would be empty, or "plane"."""
    return "lanes" if channels_last and channels >= FEW_CHANNELS else "plane"


def channel_block(batch: int, channels: int, threads: int) -> int:
    """Channels of a task that has those of a whole image, or as many that there is a task for every thread."""
    blocks = -(-threads // max(batch, 1))
    return min(-(-channels // (blocks * _CHANNELS)) * _CHANNELS, channels)


def window_entries(
    x: tuple[int, ...], y: tuple[int, ...], axes: Iterable[Axis], divisor: str, **others: int
) -> dict[str, int]:
    """Entries of an argument block for byte strides (N, C, D, H, W); in a mean count "padded" cells, or "real" ones."""
    values = dict.fromkeys(WINDOWS.names, 0) | others
    for array, strides in (("X", x), ("Y", y)):
        values.update((f"{array}_{letter}", stride) for letter, stride in zip("NCDHW", strides))
    for letter, axis in zip("DHW", axes):
        first, stop = _cells_that_count(axis, divisor)
        numbers = (axis.size, axis.out, axis.kernel, axis.stride, axis.dilation, axis.before, first, stop)
        values.update((f"{name}_{letter}", number) for name, number in zip(AXIS.names, numbers))
    return values


def window_arguments(
    x: tuple[int, ...], y: tuple[int, ...], axes: Iterable[Axis], divisor: str, **others: int
) -> Array:
    """Argument block of these `window_entries`."""
    return WINDOWS.fill(**window_entries(x, y, axes, divisor, **others))


def empty_maxima(
    shape: tuple[int, ...], dtype: np.dtype[np.floating], keeps: str, *, channels_last: bool
) -> tuple[Array, Array | None]:
    """Uninitialised maxima, and beside them what is kept of each, of the keys of `KEPT`."""
    empty: Any = empty_channels_last if channels_last else np.empty
    return empty(shape, dtype), empty(shape, KEPT[keeps]) if keeps in KEPT else None


@plan_cache(1024)
def plan_windows(
    geometry: WindowGeometry, x_strides: tuple[int, ...], y_strides: tuple[int, ...] | None, divisor: str,
    threads: int,
) -> WindowPlan:  # fmt: skip
    """Plan over x, the plane-sized array, and y, the window-sized one (None: contiguous columns)."""
    work = geometry.batch * geometry.channels * geometry.windows * geometry.taps
    if work < SERIAL_TAPS:
        threads = 1
    # a total per channel or window of a row; or per cell of a part of a row, and the shares of its windows
    last = geometry.axes[-1]
    shares = min(last.out, (PART + last.extent) // last.stride + 2) + 2 * (last.extent // last.stride + 2)
    scratch_bytes = apart(max(geometry.channels, last.out, 2 * HALF + shares) * 8)
    arguments = window_arguments(
        by_axis(x_strides), by_axis(y_strides or ()), three_axes(geometry.axes), divisor,
        BATCH=geometry.batch, CHANNELS=geometry.channels, SAME=same_divisor(geometry.axes, divisor),
        SCRATCH_STRIDE=scratch_bytes, TASKS=threads, STOP=geometry.taps if y_strides is None else geometry.windows,
    )  # fmt: skip
    rows = geometry.batch * geometry.windows // geometry.out[-1]
    return WindowPlan(arguments, threads, scratch_bytes, work, rows)


def launch_windows(
    kernel: int, plan: WindowPlan, x: Array, y: Array, *, index: int = 0, scratch: bool = False, cut: Cut | None = None
) -> None:
    """Run a kernel over arrays, with the address of indices, and scratch memory.

    Without a `cut` its tasks are rows of windows, of which there may be too few.
    """
    arguments = plan.arguments.copy()
    arguments[_X], arguments[_Y], arguments[_INDEX] = address(x), address(y), index
    if cut is None:
        cut = BY_SPAN if plan.rows < plan.threads * slices_of(plan.work, plan.threads) else BY_TASKS
    if not scratch:
        launch(kernel, arguments, plan.threads, plan.threads, plan.work, cut)
        return
    with borrowed(plan.scratch_bytes * plan.threads) as memory:
        arguments[_SCRATCH] = address(memory)
        launch(kernel, arguments, plan.threads, plan.threads, plan.work, cut)


def im2col(x: Array, geometry: WindowGeometry) -> Array:
    """Windows as columns."""
    cols = np.empty(geometry.columns_shape, x.dtype)
    if geometry.batch:
        plan = plan_windows(geometry, x.strides, None, "one", get_num_threads())
        launch_windows(im2col_kernel.im2col.address(x.itemsize), plan, x, cols, cut=BY_SPAN)
    return cols


def col2im(cols: Array, geometry: WindowGeometry) -> Array:
    """Columns added back into planes."""
    x: Array = np.empty(geometry.input_shape, cols.dtype)
    if geometry.batch:
        plan = plan_windows(geometry, x.strides, None, "one", get_num_threads())
        cols = in_order(cols)
        launch_windows(im2col_kernel.col2im.address(x.itemsize), plan, x, cols, cut=BY_SPAN)
    return x

"""Windows one by one on the fast engine: the tables that describe them, and what is done with them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import prod
from typing import Any, NamedTuple

import numpy as np

from fastconv.backends.base import Array
from fastconv.backends.fast.memory import empty_channels_last, is_channels_last, zeros_channels_last
from fastconv.backends.fast.passes import three_axes
from fastconv.backends.fast.windows import SERIAL_TAPS, by_axis, counts_of
from fastconv.backends.fast.workspace import borrowed, round_up
from fastconv.geometry import AdaptiveGeometry, WindowGeometry
from fastconv.kernels.addresses import address
from fastconv.kernels.box_avg import LANE_SUMS, box_avg_address
from fastconv.kernels.box_max import box_max_address
from fastconv.kernels.box_spread import box_spread_address
from fastconv.kernels.boxes import BOXES
from fastconv.kernels.launch import launch
from fastconv.settings import get_num_threads

__all__ = ["box_avg", "box_max", "box_spread"]

Geometry = WindowGeometry | AdaptiveGeometry

_FEW_CHANNELS = 8  # below this, lanes would be empty
_CHANNEL_BLOCK = 64  # channels of a task: its sums stay in the L1 cache
_X, _Y, _INDEX, _SCRATCH = (BOXES.index[name] for name in ("X", "Y", "INDEX", "SCRATCH"))


class Line(NamedTuple):
    """The windows along one axis: tables of first cells, taps and divisors; steps in bytes of x and y."""

    size: int
    starts: Array
    taps: Array
    counts: Array
    dilation: int
    x_step: int
    y_step: int

    @property
    def whole(self) -> bool:
        """Whether there is one window, and it is the axis."""
        return len(self.taps) == 1 and int(self.taps[0]) == self.size and self.dilation == 1


_ONE = np.ones(1, np.int64)
_NO_LINE = Line(1, np.zeros(1, np.int64), _ONE, _ONE, 1, 0, 0)


def _window_lines(geometry: WindowGeometry, divisor: str) -> list[Line]:
    lines = []
    for axis, counts in zip(three_axes(geometry.axes), counts_of(geometry, divisor)):
        taps = [axis.taps(window) for window in range(axis.out)]
        starts = np.array([axis.start(i) + tap.start * axis.dilation for i, tap in enumerate(taps)], np.int64)
        lengths = np.array([len(tap) for tap in taps], np.int64)
        lines.append(Line(axis.size, starts, lengths, counts, axis.dilation, 0, 0))
    return lines


def _adaptive_lines(geometry: AdaptiveGeometry) -> list[Line]:
    lines = [_NO_LINE] * (3 - len(geometry.size))
    for size, spans in zip(geometry.size, geometry.spans):
        starts = np.array([span.start for span in spans], np.int64)
        lengths = np.array([len(span) for span in spans], np.int64)
        lines.append(Line(size, starts, lengths, lengths, 1, 0, 0))
    return lines


def _merged(depth: Line, height: Line, width: Line) -> tuple[Line, Line, Line]:
    """Take rows that follow each other in memory, and in every window, for one long row."""
    for _ in range(2):
        if not (width.whole and height.dilation == 1 and height.x_step == width.size * width.x_step):
            break
        width = Line(
            height.size * width.size,
            height.starts * width.size,
            height.taps * width.size,
            height.counts * width.counts,
            1,
            width.x_step,
            height.y_step,
        )
        depth, height = _NO_LINE, depth
    return depth, height, width


@dataclass(frozen=True)
class BoxPlan:
    """Argument block of one geometry and memory order, but for the addresses of the arrays."""

    arguments: Array
    tables: tuple[Line, ...]  # kept alive: the block holds their addresses
    threads: int
    scratch_bytes: int  # of one task


@lru_cache(maxsize=1024)
def _plan(
    geometry: Geometry, x_strides: tuple[int, ...], y_strides: tuple[int, ...], divisor: str, threads: int
) -> BoxPlan:
    """Plan over x, the plane-sized array, and y, the window-sized one."""
    found = _window_lines(geometry, divisor) if isinstance(geometry, WindowGeometry) else _adaptive_lines(geometry)
    (x_n, x_c, *x_steps), (y_n, y_c, *y_steps) = by_axis(x_strides), by_axis(y_strides)
    lines = _merged(*(line._replace(x_step=x, y_step=y) for line, x, y in zip(found, x_steps, y_steps)))
    if geometry.batch * geometry.channels * prod(int(line.taps.sum()) for line in lines) < SERIAL_TAPS:
        threads = 1
    block = min(_CHANNEL_BLOCK, geometry.channels)
    scratch_bytes = round_up(LANE_SUMS * block * 8)
    values: dict[str, int] = dict.fromkeys(BOXES.names, 0)
    for letter, line in zip("DHW", lines):
        values[f"X_{letter}"], values[f"Y_{letter}"] = line.x_step, line.y_step
        values[f"OUT_{letter}"], values[f"DIL_{letter}"] = len(line.taps), line.dilation
        values[f"START_{letter}"], values[f"TAPS_{letter}"] = address(line.starts), address(line.taps)
        values[f"COUNT_{letter}"] = address(line.counts)
    values.update(
        X_N=x_n, X_C=x_c, Y_N=y_n, Y_C=y_c, IN_H=lines[1].size, IN_W=lines[2].size, BATCH=geometry.batch,
        CHANNELS=geometry.channels, CHANNEL_BLOCK=block, SCRATCH_STRIDE=scratch_bytes, TASKS=threads,
    )  # fmt: skip
    return BoxPlan(BOXES.fill(**values), lines, threads, scratch_bytes)


def _run(kernel: int, plan: BoxPlan, x: Array, y: Array, index: int = 0, scratch: int = 0) -> None:
    arguments = plan.arguments.copy()
    arguments[_X], arguments[_Y] = address(x), address(y)
    arguments[_INDEX], arguments[_SCRATCH] = index, scratch
    launch(kernel, arguments, plan.threads, plan.threads)


def _run_with_scratch(kernel: int, plan: BoxPlan, x: Array, y: Array) -> None:
    with borrowed(plan.scratch_bytes * plan.threads) as scratch:
        _run(kernel, plan, x, y, scratch=address(scratch))


def _form(channels: int, *, channels_last: bool) -> str:
    return "lanes" if channels_last and channels >= _FEW_CHANNELS else "plane"


def box_avg(x: Array, geometry: Geometry, divisor: str = "real") -> Array:
    """Means of the windows, in the memory order of x."""
    last = not x.flags.c_contiguous and is_channels_last(x)
    y: Array = (empty_channels_last if last else np.empty)(geometry.output_shape, x.dtype)
    if geometry.batch:
        plan = _plan(geometry, x.strides, y.strides, divisor, get_num_threads())
        _run_with_scratch(box_avg_address(_form(geometry.channels, channels_last=last), x.itemsize), plan, x, y)
    return y


def box_max(x: Array, geometry: Geometry, return_indices: bool) -> tuple[Array, Array | None]:
    """Maxima and their positions, in the memory order of x."""
    last = not x.flags.c_contiguous and is_channels_last(x)
    empty: Any = empty_channels_last if last else np.empty
    y: Array = empty(geometry.output_shape, x.dtype)
    indices: Array | None = empty(geometry.output_shape, np.dtype(np.int64)) if return_indices else None
    if geometry.batch:
        plan = _plan(geometry, x.strides, y.strides, "one", get_num_threads())
        form = _form(geometry.channels, channels_last=last)
        kernel = box_max_address(form, x.itemsize, with_index=return_indices)
        _run(kernel, plan, x, y, 0 if indices is None else address(indices))
    return y, indices


@lru_cache(maxsize=1024)
def _side_by_side(geometry: Geometry) -> bool:
    """Whether every cell is in exactly one window."""
    if isinstance(geometry, AdaptiveGeometry):
        return geometry.windows is not None
    return all(
        axis.before == 0 and axis.dilation == 1 and axis.kernel == axis.stride and axis.out * axis.stride == axis.size
        for axis in geometry.axes
    )


def box_spread(dy: Array, geometry: Geometry, divisor: str = "real") -> Array:
    """Gradient of the means: every gradient is shared by the cells of its window."""
    last = not dy.flags.c_contiguous and is_channels_last(dy)
    fill = _side_by_side(geometry)
    if fill:
        dx: Array = (empty_channels_last if last else np.empty)(geometry.input_shape, dy.dtype)
    else:
        dx = (zeros_channels_last if last else np.zeros)(geometry.input_shape, dy.dtype)
    if geometry.batch:
        plan = _plan(geometry, dx.strides, dy.strides, divisor, get_num_threads())
        form = _form(geometry.channels, channels_last=last)
        run = _run_with_scratch if form == "lanes" else _run
        run(box_spread_address(form, dy.itemsize, fill=fill), plan, dx, dy)
    return dx

"""Windows of many taps along one axis after the other: how many taps there are along the others then costs nothing.

The maximum of a window is that of the maxima of its rows, and so is its mean. A maximum, which may meet a cell twice,
is found in few passes along one axis, too: windows of 256 cells are 16 windows of 16 cells, 16 cells apart. That is the
aim of van Herk (1992), "A fast algorithm for local minimum and maximum filters on rectangular and octagonal kernels",
and of Gil and Werman (1993), "Computing 2-D min, median, and max filters", by vectors of windows in place of running
maxima.
"""

from __future__ import annotations

from dataclasses import replace
from math import prod
from typing import NamedTuple

import numpy as np

from fastconv.backends.base import Array
from fastconv.backends.fast.memory.layout import is_channels_last
from fastconv.backends.fast.memory.plan_cache import plan_cache
from fastconv.backends.geometry import Axis, WindowGeometry

# Taps that take as long as it takes to write what is kept of a window, and to read it in the next pass.
_WRITTEN = {"value": 16, "index": 40}
_WORTH = 2**18  # taps, of 0.05 ns each, that have to be saved before maxima are found in several passes


class Pass(NamedTuple):
    """Windows along one axis.

    Attributes
    ----------
    along : int
        The spatial axis.
    geometry : WindowGeometry
        These windows, over all axes of what the passes before it leave.
    """

    along: int
    geometry: WindowGeometry

    @property
    def axis(self) -> Axis:
        """The axis itself."""
        return self.geometry.axes[self.along]

    def over(self, lines: Array) -> WindowGeometry:
        """The same windows, over `Lines`."""
        return WindowGeometry((self.axis,), *lines.shape[:2])


class Lines(NamedTuple):
    """An array without gaps as lines along one of its axes, beside those that are next to each other in memory.

    Attributes
    ----------
    array : ndarray, shape (outer, inner, size)
        A view.
    shape : tuple of int
        Sizes of the axes in the order of memory.
    position : int
        Which of them the lines are along.
    last : bool
        Whether the channels come last in it.
    """

    array: Array
    shape: tuple[int, ...]
    position: int
    last: bool

    @classmethod
    def of(cls, x: Array, along: int) -> Lines:
        """Lines along a spatial axis of an (N, C, *spatial) array, which is channels-last or in C order."""
        last = not x.flags.c_contiguous and is_channels_last(x)
        memory, position = (np.moveaxis(x, 1, -1), along + 1) if last else (x, along + 2)
        shape = memory.shape
        lines = memory.reshape(prod(shape[:position]), shape[position], prod(shape[position + 1 :]))
        return cls(lines.transpose(0, 2, 1), shape, position, last)

    def planes(self, y: Array) -> Array:
        """(N, C, *spatial) view of results, one line for each of these."""
        shape = (*self.shape[: self.position], y.shape[2], *self.shape[self.position + 1 :])
        memory = y.transpose(0, 2, 1).reshape(shape)
        return np.moveaxis(memory, -1, 1) if self.last else memory


@plan_cache(1024)
def passes_of_maxima(geometry: WindowGeometry, keeps: str) -> tuple[Pass, ...]:
    """Passes that find the same maxima, the first of equals included; none where one pass over all taps is shorter.

    The last axis comes first: the first row that has the maximum has it at the first of its places.
    """
    written = _WRITTEN[keeps]
    passes = _passes(geometry, [(i, step) for i, axis in _moving(geometry) for step in _steps(axis, written)])
    saved = _cost(geometry, written) - sum(_cost(each.geometry, written) for each in passes)
    worth = len(passes) > 1 and saved * geometry.batch * geometry.channels >= _WORTH
    return passes if worth and _have_cells(geometry) else ()


@plan_cache(1024)
def passes_of_means(geometry: WindowGeometry) -> tuple[Pass, ...]:
    """Passes that give the same means but for rounding, which depends on the sizes of a plane alone; or none."""
    passes, written = _passes(geometry, _moving(geometry)), _WRITTEN["value"]
    shorter = sum(_cost(each.geometry, written) for each in passes) < _cost(geometry, written)
    return passes if len(passes) > 1 and shorter and _have_cells(geometry) else ()


def _moving(geometry: WindowGeometry) -> list[tuple[int, Axis]]:
    """Axes along which windows are more than each cell by itself, the last one first."""
    axes = list(enumerate(geometry.axes))[::-1]
    return [(i, axis) for i, axis in axes if (axis.kernel, axis.stride, axis.out) != (1, 1, axis.size)]


def _passes(geometry: WindowGeometry, axes: list[tuple[int, Axis]]) -> tuple[Pass, ...]:
    passes, size = [], list(geometry.size)
    for i, axis in axes:
        each = [Axis(cells, 1, 1, 1, 0, 0, cells) for cells in size]
        each[i], size[i] = axis, axis.out
        passes.append(Pass(i, WindowGeometry(tuple(each), geometry.batch, geometry.channels)))
    return tuple(passes)


def _cost(geometry: WindowGeometry, written: int) -> int:
    """Taps of the windows of a plane, and what takes as long."""
    return geometry.windows * (geometry.taps + written)


def _have_cells(geometry: WindowGeometry) -> bool:
    """Whether no window lies in the padding."""
    return all(len(axis.taps(o)) > 0 for axis in geometry.axes for o in range(axis.out))


def _steps(axis: Axis, written: int) -> tuple[Axis, ...]:
    """Windows whose maxima, each of those before, are the maxima of an axis.

    The first are windows of ``first`` cells, one after the other, and only those that have a cell. Of these each next
    window takes `parts`, `step` apart, which together are its cells: the last ends where it ends.
    """
    kernel = axis.kernel
    levels = min(range(1, 8), key=lambda n: n * (kernel ** (1 / n) + written))
    if levels == 1 or axis.dilation > 1:
        return (axis,)
    parts = round(kernel ** (1 / levels))
    step = kernel // parts
    first = kernel - (parts - 1) * step
    skipped = max(0, axis.before - first + 1)  # windows without a cell
    out = min((axis.out - 1) * axis.stride + (parts - 1) * step, axis.size - 1 + axis.before) + 1 - skipped
    few = replace(axis, kernel=first, stride=1, before=axis.before - skipped, after=first - 1, out=out)
    rest = replace(axis, size=out, kernel=parts, dilation=step, before=skipped, after=0)
    steps = (*_steps(few, written), rest)
    cost = sum(each.out * (each.kernel + written) for each in steps)
    return steps if cost < axis.out * (kernel + written) else (axis,)

"""Windows clipped to the cells that exist, position by position, and the columns made of them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np

from fastconv.backends.base import Array, Backend
from fastconv.backends.geometry import Axis, WindowGeometry

Slices = tuple[Any, ...]  # slices, to be spliced into an index


def _clip(axis: Axis, window: int) -> tuple[slice, slice]:
    """Cells of the input that a window sees along one axis, and the taps that see them."""
    taps = axis.taps(window)
    first_cell = axis.start(window) + taps.start * axis.dilation
    stop_cell = first_cell + max(len(taps) - 1, 0) * axis.dilation + min(len(taps), 1)
    return slice(max(first_cell, 0), max(stop_cell, 0), axis.dilation), slice(taps.start, taps.stop)


def windows_of(geometry: WindowGeometry) -> Iterator[tuple[Slices, Slices, Slices]]:
    """Every output position (integers), with the cells and the taps of its window."""
    clipped = [[_clip(axis, window) for window in range(axis.out)] for axis in geometry.axes]
    for position in product(*(range(size) for size in geometry.out)):
        pairs = [clipped[axis][window] for axis, window in enumerate(position)]
        yield position, tuple(cells for cells, _ in pairs), tuple(taps for _, taps in pairs)


def window_at(planes: Array, geometry: WindowGeometry, cells: Slices, taps: Slices) -> Array:
    """(C, *kernel): what one window sees of (C, *size), zero where that is padding."""
    window = np.zeros((len(planes), *geometry.kernel))
    window[(..., *taps)] = planes[(..., *cells)]
    return window


def counts_of(geometry: WindowGeometry, count_include_pad: bool) -> dict[tuple[int, ...], int]:
    """Divisor of every average: the cells of the window that count."""
    counts = {}
    for position in product(*(range(size) for size in geometry.out)):
        count = 1
        for axis, window in zip(geometry.axes, position):
            count *= len(axis.padded_taps(window) if count_include_pad else axis.taps(window))
        counts[position] = count
    return counts


class ColumnLoops(Backend):
    """Columns, one window at a time."""

    def im2col(self, x: Array, geometry: WindowGeometry) -> Array:
        """Windows as columns."""
        cols = np.zeros((geometry.batch, geometry.channels, *geometry.kernel, *geometry.out), x.dtype)
        for n in range(geometry.batch):
            for c in range(geometry.channels):
                for position, cells, taps in windows_of(geometry):
                    cols[(n, c, *taps, *position)] = x[(n, c, *cells)]
        return cols.reshape(geometry.columns_shape)

    @np.errstate(all="ignore")
    def col2im(self, cols: Array, geometry: WindowGeometry) -> Array:
        """Columns added back into planes."""
        x = np.zeros(geometry.input_shape)
        windows = cols.reshape(geometry.batch, geometry.channels, *geometry.kernel, *geometry.out)
        for n in range(geometry.batch):
            for c in range(geometry.channels):
                for position, cells, taps in windows_of(geometry):
                    x[(n, c, *cells)] += windows[(n, c, *taps, *position)]
        return x.astype(cols.dtype)

"""Windows clipped to the cells that exist, position by position."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np

from fastconv.backends.base import Array
from fastconv.backends.geometry import Axis, WindowGeometry

__all__ = ["Slices", "counts_of", "window_at", "windows_of"]

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

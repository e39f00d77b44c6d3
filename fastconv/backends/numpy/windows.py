"""Windows as strided slices of the padded input, one tap at a time, and the columns made of them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np

from fastconv.backends.base import Array, Backend
from fastconv.backends.geometry import WindowGeometry
from fastconv.backends.numpy.products import add_in_pairs

Slices = tuple[Any, ...]  # slices, to be spliced into an index
TAPS = 32  # that are added to a cell one after the other


def _margins(geometry: WindowGeometry) -> list[tuple[int, int]]:
    """Padding that makes every window whole; ceil mode can ask for more than `after`."""
    margins = []
    for axis in geometry.axes:
        reach = axis.start(axis.out - 1) + axis.extent - axis.size
        margins.append((axis.before, max(reach, axis.after)))
    return margins


def pad(x: Array, geometry: WindowGeometry, value: float) -> Array:
    """Planes with `value` around them, so that every window is whole."""
    return np.pad(x, [(0, 0), (0, 0), *_margins(geometry)], constant_values=value)


def tap_slices(geometry: WindowGeometry) -> Iterator[tuple[Slices, Slices]]:
    """Every tap, with the cells of the padded input that it sees over all windows."""
    for tap in product(*(range(size) for size in geometry.kernel)):
        cells = []
        for k, axis in zip(tap, geometry.axes):
            first = k * axis.dilation
            cells.append(slice(first, first + (axis.out - 1) * axis.stride + 1, axis.stride))
        yield tap, tuple(cells)


def gather(x: Array, geometry: WindowGeometry, value: float = 0.0) -> Array:
    """(N, C, *size) -> (N, C, *kernel, *out)."""
    padded = pad(x, geometry, value)
    cols = np.empty((*x.shape[:2], *geometry.kernel, *geometry.out), x.dtype)
    for tap, cells in tap_slices(geometry):
        cols[(slice(None), slice(None), *tap)] = padded[(..., *cells)]
    return cols


def scatter(cols: Array, geometry: WindowGeometry) -> Array:
    """(N, C, *kernel, *out) -> (N, C, *size), the adjoint of `gather`."""
    margins = _margins(geometry)
    padded_size = [before + size + after for size, (before, after) in zip(geometry.size, margins)]

    def spread(taps: list[tuple[Slices, Slices]]) -> Array:
        padded = np.zeros((*cols.shape[:2], *padded_size), cols.dtype)
        for tap, cells in taps:
            padded[(..., *cells)] += cols[(slice(None), slice(None), *tap)]
        return padded

    taps = list(tap_slices(geometry))
    padded = add_in_pairs(spread(taps[first : first + TAPS]) for first in range(0, len(taps), TAPS))
    inner: Slices = tuple(slice(before, before + size) for size, (before, _) in zip(geometry.size, margins))
    return padded[(..., *inner)]


class ColumnSlices(Backend):
    """Columns, one tap at a time."""

    def im2col(self, x: Array, geometry: WindowGeometry) -> Array:
        """Windows as columns."""
        return gather(x, geometry).reshape(geometry.columns_shape)

    @np.errstate(all="ignore")
    def col2im(self, cols: Array, geometry: WindowGeometry) -> Array:
        """Columns added back into planes."""
        return scatter(cols.reshape(geometry.batch, geometry.channels, *geometry.kernel, *geometry.out), geometry)

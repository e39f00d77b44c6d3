"""The specification: explicit Python loops over batch, filter and output position, written to be believed.

Padding is never stored: each window is clipped to the cells that exist. Sums are taken in float64 and rounded once.
Nothing is shared with the other backends but the integers of the geometry.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np

from fastconv.backends.base import Array, Backend, Gradients
from fastconv.geometry import Axis, ConvGeometry, WindowGeometry

__all__ = ["BACKEND", "NaiveBackend"]

Slices = tuple[Any, ...]  # slices, to be spliced into an index


def _clip(axis: Axis, window: int) -> tuple[slice, slice]:
    """Cells of the input that a window sees along one axis, and the taps that see them."""
    taps = axis.taps(window)
    first_cell = axis.start(window) + taps.start * axis.dilation
    stop_cell = first_cell + max(len(taps) - 1, 0) * axis.dilation + min(len(taps), 1)
    return slice(max(first_cell, 0), max(stop_cell, 0), axis.dilation), slice(taps.start, taps.stop)


def _windows(geometry: WindowGeometry) -> Iterator[tuple[Slices, Slices, Slices]]:
    """Every output position (integers), with the cells and the taps of its window."""
    clipped = [[_clip(axis, window) for window in range(axis.out)] for axis in geometry.axes]
    for position in product(*(range(size) for size in geometry.out)):
        pairs = [clipped[axis][window] for axis, window in enumerate(position)]
        yield position, tuple(cells for cells, _ in pairs), tuple(taps for _, taps in pairs)


def _counts(geometry: WindowGeometry, count_include_pad: bool) -> dict[tuple[int, ...], int]:
    """Divisor of every average: the cells of the window that count."""
    counts = {}
    for position in product(*(range(size) for size in geometry.out)):
        count = 1
        for axis, window in zip(geometry.axes, position):
            count *= len(axis.padded_taps(window) if count_include_pad else axis.taps(window))
        counts[position] = count
    return counts


class NaiveBackend(Backend):
    """Loops in plain Python; slow, and right by inspection."""

    name = "naive"

    def conv(self, x: Array, weight: Array, bias: Array | None, geometry: ConvGeometry) -> Array:
        """Forward pass of conv2d and its kin."""
        y = np.empty(geometry.output_shape, x.dtype)
        x, weight = x.astype(np.float64), weight.astype(np.float64)
        windows = list(_windows(geometry))
        for n in range(geometry.batch):
            for f in range(geometry.filters):
                group = f // geometry.group_filters
                first = group * geometry.group_channels
                planes = x[n, first : first + geometry.group_channels]
                start = 0.0 if bias is None else float(bias[f])
                for position, cells, taps in windows:
                    y[(n, f, *position)] = (planes[(..., *cells)] * weight[(f, ..., *taps)]).sum() + start
        return y

    def conv_backward(
        self, dy: Array, x: Array, weight: Array, geometry: ConvGeometry, needs: frozenset[str]
    ) -> Gradients:
        """Gradients of conv2d and its kin."""
        dtype = x.dtype
        x, weight = x.astype(np.float64), weight.astype(np.float64)
        dx, dweight, dbias = np.zeros(x.shape), np.zeros(weight.shape), np.zeros(geometry.filters)
        windows = list(_windows(geometry))
        for n in range(geometry.batch):
            for f in range(geometry.filters):
                group = f // geometry.group_filters
                first = group * geometry.group_channels
                planes = x[n, first : first + geometry.group_channels]
                dplanes = dx[n, first : first + geometry.group_channels]
                for position, cells, taps in windows:
                    g = float(dy[(n, f, *position)])
                    if "x" in needs:
                        dplanes[(..., *cells)] += g * weight[(f, ..., *taps)]
                    if "weight" in needs:
                        dweight[(f, ..., *taps)] += g * planes[(..., *cells)]
                    dbias[f] += g
        return (
            dx.astype(dtype) if "x" in needs else None,
            dweight.astype(dtype) if "weight" in needs else None,
            dbias.astype(dtype) if "bias" in needs else None,
        )

    def max_pool(self, x: Array, geometry: WindowGeometry, return_indices: bool) -> tuple[Array, Array | None]:
        """Maxima and their positions."""
        y = np.full(geometry.output_shape, -np.inf, x.dtype)
        indices = np.full(geometry.output_shape, -1, np.int64)
        flat = np.arange(np.prod(geometry.size, dtype=np.int64)).reshape(geometry.size)
        windows = list(_windows(geometry))
        for n in range(geometry.batch):
            for c in range(geometry.channels):
                for position, cells, _ in windows:
                    window = x[(n, c, *cells)]
                    if window.size:
                        winner = int(window.argmax())  # the first of equals, and the first NaN
                        y[(n, c, *position)] = window.flat[winner]
                        indices[(n, c, *position)] = flat[cells].flat[winner]
        return y, indices if return_indices else None

    def max_pool_backward(self, dy: Array, indices: Array, input_shape: tuple[int, ...]) -> Array:
        """Every gradient goes to the cell that won."""
        batch, channels, *size = input_shape
        dx = np.zeros((batch, channels, int(np.prod(size, dtype=np.int64))))
        for n in range(batch):
            for c in range(channels):
                for winner, g in zip(indices[n, c].flat, dy[n, c].flat):
                    if winner >= 0:
                        dx[n, c, winner] += g
        return dx.reshape(input_shape).astype(dy.dtype)

    def avg_pool(self, x: Array, geometry: WindowGeometry, count_include_pad: bool) -> Array:
        """Means of the windows."""
        y = np.empty(geometry.output_shape, x.dtype)
        x = x.astype(np.float64)
        windows, counts = list(_windows(geometry)), _counts(geometry, count_include_pad)
        for n in range(geometry.batch):
            for c in range(geometry.channels):
                for position, cells, _ in windows:
                    count = counts[position]
                    y[(n, c, *position)] = x[(n, c, *cells)].sum() / count if count else np.nan
        return y

    def avg_pool_backward(self, dy: Array, geometry: WindowGeometry, count_include_pad: bool) -> Array:
        """Every gradient is shared by the cells of its window."""
        dx = np.zeros(geometry.input_shape)
        windows, counts = list(_windows(geometry)), _counts(geometry, count_include_pad)
        for n in range(geometry.batch):
            for c in range(geometry.channels):
                for position, cells, _ in windows:
                    if counts[position]:
                        dx[(n, c, *cells)] += float(dy[(n, c, *position)]) / counts[position]
        return dx.astype(dy.dtype)

    def im2col(self, x: Array, geometry: WindowGeometry) -> Array:
        """Windows as columns."""
        cols = np.zeros((geometry.batch, geometry.channels, *geometry.kernel, *geometry.out), x.dtype)
        for n in range(geometry.batch):
            for c in range(geometry.channels):
                for position, cells, taps in _windows(geometry):
                    cols[(n, c, *taps, *position)] = x[(n, c, *cells)]
        return cols.reshape(geometry.columns_shape)

    def col2im(self, cols: Array, geometry: WindowGeometry) -> Array:
        """Columns added back into planes."""
        x = np.zeros(geometry.input_shape)
        windows = cols.reshape(geometry.batch, geometry.channels, *geometry.kernel, *geometry.out)
        for n in range(geometry.batch):
            for c in range(geometry.channels):
                for position, cells, taps in _windows(geometry):
                    x[(n, c, *cells)] += windows[(n, c, *taps, *position)]
        return x.astype(cols.dtype)


BACKEND = NaiveBackend()

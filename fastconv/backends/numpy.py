"""The middle rung: explicit im2col and col2im, and `np.matmul`.

The oracle at real sizes, and what runs where Numba cannot be imported. Columns are (N, C, *kernel, *out) arrays that
are made and taken apart one tap at a time, each a strided slice of the padded input. Convolution takes as many images
at once as keep their columns within `max_workspace`, and at least one.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import product
from math import prod
from typing import Any

import numpy as np

from fastconv.backends.base import Array, Backend, Gradients
from fastconv.geometry import ConvGeometry, WindowGeometry
from fastconv.settings import get_options

__all__ = ["BACKEND", "NumpyBackend"]

Slices = tuple[Any, ...]  # slices, to be spliced into an index


def _margins(geometry: WindowGeometry) -> list[tuple[int, int]]:
    """Padding that makes every window whole; ceil mode can ask for more than `after`."""
    margins = []
    for axis in geometry.axes:
        reach = axis.start(axis.out - 1) + axis.extent - axis.size
        margins.append((axis.before, max(reach, axis.after)))
    return margins


def _pad(x: Array, geometry: WindowGeometry, value: float) -> Array:
    return np.pad(x, [(0, 0), (0, 0), *_margins(geometry)], constant_values=value)


def _tap_slices(geometry: WindowGeometry) -> Iterator[tuple[Slices, Slices]]:
    """Every tap, with the cells of the padded input that it sees over all windows."""
    for tap in product(*(range(size) for size in geometry.kernel)):
        cells = []
        for k, axis in zip(tap, geometry.axes):
            first = k * axis.dilation
            cells.append(slice(first, first + (axis.out - 1) * axis.stride + 1, axis.stride))
        yield tap, tuple(cells)


def _gather(x: Array, geometry: WindowGeometry, value: float = 0.0) -> Array:
    """(N, C, *size) -> (N, C, *kernel, *out)."""
    padded = _pad(x, geometry, value)
    cols = np.empty((*x.shape[:2], *geometry.kernel, *geometry.out), x.dtype)
    for tap, cells in _tap_slices(geometry):
        cols[(slice(None), slice(None), *tap)] = padded[(..., *cells)]
    return cols


def _scatter(cols: Array, geometry: WindowGeometry) -> Array:
    """(N, C, *kernel, *out) -> (N, C, *size), the adjoint of `_gather`."""
    margins = _margins(geometry)
    padded_size = [before + size + after for size, (before, after) in zip(geometry.size, margins)]
    padded = np.zeros((*cols.shape[:2], *padded_size), cols.dtype)
    for tap, cells in _tap_slices(geometry):
        padded[(..., *cells)] += cols[(slice(None), slice(None), *tap)]
    inner: Slices = tuple(slice(before, before + size) for size, (before, _) in zip(geometry.size, margins))
    return padded[(..., *inner)]


def _batches(geometry: ConvGeometry, itemsize: int) -> Iterator[slice]:
    """Slices of the batch whose columns stay within the workspace."""
    image = geometry.channels * geometry.taps * geometry.windows * itemsize
    step = max(1, get_options().max_workspace // image)
    for first in range(0, geometry.batch, step):
        yield slice(first, min(first + step, geometry.batch))


@lru_cache(maxsize=64)
def _tap_positions(geometry: WindowGeometry) -> tuple[Array, Array]:
    """(taps, windows): position of each tap in the flattened input plane, and whether it is a real cell."""
    position = np.zeros((geometry.taps, geometry.windows), np.int64)
    real = np.ones((geometry.taps, geometry.windows), np.bool_)
    grid = np.indices((*geometry.kernel, *geometry.out)).reshape(2 * geometry.rank, geometry.taps, geometry.windows)
    for k, window, axis in zip(grid[: geometry.rank], grid[geometry.rank :], geometry.axes):
        cell = axis.start(0) + window * axis.stride + k * axis.dilation
        position = position * axis.size + cell
        real &= (cell >= 0) & (cell < axis.size)
    return np.where(real, position, -1), real


@lru_cache(maxsize=64)
def _divisors(geometry: WindowGeometry, count_include_pad: bool) -> Array:
    """(*out): the cells of each window that count."""
    counts = np.ones(geometry.out)
    for i, axis in enumerate(geometry.axes):
        taps = axis.padded_taps if count_include_pad else axis.taps
        shape = [-1 if i == j else 1 for j in range(geometry.rank)]
        counts *= np.array([len(taps(window)) for window in range(axis.out)], float).reshape(shape)
    return counts


def _divide(total: Array, geometry: WindowGeometry, count_include_pad: bool, empty: float) -> Array:
    divisors = _divisors(geometry, count_include_pad)
    if divisors.all():
        mean: Array = total / divisors.astype(total.dtype)
        return mean
    safe = np.where(divisors == 0, 1, divisors).astype(total.dtype)
    return np.where(divisors == 0, np.array(empty, total.dtype), total / safe)


class NumpyBackend(Backend):
    """im2col, col2im and matrix products in NumPy."""

    name = "numpy"

    def conv(self, x: Array, weight: Array, bias: Array | None, geometry: ConvGeometry) -> Array:
        """Forward pass of conv2d and its kin: Y = W X."""
        g, y = geometry, np.empty(geometry.output_shape, x.dtype)
        matrix = weight.reshape(g.groups, g.group_filters, g.group_channels * g.taps)
        for images in _batches(g, x.itemsize):
            cols = _gather(x[images], g).reshape(-1, g.groups, g.group_channels * g.taps, g.windows)
            y[images] = np.matmul(matrix, cols).reshape(-1, *g.output_shape[1:])  # (G, Fg, K) @ (N, G, K, L)
        if bias is not None:
            y += bias.reshape(-1, *(1,) * g.rank)
        return y

    def conv_backward(
        self, dy: Array, x: Array, weight: Array, geometry: ConvGeometry, needs: frozenset[str]
    ) -> Gradients:
        """Gradients of conv2d and its kin: dW = dY Xᵀ, dX = col2im(Wᵀ dY)."""
        g = geometry
        matrix = weight.reshape(g.groups, g.group_filters, g.group_channels * g.taps)
        dx = np.empty(g.input_shape, x.dtype) if "x" in needs else None
        dmatrix = np.zeros(matrix.shape, x.dtype) if "weight" in needs else None
        for images in _batches(g, x.itemsize):
            rows = dy[images].reshape(-1, g.groups, g.group_filters, g.windows)
            if dmatrix is not None:
                cols = _gather(x[images], g).reshape(-1, g.groups, g.group_channels * g.taps, g.windows)
                dmatrix += np.matmul(rows, cols.swapaxes(2, 3)).sum(axis=0)  # (N, G, Fg, L) @ (N, G, L, K)
            if dx is not None:
                dcols = np.matmul(matrix.swapaxes(1, 2), rows)  # (G, K, Fg) @ (N, G, Fg, L)
                dx[images] = _scatter(dcols.reshape(-1, g.channels, *g.kernel, *g.out), g)
        dbias = dy.reshape(g.batch, g.filters, g.windows).sum(axis=2).sum(axis=0) if "bias" in needs else None
        return dx, None if dmatrix is None else dmatrix.reshape(weight.shape), dbias

    def max_pool(self, x: Array, geometry: WindowGeometry, return_indices: bool) -> tuple[Array, Array | None]:
        """Maxima and their positions."""
        g = geometry
        cols = _gather(x, g, -np.inf).reshape(g.batch, g.channels, g.taps, g.windows)
        if not return_indices:
            return cols.max(axis=2).reshape(g.output_shape), None
        winner = cols.argmax(axis=2)  # the first of equals, and the first NaN
        y = np.take_along_axis(cols, winner[:, :, None], axis=2)[:, :, 0]
        position, real = _tap_positions(g)
        window = np.arange(g.windows)
        padding_won = ~real[winner, window]  # a window of minus infinities: its first real cell counts
        winner = np.where(padding_won, real.argmax(axis=0), winner)
        return y.reshape(g.output_shape), position[winner, window].reshape(g.output_shape)

    def max_pool_backward(self, dy: Array, indices: Array, input_shape: tuple[int, ...]) -> Array:
        """Every gradient goes to the cell that won."""
        planes, plane = prod(input_shape[:2]), prod(input_shape[2:])
        winners = indices.reshape(planes, prod(indices.shape[2:]))
        real = winners >= 0
        target = winners + np.arange(planes)[:, None] * plane
        dx = np.zeros(planes * plane, dy.dtype)
        np.add.at(dx, target[real], dy.reshape(winners.shape)[real])
        return dx.reshape(input_shape)

    def avg_pool(self, x: Array, geometry: WindowGeometry, count_include_pad: bool) -> Array:
        """Means of the windows."""
        padded = _pad(x, geometry, 0.0)
        total = np.zeros(geometry.output_shape, x.dtype)
        for _, cells in _tap_slices(geometry):
            total += padded[(..., *cells)]
        return _divide(total, geometry, count_include_pad, np.nan)

    def avg_pool_backward(self, dy: Array, geometry: WindowGeometry, count_include_pad: bool) -> Array:
        """Every gradient is shared by the cells of its window."""
        share = _divide(dy, geometry, count_include_pad, 0.0)
        rank = geometry.rank
        cols = np.broadcast_to(
            share.reshape(*share.shape[:2], *(1,) * rank, *geometry.out),
            (*share.shape[:2], *geometry.kernel, *geometry.out),
        )
        return _scatter(cols, geometry)

    def im2col(self, x: Array, geometry: WindowGeometry) -> Array:
        """Windows as columns."""
        return _gather(x, geometry).reshape(geometry.columns_shape)

    def col2im(self, cols: Array, geometry: WindowGeometry) -> Array:
        """Columns added back into planes."""
        return _scatter(cols.reshape(geometry.batch, geometry.channels, *geometry.kernel, *geometry.out), geometry)


BACKEND = NumpyBackend()

"""Max, average, Lp and adaptive pooling, and unpooling, in plain loops."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np

from fastconv.backends.base import Array, Backend
from fastconv.backends.geometry import AdaptiveGeometry, WindowGeometry
from fastconv.backends.naive.windows import counts_of, windows_of

Boxes = Iterator[tuple[tuple[Any, ...], tuple[Any, ...]]]


def _windows(geometry: WindowGeometry) -> Boxes:
    """Every image, channel and output position, with the index of its window, clipped to the cells that exist."""
    windows = list(windows_of(geometry))
    for n, c in product(range(geometry.batch), range(geometry.channels)):
        for position, cells, _ in windows:
            yield (n, c, *position), (n, c, *cells)


def _boxes(geometry: AdaptiveGeometry) -> Boxes:
    """The same of an adaptive pooling."""
    for n, c in product(range(geometry.batch), range(geometry.channels)):
        for position in product(*(range(size) for size in geometry.out)):
            spans = [geometry.span(axis, window) for axis, window in enumerate(position)]
            yield (n, c, *position), (n, c, *(slice(span.start, span.stop) for span in spans))


def _maxima(x: Array, geometry: WindowGeometry | AdaptiveGeometry, boxes: Boxes) -> tuple[Array, Array]:
    """Maxima of windows and their positions in the plane; -1 where a window has no cell."""
    y = np.full(geometry.output_shape, -np.inf, x.dtype)
    indices = np.full(geometry.output_shape, -1, np.int64)
    flat = np.arange(np.prod(geometry.size, dtype=np.int64)).reshape(geometry.size)
    for position, box in boxes:
        window = x[box]
        if window.size:
            winner = int(window.argmax())  # the first of equals, and the first NaN
            y[position] = window.flat[winner]
            indices[position] = flat[box[2:]].flat[winner]
    return y, indices


class PoolLoops(Backend):
    """Pooling and unpooling, one window at a time."""

    def max_pool(self, x: Array, geometry: WindowGeometry, return_indices: bool) -> tuple[Array, Array | None]:
        """Maxima and their positions."""
        y, indices = _maxima(x, geometry, _windows(geometry))
        return y, indices if return_indices else None

    @np.errstate(all="ignore")
    def max_pool_backward(self, dy: Array, indices: Array, input_shape: tuple[int, ...]) -> Array:
        """Every gradient goes to the cell that won."""
        batch, channels, *size = input_shape
        dx = np.zeros((batch, channels, int(np.prod(size, dtype=np.int64))))
        for n, c in product(range(batch), range(channels)):
            for winner, g in zip(indices[n, c].flat, dy[n, c].flat):
                if winner >= 0:
                    dx[n, c, winner] += g
        return dx.reshape(input_shape).astype(dy.dtype)

    @np.errstate(all="ignore")
    def max_pool_ties_backward(self, dy: Array, x: Array, geometry: WindowGeometry, ties: str) -> Array:
        """Every gradient goes to the cells that equal the maximum of their window: where that is NaN, to none."""
        dx = np.zeros(geometry.input_shape)
        for position, box in _windows(geometry):
            window = x[box]
            if window.size:
                hits = window == window.max()
                cells = np.count_nonzero(hits) if ties == "split" else 1
                dx[box] += np.where(hits, float(dy[position]) / max(cells, 1), 0)
        return dx.astype(dy.dtype)

    @np.errstate(all="ignore")
    def avg_pool(self, x: Array, geometry: WindowGeometry, count_include_pad: bool) -> Array:
        """Means of the windows."""
        y = np.empty(geometry.output_shape, x.dtype)
        x = x.astype(np.float64)
        counts = counts_of(geometry, count_include_pad)
        for position, box in _windows(geometry):
            count = counts[position[2:]]
            y[position] = x[box].sum() / count if count else np.nan
        return y

    @np.errstate(all="ignore")
    def avg_pool_backward(self, dy: Array, geometry: WindowGeometry, count_include_pad: bool) -> Array:
        """Every gradient is shared by the cells of its window."""
        dx = np.zeros(geometry.input_shape)
        counts = counts_of(geometry, count_include_pad)
        for position, box in _windows(geometry):
            if counts[position[2:]]:
                dx[box] += float(dy[position]) / counts[position[2:]]
        return dx.astype(dy.dtype)

    @np.errstate(all="ignore")
    def lp_pool(self, x: Array, geometry: WindowGeometry, norm_type: float) -> Array:
        """Norms of the windows."""
        y = np.empty(geometry.output_shape, x.dtype)
        x = np.abs(x.astype(np.float64))
        for position, box in _windows(geometry):
            y[position] = (x[box] ** norm_type).sum() ** (1 / norm_type)
        return y

    @np.errstate(all="ignore")
    def lp_pool_backward(self, dy: Array, x: Array, geometry: WindowGeometry, norm_type: float) -> Array:
        """Every gradient goes to the cells of its window, times sign(x) (|x| / y)^(p-1)."""
        dx = np.zeros(geometry.input_shape)
        x = x.astype(np.float64)
        for position, box in _windows(geometry):
            window = x[box]
            norm = (np.abs(window) ** norm_type).sum() ** (1 / norm_type)
            if norm != 0:
                slope = np.where(window == 0, 0, np.sign(window) * np.abs(window) ** (norm_type - 1))
                dx[box] += float(dy[position]) * slope / norm ** (norm_type - 1)
        return dx.astype(dy.dtype)

    @np.errstate(all="ignore")
    def adaptive_avg_pool(self, x: Array, geometry: AdaptiveGeometry) -> Array:
        """Means of the windows."""
        y = np.empty(geometry.output_shape, x.dtype)
        x = x.astype(np.float64)
        for position, box in _boxes(geometry):
            y[position] = x[box].sum() / x[box].size
        return y

    @np.errstate(all="ignore")
    def adaptive_avg_pool_backward(self, dy: Array, geometry: AdaptiveGeometry) -> Array:
        """Every gradient is shared by the cells of its window."""
        dx = np.zeros(geometry.input_shape)
        for position, box in _boxes(geometry):
            dx[box] += float(dy[position]) / dx[box].size
        return dx.astype(dy.dtype)

    def adaptive_max_pool(
        self, x: Array, geometry: AdaptiveGeometry, return_indices: bool
    ) -> tuple[Array, Array | None]:
        """Maxima and their positions."""
        y, indices = _maxima(x, geometry, _boxes(geometry))
        return y, indices if return_indices else None

    def max_unpool(self, y: Array, indices: Array, size: tuple[int, ...]) -> Array:
        """Every value goes to its index; a later one replaces an earlier one."""
        batch, channels = y.shape[:2]
        x = np.zeros((batch, channels, int(np.prod(size, dtype=np.int64))), y.dtype)
        for n, c in product(range(batch), range(channels)):
            for index, value in zip(indices[n, c].flat, y[n, c].flat):
                x[n, c, index] = value
        return x.reshape(batch, channels, *size)

    def max_unpool_backward(self, dy: Array, indices: Array) -> Array:
        """Every value gets the gradient at its index."""
        gradient = np.empty(indices.shape, dy.dtype)
        for n, c in product(range(len(indices)), range(indices.shape[1])):
            for position in product(*(range(size) for size in indices.shape[2:])):
                gradient[(n, c, *position)] = dy[n, c].flat[indices[(n, c, *position)]]
        return gradient

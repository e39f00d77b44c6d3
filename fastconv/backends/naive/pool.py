"""Max, average and Lp pooling in plain loops."""

from __future__ import annotations

import numpy as np

from fastconv.backends.base import Array, Backend
from fastconv.backends.geometry import WindowGeometry
from fastconv.backends.naive.windows import counts_of, windows_of

__all__ = ["PoolLoops"]


class PoolLoops(Backend):
    """Pooling, one window at a time."""

    def max_pool(self, x: Array, geometry: WindowGeometry, return_indices: bool) -> tuple[Array, Array | None]:
        """Maxima and their positions."""
        y = np.full(geometry.output_shape, -np.inf, x.dtype)
        indices = np.full(geometry.output_shape, -1, np.int64)
        flat = np.arange(np.prod(geometry.size, dtype=np.int64)).reshape(geometry.size)
        windows = list(windows_of(geometry))
        for n in range(geometry.batch):
            for c in range(geometry.channels):
                for position, cells, _ in windows:
                    window = x[(n, c, *cells)]
                    if window.size:
                        winner = int(window.argmax())  # the first of equals, and the first NaN
                        y[(n, c, *position)] = window.flat[winner]
                        indices[(n, c, *position)] = flat[cells].flat[winner]
        return y, indices if return_indices else None

    @np.errstate(invalid="ignore", over="ignore")
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

    @np.errstate(invalid="ignore", over="ignore")
    def avg_pool(self, x: Array, geometry: WindowGeometry, count_include_pad: bool) -> Array:
        """Means of the windows."""
        y = np.empty(geometry.output_shape, x.dtype)
        x = x.astype(np.float64)
        windows, counts = list(windows_of(geometry)), counts_of(geometry, count_include_pad)
        for n in range(geometry.batch):
            for c in range(geometry.channels):
                for position, cells, _ in windows:
                    count = counts[position]
                    y[(n, c, *position)] = x[(n, c, *cells)].sum() / count if count else np.nan
        return y

    @np.errstate(invalid="ignore", over="ignore")
    def avg_pool_backward(self, dy: Array, geometry: WindowGeometry, count_include_pad: bool) -> Array:
        """Every gradient is shared by the cells of its window."""
        dx = np.zeros(geometry.input_shape)
        windows, counts = list(windows_of(geometry)), counts_of(geometry, count_include_pad)
        for n in range(geometry.batch):
            for c in range(geometry.channels):
                for position, cells, _ in windows:
                    if counts[position]:
                        dx[(n, c, *cells)] += float(dy[(n, c, *position)]) / counts[position]
        return dx.astype(dy.dtype)

    @np.errstate(invalid="ignore", over="ignore", divide="ignore")
    def lp_pool(self, x: Array, geometry: WindowGeometry, norm_type: float) -> Array:
        """Norms of the windows."""
        y = np.empty(geometry.output_shape, x.dtype)
        x, windows = np.abs(x.astype(np.float64)), list(windows_of(geometry))
        for n in range(geometry.batch):
            for c in range(geometry.channels):
                for position, cells, _ in windows:
                    y[(n, c, *position)] = (x[(n, c, *cells)] ** norm_type).sum() ** (1 / norm_type)
        return y

    @np.errstate(invalid="ignore", over="ignore", divide="ignore")
    def lp_pool_backward(self, dy: Array, x: Array, geometry: WindowGeometry, norm_type: float) -> Array:
        """Every gradient goes to the cells of its window, times sign(x) (|x| / y)^(p-1)."""
        dx = np.zeros(geometry.input_shape)
        x, windows = x.astype(np.float64), list(windows_of(geometry))
        for n in range(geometry.batch):
            for c in range(geometry.channels):
                for position, cells, _ in windows:
                    window = x[(n, c, *cells)]
                    norm = (np.abs(window) ** norm_type).sum() ** (1 / norm_type)
                    if norm != 0:
                        slope = np.where(window == 0, 0, np.sign(window) * np.abs(window) ** (norm_type - 1))
                        dx[(n, c, *cells)] += float(dy[(n, c, *position)]) * slope / norm ** (norm_type - 1)
        return dx.astype(dy.dtype)

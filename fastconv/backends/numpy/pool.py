"""Max, average, Lp and adaptive pooling, and unpooling, over columns, taps and axes."""

from __future__ import annotations

from math import prod

import numpy as np

from fastconv.backends.base import Array, Backend
from fastconv.backends.geometry import AdaptiveGeometry, Axis, WindowGeometry
from fastconv.backends.numpy.windows import gather, pad, scatter, tap_slices

_TAPS_IN_A_ROW = 128


def _winning_cells(winner: Array, geometry: WindowGeometry) -> Array:
    """Position in the flattened input plane of the winning tap of every window, (N, C, windows); -1 where none is real.

    A window of minus infinities can be won by padding: its first real cell counts.
    """
    windows, position = np.unravel_index(np.arange(geometry.windows), geometry.out), np.zeros_like(winner)
    taps = np.unravel_index(winner, geometry.kernel)
    cells = [axis.start(0) + o * axis.stride + k * axis.dilation for axis, o, k in zip(geometry.axes, windows, taps)]
    real = np.logical_and.reduce([(cell >= 0) & (cell < axis.size) for axis, cell in zip(geometry.axes, cells)])
    for axis, o, cell in zip(geometry.axes, windows, cells):
        first, count = _real_taps(axis, o, 0, axis.size)
        begin = np.where(count > 0, axis.start(0) + o * axis.stride + first * axis.dilation, -1)
        place = np.where(real, cell, begin)
        position = np.where((position < 0) | (place < 0), -1, position * axis.size + place)
    return position


def _real_taps(axis: Axis, window: Array, low: int, high: int) -> tuple[Array, Array]:
    """(first, number) of the taps of windows whose cell lies in ``[low, high)``: `Axis.taps` for many at a time."""
    start = window * axis.stride - axis.before
    first = np.maximum(0, -((start - low) // axis.dilation))
    last = np.minimum(axis.kernel - 1, (high - 1 - start) // axis.dilation)
    return first, np.maximum(0, last - first + 1)


def _divisors(geometry: WindowGeometry, count_include_pad: bool) -> Array:
    """(*out): the cells of each window that count."""
    counts = np.ones(())
    for axis in geometry.axes:
        low, high = (-axis.before, axis.size + axis.after) if count_include_pad else (0, axis.size)
        counts = counts[..., None] * _real_taps(axis, np.arange(axis.out), low, high)[1]
    return counts


def _divide(total: Array, geometry: WindowGeometry, count_include_pad: bool, empty: float) -> Array:
    divisors = _divisors(geometry, count_include_pad)
    if divisors.all():
        mean: Array = total / divisors.astype(total.dtype)
        return mean
    safe = np.where(divisors == 0, 1, divisors).astype(total.dtype)
    return np.where(divisors == 0, np.array(empty, total.dtype), total / safe)


def _window_sums(x: Array, geometry: WindowGeometry) -> Array:
    """Sums of the windows of zero-padded planes."""
    padded = pad(x, geometry, 0.0)
    return _pairwise([padded[(..., *cells)] for _, cells in tap_slices(geometry)])


def _pairwise(taps: list[Array]) -> Array:
    """Sum of arrays, halves first where there are many, so that the rounding error does not grow with their number."""
    if len(taps) > _TAPS_IN_A_ROW:
        half = len(taps) // 2
        return _pairwise(taps[:half]) + _pairwise(taps[half:])
    total = np.zeros(taps[0].shape, taps[0].dtype)
    for tap in taps:
        total += tap
    return total


def _spread(share: Array, geometry: WindowGeometry) -> Array:
    """Give a number per window to all cells of the window: the adjoint of `_window_sums`."""
    planes, rank = share.shape[:2], geometry.rank
    cols = share.reshape(*planes, *(1,) * rank, *geometry.out)
    return scatter(np.broadcast_to(cols, (*planes, *geometry.kernel, *geometry.out)), geometry)


def _slices(geometry: AdaptiveGeometry, axis: int) -> list[tuple[slice, ...]]:
    """Index of every window along one spatial axis of (N, C, *size)."""
    spans = (geometry.span(axis, window) for window in range(geometry.out[axis]))
    return [(slice(None),) * (axis + 2) + (slice(span.start, span.stop),) for span in spans]


def _argmax(x: Array, places: Array, cells: tuple[slice, ...], axis: int) -> tuple[Array, Array]:
    """Maxima of a window along one axis, and their places."""
    winner = x[cells].argmax(axis=axis, keepdims=True)  # the first of equals, and the first NaN
    return np.take_along_axis(x[cells], winner, axis), np.take_along_axis(places[cells], winner, axis)


def _flat(indices: Array, plane: int) -> Array:
    """Positions in the flattened batch of planes."""
    planes = prod(indices.shape[:2])
    return (indices.reshape(planes, prod(indices.shape[2:])) + np.arange(planes)[:, None] * plane).reshape(-1)


class PoolSlices(Backend):
    """Pooling, all windows at a time; if adaptive, one axis at a time, the last one first. Unpooling by indices."""

    def max_pool(self, x: Array, geometry: WindowGeometry, return_indices: bool) -> tuple[Array, Array | None]:
        """Maxima and their positions."""
        g = geometry
        cols = gather(x, g, -np.inf).reshape(g.batch, g.channels, g.taps, g.windows)
        if not return_indices:
            return cols.max(axis=2).reshape(g.output_shape), None
        winner = cols.argmax(axis=2)  # the first of equals, and the first NaN
        y = np.take_along_axis(cols, winner[:, :, None], axis=2)[:, :, 0]
        return y.reshape(g.output_shape), _winning_cells(winner, g).reshape(g.output_shape)

    @np.errstate(all="ignore")
    def max_pool_backward(self, dy: Array, indices: Array, input_shape: tuple[int, ...]) -> Array:
        """Every gradient goes to the cell that won."""
        planes, plane = prod(input_shape[:2]), prod(input_shape[2:])
        winners = indices.reshape(planes, prod(indices.shape[2:]))
        real = winners >= 0
        target = winners + np.arange(planes)[:, None] * plane
        dx = np.zeros(planes * plane, dy.dtype)
        np.add.at(dx, target[real], dy.reshape(winners.shape)[real])
        return dx.reshape(input_shape)

    @np.errstate(all="ignore")
    def max_pool_ties_backward(self, dy: Array, x: Array, geometry: WindowGeometry, ties: str) -> Array:
        """Every gradient goes to the columns that equal the maximum of theirs: where that is NaN, to none."""
        cols = gather(x, geometry, -np.inf)
        taps = tuple(range(2, 2 + geometry.rank))
        hits = cols == cols.max(axis=taps, keepdims=True)
        if ties == "split":
            cells = gather(np.ones_like(x), geometry, 0.0) * hits
            dy = dy / np.maximum(cells.sum(axis=taps), 1)
        return scatter(np.where(hits, np.expand_dims(dy, taps), dy.dtype.type(0)), geometry)

    @np.errstate(all="ignore")
    def avg_pool(self, x: Array, geometry: WindowGeometry, count_include_pad: bool) -> Array:
        """Means of the windows."""
        return _divide(_window_sums(x, geometry), geometry, count_include_pad, np.nan)

    @np.errstate(all="ignore")
    def avg_pool_backward(self, dy: Array, geometry: WindowGeometry, count_include_pad: bool) -> Array:
        """Every gradient is shared by the cells of its window."""
        return _spread(_divide(dy, geometry, count_include_pad, 0.0), geometry)

    @np.errstate(all="ignore")
    def lp_pool(self, x: Array, geometry: WindowGeometry, norm_type: float) -> Array:
        """Norms of the windows; powers and their sums in float64."""
        powers = np.abs(x.astype(np.float64)) ** norm_type
        norms: Array = (_window_sums(powers, geometry) ** (1 / norm_type)).astype(x.dtype)
        return norms

    @np.errstate(all="ignore")
    def lp_pool_backward(self, dy: Array, x: Array, geometry: WindowGeometry, norm_type: float) -> Array:
        """Gradient of the norms: dy / y^(p-1), spread, times sign(x) |x|^(p-1)."""
        x = x.astype(np.float64)
        size = np.abs(x)
        norm = _window_sums(size**norm_type, geometry) ** (1 / norm_type)
        share = np.where(norm == 0, 0, dy / norm ** (norm_type - 1))
        slope = np.where(x == 0, 0, np.sign(x) * size ** (norm_type - 1))
        dx: Array = (_spread(share, geometry) * slope).astype(dy.dtype)
        return dx

    @np.errstate(all="ignore")
    def adaptive_avg_pool(self, x: Array, geometry: AdaptiveGeometry) -> Array:
        """Means of the windows, taken in float64."""
        y = x
        for axis in reversed(range(len(geometry.size))):
            parts = [y[cells] for cells in _slices(geometry, axis)]
            y = np.concatenate([part.mean(axis + 2, dtype=np.float64, keepdims=True) for part in parts], axis + 2)
        return y.astype(x.dtype)

    @np.errstate(all="ignore")
    def adaptive_avg_pool_backward(self, dy: Array, geometry: AdaptiveGeometry) -> Array:
        """Every gradient is shared by the cells of its window."""
        dx = dy
        for axis, size in enumerate(geometry.size):
            share, shape = dx, list(dx.shape)
            shape[axis + 2] = size
            dx = np.zeros(shape, dy.dtype)
            for i, cells in enumerate(_slices(geometry, axis)):
                dx[cells] += share.take([i], axis + 2) / len(geometry.span(axis, i))
        return dx

    def adaptive_max_pool(
        self, x: Array, geometry: AdaptiveGeometry, return_indices: bool
    ) -> tuple[Array, Array | None]:
        """Maxima and their positions: rows first, so that of equal ones the first in row-major order is left."""
        axes = tuple(reversed(range(len(geometry.size))))
        if not return_indices:
            y = x
            for axis in axes:
                parts = [y[cells] for cells in _slices(geometry, axis)]
                y = np.concatenate([part.max(axis + 2, keepdims=True) for part in parts], axis + 2)
            return y, None
        y, places = x, np.broadcast_to(np.arange(prod(geometry.size)).reshape(geometry.size), x.shape)
        for axis in axes:
            found = [_argmax(y, places, cells, axis + 2) for cells in _slices(geometry, axis)]
            y, places = (np.concatenate(parts, axis + 2) for parts in zip(*found))
        return y, places

    def max_unpool(self, y: Array, indices: Array, size: tuple[int, ...]) -> Array:
        """Every value goes to its index; NumPy assigns in order, so that the last of equal indices wins."""
        x = np.zeros(prod(y.shape[:2]) * prod(size), y.dtype)
        x[_flat(indices, prod(size))] = y.reshape(-1)
        return x.reshape(*y.shape[:2], *size)

    def max_unpool_backward(self, dy: Array, indices: Array) -> Array:
        """Every value gets the gradient at its index."""
        gradient: Array = dy.reshape(-1)[_flat(indices, prod(dy.shape[2:]))].reshape(indices.shape)
        return gradient

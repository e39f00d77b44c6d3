"""Adaptive pooling axis by axis: a mean of means, a maximum of maxima. And unpooling."""

from __future__ import annotations

from math import prod

import numpy as np

from fastconv.backends.base import Array, Backend
from fastconv.backends.geometry import AdaptiveGeometry

__all__ = ["AdaptiveSlices", "Unpool"]


def _slices(geometry: AdaptiveGeometry, axis: int) -> list[tuple[slice, ...]]:
    """Index of every window along one spatial axis of (N, C, *size)."""
    spans = (geometry.span(axis, window) for window in range(geometry.out[axis]))
    return [(slice(None),) * (axis + 2) + (slice(span.start, span.stop),) for span in spans]


def _argmax(x: Array, places: Array, cells: tuple[slice, ...], axis: int) -> tuple[Array, Array]:
    """Maxima of a window along one axis, and their places."""
    winner = x[cells].argmax(axis=axis, keepdims=True)  # the first of equals, and the first NaN
    return np.take_along_axis(x[cells], winner, axis), np.take_along_axis(places[cells], winner, axis)


class AdaptiveSlices(Backend):
    """Adaptive pooling, one axis at a time, the last one first."""

    @np.errstate(invalid="ignore", over="ignore")
    def adaptive_avg_pool(self, x: Array, geometry: AdaptiveGeometry) -> Array:
        """Means of the windows, taken in float64."""
        y = x
        for axis in reversed(range(len(geometry.size))):
            parts = [y[cells] for cells in _slices(geometry, axis)]
            y = np.concatenate([part.mean(axis + 2, dtype=np.float64, keepdims=True) for part in parts], axis + 2)
        return y.astype(x.dtype)

    @np.errstate(invalid="ignore", over="ignore")
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


def _flat(indices: Array, plane: int) -> Array:
    """Positions in the flattened batch of planes."""
    planes = prod(indices.shape[:2])
    return (indices.reshape(planes, prod(indices.shape[2:])) + np.arange(planes)[:, None] * plane).reshape(-1)


class Unpool(Backend):
    """Unpooling with fancy indices."""

    def max_unpool(self, y: Array, indices: Array, size: tuple[int, ...]) -> Array:
        """Every value goes to its index; NumPy assigns in order, so that the last of equal indices wins."""
        x = np.zeros(prod(y.shape[:2]) * prod(size), y.dtype)
        x[_flat(indices, prod(size))] = y.reshape(-1)
        return x.reshape(*y.shape[:2], *size)

    def max_unpool_backward(self, dy: Array, indices: Array) -> Array:
        """Every value gets the gradient at its index."""
        gradient: Array = dy.reshape(-1)[_flat(indices, prod(dy.shape[2:]))].reshape(indices.shape)
        return gradient

"""Adaptive pooling and unpooling in plain loops."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np

from fastconv.backends.base import Array, Backend
from fastconv.backends.geometry import AdaptiveGeometry

__all__ = ["AdaptiveLoops", "UnpoolLoops"]


def _boxes(geometry: AdaptiveGeometry) -> Iterator[tuple[tuple[Any, ...], tuple[Any, ...]]]:
    """Every image, channel and output position, with the index of its window."""
    for n, c in product(range(geometry.batch), range(geometry.channels)):
        for position in product(*(range(size) for size in geometry.out)):
            spans = [geometry.span(axis, window) for axis, window in enumerate(position)]
            yield (n, c, *position), (n, c, *(slice(span.start, span.stop) for span in spans))


class AdaptiveLoops(Backend):
    """Adaptive pooling, one window at a time."""

    @np.errstate(invalid="ignore", over="ignore")
    def adaptive_avg_pool(self, x: Array, geometry: AdaptiveGeometry) -> Array:
        """Means of the windows."""
        y = np.empty(geometry.output_shape, x.dtype)
        x = x.astype(np.float64)
        for position, box in _boxes(geometry):
            y[position] = x[box].sum() / x[box].size
        return y

    @np.errstate(invalid="ignore", over="ignore")
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
        y = np.empty(geometry.output_shape, x.dtype)
        indices = np.empty(geometry.output_shape, np.int64)
        flat = np.arange(np.prod(geometry.size, dtype=np.int64)).reshape(geometry.size)
        for position, box in _boxes(geometry):
            winner = int(x[box].argmax())  # the first of equals, and the first NaN
            y[position] = x[box].flat[winner]
            indices[position] = flat[box[2:]].flat[winner]
        return y, indices if return_indices else None


class UnpoolLoops(Backend):
    """Unpooling, one value at a time."""

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

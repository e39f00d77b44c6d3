"""Normalisation in plain loops, and what is done to one number at a time: ReLU and sums."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np

from fastconv.backends.base import Array, Backend


def _channels(x: Array, images: int) -> Iterator[tuple[int, int, list[tuple[int, ...]]]]:
    """Row and channel of every statistic, with the places of the numbers that it is over."""
    places = list(product(*(range(size) for size in x.shape[2:])))
    for row, c in product(range(images), range(x.shape[1])):
        batch = [row] if images == len(x) else range(len(x))
        yield row, c, [(n, c, *place) for n in batch for place in places]


class NormalizationLoops(Backend):
    """Normalisation, one number at a time, in float64."""

    @np.errstate(all="ignore")
    def moments(self, x: Array, per_image: bool) -> tuple[Array, Array]:
        """Mean and biased variance of every channel, the variance in float64."""
        images = len(x) if per_image else 1
        mean, variance = np.empty((images, x.shape[1])), np.empty((images, x.shape[1]))
        values = x.astype(np.float64)
        for row, c, places in _channels(x, images):
            mean[row, c] = sum(values[place] for place in places) / len(places)
            variance[row, c] = sum((values[place] - mean[row, c]) ** 2 for place in places) / len(places)
        return mean.astype(x.dtype), variance

    @np.errstate(all="ignore")
    def normalize(self, x: Array, mean: Array, scale: Array, shift: Array) -> Array:
        """``(x - mean) * scale + shift``."""
        y = np.empty(x.shape, x.dtype)
        mean, scale, shift = (_of_images(table, len(x)) for table in (mean, scale, shift))
        for position in np.ndindex(x.shape):
            n, c = position[:2]
            y[position] = (float(x[position]) - mean[n, c]) * scale[n, c] + shift[n, c]
        return y

    @np.errstate(all="ignore")
    def normalize_sums(self, dy: Array, x: Array, mean: Array) -> tuple[Array, Array]:
        """Sums of dy and of ``dy * (x - mean)``."""
        first, second = np.empty(mean.shape), np.empty(mean.shape)
        gradients, values = dy.astype(np.float64), x.astype(np.float64)
        for row, c, places in _channels(x, len(mean)):
            first[row, c] = sum(gradients[place] for place in places)
            second[row, c] = sum(gradients[place] * (values[place] - mean[row, c]) for place in places)
        return first.astype(x.dtype), second.astype(x.dtype)

    @np.errstate(all="ignore")
    def normalize_backward(
        self, dy: Array, x: Array, mean: Array, scale: Array, slope: Array, shift: Array, inverse: Array
    ) -> Array:
        """``dy * scale + ((x - mean) * slope + shift) * inverse``."""
        dx = np.empty(x.shape, x.dtype)
        tables = (mean, scale, slope, shift, inverse)
        mean, scale, slope, shift, inverse = (_of_images(table, len(x)) for table in tables)
        for position in np.ndindex(x.shape):
            n, c = position[:2]
            deviation = float(x[position]) - mean[n, c]
            dx[position] = float(dy[position]) * scale[n, c] + (deviation * slope[n, c] + shift[n, c]) * inverse[n, c]
        return dx


def _of_images(table: Array, images: int) -> Array:
    """(1 or N, C) -> (N, C) in float64."""
    return np.broadcast_to(table, (images, table.shape[1])).astype(np.float64)


class PointwiseLoops(Backend):
    """Operations on one number at a time. Comparisons with NaN are false, so that NaN goes through."""

    def relu(self, x: Array) -> Array:
        """Return max(x, 0)."""
        y = np.empty(x.shape, x.dtype)
        for position in np.ndindex(x.shape):
            y[position] = 0 if x[position] <= 0 else x[position]
        return y

    def relu_backward(self, dy: Array, y: Array) -> Array:
        """Return dy where y is positive or NaN, else 0."""
        dx = np.empty(y.shape, y.dtype)
        for position in np.ndindex(y.shape):
            dx[position] = 0 if y[position] <= 0 else dy[position]
        return dx

    @np.errstate(all="ignore")
    def add(self, a: Array, b: Array, relu: bool) -> Array:
        """Return a + b, or its ReLU."""
        total = np.empty(a.shape, a.dtype)
        for position in np.ndindex(a.shape):
            total[position] = a[position] + b[position]
        return self.relu(total) if relu else total

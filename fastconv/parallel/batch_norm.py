"""Batch norm with the statistics of a batch that several ranks share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from typing import Any

import numpy as np

from fastconv.functional.batch_normalization import batch_norm_backward, batch_norm_statistics
from fastconv.functional.call import ConvGradients
from fastconv.layers.base import Layer
from fastconv.layers.batch_normalization import Running, _BatchNorm
from fastconv.parallel.ranks import Ranks
from fastconv.parallel.sums import GradientSums
from fastconv.validation.arrays import Array
from fastconv.validation.types import ArrayLike


@contextmanager
def synchronized(model: Layer, ranks: Ranks, sums: GradientSums) -> Iterator[None]:
    """Let the batch norms of a network take, for a block, the statistics of the images of all ranks in training."""
    layers = [layer for _, layer in model.named_layers() if isinstance(layer, _BatchNorm)]
    for layer in layers:
        layer._statistics = _Statistics(layer, ranks, sums)  # type: ignore[method-assign]
        layer._gradients = _Gradients(layer, ranks, sums)  # type: ignore[method-assign]
    try:
        yield
    finally:
        for layer in layers:
            del layer._statistics, layer._gradients


class _Over:
    """A layer, and the ranks that it is over."""

    def __init__(self, layer: _BatchNorm, ranks: Ranks, sums: GradientSums) -> None:
        self.layer, self.ranks, self.sums = layer, ranks, sums


class _Statistics(_Over):
    def __call__(self, x: Array, options: dict[str, Any]) -> tuple[Array, Array]:
        """Mean and variance over all ranks: Chan, Golub and LeVeque 1979, in the order of the ranks."""
        layer = self.layer
        mean, variance = batch_norm_statistics(x, **options)
        own = prod(x.shape) // layer.num_features if self.sums.weight else 0
        parts = self.ranks.gathered((own, mean.astype(np.float64), variance.astype(np.float64)))
        numbers = sum(count for count, *_ in parts)
        centre: Array = np.sum([count * mean for count, mean, _ in parts], axis=0) / numbers
        spread: Array = np.sum([n * (variance + (mean - centre) ** 2) for n, mean, variance in parts], axis=0) / numbers
        statistics = centre.astype(mean.dtype), spread.astype(variance.dtype)
        if layer.training and layer.num_batches_tracked is not None:
            layer._track(statistics, numbers, layer.momentum, layer.num_batches_tracked)
        return statistics


class _Gradients(_Over):
    def __call__(self, dy: ArrayLike, input_gradient: bool) -> ConvGradients:
        """Gradients where the statistics depend on the images of all ranks.

        Those of weight and bias are of this rank. That of x is what it is for constant statistics, less
        ``weight / std * (sum(dy) + x_hat * sum(dy * x_hat)) / numbers``, of which the sums are over all ranks.
        """
        layer = self.layer
        x, mean, variance, uses_batch = layer._kept()
        if not uses_batch:
            return Running._gradients(layer, dy, input_gradient)
        dy, layout = layer._check_dy(dy, x.shape), layer._layout_of(x.shape)
        wanted = ("x", "weight", "bias") if input_gradient else ("weight", "bias")
        needs: dict[str, Any] = {"needs": wanted, "layout": layout, "backend": layer.backend or layer._kept_backend()}
        tables: dict[str, Any] = {"statistics": (mean, variance), "eps": layer.eps, "training": False}
        ones = np.ones(layer.num_features, x.dtype)
        weight = ones if layer._weight_data is None else layer._weight_data
        dx, dweight, dbias = batch_norm_backward(dy, x, weight, **tables, **needs)
        local = np.concatenate([dbias, dweight]).astype(np.float64) * self.sums.weight
        total = np.sum(self.ranks.gathered(local), axis=0)
        if dx is not None and self.sums.weight:
            shape = [1] * x.ndim
            shape[-1 if layout.endswith("C") else 1] = -1
            scale = 1 / np.sqrt(variance.astype(np.float64) + layer.eps)
            numbers = prod(x.shape) // layer.num_features
            sums = [(weight * scale * part / numbers).astype(dx.dtype).reshape(shape) for part in np.split(total, 2)]
            hat = (x - mean.reshape(shape)) * scale.astype(x.dtype).reshape(shape)
            dx = dx - (sums[0] + hat * sums[1])
        kept = (layer._weight_data is not None, layer.bias is not None)
        return ConvGradients(dx, dweight if kept[0] else None, dbias if kept[1] else None)

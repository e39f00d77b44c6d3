"""Convolution as a matrix product over columns, and linear layers as one product."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

import numpy as np

from fastconv.backends.base import Array, Backend, Gradients
from fastconv.backends.geometry import ConvGeometry
from fastconv.backends.numpy.products import add_in_pairs, product, row_sums
from fastconv.backends.numpy.windows import gather, scatter
from fastconv.backends.settings import get_options


def _batches(geometry: ConvGeometry, itemsize: int) -> Iterator[slice]:
    """Slices of the batch whose columns stay within the workspace."""
    image = geometry.channels * geometry.taps * geometry.windows * itemsize
    step = max(1, get_options().max_workspace // image)
    for first in range(0, geometry.batch, step):
        yield slice(first, min(first + step, geometry.batch))


def _gradients_of_images(rows: Array, x: Array, geometry: ConvGeometry) -> Iterator[Array]:
    """Gradient of the weights of each image, dY Xᵀ."""
    g = geometry
    for images in _batches(g, x.itemsize):
        cols = gather(x[images], g).reshape(-1, g.groups, g.group_channels * g.taps, g.windows)
        yield from product(rows[images], cols.swapaxes(2, 3))  # (N, G, Fg, L) @ (N, G, L, K)


class ConvProducts(Backend):
    """Convolution: im2col, a product, col2im. Linear layers: one product each."""

    @np.errstate(all="ignore")
    def conv(self, x: Array, weight: Array, bias: Array | None, geometry: ConvGeometry) -> Array:
        """Forward pass of conv2d and its kin: Y = W X."""
        g, y = geometry, np.empty(geometry.output_shape, x.dtype)
        matrix = weight.reshape(g.groups, g.group_filters, g.group_channels * g.taps)
        for images in _batches(g, x.itemsize):
            cols = gather(x[images], g).reshape(-1, g.groups, g.group_channels * g.taps, g.windows)
            y[images] = product(matrix, cols).reshape(-1, *g.output_shape[1:])  # (G, Fg, K) @ (N, G, K, L)
        if bias is not None:
            y += bias.reshape(-1, *(1,) * g.rank)
        return y

    @np.errstate(all="ignore")
    def conv_backward(
        self, dy: Array, x: Array, weight: Array, geometry: ConvGeometry, needs: frozenset[str]
    ) -> Gradients:
        """Gradients of conv2d and its kin: dW = dY Xᵀ, dX = col2im(Wᵀ dY)."""
        g = geometry
        matrix = weight.reshape(g.groups, g.group_filters, g.group_channels * g.taps)
        rows = dy.reshape(g.batch, g.groups, g.group_filters, g.windows)
        dx = dweight = dbias = None
        if "x" in needs:
            dx = np.empty(g.input_shape, x.dtype)
            for images in _batches(g, x.itemsize):
                dcols = product(matrix.swapaxes(1, 2), rows[images])  # (G, K, Fg) @ (N, G, Fg, L)
                dx[images] = scatter(dcols.reshape(-1, g.channels, *g.kernel, *g.out), g)
        if "weight" in needs:
            zeros = np.zeros((1, *matrix.shape), x.dtype)  # the gradient of no images
            dweight = add_in_pairs(chain(zeros, _gradients_of_images(rows, x, g))).reshape(weight.shape)
        if "bias" in needs:
            dbias = row_sums(np.moveaxis(dy, 1, 0).reshape(g.filters, -1))
        return dx, dweight, dbias

    @np.errstate(all="ignore")
    def linear(self, x: Array, weight: Array, bias: Array | None) -> Array:
        """Forward pass of linear: Y = X Wᵀ."""
        y: Array = product(x, weight.T)  # (N, I) @ (I, O)
        if bias is not None:
            y += bias
        return y

    @np.errstate(all="ignore")
    def linear_backward(self, dy: Array, x: Array, weight: Array, needs: frozenset[str]) -> Gradients:
        """Gradients of linear: dX = dY W, dW = dYᵀ X."""
        dx = product(dy, weight) if "x" in needs else None  # (N, O) @ (O, I)
        dweight = product(dy.T, x) if "weight" in needs else None  # (O, N) @ (N, I)
        return dx, dweight, row_sums(dy.T) if "bias" in needs else None

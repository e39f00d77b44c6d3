"""The contract of a backend.

Below the friendly door nothing is checked again: arrays arrive as (N, C, *spatial) views of any strides, in the native
float32 or float64 that the whole computation uses, with a frozen geometry of integers. A backend never modifies its
inputs, and returns fresh arrays of the same dtype in whatever memory order suits it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastconv.backends.dropout import DropoutMasks
from fastconv.backends.geometry import AdaptiveGeometry, ConvGeometry, WindowGeometry, conv_axis
from fastconv.backends.losses import Losses

Array = NDArray[Any]
Gradients = tuple[Array | None, Array | None, Array | None]


class Backend(Losses, DropoutMasks, ABC):
    """One way to compute every operation, for any number of spatial axes."""

    name: str

    @abstractmethod
    def conv(self, x: Array, weight: Array, bias: Array | None, geometry: ConvGeometry) -> Array:
        """Forward pass of conv2d and its kin."""

    @abstractmethod
    def conv_backward(
        self, dy: Array, x: Array, weight: Array, geometry: ConvGeometry, needs: frozenset[str]
    ) -> Gradients:
        """Gradients (dx, dweight, dbias) of conv2d and its kin; None for those not in `needs`."""

    def conv_transpose(self, x: Array, weight: Array, bias: Array | None, geometry: ConvGeometry) -> Array:
        """Forward pass of conv_transpose2d and its kin; `geometry` is that of the convolution from y to x."""
        unused = np.broadcast_to(np.zeros((), x.dtype), geometry.input_shape)
        y, _, _ = self.conv_backward(x, unused, weight, geometry, frozenset({"x"}))
        assert y is not None
        if bias is not None:
            with np.errstate(invalid="ignore", over="ignore"):
                y += bias.reshape(-1, *(1,) * geometry.rank)
        return y

    def conv_transpose_backward(
        self, dy: Array, x: Array, weight: Array, geometry: ConvGeometry, needs: frozenset[str]
    ) -> Gradients:
        """Gradients (dx, dweight, dbias) of conv_transpose2d and its kin; None for those not in `needs`."""
        dx = self.conv(dy, weight, None, geometry) if "x" in needs else None
        dweight = dbias = None
        if "weight" in needs:
            _, dweight, _ = self.conv_backward(x, dy, weight, geometry, frozenset({"weight"}))
        if "bias" in needs:
            with np.errstate(invalid="ignore", over="ignore"):
                dbias = dy.sum(axis=(0, *range(2, dy.ndim)), dtype=np.float64).astype(dy.dtype)
        return dx, dweight, dbias

    def linear(self, x: Array, weight: Array, bias: Array | None) -> Array:
        """Forward pass of linear, (N, I) and (O, I) to (N, O): by default a 1×1 convolution of rows as pixels."""
        y = self.conv(_as_image(x), weight[:, :, None], bias, _linear_geometry(x, weight))
        return _as_rows(y)

    def linear_backward(self, dy: Array, x: Array, weight: Array, needs: frozenset[str]) -> Gradients:
        """Gradients (dx, dweight, dbias) of linear; None for those not in `needs`."""
        dx, dweight, dbias = self.conv_backward(
            _as_image(dy), _as_image(x), weight[:, :, None], _linear_geometry(x, weight), needs
        )
        return None if dx is None else _as_rows(dx), None if dweight is None else dweight[:, :, 0], dbias

    @abstractmethod
    def max_pool(self, x: Array, geometry: WindowGeometry, return_indices: bool) -> tuple[Array, Array | None]:
        """Maxima, and (if asked for) their int64 positions in the flattened input plane."""

    @abstractmethod
    def max_pool_backward(self, dy: Array, indices: Array, input_shape: tuple[int, ...]) -> Array:
        """Gradient of max pooling, by scattering `dy` to `indices`."""

    @abstractmethod
    def avg_pool(self, x: Array, geometry: WindowGeometry, count_include_pad: bool) -> Array:
        """Means of the windows."""

    @abstractmethod
    def avg_pool_backward(self, dy: Array, geometry: WindowGeometry, count_include_pad: bool) -> Array:
        """Gradient of average pooling."""

    @abstractmethod
    def lp_pool(self, x: Array, geometry: WindowGeometry, norm_type: float) -> Array:
        """Norms of the windows, ``(sum |x|^p)^(1/p)``."""

    @abstractmethod
    def lp_pool_backward(self, dy: Array, x: Array, geometry: WindowGeometry, norm_type: float) -> Array:
        """Gradient of Lp pooling; a window of zeros has none."""

    @abstractmethod
    def adaptive_avg_pool(self, x: Array, geometry: AdaptiveGeometry) -> Array:
        """Means of the windows of adaptive pooling; global pooling has one of them."""

    @abstractmethod
    def adaptive_avg_pool_backward(self, dy: Array, geometry: AdaptiveGeometry) -> Array:
        """Gradient of adaptive average pooling."""

    @abstractmethod
    def adaptive_max_pool(
        self, x: Array, geometry: AdaptiveGeometry, return_indices: bool
    ) -> tuple[Array, Array | None]:
        """Maxima of the windows of adaptive pooling, and (if asked for) their int64 positions, as in `max_pool`."""

    @abstractmethod
    def max_unpool(self, y: Array, indices: Array, size: tuple[int, ...]) -> Array:
        """Planes of `size`, zero but for `y` at `indices`; of equal indices the last in row-major order wins."""

    @abstractmethod
    def max_unpool_backward(self, dy: Array, indices: Array) -> Array:
        """Gradient of `max_unpool`: what `dy` has at `indices`."""

    @abstractmethod
    def relu(self, x: Array) -> Array:
        """Return max(x, 0) for an array of any shape; NaN stays."""

    @abstractmethod
    def relu_backward(self, dy: Array, y: Array) -> Array:
        """Gradient of `relu` from its output: dy where y is positive or NaN, else 0."""

    @abstractmethod
    def add(self, a: Array, b: Array, relu: bool) -> Array:
        """Return a + b, or the ReLU of that, for arrays of any and equal shape."""

    @abstractmethod
    def moments(self, x: Array, per_image: bool) -> tuple[Array, Array]:
        """Mean and biased variance of every channel, (1, C), or of every channel of every image, (N, C)."""

    @abstractmethod
    def normalize(self, x: Array, mean: Array, scale: Array, shift: Array) -> Array:
        """Return ``(x - mean) * scale + shift``, with factors of shape (1, C) or (N, C)."""

    @abstractmethod
    def normalize_sums(self, dy: Array, x: Array, mean: Array) -> tuple[Array, Array]:
        """Sums of dy and of ``dy * (x - mean)`` over what each `mean`, (1, C) or (N, C), is the mean of."""

    @abstractmethod
    def normalize_backward(self, dy: Array, x: Array, mean: Array, scale: Array, slope: Array, shift: Array) -> Array:
        """Return ``dy * scale + (x - mean) * slope + shift``, with factors of shape (1, C) or (N, C)."""

    def release(self) -> None:
        """Let go of the memory that is kept between calls."""

    @abstractmethod
    def im2col(self, x: Array, geometry: WindowGeometry) -> Array:
        """(N, C, *size) -> (N, C*taps, windows)."""

    @abstractmethod
    def col2im(self, cols: Array, geometry: WindowGeometry) -> Array:
        """(N, C*taps, windows) -> (N, C, *size), adding where windows overlap."""


def _linear_geometry(x: Array, weight: Array) -> ConvGeometry:
    """One image whose pixels are the rows of x, or none."""
    rows, inputs = x.shape
    return ConvGeometry((conv_axis(max(rows, 1), 1, 1, 1, 0, 0),), min(rows, 1), inputs, len(weight), 1)


def _as_image(rows: Array) -> Array:
    """(N, I) -> (1, I, N): rows as the pixels of one image with the channels last in memory."""
    return rows.T[None] if len(rows) else rows[:, :, None]


def _as_rows(image: Array) -> Array:
    """(1, O, N) -> (N, O)."""
    return image[0].T if len(image) else image[:, :, 0]

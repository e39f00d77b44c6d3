"""The engine: plans, buffers, threads, and which kernel runs when. Importing it imports Numba."""

from __future__ import annotations

from fastconv.backends.base import Array, Gradients
from fastconv.backends.fast import pointwise
from fastconv.backends.fast.conv import conv
from fastconv.backends.fast.linear import linear
from fastconv.backends.fast.memory.plan_cache import forget_plans
from fastconv.backends.fast.memory.workspace import release
from fastconv.backends.fast.normalization.normalization import Normalization
from fastconv.backends.fast.pool import indices as positions
from fastconv.backends.fast.pool import lp_pool as lp
from fastconv.backends.fast.pool import pool, windows
from fastconv.backends.fast.warmup import warmup
from fastconv.backends.geometry import AdaptiveGeometry, ConvGeometry, WindowGeometry

__all__ = ["BACKEND", "FastBackend", "warmup"]


class FastBackend(Normalization):
    """Convolution as products that read the im2col matrix in place; pooling on channels-last memory."""

    name = "fast"

    def conv(self, x: Array, weight: Array, bias: Array | None, geometry: ConvGeometry) -> Array:
        """Forward pass of conv2d and its kin."""
        return conv.conv(x, weight, bias, geometry)

    def conv_backward(
        self, dy: Array, x: Array, weight: Array, geometry: ConvGeometry, needs: frozenset[str]
    ) -> Gradients:
        """Gradients of conv2d and its kin."""
        return conv.conv_backward(dy, x, weight, geometry, needs)

    def conv_transpose(self, x: Array, weight: Array, bias: Array | None, geometry: ConvGeometry) -> Array:
        """Forward pass of conv_transpose2d and its kin."""
        return conv.conv_transpose(x, weight, bias, geometry)

    def conv_transpose_backward(
        self, dy: Array, x: Array, weight: Array, geometry: ConvGeometry, needs: frozenset[str]
    ) -> Gradients:
        """Gradients of conv_transpose2d and its kin."""
        return conv.conv_transpose_backward(dy, x, weight, geometry, needs)

    def linear(self, x: Array, weight: Array, bias: Array | None) -> Array:
        """Forward pass of linear."""
        return linear.linear(x, weight, bias)

    def linear_backward(self, dy: Array, x: Array, weight: Array, needs: frozenset[str]) -> Gradients:
        """Gradients of linear."""
        return linear.linear_backward(dy, x, weight, needs)

    def max_pool(self, x: Array, geometry: WindowGeometry, return_indices: bool) -> tuple[Array, Array | None]:
        """Maxima and their positions."""
        return pool.max_pool(x, geometry, return_indices)

    def max_pool_backward(self, dy: Array, indices: Array, input_shape: tuple[int, ...]) -> Array:
        """Every gradient goes to the cell that won."""
        return positions.max_pool_backward(dy, indices, input_shape)

    def avg_pool(self, x: Array, geometry: WindowGeometry, count_include_pad: bool) -> Array:
        """Means of the windows."""
        return pool.avg_pool(x, geometry, count_include_pad)

    def avg_pool_backward(self, dy: Array, geometry: WindowGeometry, count_include_pad: bool) -> Array:
        """Every gradient is shared by the cells of its window."""
        return pool.avg_pool_backward(dy, geometry, count_include_pad)

    def lp_pool(self, x: Array, geometry: WindowGeometry, norm_type: float) -> Array:
        """Norms of the windows."""
        return lp.lp_pool(x, geometry, norm_type)

    def lp_pool_backward(self, dy: Array, x: Array, geometry: WindowGeometry, norm_type: float) -> Array:
        """Gradient of the norms."""
        return lp.lp_pool_backward(dy, x, geometry, norm_type)

    def adaptive_avg_pool(self, x: Array, geometry: AdaptiveGeometry) -> Array:
        """Means of the windows."""
        return pool.adaptive_avg_pool(x, geometry)

    def adaptive_avg_pool_backward(self, dy: Array, geometry: AdaptiveGeometry) -> Array:
        """Every gradient is shared by the cells of its window."""
        return pool.adaptive_avg_pool_backward(dy, geometry)

    def adaptive_max_pool(
        self, x: Array, geometry: AdaptiveGeometry, return_indices: bool
    ) -> tuple[Array, Array | None]:
        """Maxima and their positions."""
        return pool.adaptive_max_pool(x, geometry, return_indices)

    def max_unpool(self, y: Array, indices: Array, size: tuple[int, ...]) -> Array:
        """Every value goes to its index."""
        return positions.max_unpool(y, indices, size)

    def max_unpool_backward(self, dy: Array, indices: Array) -> Array:
        """Every value gets the gradient at its index."""
        return positions.max_unpool_backward(dy, indices)

    def relu(self, x: Array) -> Array:
        """Return max(x, 0)."""
        return pointwise.relu(x)

    def relu_backward(self, dy: Array, y: Array) -> Array:
        """Gradient of `relu` from its output."""
        return pointwise.relu_backward(dy, y)

    def add(self, a: Array, b: Array, relu: bool) -> Array:
        """Return a + b, or its ReLU."""
        return pointwise.add(a, b, relu)

    def im2col(self, x: Array, geometry: WindowGeometry) -> Array:
        """Windows as columns."""
        return windows.im2col(x, geometry)

    def col2im(self, cols: Array, geometry: WindowGeometry) -> Array:
        """Columns added back into planes."""
        return windows.col2im(cols, geometry)

    def release(self) -> None:
        """Let go of what is kept between calls: scratch buffers and plans."""
        release()
        forget_plans()


BACKEND = FastBackend()

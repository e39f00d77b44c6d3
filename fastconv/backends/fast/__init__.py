"""The engine: plans, buffers, threads, and which kernel runs when. Importing it imports Numba."""

from __future__ import annotations

from fastconv.backends.base import Array, Backend, Gradients
from fastconv.backends.fast import conv, windows
from fastconv.backends.fast.warmup import warmup
from fastconv.backends.fast.workspace import release
from fastconv.geometry import ConvGeometry, WindowGeometry

__all__ = ["BACKEND", "FastBackend", "warmup"]


class FastBackend(Backend):
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

    def max_pool(self, x: Array, geometry: WindowGeometry, return_indices: bool) -> tuple[Array, Array | None]:
        """Maxima and their positions."""
        return windows.max_pool(x, geometry, return_indices)

    def max_pool_backward(self, dy: Array, indices: Array, input_shape: tuple[int, ...]) -> Array:
        """Every gradient goes to the cell that won."""
        return windows.max_pool_backward(dy, indices, input_shape)

    def avg_pool(self, x: Array, geometry: WindowGeometry, count_include_pad: bool) -> Array:
        """Means of the windows."""
        return windows.avg_pool(x, geometry, count_include_pad)

    def avg_pool_backward(self, dy: Array, geometry: WindowGeometry, count_include_pad: bool) -> Array:
        """Every gradient is shared by the cells of its window."""
        return windows.avg_pool_backward(dy, geometry, count_include_pad)

    def im2col(self, x: Array, geometry: WindowGeometry) -> Array:
        """Windows as columns."""
        return windows.im2col(x, geometry)

    def col2im(self, cols: Array, geometry: WindowGeometry) -> Array:
        """Columns added back into planes."""
        return windows.col2im(cols, geometry)

    def release(self) -> None:
        """Give the scratch memory that is kept between calls back to the system."""
        release()


BACKEND = FastBackend()

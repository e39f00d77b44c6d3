"""The contract of a backend.

Below the friendly door nothing is checked again: arrays arrive as (N, C, *spatial) views of any strides, in the native
float32 or float64 that the whole computation uses, with a frozen geometry of integers. A backend never modifies its
inputs, and returns fresh arrays of the same dtype in whatever memory order suits it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from numpy.typing import NDArray

from fastconv.geometry import ConvGeometry, WindowGeometry

__all__ = ["Array", "Backend", "Gradients"]

Array = NDArray[Any]
Gradients = tuple[Array | None, Array | None, Array | None]


class Backend(ABC):
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
    def im2col(self, x: Array, geometry: WindowGeometry) -> Array:
        """(N, C, *size) -> (N, C*taps, windows)."""

    @abstractmethod
    def col2im(self, cols: Array, geometry: WindowGeometry) -> Array:
        """(N, C*taps, windows) -> (N, C, *size), adding where windows overlap."""

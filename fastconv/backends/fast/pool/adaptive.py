"""Adaptive and global pooling on the fast engine: ordinary windows where the sizes divide, else one by one."""

from __future__ import annotations

from fastconv.backends.base import Array
from fastconv.backends.fast.pool.per_window import avg_gradient_per_window, avg_per_window, max_per_window
from fastconv.backends.fast.pool.pool import avg_pool, avg_pool_backward, max_pool
from fastconv.backends.geometry import AdaptiveGeometry

__all__ = ["adaptive_avg_pool", "adaptive_avg_pool_backward", "adaptive_max_pool"]


def adaptive_avg_pool(x: Array, geometry: AdaptiveGeometry) -> Array:
    """Means of the windows."""
    if geometry.windows is not None:
        return avg_pool(x, geometry.windows, count_include_pad=False)
    return avg_per_window(x, geometry)


def adaptive_avg_pool_backward(dy: Array, geometry: AdaptiveGeometry) -> Array:
    """Every gradient is shared by the cells of its window."""
    if geometry.windows is not None:
        return avg_pool_backward(dy, geometry.windows, count_include_pad=False)
    return avg_gradient_per_window(dy, geometry)


def adaptive_max_pool(x: Array, geometry: AdaptiveGeometry, return_indices: bool) -> tuple[Array, Array | None]:
    """Maxima and their positions."""
    if geometry.windows is not None:
        return max_pool(x, geometry.windows, return_indices)
    return max_per_window(x, geometry, return_indices)

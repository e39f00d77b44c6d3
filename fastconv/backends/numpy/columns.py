"""im2col and col2im."""

from __future__ import annotations

from fastconv.backends.base import Array, Backend
from fastconv.backends.geometry import WindowGeometry
from fastconv.backends.numpy.windows import gather, scatter

__all__ = ["ColumnSlices"]


class ColumnSlices(Backend):
    """Columns, one tap at a time."""

    def im2col(self, x: Array, geometry: WindowGeometry) -> Array:
        """Windows as columns."""
        return gather(x, geometry).reshape(geometry.columns_shape)

    def col2im(self, cols: Array, geometry: WindowGeometry) -> Array:
        """Columns added back into planes."""
        return scatter(cols.reshape(geometry.batch, geometry.channels, *geometry.kernel, *geometry.out), geometry)

"""im2col and col2im in plain loops."""

from __future__ import annotations

import numpy as np

from fastconv.backends.base import Array, Backend
from fastconv.backends.geometry import WindowGeometry
from fastconv.backends.naive.windows import windows_of

__all__ = ["ColumnLoops"]


class ColumnLoops(Backend):
    """Columns, one window at a time."""

    def im2col(self, x: Array, geometry: WindowGeometry) -> Array:
        """Windows as columns."""
        cols = np.zeros((geometry.batch, geometry.channels, *geometry.kernel, *geometry.out), x.dtype)
        for n in range(geometry.batch):
            for c in range(geometry.channels):
                for position, cells, taps in windows_of(geometry):
                    cols[(n, c, *taps, *position)] = x[(n, c, *cells)]
        return cols.reshape(geometry.columns_shape)

    def col2im(self, cols: Array, geometry: WindowGeometry) -> Array:
        """Columns added back into planes."""
        x = np.zeros(geometry.input_shape)
        windows = cols.reshape(geometry.batch, geometry.channels, *geometry.kernel, *geometry.out)
        for n in range(geometry.batch):
            for c in range(geometry.channels):
                for position, cells, taps in windows_of(geometry):
                    x[(n, c, *cells)] += windows[(n, c, *taps, *position)]
        return x.astype(cols.dtype)

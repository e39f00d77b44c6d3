"""The middle rung: explicit im2col and col2im, and `np.matmul`.

The oracle at real sizes, and what runs where Numba cannot be imported. Columns are (N, C, *kernel, *out) arrays that
are made and taken apart one tap at a time, each a strided slice of the padded input. Convolution takes as many images
at once as keep their columns within `max_workspace`, and at least one.
"""

from __future__ import annotations

from fastconv.backends.numpy.conv import ConvProducts
from fastconv.backends.numpy.normalization import NormalizationArrays, Pointwise
from fastconv.backends.numpy.pool import PoolSlices
from fastconv.backends.numpy.windows import ColumnSlices

__all__ = ["BACKEND", "NumpyBackend"]


class NumpyBackend(ConvProducts, PoolSlices, ColumnSlices, Pointwise, NormalizationArrays):
    """im2col, col2im and matrix products in NumPy."""

    name = "numpy"


BACKEND = NumpyBackend()

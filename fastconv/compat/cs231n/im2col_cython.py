"""The names of the course's compiled module; there is nothing to compile here.

Arrays are float32 or float64, as there (others are a TypeError). Rectangular windows are right.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv.compat.cs231n.im2col import columns_of, images_of, volume_of, window_geometry
from fastconv.errors import InvalidTypeError
from fastconv.validation.arrays import Array, check_array, check_shape

__all__ = ["col2im_6d_cython", "col2im_cython", "im2col_cython"]


def im2col_cython(x: Any, field_height: int, field_width: int, padding: Any, stride: Any) -> Array:
    """Lay the windows of a batch out as the columns of one matrix, as `im2col.im2col_indices` does.

    ``(N, C, H, W) -> (C * field_height * field_width, OH * OW * N)``

    Examples
    --------
    >>> im2col_cython(np.array([[[[1.0, 2.0, 3.0]]]]), 1, 2, 0, 1)
    array([[1., 2.],
           [2., 3.]])
    """
    operation = "im2col_cython"
    return columns_of(operation, _floats(operation, "x", x), field_height, field_width, padding, stride)


def col2im_cython(
    cols: Any, N: int, C: int, H: int, W: int, field_height: int, field_width: int, padding: Any, stride: Any
) -> Array:
    """Add columns back into images, as `im2col.col2im_indices` does.

    ``(C * field_height * field_width, OH * OW * N) -> (N, C, H, W)``

    Examples
    --------
    >>> col2im_cython(np.ones((2, 2)), 1, 1, 1, 3, 1, 2, 0, 1)
    array([[[[1., 2., 1.]]]])
    """
    operation = "col2im_cython"
    geometry = window_geometry(operation, (N, C, H, W), field_height, field_width, padding, stride)
    return images_of(operation, _floats(operation, "cols", cols), geometry)


def col2im_6d_cython(cols: Any, N: int, C: int, H: int, W: int, HH: int, WW: int, pad: Any, stride: Any) -> Array:
    """Add columns with an axis for everything back into images.

    ``(C, HH, WW, N, OH, OW) -> (N, C, H, W)``

    Examples
    --------
    >>> col2im_6d_cython(np.ones((1, 1, 2, 1, 1, 2)), 1, 1, 1, 3, 1, 2, 0, 1)
    array([[[[1., 2., 1.]]]])
    """
    operation = "col2im_6d_cython"
    geometry = window_geometry(operation, (N, C, H, W), HH, WW, pad, stride)
    cols = _floats(operation, "cols", cols)
    check_shape(operation, "cols", cols.shape, (C, *geometry.kernel, N, *geometry.out), "(C, HH, WW, N, OH, OW)")
    batch, rows, count = geometry.columns_shape
    return volume_of(operation, cols.reshape(rows, batch * count), geometry, 0)


def _floats(operation: str, name: str, value: Any) -> Array:
    array = check_array(operation, name, value)
    if array.dtype.newbyteorder("=") not in (np.float32, np.float64):
        raise InvalidTypeError(
            f"{operation}: {name} must be float32 or float64, but got {array.dtype} (shape {array.shape}). Convert it "
            "first, for example with .astype(np.float64)."
        )
    return array

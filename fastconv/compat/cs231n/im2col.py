"""Columns in the order of the course: the images of the batch lie next to each other, one window after another."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from fastconv.backends.geometry import Axis, WindowGeometry
from fastconv.compat.cs231n.arguments import OldNames, check_axes, whole
from fastconv.functional import col2im, im2col
from fastconv.validation.arrays import Array, check_array, check_rank, check_shape, common_dtype
from fastconv.validation.operations import columns_geometry
from fastconv.validation.sizes import check_padding, check_shape_argument, check_sizes

__all__ = ["col2im_indices", "get_im2col_indices", "im2col_indices", "np"]

_NAMES = {"kernel_size": "(field_height, field_width)"}


def get_im2col_indices(
    x_shape: Iterable[int], field_height: int, field_width: int, padding: Any = 1, stride: Any = 1
) -> tuple[Array, Array, Array]:
    """Positions in the padded input of what `im2col_indices` puts into its rows and columns.

    Parameters
    ----------
    x_shape : sequence of four ints
        (N, C, H, W).
    field_height, field_width : int
        Taps of a window.
    padding, stride : int, or one for height and one for width
        Windows as in a convolution; what does not divide is left over.

    Returns
    -------
    k : ndarray of int, shape (C * field_height * field_width, 1)
        Channels.
    i, j : ndarray of int, shape (C * field_height * field_width, OH * OW)
        Rows and columns: ``x_padded[:, k, i, j]`` is (N, C * field_height * field_width, OH * OW).

    Raises
    ------
    ValueError, TypeError
        If the window does not fit, or a size is no whole number.

    Examples
    --------
    >>> k, i, j = get_im2col_indices((1, 1, 2, 3), 2, 2, padding=0)
    >>> k.ravel(), i[2], j[2]
    (array([0, 0, 0, 0]), array([1, 1]), array([0, 1]))
    """
    operation = "get_im2col_indices"
    geometry = window_geometry(operation, x_shape, field_height, field_width, padding, stride)
    taps = np.indices((geometry.channels, *geometry.kernel)).reshape(3, -1, 1)
    starts = np.indices(geometry.out).reshape(2, 1, -1) * np.reshape([axis.stride for axis in geometry.axes], (2, 1, 1))
    return taps[0], taps[1] + starts[0], taps[2] + starts[1]


def im2col_indices(x: Any, field_height: int, field_width: int, padding: Any = 1, stride: Any = 1) -> Array:
    """Lay the windows of a batch out as the columns of one matrix.

    ``(N, C, H, W) -> (C * field_height * field_width, OH * OW * N)``

    Parameters
    ----------
    x : array_like, shape (N, C, H, W)
        Images, of any strides.
    field_height, field_width, padding, stride
        As in `get_im2col_indices`.

    Returns
    -------
    ndarray
        Rows are ordered (C, field_height, field_width), columns (OH, OW, N): the batch runs fastest. The dtype is that
        of x, or float64 if that is an integer type.

    Raises
    ------
    ValueError, TypeError
        If the window does not fit, or a size is no whole number.

    See Also
    --------
    fastconv.im2col : The same with one matrix for every image.

    Examples
    --------
    >>> im2col_indices([[[[1.0, 2.0, 3.0]]], [[[10.0, 20.0, 30.0]]]], 1, 2, padding=0)
    array([[ 1., 10.,  2., 20.],
           [ 2., 20.,  3., 30.]])
    """
    return columns_of("im2col_indices", x, field_height, field_width, padding, stride)


def col2im_indices(
    cols: Any, x_shape: Iterable[int], field_height: int = 3, field_width: int = 3, padding: Any = 1, stride: Any = 1
) -> Array:
    """Add columns back into images: the adjoint of `im2col_indices`.

    ``(C * field_height * field_width, OH * OW * N) -> (N, C, H, W)``

    Parameters
    ----------
    cols : array_like, shape (C * field_height * field_width, OH * OW * N)
        Columns, ordered as those of `im2col_indices`.
    x_shape : sequence of four ints
        (N, C, H, W).
    field_height, field_width, padding, stride
        As in `get_im2col_indices`.

    Returns
    -------
    ndarray, shape (N, C, H, W)
        Where windows overlap their numbers add up.

    Raises
    ------
    ValueError, TypeError
        If the shapes do not fit together, or a size is no whole number.

    Examples
    --------
    >>> col2im_indices(np.ones((2, 2)), (1, 1, 1, 3), 1, 2, padding=0)
    array([[[[1., 2., 1.]]]])
    """
    operation = "col2im_indices"
    geometry = window_geometry(operation, x_shape, field_height, field_width, padding, stride)
    return images_of(operation, cols, geometry)


def window_geometry(
    operation: str, x_shape: Iterable[int], field_height: int, field_width: int, padding: Any, stride: Any
) -> WindowGeometry:
    """Windows over a batch of images."""
    field_height, field_width, padding, stride = map(whole, (field_height, field_width, padding, stride))
    with OldNames(operation, _NAMES):
        shape = check_shape_argument(operation, "x_shape", x_shape, "NCHW")
        check_rank(operation, "x", shape, 2, channels_last=False)
        return columns_geometry(
            operation,
            shape,
            check_sizes(operation, "kernel_size", (field_height, field_width), 2, 1),
            check_sizes(operation, "stride", stride, 2, 1),
            check_padding(operation, padding, 2),
            (1, 1),
            np.dtype(np.float64).itemsize,
        )


def columns_of(operation: str, x: Any, field_height: int, field_width: int, padding: Any, stride: Any) -> Array:
    """(N, C, H, W) -> (C * taps, OH * OW * N)."""
    x = check_axes(operation, "x", x, "N, C, H, W")
    geometry = window_geometry(operation, x.shape, field_height, field_width, padding, stride)
    if not geometry.batch:
        return np.empty((geometry.columns_shape[1], 0), common_dtype(operation, x))
    volume = np.ascontiguousarray(x.transpose(1, 2, 3, 0))[None]
    with OldNames(operation, _NAMES):
        columns: Array = im2col(volume, **_windows_of_volumes(geometry, 2), backend="fast")[0]
    return columns


def images_of(operation: str, cols: Any, geometry: WindowGeometry) -> Array:
    """(C * taps, OH * OW * N) -> (N, C, H, W)."""
    cols = check_array(operation, "cols", cols)
    batch, rows, count = geometry.columns_shape
    check_shape(operation, "cols", cols.shape, (rows, count * batch), "(C * taps, OH * OW * N)")
    return volume_of(operation, cols, geometry, 2)


def volume_of(operation: str, cols: Array, geometry: WindowGeometry, batch_axis: int) -> Array:
    """(C * taps, windows of all images) -> (N, C, H, W), where N is the `batch_axis`-th of N, OH and OW."""
    if not geometry.batch:
        return np.empty((0, geometry.channels, *geometry.size), common_dtype(operation, cols))
    size = list(geometry.size)
    size.insert(batch_axis, geometry.batch)
    with OldNames(operation, _NAMES):
        volume = col2im(cols[None], size, **_windows_of_volumes(geometry, batch_axis), backend="fast")[0]
    return np.ascontiguousarray(np.moveaxis(volume, 1 + batch_axis, 0))


def _windows_of_volumes(geometry: WindowGeometry, batch_axis: int) -> dict[str, Any]:
    """Keywords of `fastconv.im2col` that make the batch an axis of one volume, in which a window has one cell.

    The columns come out in their order then; to transpose them afterwards took 4 to 15 times as long.
    """
    before, after = geometry.axes[:batch_axis], geometry.axes[batch_axis:]
    return {
        "kernel_size": (*(axis.kernel for axis in before), 1, *(axis.kernel for axis in after)),
        "stride": (*(axis.stride for axis in before), 1, *(axis.stride for axis in after)),
        "padding": (*(_edges(axis) for axis in before), (0, 0), *(_edges(axis) for axis in after)),
    }


def _edges(axis: Axis) -> tuple[int, int]:
    return axis.before, axis.after

"""im2col and col2im: the public functions, for planes of any rank from 1 to 3."""

from __future__ import annotations

from collections.abc import Sized
from math import prod

from fastconv.backends.base import Backend
from fastconv.errors import InvalidValueError, shown
from fastconv.functional.call import PlanesCall, Windows, finish
from fastconv.validation.arrays import LAYOUTS, Array, check_array, check_shape
from fastconv.validation.memory import check_fits
from fastconv.validation.operations import columns_geometry
from fastconv.validation.sizes import check_sizes, entries_of
from fastconv.validation.types import ArrayLike, BackendName, Layout, Padding, Size


def im2col(
    x: ArrayLike,
    kernel_size: Size,
    *,
    stride: Size = 1,
    padding: Padding = 0,
    dilation: Size = 1,
    layout: Layout = "NCHW",
    backend: BackendName | None = None,
) -> Array:
    """Lay the windows of a batch of planes out as the columns of a matrix.

    ``(N, C, H, W) -> (N, C*KH*KW, OH*OW)``

    Parameters
    ----------
    x : array_like, shape (N, C, H, W), or (N, H, W, C) with ``layout="NHWC"``
        Input, of any strides; with one or three spatial axes as well.
    kernel_size : int or sequence of ints
        Taps of a window, per axis (height first).
    stride, padding, dilation : int, sequence of ints, …
        As for `conv2d`.
    layout : {"NCHW", "NHWC"}
        Order of the axes of `x`; for other ranks "NCW", "NWC", "NCDHW" and "NDHWC", and the default means channels
        first.
    backend : {"fast", "numpy", "naive"}, optional
        Backend of this call; by default the current one.

    Returns
    -------
    ndarray, shape (N, C*KH*KW, OH*OW)
        Rows are ordered (C, KH, KW) in either layout, columns (OH, OW).

    Raises
    ------
    ValueError, TypeError
        If sizes or shapes do not fit together, or an argument has a type that is not taken.
    MemoryError
        If the columns would be larger than the memory of the machine.

    See Also
    --------
    col2im : The adjoint.

    Notes
    -----
    The columns are KH*KW times as large as the input; `conv2d` of the fast backend never makes them.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv as fc
    >>> x = np.arange(6.0).reshape(1, 1, 2, 3)
    >>> fc.im2col(x, (2, 2))[0]
    array([[0., 1.],
           [1., 2.],
           [3., 4.],
           [4., 5.]])
    """
    x = check_array("im2col", "x", x)
    rank = _rank_of_sizes("im2col", x.ndim - 2, kernel_size=kernel_size)
    if rank not in LAYOUTS:
        raise InvalidValueError(f"im2col: x must have 3, 4 or 5 axes (N, C, *spatial), but got shape {x.shape}.")
    call = PlanesCall("im2col", rank, _default_layout(layout, rank), backend)
    call.arrays(x=x)
    kernel = check_sizes(call.operation, "kernel_size", kernel_size, rank, 1)
    steps = Windows(stride, padding, dilation).checked(call)
    geometry = columns_geometry(call.operation, call.shape(x.shape), kernel, *steps, call.dtype.itemsize)
    return finish(call.compute(Backend.im2col, call.view(x), geometry), call.dtype)


def col2im(
    cols: ArrayLike,
    output_size: Size,
    kernel_size: Size,
    *,
    stride: Size = 1,
    padding: Padding = 0,
    dilation: Size = 1,
    layout: Layout = "NCHW",
    backend: BackendName | None = None,
) -> Array:
    """Add columns back into planes: the adjoint of `im2col`.

    ``(N, C*KH*KW, OH*OW) -> (N, C, H, W)``

    Parameters
    ----------
    cols : array_like, shape (N, C*KH*KW, OH*OW)
        Columns, rows ordered (C, KH, KW).
    output_size : int or sequence of ints
        Spatial size (H, W) of the result; its length gives the rank (two where it and `kernel_size` are single ints).
    kernel_size, stride, padding, dilation
        As in `im2col`.
    layout : {"NCHW", "NHWC"}
        Order of the axes of the result; see `im2col` for other ranks.
    backend : {"fast", "numpy", "naive"}, optional
        Backend of this call; by default the current one.

    Returns
    -------
    ndarray, shape (N, C, H, W), or (N, H, W, C) with ``layout="NHWC"``
        Where windows overlap their elements add up; those on padding are dropped.

    Raises
    ------
    ValueError, TypeError
        If sizes or shapes do not fit together, or an argument has a type that is not taken.

    See Also
    --------
    im2col : The columns of a batch of planes.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv as fc
    >>> fc.col2im(np.ones((1, 4, 2)), (2, 3), (2, 2))[0, 0]
    array([[1., 2., 1.],
           [1., 2., 1.]])
    """
    rank = _rank_of_sizes("col2im", 2, output_size=output_size, kernel_size=kernel_size)
    call = PlanesCall("col2im", rank, _default_layout(layout, rank), backend)
    (cols,) = call.arrays(cols=cols).values()
    if cols.ndim != 3:
        raise InvalidValueError(f"col2im: cols must have 3 axes (N, C*taps, windows), but got shape {cols.shape}.")
    kernel = check_sizes("col2im", "kernel_size", kernel_size, rank, 1)
    size = check_sizes("col2im", "output_size", output_size, rank, 1)
    taps = prod(kernel)
    if cols.shape[1] % taps or not cols.shape[1]:
        raise InvalidValueError(
            f"col2im: the rows of cols must be a positive multiple of the {taps} taps of kernel_size {kernel}, "
            f"but got {cols.shape[1]} (shape {cols.shape})."
        )
    planes = (cols.shape[0], cols.shape[1] // taps, *size)
    steps = Windows(stride, padding, dilation).checked(call)
    geometry = columns_geometry(call.operation, planes, kernel, *steps, call.dtype.itemsize)
    check_shape("col2im", "cols", cols.shape, geometry.columns_shape, f"{geometry.out} windows over {size}")
    check_fits("col2im", "the result", geometry.input_shape, call.dtype.itemsize)
    return call.finish(call.compute(Backend.col2im, call.computed(cols), geometry))


def _default_layout(layout: object, rank: int) -> object:
    return LAYOUTS[rank][0] if isinstance(layout, str) and layout == LAYOUTS[2][0] else layout


def _rank_of_sizes(operation: str, otherwise: int, **sizes: object) -> int:
    """Spatial axes of the first of `sizes` that is a sequence."""
    for name, value in sizes.items():
        entries = entries_of(value) if isinstance(value, Sized) else None  # an iterator is read once, later
        if entries is not None:
            if len(entries) not in LAYOUTS:
                raise InvalidValueError(f"{operation}: {name} must have 1, 2 or 3 entries, but got {shown(value)}.")
            return len(entries)
    return otherwise

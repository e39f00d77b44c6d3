"""Convolution and pooling of planes in pieces: images that need not fit into memory."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from fastconv.dask.halos import as_dask, over_chunks
from fastconv.functional.avg_pool import avg_pool2d as avg_pool2d_of_array
from fastconv.functional.conv import conv2d as conv2d_of_array
from fastconv.functional.max_pool import max_pool2d as max_pool2d_of_array
from fastconv.validation.arrays import check_array, check_layout, check_rank, common_dtype, logical_shape
from fastconv.validation.operations import conv_geometry, pool_geometry
from fastconv.validation.sizes import check_flag, check_integer, check_padding, check_sizes
from fastconv.validation.types import ArrayLike, BackendName, Layout, Padding, Size

_NO_BYTES = 0  # of an element: the result need not fit into memory


def conv2d(
    x: Any,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    *,
    stride: Size = 1,
    padding: Padding = 0,
    dilation: Size = 1,
    groups: int = 1,
    layout: Layout = "NCHW",
    backend: BackendName | None = None,
) -> Any:
    """Convolve a batch of planes with a set of filters, chunk by chunk; see `fastconv.conv2d`.

    ``(N, C, H, W) * (F, C//groups, KH, KW) -> (N, F, OH, OW)``

    Parameters
    ----------
    x : dask.array.Array, or array with a shape and a dtype, such as a Zarr or a memory-mapped one
        Input. Chunks may be cut along N, H and W; of an image that is no Dask array they are those that it has, or a
        few rows.
    weight, bias : array_like
        Filters, and what is added; in memory.
    stride, padding, dilation, groups, layout, backend
        As of `fastconv.conv2d`.

    Returns
    -------
    dask.array.Array
        Computed when it is asked for, each chunk on one thread. Equal to the result for the whole image, to the last
        bit where the engine computes a chunk as it would the whole.

    Raises
    ------
    ValueError, TypeError
        As of `fastconv.conv2d`, at once.

    Notes
    -----
    Chunks are moved to multiples of the stride, those that are smaller than a window joined with the next, and each
    gets what its windows reach of its neighbours (`dask.array.map_overlap`): nothing is computed twice.

    Examples
    --------
    >>> import dask.array as da
    >>> import numpy as np
    >>> from fastconv.dask import conv2d
    >>> image = da.ones((1, 3, 1000, 1200), dtype="float32", chunks=(1, 3, 500, 400))
    >>> y = conv2d(image, np.ones((8, 3, 3, 3), np.float32), stride=2, padding=1)
    >>> y.shape, y.numblocks
    ((1, 8, 500, 600), (1, 1, 2, 3))
    >>> float(y[0, 0, 100, 100].compute())
    27.0
    """
    name = "fastconv.dask.conv2d"
    x, last, shape = _planes(name, x, layout)
    filters = check_array(name, "weight", weight)
    check_rank(name, "weight", filters.shape, 2, channels_last=False)
    steps, pads = check_sizes(name, "stride", stride, 2, 1), check_padding(name, padding, 2)
    between, parts = check_sizes(name, "dilation", dilation, 2, 1), check_integer(name, "groups", groups, 1)
    geometry = conv_geometry(name, shape, filters.shape, steps, pads, between, parts, _NO_BYTES)
    dtypes = [x, filters, *([] if bias is None else [check_array(name, "bias", bias)])]
    operation = partial(
        conv2d_of_array, weight=filters, bias=bias, stride=stride, dilation=dilation, groups=groups, layout=layout,
        backend=backend,
    )  # fmt: skip
    return over_chunks(x, geometry.axes, last, len(filters), _dtype(name, *dtypes), operation)


def max_pool2d(
    x: Any,
    kernel_size: Size,
    *,
    stride: Size | None = None,
    padding: Padding = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    layout: Layout = "NCHW",
    backend: BackendName | None = None,
) -> Any:
    """Largest element of every window, chunk by chunk; see `fastconv.max_pool2d`.

    ``(N, C, H, W) -> (N, C, OH, OW)``

    Parameters
    ----------
    x
        As of `fastconv.dask.conv2d`.
    kernel_size, stride, padding, dilation, ceil_mode, layout, backend
        As of `fastconv.max_pool2d`.

    Returns
    -------
    dask.array.Array
        Computed when it is asked for; equal to the result for the whole image.

    Examples
    --------
    >>> import dask.array as da
    >>> from fastconv.dask import max_pool2d
    >>> x = da.arange(24, chunks=7).reshape(1, 1, 4, 6).rechunk(2).astype("float32")
    >>> max_pool2d(x, 3, stride=1, padding=1).compute()[0, 0, 0]
    array([ 7.,  8.,  9., 10., 11., 11.], dtype=float32)
    """
    options = {"dilation": dilation, "ceil_mode": ceil_mode, "layout": layout, "backend": backend}
    return _pool("fastconv.dask.max_pool2d", max_pool2d_of_array, x, kernel_size, stride, padding, options)


def avg_pool2d(
    x: Any,
    kernel_size: Size,
    *,
    stride: Size | None = None,
    padding: Padding = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    layout: Layout = "NCHW",
    backend: BackendName | None = None,
) -> Any:
    """Mean of every window, chunk by chunk; see `fastconv.avg_pool2d`.

    ``(N, C, H, W) -> (N, C, OH, OW)``

    Parameters
    ----------
    x
        As of `fastconv.dask.conv2d`.
    kernel_size, stride, padding, dilation, ceil_mode, count_include_pad, layout, backend
        As of `fastconv.avg_pool2d`.

    Returns
    -------
    dask.array.Array
        Computed when it is asked for; equal to the result for the whole image within rounding.

    Examples
    --------
    >>> import dask.array as da
    >>> from fastconv.dask import avg_pool2d
    >>> x = da.arange(24, chunks=7).reshape(1, 1, 4, 6).rechunk(2).astype("float32")
    >>> avg_pool2d(x, 2).compute()[0, 0]
    array([[ 3.5,  5.5,  7.5],
           [15.5, 17.5, 19.5]], dtype=float32)
    """
    options = {"dilation": dilation, "ceil_mode": ceil_mode, "layout": layout, "backend": backend}
    options["count_include_pad"] = check_flag("fastconv.dask.avg_pool2d", "count_include_pad", count_include_pad)
    return _pool("fastconv.dask.avg_pool2d", avg_pool2d_of_array, x, kernel_size, stride, padding, options)


def _pool(
    name: str, function: Any, x: Any, kernel_size: Size, stride: Size | None, padding: Padding, options: dict[str, Any]
) -> Any:
    x, last, shape = _planes(name, x, options["layout"])
    kernel = check_sizes(name, "kernel_size", kernel_size, 2, 1)
    steps = kernel if stride is None else check_sizes(name, "stride", stride, 2, 1)
    dilation = check_sizes(name, "dilation", options["dilation"], 2, 1)
    rounding = check_flag(name, "ceil_mode", options["ceil_mode"])
    geometry = pool_geometry(name, shape, kernel, steps, check_padding(name, padding, 2), dilation, rounding, _NO_BYTES)
    operation = partial(function, kernel_size=kernel, stride=steps, **options)
    return over_chunks(x, geometry.axes, last, None, _dtype(name, x), operation)


def _planes(name: str, x: Any, layout: str) -> tuple[Any, bool, tuple[int, ...]]:
    """Return a Dask array, whether its channels are last, and its shape with channels first."""
    last = check_layout(name, layout, 2)
    if hasattr(x, "shape"):  # else `as_dask` says what x must be
        check_rank(name, "x", x.shape, 2, channels_last=last)
    x = as_dask(name, x, 1 if last else 2)
    return x, last, logical_shape(x.shape, channels_last=last)


def _dtype(name: str, *arrays: Any) -> np.dtype[Any]:
    return common_dtype(name, *(np.empty(0, array.dtype) for array in arrays))

"""Convolution and max pooling under their fast names; all of them run the fast backend.

What `im2col` and `im2col_cython` export is exported from here too, and so is `np`: code that imports everything from
here counts on them. A cache of any forward pass, here or in `layers`, serves any backward pass.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv.compat.cs231n import windows
from fastconv.compat.cs231n.arguments import PoolCache
from fastconv.compat.cs231n.im2col import col2im_indices, get_im2col_indices, im2col_indices
from fastconv.compat.cs231n.im2col_cython import col2im_6d_cython, col2im_cython, im2col_cython
from fastconv.compat.cs231n.windows import ConvCache, Gradients
from fastconv.validation.arrays import Array

__all__ = [
    "avg_pool_backward_fast",
    "avg_pool_forward_fast",
    "col2im_6d_cython",
    "col2im_cython",
    "col2im_indices",
    "conv_backward_fast",
    "conv_backward_im2col",
    "conv_backward_strides",
    "conv_forward_fast",
    "conv_forward_im2col",
    "conv_forward_strides",
    "get_im2col_indices",
    "im2col_cython",
    "im2col_indices",
    "max_pool_backward_fast",
    "max_pool_backward_im2col",
    "max_pool_backward_reshape",
    "max_pool_forward_fast",
    "max_pool_forward_im2col",
    "max_pool_forward_reshape",
    "np",
]


def conv_forward_fast(x: Any, w: Any, b: Any, conv_param: Any) -> tuple[Array, ConvCache]:
    """Convolve a batch of images with filters.

    ``(N, C, H, W) * (F, C, HH, WW) + (F,) -> (N, F, 1 + (H + 2 pad - HH) // stride, ...)``

    Parameters
    ----------
    x : array_like, shape (N, C, H, W)
        Images, of any strides.
    w : array_like, shape (F, C, HH, WW)
        Filters.
    b : array_like, shape (F,)
        Biases.
    conv_param : dict
        'stride' and 'pad', each an integer or one for height and one for width. Of ours: 'dilation' and 'groups', as in
        `fastconv.conv2d`. Other keys are ignored.

    Returns
    -------
    out : ndarray, shape (N, F, OH, OW)
        Its dtype is `np.result_type` of x, w and b, or float64 if that is an integer type.
    cache : tuple
        ``(x, w, b, conv_param)``.

    Raises
    ------
    ValueError
        If shapes or sizes do not fit together, or a key is missing.
    TypeError
        If a dtype is not taken, or a size is no whole number.

    See Also
    --------
    fastconv.conv2d : What it calls.

    Examples
    --------
    >>> out, (x, w, b, conv_param) = conv_forward_fast(
    ...     np.ones((1, 3, 4, 5)), np.ones((2, 3, 3, 3)), np.zeros(2), {"stride": 2, "pad": 1}
    ... )
    >>> out[0, 1]
    array([[12., 18., 12.],
           [18., 27., 18.]])
    """
    return windows.conv_forward("conv_forward_fast", "fast", x, w, b, conv_param)


def conv_backward_fast(dout: Any, cache: Any) -> Gradients:
    """Gradients of a convolution.

    ``(N, F, OH, OW) -> dx (N, C, H, W), dw (F, C, HH, WW), db (F,)``

    Parameters
    ----------
    dout : array_like, shape (N, F, OH, OW)
        Gradient of the loss with respect to the output.
    cache : tuple
        That of a forward pass of any name, or ``(x, w, b, conv_param, x_cols)``. An x that is stored with its padding
        of zeros is recognised where the shape of `dout` says so.

    Returns
    -------
    dx, dw, db : ndarray
        Gradients; their dtype is `np.result_type` of dout, x and w.

    Raises
    ------
    ValueError
        If `dout` has not the shape of the output.
    TypeError
        If `cache` is something else.

    See Also
    --------
    fastconv.conv2d_backward : What it calls.

    Examples
    --------
    >>> x, w = np.arange(6.0).reshape(1, 1, 2, 3), np.array([[[[1.0, 2.0]]]])
    >>> dx, dw, db = conv_backward_fast(np.ones((1, 1, 2, 2)), (x, w, np.zeros(1), {"stride": 1, "pad": 0}))
    >>> dx[0, 0], dw[0, 0], db
    (array([[1., 3., 2.],
           [1., 3., 2.]]), array([[ 8., 12.]]), array([4.]))
    """
    return windows.conv_backward("conv_backward_fast", "fast", dout, cache)


def conv_forward_strides(x: Any, w: Any, b: Any, conv_param: Any) -> tuple[Array, ConvCache]:
    """Convolve; the same as `conv_forward_fast`."""
    return windows.conv_forward("conv_forward_strides", "fast", x, w, b, conv_param)


def conv_backward_strides(dout: Any, cache: Any) -> Gradients:
    """Gradients of a convolution; the same as `conv_backward_fast`."""
    return windows.conv_backward("conv_backward_strides", "fast", dout, cache)


def conv_forward_im2col(x: Any, w: Any, b: Any, conv_param: Any) -> tuple[Array, ConvCache]:
    """Convolve; the same as `conv_forward_fast`."""
    return windows.conv_forward("conv_forward_im2col", "fast", x, w, b, conv_param)


def conv_backward_im2col(dout: Any, cache: Any) -> Gradients:
    """Gradients of a convolution; the same as `conv_backward_fast`."""
    return windows.conv_backward("conv_backward_im2col", "fast", dout, cache)


def max_pool_forward_fast(x: Any, pool_param: Any) -> tuple[Array, PoolCache]:
    """Largest number of every window.

    ``(N, C, H, W) -> (N, C, 1 + (H - pool_height) // stride, ...)``

    Parameters
    ----------
    x : array_like, shape (N, C, H, W)
        Input, of any strides.
    pool_param : dict
        'pool_height', 'pool_width' and 'stride', which is an integer or one for height and one for width. Windows may
        overlap, be rectangular and leave cells over. Other keys are ignored.

    Returns
    -------
    out : ndarray, shape (N, C, OH, OW)
        Its dtype is that of x, or float64 if that is an integer type.
    cache : tuple
        ``(x, pool_param)``. It also carries the positions of the maxima, so that the backward pass need not search.

    Raises
    ------
    ValueError
        If a window does not fit, or a key is missing.
    TypeError
        If a dtype is not taken, or a size is no whole number.

    See Also
    --------
    fastconv.max_pool2d : What it calls.

    Examples
    --------
    >>> x = np.array([[[[1.0, 5, 2, 0], [3, 4, 8, 8]]]])
    >>> out, (x, pool_param) = max_pool_forward_fast(x, {"pool_height": 2, "pool_width": 2, "stride": 1})
    >>> out[0, 0]
    array([[5., 8., 8.]])
    """
    return windows.max_pool_forward("max_pool_forward_fast", "fast", x, pool_param)


def max_pool_backward_fast(dout: Any, cache: Any) -> Array:
    """Gradient of a max pooling.

    ``(N, C, OH, OW) -> (N, C, H, W)``

    Parameters
    ----------
    dout : array_like, shape (N, C, OH, OW)
        Gradient of the loss with respect to the output.
    cache : tuple
        That of a forward pass of any name, or of the originals: ``('reshape', (x, x_reshaped, out))``,
        ``('im2col', (x, x_cols, x_cols_argmax, pool_param))``, or the second half of these.

    Returns
    -------
    ndarray, shaped like x
        All of a gradient goes to the first maximum of its window; windows that overlap add up. The dtype is that of x,
        or that of dout if x has an integer type.

    Raises
    ------
    ValueError
        If `dout` has not the shape of the output.
    TypeError
        If `cache` is something else.

    See Also
    --------
    fastconv.max_pool2d_backward : What it calls.

    Examples
    --------
    >>> out, cache = max_pool_forward_fast([[[[1.0, 5.0, 2.0]]]], {"pool_height": 1, "pool_width": 2, "stride": 1})
    >>> max_pool_backward_fast([[[[10.0, 20.0]]]], cache)
    array([[[[ 0., 30.,  0.]]]])
    """
    return windows.max_pool_backward("max_pool_backward_fast", "fast", dout, cache)


def max_pool_forward_reshape(x: Any, pool_param: Any) -> tuple[Array, PoolCache]:
    """Max pooling; the same as `max_pool_forward_fast`, for any windows."""
    return windows.max_pool_forward("max_pool_forward_reshape", "fast", x, pool_param)


def max_pool_backward_reshape(dout: Any, cache: Any) -> Array:
    """Gradient of a max pooling; the same as `max_pool_backward_fast`."""
    return windows.max_pool_backward("max_pool_backward_reshape", "fast", dout, cache)


def max_pool_forward_im2col(x: Any, pool_param: Any) -> tuple[Array, PoolCache]:
    """Max pooling; the same as `max_pool_forward_fast`."""
    return windows.max_pool_forward("max_pool_forward_im2col", "fast", x, pool_param)


def max_pool_backward_im2col(dout: Any, cache: Any) -> Array:
    """Gradient of a max pooling; the same as `max_pool_backward_fast`."""
    return windows.max_pool_backward("max_pool_backward_im2col", "fast", dout, cache)


def avg_pool_forward_fast(x: Any, pool_param: Any) -> tuple[Array, tuple[Any, Any]]:
    """Mean of every window, with the arguments and results of `max_pool_forward_fast`.

    Examples
    --------
    >>> out, cache = avg_pool_forward_fast([[[[1.0, 5.0, 2.0]]]], {"pool_height": 1, "pool_width": 2, "stride": 1})
    >>> out
    array([[[[3. , 3.5]]]])
    """
    return windows.avg_pool_forward("avg_pool_forward_fast", "fast", x, pool_param)


def avg_pool_backward_fast(dout: Any, cache: Any) -> Array:
    """Gradient of an average pooling, with the arguments and result of `max_pool_backward_fast`."""
    return windows.avg_pool_backward("avg_pool_backward_fast", "fast", dout, cache)

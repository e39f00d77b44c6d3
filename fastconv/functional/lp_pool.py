"""Lp pooling: the public functions."""

from __future__ import annotations

from fastconv.backends.base import Backend
from fastconv.functional.call import PlanesCall, PoolWindows
from fastconv.validation.arrays import Array
from fastconv.validation.pooling import check_norm_type
from fastconv.validation.types import ArrayLike, BackendName, Layout, Padding, Size


def lp_pool2d(
    x: ArrayLike,
    norm_type: float,
    kernel_size: Size,
    *,
    stride: Size | None = None,
    padding: Padding = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    layout: Layout = "NCHW",
    backend: BackendName | None = None,
) -> Array:
    """Norm of every window: the p-th root of the sum of the p-th powers.

    ``(N, C, H, W) -> (N, C, OH, OW)``

    Parameters
    ----------
    x, kernel_size, stride, padding, dilation, ceil_mode, layout, backend
        As for `max_pool2d`, but the padding is of zeros, which add nothing.
    norm_type : float
        The exponent p, positive and finite: 1 sums absolute values, 2 is the Euclidean norm.

    Returns
    -------
    ndarray, shape (N, C, OH, OW), or (N, OH, OW, C) with ``layout="NHWC"``
        Its dtype is that of `x`, or float64 if that is an integer type.

    See Also
    --------
    lp_pool2d_backward : The gradient.
    lp_pool1d, lp_pool3d : The same with one and three spatial axes.

    Notes
    -----
    ``y = (sum |x|^p)^(1/p)``, with powers and their sum in float64. PyTorch takes powers of x itself, so that its odd
    exponents let signs cancel, and in ceil mode it scales windows that stick out; here they are sums of what is there.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv as fc
    >>> x = np.array([[[[3.0, -4, 1], [0, 0, 2]]]])
    >>> fc.lp_pool2d(x, 2, (1, 2), stride=1)[0, 0].round(3)
    array([[5.   , 4.123],
           [0.   , 2.   ]])
    """
    call = PlanesCall("lp_pool2d", 2, layout, backend)
    return _lp_pool(call, x, norm_type, PoolWindows(stride, padding, dilation, kernel_size, ceil_mode))


def lp_pool2d_backward(
    dy: ArrayLike,
    x: ArrayLike,
    norm_type: float,
    kernel_size: Size,
    *,
    stride: Size | None = None,
    padding: Padding = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    layout: Layout = "NCHW",
    backend: BackendName | None = None,
) -> Array:
    """Gradient of `lp_pool2d` with respect to its input.

    ``(N, C, OH, OW), (N, C, H, W) -> (N, C, H, W)``

    Parameters
    ----------
    dy : array_like, shape (N, C, OH, OW), or (N, OH, OW, C) with ``layout="NHWC"``
        Gradient of the loss with respect to the output of `lp_pool2d`.
    x, norm_type, kernel_size, stride, padding, dilation, ceil_mode, layout, backend
        As in the forward call.

    Returns
    -------
    ndarray, shaped like `x`
        Gradients of overlapping windows add up. The dtype is `np.result_type` of `dy` and `x`, or float64 if that is
        an integer type.

    Notes
    -----
    A window gives each of its cells ``dy * sign(x) * (|x| / y)^(p-1)``. Where that has no limit, at a zero
    for p up to 1 and in a window of zeros, the gradient is zero.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv as fc
    >>> fc.lp_pool2d_backward([[[[10.0], [5.0]]]], [[[[3.0, -4], [0, 0]]]], 2, (1, 2))[0, 0]
    array([[ 6., -8.],
           [ 0.,  0.]])
    """
    call = PlanesCall("lp_pool2d_backward", 2, layout, backend)
    windows = PoolWindows(stride, padding, dilation, kernel_size, ceil_mode)
    return _lp_pool_backward(call, dy, x, norm_type, windows)


def lp_pool1d(
    x: ArrayLike,
    norm_type: float,
    kernel_size: Size,
    *,
    stride: Size | None = None,
    padding: Padding = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    layout: Layout = "NCW",
    backend: BackendName | None = None,
) -> Array:
    """Norm of every window of sequences: the p-th root of the sum of the p-th powers.

    ``(N, C, W) -> (N, C, OW)``

    Arguments as for `lp_pool2d`, with one axis; `layout` is "NCW" or "NWC".

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv as fc
    >>> fc.lp_pool1d([[[3.0, -4, 1, 0, 7]]], 2, 2)
    array([[[5., 1.]]])
    """
    call = PlanesCall("lp_pool1d", 1, layout, backend)
    return _lp_pool(call, x, norm_type, PoolWindows(stride, padding, dilation, kernel_size, ceil_mode))


def lp_pool1d_backward(
    dy: ArrayLike,
    x: ArrayLike,
    norm_type: float,
    kernel_size: Size,
    *,
    stride: Size | None = None,
    padding: Padding = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    layout: Layout = "NCW",
    backend: BackendName | None = None,
) -> Array:
    """Gradient of `lp_pool1d` with respect to its input.

    ``(N, C, OW), (N, C, W) -> (N, C, W)``

    Arguments as for `lp_pool2d_backward`, with one axis; `layout` is "NCW" or "NWC".

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv as fc
    >>> fc.lp_pool1d_backward([[[10.0, 5.0]]], [[[3.0, -4, 0, 0]]], 2, 2)
    array([[[ 6., -8.,  0.,  0.]]])
    """
    call = PlanesCall("lp_pool1d_backward", 1, layout, backend)
    windows = PoolWindows(stride, padding, dilation, kernel_size, ceil_mode)
    return _lp_pool_backward(call, dy, x, norm_type, windows)


def lp_pool3d(
    x: ArrayLike,
    norm_type: float,
    kernel_size: Size,
    *,
    stride: Size | None = None,
    padding: Padding = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    layout: Layout = "NCDHW",
    backend: BackendName | None = None,
) -> Array:
    """Norm of every window of volumes: the p-th root of the sum of the p-th powers.

    ``(N, C, D, H, W) -> (N, C, OD, OH, OW)``

    Arguments as for `lp_pool2d`, with three axes, depth first; `layout` is "NCDHW" or "NDHWC".

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv as fc
    >>> x = np.array([1.0, -2, 2, 0]).reshape(1, 1, 2, 1, 2)
    >>> fc.lp_pool3d(x, 1, (2, 1, 2)), fc.lp_pool3d(x, 2, (2, 1, 2))
    (array([[[[[5.]]]]]), array([[[[[3.]]]]]))
    """
    call = PlanesCall("lp_pool3d", 3, layout, backend)
    return _lp_pool(call, x, norm_type, PoolWindows(stride, padding, dilation, kernel_size, ceil_mode))


def lp_pool3d_backward(
    dy: ArrayLike,
    x: ArrayLike,
    norm_type: float,
    kernel_size: Size,
    *,
    stride: Size | None = None,
    padding: Padding = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    layout: Layout = "NCDHW",
    backend: BackendName | None = None,
) -> Array:
    """Gradient of `lp_pool3d` with respect to its input.

    ``(N, C, OD, OH, OW), (N, C, D, H, W) -> (N, C, D, H, W)``

    Arguments as for `lp_pool2d_backward`, with three axes, depth first; `layout` is "NCDHW" or "NDHWC".

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv as fc
    >>> x = np.array([1.0, -2, 2, 0]).reshape(1, 1, 2, 1, 2)
    >>> fc.lp_pool3d_backward([[[[[3.0]]]]], x, 2, (2, 1, 2))[0, 0, :, 0]
    array([[ 1., -2.],
           [ 2.,  0.]])
    """
    call = PlanesCall("lp_pool3d_backward", 3, layout, backend)
    windows = PoolWindows(stride, padding, dilation, kernel_size, ceil_mode)
    return _lp_pool_backward(call, dy, x, norm_type, windows)


def _lp_pool(call: PlanesCall, x: ArrayLike, norm_type: object, windows: PoolWindows) -> Array:
    (x,) = call.arrays(x=x).values()
    exponent = check_norm_type(call.operation, norm_type)
    geometry = windows.geometry(call, call.shape(x.shape))
    return call.finish(call.compute(Backend.lp_pool, call.view(x), geometry, exponent))


def _lp_pool_backward(call: PlanesCall, dy: ArrayLike, x: ArrayLike, norm_type: object, windows: PoolWindows) -> Array:
    dy, x = call.arrays(dy=dy, x=x).values()
    exponent = check_norm_type(call.operation, norm_type)
    geometry = windows.geometry(call, call.shape(x.shape))
    call.expect_output(dy, geometry.output_shape)
    return call.finish(call.compute(Backend.lp_pool_backward, call.view(dy), call.view(x), geometry, exponent))

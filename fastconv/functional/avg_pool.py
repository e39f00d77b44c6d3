"""Average pooling: the public functions."""

from __future__ import annotations

from fastconv.backends.base import Backend
from fastconv.functional.call import PlanesCall, PoolWindows
from fastconv.validation.arrays import Array
from fastconv.validation.sizes import check_flag
from fastconv.validation.types import ArrayLike, BackendName, Layout, Padding, ShapeLike, Size


def avg_pool2d(
    x: ArrayLike,
    kernel_size: Size,
    *,
    stride: Size | None = None,
    padding: Padding = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    layout: Layout = "NCHW",
    backend: BackendName | None = None,
) -> Array:
    """Mean of every window.

    ``(N, C, H, W) -> (N, C, OH, OW)``

    Parameters
    ----------
    x, kernel_size, stride, padding, dilation, ceil_mode, layout, backend
        As for `max_pool2d`, but the padding is of zeros.
    count_include_pad : bool
        Count padding cells in the divisor, as PyTorch does by default; ONNX and TensorFlow do not. Cells beyond the
        padding, which only ceil mode adds, are never counted.

    Returns
    -------
    ndarray, shape (N, C, OH, OW), or (N, OH, OW, C) with ``layout="NHWC"``
        Its dtype is that of `x`, or float64 if that is an integer type. A dilated window that touches no cell to be
        counted gives NaN.

    See Also
    --------
    avg_pool2d_backward : The gradient.
    avg_pool1d, avg_pool3d : The same with one and three spatial axes.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv as fc
    >>> x = np.array([[[[1.0, 5, 2], [3, 4, 9]]]])
    >>> fc.avg_pool2d(x, (2, 1), stride=1)[0, 0]
    array([[2. , 4.5, 5.5]])
    """
    call = PlanesCall("avg_pool2d", 2, layout, backend)
    return _avg_pool(call, x, PoolWindows(stride, padding, dilation, kernel_size, ceil_mode), count_include_pad)


def avg_pool2d_backward(
    dy: ArrayLike,
    input_shape: ShapeLike,
    kernel_size: Size,
    *,
    stride: Size | None = None,
    padding: Padding = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    layout: Layout = "NCHW",
    backend: BackendName | None = None,
) -> Array:
    """Gradient of `avg_pool2d` with respect to its input: every gradient is shared by the cells of its window.

    ``(N, C, OH, OW) -> (N, C, H, W)``

    Parameters
    ----------
    dy : array_like, shape (N, C, OH, OW), or (N, OH, OW, C) with ``layout="NHWC"``
        Gradient of the loss with respect to the output of `avg_pool2d`.
    input_shape : sequence of four ints
        Shape of the input of the forward call, in `layout`.
    kernel_size, stride, padding, dilation, ceil_mode, count_include_pad, layout, backend
        As in the forward call.

    Returns
    -------
    ndarray of shape `input_shape`
        Gradients of overlapping windows add up. The dtype is that of `dy`, or float64 if that is an integer type.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv as fc
    >>> fc.avg_pool2d_backward(np.ones((1, 1, 1, 2)), (1, 1, 2, 3), (2, 2), stride=1)[0, 0]
    array([[0.25, 0.5 , 0.25],
           [0.25, 0.5 , 0.25]])
    """
    call = PlanesCall("avg_pool2d_backward", 2, layout, backend)
    windows = PoolWindows(stride, padding, dilation, kernel_size, ceil_mode)
    return _avg_pool_backward(call, dy, input_shape, windows, count_include_pad)


def avg_pool1d(
    x: ArrayLike,
    kernel_size: Size,
    *,
    stride: Size | None = None,
    padding: Padding = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    layout: Layout = "NCW",
    backend: BackendName | None = None,
) -> Array:
    """Mean of every window of sequences.

    ``(N, C, W) -> (N, C, OW)``

    Arguments as for `avg_pool2d`, with one axis; `layout` is "NCW" or "NWC".

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv as fc
    >>> fc.avg_pool1d([[[1.0, 5, 2, 0, 7]]], 2, stride=3, padding=1)
    array([[[0.5, 1. ]]])
    """
    call = PlanesCall("avg_pool1d", 1, layout, backend)
    return _avg_pool(call, x, PoolWindows(stride, padding, dilation, kernel_size, ceil_mode), count_include_pad)


def avg_pool1d_backward(
    dy: ArrayLike,
    input_shape: ShapeLike,
    kernel_size: Size,
    *,
    stride: Size | None = None,
    padding: Padding = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    layout: Layout = "NCW",
    backend: BackendName | None = None,
) -> Array:
    """Gradient of `avg_pool1d` with respect to its input: every gradient is shared by the cells of its window.

    ``(N, C, OW) -> (N, C, W)``

    Arguments as for `avg_pool2d_backward`, with one axis; `layout` is "NCW" or "NWC".

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv as fc
    >>> fc.avg_pool1d_backward([[[2.0, 4.0]]], (1, 1, 3), 2, stride=1)
    array([[[1., 3., 2.]]])
    """
    call = PlanesCall("avg_pool1d_backward", 1, layout, backend)
    windows = PoolWindows(stride, padding, dilation, kernel_size, ceil_mode)
    return _avg_pool_backward(call, dy, input_shape, windows, count_include_pad)


def avg_pool3d(
    x: ArrayLike,
    kernel_size: Size,
    *,
    stride: Size | None = None,
    padding: Padding = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    layout: Layout = "NCDHW",
    backend: BackendName | None = None,
) -> Array:
    """Mean of every window of volumes.

    ``(N, C, D, H, W) -> (N, C, OD, OH, OW)``

    Arguments as for `avg_pool2d`, with three axes, depth first; `layout` is "NCDHW" or "NDHWC".

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv as fc
    >>> x = np.arange(12.0).reshape(1, 1, 2, 2, 3)
    >>> fc.avg_pool3d(x, (2, 1, 3))[0, 0]
    array([[[4.],
            [7.]]])
    """
    call = PlanesCall("avg_pool3d", 3, layout, backend)
    return _avg_pool(call, x, PoolWindows(stride, padding, dilation, kernel_size, ceil_mode), count_include_pad)


def avg_pool3d_backward(
    dy: ArrayLike,
    input_shape: ShapeLike,
    kernel_size: Size,
    *,
    stride: Size | None = None,
    padding: Padding = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    layout: Layout = "NCDHW",
    backend: BackendName | None = None,
) -> Array:
    """Gradient of `avg_pool3d` with respect to its input: every gradient is shared by the cells of its window.

    ``(N, C, OD, OH, OW) -> (N, C, D, H, W)``

    Arguments as for `avg_pool2d_backward`, with three axes, depth first; `layout` is "NCDHW" or "NDHWC".

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv as fc
    >>> fc.avg_pool3d_backward(np.full((1, 1, 1, 2, 1), 6.0), (1, 1, 2, 2, 3), (2, 1, 3))[0, 0, 0]
    array([[1., 1., 1.],
           [1., 1., 1.]])
    """
    call = PlanesCall("avg_pool3d_backward", 3, layout, backend)
    windows = PoolWindows(stride, padding, dilation, kernel_size, ceil_mode)
    return _avg_pool_backward(call, dy, input_shape, windows, count_include_pad)


def _avg_pool(call: PlanesCall, x: ArrayLike, windows: PoolWindows, count_include_pad: object) -> Array:
    (x,) = call.arrays(x=x).values()
    include_pad = check_flag(call.operation, "count_include_pad", count_include_pad)
    geometry = windows.geometry(call, call.shape(x.shape))
    return call.finish(call.compute(Backend.avg_pool, call.view(x), geometry, include_pad))


def _avg_pool_backward(
    call: PlanesCall, dy: ArrayLike, input_shape: object, windows: PoolWindows, count_include_pad: object
) -> Array:
    (dy,) = call.arrays(dy=dy).values()
    include_pad = check_flag(call.operation, "count_include_pad", count_include_pad)
    geometry = windows.geometry(call, call.input_shape(input_shape, dy))
    call.expect_output(dy, geometry.output_shape)
    return call.finish(call.compute(Backend.avg_pool_backward, call.view(dy), geometry, include_pad))

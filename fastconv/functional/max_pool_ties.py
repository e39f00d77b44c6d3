"""The gradient of max pooling where several cells of a window are its maximum: the public functions."""

from __future__ import annotations

from fastconv.backends.base import Backend
from fastconv.functional.call import PlanesCall, PoolWindows
from fastconv.validation.arrays import Array
from fastconv.validation.sizes import check_choice
from fastconv.validation.types import ArrayLike, BackendName, Layout, Padding, Size, Ties

TIES = ("all", "split")


def max_pool2d_ties_backward(
    dy: ArrayLike,
    x: ArrayLike,
    kernel_size: Size,
    *,
    ties: Ties,
    stride: Size | None = None,
    padding: Padding = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    layout: Layout = "NCHW",
    backend: BackendName | None = None,
) -> Array:
    """Gradient of `max_pool2d` for every cell that is the maximum of its window, not for the first of them alone.

    ``(N, C, OH, OW), (N, C, H, W) -> (N, C, H, W)``

    Parameters
    ----------
    dy : array_like, shape (N, C, OH, OW), or (N, OH, OW, C) with ``layout="NHWC"``
        Gradient of the loss with respect to the output of `max_pool2d`.
    x, kernel_size, stride, padding, dilation, ceil_mode, layout, backend
        As in the forward call.
    ties : {"all", "split"}
        Each of several equal maxima gets the whole gradient of its window, or they get equal parts of it.

    Returns
    -------
    ndarray, shaped like `x`
        Gradients of overlapping windows add up. The dtype is `np.result_type` of `dy` and `x`, or float64 if that is
        an integer type.

    Raises
    ------
    ValueError
        If sizes or shapes do not fit together, or `ties` is another word.
    TypeError
        If an argument has a type or dtype that is not taken.

    See Also
    --------
    max_pool2d_backward : The usual gradient, which the first maximum of a window gets.
    max_pool1d_ties_backward, max_pool3d_ties_backward : The same with one and three spatial axes.

    Notes
    -----
    ``dx += (window == window.max()) * dy``, as many courses in NumPy write it, or over the number of those cells. With
    "split" it is a subgradient; with "all" it is more than that where there are ties, and a window of equal numbers
    counts as often as it has cells. NaN equals nothing: a window with a NaN gives its gradient to no cell. Padding
    gets nothing and is not counted.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv as fc
    >>> x = np.array([[[[5.0, 5, 2], [3, 5, 1]]]])
    >>> fc.max_pool2d_ties_backward([[[[6.0]]]], x, (2, 3), ties="all")[0, 0]
    array([[6., 6., 0.],
           [0., 6., 0.]])
    >>> fc.max_pool2d_ties_backward([[[[6.0]]]], x, (2, 3), ties="split")[0, 0]
    array([[2., 2., 0.],
           [0., 2., 0.]])
    """
    call = PlanesCall("max_pool2d_ties_backward", 2, layout, backend)
    return _ties_backward(call, dy, x, PoolWindows(stride, padding, dilation, kernel_size, ceil_mode), ties)


def max_pool1d_ties_backward(
    dy: ArrayLike,
    x: ArrayLike,
    kernel_size: Size,
    *,
    ties: Ties,
    stride: Size | None = None,
    padding: Padding = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    layout: Layout = "NCW",
    backend: BackendName | None = None,
) -> Array:
    """Gradient of `max_pool1d` for every cell that is the maximum of its window, not for the first of them alone.

    ``(N, C, OW), (N, C, W) -> (N, C, W)``

    Arguments as for `max_pool2d_ties_backward`, with one axis; `layout` is "NCW" or "NWC".

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv as fc
    >>> fc.max_pool1d_ties_backward([[[10.0, 20.0]]], [[[1.0, 3, 3, 3]]], 2, ties="split")
    array([[[ 0., 10., 10., 10.]]])
    """
    call = PlanesCall("max_pool1d_ties_backward", 1, layout, backend)
    return _ties_backward(call, dy, x, PoolWindows(stride, padding, dilation, kernel_size, ceil_mode), ties)


def max_pool3d_ties_backward(
    dy: ArrayLike,
    x: ArrayLike,
    kernel_size: Size,
    *,
    ties: Ties,
    stride: Size | None = None,
    padding: Padding = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    layout: Layout = "NCDHW",
    backend: BackendName | None = None,
) -> Array:
    """Gradient of `max_pool3d` for every cell that is the maximum of its window, not for the first of them alone.

    ``(N, C, OD, OH, OW), (N, C, D, H, W) -> (N, C, D, H, W)``

    Arguments as for `max_pool2d_ties_backward`, with three axes, depth first; `layout` is "NCDHW" or "NDHWC".

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv as fc
    >>> x = np.array([7.0, 7, 0, 1, 7, 2]).reshape(1, 1, 2, 1, 3)
    >>> fc.max_pool3d_ties_backward([[[[[9.0]]]]], x, (2, 1, 3), ties="all")[0, 0]
    array([[[9., 9., 0.]],
           [[0., 9., 0.]]])
    """
    call = PlanesCall("max_pool3d_ties_backward", 3, layout, backend)
    return _ties_backward(call, dy, x, PoolWindows(stride, padding, dilation, kernel_size, ceil_mode), ties)


def _ties_backward(call: PlanesCall, dy: ArrayLike, x: ArrayLike, windows: PoolWindows, ties: object) -> Array:
    rule = check_choice(call.operation, "ties", ties, TIES)
    dy, x = call.arrays(dy=dy, x=x).values()
    geometry = windows.geometry(call, call.shape(x.shape))
    call.expect_output(dy, geometry.output_shape)
    return call.finish(call.compute(Backend.max_pool_ties_backward, call.view(dy), call.view(x), geometry, rule))

"""Layers of max, average and Lp pooling over sliding windows."""

from __future__ import annotations

from fastconv.functional import (
    avg_pool1d,
    avg_pool1d_backward,
    avg_pool2d,
    avg_pool2d_backward,
    avg_pool3d,
    avg_pool3d_backward,
    lp_pool1d,
    lp_pool1d_backward,
    lp_pool2d,
    lp_pool2d_backward,
    lp_pool3d,
    lp_pool3d_backward,
    max_pool1d,
    max_pool1d_backward,
    max_pool2d,
    max_pool2d_backward,
    max_pool3d,
    max_pool3d_backward,
)
from fastconv.layers.pool_any import AvgPool, LPPool, MaxPool

__all__ = [
    "AvgPool1d",
    "AvgPool2d",
    "AvgPool3d",
    "LPPool1d",
    "LPPool2d",
    "LPPool3d",
    "MaxPool1d",
    "MaxPool2d",
    "MaxPool3d",
]


class MaxPool2d(MaxPool):
    """Largest element of every window, see `fastconv.max_pool2d`.

    ``(N, C, H, W) -> (N, C, OH, OW)``

    Parameters
    ----------
    kernel_size, dilation : int or sequence of two ints
        Window, height first.
    stride : int or sequence of two ints, optional
        Cells between neighbouring windows; by default `kernel_size`.
    padding : int, sequence of two ints, sequence of two (before, after) pairs, "valid", "same" or "same_lower"
        Minus infinity around the plane; smaller than the dilated kernel on each side.
    ceil_mode : bool
        Round the number of windows up.
    layout : {"NCHW", "NHWC"}
        Order of the axes of input and output.
    backend : {"fast", "numpy", "naive"}, optional
        Backend of this layer; by default the one that is current when `forward` runs.

    Examples
    --------
    >>> import numpy as np
    >>> layer = MaxPool2d(2)
    >>> layer(np.array([[[[1.0, 5, 2, 0], [3, 4, 8, 8]]]]))
    array([[[[5., 8.]]]])
    >>> layer.backward(np.array([[[[10.0, 20.0]]]]))
    array([[[[ 0., 10.,  0.,  0.],
             [ 0.,  0., 20.,  0.]]]])
    """

    rank = 2
    _forward = staticmethod(max_pool2d)
    _backward = staticmethod(max_pool2d_backward)


class MaxPool1d(MaxPool):
    """Largest element of every window, see `fastconv.max_pool1d`.

    ``(N, C, W) -> (N, C, OW)``

    Arguments as for `MaxPool2d`, with one axis; `layout` is "NCW" or "NWC".

    Examples
    --------
    >>> MaxPool1d(3, stride=2).output_shape((2, 3, 11))
    (2, 3, 5)
    """

    rank = 1
    _forward = staticmethod(max_pool1d)
    _backward = staticmethod(max_pool1d_backward)


class MaxPool3d(MaxPool):
    """Largest element of every window, see `fastconv.max_pool3d`.

    ``(N, C, D, H, W) -> (N, C, OD, OH, OW)``

    Arguments as for `MaxPool2d`, with three axes, depth first; `layout` is "NCDHW" or "NDHWC".

    Examples
    --------
    >>> MaxPool3d((2, 3, 2)).output_shape((2, 3, 5, 6, 8))
    (2, 3, 2, 2, 4)
    """

    rank = 3
    _forward = staticmethod(max_pool3d)
    _backward = staticmethod(max_pool3d_backward)


class AvgPool2d(AvgPool):
    """Mean of every window, see `fastconv.avg_pool2d`.

    ``(N, C, H, W) -> (N, C, OH, OW)``

    Parameters
    ----------
    kernel_size, dilation : int or sequence of two ints
        Window, height first.
    stride : int or sequence of two ints, optional
        Cells between neighbouring windows; by default `kernel_size`.
    padding : int, sequence of two ints, sequence of two (before, after) pairs, "valid", "same" or "same_lower"
        Zeros around the plane; smaller than the dilated kernel on each side.
    ceil_mode : bool
        Round the number of windows up.
    count_include_pad : bool
        Count padding cells in the divisor.
    layout : {"NCHW", "NHWC"}
        Order of the axes of input and output.
    backend : {"fast", "numpy", "naive"}, optional
        Backend of this layer; by default the one that is current when `forward` runs.

    Examples
    --------
    >>> import numpy as np
    >>> AvgPool2d((1, 2))(np.array([[[[1.0, 5, 2, 0], [3, 4, 8, 8]]]]))
    array([[[[3. , 1. ],
             [3.5, 8. ]]]])
    """

    rank = 2
    _forward = staticmethod(avg_pool2d)
    _backward = staticmethod(avg_pool2d_backward)


class AvgPool1d(AvgPool):
    """Mean of every window, see `fastconv.avg_pool1d`.

    ``(N, C, W) -> (N, C, OW)``

    Arguments as for `AvgPool2d`, with one axis; `layout` is "NCW" or "NWC".

    Examples
    --------
    >>> AvgPool1d(3, stride=2).output_shape((2, 3, 11))
    (2, 3, 5)
    """

    rank = 1
    _forward = staticmethod(avg_pool1d)
    _backward = staticmethod(avg_pool1d_backward)


class AvgPool3d(AvgPool):
    """Mean of every window, see `fastconv.avg_pool3d`.

    ``(N, C, D, H, W) -> (N, C, OD, OH, OW)``

    Arguments as for `AvgPool2d`, with three axes, depth first; `layout` is "NCDHW" or "NDHWC".

    Examples
    --------
    >>> AvgPool3d((2, 3, 2)).output_shape((2, 3, 5, 6, 8))
    (2, 3, 2, 2, 4)
    """

    rank = 3
    _forward = staticmethod(avg_pool3d)
    _backward = staticmethod(avg_pool3d_backward)


class LPPool2d(LPPool):
    """Norm ``(sum |x|^p)^(1/p)`` of every window, see `fastconv.lp_pool2d`.

    ``(N, C, H, W) -> (N, C, OH, OW)``

    Parameters
    ----------
    norm_type : float
        The exponent p, positive.
    kernel_size, stride, padding, dilation, ceil_mode, layout, backend
        As for `AvgPool2d`.

    Examples
    --------
    >>> import numpy as np
    >>> LPPool2d(2, (1, 2))(np.array([[[[3.0, 4, 0, 5]]]]))
    array([[[[5., 5.]]]])
    """

    rank = 2
    _forward = staticmethod(lp_pool2d)
    _backward = staticmethod(lp_pool2d_backward)


class LPPool1d(LPPool):
    """Norm of every window, see `fastconv.lp_pool1d`.

    ``(N, C, W) -> (N, C, OW)``

    Arguments as for `LPPool2d`, with one axis; `layout` is "NCW" or "NWC".

    Examples
    --------
    >>> LPPool1d(2, 3, stride=2).output_shape((2, 3, 11))
    (2, 3, 5)
    """

    rank = 1
    _forward = staticmethod(lp_pool1d)
    _backward = staticmethod(lp_pool1d_backward)


class LPPool3d(LPPool):
    """Norm of every window, see `fastconv.lp_pool3d`.

    ``(N, C, D, H, W) -> (N, C, OD, OH, OW)``

    Arguments as for `LPPool2d`, with three axes, depth first; `layout` is "NCDHW" or "NDHWC".

    Examples
    --------
    >>> LPPool3d(2, (2, 3, 2)).output_shape((2, 3, 5, 6, 8))
    (2, 3, 2, 2, 4)
    """

    rank = 3
    _forward = staticmethod(lp_pool3d)
    _backward = staticmethod(lp_pool3d_backward)

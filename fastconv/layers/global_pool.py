"""Layers of global pooling."""

from __future__ import annotations

from fastconv.functional import (
    global_avg_pool1d,
    global_avg_pool1d_backward,
    global_avg_pool2d,
    global_avg_pool2d_backward,
    global_avg_pool3d,
    global_avg_pool3d_backward,
    global_max_pool1d,
    global_max_pool2d,
    global_max_pool3d,
    max_pool1d_backward,
    max_pool2d_backward,
    max_pool3d_backward,
)
from fastconv.layers.adaptive_pool_any import AvgOfPlane, Global, MaxOfPlane

__all__ = [
    "GlobalAvgPool1d",
    "GlobalAvgPool2d",
    "GlobalAvgPool3d",
    "GlobalMaxPool1d",
    "GlobalMaxPool2d",
    "GlobalMaxPool3d",
]


class GlobalAvgPool1d(Global, AvgOfPlane):
    """Mean of every plane, see `fastconv.global_avg_pool1d`; the axes stay.

    ``(N, C, W) -> (N, C, 1)``

    Parameters
    ----------
    layout : {"NCW", "NWC"}
        Order of the axes.
    backend : {"fast", "numpy", "naive"}, optional
        Backend of this layer; by default the one that is current when `forward` runs.

    Examples
    --------
    >>> GlobalAvgPool1d().output_shape((2, 3, 11))
    (2, 3, 1)
    """

    rank = 1
    _forward = staticmethod(global_avg_pool1d)
    _backward = staticmethod(global_avg_pool1d_backward)


class GlobalAvgPool2d(Global, AvgOfPlane):
    """Mean of every plane, see `fastconv.global_avg_pool2d`; the axes stay.

    ``(N, C, H, W) -> (N, C, 1, 1)``

    Parameters
    ----------
    layout : {"NCHW", "NHWC"}
        Order of the axes.
    backend : {"fast", "numpy", "naive"}, optional
        Backend of this layer; by default the one that is current when `forward` runs.

    Examples
    --------
    >>> GlobalAvgPool2d().output_shape((2, 3, 11, 8))
    (2, 3, 1, 1)
    """

    rank = 2
    _forward = staticmethod(global_avg_pool2d)
    _backward = staticmethod(global_avg_pool2d_backward)


class GlobalAvgPool3d(Global, AvgOfPlane):
    """Mean of every plane, see `fastconv.global_avg_pool3d`; the axes stay.

    ``(N, C, D, H, W) -> (N, C, 1, 1, 1)``

    Parameters
    ----------
    layout : {"NCDHW", "NDHWC"}
        Order of the axes.
    backend : {"fast", "numpy", "naive"}, optional
        Backend of this layer; by default the one that is current when `forward` runs.

    Examples
    --------
    >>> GlobalAvgPool3d().output_shape((2, 3, 5, 11, 8))
    (2, 3, 1, 1, 1)
    """

    rank = 3
    _forward = staticmethod(global_avg_pool3d)
    _backward = staticmethod(global_avg_pool3d_backward)


class GlobalMaxPool1d(Global, MaxOfPlane):
    """Largest element of every plane, see `fastconv.global_max_pool1d`; the axes stay.

    ``(N, C, W) -> (N, C, 1)``

    Parameters
    ----------
    layout : {"NCW", "NWC"}
        Order of the axes.
    backend : {"fast", "numpy", "naive"}, optional
        Backend of this layer; by default the one that is current when `forward` runs.

    Examples
    --------
    >>> GlobalMaxPool1d().output_shape((2, 3, 11))
    (2, 3, 1)
    """

    rank = 1
    _forward = staticmethod(global_max_pool1d)
    _backward = staticmethod(max_pool1d_backward)


class GlobalMaxPool2d(Global, MaxOfPlane):
    """Largest element of every plane, see `fastconv.global_max_pool2d`; the axes stay.

    ``(N, C, H, W) -> (N, C, 1, 1)``

    Parameters
    ----------
    layout : {"NCHW", "NHWC"}
        Order of the axes.
    backend : {"fast", "numpy", "naive"}, optional
        Backend of this layer; by default the one that is current when `forward` runs.

    Examples
    --------
    >>> GlobalMaxPool2d().output_shape((2, 3, 11, 8))
    (2, 3, 1, 1)
    """

    rank = 2
    _forward = staticmethod(global_max_pool2d)
    _backward = staticmethod(max_pool2d_backward)


class GlobalMaxPool3d(Global, MaxOfPlane):
    """Largest element of every plane, see `fastconv.global_max_pool3d`; the axes stay.

    ``(N, C, D, H, W) -> (N, C, 1, 1, 1)``

    Parameters
    ----------
    layout : {"NCDHW", "NDHWC"}
        Order of the axes.
    backend : {"fast", "numpy", "naive"}, optional
        Backend of this layer; by default the one that is current when `forward` runs.

    Examples
    --------
    >>> GlobalMaxPool3d().output_shape((2, 3, 5, 11, 8))
    (2, 3, 1, 1, 1)
    """

    rank = 3
    _forward = staticmethod(global_max_pool3d)
    _backward = staticmethod(max_pool3d_backward)

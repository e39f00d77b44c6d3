"""Layers of adaptive pooling."""

from __future__ import annotations

from fastconv.functional import (
    adaptive_avg_pool1d,
    adaptive_avg_pool1d_backward,
    adaptive_avg_pool2d,
    adaptive_avg_pool2d_backward,
    adaptive_avg_pool3d,
    adaptive_avg_pool3d_backward,
    adaptive_max_pool1d,
    adaptive_max_pool2d,
    adaptive_max_pool3d,
    max_pool1d_backward,
    max_pool2d_backward,
    max_pool3d_backward,
)
from fastconv.layers.adaptive_pool_any import Adaptive, AvgOfPlane, MaxOfPlane

__all__ = [
    "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d",
    "AdaptiveAvgPool3d",
    "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d",
    "AdaptiveMaxPool3d",
]


class AdaptiveAvgPool1d(Adaptive, AvgOfPlane):
    """Mean of each of `output_size` windows that cover the plane, see `fastconv.adaptive_avg_pool1d`.

    ``(N, C, W) -> (N, C, OW)``

    Parameters
    ----------
    output_size : int or None
        Windows per axis; None keeps the size of the input.
    layout : {"NCW", "NWC"}
        Order of the axes.
    backend : {"fast", "numpy", "naive"}, optional
        Backend of this layer; by default the one that is current when `forward` runs.

    Examples
    --------
    >>> AdaptiveAvgPool1d(4).output_shape((2, 3, 11))
    (2, 3, 4)
    """

    rank = 1
    _forward = staticmethod(adaptive_avg_pool1d)
    _backward = staticmethod(adaptive_avg_pool1d_backward)


class AdaptiveAvgPool2d(Adaptive, AvgOfPlane):
    """Mean of each of `output_size` windows that cover the plane, see `fastconv.adaptive_avg_pool2d`.

    ``(N, C, H, W) -> (N, C, OH, OW)``

    Parameters
    ----------
    output_size : int or None, or a sequence of them
        Windows per axis; None keeps the size of the input.
    layout : {"NCHW", "NHWC"}
        Order of the axes.
    backend : {"fast", "numpy", "naive"}, optional
        Backend of this layer; by default the one that is current when `forward` runs.

    Examples
    --------
    >>> AdaptiveAvgPool2d((4, None)).output_shape((2, 3, 11, 8))
    (2, 3, 4, 8)
    """

    rank = 2
    _forward = staticmethod(adaptive_avg_pool2d)
    _backward = staticmethod(adaptive_avg_pool2d_backward)


class AdaptiveAvgPool3d(Adaptive, AvgOfPlane):
    """Mean of each of `output_size` windows that cover the plane, see `fastconv.adaptive_avg_pool3d`.

    ``(N, C, D, H, W) -> (N, C, OD, OH, OW)``

    Parameters
    ----------
    output_size : int or None, or a sequence of them
        Windows per axis; None keeps the size of the input.
    layout : {"NCDHW", "NDHWC"}
        Order of the axes.
    backend : {"fast", "numpy", "naive"}, optional
        Backend of this layer; by default the one that is current when `forward` runs.

    Examples
    --------
    >>> AdaptiveAvgPool3d((2, 4, None)).output_shape((2, 3, 5, 11, 8))
    (2, 3, 2, 4, 8)
    """

    rank = 3
    _forward = staticmethod(adaptive_avg_pool3d)
    _backward = staticmethod(adaptive_avg_pool3d_backward)


class AdaptiveMaxPool1d(Adaptive, MaxOfPlane):
    """Largest element of each of `output_size` windows that cover the plane, see `fastconv.adaptive_max_pool1d`.

    ``(N, C, W) -> (N, C, OW)``

    Parameters
    ----------
    output_size : int or None
        Windows per axis; None keeps the size of the input.
    layout : {"NCW", "NWC"}
        Order of the axes.
    backend : {"fast", "numpy", "naive"}, optional
        Backend of this layer; by default the one that is current when `forward` runs.

    Examples
    --------
    >>> AdaptiveMaxPool1d(4).output_shape((2, 3, 11))
    (2, 3, 4)
    """

    rank = 1
    _forward = staticmethod(adaptive_max_pool1d)
    _backward = staticmethod(max_pool1d_backward)


class AdaptiveMaxPool2d(Adaptive, MaxOfPlane):
    """Largest element of each of `output_size` windows that cover the plane, see `fastconv.adaptive_max_pool2d`.

    ``(N, C, H, W) -> (N, C, OH, OW)``

    Parameters
    ----------
    output_size : int or None, or a sequence of them
        Windows per axis; None keeps the size of the input.
    layout : {"NCHW", "NHWC"}
        Order of the axes.
    backend : {"fast", "numpy", "naive"}, optional
        Backend of this layer; by default the one that is current when `forward` runs.

    Examples
    --------
    >>> AdaptiveMaxPool2d((4, None)).output_shape((2, 3, 11, 8))
    (2, 3, 4, 8)
    """

    rank = 2
    _forward = staticmethod(adaptive_max_pool2d)
    _backward = staticmethod(max_pool2d_backward)


class AdaptiveMaxPool3d(Adaptive, MaxOfPlane):
    """Largest element of each of `output_size` windows that cover the plane, see `fastconv.adaptive_max_pool3d`.

    ``(N, C, D, H, W) -> (N, C, OD, OH, OW)``

    Parameters
    ----------
    output_size : int or None, or a sequence of them
        Windows per axis; None keeps the size of the input.
    layout : {"NCDHW", "NDHWC"}
        Order of the axes.
    backend : {"fast", "numpy", "naive"}, optional
        Backend of this layer; by default the one that is current when `forward` runs.

    Examples
    --------
    >>> AdaptiveMaxPool3d((2, 4, None)).output_shape((2, 3, 5, 11, 8))
    (2, 3, 2, 4, 8)
    """

    rank = 3
    _forward = staticmethod(adaptive_max_pool3d)
    _backward = staticmethod(max_pool3d_backward)

"""Layers of global pooling."""

from __future__ import annotations

from fastconv import functional
from fastconv.layers.adaptive_pool import AvgOfPlane, MaxOfPlane, PlanePool


class _Global(PlanePool):
    """One window."""

    def __init__(self, *, layout: str | None = None, backend: str | None = None) -> None:
        super().__init__(layout, backend)


class GlobalAvgPool1d(_Global, AvgOfPlane):
    """Mean of every plane, see `fastconv.global_avg_pool1d`; the axes stay.

    ``(N, C, W) -> (N, C, 1)``

    Arguments as for `GlobalAvgPool2d`, with one axis; `layout` is "NCW" or "NWC".

    Examples
    --------
    >>> GlobalAvgPool1d().output_shape((2, 3, 11))
    (2, 3, 1)
    """

    rank = 1
    _forward = staticmethod(functional.global_avg_pool1d)
    _backward = staticmethod(functional.global_avg_pool1d_backward)


class GlobalAvgPool2d(_Global, AvgOfPlane):
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
    _forward = staticmethod(functional.global_avg_pool2d)
    _backward = staticmethod(functional.global_avg_pool2d_backward)


class GlobalAvgPool3d(_Global, AvgOfPlane):
    """Mean of every plane, see `fastconv.global_avg_pool3d`; the axes stay.

    ``(N, C, D, H, W) -> (N, C, 1, 1, 1)``

    Arguments as for `GlobalAvgPool2d`, with three axes, depth first; `layout` is "NCDHW" or "NDHWC".

    Examples
    --------
    >>> GlobalAvgPool3d().output_shape((2, 3, 5, 11, 8))
    (2, 3, 1, 1, 1)
    """

    rank = 3
    _forward = staticmethod(functional.global_avg_pool3d)
    _backward = staticmethod(functional.global_avg_pool3d_backward)


class GlobalMaxPool1d(_Global, MaxOfPlane):
    """Largest element of every plane, see `fastconv.global_max_pool1d`; the axes stay.

    ``(N, C, W) -> (N, C, 1)``

    Arguments as for `GlobalMaxPool2d`, with one axis; `layout` is "NCW" or "NWC".

    Examples
    --------
    >>> GlobalMaxPool1d().output_shape((2, 3, 11))
    (2, 3, 1)
    """

    rank = 1
    _forward = staticmethod(functional.global_max_pool1d)
    _backward = staticmethod(functional.max_pool1d_backward)


class GlobalMaxPool2d(_Global, MaxOfPlane):
    """Largest element of every plane, see `fastconv.global_max_pool2d`; the axes stay.

    ``(N, C, H, W) -> (N, C, 1, 1)``

    Arguments as for `GlobalAvgPool2d`.

    Examples
    --------
    >>> GlobalMaxPool2d().output_shape((2, 3, 11, 8))
    (2, 3, 1, 1)
    """

    rank = 2
    _forward = staticmethod(functional.global_max_pool2d)
    _backward = staticmethod(functional.max_pool2d_backward)


class GlobalMaxPool3d(_Global, MaxOfPlane):
    """Largest element of every plane, see `fastconv.global_max_pool3d`; the axes stay.

    ``(N, C, D, H, W) -> (N, C, 1, 1, 1)``

    Arguments as for `GlobalMaxPool2d`, with three axes, depth first; `layout` is "NCDHW" or "NDHWC".

    Examples
    --------
    >>> GlobalMaxPool3d().output_shape((2, 3, 5, 11, 8))
    (2, 3, 1, 1, 1)
    """

    rank = 3
    _forward = staticmethod(functional.global_max_pool3d)
    _backward = staticmethod(functional.max_pool3d_backward)

"""Layers of global pooling."""

from __future__ import annotations

from fastconv.layers.adaptive_pool import PlaneMaxPool, PlanePool
from fastconv.layers.planes import MeansLayer
from fastconv.validation.types import BackendName, Layout


class _Global(PlanePool):
    """One window."""

    def __init__(self, *, layout: Layout | None = None, backend: BackendName | None = None) -> None:
        super().__init__(layout, backend)


class _GlobalAvg(_Global, MeansLayer):
    """Means."""

    _operation = "global_avg_pool{rank}d"


class _GlobalMax(_Global, PlaneMaxPool):
    """Maxima."""

    _operation = "global_max_pool{rank}d"


class GlobalAvgPool1d(_GlobalAvg):
    """Mean of every plane, see `fastconv.global_avg_pool1d`; the axes stay.

    ``(N, C, W) -> (N, C, 1)``

    Arguments as for `GlobalAvgPool2d`, with one axis; `layout` is "NCW" or "NWC".

    Examples
    --------
    >>> GlobalAvgPool1d().output_shape((2, 3, 11))
    (2, 3, 1)
    """

    rank = 1


class GlobalAvgPool2d(_GlobalAvg):
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


class GlobalAvgPool3d(_GlobalAvg):
    """Mean of every plane, see `fastconv.global_avg_pool3d`; the axes stay.

    ``(N, C, D, H, W) -> (N, C, 1, 1, 1)``

    Arguments as for `GlobalAvgPool2d`, with three axes, depth first; `layout` is "NCDHW" or "NDHWC".

    Examples
    --------
    >>> GlobalAvgPool3d().output_shape((2, 3, 5, 11, 8))
    (2, 3, 1, 1, 1)
    """

    rank = 3


class GlobalMaxPool1d(_GlobalMax):
    """Largest element of every plane, see `fastconv.global_max_pool1d`; the axes stay.

    ``(N, C, W) -> (N, C, 1)``

    Arguments as for `GlobalMaxPool2d`, with one axis; `layout` is "NCW" or "NWC".

    Examples
    --------
    >>> GlobalMaxPool1d().output_shape((2, 3, 11))
    (2, 3, 1)
    """

    rank = 1


class GlobalMaxPool2d(_GlobalMax):
    """Largest element of every plane, see `fastconv.global_max_pool2d`; the axes stay.

    ``(N, C, H, W) -> (N, C, 1, 1)``

    Arguments as for `GlobalAvgPool2d`.

    Examples
    --------
    >>> GlobalMaxPool2d().output_shape((2, 3, 11, 8))
    (2, 3, 1, 1)
    """

    rank = 2


class GlobalMaxPool3d(_GlobalMax):
    """Largest element of every plane, see `fastconv.global_max_pool3d`; the axes stay.

    ``(N, C, D, H, W) -> (N, C, 1, 1, 1)``

    Arguments as for `GlobalMaxPool2d`, with three axes, depth first; `layout` is "NCDHW" or "NDHWC".

    Examples
    --------
    >>> GlobalMaxPool3d().output_shape((2, 3, 5, 11, 8))
    (2, 3, 1, 1, 1)
    """

    rank = 3

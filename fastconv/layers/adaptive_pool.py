"""Layers of adaptive pooling."""

from __future__ import annotations

from math import prod
from typing import Any

from fastconv.backends.geometry import AdaptiveGeometry
from fastconv.functional.adaptive_pool import adaptive_maxima
from fastconv.functional.max_pool import Maxima
from fastconv.layers.base import Shape
from fastconv.layers.planes import MaximaLayer, MeansLayer, PlanesLayer
from fastconv.validation.arrays import Array
from fastconv.validation.pooling import check_adaptive_size
from fastconv.validation.types import BackendName, Layout, OutputSize


class PlanePool(PlanesLayer):
    """Windows that divide up the whole plane; the subclasses name the operation."""

    def _out(self, size: Shape) -> Shape:
        """Output size of planes of that size."""
        return (1,) * self.rank

    def _geometry(self, input_shape: Shape) -> AdaptiveGeometry:
        n, c, *size = self._logical(input_shape)
        return AdaptiveGeometry(n, c, tuple(size), self._out(tuple(size)))

    def output_shape(self, input_shape: Shape) -> Shape:
        """(N, C, *output_size), in the layout; see `Layer.output_shape`."""
        return self._in_layout(self._geometry(input_shape).output_shape)

    def flops(self, input_shape: Shape) -> int:
        """One operation for each element of the input; windows that overlap are counted once."""
        return prod(input_shape)

    def extra_repr(self) -> str:
        """See `Layer.extra_repr`."""
        return (", ".join(map(repr, self._arguments)) + self._layout_repr()).removeprefix(", ")


class PlaneMaxPool(PlanePool, MaximaLayer):
    """Their maxima."""

    _gradient = "max_pool{rank}d_backward"
    output_size: OutputSize = 1

    def _maxima(self, x: Array) -> tuple[Array, Maxima]:
        operation = self._operation.format(rank=self.rank)
        return adaptive_maxima(operation, x, self.output_size, self.rank, self.layout, self.backend)


class _Adaptive(PlanePool):
    """As many windows as asked for."""

    def __init__(
        self, output_size: OutputSize, *, layout: Layout | None = None, backend: BackendName | None = None
    ) -> None:
        super().__init__(layout, backend)
        check_adaptive_size(type(self).__name__, output_size, (1,) * self.rank)
        self.output_size = output_size

    @property
    def _arguments(self) -> tuple[Any, ...]:
        return (self.output_size,)

    def _out(self, size: Shape) -> Shape:
        return check_adaptive_size(type(self).__name__, self.output_size, size)


class _AdaptiveAvg(_Adaptive, MeansLayer):
    """Means."""

    _operation = "adaptive_avg_pool{rank}d"


class _AdaptiveMax(_Adaptive, PlaneMaxPool):
    """Maxima."""

    _operation = "adaptive_max_pool{rank}d"


class AdaptiveAvgPool1d(_AdaptiveAvg):
    """Mean of each of `output_size` windows that cover the plane, see `fastconv.adaptive_avg_pool1d`.

    ``(N, C, W) -> (N, C, OW)``

    Arguments as for `AdaptiveAvgPool2d`, with one axis; `layout` is "NCW" or "NWC".

    Examples
    --------
    >>> AdaptiveAvgPool1d(4).output_shape((2, 3, 11))
    (2, 3, 4)
    """

    rank = 1


class AdaptiveAvgPool2d(_AdaptiveAvg):
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


class AdaptiveAvgPool3d(_AdaptiveAvg):
    """Mean of each of `output_size` windows that cover the plane, see `fastconv.adaptive_avg_pool3d`.

    ``(N, C, D, H, W) -> (N, C, OD, OH, OW)``

    Arguments as for `AdaptiveAvgPool2d`, with three axes, depth first; `layout` is "NCDHW" or "NDHWC".

    Examples
    --------
    >>> AdaptiveAvgPool3d((2, 4, None)).output_shape((2, 3, 5, 11, 8))
    (2, 3, 2, 4, 8)
    """

    rank = 3


class AdaptiveMaxPool1d(_AdaptiveMax):
    """Largest element of each of `output_size` windows that cover the plane, see `fastconv.adaptive_max_pool1d`.

    ``(N, C, W) -> (N, C, OW)``

    Arguments as for `AdaptiveMaxPool2d`, with one axis; `layout` is "NCW" or "NWC".

    Examples
    --------
    >>> AdaptiveMaxPool1d(4).output_shape((2, 3, 11))
    (2, 3, 4)
    """

    rank = 1


class AdaptiveMaxPool2d(_AdaptiveMax):
    """Largest element of each of `output_size` windows that cover the plane, see `fastconv.adaptive_max_pool2d`.

    ``(N, C, H, W) -> (N, C, OH, OW)``

    Arguments as for `AdaptiveAvgPool2d`.

    Examples
    --------
    >>> AdaptiveMaxPool2d((4, None)).output_shape((2, 3, 11, 8))
    (2, 3, 4, 8)
    """

    rank = 2


class AdaptiveMaxPool3d(_AdaptiveMax):
    """Largest element of each of `output_size` windows that cover the plane, see `fastconv.adaptive_max_pool3d`.

    ``(N, C, D, H, W) -> (N, C, OD, OH, OW)``

    Arguments as for `AdaptiveMaxPool2d`, with three axes, depth first; `layout` is "NCDHW" or "NDHWC".

    Examples
    --------
    >>> AdaptiveMaxPool3d((2, 4, None)).output_shape((2, 3, 5, 11, 8))
    (2, 3, 2, 4, 8)
    """

    rank = 3

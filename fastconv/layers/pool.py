"""Layers of max, average and Lp pooling over sliding windows."""

from __future__ import annotations

from math import prod
from typing import Any

from fastconv.backends.geometry import WindowGeometry
from fastconv.functional.call import PoolWindows
from fastconv.functional.max_pool import Maxima, max_pool_maxima
from fastconv.layers.base import Shape
from fastconv.layers.operation import ITEMSIZE, WindowsLayer
from fastconv.layers.planes import MaximaLayer, MeansLayer, PlanesLayer
from fastconv.validation.arrays import LAYOUTS, Array
from fastconv.validation.operations import pool_geometry
from fastconv.validation.pooling import check_norm_type
from fastconv.validation.sizes import check_flag
from fastconv.validation.types import BackendName, Layout, Padding, Size


class _Pool(WindowsLayer, PlanesLayer):
    """Windows over every plane; the subclasses name the operation."""

    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Padding = 0,
        dilation: Size = 1,
        ceil_mode: bool = False,
        *,
        layout: Layout | None = None,
        backend: BackendName | None = None,
    ) -> None:
        super().__init__(layout, backend)
        self._set_windows(kernel_size, kernel_size if stride is None else stride, padding, dilation)
        self.ceil_mode = check_flag(type(self).__name__, "ceil_mode", ceil_mode)

    @property
    def _arguments(self) -> tuple[Any, ...]:
        return (self.kernel_size,)

    @property
    def _window(self) -> tuple[Any, ...]:
        return self._arguments

    @property
    def _options(self) -> dict[str, Any]:
        return {
            "stride": self.stride,
            "padding": self.padding,
            "dilation": self.dilation,
            "ceil_mode": self.ceil_mode,
            "layout": self.layout,
        }

    def _geometry(self, input_shape: Shape) -> WindowGeometry:
        shape, steps = self._logical(input_shape), (self.stride, self.padding, self.dilation)
        return pool_geometry(type(self).__name__, shape, self.kernel_size, *steps, self.ceil_mode, ITEMSIZE)

    def output_shape(self, input_shape: Shape) -> Shape:
        """(N, C, *out), in the layout; see `Layer.output_shape`."""
        return self._in_layout(self._geometry(input_shape).output_shape)

    def flops(self, input_shape: Shape) -> int:
        """One operation for each element of a window."""
        return prod(self.output_shape(input_shape)) * prod(self.kernel_size)

    def extra_repr(self) -> str:
        """See `Layer.extra_repr`."""
        extras = {
            "padding": (self.padding, ((0, 0),) * self.rank),
            "dilation": (self.dilation, (1,) * self.rank),
            "ceil_mode": (self.ceil_mode, False),
            "layout": (self.layout, LAYOUTS[self.rank][0]),
        }
        text = f"kernel_size={self.kernel_size}, stride={self.stride}"
        return text + "".join(f", {name}={value!r}" for name, (value, usual) in extras.items() if value != usual)


class MaxPool(_Pool, MaximaLayer):
    """Largest element of every window."""

    _operation = "max_pool{rank}d"

    def _maxima(self, x: Array) -> tuple[Array, Maxima]:
        windows = PoolWindows(self.stride, self.padding, self.dilation, self.kernel_size, self.ceil_mode)
        operation = self._operation.format(rank=self.rank)
        return max_pool_maxima(operation, x, windows, self.rank, self.layout, self.backend)


class AvgPool(_Pool, MeansLayer):
    """Mean of every window."""

    _operation = "avg_pool{rank}d"

    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Padding = 0,
        dilation: Size = 1,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        *,
        layout: Layout | None = None,
        backend: BackendName | None = None,
    ) -> None:
        super().__init__(kernel_size, stride, padding, dilation, ceil_mode, layout=layout, backend=backend)
        self.count_include_pad = check_flag(type(self).__name__, "count_include_pad", count_include_pad)

    @property
    def _options(self) -> dict[str, Any]:
        return {**super()._options, "count_include_pad": self.count_include_pad}

    def extra_repr(self) -> str:
        """See `Layer.extra_repr`."""
        return super().extra_repr() + ("" if self.count_include_pad else ", count_include_pad=False")


class LPPool(_Pool, MeansLayer):
    """Norm of every window."""

    _operation = "lp_pool{rank}d"
    keeps_input = True

    def __init__(
        self,
        norm_type: float,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Padding = 0,
        dilation: Size = 1,
        ceil_mode: bool = False,
        *,
        layout: Layout | None = None,
        backend: BackendName | None = None,
    ) -> None:
        super().__init__(kernel_size, stride, padding, dilation, ceil_mode, layout=layout, backend=backend)
        self.norm_type = check_norm_type(type(self).__name__, norm_type)

    @property
    def _arguments(self) -> tuple[Any, ...]:
        return (self.norm_type, self.kernel_size)

    def flops(self, input_shape: Shape) -> int:
        """One power and one addition for each element of a window."""
        return 2 * super().flops(input_shape)

    def scratch_bytes(self, input_shape: Shape, itemsize: int) -> int:
        """In float64, powers or their gradients, sums of windows and their gradients; for float16 copies in float32."""
        more = 4 * (2 * prod(input_shape) + prod(self.output_shape(input_shape))) if itemsize == 2 else 0
        return 8 * (prod(input_shape) + 2 * prod(self.output_shape(input_shape))) + more

    def forward_scratch_bytes(self, input_shape: Shape, itemsize: int) -> int:
        """In float64, powers and sums of windows, before there is a result; for float16 copies in float32."""
        x, y = prod(input_shape), prod(self.output_shape(input_shape))
        return 8 * (x + y) - itemsize * y + (4 * x if itemsize == 2 else 0)

    def extra_repr(self) -> str:
        """See `Layer.extra_repr`."""
        return f"norm_type={self.norm_type:g}, {super().extra_repr()}"


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


class AvgPool2d(AvgPool):
    """Mean of every window, see `fastconv.avg_pool2d`.

    ``(N, C, H, W) -> (N, C, OH, OW)``

    Parameters
    ----------
    kernel_size, stride, padding, dilation, ceil_mode, layout, backend
        As for `MaxPool2d`, but with zeros around the plane.
    count_include_pad : bool
        Count padding cells in the divisor.

    Examples
    --------
    >>> import numpy as np
    >>> AvgPool2d((1, 2))(np.array([[[[1.0, 5, 2, 0], [3, 4, 8, 8]]]]))
    array([[[[3. , 1. ],
             [3.5, 8. ]]]])
    """

    rank = 2


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

"""Convolution layers."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from math import prod
from typing import Any, ClassVar

import numpy as np
from numpy.typing import DTypeLike

from fastconv.backends.geometry import ConvGeometry, conv_weight_shape
from fastconv.backends.settings import with_exact
from fastconv.errors import InvalidValueError
from fastconv.functional.call import ConvGradients
from fastconv.functional.padding import PADDING_MODES, check_mode_fits, pad, pad_backward
from fastconv.initializers import Initializer
from fastconv.layers.base import Shape
from fastconv.layers.operation import ITEMSIZE, OperationLayer, WindowsLayer
from fastconv.layers.parameter import Parameter
from fastconv.layers.weighted import WeightedLayer
from fastconv.validation.arrays import LAYOUTS, Array, check_array
from fastconv.validation.operations import conv_geometry
from fastconv.validation.sizes import check_choice, check_exact, check_integer
from fastconv.validation.types import ArrayLike, BackendName, Layout, Padding, PaddingMode, Rng, Size


class ConvolutionLayer(WindowsLayer, OperationLayer, WeightedLayer):
    """Channels, window and layout; the subclasses name the operation and draw the weights."""

    weight: Parameter
    exact: bool | None = None  # also of layers that were pickled before there was a choice
    _backward: ClassVar[Callable[..., ConvGradients]]

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        groups: int,
        layout: Layout | None,
        backend: str | None,
        exact: bool | None = None,
    ) -> None:
        super().__init__(backend)
        name = type(self).__name__
        self.in_channels = check_integer(name, "in_channels", in_channels, 1)
        self.out_channels = check_integer(name, "out_channels", out_channels, 1)
        self.groups = check_integer(name, "groups", groups, 1)
        self.exact = check_exact(name, exact)
        self._set_layout(layout)
        if self.in_channels % self.groups or self.out_channels % self.groups:
            raise InvalidValueError(
                f"{name}: groups must divide in_channels and out_channels, but got groups={self.groups} with "
                f"in_channels={self.in_channels} and out_channels={self.out_channels}."
            )

    @property
    def _options(self) -> dict[str, Any]:
        """What the operation takes besides its arrays."""
        return {
            "stride": self.stride,
            "padding": self.padding,
            "dilation": self.dilation,
            "groups": self.groups,
            "layout": self.layout,
        }

    def _result(self, x: Array) -> Array:
        """Compute the operation."""
        arrays, options = (x, self.weight.data, self._bias_data), self._options
        return with_exact(self.exact, self._forward, *arrays, **options, backend=self.backend)

    def _gradients(self, dy: ArrayLike, x: Array, input_gradient: bool) -> Array | None:
        """Add the gradients of weight and bias, return that of `x`."""
        options = {**self._options, **self._gradient_options(input_gradient)}
        return self._accumulate(with_exact(self.exact, self._backward, dy, x, self.weight.data, **options))

    @abstractmethod
    def _geometry(self, input_shape: Shape) -> ConvGeometry:
        """Geometry of the convolution over an input of that shape."""

    def convolutions(self, input_shape: Shape) -> tuple[ConvGeometry, ...]:
        """Return the geometry of this one, or of the one that it turns round."""
        return (self._geometry(input_shape),)

    def multiply_adds(self, input_shape: Shape) -> int:
        """Windows times the taps of all channels in them."""
        return self._geometry(input_shape).multiply_adds()

    def _unusual(self) -> dict[str, tuple[Any, Any]]:
        """Arguments that `repr` shows where they differ from what is usual."""
        return {
            "stride": (self.stride, (1,) * self.rank),
            "padding": (self.padding, ((0, 0),) * self.rank),
            "dilation": (self.dilation, (1,) * self.rank),
            "groups": (self.groups, 1),
            "bias": (self.bias is not None, True),
            "layout": (self.layout, LAYOUTS[self.rank][0]),
            "exact": (self.exact, None),
        }

    def extra_repr(self) -> str:
        """See `Layer.extra_repr`."""
        text = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}"
        return text + "".join(
            f", {name}={value!r}" for name, (value, usual) in self._unusual().items() if value != usual
        )


class _Conv(ConvolutionLayer):
    """A convolution of any rank."""

    _operation = "conv{rank}d"

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Padding = 0,
        dilation: Size = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: PaddingMode = "zeros",
        *,
        layout: Layout | None = None,
        dtype: DTypeLike = np.float32,
        rng: Rng = None,
        weight_init: str | Initializer = "he_normal",
        backend: BackendName | None = None,
        exact: bool | None = None,
    ) -> None:
        super().__init__(in_channels, out_channels, groups, layout, backend, exact)
        self._set_windows(kernel_size, stride, padding, dilation)
        check_choice(type(self).__name__, "padding_mode", padding_mode, PADDING_MODES)
        self.padding_mode: PaddingMode = padding_mode
        shape = conv_weight_shape(self.out_channels, self.in_channels, self.groups, self.kernel_size)
        self._draw(shape, self.out_channels, bias, dtype, rng, weight_init)

    @property
    def _options(self) -> dict[str, Any]:
        return super()._options if self.padding_mode == "zeros" else {**super()._options, "padding": 0}

    def forward(self, x: ArrayLike) -> Array:
        """Convolve `x`; see `Layer.forward`."""
        x = check_array(type(self).__name__, "x", x)
        y = self._result(self._padded(x))
        self._keep(x)
        return y

    def _pairs(self, input_shape: Shape) -> tuple[tuple[int, int], ...]:
        """(before, after) of every spatial axis, also where the padding has a name."""
        return tuple((axis.before, axis.after) for axis in self._geometry(input_shape).axes)

    def _padded(self, x: Array) -> Array:
        """Return the input with what the operation itself does not put around it."""
        if self.padding_mode == "zeros":
            return x
        return pad(x, self._pairs(x.shape), self.padding_mode, layout=self.layout)

    def backward(self, dy: ArrayLike, *, input_gradient: bool = True) -> Array | None:
        """Add the gradients of weight and bias, return that of the input; see `Layer.backward`."""
        (x,) = self._kept()
        dx = self._gradients(dy, self._padded(x), input_gradient)
        if dx is None or self.padding_mode == "zeros":
            return dx
        return pad_backward(dx, x.shape, self._pairs(x.shape), self.padding_mode, layout=self.layout)

    def scratch_bytes(self, input_shape: Shape, itemsize: int) -> int:
        """The padded input and its gradient, or that and a part of it, where the operation does not pad itself."""
        return 2 * self.forward_scratch_bytes(input_shape, itemsize)

    def forward_scratch_bytes(self, input_shape: Shape, itemsize: int) -> int:
        """The padded input."""
        if self.padding_mode == "zeros":
            return 0
        batch, channels, *plane = self._logical(input_shape)
        padded = (size + sum(pair) for size, pair in zip(plane, self._pairs(input_shape)))
        return batch * channels * prod(padded) * max(itemsize, 4)

    def _geometry(self, input_shape: Shape) -> ConvGeometry:
        shape, steps = self._logical(input_shape), (self.stride, self.padding, self.dilation)
        geometry = conv_geometry(type(self).__name__, shape, self.weight.shape, *steps, self.groups, ITEMSIZE)
        if self.padding_mode != "zeros":
            pairs = tuple((axis.before, axis.after) for axis in geometry.axes)
            check_mode_fits(type(self).__name__, "padding_mode", self.padding_mode, geometry.size, pairs)
        return geometry

    def output_shape(self, input_shape: Shape) -> Shape:
        """(N, out_channels, *out), in the layout; see `Layer.output_shape`."""
        return self._in_layout(self._geometry(input_shape).output_shape)

    def _unusual(self) -> dict[str, tuple[Any, Any]]:
        return {**super()._unusual(), "padding_mode": (self.padding_mode, "zeros")}


class Conv2d(_Conv):
    """Convolution over planes, see `fastconv.conv2d`.

    ``(N, in_channels, H, W) -> (N, out_channels, OH, OW)``

    Parameters
    ----------
    in_channels, out_channels : int
        Channels of the input and of the output (filters).
    kernel_size, stride, dilation : int or sequence of two ints
        Per axis, height first.
    padding : int, sequence of two ints, sequence of two (before, after) pairs, "valid", "same" or "same_lower"
        Cells around the plane.
    groups : int
        Groups of channels that do not see each other.
    bias : bool
        Whether to add a bias, zero at first.
    padding_mode : {"zeros", "reflect", "replicate", "circular"}
        What is in those cells: zeros, the plane mirrored, its border, or the plane repeated. All but zeros make a
        padded copy of the input, in both passes.
    layout : {"NCHW", "NHWC"}
        Order of the axes of input and output.
    dtype : dtype
        Of the parameters: float16, float32 or float64.
    rng : Generator, int or None
        Where the initial weights come from; a seed gives the same weights again.
    weight_init : str or callable
        A name of `fastconv.initializers.INITIALIZERS`, or a function ``(shape, rng, dtype) -> ndarray``.
    backend : {"fast", "numpy", "naive"}, optional
        Backend of this layer; by default the one that is current when `forward` runs.
    exact : bool, optional
        Whether this layer is exact, in both passes; by default as the options say when they run, see
        `fastconv.set_options`.

    Attributes
    ----------
    weight : Parameter, shape (out_channels, in_channels // groups, KH, KW)
        The filters.
    bias : Parameter, shape (out_channels,), or None
        The bias.

    Raises
    ------
    ValueError
        If a size is not positive or `groups` does not divide the channels.
    TypeError
        If an argument has the wrong type.

    Examples
    --------
    >>> layer = Conv2d(3, 8, (3, 5), stride=2, padding="same", rng=0)
    >>> layer.output_shape((4, 3, 9, 12))
    (4, 8, 5, 6)
    >>> layer
    Conv2d(3, 8, kernel_size=(3, 5), stride=(2, 2), padding='same')
    """

    rank = 2


class Conv1d(_Conv):
    """Convolution over sequences, see `fastconv.conv1d`.

    ``(N, in_channels, W) -> (N, out_channels, OW)``

    Arguments as for `Conv2d`, with one axis; `layout` is "NCW" or "NWC".

    Examples
    --------
    >>> Conv1d(3, 8, 4, stride=2, rng=0).output_shape((2, 3, 11))
    (2, 8, 4)
    """

    rank = 1


class Conv3d(_Conv):
    """Convolution over volumes, see `fastconv.conv3d`.

    ``(N, in_channels, D, H, W) -> (N, out_channels, OD, OH, OW)``

    Arguments as for `Conv2d`, with three axes, depth first; `layout` is "NCDHW" or "NDHWC".

    Examples
    --------
    >>> Conv3d(3, 8, (2, 3, 3), rng=0).output_shape((2, 3, 5, 6, 8))
    (2, 8, 4, 4, 6)
    """

    rank = 3

"""Convolution layers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from fastconv.backends.geometry import ConvGeometry, conv_weight_shape
from fastconv.functional import (
    conv1d,
    conv1d_backward,
    conv2d,
    conv2d_backward,
    conv3d,
    conv3d_backward,
)
from fastconv.functional.padding import PADDING_MODES, pad, pad_backward
from fastconv.initializers import Initializer
from fastconv.layers.arguments import check_input_shape
from fastconv.layers.conv_any import ConvolutionLayer
from fastconv.layers.steps import Shape
from fastconv.validation.arrays import Array, check_array, layout_shape, logical_shape
from fastconv.validation.operations import conv_geometry
from fastconv.validation.sizes import check_choice

__all__ = ["Conv1d", "Conv2d", "Conv3d"]


class _Conv(ConvolutionLayer):
    """A convolution of any rank; the subclasses name the operation."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        *,
        layout: str | None = None,
        dtype: DTypeLike = np.float32,
        rng: Any = None,
        weight_init: str | Initializer = "he_normal",
        backend: str | None = None,
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation, groups, layout, backend)
        self.padding_mode = check_choice(type(self).__name__, "padding_mode", padding_mode, PADDING_MODES)
        shape = conv_weight_shape(self.out_channels, self.in_channels, self.groups, self.kernel_size)
        self._draw(shape, self.out_channels, bias, dtype, rng, weight_init)

    @property
    def _options(self) -> dict[str, Any]:
        return super()._options if self.padding_mode == "zeros" else {**super()._options, "padding": 0}

    def forward(self, x: Any) -> Array:
        """Convolve `x`; see `Layer.forward`."""
        x = check_array(type(self).__name__, "x", x)
        operation = type(self)._forward
        y = operation(self._padded(x), self.weight.data, self._bias_data, **self._options, backend=self.backend)
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

    def backward(self, dy: Any, *, input_gradient: bool = True) -> Array | None:
        """Add the gradients of weight and bias, return that of the input; see `Layer.backward`."""
        (x,) = self._kept()
        dx = self._gradients(dy, self._padded(x), input_gradient)
        if dx is None or self.padding_mode == "zeros":
            return dx
        return pad_backward(dx, x.shape, self._pairs(x.shape), self.padding_mode, layout=self.layout)

    def _geometry(self, input_shape: Shape) -> ConvGeometry:
        name = type(self).__name__
        shape = check_input_shape(name, input_shape, self.layout)
        return conv_geometry(
            name,
            logical_shape(shape, channels_last=self._channels_last),
            self.weight.shape,
            self.stride,
            self.padding,
            self.dilation,
            self.groups,
            0,  # a shape may be larger than this machine; the operation checks its arrays
        )

    def output_shape(self, input_shape: Shape) -> Shape:
        """(N, out_channels, *out), in the layout; see `Layer.output_shape`."""
        return layout_shape(self._geometry(input_shape).output_shape, channels_last=self._channels_last)

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
    _forward = staticmethod(conv2d)
    _backward = staticmethod(conv2d_backward)


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
    _forward = staticmethod(conv1d)
    _backward = staticmethod(conv1d_backward)


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
    _forward = staticmethod(conv3d)
    _backward = staticmethod(conv3d_backward)

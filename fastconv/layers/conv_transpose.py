"""Layers of transposed convolution."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from fastconv.backends.geometry import ConvGeometry
from fastconv.initializers import Initializer
from fastconv.layers.base import Shape
from fastconv.layers.conv import ConvolutionLayer
from fastconv.layers.operation import ITEMSIZE
from fastconv.validation.arrays import Array, check_array
from fastconv.validation.sizes import check_sizes
from fastconv.validation.transposed import conv_transpose_geometry
from fastconv.validation.types import ArrayLike, BackendName, Layout, Padding, Rng, Size


class _ConvTranspose(ConvolutionLayer):
    """A transposed convolution of any rank."""

    _operation = "conv_transpose{rank}d"

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Padding = 0,
        output_padding: Size = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Size = 1,
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
        self.output_padding = check_sizes(type(self).__name__, "output_padding", output_padding, self.rank, 0)
        shape = (self.in_channels, self.out_channels // self.groups, *self.kernel_size)
        self._draw(shape, self.out_channels, bias, dtype, rng, weight_init)

    @property
    def _options(self) -> dict[str, Any]:
        return {**super()._options, "output_padding": self.output_padding}

    def forward(self, x: ArrayLike) -> Array:
        """Return the transposed convolution of `x`; see `Layer.forward`."""
        x = check_array(type(self).__name__, "x", x)
        y = self._result(x)
        self._keep(x)
        return y

    def backward(self, dy: ArrayLike, *, input_gradient: bool = True) -> Array | None:
        """Add the gradients of weight and bias, return that of the input; see `Layer.backward`."""
        (x,) = self._kept()
        return self._gradients(dy, x, input_gradient)

    def _geometry(self, input_shape: Shape) -> ConvGeometry:
        shape, steps = self._logical(input_shape), (self.stride, self.padding, self.dilation, self.groups)
        sizes = shape, self.weight.shape
        return conv_transpose_geometry(type(self).__name__, *sizes, *steps, self.output_padding, None, ITEMSIZE)

    def output_shape(self, input_shape: Shape) -> Shape:
        """(N, out_channels, *out), in the layout; see `Layer.output_shape`."""
        return self._in_layout(self._geometry(input_shape).input_shape)

    def _unusual(self) -> dict[str, tuple[Any, Any]]:
        return {**super()._unusual(), "output_padding": (self.output_padding, (0,) * self.rank)}


class ConvTranspose2d(_ConvTranspose):
    """Transposed convolution over planes, see `fastconv.conv_transpose2d`: it makes them larger.

    ``(N, in_channels, H, W) -> (N, out_channels, OH, OW)``

    Parameters
    ----------
    in_channels, out_channels : int
        Channels of the input and of the output.
    kernel_size, stride, dilation : int or sequence of two ints
        Per axis, height first.
    padding : int, sequence of two ints, sequence of two (before, after) pairs, "valid", "same" or "same_lower"
        Cells cut off the output; with "same" the output is `stride` times as large as the input.
    output_padding : int or sequence of two ints
        Cells added at the end of each axis; smaller than the stride or the dilation.
    groups : int
        Groups of channels that do not see each other.
    bias : bool
        Whether to add a bias, zero at first.
    layout, dtype, rng, weight_init, backend, exact
        As for `Conv2d`.

    Attributes
    ----------
    weight : Parameter, shape (in_channels, out_channels // groups, KH, KW)
        The filters, input channels first, as in PyTorch.
    bias : Parameter, shape (out_channels,), or None
        The bias.

    Examples
    --------
    >>> layer = ConvTranspose2d(8, 3, (3, 4), stride=2, padding="same", rng=0)
    >>> layer.output_shape((4, 8, 5, 6))
    (4, 3, 10, 12)
    """

    rank = 2


class ConvTranspose1d(_ConvTranspose):
    """Transposed convolution over sequences, see `fastconv.conv_transpose1d`.

    ``(N, in_channels, W) -> (N, out_channels, OW)``

    Arguments as for `ConvTranspose2d`, with one axis; `layout` is "NCW" or "NWC".

    Examples
    --------
    >>> ConvTranspose1d(8, 3, 4, stride=2, padding=1, rng=0).output_shape((2, 8, 5))
    (2, 3, 10)
    """

    rank = 1


class ConvTranspose3d(_ConvTranspose):
    """Transposed convolution over volumes, see `fastconv.conv_transpose3d`.

    ``(N, in_channels, D, H, W) -> (N, out_channels, OD, OH, OW)``

    Arguments as for `ConvTranspose2d`, with three axes, depth first; `layout` is "NCDHW" or "NDHWC".

    Examples
    --------
    >>> ConvTranspose3d(8, 3, 2, stride=2, rng=0).output_shape((2, 8, 2, 3, 4))
    (2, 3, 4, 6, 8)
    """

    rank = 3

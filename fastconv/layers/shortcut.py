"""The shortcut of a residual network that changes sizes without parameters."""

from __future__ import annotations

from fastconv.errors import InvalidValueError
from fastconv.functional.copies import memory_order, placed
from fastconv.layers.arguments import check_input_shape
from fastconv.layers.base import Shape
from fastconv.layers.operation import SpatialLayer
from fastconv.validation.arrays import Array, check_array, check_layout
from fastconv.validation.memory import check_fits
from fastconv.validation.sizes import check_integer, check_sizes
from fastconv.validation.types import ArrayLike, Layout, Size


class SubsampleShortcut(SpatialLayer):
    """Take every second cell and add channels of zeros: the shortcut that a residual network has for nothing.

    ``(N, in_channels, H, W) -> (N, out_channels, ceil(H / sh), ceil(W / sw))``

    Parameters
    ----------
    in_channels, out_channels : int
        Channels before and after; half of the new ones come before the old ones, the odd one after.
    stride : int or sequence of two ints
        Cells between those that are taken, height first.
    layout : {"NCHW", "NHWC"}
        Order of the axes of input and output.

    Raises
    ------
    ValueError
        If a size is not positive, or channels would get fewer.
    TypeError
        If an argument has the wrong type.

    Notes
    -----
    Option A of He, Zhang, Ren and Sun (2016), "Deep Residual Learning for Image Recognition", sections 3.3 and 4.2; the
    paper does not say where the zeros go, half on either side is what its reproductions do.

    Examples
    --------
    >>> import numpy as np
    >>> SubsampleShortcut(1, 3)(np.arange(12.0).reshape(1, 1, 3, 4))[0, :, :, 1]
    array([[ 0.,  0.],
           [ 2., 10.],
           [ 0.,  0.]])
    """

    rank = 2

    def __init__(self, in_channels: int, out_channels: int, stride: Size = 2, *, layout: Layout = "NCHW") -> None:
        super().__init__()
        name = "SubsampleShortcut"
        self.in_channels = check_integer(name, "in_channels", in_channels, 1)
        self.out_channels = check_integer(name, "out_channels", out_channels, 1)
        if self.out_channels < self.in_channels:
            raise InvalidValueError(
                f"{name}: out_channels must be at least in_channels, but got out_channels={out_channels} with "
                f"in_channels={in_channels}."
            )
        self.stride = check_sizes(name, "stride", stride, 2, 1)
        check_layout(name, layout, 2)
        self.layout = layout

    def _taken(self) -> tuple[slice, ...]:
        """Cells of the input that are taken."""
        steps = dict(zip("HW", self.stride))
        return tuple(slice(None, None, steps.get(letter)) for letter in self.layout)

    def _given(self) -> tuple[slice, ...]:
        """Channels of the output that they go to."""
        first = (self.out_channels - self.in_channels) // 2
        channels = slice(first, first + self.in_channels)
        return tuple(channels if letter == "C" else slice(None) for letter in self.layout)

    def forward(self, x: ArrayLike) -> Array:
        """Return some cells of `x` between channels of zeros; see `Layer.forward`."""
        x = check_array("SubsampleShortcut", "x", x)
        shape = self.output_shape(x.shape)
        y = placed("SubsampleShortcut", x[self._taken()], shape, self._given(), memory_order(x))
        self._keep(x.shape)
        return y

    def backward(self, dy: ArrayLike, *, input_gradient: bool = True) -> Array | None:
        """Return the gradient, zero where no cell was taken; see `Layer.backward`."""
        (shape,) = self._kept()
        dy = self._check_dy(dy, self.output_shape(shape))
        if not input_gradient:
            return None
        return placed("SubsampleShortcut", dy[self._given()], shape, self._taken(), memory_order(dy))

    def output_shape(self, input_shape: Shape) -> Shape:
        """(N, out_channels, ceil(H / sh), ceil(W / sw)), in the layout; see `Layer.output_shape`."""
        shape = check_input_shape("SubsampleShortcut", input_shape, self.layout)
        sizes = dict(zip(self.layout, shape))
        if sizes["C"] != self.in_channels:
            raise InvalidValueError(
                f"SubsampleShortcut: the input must have {self.in_channels} channels, but got {sizes['C']} "
                f"(shape {shape})."
            )
        sizes["C"] = self.out_channels
        for letter, step in zip("HW", self.stride):
            sizes[letter] = -(-sizes[letter] // step)
        out = tuple(sizes[letter] for letter in self.layout)
        check_fits("SubsampleShortcut", "the output", out, 1)
        return out

    def extra_repr(self) -> str:
        """See `Layer.extra_repr`."""
        return f"{self.in_channels}, {self.out_channels}, stride={self.stride}{self._layout_repr()}"

"""Layers that a training step does in one pass over memory, with the bits that they have one by one."""

from __future__ import annotations

from fastconv.layers import Layer
from fastconv.layers.base import Shape
from fastconv.layers.elementwise import Elementwise
from fastconv.programs.endings import Conv, conv_with_ending
from fastconv.validation.arrays import Array, check_array
from fastconv.validation.types import ArrayLike


class ConvAndActivation(Layer):
    """A convolution that takes a ReLU or ReLU6 in its tiles; backward, the two are done one after the other.

    Parameters
    ----------
    conv, activation : Layer
        What `fastconv.programs.endings.ends` says of the convolution must be true.
    """

    def __init__(self, conv: Conv, activation: Elementwise) -> None:
        super().__init__()
        self.conv, self.activation = conv, activation

    def forward(self, x: ArrayLike) -> Array:
        """See `Layer.forward`."""
        x = check_array("ConvAndActivation", "x", x)
        y = conv_with_ending(self.conv, self.activation, None, x)
        self.conv._keep(x)
        self.activation._keep(y)
        return y

    def backward(self, dy: ArrayLike, *, input_gradient: bool = True) -> Array | None:
        """See `Layer.backward`."""
        gradient = self.activation.backward(dy)
        assert gradient is not None
        return self.conv.backward(gradient, input_gradient=input_gradient)

    def output_shape(self, input_shape: Shape) -> Shape:
        """See `Layer.output_shape`."""
        return self.conv.output_shape(input_shape)

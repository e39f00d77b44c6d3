"""Layers that a training step does in one pass over memory, with the bits that they have one by one."""

from __future__ import annotations

from collections.abc import Sequence

from fastconv.layers import Layer, MaxPool1d, MaxPool2d, MaxPool3d, ReLU, ReLU6
from fastconv.layers.base import Shape
from fastconv.layers.elementwise import Elementwise
from fastconv.programs.endings import RELUS, Ended, conv_with_ending, ends
from fastconv.programs.normalizing import BatchNorm, normalized, normalized_backward, normalizes
from fastconv.validation.arrays import Array


class Activated(Layer):
    """A convolution or linear layer that takes an activation in its tiles, and a max pooling after it.

    The largest number of a window is what the pooling returns, so that a ReLU lets the gradient of one pass where it
    lets that of the other: backward, it masks the gradient of the pooling, of which there is less.

    Parameters
    ----------
    layer, activation, pool : Layer
        What `fused` found.
    """

    def __init__(self, layer: Ended, activation: Elementwise, pool: Layer | None = None) -> None:
        super().__init__()
        self.layer, self.activation, self.pool = layer, activation, pool

    def forward(self, x: Array) -> Array:  # type: ignore[override]
        """See `Layer.forward`."""
        y = conv_with_ending(self.layer, self.activation, None, x)
        self.layer._keep(x)
        y = y if self.pool is None else self.pool.forward(y)
        self.activation._keep(y)
        return y

    def backward(self, dy: Array, *, input_gradient: bool = True) -> Array | None:  # type: ignore[override]
        """See `Layer.backward`."""
        gradient = self.activation.backward(dy)
        assert gradient is not None
        if self.pool is not None:
            gradient = self.pool.backward(gradient)
            assert gradient is not None
        return self.layer.backward(gradient, input_gradient=input_gradient)

    def output_shape(self, input_shape: Shape) -> Shape:
        """See `Layer.output_shape`."""
        shape = self.layer.output_shape(input_shape)
        return shape if self.pool is None else self.pool.output_shape(shape)


class Normalized(Layer):
    """Batch normalisation with what follows it, a sum with another array and a ReLU, in its passes.

    Parameters
    ----------
    norm, activation : Layer
        What `fused` or `normalizes` found.
    """

    def __init__(self, norm: BatchNorm, activation: Layer | None) -> None:
        super().__init__()
        self.norm, self.activation, self._added = norm, activation, False

    def forward(self, x: Array, other: Array | None = None) -> Array:  # type: ignore[override]
        """See `Layer.forward`."""
        self._added = other is not None
        return normalized(self.norm, self.activation, x, other)

    def backward(  # type: ignore[override]
        self, dy: Array, *, input_gradient: bool = True
    ) -> Array | tuple[Array | None, Array | None] | None:
        """See `Layer.backward`; with the gradient of what was added, too."""
        added = self._added
        gradients = normalized_backward(self.norm, self.activation, dy, shared=added, input_gradient=input_gradient)
        return gradients if added else gradients[0]

    def output_shape(self, input_shape: Shape) -> Shape:
        """See `Layer.output_shape`."""
        return self.norm.output_shape(input_shape)


def fused(layer: Layer, following: Sequence[Layer], x: Array) -> tuple[Layer, int] | None:
    """A layer and some of those that follow it in one, for an input, and how many these are; None if it is alone."""
    if not following:
        return None
    after, *others = following
    if type(after) in RELUS and isinstance(after, Elementwise) and after.keeps_output and ends(layer, x):
        if others and type(after) in (ReLU, ReLU6) and _is_max_pool(others[0]):
            return Activated(layer, after, others[0]), 2
        return Activated(layer, after), 1
    return (Normalized(layer, after), 1) if normalizes(layer, after, x) else None


def _is_max_pool(layer: Layer) -> bool:
    return type(layer) in (MaxPool1d, MaxPool2d, MaxPool3d) and not {"forward", "backward"} & vars(layer).keys()

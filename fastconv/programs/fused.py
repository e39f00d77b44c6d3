"""Layers that a training step does in one pass over memory, with the bits that they have one by one."""

from __future__ import annotations

from fastconv.layers import Layer
from fastconv.layers.base import Shape
from fastconv.layers.elementwise import Elementwise
from fastconv.programs.endings import RELUS, Ended, conv_with_ending, ends
from fastconv.programs.normalizing import BatchNorm, normalized, normalized_backward, normalizes
from fastconv.validation.arrays import Array


class Activated(Layer):
    """A convolution or linear layer that takes an activation in its tiles; backward, one comes after the other.

    Parameters
    ----------
    layer, activation : Layer
        What `fused` found.
    """

    def __init__(self, layer: Ended, activation: Elementwise) -> None:
        super().__init__()
        self.layer, self.activation = layer, activation

    def forward(self, x: Array) -> Array:  # type: ignore[override]
        """See `Layer.forward`."""
        y = conv_with_ending(self.layer, self.activation, None, x)
        self.layer._keep(x)
        self.activation._keep(y)
        return y

    def backward(self, dy: Array, *, input_gradient: bool = True) -> Array | None:  # type: ignore[override]
        """See `Layer.backward`."""
        gradient = self.activation.backward(dy)
        assert gradient is not None
        return self.layer.backward(gradient, input_gradient=input_gradient)

    def output_shape(self, input_shape: Shape) -> Shape:
        """See `Layer.output_shape`."""
        return self.layer.output_shape(input_shape)


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


def fused(layer: Layer, after: Layer | None, x: Array) -> Layer | None:
    """A layer and the one after it in one, for an input, or None if they are two."""
    if after is None:
        return None
    if type(after) in RELUS and isinstance(after, Elementwise) and after.keeps_output and ends(layer, x):
        return Activated(layer, after)
    return Normalized(layer, after) if normalizes(layer, after, x) else None

"""The bias that is not shared by the positions of a plane."""

from __future__ import annotations

from typing import Any

from fastconv.errors import InvalidValueError
from fastconv.layers import Layer, Parameter
from fastconv.layers.base import Shape
from fastconv.validation.arrays import Array, check_array


class PositionBias(Layer):
    """Add a number of its own to every output.

    ``(N, F, OH, OW) -> (N, F, OH, OW)``

    Parameters
    ----------
    values : ndarray, shape (F, OH, OW)
        The bias at first; the images have to have this size.

    Attributes
    ----------
    bias : Parameter, shape (F, OH, OW)
        The bias.

    Examples
    --------
    >>> import numpy as np
    >>> PositionBias(np.array([[[1.0, 2.0]]]))(np.array([[[[10.0, 10.0]]]]))
    array([[[[11., 12.]]]])
    """

    def __init__(self, values: Array) -> None:
        super().__init__()
        self.bias = Parameter(values)

    def forward(self, x: Any) -> Array:
        """Add the bias; see `Layer.forward`."""
        x = check_array("PositionBias", "x", x)
        shape = self.output_shape(x.shape)
        self._keep(shape)
        y: Array = x + self.bias.data
        return y

    def backward(self, dy: Any, *, input_gradient: bool = True) -> Array | None:
        """Add the sum over the images to the gradient of the bias, return `dy`; see `Layer.backward`."""
        (shape,) = self._kept()
        dy = self._check_dy(dy, shape)
        if self.bias.requires_grad:
            self.bias.accumulate(dy.sum(axis=0))
        return dy if input_gradient else None

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape of the input, which has to be that of the bias; see `Layer.output_shape`."""
        shape = tuple(input_shape)
        if shape[1:] != self.bias.shape:
            raise InvalidValueError(
                f"PositionBias: images must have the size that the bias was made for, {self.bias.shape}, but got "
                f"{shape[1:]}. With shared_biases=True any size will do."
            )
        return shape

"""ReLU with a slope that is learnt."""

from __future__ import annotations

from math import prod

import numpy as np
from numpy.typing import DTypeLike

from fastconv.backends import use_backend
from fastconv.errors import InvalidValueError
from fastconv.functional.prelu import prelu, prelu_backward
from fastconv.layers.base import Layer, Shape
from fastconv.layers.parameter import Parameter
from fastconv.validation.arrays import Array, check_array, check_dtype
from fastconv.validation.memory import check_fits
from fastconv.validation.sizes import check_any_shape, check_axis, check_integer, check_number
from fastconv.validation.types import ArrayLike


class PReLU(Layer):
    """`x` where it is positive, ``weight * x`` elsewhere; see `fastconv.prelu`.

    Parameters
    ----------
    num_parameters : int
        1, or the number of channels for a slope each.
    init : float
        The slopes at first.
    axis : int
        Axis of the channels: -1 for channels-last input.
    dtype : dtype
        Of the slopes: float16, float32 or float64.

    Attributes
    ----------
    weight : Parameter, shape (num_parameters,)
        The slopes.

    Examples
    --------
    >>> import numpy as np
    >>> layer = PReLU(2)
    >>> layer(np.array([[-2.0, 3.0]], np.float32))
    array([[-0.5,  3. ]], dtype=float32)
    >>> layer.backward(np.ones((1, 2), np.float32))
    array([[0.25, 1.  ]], dtype=float32)
    >>> layer.weight.grad
    array([-2.,  0.], dtype=float32)
    """

    keeps_input = True

    def __init__(
        self, num_parameters: int = 1, init: float = 0.25, *, axis: int = 1, dtype: DTypeLike = np.float32
    ) -> None:
        super().__init__()
        self.num_parameters = check_integer("PReLU", "num_parameters", num_parameters, 1)
        self.axis = check_integer("PReLU", "axis", axis, -(2**63))
        slope = check_number("PReLU", "init", init)
        kind = check_dtype("PReLU", dtype)
        check_fits("PReLU", "the weights", (self.num_parameters,), kind.itemsize)
        self.weight = Parameter(np.full(self.num_parameters, slope, kind))

    def forward(self, x: ArrayLike) -> Array:
        """Apply the function; see `Layer.forward`."""
        x = check_array("PReLU", "x", x)
        self.output_shape(x.shape)
        y = prelu(x, self.weight.data, axis=self.axis)
        self._keep(x)
        return y

    def backward(self, dy: ArrayLike, *, input_gradient: bool = True) -> Array | None:
        """Add the gradient of the slopes, return that of the input; see `Layer.backward`."""
        (x,) = self._kept()
        dy = self._check_dy(dy, x.shape)
        with use_backend(self._kept_backend()):
            gradients = prelu_backward(dy, x, self.weight.data, axis=self.axis)
        if self.weight.requires_grad:
            self.weight.accumulate(gradients.dweight)
        return gradients.dx if input_gradient else None

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape of the input, which must have as many channels as slopes; see `Layer.output_shape`."""
        shape = check_any_shape(type(self).__name__, "input_shape", input_shape)
        if self.num_parameters > 1:
            channels = shape[check_axis("PReLU", "axis", self.axis, shape)]
            if channels != self.num_parameters:
                raise InvalidValueError(
                    f"PReLU: the input must have num_parameters={self.num_parameters} channels on axis {self.axis}, "
                    f"but got {channels} (shape {shape})."
                )
        return shape

    def flops(self, input_shape: Shape) -> int:
        """Count a comparison and a multiplication per number."""
        return 2 * prod(input_shape)

    def scratch_bytes(self, input_shape: Shape, itemsize: int) -> int:
        """What every number contributes to the gradient of the slopes, and a mask."""
        return (max(itemsize, 4) + 1) * prod(input_shape) + self.forward_scratch_bytes(input_shape, itemsize)

    def forward_scratch_bytes(self, input_shape: Shape, itemsize: int) -> int:
        """Nothing, but for float16: what is read and what is written, in float32."""
        return 12 * prod(input_shape) if itemsize == 2 else 0

    def extra_repr(self) -> str:
        """See `Layer.extra_repr`."""
        return f"num_parameters={self.num_parameters}" + ("" if self.axis == 1 else f", axis={self.axis}")

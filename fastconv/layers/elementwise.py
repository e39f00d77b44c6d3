"""What layers share that apply one function to every number."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any, ClassVar

from fastconv.backends import use_backend
from fastconv.layers.base import Shape
from fastconv.layers.operation import OperationLayer
from fastconv.validation.arrays import Array, check_array
from fastconv.validation.sizes import check_any_shape
from fastconv.validation.types import ArrayLike


class Elementwise(OperationLayer):
    """A layer whose output has the shape of its input.

    A subclass names the operation and its gradient, the constructor arguments that both take (which are attributes,
    too, and what `repr` shows), and how many operations a number takes: an exponential, a logarithm, tanh and erf count
    as one each, as additions and comparisons do. It keeps the output, or the input where the gradient is computed from
    that.
    """

    _backward: ClassVar[Callable[..., Array]]
    keeps_output = True
    arguments: ClassVar[tuple[str, ...]] = ()
    operations: int

    @property
    def _options(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.arguments}

    def forward(self, x: ArrayLike) -> Array:
        """Apply the function; see `Layer.forward`."""
        x = check_array(type(self).__name__, "x", x)
        y = self._forward(x, **self._options)
        self._keep(y if self.keeps_output else x)
        return y

    def backward(self, dy: ArrayLike, *, input_gradient: bool = True) -> Array | None:
        """Return the gradient of the input; see `Layer.backward`."""
        (value,) = self._kept()
        dy = self._check_dy(dy, value.shape)
        if not input_gradient:
            return None
        with use_backend(self._kept_backend()):
            return self._backward(dy, value, **self._options)

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape of the input; see `Layer.output_shape`."""
        return check_any_shape(type(self).__name__, "input_shape", input_shape)

    def flops(self, input_shape: Shape) -> int:
        """Operations per number, times numbers."""
        return self.operations * prod(input_shape)

    def scratch_bytes(self, input_shape: Shape, itemsize: int) -> int:
        """Nothing, but for float16: what is read and what is written, in float32."""
        return 3 * 4 * prod(input_shape) if itemsize == 2 else 0

    def extra_repr(self) -> str:
        """See `Layer.extra_repr`."""
        return ", ".join(f"{name}={getattr(self, name)!r}" for name in self.arguments)

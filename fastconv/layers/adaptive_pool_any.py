"""What the layers of adaptive and global pooling have in common, whatever their rank."""

from __future__ import annotations

from math import prod
from typing import Any

from fastconv.layers.arguments import check_input_shape
from fastconv.layers.planes import MaximaLayer, PlanesLayer
from fastconv.layers.steps import Shape
from fastconv.validation.arrays import LAYOUTS, Array, check_array, layout_shape, logical_shape
from fastconv.validation.pooling import check_adaptive_size

__all__ = ["Adaptive", "AvgOfPlane", "Global", "MaxOfPlane"]


class _PlanePool(PlanesLayer):
    """Windows that divide up the whole plane; the subclasses name the operation."""

    def _out(self, size: Shape) -> Shape:
        """Output size of planes of that size."""
        return (1,) * self.rank

    def output_shape(self, input_shape: Shape) -> Shape:
        """(N, C, *output_size), in the layout; see `Layer.output_shape`."""
        shape = check_input_shape(type(self).__name__, input_shape, self.layout)
        n, c, *size = logical_shape(shape, channels_last=self._channels_last)
        return layout_shape((n, c, *self._out(tuple(size))), channels_last=self._channels_last)

    def flops(self, input_shape: Shape) -> int:
        """One operation for each element of the input; windows that overlap are counted once."""
        return prod(input_shape)

    def extra_repr(self) -> str:
        """See `Layer.extra_repr`."""
        layout = "" if self.layout == LAYOUTS[self.rank][0] else f"layout={self.layout!r}"
        return ", ".join(filter(None, (*map(repr, self._arguments), layout)))


class AvgOfPlane(_PlanePool):
    """Means."""

    def forward(self, x: Any) -> Array:
        """Return the means; see `Layer.forward`."""
        x = check_array(type(self).__name__, "x", x)
        operation = type(self)._forward
        y: Array = operation(x, *self._arguments, layout=self.layout, backend=self.backend)
        self._keep(x.shape)
        return y

    def backward(self, dy: Any, *, input_gradient: bool = True) -> Array | None:
        """Return the gradient, spread over the windows; see `Layer.backward`."""
        (input_shape,) = self._kept()
        dy = self._check_dy(dy, self.output_shape(input_shape))
        if not input_gradient:
            return None
        operation, backend = type(self)._backward, self.backend or self._kept_backend()
        return operation(dy, input_shape, layout=self.layout, backend=backend)


class MaxOfPlane(_PlanePool, MaximaLayer):
    """Maxima."""


class Adaptive(_PlanePool):
    """As many windows as asked for."""

    def __init__(self, output_size: Any, *, layout: str | None = None, backend: str | None = None) -> None:
        super().__init__(layout, backend)
        check_adaptive_size(type(self).__name__, output_size, (1,) * self.rank)
        self.output_size = output_size

    @property
    def _arguments(self) -> tuple[Any, ...]:
        return (self.output_size,)

    def _out(self, size: Shape) -> Shape:
        return check_adaptive_size(type(self).__name__, self.output_size, size)


class Global(_PlanePool):
    """One window."""

    def __init__(self, *, layout: str | None = None, backend: str | None = None) -> None:
        super().__init__(layout, backend)

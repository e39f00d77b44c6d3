"""What all layers of pooling have in common: planes in a layout, an operation by name, maxima that are remembered."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any, ClassVar

from fastconv.backends import check_backend_name
from fastconv.layers.base import Shape
from fastconv.layers.inference import remembers
from fastconv.layers.operation import OperationLayer, SpatialLayer
from fastconv.validation.arrays import Array, check_array
from fastconv.validation.types import ArrayLike

_INDEX_BYTES = 8


class PlanesLayer(SpatialLayer, OperationLayer):
    """A layer over batches of planes; the subclasses name the operation."""

    _backward: ClassVar[Callable[..., Array]]

    def __init__(self, layout: str | None, backend: str | None) -> None:
        super().__init__()
        self._set_layout(layout)
        self.backend = None if backend is None else check_backend_name(type(self).__name__, backend)

    @property
    def _arguments(self) -> tuple[Any, ...]:
        """What the operation takes after its input."""
        return ()

    @property
    def _options(self) -> dict[str, Any]:
        """What the operation takes by name."""
        return {"layout": self.layout}


class MeansLayer(PlanesLayer):
    """A layer of means, whose backward pass needs but the shape of the input, or of norms, which keeps the input."""

    def forward(self, x: ArrayLike) -> Array:
        """Return the mean or norm of every window; see `Layer.forward`."""
        x = check_array(type(self).__name__, "x", x)
        y = self._forward(x, *self._arguments, **self._options, backend=self.backend)
        self._keep(x if self.keeps_input else x.shape)
        return y

    def backward(self, dy: ArrayLike, *, input_gradient: bool = True) -> Array | None:
        """Return the gradient, spread over the windows; see `Layer.backward`."""
        (kept,) = self._kept()
        dy = self._check_dy(dy, self.output_shape(kept.shape if self.keeps_input else kept))
        if not input_gradient:
            return None
        backend = self.backend or self._kept_backend()
        return self._backward(dy, kept, *self._window, **self._options, backend=backend)

    @property
    def _window(self) -> tuple[Any, ...]:
        """What the gradient takes after the input or its shape, by default nothing."""
        return ()


class MaximaLayer(PlanesLayer):
    """A layer whose forward pass finds maxima, and whose backward pass needs to know where they were."""

    def forward(self, x: ArrayLike) -> Array:
        """Return the maxima and remember where they were; see `Layer.forward`."""
        x = check_array(type(self).__name__, "x", x)
        operation, options = type(self)._forward, {**self._options, "backend": self.backend}
        if not remembers():
            self._keep()
            return operation(x, *self._arguments, **options)
        y: Array
        y, indices = operation(x, *self._arguments, return_indices=True, **options)
        self._keep(indices, x.shape)
        return y

    def backward(self, dy: ArrayLike, *, input_gradient: bool = True) -> Array | None:
        """Return the gradient, sent to the cells that won; see `Layer.backward`."""
        indices, input_shape = self._kept()
        dy = self._check_dy(dy, indices.shape)
        if not input_gradient:
            return None
        backend = self.backend or self._kept_backend()
        return self._backward(dy, indices, input_shape, layout=self.layout, backend=backend)

    def kept_bytes(self, input_shape: Shape, itemsize: int) -> int:
        """Bytes of the index of every maximum."""
        return prod(self.output_shape(input_shape)) * _INDEX_BYTES

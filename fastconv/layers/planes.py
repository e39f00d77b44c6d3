"""What all layers of pooling have in common: planes in a layout, an operation by name, maxima that are remembered."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from math import prod
from typing import Any, ClassVar

from fastconv.backends import check_backend_name
from fastconv.backends.base import PoolGeometry
from fastconv.backends.geometry import place_bytes
from fastconv.functional.max_pool import Maxima
from fastconv.layers.base import Shape
from fastconv.layers.inference import remembers
from fastconv.layers.operation import OperationLayer, SpatialLayer
from fastconv.validation.arrays import Array, check_array
from fastconv.validation.types import ArrayLike, Layout


class PlanesLayer(SpatialLayer, OperationLayer):
    """A layer over batches of planes; the subclasses name the operation."""

    _backward: ClassVar[Callable[..., Array]]

    def __init__(self, layout: Layout | None, backend: str | None) -> None:
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
        if not remembers():
            self._keep()
            return type(self)._forward(x, *self._arguments, **self._options, backend=self.backend)
        y, maxima = self._maxima(x)
        self._keep(maxima, x.shape)
        return y

    def backward(self, dy: ArrayLike, *, input_gradient: bool = True) -> Array | None:
        """Return the gradient, sent to the cells that won; see `Layer.backward`."""
        maxima, input_shape = self._kept()
        dy = self._check_dy(dy, self.output_shape(input_shape))
        return maxima.gradient(dy) if input_gradient else None

    @abstractmethod
    def _maxima(self, x: Array) -> tuple[Array, Maxima]:
        """Return the maxima, and where they were."""

    @abstractmethod
    def _geometry(self, input_shape: Shape) -> PoolGeometry:
        """Return the windows over an input of that shape."""

    def kept_bytes(self, input_shape: Shape, itemsize: int) -> int:
        """Bytes of the place of every maximum, on the backend of this layer, or else on the fast one."""
        geometry = self._geometry(input_shape)
        return prod(geometry.output_shape) * (place_bytes(geometry) if self.backend in (None, "fast") else 8)

"""What all layers of normalisation share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from math import prod
from typing import Any, ClassVar

import numpy as np

from fastconv.functional.call import ConvGradients
from fastconv.layers.base import Shape
from fastconv.layers.operation import OperationLayer
from fastconv.layers.parameter import Parameter
from fastconv.layers.weighted import WeightedLayer
from fastconv.validation.arrays import LAYOUTS, Array, check_array
from fastconv.validation.sizes import check_number
from fastconv.validation.types import ArrayLike

NORMALIZED_LAYOUTS = ("NC", *(layout for pair in LAYOUTS.values() for layout in pair))


class Normalization(WeightedLayer):
    """A layer that normalises, then scales with a weight and shifts by a bias, where it has them."""

    def __init__(self, eps: float, backend: str | None) -> None:
        self.eps = check_number(type(self).__name__, "eps", eps, least=0)
        super().__init__(backend)

    def _make(self, shape: Shape, kind: np.dtype[Any], *, weight: bool, bias: bool) -> None:
        self.weight = Parameter(np.ones(shape, kind)) if weight else None
        self.bias = Parameter(np.zeros(shape, kind)) if bias else None

    def _promoted(self, x: Array) -> Array:
        """Return `x` in the dtype of the result, so that its statistics have it too."""
        return x if self.weight is None else x.astype(np.result_type(x.dtype, self.weight.dtype), copy=False)

    @abstractmethod
    def _gradients(self, dy: ArrayLike, input_gradient: bool) -> ConvGradients:
        """Those of the last forward pass."""

    def backward(self, dy: ArrayLike, *, input_gradient: bool = True) -> Array | None:
        """Add the gradients of weight and bias, return that of the input; see `Layer.backward`."""
        return self._accumulate(self._gradients(dy, input_gradient))

    def flops(self, input_shape: Shape) -> int:
        """Per number: one for the mean, three for the variance, three to normalise with them."""
        return 7 * prod(input_shape)

    def scratch_bytes(self, input_shape: Shape, itemsize: int) -> int:
        """Nothing, but for float16: what is read and what is written, in float32."""
        return 3 * 4 * prod(input_shape) if itemsize == 2 else 0


class OwnStatistics(OperationLayer, Normalization):
    """A normalisation with the statistics of its own input; the subclasses name the operation and its arguments."""

    _statistics: ClassVar[Callable[..., tuple[Array, Array]]]
    _forward: ClassVar[Callable[..., Array]]
    _backward: ClassVar[Callable[..., ConvGradients]]
    _over: int | tuple[int, ...]  # what the operation takes after its input
    _options: dict[str, Any]  # and by name

    def forward(self, x: ArrayLike) -> Array:
        """Normalise `x`; see `Layer.forward`."""
        x = self._promoted(check_array(type(self).__name__, "x", x))
        self.output_shape(x.shape)
        options = {**self._options, "backend": self.backend}
        statistics = self._statistics(x, self._over, **options)
        tables = self._weight_data, self._bias_data
        y = self._forward(x, self._over, *tables, statistics=statistics, eps=self.eps, **options)
        self._keep(x, statistics)
        return y

    def _gradients(self, dy: ArrayLike, input_gradient: bool) -> ConvGradients:
        x, statistics = self._kept()
        return self._backward(
            self._check_dy(dy, x.shape),
            x,
            self._over,
            self._weight_data,
            statistics=statistics,
            eps=self.eps,
            needs=self._needs(input_gradient),
            backend=self.backend or self._kept_backend(),
            **self._options,
        )

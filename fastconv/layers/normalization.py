"""What all layers of normalisation share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from math import prod
from typing import Any, ClassVar

import numpy as np

from fastconv.errors import InvalidValueError
from fastconv.functional.call import ConvGradients
from fastconv.layers.arguments import check_input_shape
from fastconv.layers.base import Shape
from fastconv.layers.operation import OperationLayer
from fastconv.layers.parameter import Parameter
from fastconv.layers.weighted import WeightedLayer
from fastconv.validation.arrays import Array, check_array, layout_advice, logical_shape
from fastconv.validation.memory import check_fits
from fastconv.validation.sizes import check_number
from fastconv.validation.types import ArrayLike


class Normalization(WeightedLayer):
    """A layer that normalises, then scales with a weight and shifts by a bias, where it has them."""

    def __init__(self, eps: float, backend: str | None) -> None:
        self.eps = check_number(type(self).__name__, "eps", eps, least=0)
        super().__init__(backend)

    def _make(self, shape: Shape, kind: np.dtype[Any], *, weight: bool, bias: bool) -> None:
        check_fits(type(self).__name__, "the weights", shape, kind.itemsize)
        self.weight = Parameter(np.ones(shape, kind)) if weight else None
        self.bias = Parameter(np.zeros(shape, kind)) if bias else None

    def _promoted(self, x: Array) -> Array:
        """Return `x` in the dtype of the result, so that its statistics have it too."""
        return x if self.weight is None else x.astype(np.result_type(x.dtype, self.weight.dtype), copy=False)

    def _with_channels(self, shape: Shape, letters: str, channels: int, argument: str) -> Shape:
        """Return the shape of an input, whose axes and channels are checked."""
        name = type(self).__name__
        checked = check_input_shape(name, shape, letters)
        found = checked[letters.index("C")]
        if found != channels:
            logical = logical_shape(checked, channels_last=letters.endswith("C"))
            raise InvalidValueError(
                f"{name}: the input must have {channels} channels ({argument}), but got {found} (shape {checked}, "
                f"{letters}).{layout_advice(logical, channels)}"
            )
        return checked

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
    _backward: ClassVar[Callable[..., ConvGradients]]
    _over: int | Shape  # what the operation takes after its input
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
        dy, tables = self._check_dy(dy, x.shape), {"statistics": statistics, "eps": self.eps}
        options = {**tables, **self._options, **self._gradient_options(input_gradient)}
        return self._backward(dy, x, self._over, self._weight_data, **options)

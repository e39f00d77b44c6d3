"""What all layers of normalisation share."""

from __future__ import annotations

from abc import abstractmethod
from math import prod
from typing import Any

import numpy as np

from fastconv.backends import check_backend_name
from fastconv.functional.conv import ConvGradients
from fastconv.layers.base import Layer
from fastconv.layers.parameter import Parameter
from fastconv.layers.steps import Shape
from fastconv.validation.arrays import LAYOUTS, Array
from fastconv.validation.sizes import check_number

__all__ = ["NORMALIZED_LAYOUTS", "Normalization"]


NORMALIZED_LAYOUTS = ("NC", *(layout for pair in LAYOUTS.values() for layout in pair))


class Normalization(Layer):
    """A layer that normalises, then scales with a weight and shifts by a bias, where it has them."""

    keeps_input = True
    weight: Parameter | None
    bias: Parameter | None

    def __init__(self, eps: float, backend: str | None) -> None:
        super().__init__()
        name = type(self).__name__
        self.eps = check_number(name, "eps", eps, least=0)
        self.backend = None if backend is None else check_backend_name(name, backend)

    def _make(self, shape: Shape, kind: np.dtype[Any], *, weight: bool, bias: bool) -> None:
        self.weight = Parameter(np.ones(shape, kind)) if weight else None
        self.bias = Parameter(np.zeros(shape, kind)) if bias else None

    @property
    def _weight_data(self) -> Array | None:
        return None if self.weight is None else self.weight.data

    @property
    def _bias_data(self) -> Array | None:
        return None if self.bias is None else self.bias.data

    def _promoted(self, x: Array) -> Array:
        """Return `x` in the dtype of the result, so that its statistics have it too."""
        return x if self.weight is None else x.astype(np.result_type(x.dtype, self.weight.dtype), copy=False)

    def _needs(self, input_gradient: bool) -> tuple[str, ...]:
        """Names of the gradients that somebody will use."""
        needs = {
            "x": input_gradient,
            "weight": self.weight is not None and self.weight.requires_grad,
            "bias": self.bias is not None and self.bias.requires_grad,
        }
        return tuple(name for name, needed in needs.items() if needed)

    @abstractmethod
    def _gradients(self, dy: Any, input_gradient: bool) -> ConvGradients:
        """Those of the last forward pass."""

    def backward(self, dy: Any, *, input_gradient: bool = True) -> Array | None:
        """Add the gradients of weight and bias, return that of the input; see `Layer.backward`."""
        gradients = self._gradients(dy, input_gradient)
        if self.weight is not None and gradients.dweight is not None:
            self.weight.accumulate(gradients.dweight)
        if self.bias is not None and gradients.dbias is not None:
            self.bias.accumulate(gradients.dbias)
        return gradients.dx

    def flops(self, input_shape: Shape) -> int:
        """Per number: one for the mean, three for the variance, three to normalise with them."""
        return 7 * prod(input_shape)

    def scratch_bytes(self, input_shape: Shape, itemsize: int) -> int:
        """Nothing, but for float16: what is read and what is written, in float32."""
        return 3 * 4 * prod(input_shape) if itemsize == 2 else 0

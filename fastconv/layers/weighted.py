"""What layers with a weight and a bias share: drawing them, and collecting their gradients."""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike

from fastconv import initializers
from fastconv.backends import check_backend_name
from fastconv.functional.call import ConvGradients
from fastconv.layers.arguments import check_dtype, check_rng
from fastconv.layers.base import Layer
from fastconv.layers.parameter import Parameter
from fastconv.validation.arrays import Array
from fastconv.validation.sizes import check_flag
from fastconv.validation.types import Rng


class WeightedLayer(Layer):
    """A layer that may have a ``weight`` and a ``bias``; most always have the weight."""

    keeps_input = True
    weight: Parameter | None
    bias: Parameter | None

    def __init__(self, backend: str | None) -> None:
        super().__init__()
        self.backend = None if backend is None else check_backend_name(type(self).__name__, backend)

    def _draw(
        self,
        weight_shape: tuple[int, ...],
        outputs: int,
        bias: object,
        dtype: DTypeLike,
        rng: Rng,
        weight_init: str | initializers.Initializer,
    ) -> None:
        """Create the parameters; the bias starts at zero."""
        name = type(self).__name__
        kind, generator = check_dtype(name, dtype), check_rng(name, rng)
        draw = initializers.by_name(name, weight_init)
        self.weight = Parameter(draw(weight_shape, generator, kind), kind)
        self.bias = Parameter(np.zeros(outputs, kind)) if check_flag(name, "bias", bias) else None

    @property
    def _weight_data(self) -> Array | None:
        return None if self.weight is None else self.weight.data

    @property
    def _bias_data(self) -> Array | None:
        return None if self.bias is None else self.bias.data

    def _needs(self, input_gradient: bool) -> tuple[str, ...]:
        """Names of the gradients that somebody will use."""
        needs = {
            "x": input_gradient,
            "weight": self.weight is not None and self.weight.requires_grad,
            "bias": self.bias is not None and self.bias.requires_grad,
        }
        return tuple(name for name, needed in needs.items() if needed)

    def _accumulate(self, gradients: ConvGradients) -> Array | None:
        """Add the gradients to the parameters, and return that of the input."""
        if self.weight is not None and gradients.dweight is not None:
            self.weight.accumulate(gradients.dweight)
        if self.bias is not None and gradients.dbias is not None:
            self.bias.accumulate(gradients.dbias)
        return gradients.dx

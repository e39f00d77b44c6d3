"""What layers with a weight and a bias share: drawing them, and collecting their gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from fastconv.backends import check_backend_name
from fastconv.functional.call import ConvGradients
from fastconv.initializers import Initializer, by_name
from fastconv.layers.base import Layer
from fastconv.layers.parameter import Parameter
from fastconv.validation.arrays import Array, check_dtype
from fastconv.validation.memory import check_fits
from fastconv.validation.sizes import check_flag, check_rng
from fastconv.validation.types import Rng, Shape


class WeightedLayer(Layer):
    """A layer that may have a ``weight`` and a ``bias``; most always have the weight."""

    keeps_input = True
    weight: Parameter | None
    bias: Parameter | None

    def __init__(self, backend: str | None) -> None:
        super().__init__()
        self.backend = None if backend is None else check_backend_name(type(self).__name__, backend)

    def _draw(
        self, shape: Shape, outputs: int, bias: object, dtype: DTypeLike, rng: Rng, weight_init: str | Initializer
    ) -> None:
        """Create the parameters; the bias starts at zero."""
        name = type(self).__name__
        kind, generator = check_dtype(name, dtype), check_rng(name, rng)
        draw = by_name(name, weight_init)
        check_fits(name, "the weight", shape, kind.itemsize)
        self.weight = Parameter(draw(shape, generator, kind), kind)
        self.bias = Parameter(np.zeros(outputs, kind)) if check_flag(name, "bias", bias) else None

    @property
    def _weight_data(self) -> Array | None:
        return None if self.weight is None else self.weight.data

    @property
    def _bias_data(self) -> Array | None:
        return None if self.bias is None else self.bias.data

    def _needs(self, input_gradient: bool) -> tuple[str, ...]:
        """Names of the gradients that somebody will use."""
        parameters = {"weight": self.weight, "bias": self.bias}
        trained = [name for name, one in parameters.items() if one is not None and one.requires_grad]
        return ("x", *trained) if input_gradient else tuple(trained)

    def _gradient_options(self, input_gradient: bool) -> dict[str, Any]:
        """What the gradient of any operation takes by name, on the backend of the forward pass."""
        return {"needs": self._needs(input_gradient), "backend": self.backend or self._kept_backend()}

    def _accumulate(self, gradients: ConvGradients) -> Array | None:
        """Add the gradients to the parameters, and return that of the input."""
        for parameter, gradient in ((self.weight, gradients.dweight), (self.bias, gradients.dbias)):
            if parameter is not None and gradient is not None:
                parameter.accumulate(gradient)
        return gradients.dx

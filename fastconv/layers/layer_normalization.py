"""Layer normalisation."""

from __future__ import annotations

from math import prod

import numpy as np
from numpy.typing import DTypeLike

from fastconv.errors import InvalidValueError
from fastconv.functional.layer_normalization import check_normalized_shape, layer_norm_moments
from fastconv.layers.base import Shape
from fastconv.layers.normalization import OwnStatistics
from fastconv.validation.arrays import check_dtype
from fastconv.validation.sizes import check_any_shape, check_flag
from fastconv.validation.types import BackendName, Size


class LayerNorm(OwnStatistics):
    """Normalisation over the last axes, then a factor and a term for every element.

    ``(..., *normalized_shape) -> (..., *normalized_shape)``

    Parameters
    ----------
    normalized_shape : int or sequence of int
        Sizes of the last axes of the input.
    elementwise_affine : bool
        Whether there are a weight (ones at first) and a bias (zeros).
    bias : bool
        False leaves out the bias.
    eps, dtype, backend
        As for `BatchNorm2d`.

    Attributes
    ----------
    weight, bias : Parameter, shape `normalized_shape`, or None
        Factor and term of every element.

    Notes
    -----
    Ba, Kiros and Hinton 2016; see `fastconv.layer_norm`.

    Examples
    --------
    >>> LayerNorm((5, 6))
    LayerNorm((5, 6), eps=1e-05, elementwise_affine=True)
    """

    _operation = "layer_norm"
    _statistics = staticmethod(layer_norm_moments)

    def __init__(
        self,
        normalized_shape: Size,
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        *,
        dtype: DTypeLike = np.float32,
        backend: BackendName | None = None,
    ) -> None:
        super().__init__(eps, backend)
        name = "LayerNorm"
        self.normalized_shape = check_normalized_shape(name, normalized_shape)
        self.elementwise_affine = check_flag(name, "elementwise_affine", elementwise_affine)
        with_bias = check_flag(name, "bias", bias) and self.elementwise_affine
        self._over, self._options = self.normalized_shape, {}
        self._make(self.normalized_shape, check_dtype(name, dtype), weight=self.elementwise_affine, bias=with_bias)

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape of the input; see `Layer.output_shape`."""
        shape = check_any_shape(type(self).__name__, "input_shape", input_shape)
        if shape[max(0, len(shape) - len(self.normalized_shape)) :] != self.normalized_shape:
            raise InvalidValueError(
                f"LayerNorm: the input must end with the axes of normalized_shape, {self.normalized_shape}, but got "
                f"shape {shape}."
            )
        return shape

    def kept_bytes(self, input_shape: Shape, itemsize: int) -> int:
        """Mean and variance of every row."""
        return prod(input_shape) // prod(self.normalized_shape) * (max(itemsize, 4) + 8)

    def scratch_bytes(self, input_shape: Shape, itemsize: int) -> int:
        """In the backward pass, the normalised input or dy times the weight; for float16 copies in float32."""
        return prod(input_shape) * (max(itemsize, 4) + (3 * 4 if itemsize == 2 else 0))

    def extra_repr(self) -> str:
        """See `Layer.extra_repr`."""
        bias = ", bias=False" if self.elementwise_affine and self.bias is None else ""
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}{bias}"

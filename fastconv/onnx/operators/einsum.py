"""Sums of products by Einstein's convention."""

from __future__ import annotations

import numpy as np

from fastconv.errors import InvalidValueError
from fastconv.onnx.operators.arguments import widened
from fastconv.onnx.registry import operator
from fastconv.validation.arrays import Array


@operator("Einsum", since=12)
def einsum(*inputs: Array, equation: str) -> Array:
    """``numpy.einsum``, with products of matrices where it is made of such."""
    try:
        with np.errstate(all="ignore"):
            y = np.einsum(equation, *map(widened, inputs), optimize=True)
    except ValueError as error:
        shapes = " and ".join(str(one.shape) for one in inputs)
        raise InvalidValueError(
            f"Einsum: equation must fit the inputs, but got {equation!r} for shapes {shapes} ({error})."
        ) from error
    return np.asarray(y).astype(inputs[0].dtype, copy=False)

"""Sums of products by Einstein's convention."""

from __future__ import annotations

import numpy as np

from fastconv.errors import InvalidValueError, shown
from fastconv.onnx.operators.arguments import widened
from fastconv.onnx.registry import operator
from fastconv.validation.arrays import Array
from fastconv.validation.memory import check_fits


@operator("Einsum", since=12)
def einsum(*inputs: Array, equation: str) -> Array:
    """``numpy.einsum``, with products of matrices where it is made of such."""
    check_fits("Einsum", "the result", _sizes(equation, inputs), inputs[0].itemsize)
    try:
        with np.errstate(all="ignore"):
            y = np.einsum(equation, *map(widened, inputs), optimize=True)
    except ValueError as error:
        shapes = " and ".join(str(one.shape) for one in inputs)
        raise InvalidValueError(
            f"Einsum: equation must fit the inputs, but got {shown(equation)} for shapes {shapes} ({error})."
        ) from None
    return np.asarray(y).astype(inputs[0].dtype, copy=False)


def _sizes(equation: str, inputs: tuple[Array, ...]) -> tuple[int, ...]:
    """Sizes of the result along the axes that have letters."""
    terms, arrow, letters = equation.replace(" ", "").partition("->")
    if not arrow:
        letters = "".join(letter for letter in terms if terms.count(letter) == 1)
    sizes: dict[str, int] = {}
    for term, array in zip(terms.split(","), inputs):
        first, _, last = term.partition("...")
        sizes.update(zip(first, array.shape))
        sizes.update(zip(reversed(last), reversed(array.shape)))
    return tuple(sizes[letter] for letter in letters if letter in sizes)

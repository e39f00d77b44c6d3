"""What the constructors of several layers check."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv.errors import InvalidTypeError, InvalidValueError, meant
from fastconv.validation.arrays import LAYOUTS
from fastconv.validation.sizes import check_shape_argument
from fastconv.validation.types import Shape

ANY_LAYOUT = tuple(layout for pair in LAYOUTS.values() for layout in pair)
_FLOATS = (np.dtype(np.float16), np.dtype(np.float32), np.dtype(np.float64))


def check_dtype(layer: str, value: Any) -> np.dtype[Any]:
    """Return the dtype of the parameters of a layer."""
    try:
        dtype: np.dtype[Any] | None = None if value is None else np.dtype(value)
    except TypeError:
        dtype = None
    if dtype is None or dtype not in _FLOATS:  # None == float64 for NumPy
        hint = meant(value, tuple(each.name for each in _FLOATS))
        raise InvalidTypeError(f"{layer}: dtype must be float16, float32 or float64, but got {value!r}.{hint}")
    return dtype


def check_rng(layer: str, value: object) -> np.random.Generator:
    """Return a generator, from one, from a seed, or (None) from fresh entropy."""
    if isinstance(value, np.random.Generator):
        return value
    try:
        return np.random.default_rng(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise InvalidTypeError(
            f"{layer}: rng must be a numpy.random.Generator, a non-negative seed or None, but got {value!r}."
        ) from None


def check_input_shape(layer: str, value: object, letters: str) -> Shape:
    """Return an input shape with one integer per axis of `letters`, none empty but the batch."""
    shape = check_shape_argument(f"{layer}.output_shape", "input_shape", value, letters)
    for letter, size in zip(letters, shape):
        if size == 0 and letter != "N":
            raise InvalidValueError(
                f"{layer}.output_shape: axis {letter} of input_shape must not be empty, but got {shape}."
            )
    return shape


def letters_of(shape: Shape, layout: str | None) -> str:
    """Names of the axes of an input of any rank; by default, channels come second."""
    return layout or LAYOUTS.get(len(shape) - 2, LAYOUTS[2])[0]

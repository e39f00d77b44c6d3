"""What the constructors of several layers check."""

from __future__ import annotations

from fastconv.errors import InvalidValueError
from fastconv.validation.arrays import LAYOUTS
from fastconv.validation.sizes import check_shape_argument
from fastconv.validation.types import Shape

ANY_LAYOUT = tuple(layout for pair in LAYOUTS.values() for layout in pair)


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

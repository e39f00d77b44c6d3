"""What the layers share: images and sensitivities of the right shape, and where results are kept."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv.errors import InvalidValueError
from fastconv.validation.arrays import Array, check_array

Plane = tuple[int, int, int]


def as_images(operation: str, name: str, value: Any, plane: Plane) -> Array:
    """Return float64 images (N, depth, height, width): one image, a batch, or one plane where the depth is 1."""
    array = check_array(operation, name, value)
    if array.shape == plane or (plane[0] == 1 and array.shape == plane[1:]):
        array = array.reshape(1, *plane)
    elif array.ndim != 4 or array.shape[1:] != plane:
        swapped = array.shape[-2:] == (plane[2], plane[1]) and plane[1] != plane[2]
        hint = " The constructor takes widths before heights." if swapped else ""
        raise InvalidValueError(
            f"{operation}: {name} must have shape {plane} (depth, height, width), or a batch axis before it, but got "
            f"{array.shape}.{hint}"
        )
    return array.astype(np.float64, copy=False)


def as_sensitivities(operation: str, value: Any, plane: Plane, batch: int) -> Array:
    """(N, depth, height, width) of the sensitivities, as many images as the input has."""
    sensitivities = as_images(operation, "sensitivity_array", value, plane)
    if len(sensitivities) != batch:
        raise InvalidValueError(
            f"{operation}: sensitivity_array must have as many images as input_array, {batch}, but got "
            f"{len(sensitivities)}."
        )
    return sensitivities


def stored(current: Array, value: Array) -> Array:
    """Write a result into the array that held the last one, or return a new one where the shape has changed."""
    if current.shape != value.shape:
        return np.array(value, order="C")
    current[...] = value
    return current

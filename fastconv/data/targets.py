"""What a network is to say of each input: the number of a class, or numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastconv.errors import InvalidTypeError, InvalidValueError
from fastconv.validation.arrays import Array, check_array

_MOST_CLASSES = 2**16  # without names: a damaged label would make as many


def check_targets(targets: object, count: int) -> Array:
    """Return targets, (N, ...), one for each input: classes as int64, numbers as float32."""
    array = check_array("Dataset", "labels", targets)
    if array.dtype.kind not in "iuf":
        raise InvalidTypeError(
            f"Dataset: labels must have an integer dtype (classes) or a floating one (numbers), but got {array.dtype}."
        )
    if array.shape[:1] != (count,):
        raise InvalidValueError(
            f"Dataset: labels must have shape ({count},) or ({count}, ...) (one for each image), but got {array.shape}."
        )
    return array.astype(np.float32 if array.dtype.kind == "f" else np.int64, copy=False)


def numbered_classes(*labels: NDArray[Any]) -> tuple[str, ...]:
    """Return the names "0", "1", ... up to the largest label."""
    largest = max((int(each.max()) for each in labels if each.size), default=-1)
    if largest >= _MOST_CLASSES:
        raise InvalidValueError(
            f"Dataset: labels must be below {_MOST_CLASSES} (numbers of classes), but got {largest}. Number the "
            "classes from 0, or name them all; numbers that are no classes have a floating dtype."
        )
    return tuple(map(str, range(largest + 1)))


def check_range(labels: Array, classes: tuple[str, ...]) -> None:
    """Refuse labels that are none of the classes."""
    wrong = np.argwhere((labels < 0) | (labels >= len(classes)))
    if wrong.size:
        place = tuple(map(int, wrong[0]))
        raise InvalidValueError(
            f"Dataset: labels must be between 0 and {len(classes) - 1} ({len(classes)} classes), but got "
            f"{labels[place]} at position {place[0] if len(place) == 1 else place}."
        )

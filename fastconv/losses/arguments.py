"""What losses check, and how they divide."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastconv.errors import InvalidTypeError, InvalidValueError
from fastconv.functional.call import as_computed
from fastconv.validation.arrays import Array, check_array, check_shape, common_dtype
from fastconv.validation.sizes import check_choice
from fastconv.validation.types import Shape


def check_scores(operation: str, scores: Any) -> tuple[Array, np.dtype[Any]]:
    """Return scores, (N, K, ...), in the dtype of the computation, and the dtype of the gradient."""
    scores = check_array(operation, "scores", scores)
    if scores.ndim < 2:
        raise InvalidValueError(
            f"{operation}: scores must have at least 2 axes, (N, K, ...), but got {scores.ndim} (shape {scores.shape})."
        )
    if 0 in scores.shape[1:]:
        raise InvalidValueError(
            f"{operation}: scores must not have an empty axis but the batch, but got shape {scores.shape}."
        )
    dtype = common_dtype(operation, scores)
    return as_computed(scores, dtype), dtype


def check_labels(operation: str, labels: Any, scores: Shape) -> NDArray[np.intp]:
    """Return the class of every row of scores, (N, ...)."""
    array = check_array(operation, "labels", labels)
    check_shape(operation, "labels", array.shape, (scores[0], *scores[2:]), f"one per row of scores, {scores}")
    if array.dtype.kind not in "iu" and array.size:
        raise InvalidTypeError(
            f"{operation}: labels must be integers, but got {array.dtype} (shape {array.shape}). Convert them first, "
            "for example with .astype(np.int64)."
        )
    wrong = (array < 0) | (array >= scores[1])
    if wrong.any():
        position = tuple(int(i) for i in np.unravel_index(int(wrong.argmax()), array.shape))
        where = f"row {position[0]}" if len(position) == 1 else f"position {position}"
        raise InvalidValueError(
            f"{operation}: labels must be at least 0 and less than {scores[1]}, the number of classes, but got "
            f"{array[position]} at {where} (scores shape {scores})."
        )
    return array.astype(np.intp, copy=False)


def check_class_weight(operation: str, weight: Any, classes: int, dtype: np.dtype[Any]) -> Array | None:
    """Return one weight per class in the dtype of the computation; None are equal weights."""
    if weight is None:
        return None
    array = check_array(operation, "weight", weight)
    check_shape(operation, "weight", array.shape, (classes,), "one per class")
    return array.astype(dtype, copy=False)


def check_reduction(operation: str, reduction: object) -> bool:
    """Whether the sum is to be divided by the number of its terms."""
    return check_choice(operation, "reduction", reduction, ("mean", "sum")) == "mean"


def check_pair(operation: str, name: str, value: Any, target: Any) -> tuple[Array, Array, np.dtype[Any]]:
    """Return a prediction and its target, of one shape, in the dtype that the computation has for the prediction."""
    value, target = check_array(operation, name, value), check_array(operation, "target", target)
    check_shape(operation, "target", target.shape, value.shape, f"that of {name}")
    dtype = common_dtype(operation, value)
    value = as_computed(value, dtype)
    return value, target.astype(value.dtype, copy=False), dtype

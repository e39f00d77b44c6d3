"""What optimisers keep, in numbers per trainable parameter."""

from __future__ import annotations

from collections.abc import Iterable
from math import prod

from fastconv.errors import InvalidTypeError, InvalidValueError

__all__ = ["STATE_PER_PARAMETER", "check_optimizer", "scratch_numbers"]

STATE_PER_PARAMETER = {
    "sgd": 0,
    "momentum": 1,  # the velocity
    "rmsprop": 1,  # the mean square
    "adam": 2,  # both moments
    "adamw": 2,
}
_BLOCK = 2**14  # numbers that are updated at a time, see `fastconv.optim.base`


def check_optimizer(operation: str, name: object) -> str:
    """Return the name of an optimiser whose state is known."""
    if isinstance(name, str) and name in STATE_PER_PARAMETER:
        return name
    kind = InvalidValueError if isinstance(name, str) else InvalidTypeError
    raise kind(f"{operation}: optimizer must be one of {', '.join(map(repr, STATE_PER_PARAMETER))}, but got {name!r}.")


def scratch_numbers(shapes: Iterable[tuple[int, ...]]) -> int:
    """Numbers of the two temporary arrays of an update, over a few rows of a parameter at a time."""
    blocks = (min(prod(shape), max(_BLOCK, prod(shape[1:]))) for shape in shapes)
    return 2 * max(blocks, default=0)

"""Single numbers and axes that a user passes."""

from __future__ import annotations

from math import inf, isnan
from numbers import Real

from fastconv.errors import InvalidTypeError, InvalidValueError
from fastconv.validation.sizes import check_integer

__all__ = ["check_axis", "check_number"]


def check_number(operation: str, subject: str, value: object, *, least: float = -inf, most: float = inf) -> float:
    """Return `value` as a float between `least` and `most`; refuse NaN and infinities."""
    if not isinstance(value, Real) or type(value).__name__ in ("bool", "bool_"):
        raise InvalidTypeError(f"{operation}: {subject} must be a number, but got {value!r} ({type(value).__name__}).")
    try:
        number = float(value)
    except OverflowError:
        number = inf
    if isnan(number) or number in (-inf, inf):
        raise InvalidValueError(f"{operation}: {subject} must be a finite number, but got {value!r}.")
    if not least <= number <= most:
        rule = f"at least {least:g}" if most == inf else f"between {least:g} and {most:g}"
        raise InvalidValueError(f"{operation}: {subject} must be {rule}, but got {value!r}.")
    return number


def check_axis(operation: str, subject: str, value: object, shape: tuple[int, ...]) -> int:
    """Return an axis of `shape`, counted from the front; a negative one counts from the back."""
    rank = len(shape)
    axis = check_integer(operation, subject, value, -(2**63))
    if not -rank <= axis < rank:
        rule = f"from {-rank} to {rank - 1}" if rank else "of an array with axes"
        raise InvalidValueError(f"{operation}: {subject} must be {rule}, but got {axis} (shape {shape}).")
    return axis % rank

"""Numbers that optimisers and schedules take."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fastconv.errors import InvalidTypeError, InvalidValueError, shown
from fastconv.layers.parameter import Parameter
from fastconv.validation.sizes import check_number


def check_parameters(operation: str, parameters: object) -> Iterator[Parameter]:
    """Yield parameters one by one; what is none ends even what has no end."""
    items = None if isinstance(parameters, Parameter) else _iterator(parameters)
    if items is None:
        raise InvalidTypeError(
            f"{operation}: parameters must be a list, as model.parameters() returns it, but got {shown(parameters)}."
        )
    for parameter in items:
        if not isinstance(parameter, Parameter):
            raise InvalidTypeError(
                f"{operation}: parameters must be Parameter objects, as model.parameters() returns them, but got "
                f"{type(parameter).__name__}."
            )
        yield parameter


def _iterator(value: Any) -> Iterator[Any] | None:
    try:
        items: Iterator[Any] = iter(value)
        return items
    except Exception:  # noqa: BLE001 - a foreign object raises anything
        return None


def check_positive(operation: str, subject: str, value: object) -> float:
    """Return a number above zero."""
    number = check_number(operation, subject, value)
    if number <= 0:
        raise InvalidValueError(f"{operation}: {subject} must be positive, but got {number}.")
    return number


def check_not_negative(operation: str, subject: str, value: object) -> float:
    """Return a number that is zero or more."""
    number = check_number(operation, subject, value)
    if number < 0:
        raise InvalidValueError(f"{operation}: {subject} must not be negative, but got {number}.")
    return number


def check_fraction(operation: str, subject: str, value: object) -> float:
    """Return a number in [0, 1), such as the weight of the past in a running mean."""
    number = check_number(operation, subject, value)
    if not 0 <= number < 1:
        raise InvalidValueError(f"{operation}: {subject} must be at least 0 and below 1, but got {number}.")
    return number

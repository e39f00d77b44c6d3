"""Numbers that optimisers and schedules take."""

from __future__ import annotations

from fastconv.errors import InvalidValueError
from fastconv.validation.sizes import check_number


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

"""Arguments as Paddle has them: x before y, and choices given by name, class or object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from fastconv.errors import InvalidValueError, shown, unknown_name
from fastconv.validation.sizes import check_integer

Kind = TypeVar("Kind")


def height_width(operation: str, name: str, x: Any, y: Any, least: int) -> tuple[int, int]:
    """(height, width) of a size for the x axis, or of a pair (x, y), with a size for the y axis or without."""
    if isinstance(x, Sequence) and not isinstance(x, (str, bytes)):
        if len(x) != 2 or y is not None:
            given = shown([*x]) if y is None else f"{shown([*x])} and {name}_y={shown(y)}"
            raise InvalidValueError(
                f"{operation}: {name} must be one integer or a pair (x, y), and an integer where {name}_y is given, "
                f"but got {given}."
            )
        x, y = x
    width = check_integer(operation, name, x, least)
    return (width if y is None else check_integer(operation, f"{name}_y", y, least)), width


def one_of(operation: str, name: str, value: Any, kind: type[Kind], by_name: Mapping[str, type[Kind]]) -> Kind:
    """Return an object of `kind`, from one, from its class, or from its name."""
    if isinstance(value, kind):
        return value
    if isinstance(value, str) and value in by_name:
        return by_name[value]()
    if isinstance(value, type) and issubclass(value, kind):
        return value()
    raise unknown_name(operation, name, value, by_name, others=", or an object of that name")

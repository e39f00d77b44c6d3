"""Plain values that a user passes: numbers, sizes and padding per spatial axis, shapes, flags and names."""

from __future__ import annotations

from collections.abc import Iterable
from math import inf, isnan
from numbers import Real
from operator import index
from typing import Any, Union

from fastconv.errors import InvalidTypeError, InvalidValueError, meant, unknown_name
from fastconv.validation.types import Shape

CheckedPadding = Union[str, "tuple[tuple[int, int], ...]"]

GRADIENTS = ("x", "weight", "bias")
PADDING_NAMES = ("valid", "same", "same_lower")
_LARGEST = 2**63 - 1
_SIZES = "an integer or a sequence of integers"


def check_integer(operation: str, subject: str, value: object, least: int, rule: str = "an integer") -> int:
    """Return `value` as a Python int; refuse floats, booleans and anything below `least`."""
    try:
        number = index(value)  # type: ignore[arg-type]
    except TypeError:
        number = None
    if number is None or isinstance(value, bool):
        raise InvalidTypeError(f"{operation}: {subject} must be {rule}, but got {value!r} ({type(value).__name__}).")
    if number < least:
        raise InvalidValueError(f"{operation}: {subject} must be at least {least}, but got {number}.")
    if number > _LARGEST:
        raise InvalidValueError(f"{operation}: {subject} must be at most 2**63 - 1, but got {number}.")
    return number


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


def check_axis(operation: str, subject: str, value: object, shape: Shape) -> int:
    """Return an axis of `shape`, counted from the front; a negative one counts from the back."""
    rank = len(shape)
    axis = check_integer(operation, subject, value, -(2**63))
    if not -rank <= axis < rank:
        rule = f"from {-rank} to {rank - 1}" if rank else "of an array with axes"
        raise InvalidValueError(f"{operation}: {subject} must be {rule}, but got {axis} (shape {shape}).")
    return axis % rank


def entries_of(value: object) -> tuple[Any, ...] | None:
    """Return what is in a sequence; None for text, an array without axes, and what is no sequence."""
    if type(value) is tuple:
        return value
    if isinstance(value, (str, bytes)) or not isinstance(value, Iterable) or getattr(value, "ndim", 1) == 0:
        return None
    return tuple(value)


def check_sizes(operation: str, subject: str, value: object, rank: int, least: int) -> Shape:
    """Return one integer per spatial axis, from one integer for all or a sequence of `rank` of them."""
    if type(value) is int and least <= value <= _LARGEST:
        return (value,) * rank
    items = entries_of(value)
    if items is None:
        return (check_integer(operation, subject, value, least, _SIZES),) * rank
    if len(items) != rank:
        raise InvalidValueError(
            f"{operation}: {subject} must be one integer or a sequence of {rank} (one per spatial axis), but got "
            f"{len(items)}: {value!r}."
        )
    return tuple(check_integer(operation, subject, item, least, _SIZES) for item in items)


def check_shape_argument(operation: str, subject: str, value: object, letters: str) -> Shape:
    """Return a whole shape, one integer per axis of `letters`; zeros are let through."""
    if type(value) is tuple and len(value) == len(letters) and set(map(type, value)) == {int}:
        least, most = min(value), max(value)
        if least >= 0 and most <= _LARGEST:  # most calls: the shape of an array
            return value
    rule = f"a sequence of {len(letters)} integers ({', '.join(letters)})"
    items = entries_of(value)
    if items is None:
        raise InvalidTypeError(f"{operation}: {subject} must be {rule}, but got {value!r} ({type(value).__name__}).")
    if len(items) != len(letters):
        raise InvalidValueError(f"{operation}: {subject} must be {rule}, but got {len(items)}: {value!r}.")
    return tuple(check_integer(operation, subject, item, 0, rule) for item in items)


def check_padding(operation: str, value: object, rank: int, names: tuple[str, ...] = PADDING_NAMES) -> CheckedPadding:
    """Return one of `names`, or one ``(before, after)`` pair per spatial axis."""
    if type(value) is int and 0 <= value <= _LARGEST:
        return ((value, value),) * rank
    if isinstance(value, str):
        if value in names:
            return value
        raise unknown_name(operation, "padding", value, names, others=" or integers")
    items = entries_of(value)
    if items is None:
        number = check_integer(operation, "padding", value, 0, f"{_SIZES}, or one of {', '.join(map(repr, names))}")
        return ((number, number),) * rank
    if len(items) != rank:
        raise InvalidValueError(
            f"{operation}: padding must be one integer, {rank} integers or {rank} (before, after) pairs "
            f"(one per spatial axis), but got {len(items)}: {value!r}."
        )
    return tuple(_padding_pair(operation, item) for item in items)


def _padding_pair(operation: str, item: object) -> tuple[int, int]:
    pair = entries_of(item)
    if pair is None:
        number = check_integer(operation, "padding", item, 0, "integers or (before, after) pairs")
        return number, number
    if len(pair) != 2:
        raise InvalidValueError(
            f"{operation}: padding must be integers or (before, after) pairs, but got {len(pair)} values for one "
            f"axis: {item!r}."
        )
    before, after = (check_integer(operation, "padding", one, 0, "a pair of integers") for one in pair)
    return before, after


def check_flag(operation: str, subject: str, value: object) -> bool:
    """Return `value`, which must be True or False."""
    if value is True or value is False:
        return value
    if type(value).__name__ in ("bool", "bool_"):  # NumPy's, whose name depends on the version
        return bool(value)
    raise InvalidTypeError(f"{operation}: {subject} must be True or False, but got {value!r}.")


def check_exact(operation: str, value: object) -> bool | None:
    """Return what ``exact=`` was given: None leaves it to the options."""
    return None if value is None else check_flag(operation, "exact", value)


def check_choice(operation: str, subject: str, value: object, choices: tuple[str, ...]) -> str:
    """Return `value`, which must be one of `choices`."""
    if isinstance(value, str) and value in choices:
        return value
    raise unknown_name(operation, subject, value, choices)


def check_needs(operation: str, needs: object) -> frozenset[str]:
    """Return the names of the gradients to compute; one name may stand alone."""
    wanted = (needs,) if isinstance(needs, str) else entries_of(needs)
    if wanted is None:
        raise InvalidTypeError(f"{operation}: needs must be an iterable of names, but got {needs!r}.")
    unknown = next((name for name in wanted if name not in GRADIENTS), None)
    if unknown is not None:
        raise InvalidValueError(
            f"{operation}: needs must name some of {', '.join(map(repr, GRADIENTS))}, but got {wanted!r}."
            f"{meant(unknown, GRADIENTS)}"
        )
    return frozenset(wanted)

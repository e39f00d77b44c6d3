"""Plain values that a user passes: numbers, sizes and padding per spatial axis, shapes, flags and names."""

from __future__ import annotations

import os
from collections.abc import Iterable
from itertools import islice
from math import inf, isnan, nan
from numbers import Real
from operator import index
from pathlib import Path
from typing import Any, Union

import numpy as np

from fastconv.errors import InvalidTypeError, InvalidValueError, meant, shown, unknown_name
from fastconv.validation.types import Shape

CheckedPadding = Union[str, "tuple[tuple[int, int], ...]"]

GRADIENTS = ("x", "weight", "bias")
PADDING_NAMES = ("valid", "same", "same_lower")
MOST_AXES = 32  # of an array, in every version of NumPy
_LARGEST = 2**63 - 1
_MOST_ENTRIES = 1000  # of a sequence: more than anything here has
_ENTROPY = (np.random.BitGenerator, np.random.SeedSequence, np.random.RandomState)  # what seeds a generator
_BOOLEANS = ("bool", "bool_")  # those of NumPy are taken for an index by its older versions
_SIZES = "an integer or a sequence of integers"
_SEQUENCE = "a sequence of integers"
_LONGEST_PATH = 4096  # characters: more than a system takes


def check_integer(operation: str, subject: str, value: object, least: int, rule: str = "an integer") -> int:
    """Return `value` as a Python int; refuse floats, booleans and anything below `least`."""
    try:
        number = index(value)  # type: ignore[arg-type]
    except Exception:  # noqa: BLE001 - a foreign object raises anything
        number = None
    if number is None or type(value).__name__ in _BOOLEANS:
        raise InvalidTypeError(
            f"{operation}: {subject} must be {rule}, but got {shown(value)} ({type(value).__name__})."
        )
    if number < least:
        raise InvalidValueError(f"{operation}: {subject} must be at least {least}, but got {shown(number)}.")
    if number > _LARGEST:
        raise InvalidValueError(f"{operation}: {subject} must be at most 2**63 - 1, but got {shown(number)}.")
    return number


def check_number(operation: str, subject: str, value: object, *, least: float = -inf, most: float = inf) -> float:
    """Return `value` as a float between `least` and `most`; refuse NaN and infinities."""
    if not isinstance(value, Real) or type(value).__name__ in _BOOLEANS:
        raise InvalidTypeError(
            f"{operation}: {subject} must be a number, but got {shown(value)} ({type(value).__name__})."
        )
    try:
        number = float(value)
    except OverflowError:
        number = inf
    except Exception:  # noqa: BLE001 - a foreign object raises anything
        number = nan
    if isnan(number) or number in (-inf, inf):
        raise InvalidValueError(f"{operation}: {subject} must be a finite number, but got {shown(value)}.")
    if not least <= number <= most:
        rule = f"at least {least:g}" if most == inf else f"between {least:g} and {most:g}"
        raise InvalidValueError(f"{operation}: {subject} must be {rule}, but got {shown(value)}.")
    return number


def check_rng(operation: str, value: object) -> np.random.Generator:
    """Return a generator, from one, from a seed, or (None) from fresh entropy."""
    if isinstance(value, np.random.Generator):
        return value
    try:
        return np.random.default_rng(value if value is None or isinstance(value, _ENTROPY) else _seed(value))
    except Exception as error:
        raise InvalidTypeError(
            f"{operation}: rng must be a numpy.random.Generator, a non-negative seed or None, but got {shown(value)}."
        ) from error


def _seed(value: Any) -> int | list[int]:
    """Integers alone: NumPy recurses into sequences, and ends the process over one that holds itself."""
    entries = entries_of(value)
    return index(value) if entries is None else [index(entry) for entry in entries]


def check_axis(operation: str, subject: str, value: object, shape: Shape) -> int:
    """Return an axis of `shape`, counted from the front; a negative one counts from the back."""
    rank = len(shape)
    axis = check_integer(operation, subject, value, -(2**63))
    if not -rank <= axis < rank:
        rule = f"from {-rank} to {rank - 1}" if rank else "of an array with axes"
        raise InvalidValueError(f"{operation}: {subject} must be {rule}, but got {axis} (shape {shape}).")
    return axis % rank


def entries_of(value: object) -> tuple[Any, ...] | None:
    """Return what is in a sequence, which may have no end; None for text, an array without axes, and what is none."""
    if type(value) is tuple:
        return value
    if isinstance(value, (str, bytes)) or not isinstance(value, Iterable) or getattr(value, "ndim", 1) == 0:
        return None
    try:
        return tuple(islice(value, _MOST_ENTRIES))
    except Exception:  # noqa: BLE001 - a foreign object raises anything
        return None


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
            f"{len(items)}: {shown(value)}."
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
        raise InvalidTypeError(
            f"{operation}: {subject} must be {rule}, but got {shown(value)} ({type(value).__name__})."
        )
    if len(items) != len(letters):
        raise InvalidValueError(f"{operation}: {subject} must be {rule}, but got {len(items)}: {shown(value)}.")
    return tuple(check_integer(operation, subject, item, 0, rule) for item in items)


def check_any_shape(operation: str, subject: str, value: object, least: int = 0, rule: str = _SEQUENCE) -> Shape:
    """Return a shape of any number of axes."""
    items = entries_of(value)
    if items is None:
        raise InvalidTypeError(f"{operation}: {subject} must be {rule}, but got {shown(value)}.")
    if len(items) > MOST_AXES:
        raise InvalidValueError(f"{operation}: {subject} must have at most {MOST_AXES} axes, but got {shown(value)}.")
    return tuple(check_integer(operation, f"every size of {subject}", item, least) for item in items)


def check_path(operation: str, value: object, subject: str = "path") -> Path:
    """Return a path, which is there or not; text of any other kind names no file."""
    if not isinstance(value, (str, os.PathLike)):
        raise InvalidTypeError(f"{operation}: {subject} must be a string or a path, but got {shown(value)}.")
    try:
        os.fsencode(value)
        valid = "\0" not in (name := os.fspath(value)) and len(name) <= _LONGEST_PATH
    except Exception:  # noqa: BLE001 - a foreign object raises anything
        valid = False
    if not valid:
        raise InvalidValueError(f"{operation}: {subject} must be the name of a file, but got {shown(value)}.")
    return Path(value)


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
            f"(one per spatial axis), but got {len(items)}: {shown(value)}."
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
            f"axis: {shown(item)}."
        )
    before, after = (check_integer(operation, "padding", one, 0, "a pair of integers") for one in pair)
    return before, after


def check_flag(operation: str, subject: str, value: object) -> bool:
    """Return `value`, which must be True or False."""
    if value is True or value is False:
        return value
    if type(value).__name__ in _BOOLEANS:  # NumPy's, whose name depends on the version
        return bool(value)
    raise InvalidTypeError(f"{operation}: {subject} must be True or False, but got {shown(value)}.")


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
        raise InvalidTypeError(f"{operation}: needs must be an iterable of names, but got {shown(needs)}.")
    unknown = [name for name in wanted if not (isinstance(name, str) and name in GRADIENTS)]
    if unknown:
        raise InvalidValueError(
            f"{operation}: needs must name some of {', '.join(map(repr, GRADIENTS))}, but got {shown(wanted)}."
            f"{meant(unknown[0], GRADIENTS)}"
        )
    return frozenset(wanted)

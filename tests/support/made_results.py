"""A result of any kind, made up from the types of its fields: for tests of how results are shown."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from itertools import count
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

MANY, NUMBER = 3, 12_345
# where a result looks things up, or reads a text
KNOWN = {"step": "forward", "dtype": "float32", "operation": "conv2d", "verdict": "ok", "refused": {}}


def made(kind: Any, name: str = "", numbers: Iterator[int] | None = None) -> Any:
    """Return an object of a type, whose words all differ and name its fields."""
    origin, inside = get_origin(kind), get_args(kind)
    numbers = numbers or count(1)
    if name in KNOWN:
        return KNOWN[name]
    if is_dataclass(kind) and isinstance(kind, type):
        hints = get_type_hints(kind)
        return kind(**{field.name: made(hints[field.name], field.name, numbers) for field in fields(kind)})
    if origin in (Union, UnionType):
        return made(next(each for each in inside if each is not NoneType), name, numbers)
    if origin is tuple:
        kinds = inside[:1] * MANY if inside[-1] is Ellipsis else inside
        return tuple(made(each, name, numbers) for each in kinds)
    if origin is dict:
        return {key: made(inside[1], name, numbers) for key in ("fastconv", "torch", f"forward {NUMBER}")}
    return f"{name} with number {next(numbers)}" if kind is str else {bool: True, int: NUMBER, float: 0.0123}.get(kind)

"""Which methods of a class read which attributes, by their compiled code."""

from __future__ import annotations

import dis
import inspect
from collections.abc import Iterable, Mapping
from types import CodeType
from typing import Any


def codes_of(cls: type) -> dict[str, CodeType]:
    """Return the code of the methods and properties of a class and its bases, by name."""
    found = {}
    for base in reversed(cls.__mro__):
        for name, value in vars(base).items():
            function = inspect.unwrap(getattr(value, "fget", None) or getattr(value, "__func__", value))
            code = getattr(function, "__code__", None)
            if isinstance(code, CodeType):
                found[name] = code
    return found


def loaded(code: Any) -> set[str]:
    """Return the names of attributes that code reads, also by `getattr` and in functions within it.

    Examples
    --------
    >>> def method(self): self.y = self.x
    >>> loaded(method.__code__)
    {'x'}
    """
    if not isinstance(code, CodeType):
        return set()
    names = {each for each in code.co_consts if isinstance(each, str) and each.isidentifier()}
    names |= {each.argval for each in dis.get_instructions(code) if each.opname in ("LOAD_ATTR", "LOAD_METHOD")}
    return names.union(*map(loaded, code.co_consts))


def stored(code: Any) -> set[str]:
    """Return the names of attributes that code sets."""
    if not isinstance(code, CodeType):
        return set()
    return {each.argval for each in dis.get_instructions(code) if each.opname == "STORE_ATTR"}


def reached(codes: Mapping[str, CodeType], names: Iterable[str]) -> set[str]:
    """Return the names of methods that these methods call, and those that these call, and so on."""
    found = set[str]()
    waiting = [*names]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += loaded(codes.get(name)) & codes.keys()
    return found

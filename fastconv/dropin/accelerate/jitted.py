"""Jitted code that calls a function of somebody's: it can call what is compiled alone, so that this must stay there."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from types import CodeType, ModuleType
from typing import Any

from fastconv.dropin.conventions.convention import Implementation


def apart_from_jitted(found: Sequence[Implementation]) -> tuple[list[Implementation], dict[str, str]]:
    """Take out of implementations what jitted code calls; together with its partners, where a cache joins them.

    Returns
    -------
    implementations : list of Implementation
        What is left.
    taken : dict of str to str
        Why the others are not among them, by name.
    """
    kept, taken = list[Implementation](), dict[str, str]()
    for one in found:
        readers = {role: jitted_readers(target.owner, target.name) for role, target in one.targets.items()}
        called = {role: ", ".join(names) for role, names in readers.items() if names}
        joined = bool(called) and (one.cls is not None or one.convention.cached)
        for role, names in called.items():
            said = f"jitted code calls it ({names}), and can call compiled functions alone"
            taken[one.targets[role].label] = said
        left = {} if joined else {role: target for role, target in one.targets.items() if role not in called}
        for role in (one.targets.keys() - called.keys()) if joined else ():
            taken[one.targets[role].label] = "its partner was left as it is, because jitted code calls that"
        kept += [replace(one, targets=left)] if left else []
    return kept, taken


def jitted_readers(owner: Any, name: str) -> tuple[str, ...]:
    """Return the names of the jitted functions that would find something else under a name of a module.

    Parameters
    ----------
    owner : module or class
        What holds the name.
    name : str
        The name of a function. Only one that ``numba.njit`` has compiled can be called from jitted code.

    Notes
    -----
    Jitted code reads a name of its module, or an attribute of a module that it names, when it is compiled for the types
    of a call, which may be later than now. What a closure holds is not read again.
    """
    if not isinstance(owner, ModuleType) or not is_jitted(vars(owner).get(name)):
        return ()
    return tuple(dict.fromkeys(each.py_func.__name__ for each in _all_jitted() if _reads(each.py_func, owner, name)))


def is_jitted(function: Any) -> bool:
    """Whether something is a function that Numba compiles when it is called."""
    return str(type(function).__module__).startswith("numba.") and hasattr(function, "py_func")


def _reads(function: Any, owner: ModuleType, name: str) -> bool:
    names, known = set(_names_in(function.__code__)), function.__globals__
    return name in names and (known is vars(owner) or any(known.get(other) is owner for other in names))


def _all_jitted() -> Iterator[Any]:
    """Give every jitted function that a module or a class of one holds, and those that only another one knows."""
    waiting = [value for module in list(sys.modules.values()) for value in _held_by(module) if is_jitted(value)]
    seen = set[int]()
    while waiting:
        function = waiting.pop()
        if id(function) not in seen:
            seen.add(id(function))
            yield function
            waiting += [value for value in _named_by(function.py_func) if is_jitted(value)]


def _held_by(module: Any) -> Iterator[Any]:
    if not isinstance(module, ModuleType) or f"{module.__name__}.".startswith(("numba.", "fastconv.")):
        return
    for value in list(vars(module).values()):  # any of which may warn where it is asked for an attribute, or its class
        yield value
        if issubclass(type(value), type) and value.__module__ == module.__name__:
            yield from (getattr(held, "__func__", held) for held in list(vars(value).values()))


def _named_by(function: Any) -> Iterator[Any]:
    """Give the globals of a function, and what its closure holds."""
    yield from (function.__globals__.get(name) for name in _names_in(function.__code__))
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:  # not bound yet
            continue


def _names_in(code: CodeType) -> Iterator[str]:
    """Give the names of globals and attributes in code, and in that of the functions in it."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names_in(constant)

"""Modules of CS231n: the whole of the course is there already, under its old import path."""

from __future__ import annotations

from types import ModuleType
from typing import Any

_PACKAGE = "cs231n"
_MODULES = ("fast_layers", "im2col", "im2col_cython")


def note_on_course(target: Any) -> str:
    """Say what replaces a module of CS231n as a whole; nothing of anything else.

    Examples
    --------
    >>> note_on_course(ModuleType("cs231n.fast_layers"))
    'fastconv.compat.cs231n.install(replace=True) puts fast layers in the place of all of CS231n'
    >>> note_on_course(ModuleType("layers"))
    ''
    """
    names = target.__name__.split(".") if isinstance(target, ModuleType) else [""]
    if names[0] != _PACKAGE and names[-1] not in _MODULES:
        return ""
    name = names[0] if len(names) > 1 else _PACKAGE
    other = "" if name == _PACKAGE else f'"{name}", '
    return f"fastconv.compat.cs231n.install({other}replace=True) puts fast layers in the place of all of CS231n"

"""Slots: where a value lies in a call, such as ``x``, ``self.params["W"]`` or ``result[0]``."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from inspect import isclass, isroutine
from types import ModuleType
from typing import Any

import numpy as np

RESULT = "result"  # root of what a call returns
_DEPTH, _WIDTH = 4, 64  # how far a value is looked into


@dataclass(frozen=True)
class Attribute:
    """A step to an attribute."""

    name: str

    def get(self, owner: Any) -> Any:
        """Return the attribute."""
        return getattr(owner, self.name)

    def put(self, owner: Any, value: Any) -> Any:
        """Set the attribute; return the owner."""
        setattr(owner, self.name, value)
        return owner

    def __str__(self) -> str:
        return f".{self.name}"


@dataclass(frozen=True)
class Item:
    """A step to an element of a dict, list or tuple."""

    key: Any

    def get(self, owner: Any) -> Any:
        """Return the element."""
        return owner[self.key]

    def put(self, owner: Any, value: Any) -> Any:
        """Set the element; return the owner, or another tuple in its place."""
        if isinstance(owner, tuple):
            elements = [*owner[: self.key], value, *owner[self.key + 1 :]]
            return type(owner)(*elements) if hasattr(owner, "_fields") else tuple(elements)
        owner[self.key] = value
        return owner

    def __str__(self) -> str:
        return f'["{self.key}"]' if isinstance(self.key, str) else f"[{self.key}]"


Step = Attribute | Item


@dataclass(frozen=True)
class Slot:
    """The way to a value in a call.

    Parameters
    ----------
    root : str
        Name of a parameter, or `RESULT`.
    steps : tuple of Attribute or Item
        From there on.

    Examples
    --------
    >>> call = {"x": 1, "sizes": {"pad": (2, 3)}}
    >>> slot = Slot("sizes", (Item("pad"), Item(1)))
    >>> slot.put(call, 7)
    >>> print(slot, slot.get(call), call["sizes"])
    sizes["pad"][1] 7 {'pad': (2, 7)}
    """

    root: str
    steps: tuple[Step, ...] = ()

    def get(self, call: Mapping[str, Any]) -> Any:
        """Return the value in a call, given as values by parameter."""
        value = call[self.root]
        for step in self.steps:
            value = step.get(value)
        return value

    def put(self, call: dict[str, Any], value: Any) -> None:
        """Put another value there; the containers on the way are changed, except tuples, which are exchanged."""
        owners = [call[self.root]]
        for step in self.steps[:-1]:
            owners.append(step.get(owners[-1]))
        for step, owner in zip(reversed(self.steps), reversed(owners)):
            value = step.put(owner, value)
            if value is owner:
                return
        call[self.root] = value

    def then(self, step: Step) -> Slot:
        """Return the slot one step further."""
        return Slot(self.root, (*self.steps, step))

    def __str__(self) -> str:
        return "".join((self.root, *map(str, self.steps)))


def walk(call: Mapping[str, Any]) -> Iterator[tuple[Slot, Any]]:
    """Give every slot of a call and its value, the nearest first; a list, dict or object in two is opened once.

    Parameters
    ----------
    call : mapping of str to object
        Values by parameter.

    Examples
    --------
    >>> [str(slot) for slot, _ in walk({"x": 1, "sizes": {"pad": (2, 3)}})]
    ['x', 'sizes', 'sizes["pad"]', 'sizes["pad"][0]', 'sizes["pad"][1]']
    """
    waiting = deque((Slot(name), value) for name, value in call.items())
    opened = set()
    while waiting:
        slot, value = waiting.popleft()
        yield slot, value
        if len(slot.steps) < _DEPTH and (isinstance(value, tuple) or id(value) not in opened):
            opened.add(id(value))
            waiting.extend((slot.then(step), inner) for step, inner in _inside(value))


def _inside(value: Any) -> list[tuple[Step, Any]]:
    if isinstance(value, dict):
        found: list[tuple[Step, Any]] = [(Item(key), inner) for key, inner in value.items()]
    elif isinstance(value, (list, tuple)):
        found = [(Item(index), inner) for index, inner in enumerate(value)]
    elif is_object(value):
        found = [(Attribute(name), inner) for name, inner in vars(value).items()]
    else:
        return []
    return found if len(found) <= _WIDTH else []


def is_object(value: Any) -> bool:
    """Whether a value is an object with attributes: no array, class, function or module."""
    closed = isinstance(value, (np.ndarray, np.generic, ModuleType)) or isclass(value) or isroutine(value)
    return not closed and hasattr(value, "__dict__")


def arrays_in(call: Mapping[str, Any]) -> dict[Slot, Any]:
    """Return the arrays of numbers in a call by their slot, an array that lies in two slots in the nearest."""
    found: dict[int, Slot] = {}
    for slot, value in walk(call):
        if isinstance(value, np.ndarray) and value.dtype.kind in "fiu":
            found.setdefault(id(value), slot)
    return {slot: slot.get(call) for slot in found.values()}

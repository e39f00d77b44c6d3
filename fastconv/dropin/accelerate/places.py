"""Where functions are bound, and putting others there."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import wraps
from types import MethodType, ModuleType
from typing import Any

from fastconv.backends.locks import RenewedLock
from fastconv.dropin.conventions.calls import Declined
from fastconv.dropin.conventions.convention import Function, Target
from fastconv.errors import FastconvError

# What a fast equivalent does not take is left to the original, whose error or result it then is.
_LEFT = (Declined, FastconvError, AttributeError, IndexError, KeyError, TypeError, ValueError)
# What is swallowed and bound meanwhile belongs to the whole process.
ONE_AT_A_TIME = RenewedLock()
_MARK = "_fastconv_equivalent"
_NOWHERE = object()


class CallCounts:
    """How many calls went to a fast equivalent, and how many to the original.

    Attributes
    ----------
    fast, original : int
        The counts. Calls of several threads at the same moment may be counted once.
    """

    __slots__ = ("fast", "original")

    def __init__(self) -> None:
        self.fast = self.original = 0

    def __repr__(self) -> str:
        return f"fast {self.fast:,} call{'s' * (self.fast != 1)}, original {self.original:,}"


def replacement(original: Function, fast: Function, left: Function, counts: CallCounts) -> Function:
    """Return a function like `original` that calls `fast`, and `left` for what that does not take."""

    @wraps(original)
    def function(*args: Any, **kwargs: Any) -> Any:
        try:
            found = fast(*args, **kwargs)
        except _LEFT:
            pass  # outside, so that an error of the original does not come with this one
        else:
            counts.fast += 1
            return found
        counts.original += 1
        return left(*args, **kwargs)

    setattr(function, _MARK, True)
    return function


def is_fast(function: Any) -> bool:
    """Whether a function is a replacement."""
    return bool(getattr(function, _MARK, False))


@dataclass(frozen=True)
class Place:
    """An attribute of a module or class, and what was there.

    Parameters
    ----------
    owner : module, class or object
        Whose attribute it is.
    name : str
        Its name.
    before : object
        What was bound there: a function, a static method, or nothing (an inherited method).
    """

    owner: Any
    name: str
    before: Any

    def put(self, function: Function) -> None:
        """Bind a function in place of what was there; to an object as its method."""
        if not isinstance(self.owner, (type, ModuleType)):
            function = MethodType(function, self.owner)
        setattr(self.owner, self.name, staticmethod(function) if isinstance(self.before, staticmethod) else function)

    def holds(self, function: Function) -> bool:
        """Whether that function is still there."""
        found = vars(self.owner).get(self.name)
        return getattr(found, "__func__", found) is function

    def restore(self) -> None:
        """Put back what was there."""
        if self.before is _NOWHERE:
            delattr(self.owner, self.name)
        else:
            setattr(self.owner, self.name, self.before)

    def __str__(self) -> str:
        return f"{getattr(self.owner, '__name__', type(self.owner).__name__)}.{self.name}"


class SpecialPlace(Place):
    """A method such as ``__call__`` of one object, which Python looks up in the class: the object gets a subclass."""

    def put(self, function: Function) -> None:
        """Make the object one of a subclass with this method."""
        cls = type(self.owner)
        names = {"__module__": cls.__module__, "__qualname__": cls.__qualname__, "__doc__": cls.__doc__}
        self.owner.__class__ = type(cls.__name__, (cls,), {**names, self.name: function})

    def holds(self, function: Function) -> bool:
        """Whether the object still is one of that subclass."""
        return vars(type(self.owner)).get(self.name) is function

    def restore(self) -> None:
        """Make the object one of its class again."""
        self.owner.__class__ = type(self.owner).__mro__[1]


def place_of(target: Target) -> Place | None:
    """Return the place of a target; None where nothing is known to hold it."""
    if target.owner is None:
        return None
    if target.name.startswith("__") and not isinstance(target.owner, (type, ModuleType)):
        return SpecialPlace(target.owner, target.name, _NOWHERE)
    return Place(target.owner, target.name, vars(target.owner).get(target.name, _NOWHERE))


def places_elsewhere(originals: Iterable[Function], known: Iterable[Place]) -> Iterator[tuple[Place, Function]]:
    """Find names in other loaded modules that are bound to one of these functions: those that imported them."""
    wanted = {id(function): function for function in originals}
    taken = {(id(place.owner), place.name) for place in known}
    modules: list[Any] = [*sys.modules.values()]  # anything may be put there
    for module in modules:
        if not isinstance(module, ModuleType):
            continue
        for name, value in list(vars(module).items()):
            if id(value) in wanted and (id(module), name) not in taken:
                yield Place(module, name, value), wanted[id(value)]

"""Locks for what threads share: a forked child never finds one held, and who holds one may come again.

A thread that holds a lock is not in a child that another one forked, so nobody would ever let go of it there. And the
handler of a signal, or the end of an object's life, runs in the middle of whatever a thread was doing.
`functools.cached_property` has a lock for all objects of its class up to Python 3.11; the one here has none.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar, overload
from weakref import WeakSet

T = TypeVar("T")


class RenewedLock:
    """A re-entrant lock, a new one in a forked child: ``with lock.now:``."""

    def __init__(self) -> None:
        self.now = threading.RLock()
        _all.add(self)


_all: WeakSet[RenewedLock] = WeakSet()


def _after_fork() -> None:
    for lock in list(_all):
        lock.now = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


class cached_property(Generic[T]):
    """A property that is computed once; by two threads at the same moment twice, and one of the two results stays."""

    def __init__(self, function: Callable[[Any], T]) -> None:
        self._function, self._name = function, function.__name__
        self.__doc__, self.__module__ = function.__doc__, function.__module__

    @overload
    def __get__(self, instance: None, owner: type | None = None) -> cached_property[T]: ...

    @overload
    def __get__(self, instance: object, owner: type | None = None) -> T: ...

    def __get__(self, instance: object | None, owner: type | None = None) -> cached_property[T] | T:
        if instance is None:
            return self
        value: T = instance.__dict__.setdefault(self._name, self._function(instance))
        return value

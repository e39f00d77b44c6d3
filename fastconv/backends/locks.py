"""Locks for what threads share: a forked child never finds one held, and who holds one may come again.

A thread that holds a lock is not in a child that another one forked, so nobody would ever let go of it there. And the
handler of a signal, or the end of an object's life, runs in the middle of whatever a thread was doing.
"""

from __future__ import annotations

import os
import threading
from weakref import WeakSet


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

"""No lock of fastconv is held for ever in a forked child, or waits for the thread that holds it.

Found by reading: a child that was forked while another thread made a plan, or read a model, never came back from its
first call; nor did the handler of a signal that came while its own thread did so. And by forking in a second thread
while the first one makes plans: one child in twelve waited for the lock of a `functools.cached_property`.
"""

from __future__ import annotations

import os
import re
import threading
from pathlib import Path

import pytest

import fastconv
from fastconv.backends.locks import RenewedLock, cached_property

PACKAGE = Path(fastconv.__file__).parent
MADE = re.compile(r"\b(?:R?Lock|Condition|Semaphore|BoundedSemaphore|Barrier)\(\)|functools import .*cached_property")
REASONS = {
    "backends/locks.py": "makes them",
    "backends/fast/machine/jit.py": "held across a fork: a child needs kernels that are whole",
    "backends/fast/machine/record.py": "waited for a while, and renewed",
    "backends/fast/machine/regions.py": "not waited for, and renewed: who holds it must not come again",
}


def test_every_other_lock_is_renewed() -> None:
    found = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if MADE.search(path.read_text(encoding="utf-8"))
    }
    assert found == {*REASONS}


def test_who_holds_it_may_come_again() -> None:
    lock = RenewedLock()
    with lock.now, lock.now:
        pass


def test_a_property_is_computed_once() -> None:
    class Square:
        def __init__(self, size: int) -> None:
            self.size, self.times = size, 0

        @cached_property
        def area(self) -> int:
            """Of the whole."""
            self.times += 1
            return self.size**2

    square = Square(3)
    assert (square.area, square.area, square.times, Square(4).area) == (9, 9, 1, 16)
    assert Square.area.__doc__ == "Of the whole."
    del square.__dict__["area"]
    assert (square.area, square.times) == (9, 2)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Python 3.12 warns of forks beside threads
def test_a_child_finds_it_free() -> None:
    lock, held, over = RenewedLock(), threading.Event(), threading.Event()

    def hold() -> None:
        with lock.now:
            held.set()
            over.wait(60)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(60)
    try:
        with RenewedLock().now:
            pid = os.fork()
            if pid == 0:
                os._exit(0 if lock.now.acquire(timeout=30) else 3)
        assert os.waitpid(pid, 0)[1] == 0
    finally:
        over.set()
        thread.join()

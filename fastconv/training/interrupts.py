"""Ctrl-C between two steps, never inside of one."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["Interrupt", "interrupt_between_steps"]


class Interrupt:
    """Whether Ctrl-C was pressed.

    Attributes
    ----------
    pending : bool
        True from then on.
    """

    def __init__(self) -> None:
        self.pending = False

    def __call__(self, number: int, frame: object) -> None:
        """Note the first; let a second one through at once."""
        if self.pending:
            raise KeyboardInterrupt
        self.pending = True


@contextmanager
def interrupt_between_steps() -> Iterator[Interrupt]:
    """Collect Ctrl-C while the block runs, where it would raise KeyboardInterrupt and this is the main thread.

    Whoever has a handler of their own keeps it, and so does a process that ignores the signal.
    """
    interrupt = Interrupt()
    ours = threading.current_thread() is threading.main_thread()
    if not ours or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield interrupt
        return
    signal.signal(signal.SIGINT, interrupt)
    try:
        yield interrupt
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)

"""Ctrl-C after what must not be cut short: importing Numba, and compiling.

A KeyboardInterrupt may come between any two instructions. In the middle of Numba's import or of a compilation it leaves
both broken for the rest of the process; out of a callback of LLVM it is lost, or the process crashes.
"""

from __future__ import annotations

import signal
import sys
from types import TracebackType
from typing import Any


class DeferredInterrupt:
    """Context in which Ctrl-C waits: when the block ends, whoever handled it before gets it, once.

    - A handler of one's own (asyncio has one) is called as it would have been, later; by default that raises
      KeyboardInterrupt. If the block itself raises, that is the context of the interrupt.
    - Where the signal is ignored, ends the process, or is handled by C code, it stays so.
    - Python runs handlers in the main thread alone, so there is nothing to do in another.
    - Inside another such block the handler before is the outer block's, which waits in turn.
    """

    def __init__(self) -> None:
        self._before: Any = None
        self._pending = False

    def __enter__(self) -> None:
        before = signal.getsignal(signal.SIGINT)
        if not callable(before):
            return
        self._before = before
        try:
            signal.signal(signal.SIGINT, self._note)
        except ValueError:  # not the main thread
            self._before = None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._before is None:
            return
        signal.signal(signal.SIGINT, self._before)
        if self._pending:
            self._before(signal.SIGINT, sys._getframe())

    def _note(self, number: int, frame: object) -> None:
        self._pending = True

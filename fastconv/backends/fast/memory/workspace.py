"""Scratch memory that outlives a call: aligned buffers, reused, bounded, safe with several Python threads."""

from __future__ import annotations

import ctypes
import os

import numpy as np

from fastconv.backends.base import Array
from fastconv.backends.fast.machine.launch import address
from fastconv.backends.fast.machine.record import active, listening

ALIGNMENT = 64  # bytes: a cache line, and the widest vector
APART = 2**13  # bytes: two pages
KEPT = 2**27  # bytes of idle buffers that are kept for the next call

_idle: list[Array] = []


def round_up(nbytes: int) -> int:
    """Bytes up to the next cache line."""
    return -(-nbytes // ALIGNMENT) * ALIGNMENT


def apart(nbytes: int) -> int:
    """Bytes from the scratch memory of a task to that of the next one, where each needs `nbytes`.

    A core that goes through its own lines also fetches those that follow, up to the end of a page: where they are
    another core's, both wait. Average pooling took 1.2 times as long with totals side by side.
    """
    return -(-nbytes // APART) * APART


def aligned(nbytes: int) -> Array:
    """Fresh uninitialised buffer of at least `nbytes` bytes that starts on a cache line."""
    raw = np.empty(nbytes + ALIGNMENT, np.uint8)
    start = -address(raw) % ALIGNMENT
    return raw[start : start + nbytes]


class borrowed:
    """Buffer of at least `nbytes` bytes, given back at the end of the ``with`` block.

    A class, as a generator takes 0.4 µs more, and every call of the engine borrows one.
    """

    __slots__ = ("_buffer", "_nbytes")

    def __init__(self, nbytes: int) -> None:
        self._nbytes = nbytes
        self._buffer: Array | None = None

    def __enter__(self) -> Array:
        if active and (record := listening()):
            buffer = aligned(self._nbytes)
            record.bounds.update((address(buffer), address(buffer) + self._nbytes))  # without what aligns it
            return buffer
        try:
            buffer = _idle.pop()  # atomic: no other thread gets the same one
        except IndexError:
            buffer = aligned(self._nbytes)
        if buffer.nbytes < self._nbytes:
            buffer = aligned(self._nbytes)
        self._buffer = buffer
        return buffer

    def __exit__(self, *failure: object) -> None:
        buffer = self._buffer
        if buffer is not None and buffer.nbytes + (sum([other.nbytes for other in _idle]) if _idle else 0) <= KEPT:
            _idle.append(buffer)


def part(scratch: int, offset: int) -> int:
    """Address of a part of scratch memory that has a use of its own, `offset` bytes from its start."""
    if active and (record := listening()):
        record.bounds.add(scratch + offset)
    return scratch + offset


def release() -> None:
    """Give idle buffers back to the system."""
    _idle.clear()
    trim()


def trim() -> None:
    """Give memory that is free back to the system, where the C library keeps some between the pieces that are not."""
    if os.name == "posix":
        function = getattr(ctypes.CDLL(None), "malloc_trim", None)  # of glibc
        if function is not None:
            function(0)

"""Scratch memory that outlives a call: aligned buffers, reused, bounded, safe with several Python threads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

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


@contextmanager
def borrowed(nbytes: int) -> Iterator[Array]:
    """Buffer of at least `nbytes` bytes, given back at the end of the ``with`` block."""
    if active and listening():
        yield aligned(nbytes)
        return
    try:
        buffer = _idle.pop()  # atomic: no other thread gets the same one
    except IndexError:
        buffer = aligned(nbytes)
    if buffer.nbytes < nbytes:
        buffer = aligned(nbytes)
    try:
        yield buffer
    finally:
        if buffer.nbytes + sum(other.nbytes for other in _idle) <= KEPT:
            _idle.append(buffer)


def part(scratch: int, offset: int) -> int:
    """Address of a part of scratch memory that has a use of its own, `offset` bytes from its start."""
    if active and (record := listening()):
        record.bounds.add(scratch + offset)
    return scratch + offset


def release() -> None:
    """Give idle buffers back to the system."""
    _idle.clear()

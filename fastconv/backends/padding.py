"""Planes with cells around them: what the new cells hold, and both passes in NumPy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from fastconv.backends.elementwise import Array
from fastconv.backends.resampling import Taps, memory_order

Pair = tuple[int, int]  # cells before and after

_NUMPY_MODES = {"zeros": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}


class Padded(NamedTuple):
    """An axis with cells around it, as a `Resampled`: a copy of cell -1 is a zero."""

    mode: str
    cells: int
    before: int
    after: int

    @property
    def copies(self) -> bool:
        """Every result is a copy of one cell."""
        return True

    def taps(self) -> Taps:
        """The cell of every result."""
        options = {"constant_values": -1} if self.mode == "zeros" else {}
        cells = np.pad(np.arange(self.cells), (self.before, self.after), _NUMPY_MODES[self.mode], **options)  # type: ignore[call-overload]
        return [(cells, None)]

    def copied(self) -> Array:
        """Results that are copies of cells inside, and these cells; ``(2, copies)``."""
        ((cells, _),) = self.taps()
        results = np.array([*range(self.before), *range(self.before + self.cells, len(cells))], np.int64)
        return np.stack([results, cells[results]])


def pad(x: Array, pairs: Sequence[Pair], mode: str) -> Array:
    """Put cells around an array, (before, after) along each axis; always a copy."""
    order = memory_order(x)
    padded: Array = np.pad(x.transpose(order), [pairs[axis] for axis in order], _NUMPY_MODES[mode])  # type: ignore[call-overload]
    return padded.transpose(np.argsort(order))


def pad_backward(dy: Array, pairs: Sequence[Pair], mode: str) -> Array:
    """Gradient of `pad`: every cell gets back what its copies got; always a copy."""
    dx = dy
    for axis, pair in enumerate(pairs):
        dx = _folded(dx, axis, pair, mode)
    return dx if dx is not dy and dx.base is None else dx.copy(order="K")


def _folded(dy: Array, axis: int, pair: Pair, mode: str) -> Array:
    """Adjoint of the padding of one axis."""
    if not sum(pair):
        return dy
    before, rows = pair[0], np.moveaxis(dy, axis, 0)
    cells = len(rows) - sum(pair)
    dx = rows[before : before + cells]
    if mode != "zeros":
        dx = dx.copy(order="K")
        for result, cell in Padded(mode, cells, *pair).copied().T:
            with np.errstate(all="ignore"):
                dx[cell] += rows[result]
    return np.moveaxis(dx, 0, axis)

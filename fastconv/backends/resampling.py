"""Planes in another size, one axis at a time: which cells a result looks at, and the gradient in NumPy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastconv.backends.elementwise import Array

Taps = list[tuple[Array, "Array | None"]]  # per tap: the input cell of every output cell, and its weight


@dataclass(frozen=True)
class Resampling:
    """How one axis gets another size.

    Attributes
    ----------
    mode : str
        "nearest" or "bilinear".
    cells, out : int
        Sizes before and after.
    factor : float or None
        By which the size was asked for, if it was.
    aligned : bool
        With "bilinear", whether the centres of the first and last cells lie on each other.
    """

    mode: str
    cells: int
    out: int
    factor: float | None
    aligned: bool

    def taps(self) -> Taps:
        """Cells that every result looks at, and their weights."""
        return self._nearest() if self.mode == "nearest" else self._linear()

    def _nearest(self) -> Taps:
        """The cell that every output cell copies; in float32, as PyTorch rounds, and with its exceptions."""
        cells, out = self.cells, self.out
        if out in (cells, 2 * cells):
            return [(np.arange(out) // (out // cells), None)]
        ratio = np.float32(cells) / np.float32(out) if self.factor is None else np.float32(1 / self.factor)
        places = np.floor(np.arange(out, dtype=np.float32) * ratio).astype(np.int64)
        return [(np.minimum(places, cells - 1), None)]

    def _linear(self) -> Taps:
        """The two cells that every output cell lies between, and their weights."""
        cells, out = self.cells, self.out
        if out == cells:
            places: Array = np.arange(out, dtype=np.float64)
        elif self.aligned:
            places = np.arange(out) * ((cells - 1) / (out - 1) if out > 1 else 0.0)
        else:
            ratio = cells / out if self.factor is None else 1 / self.factor
            places = np.maximum((np.arange(out) + 0.5) * ratio - 0.5, 0)
        first = np.minimum(places.astype(np.int64), cells - 1)
        second = np.minimum(first + 1, cells - 1)
        share = np.minimum(places - first, 1.0)
        return [(first, 1 - share), (second, share)]

    def shares(self) -> tuple[NDArray[np.int64], NDArray[np.int64], Array]:
        """The first result that looks at each cell, how many do, one after the other, and their weights there.

        ``(cells,), (cells,), (cells, most)``. These are neighbours, since results look at cells in order.
        """
        taps = self.taps()
        places = np.concatenate([cells for cells, _ in taps])
        weights = np.concatenate([np.ones(self.out) if weight is None else weight for _, weight in taps])
        results = np.tile(np.arange(self.out), len(taps))
        first, last = np.full(self.cells, self.out), np.full(self.cells, -1)
        np.minimum.at(first, places, results)
        np.maximum.at(last, places, results)
        first[last < 0] = 0
        count = np.where(last < 0, 0, last - first + 1)
        table = np.zeros((self.cells, count.max()))
        np.add.at(table, (places, results - first[places]), weights)
        return first, count, table


def resample_backward(dy: Array, axis: int, resampling: Resampling) -> Array:
    """Sums of what the results along an axis say of each cell, the first of every cell, then the second; in float64."""
    first, count, weights = resampling.shares()
    shape, along = [1] * dy.ndim, (slice(None),) * axis
    shape[axis] = -1
    total = np.zeros((*dy.shape[:axis], resampling.cells, *dy.shape[axis + 1 :]))
    with np.errstate(invalid="ignore", over="ignore"):
        for i, weight in enumerate(weights.T):
            part = dy.take(np.minimum(first + i, resampling.out - 1), axis) * weight.reshape(shape)
            part[(*along, count <= i)] = 0
            total += part
        return total.astype(dy.dtype)

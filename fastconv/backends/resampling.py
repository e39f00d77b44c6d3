"""Planes in another size, one axis at a time: which cells a result looks at, and both passes in NumPy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from fastconv.backends.elementwise import Array

Taps = list[tuple[Array, "Array | None"]]  # per tap: the input cell of every output cell, and its weight

LARGE_ROW = 2**12  # numbers from which on images are done one by one: what lies in between stays in a cache


class Resampled(Protocol):
    """How one axis gets another size; hashable, as plans are kept by it."""

    def __hash__(self) -> int: ...

    @property
    def copies(self) -> bool:
        """Whether every result is a copy of one cell: it has one tap, without a weight. Else it has two or more."""
        ...

    def taps(self) -> Taps:
        """Cells that every result looks at, and their weights."""
        ...


class Resampling(NamedTuple):
    """How one axis gets another size; a tuple, whose hash takes a tenth of the time of that of a dataclass.

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

    @property
    def copies(self) -> bool:
        """Whether every result is a copy of one cell."""
        return self.mode == "nearest"

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


def memory_order(x: Array) -> list[int]:
    """Axes by their strides, the largest first: transposed like that, an array without gaps is in C order."""
    return sorted(range(x.ndim), key=lambda axis: -abs(x.strides[axis]))


def gathered(x: Array, taps: Mapping[int, Taps]) -> Array:
    """Array whose cells along some axes are sums of weighted cells of another, whose memory order it has."""
    order = memory_order(x)
    rows = x.transpose(order)
    along = {order.index(axis): each for axis, each in taps.items()}
    if 0 in along or len(rows) < 2 or rows[0].size < LARGE_ROW:
        return _gathered_along(rows, along).transpose(np.argsort(order))
    y: Array = np.empty([len(along[i][0][0]) if i in along else size for i, size in enumerate(rows.shape)], x.dtype)
    inner = {axis - 1: each for axis, each in along.items()}
    for row, result in zip(rows, y):
        result[...] = _gathered_along(row, inner)
    return y.transpose(np.argsort(order))


def _gathered_along(x: Array, taps: Mapping[int, Taps]) -> Array:
    for axis, each in taps.items():
        x = _gathered(x, axis, each)
    return x


def _weights(weight: Array, x: Array, axis: int) -> Array:
    """Weights along an axis, in the dtype of an array."""
    return weight.astype(x.dtype).reshape(-1, *(1,) * (x.ndim - 1 - axis))


def _gathered(x: Array, axis: int, taps: Taps) -> Array:
    """Output cells along one axis."""
    total: Array | None = None
    with np.errstate(all="ignore"):
        for places, weight in taps:
            part = x.take(places, axis)
            if weight is not None:
                part *= _weights(weight, x, axis)
            total = part if total is None else np.add(total, part, out=total)
    assert total is not None
    return total


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

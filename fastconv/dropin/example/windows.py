"""Which strides, padding and dilation a size of the output admits, and whether the numbers agree."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import NamedTuple

import numpy as np

from fastconv.dropin.conventions.problem import Pair
from fastconv.validation.arrays import Array

_POSITIONS = 24
_LARGEST = 9  # kernel of a pooling, unless it is as large as the image
_MARGIN = 12  # padding
CLOSE = 1e-3  # of the largest number


class Axis(NamedTuple):
    """Windows along one axis."""

    kernel: int
    stride: int
    padding: int
    dilation: int

    @property
    def oddity(self) -> tuple[int, ...]:
        """Larger for what is rarer."""
        return self.dilation, self.padding, abs(self.kernel - self.stride), self.stride

    def out(self, size: int) -> int:
        """Number of windows in an image of this size."""
        return (size + 2 * self.padding - self.dilation * (self.kernel - 1) - 1) // self.stride + 1


class Windows(NamedTuple):
    """Windows along both axes."""

    height: Axis
    width: Axis

    @property
    def taps(self) -> int:
        """Cells under a window."""
        return self.height.kernel * self.width.kernel

    def pair(self, name: str) -> Pair:
        """Kernel, stride, padding or dilation."""
        return getattr(self.height, name), getattr(self.width, name)


def axes_for(size: int, kernel: int, out: int) -> list[Axis]:
    """Return the windows along an axis that give so many outputs, the usual ones first."""
    found = []
    for dilation in (1, 2, 3) if kernel > 1 else (1,):
        extent = dilation * (kernel - 1) + 1
        for padding in range(min(max(extent - 1, 2), _MARGIN) + 1):
            beyond = size + 2 * padding - extent
            if beyond < out - 1:
                continue
            # out - 1 <= beyond / stride < out
            slowest, fastest = beyond // out + 1, beyond // (out - 1) if out > 1 else beyond + 1
            found += [Axis(kernel, stride, padding, dilation) for stride in range(slowest, fastest + 1)]
    return sorted(found, key=lambda axis: axis.oddity)


def convolution_windows(image: Pair, kernel: Pair, out: Pair) -> Iterator[Windows]:
    """Give the windows of a convolution that fit these sizes, those that are alike along both axes first."""
    return _both(*(axes_for(*sizes) for sizes in zip(image, kernel, out)))


def pooling_windows(image: Pair, out: Pair) -> Iterator[Windows]:
    """Give the windows of a pooling that fit these sizes, those that are alike along both axes first."""
    axes = []
    for size, n in zip(image, out):
        kernels = {*range(1, min(size, _LARGEST) + 1), size}
        found = [axis for kernel in kernels for axis in axes_for(size, kernel, n)]
        usual = [axis for axis in found if axis.dilation == 1 and axis.padding <= axis.kernel // 2]
        axes.append(sorted(usual, key=lambda axis: axis.oddity))
    return _both(*axes)


def _both(rows: list[Axis], columns: list[Axis]) -> Iterator[Windows]:
    pairs = [Windows(row, column) for row, column in product(rows, columns) if row.dilation == column.dilation]
    yield from sorted(pairs, key=lambda pair: pair.height != pair.width)


class Sample:
    """A few positions of an output, to try many hypotheses on.

    Parameters
    ----------
    x : ndarray, shape (N, C, H, W)
        Input.
    y : ndarray, shape (N, F, OH, OW)
        Output without the bias.
    fill : float
        What lies around the image.
    """

    def __init__(self, x: Array, y: Array, fill: float = 0.0) -> None:
        pads = [(0, 0), (0, 0), (_MARGIN, _MARGIN), (_MARGIN, _MARGIN)]
        self._x = np.pad(x.astype(np.float64), pads, constant_values=fill)
        rng = np.random.default_rng(0)
        self._at = [rng.integers(0, y.shape[axis], _POSITIONS) for axis in (0, 2, 3)]
        for at, n in zip(self._at[1:], y.shape[2:]):
            at[:2] = 0, n - 1  # the borders, where the padding shows
        images, rows, columns = self._at
        self._y = y[images, :, rows, columns].astype(np.float64)

    def _patches(self, windows: Windows) -> Array:
        """The input under the window of every position, (positions, C, KH, KW)."""
        images, *at = self._at
        rows, columns = (
            (_MARGIN + position * axis.stride - axis.padding)[:, None] + axis.dilation * np.arange(axis.kernel)
            for position, axis in zip(at, windows)
        )
        return self._x[images[:, None, None], :, rows[:, :, None], columns[:, None, :]].transpose(0, 3, 1, 2)

    def convolution_errors(self, weights: Sequence[Array], windows: Windows) -> list[float]:
        """How far the outputs are from convolutions with each of several filters (F, C, KH, KW), see `error_of`."""
        patches = self._patches(windows)
        return [error_of(np.tensordot(patches, weight, ((1, 2, 3), (1, 2, 3))), self._y) for weight in weights]

    def pooling_errors(self, windows: Windows) -> dict[str, float]:
        """How far the outputs are from the maxima and the means of the windows, see `error_of`."""
        patches = self._patches(windows)
        largest = patches.max(axis=(2, 3))
        mean = np.where(np.isfinite(patches), patches, 0).mean(axis=(2, 3))
        return {"max_pool2d": error_of(largest, self._y), "avg_pool2d": error_of(mean, self._y)}


def close(found: Array, desired: Array) -> bool:
    """Whether numbers agree to what float32 gives; the proof that follows is stricter."""
    return found.shape == desired.shape and error_of(found, desired) < CLOSE


def error_of(found: Array, desired: Array) -> float:
    """Return the largest difference in parts of the largest number."""
    scale = float(np.abs(desired).max(initial=0)) or 1.0
    return float(np.nan_to_num(np.abs(found - desired), nan=np.inf).max(initial=0)) / scale

"""In which order of axes images and filters lie, and the way to that of fastconv and back, without a copy."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fastconv.backends.locks import cached_property
from fastconv.dropin.conventions.calls import Declined
from fastconv.dropin.conventions.problem import Pair
from fastconv.validation.arrays import Array

IMAGES = {4: ("NCHW", "NHWC", "CHWN", "HWCN", "CNHW"), 3: ("CHW", "HWC", "NHW", "HWN"), 2: ("HW",)}
# Where the channels of the output lie elsewhere than those of the input.
_TURNED = {("HWC", "CHW"), ("CHW", "HWC"), ("NHWC", "NCHW"), ("NCHW", "NHWC")}
FILTERS = {
    4: ("FCHW", "HWCF", "FHWC", "CHWF", "CFHW", "HWFC", "FCWH", "WHCF", "FWHC", "CWHF", "CFWH", "WHFC"),
    3: ("FHW", "HWF", "CHW", "HWC", "FWH", "WHF", "CWH", "WHC"),
    2: ("HW", "WH"),
}
# Filters as a matrix: the axes of its rows and of its columns.
MATRICES = ("F CHW", "CHW F", "F HWC", "HWC F")


@dataclass(frozen=True)
class Axes:
    """An order of axes, of which some may be missing.

    Parameters
    ----------
    order : str
        Letters of the axes, of those in `full`.
    full : str
        The order of fastconv.

    Examples
    --------
    >>> import numpy as np
    >>> Axes("HWC", "NCHW").full_of(np.ones((5, 7, 3))).shape
    (1, 3, 5, 7)
    >>> Axes("HWC", "NCHW").of_full(np.ones((1, 3, 5, 7))).shape
    (5, 7, 3)
    """

    order: str
    full: str
    _there: tuple[int, ...] = field(init=False, repr=False, compare=False)
    _back: tuple[int, ...] = field(init=False, repr=False, compare=False)
    _missing: tuple[int, ...] = field(init=False, repr=False, compare=False)
    _index: tuple[Any, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        present = [letter for letter in self.full if letter in self.order]
        found = {
            "_there": tuple(self.order.index(letter) for letter in present),
            "_back": tuple(present.index(letter) for letter in self.order),
            "_missing": tuple(at for at, letter in enumerate(self.full) if letter not in self.order),
            "_index": tuple(slice(None) if letter in self.order else 0 for letter in self.full),
        }
        for name, value in found.items():
            object.__setattr__(self, name, value)

    def full_of(self, array: Array) -> Array:
        """View in the order of fastconv, with an axis of one for what is missing."""
        if array.ndim != len(self.order):
            raise Declined
        turned = array.transpose(self._there)
        return np.expand_dims(turned, self._missing) if self._missing else turned

    def of_full(self, array: Array) -> Array:
        """View in this order; of an axis that is missing here, the first element."""
        return array[self._index].transpose(self._back) if self._missing else array.transpose(self._back)

    def sizes(self, shape: tuple[int, ...]) -> dict[str, int]:
        """Sizes by letter, one for what is missing."""
        return {**dict.fromkeys(self.full, 1), **dict(zip(self.order, shape))}


@dataclass(frozen=True)
class Filters:
    """How the filters of a convolution lie.

    Parameters
    ----------
    order : str
        Their axes, such as "HWCF"; of a matrix rows and columns, such as "F CHW".
    flipped : bool
        Whether the window is turned by half a turn, as mathematics has it.
    kernel : (int, int), optional
        Of a matrix, which does not tell it.
    """

    order: str
    flipped: bool = False
    kernel: Pair | None = None

    @cached_property
    def axes(self) -> Axes:
        """Order of axes, of a matrix as they are when it is unfolded."""
        return Axes(self.order.replace(" ", ""), "FCHW")

    def full_of(self, array: Array) -> Array:
        """Return them as (F, C, KH, KW)."""
        if self.kernel is not None:
            array = self._unfolded(array, self.kernel)
        found = self.axes.full_of(array)
        return found[:, :, ::-1, ::-1] if self.flipped else found

    def of_full(self, array: Array) -> Array:
        """Return (F, C, KH, KW) in their order."""
        found = self.axes.of_full(array[:, :, ::-1, ::-1] if self.flipped else array)
        if self.kernel is None:
            return found
        return found.reshape(len(found), -1) if self.order[0] == "F" else found.reshape(-1, found.shape[-1])

    def _unfolded(self, array: Array, kernel: Pair) -> Array:
        if array.ndim != 2:
            raise Declined
        filters, taps = array.shape if self.order[0] == "F" else array.shape[::-1]
        sizes = {"F": filters, "C": taps // (kernel[0] * kernel[1]), "H": kernel[0], "W": kernel[1]}
        return array.reshape([sizes[letter] for letter in self.axes.order])


def image_orders(x_rank: int, y_rank: int) -> list[tuple[Axes, Axes]]:
    """Return the orders in which the input and output of one operation can lie: both with a batch, or both without."""
    pairs = [(x, y) for x in IMAGES.get(x_rank, ()) for y in IMAGES.get(y_rank, ())]
    likely = sorted(pairs, key=lambda pair: pair[0].replace("C", "") != pair[1].replace("C", ""))
    kept = [(x, y) for x, y in likely if ("N" in x) == ("N" in y) and (x_rank != y_rank or x == y)]
    kept += [(x, y) for x, y in likely if (x, y) in _TURNED]
    return [(Axes(x, "NCHW"), Axes(y, "NCHW")) for x, y in kept]


def kernels_of(taps: int) -> list[Pair]:
    """Return the kernels with so many taps, the square one first."""
    pairs = [(height, taps // height) for height in range(1, taps + 1) if taps % height == 0]
    return sorted(pairs, key=lambda pair: abs(pair[0] - pair[1]))

"""Weights of interpolation, which Resize and GridSample share: of cells beside a place, by their distance from it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fastconv.backends.resampling import Taps
from fastconv.validation.arrays import Array

Weighted = list[tuple[Array, Array]]  # per tap: a cell for every place, and its weight
Kernel = Callable[[Array, float], Array]  # weight of a distance in cells, and the number that cubic ones need


def _linear(distance: Array, _: float) -> Array:
    return np.asarray(np.maximum(0, 1 - distance))


def _cubic(distance: Array, a: float) -> Array:
    """Piecewise cubic (Keys 1981, "Cubic Convolution Interpolation for Digital Image Processing", equation 4)."""
    near = ((a + 2) * distance - (a + 3)) * distance**2 + 1
    far = ((distance - 5) * distance + 8) * distance - 4
    return np.where(distance <= 1, near, np.where(distance < 2, a * far, 0))


KERNELS: dict[str, tuple[Kernel, int]] = {"linear": (_linear, 1), "cubic": (_cubic, 2)}  # and how far they reach

_ROUNDINGS: dict[str, Callable[[Array], Array]] = {
    "round_prefer_floor": lambda places: np.ceil(places - 0.5),
    "round_prefer_ceil": lambda places: np.floor(places + 0.5),
    "floor": np.floor,
    "ceil": np.ceil,
}
ROUNDINGS = tuple(_ROUNDINGS)


def nearest(places: Array, cells: int, rounding: str) -> Taps:
    """The cell next to every place, which is taken to be whole where it is so in float32."""
    exact = places.astype(np.float32)
    return [(np.clip(_ROUNDINGS[rounding](exact), 0, cells - 1).astype(np.intp), None)]


def weighted(places: Array, mode: str, a: float, stretch: float = 1.0) -> Weighted:
    """Cells around every place, some of them outside, and their weights.

    Parameters
    ----------
    places : ndarray
        Where to interpolate, counted in cells.
    mode : {"linear", "cubic"}
        Which kernel.
    a : float
        Second derivative of the cubic kernel at 1, about: -0.5 or -0.75.
    stretch : float
        Of the kernel, so that a smaller image has something of every cell; 1 for none.
    """
    kernel, reach = KERNELS[mode]
    before = int(np.ceil(reach * stretch)) - 1
    first = np.floor(places)
    taps = [(first + i, kernel(np.abs(first + i - places) / stretch, a)) for i in range(-before, before + 2)]
    return [(cells.astype(np.intp), weights) for cells, weights in taps]


def within(taps: Weighted, cells: int, *, exclude: bool, scaled: bool) -> Taps:
    """Taps whose cells are all inside: the outermost in place of those outside, or with `exclude` none.

    With `scaled` or `exclude` the weights of a place sum to 1.
    """
    places = np.stack([place for place, _ in taps])
    weights = np.stack([weight for _, weight in taps])
    if exclude:
        weights = np.where((places >= 0) & (places < cells), weights, 0)
    if exclude or scaled:
        total = weights.sum(axis=0)
        weights = weights / np.where(total == 0, 1, total)
    return [*zip(np.clip(places, 0, cells - 1), weights)]

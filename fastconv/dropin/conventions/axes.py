"""Which axes the arrays of somebody's functions have, and in which order.

Ours are (N, C, H, W), weights (F, C, H, W) and outputs (N, F, H, W).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from fastconv.dropin.conventions.calls import Declined
from fastconv.validation.arrays import Array


class Axes(NamedTuple):
    """Letters of the axes of input, weights and output, as a function has them."""

    x: str
    weight: str
    y: str


OURS = Axes("NCHW", "FCHW", "NFHW")
RANKS = {
    "NCHW": OURS,
    "CHW": Axes("CHW", "FCHW", "FHW"),
    "CHW, one filter": Axes("CHW", "CHW", "HW"),
    "HW": Axes("HW", "HW", "HW"),
    "NHWC": Axes("NHWC", "HWCF", "NHWF"),
    "HWC": Axes("HWC", "HWCF", "HWF"),
    "HWC, one filter": Axes("HWC", "HWC", "HW"),
    "HWC, filters first": Axes("HWC", "FHWC", "HWF"),
    "HW, filters last": Axes("HW", "FHW", "HWF"),
    "HW, filters first": Axes("HW", "FHW", "FHW"),
}


def to_theirs(array: Array, ours: str, axes: str) -> Array:
    """Return an array of ours with the axes of theirs; those that they lack have a size of one.

    Examples
    --------
    >>> to_theirs(np.ones((1, 2, 3, 4)), "NCHW", "HWC").shape
    (3, 4, 2)
    """
    if ours == axes:
        return array
    kept = [axis for axis in ours if axis in axes]
    missing = tuple(index for index, axis in enumerate(ours) if axis not in axes)
    return np.squeeze(array, missing).transpose([kept.index(axis) for axis in axes])


def to_ours(array: Any, ours: str, axes: str) -> Any:
    """Return an array of theirs with our axes; what is no array of so many axes is left for the judge.

    Examples
    --------
    >>> to_ours(np.ones((3, 4, 2)), "NCHW", "HWC").shape
    (1, 2, 3, 4)
    """
    if ours == axes or not isinstance(array, np.ndarray) or array.ndim != len(axes):
        return array
    kept = [axis for axis in ours if axis in axes]
    missing = tuple(index for index, axis in enumerate(ours) if axis not in axes)
    return np.expand_dims(array.transpose([axes.index(axis) for axis in kept]), missing)


def given(array: Any, ours: str, axes: str) -> Array:
    """Return an array of a call with our axes; one of another rank is left to the original."""
    if not isinstance(array, np.ndarray) or array.ndim != len(axes):
        raise Declined
    found: Array = to_ours(array, ours, axes)
    return found


def shape_of(shape: tuple[int, ...], ours: str, axes: str) -> tuple[int, ...]:
    """Return the shape that an array of ours has with the axes of theirs."""
    return tuple(shape[ours.index(axis)] for axis in axes)

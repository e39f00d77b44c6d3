"""GridSample: an image looked at in other places."""

from __future__ import annotations

from itertools import product
from math import prod

import numpy as np

from fastconv.errors import InvalidValueError
from fastconv.onnx.operators.arguments import widened
from fastconv.onnx.operators.interpolation import Weighted, weighted
from fastconv.onnx.registry import operator
from fastconv.validation.arrays import Array
from fastconv.validation.memory import check_fits
from fastconv.validation.sizes import check_choice

_MODES = {"bilinear": "linear", "bicubic": "cubic", "linear": "linear", "cubic": "cubic", "nearest": "nearest"}
_CUBIC = -0.75


@operator("GridSample", since=16)
def grid_sample(
    x: Array, grid: Array, *, align_corners: int = 0, mode: str = "linear", padding_mode: str = "zeros"
) -> Array:
    """Interpolate at places that a grid says, from -1 to 1: ``(N, C, H, W), (N, OH, OW, 2) -> (N, C, OH, OW)``.

    The last axis of the grid is (x, y), as in PyTorch; planes may have any number of axes.
    """
    mode = _MODES[check_choice("GridSample", "mode", mode, tuple(_MODES))]
    check_choice("GridSample", "padding_mode", padding_mode, ("zeros", "border", "reflection"))
    rank = x.ndim - 2
    if rank < 1 or grid.ndim != x.ndim or len(grid) != len(x) or grid.shape[-1] != rank or 0 in x.shape[1:]:
        raise InvalidValueError(
            f"GridSample: grid must have shape (N, *out, {rank}) for an input (N, C, *size) with cells, but got "
            f"{grid.shape} for {x.shape}."
        )
    check_fits("GridSample", "the result", (*x.shape[:2], *grid.shape[1:-1]), 8)
    images = np.arange(len(x)).reshape(-1, *(1,) * rank)
    pixels = np.moveaxis(widened(x), 1, -1)
    y = np.zeros((*grid.shape[:-1], x.shape[1]), pixels.dtype)
    with np.errstate(all="ignore"):
        coordinates = np.moveaxis(widened(grid), -1, 0)[::-1]
        axes = [
            _taps(places, cells, mode, padding_mode, bool(align_corners))
            for places, cells in zip(coordinates, x.shape[2:])
        ]
        for taps in product(*axes):
            places, weights = zip(*taps)
            y += pixels[(images, *places)] * prod(weights)[..., None].astype(y.dtype, copy=False)
        return np.moveaxis(y, -1, 1).astype(x.dtype, copy=False)


def _taps(places: Array, cells: int, mode: str, padding: str, aligned: bool) -> Weighted:
    """Cells and weights for every place along an axis."""
    low, high = (0.0, cells - 1.0) if aligned else (-0.5, cells - 0.5)
    places = low + (places + 1) / 2 * (high - low)
    if mode == "nearest":
        places = np.rint(places)
    if padding == "border" and mode != "cubic":
        places = np.where((places < low) | (places > high), np.clip(places, 0, cells - 1), places)
    elif padding == "reflection":
        places = _reflected(places, low, high)
    ones = np.ones_like(places)
    taps = [(places.astype(np.intp), ones)] if mode == "nearest" else weighted(places, mode, _CUBIC)
    return [_inside(place, weight, cells, padding, low, high) for place, weight in taps]


def _reflected(places: Array, low: float, high: float) -> Array:
    """Places between two mirrors."""
    span = high - low
    if not span:
        return np.full_like(places, low)
    steps = np.abs(places - low) % (2 * span)
    return low + np.minimum(steps, 2 * span - steps)


def _inside(places: Array, weights: Array, cells: int, padding: str, low: float, high: float) -> tuple[Array, Array]:
    """Give a tap cells that are inside, or no weight."""
    if padding == "reflection":
        places = _reflected(places, low, high).astype(np.intp)
    elif padding == "zeros":
        weights = np.where((places >= 0) & (places < cells), weights, 0)
    return np.clip(places, 0, cells - 1), weights

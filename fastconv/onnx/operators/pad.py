"""Cells around arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv.errors import InvalidValueError
from fastconv.functional.copies import memory_order, placed
from fastconv.onnx.operators.arguments import checked_axes, integers
from fastconv.onnx.registry import operator
from fastconv.validation.arrays import Array
from fastconv.validation.memory import check_fits
from fastconv.validation.sizes import check_choice
from fastconv.validation.types import Shape

_MODES = ("constant", "reflect", "edge", "wrap")

Pairs = list[tuple[int, int]]  # cells before and after, per axis


@operator("Pad", since=2)
def pad(data: Array, *, pads: tuple[int, ...], mode: str = "constant", value: float = 0.0) -> Array:
    """Put cells before and after every axis; a number below 0 takes some away."""
    return _padded("Pad", data, _pairs(data.shape, pads, range(data.ndim)), mode, value)


@operator("Pad", since=11)
def pad_by_input(
    data: Array, pads: Array, constant_value: Array | None = None, axes: Array | None = None, *, mode: str = "constant"
) -> Array:
    """Put cells before and after some axes; a number below 0 takes some away."""
    value = 0 if constant_value is None or not constant_value.size else constant_value.reshape(-1)[0]
    chosen = range(data.ndim) if axes is None else checked_axes("Pad", integers("Pad", "axes", axes), data.shape)
    return _padded("Pad", data, _pairs(data.shape, integers("Pad", "pads", pads), chosen), mode, value)


@operator("CenterCropPad", since=18)
def center_crop_pad(x: Array, shape: Array, *, axes: tuple[int, ...] | None = None) -> Array:
    """Cut or pad with zeros to sizes, alike on both sides; of an odd number, more are cut before and padded after."""
    sizes = integers("CenterCropPad", "shape", shape)
    chosen = checked_axes("CenterCropPad", range(x.ndim) if axes is None else axes, x.shape)
    if len(sizes) != len(chosen) or min(sizes, default=0) < 0:
        raise InvalidValueError(f"CenterCropPad: shape must be {len(chosen)} sizes from 0 on, but got {sizes}.")
    pairs = [(0, 0)] * x.ndim
    for axis, size in zip(chosen, sizes):
        more = size - x.shape[axis]
        before = more // 2 if more > 0 else -(-more // 2)
        pairs[axis] = (before, more - before)
    return _padded("CenterCropPad", x, pairs, "constant", 0)


def _pairs(shape: Shape, pads: tuple[int, ...], axes: Any) -> Pairs:
    """One pair for each axis of an array."""
    if len(pads) != 2 * len(axes):
        raise InvalidValueError(
            f"Pad: pads must be {2 * len(axes)}, before and after {len(axes)} axes, but got {pads} (shape {shape})."
        )
    pairs = dict(zip(axes, zip(pads, pads[len(axes) :])))
    return [pairs.get(axis, (0, 0)) for axis in range(len(shape))]


def _padded(operation: str, x: Array, pairs: Pairs, mode: str, value: Any) -> Array:
    """In the memory order of `x`; zeros around floats by the backend."""
    check_choice(operation, "mode", mode, _MODES)
    out = tuple(before + size + after for size, (before, after) in zip(x.shape, pairs))
    if min(out, default=0) < 0:
        raise InvalidValueError(f"{operation}: no more must be cut than there is, but got {pairs} (shape {x.shape}).")
    check_fits(operation, "the result", out, x.itemsize)
    x = x[tuple(slice(max(0, -before), size - max(0, -after)) for size, (before, after) in zip(x.shape, pairs))]
    pairs = [(max(0, before), max(0, after)) for before, after in pairs]
    if not any(map(any, pairs)):
        return x
    order = memory_order(x)
    if mode == "constant" and value == 0 and x.dtype in (np.float32, np.float64):
        cells = tuple(slice(before, before + size) for size, (before, _) in zip(x.shape, pairs))
        return placed(operation, x, out, cells, order)
    if mode != "constant" and any(size == 0 and any(pair) for size, pair in zip(x.shape, pairs)):
        raise InvalidValueError(f"{operation}: axes to pad must not be empty with mode={mode!r} (shape {x.shape}).")
    options = {"constant_values": np.asarray(value, x.dtype)} if mode == "constant" else {}
    y = np.pad(x.transpose(order), [pairs[axis] for axis in order], mode, **options)  # type: ignore[call-overload]
    padded: Array = y.transpose(np.argsort(order))
    return padded

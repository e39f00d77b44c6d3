"""Planes in another size, by their nearest cells or by linear interpolation, and the gradients."""

from __future__ import annotations

from math import floor
from typing import Any

import numpy as np

from fastconv.errors import InvalidValueError
from fastconv.functional.views import as_computed, channels_first, finish
from fastconv.validation.arrays import (
    LAYOUTS,
    Array,
    check_array,
    check_layout,
    check_rank,
    check_shape,
    common_dtype,
    layout_shape,
    logical_shape,
)
from fastconv.validation.memory import check_fits
from fastconv.validation.sizes import check_choice, check_flag, check_number, check_shape_argument, check_sizes

__all__ = ["RESAMPLE_MODES", "upsample", "upsample_backward", "upsampled_size"]

RESAMPLE_MODES = ("nearest", "bilinear")

Taps = list[tuple[Array, "Array | None"]]  # per tap: the input cell of every output cell, and its weight


def upsample(
    x: Any,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    *,
    align_corners: bool = False,
    layout: str | None = None,
) -> Array:
    """Give planes another size.

    ``(N, C, H, W) -> (N, C, OH, OW)``

    Parameters
    ----------
    x : array_like, shape (N, C, W), (N, C, H, W) or (N, C, D, H, W)
        Input, of any strides; its memory order is kept.
    size : int or sequence of ints, optional
        Size of the result, per spatial axis.
    scale_factor : float or sequence of floats, optional
        In place of `size`: the result has ``floor(size * scale_factor)`` cells.
    mode : {"nearest", "bilinear"}
        "bilinear" takes planes (H, W) only.
    align_corners : bool
        With "bilinear", whether the centres of the corner cells of both planes lie on each other, or their corners.
    layout : str, optional
        Order of the axes, such as "NHWC"; by default channels first.

    Returns
    -------
    ndarray
        In the dtype of `x`, or float64 if that is an integer type.

    Raises
    ------
    ValueError
        If neither or both of `size` and `scale_factor` are given, or a size would be less than 1.
    TypeError
        If an argument has a type or dtype that is not taken.

    Notes
    -----
    As in PyTorch. The output cell o looks at ``floor(o * ratio)`` ("nearest") or ``(o + 0.5) * ratio - 0.5``
    ("bilinear", cut off at the border), where the ratio is ``1 / scale_factor`` as it was given, or the quotient of the
    sizes. Where the result is as large as the input, or with "nearest" twice as large, the factor does not matter. The
    same on every backend.

    Examples
    --------
    >>> import numpy as np
    >>> upsample(np.array([[[1.0, 2.0]]]), scale_factor=2)[0, 0]
    array([1., 1., 2., 2.])
    >>> upsample(np.array([[[[1.0, 3.0]]]]), (1, 4), mode="bilinear")[0, 0]
    array([[1. , 1.5, 2.5, 3. ]])
    """
    operation = "upsample"
    x = check_array(operation, "x", x)
    last, taps = _checked(operation, "x", x.shape, size, scale_factor, mode, align_corners, layout)
    dtype = common_dtype(operation, x)
    y = channels_first(as_computed(x, dtype), channels_last=last)
    order = _memory_order(y)
    y = y.transpose(order)
    for axis, each in enumerate(taps):
        y = _gathered(y, order.index(axis + 2), each)
    return finish(y.transpose(np.argsort(order)), dtype, channels_last=last)


def upsample_backward(
    dy: Any,
    input_shape: Any,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    *,
    align_corners: bool = False,
    layout: str | None = None,
) -> Array:
    """Gradient of `upsample` with respect to its input: its adjoint.

    ``(N, C, OH, OW) -> (N, C, H, W)``

    Parameters
    ----------
    dy : array_like, shaped like the output
        Gradient of the loss with respect to the output.
    input_shape : sequence of int
        Shape of the input of the forward call, in `layout`.
    size, scale_factor, mode, align_corners, layout
        As in the forward call.

    Returns
    -------
    ndarray of shape `input_shape`
        In the dtype of `dy`, or float64 if that is an integer type.

    Raises
    ------
    ValueError, TypeError
        As `upsample`, or if the shapes do not fit together.

    Examples
    --------
    >>> import numpy as np
    >>> upsample_backward(np.array([[[1.0, 2.0, 4.0]]]), (1, 1, 2), size=3)[0, 0]
    array([3., 4.])
    """
    operation = "upsample_backward"
    dy = check_array(operation, "dy", dy)
    letters = LAYOUTS[dy.ndim - 2][0] if 3 <= dy.ndim <= 5 else "NCHW"
    shape = check_shape_argument(operation, "input_shape", input_shape, letters)
    last, taps = _checked(operation, "the input", shape, size, scale_factor, mode, align_corners, layout)
    logical = logical_shape(shape, channels_last=last)
    out = layout_shape((*logical[:2], *(len(axis[0][0]) for axis in taps)), channels_last=last)
    check_shape(operation, "dy", dy.shape, out, "the shape of the output")
    dtype = common_dtype(operation, dy)
    dx = channels_first(as_computed(dy, dtype), channels_last=last)
    order = _memory_order(dx)
    dx = dx.transpose(order)
    for axis, each in enumerate(taps):
        dx = _scattered(dx, order.index(axis + 2), each, logical[axis + 2])
    return finish(dx.transpose(np.argsort(order)), dtype, channels_last=last)


def upsampled_size(
    operation: str, plane: tuple[int, ...], size: object, scale_factor: object
) -> tuple[tuple[int, ...], tuple[float | None, ...]]:
    """Size of the result, and the factors where they were given."""
    rank = len(plane)
    if (size is None) == (scale_factor is None):
        raise InvalidValueError(
            f"{operation}: one of size and scale_factor must be given, but got size={size!r} and "
            f"scale_factor={scale_factor!r}."
        )
    if size is not None:
        return check_sizes(operation, "size", size, rank, 1), (None,) * rank
    items: list[Any] = list(scale_factor) if isinstance(scale_factor, (tuple, list, np.ndarray)) else [scale_factor]
    if len(items) not in (1, rank) or (len(items) == 1 and isinstance(scale_factor, (tuple, list)) and rank != 1):
        raise InvalidValueError(
            f"{operation}: scale_factor must be one number or {rank} (one per spatial axis), but got {scale_factor!r}."
        )
    factors = [check_number(operation, "scale_factor", item, least=0) for item in items] * (rank // len(items))
    out = tuple(floor(cells * factor) for cells, factor in zip(plane, factors))
    if min(out) < 1:
        raise InvalidValueError(
            f"{operation}: the output must have at least one cell per axis, but got {out} (plane {plane}, scale_factor "
            f"{scale_factor!r})."
        )
    return out, tuple(factors)


def _checked(
    operation: str,
    name: str,
    shape: tuple[int, ...],
    size: object,
    scale_factor: object,
    mode: object,
    align_corners: object,
    layout: object,
) -> tuple[bool, list[Taps]]:
    """Whether channels are last, and the taps of every spatial axis."""
    rank = len(shape) - 2
    if rank not in LAYOUTS:
        raise InvalidValueError(
            f"{operation}: {name} must have 3, 4 or 5 axes (N, C, *spatial), but got {rank + 2} (shape {shape})."
        )
    last = check_layout(operation, LAYOUTS[rank][0] if layout is None else layout, rank)
    check_rank(operation, name, shape, rank, channels_last=last)
    check_choice(operation, "mode", mode, RESAMPLE_MODES)
    aligned = check_flag(operation, "align_corners", align_corners)
    if mode == "nearest" and aligned:
        raise InvalidValueError(f"{operation}: align_corners must be False with mode='nearest', but got True.")
    if mode == "bilinear" and rank != 2:
        raise InvalidValueError(f"{operation}: mode='bilinear' must have planes (H, W), but got {name} shape {shape}.")
    plane = logical_shape(shape, channels_last=last)[2:]
    out, factors = upsampled_size(operation, plane, size, scale_factor)
    check_fits(operation, "the result", (*logical_shape(shape, channels_last=last)[:2], *out), 4)
    make = _nearest if mode == "nearest" else _linear
    return last, [make(*numbers, aligned) for numbers in zip(plane, out, factors)]


def _nearest(cells: int, out: int, factor: float | None, _: bool) -> Taps:
    """The cell that every output cell copies; in float32, as PyTorch rounds, and with its exceptions."""
    if out in (cells, 2 * cells):
        return [(np.arange(out) // (out // cells), None)]
    ratio = np.float32(cells) / np.float32(out) if factor is None else np.float32(1 / factor)
    places = np.floor(np.arange(out, dtype=np.float32) * ratio).astype(np.int64)
    return [(np.minimum(places, cells - 1), None)]


def _linear(cells: int, out: int, factor: float | None, aligned: bool) -> Taps:
    """The two cells that every output cell lies between, and their weights."""
    if out == cells:
        places: Array = np.arange(out, dtype=np.float64)
    elif aligned:
        places = np.arange(out) * ((cells - 1) / (out - 1) if out > 1 else 0.0)
    else:
        places = np.maximum((np.arange(out) + 0.5) * (cells / out if factor is None else 1 / factor) - 0.5, 0)
    first = np.minimum(places.astype(np.int64), cells - 1)
    second = np.minimum(first + 1, cells - 1)
    share = np.minimum(places - first, 1.0)
    return [(first, 1 - share), (second, share)]


def _memory_order(x: Array) -> list[int]:
    """Axes by their strides, the largest first: transposed like that, an array without gaps is in C order."""
    return sorted(range(x.ndim), key=lambda axis: -abs(x.strides[axis]))


def _weights(weight: Array, x: Array, axis: int) -> Array:
    """Weights along an axis, in the dtype of an array."""
    return weight.astype(x.dtype).reshape(-1, *(1,) * (x.ndim - 1 - axis))


def _gathered(x: Array, axis: int, taps: Taps) -> Array:
    """Output cells along one axis."""
    total: Array | None = None
    with np.errstate(invalid="ignore", over="ignore"):
        for places, weight in taps:
            part = x.take(places, axis)
            if weight is not None:
                part *= _weights(weight, x, axis)
            total = part if total is None else np.add(total, part, out=total)
    assert total is not None
    return total


def _scattered(dy: Array, axis: int, taps: Taps, cells: int) -> Array:
    """Adjoint of `_gathered`; the cells of a tap never go back, so that equal ones are neighbours."""
    shape = list(dy.shape)
    shape[axis] = cells
    dx = np.zeros(shape, dy.dtype)
    with np.errstate(invalid="ignore", over="ignore"):
        for places, weight in taps:
            part = dy if weight is None else dy * _weights(weight, dy, axis)
            present, starts = np.unique(places, return_index=True)
            place = (slice(None),) * axis + (present,)
            dx[place] += np.add.reduceat(part, starts, axis)
    return dx

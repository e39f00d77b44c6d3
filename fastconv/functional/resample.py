"""Planes in another size, by their nearest cells or by linear interpolation, and the gradients."""

from __future__ import annotations

from collections.abc import Iterable
from math import floor

import numpy as np

from fastconv.backends.base import Backend
from fastconv.backends.resampling import Resampling, memory_order
from fastconv.errors import InvalidValueError, shown
from fastconv.functional.call import PlanesCall
from fastconv.validation.arrays import Array, check_array
from fastconv.validation.memory import check_fits
from fastconv.validation.sizes import check_choice, check_flag, check_number, check_sizes, entries_of
from fastconv.validation.types import ArrayLike, Layout, ResampleMode, Shape, ShapeLike, Size

RESAMPLE_MODES = ("nearest", "bilinear")

_LARGEST_FACTOR = 2.0**63  # the cells of a longer axis have no number


def upsample(
    x: ArrayLike,
    size: Size | None = None,
    scale_factor: float | Iterable[float] | None = None,
    mode: ResampleMode = "nearest",
    *,
    align_corners: bool = False,
    layout: Layout | None = None,
) -> Array:
    """Give planes another size.

    ``(N, C, H, W) -> (N, C, OH, OW)``

    Parameters
    ----------
    x : array_like, shape (N, C, W), (N, C, H, W) or (N, C, D, H, W)
        Input, of any strides. The result is channels-last in memory if `x` is.
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
    x = check_array("upsample", "x", x)
    call = PlanesCall.of("upsample", "x", x.shape, layout)
    axes = _checked(call, "x", x.shape, size, scale_factor, mode, align_corners)
    call.arrays(x=x)
    return call.finish(call.compute(Backend.resample, call.view(x), dict(enumerate(axes, 2))))


def upsample_backward(
    dy: ArrayLike,
    input_shape: ShapeLike,
    size: Size | None = None,
    scale_factor: float | Iterable[float] | None = None,
    mode: ResampleMode = "nearest",
    *,
    align_corners: bool = False,
    layout: Layout | None = None,
) -> Array:
    """Gradient of `upsample` with respect to its input: its adjoint.

    ``(N, C, OH, OW) -> (N, C, H, W)``

    Parameters
    ----------
    dy, input_shape
        As for `pad_backward`.
    size, scale_factor, mode, align_corners, layout
        As in the forward call.

    Returns
    -------
    ndarray of shape `input_shape`
        In the dtype of `dy`, or float64 if that is an integer type.

    Notes
    -----
    Each cell sums what the results that look at it say, one axis after the other, in float64; on the current backend.

    Examples
    --------
    >>> import numpy as np
    >>> upsample_backward(np.array([[[1.0, 2.0, 4.0]]]), (1, 1, 2), size=3)[0, 0]
    array([3., 4.])
    """
    call, dy, shape = PlanesCall.of_gradient("upsample_backward", dy, input_shape, layout)
    axes = _checked(call, "the input", shape, size, scale_factor, mode, align_corners)
    call.expect_output(dy, (*call.shape(shape)[:2], *(axis.out for axis in axes)))
    call.arrays(dy=dy)
    dx = call.view(dy)
    order = memory_order(dx)
    dx = dx.transpose(order)
    for i, axis in enumerate(axes, 2):
        dx = call.compute(Backend.resample_backward, dx, order.index(i), axis)
    return call.finish(dx.transpose(np.argsort(order)))


def upsampled_size(
    operation: str, plane: Shape, size: object, scale_factor: object
) -> tuple[Shape, tuple[float | None, ...]]:
    """Size of the result, and the factors where they were given."""
    rank = len(plane)
    if (size is None) == (scale_factor is None):
        raise InvalidValueError(
            f"{operation}: one of size and scale_factor must be given, but got size={shown(size)} and "
            f"scale_factor={shown(scale_factor)}."
        )
    if size is not None:
        return check_sizes(operation, "size", size, rank, 1), (None,) * rank
    entries = entries_of(scale_factor)
    items = (scale_factor,) if entries is None else entries
    if len(items) not in (1, rank) or (len(items) == 1 and isinstance(scale_factor, (tuple, list)) and rank != 1):
        raise InvalidValueError(
            f"{operation}: scale_factor must be one number or {rank} (one per spatial axis), but got "
            f"{shown(scale_factor)}."
        )
    factors = [check_number(operation, "scale_factor", item, least=0) for item in items] * (rank // len(items))
    if max(factors) > _LARGEST_FACTOR:
        raise InvalidValueError(f"{operation}: scale_factor must be at most 2**63, but got {shown(scale_factor)}.")
    out = tuple(floor(cells * factor) for cells, factor in zip(plane, factors))
    if min(out) < 1:
        raise InvalidValueError(
            f"{operation}: the output must have at least one cell per axis, but got {shown(out)} (plane "
            f"{shown(plane)}, scale_factor "
            f"{shown(scale_factor)})."
        )
    return out, tuple(factors)


def _checked(
    call: PlanesCall, name: str, shape: Shape, size: object, scale_factor: object, mode: object, align_corners: object
) -> list[Resampling]:
    """How every spatial axis gets another size, for an input of that shape."""
    operation = call.operation
    check_choice(operation, "mode", mode, RESAMPLE_MODES)
    aligned = check_flag(operation, "align_corners", align_corners)
    if mode == "nearest" and aligned:
        raise InvalidValueError(f"{operation}: align_corners must be False with mode='nearest', but got True.")
    if mode == "bilinear" and call.rank != 2:
        raise InvalidValueError(f"{operation}: mode='bilinear' must have planes (H, W), but got {name} shape {shape}.")
    batch, channels, *plane = call.shape(shape)
    out, factors = upsampled_size(operation, tuple(plane), size, scale_factor)
    check_fits(operation, "the result", (batch, channels, *out), 4)
    return [Resampling(str(mode), *numbers, aligned) for numbers in zip(plane, out, factors)]

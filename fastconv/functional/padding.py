"""Padding of planes with zeros or with what is in them, and its adjoint."""

from __future__ import annotations

import numpy as np

from fastconv.errors import InvalidValueError
from fastconv.functional.call import PlanesCall, finish
from fastconv.validation.arrays import Array, check_array, check_shape
from fastconv.validation.memory import check_fits
from fastconv.validation.sizes import check_choice, check_padding
from fastconv.validation.types import ArrayLike, Layout, Padding, PaddingMode, Shape, ShapeLike

PADDING_MODES = ("zeros", "reflect", "replicate", "circular")
_NUMPY_MODES = {"zeros": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}

Pair = tuple[int, int]


def pad(x: ArrayLike, padding: Padding, mode: PaddingMode = "zeros", *, layout: Layout | None = None) -> Array:
    """Put cells around planes.

    ``(N, C, H, W) -> (N, C, before + H + after, before + W + after)``

    Parameters
    ----------
    x : array_like, shape (N, C, W), (N, C, H, W) or (N, C, D, H, W)
        Input, of any strides; its memory order is kept.
    padding : int, sequence of ints or sequence of (before, after) pairs
        Cells to add, per spatial axis (depth, height, width).
    mode : {"zeros", "reflect", "replicate", "circular"}
        What the new cells hold: 0; the plane mirrored at its border cells; its border cells; the plane repeated.
    layout : str, optional
        Order of the axes, such as "NHWC"; by default channels first.

    Returns
    -------
    ndarray
        In the dtype of `x`, or float64 if that is an integer type.

    Raises
    ------
    ValueError
        If the shapes do not fit, or there is more padding than "reflect" (size - 1) or "circular" (size) can fill.
    TypeError
        If an argument has a type or dtype that is not taken.

    Notes
    -----
    The same on every backend: nothing is computed.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.array([[[1.0, 2.0, 3.0]]])
    >>> pad(x, 2)[0, 0], pad(x, ((2, 1),), "reflect")[0, 0]
    (array([0., 0., 1., 2., 3., 0., 0.]), array([3., 2., 1., 2., 3., 2.]))
    """
    x = check_array("pad", "x", x)
    call = PlanesCall.of("pad", "x", x.shape, layout)
    call.arrays(x=x)
    pairs = _pairs(call, padding, mode, x.shape)
    out = tuple(before + size + after for (before, after), size in zip(pairs, x.shape))
    check_fits(call.operation, "the result", out, call.dtype.itemsize)
    order = memory_order(x)
    stored = call.computed(x).transpose(order)
    padded = np.pad(stored, [pairs[axis] for axis in order], _NUMPY_MODES[mode])  # type: ignore[call-overload]
    return finish(padded.transpose(np.argsort(order)), call.dtype)


def pad_backward(
    dy: ArrayLike,
    input_shape: ShapeLike,
    padding: Padding,
    mode: PaddingMode = "zeros",
    *,
    layout: Layout | None = None,
) -> Array:
    """Gradient of `pad` with respect to its input: every cell gets back what its copies got.

    ``(N, C, before + H + after, before + W + after) -> (N, C, H, W)``

    Parameters
    ----------
    dy : array_like, shaped like the output
        Gradient of the loss with respect to the output.
    input_shape : sequence of int
        Shape of the input of the forward call, in `layout`.
    padding, mode, layout
        As in the forward call.

    Returns
    -------
    ndarray of shape `input_shape`
        A fresh array, in the dtype of `dy`, or float64 if that is an integer type.

    Examples
    --------
    >>> import numpy as np
    >>> pad_backward(np.ones((1, 1, 6)), (1, 1, 3), ((2, 1),), "reflect")[0, 0]
    array([1., 3., 2.])
    """
    call, dy, shape = PlanesCall.of_gradient("pad_backward", dy, input_shape, layout)
    pairs = _pairs(call, padding, mode, shape)
    expected = tuple(before + size + after for (before, after), size in zip(pairs, shape))
    check_shape(call.operation, "dy", dy.shape, expected, "the padded input")
    call.arrays(dy=dy)
    dx = call.computed(dy)
    for axis, (size, pair) in enumerate(zip(shape, pairs)):
        dx = _folded(dx, axis, size, pair, mode)
    return finish(dx if dx is not dy and dx.base is None else dx.copy(order="K"), call.dtype)


def _pairs(call: PlanesCall, padding: object, mode: object, shape: Shape) -> tuple[Pair, ...]:
    """(before, after) of every axis of the array, in its order."""
    check_choice(call.operation, "mode", mode, PADDING_MODES)
    size = call.shape(shape)[2:]
    spatial = check_padding(call.operation, padding, call.rank, ())
    assert not isinstance(spatial, str)
    check_mode_fits(call.operation, "mode", str(mode), size, spatial)
    return ((0, 0), *spatial, (0, 0)) if call.channels_last else ((0, 0), (0, 0), *spatial)


def check_mode_fits(operation: str, name: str, mode: str, plane: tuple[int, ...], padding: tuple[Pair, ...]) -> None:
    """Refuse more padding than a plane has cells to fill it with; `name` is that of the argument."""
    most = {"reflect": -1, "circular": 0}
    for cells, pair in zip(plane, padding):
        if mode in most and max(pair) > cells + most[mode]:
            rule = "smaller than" if mode == "reflect" else "at most"
            raise InvalidValueError(
                f"{operation}: padding must be {rule} the plane with {name}={mode!r}, but got {pair} for {cells} cells "
                f"(padding {padding}, plane {plane}). Use {name}='replicate' or 'zeros' for more."
            )


def memory_order(x: Array) -> list[int]:
    """Axes by their strides, the largest first: transposed like that, an array without gaps is in C order."""
    return sorted(range(x.ndim), key=lambda axis: -abs(x.strides[axis]))


def _folded(dy: Array, axis: int, size: int, pair: Pair, mode: str) -> Array:
    """Adjoint of the padding of one axis."""
    before, after = pair
    if not before + after:
        return dy
    rows = np.moveaxis(dy, axis, 0)
    dx = rows[before : before + size]
    if mode != "zeros":
        dx = dx.copy(order="K")
        source = np.pad(np.arange(size), pair, _NUMPY_MODES[mode])  # type: ignore[call-overload]
        for cell in (*range(before), *range(before + size, before + size + after)):
            with np.errstate(all="ignore"):
                dx[source[cell]] += rows[cell]
    return np.moveaxis(dx, 0, axis)

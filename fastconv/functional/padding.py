"""Padding of planes with zeros or with what is in them, and its adjoint."""

from __future__ import annotations

from fastconv.backends.base import Backend
from fastconv.backends.padding import Pair
from fastconv.errors import InvalidValueError
from fastconv.functional.call import PlanesCall
from fastconv.validation.arrays import Array, check_array
from fastconv.validation.memory import check_fits
from fastconv.validation.sizes import check_choice, check_padding
from fastconv.validation.types import ArrayLike, Layout, Padding, PaddingMode, Shape, ShapeLike

PADDING_MODES = ("zeros", "reflect", "replicate", "circular")


def pad(x: ArrayLike, padding: Padding, mode: PaddingMode = "zeros", *, layout: Layout | None = None) -> Array:
    """Put cells around planes.

    ``(N, C, H, W) -> (N, C, before + H + after, before + W + after)``

    Parameters
    ----------
    x : array_like, shape (N, C, W), (N, C, H, W) or (N, C, D, H, W)
        Input, of any strides. The result is channels-last in memory if `x` is.
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
    The same on every backend: numbers are copied.

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
    check_fits(call.operation, "the result", _padded(call, x.shape, pairs), call.dtype.itemsize)
    return call.finish(call.compute(Backend.pad, call.view(x), pairs, mode))


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
    call.expect_output(dy, _padded(call, shape, pairs))
    call.arrays(dy=dy)
    return call.finish(call.compute(Backend.pad_backward, call.view(dy), pairs, mode))


def _pairs(call: PlanesCall, padding: object, mode: object, shape: Shape) -> tuple[Pair, ...]:
    """(before, after) of every axis of planes (N, C, *spatial)."""
    check_choice(call.operation, "mode", mode, PADDING_MODES)
    size = call.shape(shape)[2:]
    spatial = check_padding(call.operation, padding, call.rank, ())
    assert not isinstance(spatial, str)
    check_mode_fits(call.operation, "mode", str(mode), size, spatial)
    return (0, 0), (0, 0), *spatial


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


def _padded(call: PlanesCall, shape: Shape, pairs: tuple[Pair, ...]) -> Shape:
    """(N, C, *padded) of an input of that shape."""
    return tuple(before + size + after for (before, after), size in zip(pairs, call.shape(shape)))

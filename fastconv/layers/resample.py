"""Layers that change the size of planes: upsampling and padding with zeros."""

from __future__ import annotations

from collections.abc import Iterable
from math import prod
from typing import Any

from fastconv.backends import use_backend
from fastconv.errors import InvalidValueError, shown
from fastconv.functional.padding import pad, pad_backward
from fastconv.functional.resample import RESAMPLE_MODES, upsample, upsample_backward, upsampled_size
from fastconv.layers.arguments import ANY_LAYOUT, check_input_shape, letters_of
from fastconv.layers.base import Layer, Shape
from fastconv.layers.operation import SpatialLayer
from fastconv.validation.arrays import Array, check_array, layout_shape, logical_shape
from fastconv.validation.sizes import check_any_shape, check_choice, check_flag, check_integer, entries_of
from fastconv.validation.types import ArrayLike, Layout, Padding, ResampleMode, Size


class Upsample(Layer):
    """Give planes another size, by their nearest cells or by linear interpolation.

    ``(N, C, H, W) -> (N, C, OH, OW)``

    Parameters
    ----------
    size : int or sequence of ints, optional
        Size of the result, per spatial axis.
    scale_factor : float or sequence of floats, optional
        In place of `size`: the result has ``floor(size * scale_factor)`` cells.
    mode : {"nearest", "bilinear"}
        "nearest" also takes lines and volumes.
    align_corners : bool
        With "bilinear", whether the centres of the corner cells of both planes lie on each other, or their corners.
    layout : str, optional
        Order of the axes, such as "NHWC"; by default channels come second, whatever the rank.

    Raises
    ------
    ValueError
        If neither or both of `size` and `scale_factor` are given, or an argument has an impossible value.
    TypeError
        If an argument has the wrong type.

    Notes
    -----
    As in PyTorch, see `fastconv.upsample`.

    Examples
    --------
    >>> Upsample(scale_factor=2, mode="bilinear").output_shape((2, 3, 5, 7))
    (2, 3, 10, 14)
    """

    def __init__(
        self,
        size: Size | None = None,
        scale_factor: float | Iterable[float] | None = None,
        mode: ResampleMode = "nearest",
        align_corners: bool | None = None,
        *,
        layout: Layout | None = None,
    ) -> None:
        super().__init__()
        name = "Upsample"
        self.size, self.scale_factor = _frozen(size), _frozen(scale_factor)
        given = self.scale_factor if self.size is None else self.size
        upsampled_size(
            name, (2**31,) * (max(len(given), 1) if isinstance(given, tuple) else 1), self.size, self.scale_factor
        )
        self.mode = check_choice(name, "mode", mode, RESAMPLE_MODES)
        self.align_corners = False if align_corners is None else check_flag(name, "align_corners", align_corners)
        if self.align_corners and mode == "nearest":
            raise InvalidValueError(f"{name}: align_corners must be False with mode='nearest', but got True.")
        self.layout = None if layout is None else check_choice(name, "layout", layout, ANY_LAYOUT)

    @property
    def _options(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("size", "scale_factor", "mode", "align_corners", "layout")}

    def forward(self, x: ArrayLike) -> Array:
        """Resample `x`; see `Layer.forward`."""
        x = check_array("Upsample", "x", x)
        self.output_shape(x.shape)
        y = upsample(x, **self._options)
        self._keep(x.shape, y.shape)
        return y

    def backward(self, dy: ArrayLike, *, input_gradient: bool = True) -> Array | None:
        """Return the gradient of the input; see `Layer.backward`."""
        shape, out = self._kept()
        dy = self._check_dy(dy, out)
        if not input_gradient:
            return None
        with use_backend(self._kept_backend()):
            return upsample_backward(dy, shape, **self._options)

    def output_shape(self, input_shape: Shape) -> Shape:
        """(N, C, *out), in the layout; see `Layer.output_shape`."""
        shape = check_any_shape(type(self).__name__, "input_shape", input_shape)
        letters = letters_of(shape, self.layout)
        shape = check_input_shape("Upsample", shape, letters)
        last = letters[1] != "C"
        logical = logical_shape(shape, channels_last=last)
        if self.mode == "bilinear" and len(shape) != 4:
            raise InvalidValueError(f"Upsample: mode='bilinear' must have planes (H, W), but got shape {shape}.")
        out, _ = upsampled_size("Upsample", logical[2:], self.size, self.scale_factor)
        return layout_shape((*logical[:2], *out), channels_last=last)

    def flops(self, input_shape: Shape) -> int:
        """Three per number and axis with "bilinear", none with "nearest"."""
        return 6 * prod(self.output_shape(input_shape)) if self.mode == "bilinear" else 0

    def scratch_bytes(self, input_shape: Shape, itemsize: int) -> int:
        """In the backward pass, what is between the axes."""
        out = self.output_shape(input_shape)
        letters = letters_of(out, self.layout)
        first = 2 if letters.index("C") == 1 else 1
        return prod(out) // out[first] * input_shape[first] * max(itemsize, 4)

    def forward_scratch_bytes(self, input_shape: Shape, itemsize: int) -> int:
        """Nothing between the axes: both are done at once."""
        return 0

    def extra_repr(self) -> str:
        """See `Layer.extra_repr`."""
        text = f"size={self.size}" if self.size is not None else f"scale_factor={self.scale_factor}"
        text += f", mode={self.mode!r}" + (", align_corners=True" if self.align_corners else "")
        return text + ("" if self.layout is None else f", layout={self.layout!r}")


def _frozen(value: object) -> Any:
    """A sequence as a tuple, anything else as it is."""
    entries = entries_of(value)
    return value if entries is None else entries


class _ZeroPad(SpatialLayer):
    """Zeros around lines, planes or volumes."""

    def __init__(self, padding: Padding, *, layout: Layout | None = None) -> None:
        super().__init__()
        self.padding = _pairs(type(self).__name__, padding, self.rank)
        self._set_layout(layout)

    def forward(self, x: ArrayLike) -> Array:
        """Pad `x`; see `Layer.forward`."""
        x = check_array(type(self).__name__, "x", x)
        self.output_shape(x.shape)
        y = pad(x, self.padding, layout=self.layout)
        self._keep(x.shape)
        return y

    def backward(self, dy: ArrayLike, *, input_gradient: bool = True) -> Array | None:
        """Return `dy` without the border; see `Layer.backward`."""
        (shape,) = self._kept()
        dy = self._check_dy(dy, self.output_shape(shape))
        return pad_backward(dy, shape, self.padding, layout=self.layout) if input_gradient else None

    def output_shape(self, input_shape: Shape) -> Shape:
        """(N, C, *padded), in the layout; see `Layer.output_shape`."""
        batch, channels, *plane = self._logical(input_shape)
        out = (before + cells + after for cells, (before, after) in zip(plane, self.padding))
        return self._in_layout((batch, channels, *out))

    def extra_repr(self) -> str:
        """See `Layer.extra_repr`."""
        return f"{self.padding}{self._layout_repr()}"


def _pairs(name: str, padding: object, rank: int) -> tuple[tuple[int, int], ...]:
    """(before, after) per axis, from an integer, PyTorch's flat order (last axis first), or such pairs."""
    flat = 2 * rank
    items: list[Any] = list(padding) if isinstance(padding, (tuple, list)) else [padding] * flat
    if len(items) == rank and all(isinstance(item, (tuple, list)) and len(item) == 2 for item in items):
        items = [number for pair in reversed(items) for number in pair]
    rule = f"an integer, {flat} integers (last axis first) or {rank} (before, after) pairs"
    if len(items) != flat or any(isinstance(item, (tuple, list)) for item in items):
        raise InvalidValueError(f"{name}: padding must be {rule}, but got {shown(padding)}.")
    numbers = [check_integer(name, "padding", item, -(2**63), rule) for item in items]
    if min(numbers) < 0:
        raise InvalidValueError(
            f"{name}: padding must be at least 0, but got {min(numbers)}. To crop, slice the array: x[..., 1:-1]."
        )
    return tuple((numbers[2 * axis], numbers[2 * axis + 1]) for axis in reversed(range(rank)))


class ZeroPad1d(_ZeroPad):
    """Put zeros around lines, see `ZeroPad2d`.

    ``(N, C, W) -> (N, C, left + W + right)``

    Parameters
    ----------
    padding : int, (left, right), or one pair in a sequence
        Cells to add.
    layout : {"NCW", "NWC"}
        Order of the axes of input and output.

    Examples
    --------
    >>> ZeroPad1d((2, 1)).output_shape((4, 3, 5))
    (4, 3, 8)
    """

    rank = 1


class ZeroPad2d(_ZeroPad):
    """Put zeros around planes.

    ``(N, C, H, W) -> (N, C, top + H + bottom, left + W + right)``

    Parameters
    ----------
    padding : int, (left, right, top, bottom), or ((top, bottom), (left, right))
        Cells to add: on every side; in the order of PyTorch, last axis first; or pairs per axis, height first.
    layout : {"NCHW", "NHWC"}
        Order of the axes of input and output.

    Attributes
    ----------
    padding : tuple of (before, after)
        Per axis, height first.

    Raises
    ------
    ValueError
        If there are not as many numbers, or one is negative.
    TypeError
        If something is not an integer.

    Examples
    --------
    >>> ZeroPad2d((1, 2, 0, 4)).output_shape((1, 3, 5, 5))
    (1, 3, 9, 8)
    """

    rank = 2


class ZeroPad3d(_ZeroPad):
    """Put zeros around volumes, see `ZeroPad2d`.

    ``(N, C, D, H, W) -> (N, C, front + D + back, top + H + bottom, left + W + right)``

    Parameters
    ----------
    padding : int, (left, right, top, bottom, front, back), or ((front, back), (top, bottom), (left, right))
        Cells to add.
    layout : {"NCDHW", "NDHWC"}
        Order of the axes of input and output.

    Examples
    --------
    >>> ZeroPad3d(1).output_shape((1, 3, 5, 6, 7))
    (1, 3, 7, 8, 9)
    """

    rank = 3

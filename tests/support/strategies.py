"""Legal calls by construction: outputs are drawn first, then an input that gives them. Nothing is filtered away."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import DTypeLike, NDArray

import fastconv as fc

Array = NDArray[Any]
Pair = tuple[int, int]

# by the number of spatial axes
CONV = {1: fc.conv1d, 2: fc.conv2d, 3: fc.conv3d}
CONV_BACKWARD = {1: fc.conv1d_backward, 2: fc.conv2d_backward, 3: fc.conv3d_backward}
CONV_TRANSPOSE = {1: fc.conv_transpose1d, 2: fc.conv_transpose2d, 3: fc.conv_transpose3d}
CONV_TRANSPOSE_BACKWARD = {
    1: fc.conv_transpose1d_backward,
    2: fc.conv_transpose2d_backward,
    3: fc.conv_transpose3d_backward,
}

BACKENDS = fc.available_backends()
ENGINES = tuple(name for name in BACKENDS if name != "naive")  # what is held against naive
FLOATS = ("float16", "float32", "float64")


@dataclass(frozen=True)
class AxisCase:
    """One axis with its windows, as the words of a call."""

    size: int
    kernel: int
    stride: int
    dilation: int
    padding: Pair


@dataclass(frozen=True)
class WindowCase:
    """A call of a pooling, im2col or col2im."""

    x_shape: tuple[int, ...]
    kernel: tuple[int, ...]
    stride: Any = 1
    padding: Any = 0
    dilation: Any = 1

    @property
    def options(self) -> dict[str, Any]:
        return {"stride": self.stride, "padding": self.padding, "dilation": self.dilation}


@dataclass(frozen=True)
class ConvCase:
    """A call of a convolution."""

    x_shape: tuple[int, ...]
    weight_shape: tuple[int, ...]
    stride: Any = 1
    padding: Any = 0
    dilation: Any = 1
    groups: int = 1
    with_bias: bool = field(default=True, compare=False)

    @property
    def options(self) -> dict[str, Any]:
        return {"stride": self.stride, "padding": self.padding, "dilation": self.dilation, "groups": self.groups}

    @property
    def forward(self) -> Callable[..., Any]:
        return CONV[len(self.x_shape) - 2]

    @property
    def backward(self) -> Callable[..., Any]:
        return CONV_BACKWARD[len(self.x_shape) - 2]

    @property
    def outputs(self) -> int:
        return self.weight_shape[0]


@dataclass(frozen=True)
class TransposedCase(ConvCase):
    """A call of a transposed convolution; weights are (C_in, C_out//groups, *kernel)."""

    output_padding: Any = 0

    @property
    def options(self) -> dict[str, Any]:
        return {**super().options, "output_padding": self.output_padding}

    @property
    def forward(self) -> Callable[..., Any]:
        return CONV_TRANSPOSE[len(self.x_shape) - 2]

    @property
    def backward(self) -> Callable[..., Any]:
        return CONV_TRANSPOSE_BACKWARD[len(self.x_shape) - 2]

    @property
    def outputs(self) -> int:
        return self.weight_shape[1] * self.groups


def axis_of(out: int, kernel: int, stride: int, dilation: int, leftover: int, pads: Pair) -> AxisCase:
    """The axis with exactly `out` windows and `leftover` < `stride` cells behind them; pads are cut to leave a cell."""
    padded = (out - 1) * stride + dilation * (kernel - 1) + 1 + min(leftover, stride - 1)
    before = min(pads[0], padded - 1)
    after = min(pads[1], padded - 1 - before)
    return AxisCase(padded - before - after, kernel, stride, dilation, (before, after))


@st.composite
def axes(draw: st.DrawFn, *, pool: bool = False) -> AxisCase:
    kernel, dilation = draw(st.integers(1, 4)), draw(st.integers(1, 3))
    largest_pad = dilation * (kernel - 1) if pool else 4  # a pool's padding is smaller than its window
    pads = st.integers(0, min(largest_pad, 4))
    return axis_of(
        draw(st.integers(1, 5)),
        kernel,
        draw(st.integers(1, 5)),
        dilation,
        draw(st.integers(0, 4)),
        (draw(pads), draw(pads)),
    )


def _columns_of(drawn: list[AxisCase]) -> dict[str, tuple[Any, ...]]:
    names = ("size", "kernel", "stride", "dilation", "padding")
    return {name: tuple(getattr(axis, name) for axis in drawn) for name in names}


@st.composite
def window_cases(draw: st.DrawFn, *, pool: bool = False, rank: int = 2) -> WindowCase:
    c = _columns_of([draw(axes(pool=pool)) for _ in range(rank)])
    shape = (draw(st.integers(1, 3)), draw(st.integers(1, 4)), *c["size"])
    return WindowCase(shape, c["kernel"], c["stride"], c["padding"], c["dilation"])


@st.composite
def conv_cases(draw: st.DrawFn, *, rank: int = 2) -> ConvCase:
    c = _columns_of([draw(axes()) for _ in range(rank)])
    groups = draw(st.sampled_from([1, 1, 2, 3]))
    per_group, filters = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    return ConvCase(
        (draw(st.integers(1, 3)), groups * per_group, *c["size"]),
        (groups * filters, per_group, *c["kernel"]),
        c["stride"],
        c["padding"],
        c["dilation"],
        groups,
        draw(st.booleans()),
    )


def _transposed_axis(draw: st.DrawFn) -> tuple[int, ...]:
    """(size, kernel, stride, dilation, padding, output_padding), with at least one output cell."""
    size, kernel, stride, dilation = (draw(st.integers(1, most)) for most in (5, 4, 5, 3))
    extra = draw(st.integers(0, max(stride, dilation) - 1))
    cells = (size - 1) * stride + dilation * (kernel - 1) + 1 + extra
    before = min(draw(st.integers(0, 4)), cells - 1)
    return size, kernel, stride, dilation, (before, min(draw(st.integers(0, 4)), cells - 1 - before)), extra


@st.composite
def transposed_cases(draw: st.DrawFn, *, rank: int = 2) -> TransposedCase:
    size, kernel, stride, dilation, padding, extra = zip(*(_transposed_axis(draw) for _ in range(rank)))
    groups = draw(st.sampled_from([1, 1, 2, 3]))
    per_group, outputs = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    return TransposedCase(
        (draw(st.integers(1, 3)), groups * per_group, *size),
        (groups * per_group, outputs, *kernel),
        stride,
        padding,
        dilation,
        groups,
        draw(st.booleans()),
        extra,
    )


seeds = st.integers(0, 2**32 - 1)

# H != W, KH != KW, sh != sw, C != F throughout, and what each name says.
CONV_CASES = {
    "plain": ConvCase((2, 3, 6, 7), (4, 3, 3, 2)),
    "one-image": ConvCase((1, 3, 5, 8), (2, 3, 2, 3), (2, 1)),
    "stride-beyond-kernel": ConvCase((2, 2, 9, 8), (3, 2, 2, 1), (4, 3)),
    "kernel-is-input": ConvCase((2, 3, 4, 5), (6, 3, 4, 5)),
    "one-by-one": ConvCase((2, 5, 3, 4), (7, 5, 1, 1)),
    "one-by-one-strided": ConvCase((2, 5, 5, 4), (3, 5, 1, 1), (2, 3)),
    "one-by-one-padded": ConvCase((2, 5, 4, 3), (3, 5, 1, 1), (2, 1), ((1, 0), (2, 3))),
    "asymmetric": ConvCase((2, 2, 5, 4), (3, 2, 3, 2), (2, 1), ((0, 2), (3, 1))),
    "padding-alone-in-a-window": ConvCase((1, 2, 3, 2), (2, 2, 2, 2), 1, 3),
    "dilated": ConvCase((2, 2, 9, 8), (3, 2, 3, 2), (1, 2), (2, 1), (2, 3)),
    "same-strided": ConvCase((2, 3, 7, 6), (2, 3, 3, 4), (2, 3), "same", (2, 1)),
    "same-lower": ConvCase((1, 2, 6, 5), (3, 2, 2, 4), 1, "same_lower"),
    "groups": ConvCase((2, 6, 5, 4), (4, 3, 3, 2), 1, 1, 1, 2),
    "depthwise": ConvCase((2, 5, 6, 4), (5, 1, 3, 2), (1, 2), 1, 1, 5),
    "depthwise-multiplied": ConvCase((2, 3, 4, 6), (9, 1, 2, 3), 1, (0, 1), 1, 3),
    "one-channel": ConvCase((3, 1, 8, 7), (5, 1, 5, 3)),
    "one-filter": ConvCase((2, 17, 4, 5), (1, 17, 3, 3), 1, 1),
    "more-than-a-vector": ConvCase((1, 19, 5, 37), (35, 19, 3, 3), 1, 1),
    "leftover": ConvCase((2, 3, 8, 9), (4, 3, 3, 2), (4, 5)),
    "empty-batch": ConvCase((0, 3, 6, 7), (4, 3, 3, 2), 1, 1),
}

POOL_CASES = {
    "plain": WindowCase((2, 3, 6, 8), (2, 3), (2, 3)),
    "overlapping": WindowCase((2, 3, 7, 6), (3, 4), (2, 1)),
    "stride-beyond-kernel": WindowCase((1, 4, 9, 8), (2, 1), (4, 3)),
    "kernel-is-input": WindowCase((2, 3, 4, 5), (4, 5), 1),
    "padded": WindowCase((2, 2, 5, 4), (3, 2), (2, 1), 1),
    "asymmetric": WindowCase((2, 2, 5, 6), (4, 3), (3, 2), ((0, 3), (2, 1))),
    "dilated": WindowCase((2, 2, 9, 7), (3, 2), (1, 2), (2, 1), (2, 3)),
    "between-the-taps": WindowCase((1, 2, 1, 2), (2, 2), 1, 1, (2, 1)),
    "same": WindowCase((2, 3, 7, 5), (3, 2), (2, 3), "same"),
    "same-lower": WindowCase((2, 3, 7, 6), (2, 4), 1, "same_lower"),
    "many-channels": WindowCase((1, 37, 5, 4), (3, 2), (2, 1), (1, 0)),
    "empty-batch": WindowCase((0, 3, 6, 8), (2, 3), 2),
}


def normal(shape: tuple[int, ...], seed: int, dtype: DTypeLike = "float64") -> Array:
    """Draw standard normal numbers, or integers in [-9, 9] for an integer dtype."""
    rng = np.random.default_rng([seed, len(shape), *shape])
    dtype = np.dtype(dtype)
    if dtype.kind == "f":
        return rng.standard_normal(shape).astype(dtype)
    if dtype.kind == "b":
        return rng.integers(0, 2, shape).astype(dtype)
    return rng.integers(0 if dtype.kind == "u" else -9, 10, shape).astype(dtype)


def _channels_last(array: Array) -> Array:
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(array, 1, -1)), -1, 1) if array.ndim > 1 else array


def _sliced(array: Array) -> Array:
    larger = np.full([2 * size + 1 for size in array.shape], 77, array.dtype)
    view = larger[(slice(1, None, 2),) * array.ndim]
    view[...] = array
    return view


def _reversed(array: Array) -> Array:
    turn = (slice(None, None, -1),) * array.ndim
    return np.ascontiguousarray(array[turn])[turn]


def _read_only(array: Array) -> Array:
    array = array.copy()
    array.flags.writeable = False
    return array


def _swapped(array: Array) -> Array:
    return array.astype(array.dtype.newbyteorder())


def _unaligned(array: Array) -> Array:
    """Elements that start one byte past a boundary."""
    raw = np.zeros(array.nbytes + 1, np.uint8)
    view = raw[1:].view(array.dtype).reshape(array.shape)
    view[...] = array
    return view


MEMORY: dict[str, Callable[[Array], Array]] = {
    "C": np.ascontiguousarray,
    "Fortran": np.asfortranarray,
    "channels-last": _channels_last,
    "sliced": _sliced,
    "reversed": _reversed,
    "read-only": _read_only,
    "byte-swapped": _swapped,
    "unaligned": _unaligned,
}


def stored(array: Array, order: str) -> Array:
    """Return the same numbers in another memory order."""
    view = MEMORY[order](array)
    assert view.shape == array.shape
    assert np.array_equal(view, array, equal_nan=array.dtype.kind == "f")
    return view


memory_orders = st.sampled_from(sorted(MEMORY))


def channels_last(array: Array) -> Array:
    """(N, C, *spatial) -> (N, *spatial, C), as a copy."""
    return np.ascontiguousarray(np.moveaxis(array, 1, -1))


def conv_arrays(case: ConvCase, seed: int, dtype: DTypeLike = "float64") -> tuple[Array, Array, Array | None, Array]:
    """x, weight, bias and dy of a call."""
    x, weight = normal(case.x_shape, seed, dtype), normal(case.weight_shape, seed + 1, dtype)
    bias = normal((case.outputs,), seed + 2, dtype) if case.with_bias else None
    y = case.forward(x, weight, bias, **case.options, backend="numpy")
    return x, weight, bias, normal(y.shape, seed + 3, dtype)

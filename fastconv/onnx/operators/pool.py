"""Pooling over one to three spatial axes, its inverse, and pooling of whole planes."""

from __future__ import annotations

from math import prod

import numpy as np

from fastconv import functional
from fastconv.errors import InvalidValueError
from fastconv.onnx.graph import Node
from fastconv.onnx.operators.windows import of_rank, pad_pairs, window_options
from fastconv.onnx.registry import operator
from fastconv.validation.arrays import Array
from fastconv.validation.types import Shape


@operator("MaxPool")
def max_pool(
    x: Array,
    *,
    node: Node,
    kernel_shape: Shape,
    auto_pad: str = "NOTSET",
    ceil_mode: int = 0,
    dilations: Shape | None = None,
    pads: Shape | None = None,
    storage_order: int = 0,
    strides: Shape | None = None,
) -> Array | tuple[Array, Array]:
    """Largest element of every window, and its position in the whole of `x`, flattened, if that is asked for."""
    pool = of_rank("max_pool", "MaxPool", x)
    options = window_options(x.ndim - 2, auto_pad, pads, strides, dilations)
    options["ceil_mode"] = bool(ceil_mode)
    numbers = x if x.dtype.kind == "f" else x.astype(np.float32)  # 8 bits: exact
    if not any(node.outputs[1:]):
        return _as_numbers_of(x, pool(numbers, kernel_shape, **options))
    y, indices = pool(numbers, kernel_shape, return_indices=True, **options)
    if storage_order:  # columns of the plane one after the other
        indices = np.ravel_multi_index(np.unravel_index(indices, x.shape[2:]), x.shape[2:], order="F")
    return _as_numbers_of(x, y), indices + _plane_starts(x.shape)


def _as_numbers_of(x: Array, maxima: Array) -> Array:
    """Maxima in the dtype of `x`: without minus infinity, that of windows on padding alone, where that has none."""
    if x.dtype.kind == "f":
        return maxima
    return np.maximum(maxima, np.iinfo(x.dtype).min).astype(x.dtype)


@operator("AveragePool")
def average_pool(
    x: Array,
    *,
    kernel_shape: Shape,
    auto_pad: str = "NOTSET",
    ceil_mode: int = 0,
    count_include_pad: int = 0,
    dilations: Shape | None = None,
    pads: Shape | None = None,
    strides: Shape | None = None,
) -> Array:
    """Mean of every window, of its real cells or with those of the padding."""
    options = window_options(x.ndim - 2, auto_pad, pads, strides, dilations)
    pool = of_rank("avg_pool", "AveragePool", x)
    y: Array = pool(x, kernel_shape, ceil_mode=bool(ceil_mode), count_include_pad=bool(count_include_pad), **options)
    return y


@operator("LpPool")
def lp_pool(
    x: Array,
    *,
    kernel_shape: Shape,
    auto_pad: str = "NOTSET",
    ceil_mode: int = 0,
    dilations: Shape | None = None,
    p: float = 2,
    pads: Shape | None = None,
    strides: Shape | None = None,
) -> Array:
    """Norm of every window."""
    options = window_options(x.ndim - 2, auto_pad, pads, strides, dilations)
    y: Array = of_rank("lp_pool", "LpPool", x)(x, p, kernel_shape, ceil_mode=bool(ceil_mode), **options)
    return y


@operator("GlobalAveragePool")
def global_average_pool(x: Array) -> Array:
    """``(N, C, *spatial) -> (N, C, 1, ...)``: means."""
    y: Array = of_rank("global_avg_pool", "GlobalAveragePool", x)(x)
    return y


@operator("GlobalMaxPool")
def global_max_pool(x: Array) -> Array:
    """``(N, C, *spatial) -> (N, C, 1, ...)``: maxima."""
    y: Array = of_rank("global_max_pool", "GlobalMaxPool", x)(x)
    return y


@operator("GlobalLpPool")
def global_lp_pool(x: Array, *, p: float = 2) -> Array:
    """``(N, C, *spatial) -> (N, C, 1, ...)``: norms."""
    y: Array = of_rank("lp_pool", "GlobalLpPool", x)(x, p, x.shape[2:])
    return y


@operator("MaxUnpool", since=9)
def max_unpool(
    x: Array,
    indices: Array,
    output_shape: Array | None = None,
    *,
    kernel_shape: Shape,
    pads: Shape | None = None,
    strides: Shape | None = None,
) -> Array:
    """Maxima back where they were, between zeros.

    The indices are those of `MaxPool` with these windows. A larger `output_shape` has more zeros after that; a
    smaller one cannot be.
    """
    rank = x.ndim - 2
    unpool = of_rank("max_unpool", "MaxUnpool", x)
    steps, pairs = strides or (1,) * rank, pad_pairs(rank, pads)
    size = tuple(
        (cells - 1) * step - sum(pair) + taps
        for cells, step, pair, taps in zip(x.shape[2:], steps, pairs, kernel_shape)
    )
    y: Array = unpool(x, indices - _plane_starts((*x.shape[:2], *size)), size)
    if output_shape is None:
        return y
    return _grown(y, tuple(output_shape.tolist()))


def _plane_starts(shape: Shape) -> Array:
    """(N, C, 1, ...): where every plane of a shape starts in the flattened whole."""
    batch, channels, *size = shape
    starts = np.arange(batch * channels, dtype=np.int64) * prod(size)
    return starts.reshape(batch, channels, *(1 for _ in size))


def _grown(y: Array, shape: Shape) -> Array:
    """`y` with zeros after it, up to a shape."""
    if len(shape) != y.ndim or shape[:2] != y.shape[:2] or any(new < old for new, old in zip(shape, y.shape)):
        raise InvalidValueError(
            f"MaxUnpool: output_shape must be {y.shape}, or larger along spatial axes, but got {shape}."
        )
    pairs = tuple((0, new - old) for new, old in zip(shape[2:], y.shape[2:]))
    return functional.pad(y, pairs)

"""Normalisation on the fast engine: planes as rows of numbers, channels-last images as matrices of pixels.

How an array is cut into rows, columns and parts depends on its shape and memory order alone, never on the threads.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np

from fastconv.backends.base import Array, Backend
from fastconv.backends.fast.kept import kept
from fastconv.backends.fast.memory import channels_last, empty_channels_last, is_channels_last
from fastconv.backends.fast.workspace import borrowed
from fastconv.kernels.addresses import address
from fastconv.kernels.launch import launch
from fastconv.kernels.moments import COLUMN_BYTES, MOMENTS, SCRATCH_BYTES, moments_address
from fastconv.kernels.normalize import NORMALIZE, normalize_address
from fastconv.settings import get_num_threads

__all__ = ["Normalization"]

_SERIAL_NUMBERS = 2**16  # numbers below which one thread does it all: 10 µs a pass, a parallel region costs 5
_PARTS = 32  # of an array at most, where a sum has to be cut: enough for its threads, whatever their number
_PART_BYTES = 2**15  # of a part at least
_X, _DY, _MEAN, _OUT, _SCRATCH = (MOMENTS.index[name] for name in ("X", "DY", "MEAN", "OUT", "SCRATCH"))


@dataclass(frozen=True)
class _Rows:
    """A batch as rows of numbers of one channel (`columns` False), or of `fold` numbers of every channel.

    With `planar` the numbers of a channel are side by side in such a row; otherwise the channels are.
    """

    columns: bool
    planar: bool
    images: int
    rows: int  # of an image; of them all, where they are not told apart
    length: int
    fold: int

    def spread(self, table: Array) -> Array:
        """(images, C) -> factors as the kernels read them."""
        if not self.columns or self.fold == 1:
            return np.ascontiguousarray(table)
        images, channels = table.shape
        spread = np.empty((images, channels, self.fold) if self.planar else (images, self.fold, channels), table.dtype)
        spread[...] = table[:, :, None] if self.planar else table[:, None]
        return spread

    @property
    def repeat(self) -> int:
        """Rows that share their factors."""
        return self.rows if self.columns else self.fold


@kept(512)
def _divisor(number: int, largest: int, wanted: int = 1) -> int:
    """Largest divisor up to a bound, if possible one whose multiple by `wanted` fills all columns of a kernel."""
    divisors = [k for k in range(1, min(number, max(1, largest)) + 1) if number % k == 0]
    return max((k for k in divisors if k * wanted % COLUMN_BYTES == 0), default=divisors[-1])


@kept(1024)
def _as_columns(shape: tuple[int, ...], item: int, per_image: bool) -> _Rows:
    """Channels-last memory as a matrix of pixels; few channels are taken several pixels at a time."""
    batch, channels, pixels = shape[0], shape[1], prod(shape[2:])
    images, pixels = (batch, pixels) if per_image else (1, batch * pixels)
    fold = _divisor(pixels, 2 * COLUMN_BYTES // (channels * item), channels * item)
    return _Rows(True, False, images, pixels // fold, fold * channels, fold)


@kept(1024)
def _as_planes(shape: tuple[int, ...], item: int, per_image: bool) -> _Rows:
    """Planes as rows, cut where there are few; small ones that belong together as columns."""
    batch, channels, pixels = shape[0], shape[1], prod(shape[2:])
    if not per_image and pixels * item < COLUMN_BYTES // 4:
        return _Rows(True, True, 1, batch, channels * pixels, pixels)
    pieces = _divisor(pixels, min(_PARTS // (batch * channels), pixels * item // _PART_BYTES))
    return _Rows(False, True, 1, batch * channels * pieces, pixels // pieces, pieces)


def _is_only_channels_last(array: Array) -> bool:
    return not array.flags.c_contiguous and is_channels_last(array)


def _arranged(*arrays: Array) -> tuple[bool, tuple[Array, ...]]:
    """Whether channels are taken as last in memory, and the arrays in that memory order."""
    shape = arrays[0].shape
    if prod(shape[2:]) == 1 or (shape[1] > 1 and any(map(_is_only_channels_last, arrays))):
        return True, tuple(map(channels_last, arrays))
    return False, tuple(map(np.ascontiguousarray, arrays))


def _rows(shape: tuple[int, ...], item: int, last: bool, per_image: bool) -> _Rows:
    return (_as_columns if last else _as_planes)(shape, item, per_image)


@dataclass(frozen=True)
class _SumsPlan:
    """How sums are taken, and how the parts of them are put together."""

    cut: _Rows
    arguments: Array
    shape: tuple[int, ...]  # of the parts of both sums, as the kernel writes them
    pair: int  # axis that tells the two sums apart
    axes: tuple[int, ...]  # that tell the parts apart, when that one is gone
    shares: Array  # of every part in the whole
    count: int  # numbers of a channel
    threads: int


@kept(512)
def _plan_sums(shape: tuple[int, ...], item: int, last: bool, per_image: bool, threads: int) -> _SumsPlan:
    cut = _rows(shape, item, last, per_image)
    batch, channels, splits = shape[0], shape[1], 1
    if cut.columns:
        splits = max(1, min(_PARTS // cut.images, cut.rows, cut.rows * cut.length * item // _PART_BYTES))
        inner = (channels, cut.fold) if cut.planar else (cut.fold, channels)
        parts, pair, axes = (cut.images, splits, 2, *inner), 2, (1, 3 if cut.planar else 2)
        counts = np.diff(cut.rows * np.arange(splits + 1) // splits).reshape(splits, 1, 1)
    else:
        images = batch if per_image else 1
        parts, pair, axes = (batch // images, images, channels, cut.fold, 2), 4, (0, 3)
        counts = np.full((), cut.length)
    threads = threads if prod(shape) >= _SERIAL_NUMBERS else 1
    arguments = MOMENTS.fill(
        X=0, DY=0, MEAN=0, MEAN_IMAGE=cut.length * item if cut.images > 1 else 0, REPEAT=cut.repeat,
        PERIOD=channels * (batch if per_image else 1), IMAGES=cut.images, ROWS=cut.rows, LENGTH=cut.length,
        SPLITS=splits, OUT=0, SCRATCH=0, SCRATCH_STRIDE=SCRATCH_BYTES, TASKS=threads,
    )  # fmt: skip
    count = prod(shape) // channels // (batch if per_image else 1)
    return _SumsPlan(cut, arguments, parts, pair, axes, counts / count, count, threads)


def _sums(form: str, plan: _SumsPlan, x: Array, dy: Array, mean: Array | None) -> tuple[Array, Array]:
    """Two sums of every part."""
    sums, arguments = np.empty(plan.shape), plan.arguments.copy()
    means = x if mean is None else plan.cut.spread(mean)
    with borrowed(plan.threads * SCRATCH_BYTES) as scratch:
        arguments[_X], arguments[_DY], arguments[_MEAN] = address(x), address(dy), address(means)
        arguments[_OUT], arguments[_SCRATCH] = address(sums), address(scratch)
        kind = "columns" if plan.cut.columns else "rows"
        launch(moments_address(kind + form, x.itemsize), arguments, plan.threads, plan.threads)
    return (sums[:, :, 0], sums[:, :, 1]) if plan.pair == 2 else (sums[..., 0], sums[..., 1])


@kept(512)
def _plan_elementwise(
    shape: tuple[int, ...], item: int, last: bool, images: int, threads: int
) -> tuple[_Rows, Array, int]:
    """Rows, arguments but for the addresses, threads; the factors are (images, C)."""
    cut = _rows(shape, item, last, images > 1)
    threads = threads if prod(shape) >= _SERIAL_NUMBERS else 1
    arguments = NORMALIZE.fill(
        X=0, DY=0, OUT=0, MEAN=0, SCALE=0, SLOPE=0, SHIFT=0, REPEAT=cut.repeat,
        PERIOD=images if cut.columns else images * shape[1], ROWS=cut.images * cut.rows, LENGTH=cut.length,
        TASKS=threads,
    )  # fmt: skip
    return cut, arguments, threads


def _elementwise(x: Array, dy: Array | None, *tables: Array) -> Array:
    """Forward (`dy` None) or backward pass, with the factors (mean, scale, slope, shift)."""
    last, arrays = _arranged(x) if dy is None else _arranged(x, dy)
    shape = max(table.shape for table in tables)
    cut, arguments, threads = _plan_elementwise(x.shape, x.itemsize, last, shape[0], get_num_threads())
    out = empty_channels_last(x.shape, x.dtype) if last else np.empty(x.shape, x.dtype)
    factors = [cut.spread(table if table.shape == shape else np.broadcast_to(table, shape)) for table in tables]
    arguments = arguments.copy()
    places = (arrays[0], arrays[-1], out, *factors)
    arguments[: len(places)] = [address(array) for array in places]
    kernel = normalize_address(x.itemsize, columns=cut.columns, backward=dy is not None)
    launch(kernel, arguments, threads, threads)
    return out


class Normalization(Backend):
    """Statistics and elementwise passes: each goes through memory once, with all threads."""

    def moments(self, x: Array, per_image: bool) -> tuple[Array, Array]:
        """Mean and biased variance of every channel."""
        last, (x,) = _arranged(x)
        plan = _plan_sums(x.shape, x.itemsize, last, per_image and len(x) > 1, get_num_threads())
        means, squares = _sums("", plan, x, x, None)
        with np.errstate(invalid="ignore", over="ignore"):
            mean = np.add.reduce(means * plan.shares, axis=plan.axes, keepdims=True)
            means -= mean
            between = np.square(means, out=means)
            between *= plan.shares
            between += squares * (1 / plan.count)
            variance = np.add.reduce(between, axis=plan.axes)
            return mean.astype(x.dtype).reshape(variance.shape), variance.astype(x.dtype)

    def normalize(self, x: Array, mean: Array, scale: Array, shift: Array) -> Array:
        """``(x - mean) * scale + shift``."""
        return _elementwise(x, None, mean, scale, scale, shift)

    def normalize_sums(self, dy: Array, x: Array, mean: Array) -> tuple[Array, Array]:
        """Sums of dy and of ``dy * (x - mean)``."""
        last, (x, dy) = _arranged(x, dy)
        plan = _plan_sums(x.shape, x.itemsize, last, len(mean) > 1, get_num_threads())
        with np.errstate(invalid="ignore", over="ignore"):
            first, second = (
                np.add.reduce(part, axis=plan.axes).astype(x.dtype) for part in _sums("_backward", plan, x, dy, mean)
            )
        return first, second

    def normalize_backward(self, dy: Array, x: Array, mean: Array, scale: Array, slope: Array, shift: Array) -> Array:
        """``dy * scale + (x - mean) * slope + shift``."""
        return _elementwise(x, dy, mean, scale, slope, shift)

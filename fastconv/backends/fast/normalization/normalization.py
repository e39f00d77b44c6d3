"""Normalisation on the fast engine: planes as rows of numbers, channels-last images as matrices of pixels.

How an array is cut into rows and columns depends on its shape and memory order, how a sum is cut on the shape alone,
and nothing on the threads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from fastconv.backends.base import Array
from fastconv.backends.fast.machine.emitter import RELU, RELU6
from fastconv.backends.fast.machine.launch import address, by_tasks, launch
from fastconv.backends.fast.machine.target import host
from fastconv.backends.fast.memory.copying import in_order
from fastconv.backends.fast.memory.layout import channels_last, empty_channels_last, is_channels_last
from fastconv.backends.fast.memory.plan_cache import plan_cache
from fastconv.backends.fast.memory.strided import copy_into
from fastconv.backends.fast.memory.workspace import borrowed
from fastconv.backends.fast.normalization import tables
from fastconv.backends.fast.normalization.moments_kernel import BLOCK, COLUMN_BYTES, FORMS, MOMENTS, SCRATCH_BYTES
from fastconv.backends.fast.normalization.normalize_kernel import NORMALIZE, normalize
from fastconv.backends.fast.normalization.tables import Tables
from fastconv.backends.fast.normalization.tables_kernel import UNITS, merge_units
from fastconv.backends.settings import get_num_threads

DType = np.dtype[Any]

_SERIAL_NUMBERS = 2**16  # numbers below which one thread does it all: 10 µs a pass, a parallel region costs 5
_PARTS = 32  # of an array at most, where a sum has to be cut: enough for its threads, whatever their number
_PART_BYTES = 2**15  # of a part at least
_X, _DY, _Y, _CEILING = (MOMENTS.index[name] for name in ("X", "DY", "Y", "CEILING"))
_FACTORS = slice(MOMENTS.index["MEAN"], MOMENTS.index["SHIFT"] + 1)
_OUT, _SCRATCH = (MOMENTS.index[name] for name in ("OUT", "SCRATCH"))
_OTHER, _MASKED = (NORMALIZE.index[name] for name in ("OTHER", "MASKED"))
_RECTIFIED, _TOP = (NORMALIZE.index[name] for name in ("RECTIFIED", "CEILING"))
_CEILINGS = {0: 0, RELU: 0, RELU6: 6}
_BY_TASKS, _SUMS_BY_TASKS = by_tasks(NORMALIZE), by_tasks(MOMENTS)


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

    @property
    def repeat(self) -> int:
        """Rows that share their factors."""
        return self.rows if self.columns else self.fold


@plan_cache(512)
def _divisor(number: int, largest: int, wanted: int = 1) -> int:
    """Largest divisor up to a bound, if possible one whose multiple by `wanted` fills all columns of a kernel."""
    divisors = [k for k in range(1, min(number, max(1, largest)) + 1) if number % k == 0]
    return max((k for k in divisors if k * wanted % COLUMN_BYTES == 0), default=divisors[-1])


@plan_cache(1024)
def _as_columns(shape: tuple[int, ...], item: int, per_image: bool) -> _Rows:
    """Channels-last memory as a matrix of pixels; few channels are taken several pixels at a time."""
    batch, channels, pixels = shape[0], shape[1], prod(shape[2:])
    images, pixels = (batch, pixels) if per_image else (1, batch * pixels)
    fold = _divisor(pixels, 2 * COLUMN_BYTES // (channels * item), channels * item)
    return _Rows(True, False, images, pixels // fold, fold * channels, fold)


@plan_cache(1024)
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
        return True, tuple(map(_channels_last, arrays))
    return False, tuple(map(in_order, arrays))


def _channels_last(x: Array) -> Array:
    """Return `x` in channels-last memory: itself where it is, or a copy that a kernel makes."""
    if is_channels_last(x) or x.flags.c_contiguous:
        return channels_last(x)
    y = empty_channels_last(x.shape, x.dtype)
    copy_into(y, x)
    return y


def _rows(shape: tuple[int, ...], item: int, last: bool, per_image: bool) -> _Rows:
    return (_as_columns if last else _as_planes)(shape, item, per_image)


@dataclass(frozen=True)
class _SumsPlan:
    """How sums are taken, and how the parts of them are put together."""

    arguments: Array
    shape: tuple[int, ...]  # (images, units, 2, C): both sums of the units of an image, or of them all
    shares: Array  # of every unit in the whole
    count: int  # numbers of a channel
    threads: int


@plan_cache(512)
def _plan_sums(shape: tuple[int, ...], item: int, per_image: bool, threads: int) -> _SumsPlan:
    batch, channels, pixels = shape
    images, group = (batch, 1) if per_image else (1, max(1, min(batch, BLOCK // pixels)))
    blocks = -(-pixels // BLOCK)
    most = _PARTS if per_image else _PARTS // batch  # an image with sums of its own has the same bits in any batch
    pieces = max(1, min(most, blocks // (_PART_BYTES // (BLOCK * item))))
    cuts = np.minimum(blocks * np.arange(pieces + 1) // pieces * BLOCK, pixels)
    members = np.diff(np.minimum(np.arange(0, batch + group, group), batch))  # images of a group
    counts = np.outer(members, np.diff(cuts)).reshape(images, -1, 1)
    threads = threads if prod(shape) >= _SERIAL_NUMBERS else 1
    arguments = MOMENTS.fill(
        X=0, DY=0, Y=0, CEILING=0, MEAN=0, SCALE=0, SHIFT=0, MEAN_IMAGE=channels * item if per_image else 0,
        BATCH=batch, CHANNELS=channels, PIXELS=pixels, GROUP=group, PIECES=pieces, OUT=0, SCRATCH=0,
        SCRATCH_STRIDE=SCRATCH_BYTES, TASKS=threads,
    )  # fmt: skip
    count = batch // images * pixels
    return _SumsPlan(arguments, (images, counts.shape[1], 2, channels), counts / count, count, threads)


def _summed(*arrays: Array, per_image: bool) -> tuple[str, tuple[int, ...], tuple[Array, ...]]:
    """Form of a kernel, (N, C, pixels), and the arrays in its memory order.

    Tiny planes would fill no vector: without images to be told apart, all pixels are those of one channels-last image.
    """
    batch, channels, pixels = *arrays[0].shape[:2], prod(arrays[0].shape[2:])
    if not per_image and pixels * arrays[0].itemsize < host().vector_bytes:
        return "columns", (1, channels, batch * pixels), tuple(map(_channels_last, arrays))
    last, arrays = _arranged(*arrays)
    return "columns" if last else "rows", (batch, channels, pixels), arrays


def _sums(
    form: str, plan: _SumsPlan, kind: str, *arrays: Array, factors: Sequence[Array] = (), ceiling: int = 0
) -> Array:
    """Two sums of every unit, (images, units, 2, C), of x, or of x and dy, or of x, dy and y.

    The factors are the mean, and the scale and shift where y is computed from them.
    """
    sums, arguments = np.empty(plan.shape), plan.arguments.copy()
    tables = [in_order(table) for table in factors] or [arrays[0]]
    mean, *others = [address(table) for table in tables]
    with borrowed(plan.threads * SCRATCH_BYTES) as scratch:
        arguments[_X], arguments[_DY], arguments[_CEILING] = address(arrays[0]), address(arrays[-1]), ceiling
        arguments[_FACTORS] = mean, *(others or (mean, mean))
        if len(arrays) == 3:
            arguments[_DY], arguments[_Y] = address(arrays[1]), address(arrays[2])
        arguments[_OUT], arguments[_SCRATCH] = address(sums), address(scratch)
        kernel = FORMS[form].address(arrays[0].itemsize, kind)
        launch(kernel, arguments, plan.threads, plan.threads, arrays[0].size, _SUMS_BY_TASKS)
    return sums


def _merged(form: str, plan: _SumsPlan, sums: Array, dtype: DType) -> tuple[Array, Array]:
    """Mean and variance of all units together, or both sums, (images, C)."""
    images, units, _, channels = plan.shape
    first = np.empty((images, channels), dtype)
    second = np.empty((images, channels), np.float64 if form == "moments" else dtype)
    places = [address(sums), address(plan.shares), address(first), address(second)]
    sizes = {"IMAGES": images, "UNITS": units, "CHANNELS": channels, "COUNT": plan.count}
    tables.start(merge_units, UNITS, images * channels, dtype.itemsize, places, form, **sizes)
    return first, second


@plan_cache(512)
def _plan_elementwise(
    shape: tuple[int, ...], item: int, last: bool, images: int, threads: int
) -> tuple[_Rows, Array, int]:
    """Rows, arguments but for the addresses, threads; the factors are (images, C)."""
    cut = _rows(shape, item, last, images > 1)
    threads = threads if prod(shape) >= _SERIAL_NUMBERS else 1
    arguments = NORMALIZE.fill(
        X=0, DY=0, OUT=0, MEAN=0, SCALE=0, SLOPE=0, SHIFT=0, BEFORE=0, INVERSE=0, OTHER=0, MASKED=0,
        RECTIFIED=0, CEILING=0,
        REPEAT=cut.repeat, PERIOD=images if cut.columns else images * shape[1], ROWS=cut.images * cut.rows,
        LENGTH=cut.length, TASKS=threads,
    )  # fmt: skip
    return cut, arguments, threads


def _elementwise(
    arrays: Sequence[Array], factors: Sequence[Array], form: str = "plain", ending: int = 0, *, backward: bool
) -> tuple[Array, Array]:
    """Forward or backward pass: the result, and dy as it was masked.

    The factors are (mean, scale, slope, shift, shift of the forward pass, inverse). The arrays are x, dy in a backward
    pass, and what an ending reads.
    """
    last, arrays = _arranged(*arrays)
    x, images = arrays[0], max(len(table) for table in factors)
    cut, arguments, threads = _plan_elementwise(x.shape, x.itemsize, last, images, get_num_threads())
    out = empty_channels_last(x.shape, x.dtype) if last else np.empty(x.shape, x.dtype)
    masked, arguments = out, arguments.copy()
    if form != "plain":
        arguments[_RECTIFIED], arguments[_TOP] = ending != 0, _CEILINGS[ending]
    if form == "sum":
        arguments[_OTHER] = address(arrays[-1])
    if form == "sum" and backward:
        masked = np.empty_like(out)
        arguments[_MASKED] = address(masked)
    places = [address(array) for array in (x, arrays[int(backward)], out)]
    spread, kept = tables.spread_out(factors, images, cut.fold if cut.columns else 1, planar=cut.planar)
    arguments[: len(places) + len(spread)] = [*places, *spread]
    kernel = normalize.address(x.itemsize, cut.columns, backward, form)
    launch(kernel, arguments, threads, threads, x.size, _BY_TASKS)
    del kept  # it owns the memory of the factors
    return out, masked


def normalize_ended(x: Array, factors: tuple[Array, Array, Array], ending: int, other: Array | None = None) -> Array:
    """Return ``(x - mean) * scale + shift``, plus another array if there is one, after the ReLU of an ending.

    Endings are those of `machine.emitter`, or 0. The bits are those of the operations one after the other.
    """
    mean, scale, shift = factors
    arrays = (x,) if other is None else (x, other)
    form = "relu" if other is None else "sum"
    return _elementwise(arrays, (mean, scale, scale, shift, shift, scale), form, ending, backward=False)[0]


def masked_sums(
    dy: Array, x: Array, y: Array | None, factors: tuple[Array, Array, Array], ending: int
) -> tuple[Array, Array]:
    """`normalize_sums` of the dy that the ReLU of an ending lets through.

    `y` is its output, or None for that of `normalize_ended` with these factors and nothing added.
    """
    form, shape, arrays = _summed(x, dy, *([] if y is None else [y]), per_image=False)
    plan = _plan_sums(shape, x.itemsize, False, get_num_threads())
    kind = "recomputed" if y is None else "masked"
    sums = _sums(form, plan, kind, *arrays, factors=factors, ceiling=_CEILINGS[ending])
    return _merged("sums", plan, sums, x.dtype)


def masked_backward(
    dy: Array, x: Array, y: Array | None, factors: Sequence[Array], flow: tuple[Array, Array, Array], ending: int
) -> tuple[Array, Array | None]:
    """`normalize_backward` of the dy that a ReLU lets through, and where there was a sum, with output `y`, that dy too.

    The factors are as for `masked_sums`, the flow is that of `normalize_flow`.
    """
    (mean, scale, before), (slope, shift, inverse) = factors, flow
    arrays, form = ((x, dy), "relu") if y is None else ((x, dy, y), "sum")
    dx, masked = _elementwise(arrays, (mean, scale, slope, shift, before, inverse), form, ending, backward=True)
    return dx, None if y is None else masked


class Normalization(Tables):
    """Statistics and elementwise passes: each goes through memory once, with all threads."""

    def moments(self, x: Array, per_image: bool) -> tuple[Array, Array]:
        """Mean and biased variance of every channel."""
        images = per_image and len(x) > 1
        form, shape, arrays = _summed(x, per_image=images)
        plan = _plan_sums(shape, x.itemsize, images, get_num_threads())
        return _merged("moments", plan, _sums(form, plan, "moments", *arrays), x.dtype)

    def normalize(self, x: Array, mean: Array, scale: Array, shift: Array) -> Array:
        """``(x - mean) * scale + shift``."""
        return _elementwise((x,), (mean, scale, scale, shift, shift, scale), backward=False)[0]

    def normalize_sums(self, dy: Array, x: Array, mean: Array) -> tuple[Array, Array]:
        """Sums of dy and of ``dy * (x - mean)``."""
        images = len(mean) > 1
        form, shape, arrays = _summed(x, dy, per_image=images)
        plan = _plan_sums(shape, x.itemsize, images, get_num_threads())
        return _merged("sums", plan, _sums(form, plan, "products", *arrays, factors=[mean]), x.dtype)

    def normalize_backward(
        self, dy: Array, x: Array, mean: Array, scale: Array, slope: Array, shift: Array, inverse: Array
    ) -> Array:
        """``dy * scale + ((x - mean) * slope + shift) * inverse``."""
        return _elementwise((x, dy), (mean, scale, slope, shift, shift, inverse), backward=True)[0]

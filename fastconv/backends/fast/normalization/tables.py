"""Tables of a normalisation on the fast engine: what is computed between its passes, by kernels that read arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastconv.backends.base import Array, Backend
from fastconv.backends.fast.machine.blocks import Block
from fastconv.backends.fast.machine.kernel import Kernel
from fastconv.backends.fast.machine.launch import address, launch
from fastconv.backends.fast.memory.copying import in_order
from fastconv.backends.fast.normalization.tables_kernel import (
    FACTORS,
    FLOW,
    GRADIENTS,
    PARTS,
    SPREAD,
    TRACK,
    factors,
    flow,
    gradients,
    merge_parts,
    spread,
    track,
)
from fastconv.backends.settings import get_num_threads

# Numbers read below which one thread does it all: those of a table take 1 to 5 ns each, a square root included.
_SERIAL_NUMBERS = 2**13


def start(kernel: Kernel, block: Block, numbers: int, dtype: np.dtype[Any], *constants: Any, **values: int) -> None:
    """Launch a kernel that reads so many numbers and has as many tasks as there are threads for them."""
    tasks = 1 if numbers < _SERIAL_NUMBERS else get_num_threads()
    more = {"TASKS": tasks} if "TASKS" in block.index else {}
    launch(kernel.address(dtype.itemsize, *constants), block.fill(**values, **more), tasks if more else 1, tasks)


def _bits(number: float) -> int:
    """A float64 as an entry of an argument block."""
    return int(np.float64(number).view(np.int64))


def _place(table: Array | None) -> int:
    return 0 if table is None else address(table)


def spread_out(table: Sequence[Array], images: int, fold: int, *, planar: bool) -> tuple[list[int], Any]:
    """Addresses of (images, C) factors in which every number is there `fold` times, and what owns that memory.

    With `planar` equal numbers are side by side, else the channels are. Tables may have one row for all images.
    """
    table = [in_order(one) for one in table]
    if fold == 1 and all(len(one) == images for one in table):
        return [address(one) for one in table], table
    channels, dtype = table[0].shape[1], table[0].dtype
    out = np.empty((len(table), images, channels * fold), dtype)
    values = {f"TABLE{i}": address(one) for i, one in enumerate(table)}
    rows = {f"ROW{i}": one.strides[0] if len(one) > 1 else 0 for i, one in enumerate(table)}
    start(
        spread, SPREAD, out.size, dtype, **values, **rows, OUT=address(out), TABLES=len(table), IMAGES=images,
        CHANNELS=channels, FOLD=fold, PLANAR=int(planar),
    )  # fmt: skip
    return [address(out) + i * out[0].nbytes for i in range(len(table))], out


class Tables(Backend):
    """Tables between passes, one launch each."""

    def merge_moments(self, mean: Array, variance: Array) -> tuple[Array, Array]:
        """Mean and variance over the last axis, of parts of equal size."""
        parts, (mean, variance) = mean.shape[-1], (in_order(table) for table in (mean, variance))
        center, spread = np.empty(mean.shape[:-1], mean.dtype), np.empty(mean.shape[:-1], mean.dtype)
        start(
            merge_parts, PARTS, mean.size, mean.dtype, MEANS=address(mean), VARIANCES=address(variance),
            MEAN=address(center), VARIANCE=address(spread), ROWS=center.size, PARTS=parts,
        )  # fmt: skip
        return center, spread

    def normalize_factors(
        self, mean: Array, variance: Array, eps: float, weight: Array | None, bias: Array | None, channels: int
    ) -> tuple[Array, Array, Array]:
        """Mean, scale and shift that `normalize` takes."""
        rows, groups = mean.shape
        mean, variance = in_order(mean), in_order(variance)
        weight, bias = (None if table is None else in_order(table) for table in (weight, bias))
        center, scale, shift = (np.empty((rows, channels), mean.dtype) for _ in range(3))
        start(
            factors, FACTORS, scale.size, mean.dtype, MEAN=address(mean), VARIANCE=address(variance),
            WEIGHT=_place(weight), BIAS=_place(bias), CENTER=address(center), SCALE=address(scale),
            SHIFT=address(shift), ROWS=rows, GROUPS=groups, SIZE=channels // groups, EPS=_bits(eps),
        )  # fmt: skip
        return center, scale, shift

    def normalize_flow(
        self, first: Array, second: Array, variance: Array, eps: float, weight: Array | None, count: int, channels: int
    ) -> tuple[Array, Array]:
        """Slope and shift that `normalize_backward` takes."""
        rows, groups = variance.shape
        first, second, variance = (in_order(table) for table in (first, second, variance))
        weight = None if weight is None else in_order(weight)
        slope, shift = np.empty((rows, channels), first.dtype), np.empty((rows, channels), first.dtype)
        start(
            flow, FLOW, first.size + slope.size, first.dtype, FIRST=address(first), SECOND=address(second),
            VARIANCE=address(variance), WEIGHT=_place(weight), SLOPE=address(slope), SHIFT=address(shift), ROWS=rows,
            GROUPS=groups, PARTS=first.shape[1] // groups, SIZE=channels // groups, COUNT=count, EPS=_bits(eps),
        )  # fmt: skip
        return slope, shift

    def normalize_gradients(self, first: Array, second: Array, variance: Array, eps: float) -> tuple[Array, Array]:
        """Gradients of weight and bias, from the sums of `normalize_sums`."""
        (rows, groups), channels = variance.shape, first.shape[1]
        first, second, variance = (in_order(table) for table in (first, second, variance))
        dweight, dbias = np.empty(channels, first.dtype), np.empty(channels, first.dtype)
        start(
            gradients, GRADIENTS, first.size, first.dtype, FIRST=address(first), SECOND=address(second),
            VARIANCE=address(variance), DWEIGHT=address(dweight), DBIAS=address(dbias), ROWS=rows, GROUPS=groups,
            SIZE=channels // groups, EPS=_bits(eps),
        )  # fmt: skip
        return dweight, dbias

    def track(
        self, running_mean: Array, running_var: Array, mean: Array, variance: Array, numbers: int,
        momentum: float | None, batches: Array | None,
    ) -> None:  # fmt: skip
        """Count a batch, and move running statistics towards the means over its rows, in place."""
        running = running_mean, running_var
        if any(table.dtype != mean.dtype or not table.flags.carray for table in running):
            return super().track(running_mean, running_var, mean, variance, numbers, momentum, batches)
        mean, variance = in_order(mean), in_order(variance)
        start(
            track, TRACK, mean.size, mean.dtype, MEAN=address(mean), VARIANCE=address(variance),
            RUNNING_MEAN=address(running_mean), RUNNING_VAR=address(running_var), BATCHES=_place(batches),
            ROWS=len(mean), CHANNELS=mean.shape[1], NUMBERS=numbers, MOMENTUM=_bits(momentum or 0.0),
            CUMULATIVE=int(momentum is None),
        )  # fmt: skip

    def in_order(self, x: Array) -> Array:
        """Return an array in C order: itself where it is, or a copy."""
        return in_order(x)

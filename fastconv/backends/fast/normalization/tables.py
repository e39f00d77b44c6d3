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
from fastconv.backends.fast.memory.plan_cache import plan_cache
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


@plan_cache(2048)
def _plan(block: Block, numbers: int, threads: int, addresses: int, **sizes: float) -> tuple[Array, int]:
    """Argument block but for the addresses, which come first in it, and the number of tasks."""
    divides = "TASKS" in block.index
    tasks = threads if divides and numbers >= _SERIAL_NUMBERS else 1
    entries = {name: value if isinstance(value, int) else _bits(value) for name, value in sizes.items()}
    places = dict.fromkeys(block.names[:addresses], 0)
    return block.fill(**places, **entries, **({"TASKS": tasks} if divides else {})), tasks


def _bits(number: float) -> int:
    """A float64 as an entry of an argument block."""
    return int(np.float64(number).view(np.int64))


def start(
    kernel: Kernel, block: Block, numbers: int, itemsize: int, addresses: list[int], *constants: Any, **sizes: float
) -> None:
    """Launch a kernel that reads so many numbers, with the first entries of its block and all others by name."""
    plan, tasks = _plan(block, numbers, get_num_threads(), len(addresses), **sizes)
    arguments = plan.copy()
    arguments[: len(addresses)] = addresses
    launch(kernel.address(itemsize, *constants), arguments, tasks, tasks)


def _place(table: Array | None) -> int:
    return 0 if table is None else address(table)


def _wide(variance: Array) -> int:
    """Whether variances are float64, whatever the dtype of the numbers."""
    return int(variance.dtype == np.float64)


def spread_out(factors: Sequence[Array], images: int, fold: int, *, planar: bool) -> tuple[list[int], Any]:
    """Addresses of six (images, C) factors in which every number is there `fold` times, and what owns that memory.

    With `planar` equal numbers are side by side, else the channels are. Tables may have one row for all images.
    """
    factors = [in_order(table) for table in factors]
    places, rows = [address(table) for table in factors], [len(table) for table in factors]
    if fold == 1 and rows == [images] * len(factors):
        return places, factors
    row, item = factors[0].strides[0], factors[0].itemsize
    out = np.empty((len(factors), images, factors[0].shape[1] * fold), factors[0].dtype)
    first = address(out)
    steps = [row if size > 1 else 0 for size in rows]
    start(
        spread, SPREAD, out.size, item, [*places, *steps, first],
        TABLES=len(factors), IMAGES=images, CHANNELS=factors[0].shape[1], FOLD=fold, PLANAR=int(planar),
    )  # fmt: skip
    step = out.strides[0]
    return [first + i * step for i in range(len(factors))], out


class Tables(Backend):
    """Tables between passes, one launch each."""

    def merge_moments(self, mean: Array, variance: Array) -> tuple[Array, Array]:
        """Mean and variance over the last axis, of parts of equal size."""
        mean, variance = in_order(mean), in_order(variance)
        center, spread = np.empty(mean.shape[:-1], mean.dtype), np.empty(mean.shape[:-1])
        places = [address(mean), address(variance), address(center), address(spread)]
        start(merge_parts, PARTS, mean.size, mean.itemsize, places, ROWS=center.size, PARTS=mean.shape[-1])
        return center, spread

    def normalize_factors(
        self, mean: Array, variance: Array, eps: float, weight: Array | None, bias: Array | None, channels: int
    ) -> tuple[Array, Array, Array]:
        """Mean, scale and shift that `normalize` takes."""
        (rows, groups), mean, variance = mean.shape, in_order(mean), in_order(variance)
        weight, bias = None if weight is None else in_order(weight), None if bias is None else in_order(bias)
        center, scale, shift = out = np.empty((3, rows, channels), mean.dtype)
        first, step = address(out), out.strides[0]
        places = [address(mean), address(variance), _place(weight), _place(bias), first, first + step, first + 2 * step]
        sizes = {"ROWS": rows, "GROUPS": groups, "SIZE": channels // groups, "EPS": float(eps), "WIDE": _wide(variance)}
        start(factors, FACTORS, scale.size, mean.itemsize, places, **sizes)
        return center, scale, shift

    def normalize_flow(
        self, first: Array, second: Array, variance: Array, eps: float, weight: Array | None, count: int, channels: int
    ) -> tuple[Array, Array, Array]:
        """Slope, shift and inverse deviation that `normalize_backward` takes."""
        rows, groups = variance.shape
        first, second, variance = in_order(first), in_order(second), in_order(variance)
        weight = None if weight is None else in_order(weight)
        slope, shift, inverse = found = np.empty((3, rows, channels), first.dtype)
        results = [address(found) + i * found.strides[0] for i in range(3)]
        places = [address(first), address(second), address(variance), _place(weight), *results]
        start(
            flow, FLOW, first.size + slope.size, first.itemsize, places, ROWS=rows, GROUPS=groups,
            PARTS=first.shape[1] // groups, SIZE=channels // groups, COUNT=count, EPS=float(eps),
            WIDE=_wide(variance),
        )  # fmt: skip
        return slope, shift, inverse

    def normalize_gradients(self, first: Array, second: Array, variance: Array, eps: float) -> tuple[Array, Array]:
        """Gradients of weight and bias, from the sums of `normalize_sums`."""
        (rows, groups), channels = variance.shape, first.shape[1]
        first, second, variance = in_order(first), in_order(second), in_order(variance)
        dweight, dbias = np.empty(channels, first.dtype), np.empty(channels, first.dtype)
        places = [address(first), address(second), address(variance), address(dweight), address(dbias)]
        sizes = {"ROWS": rows, "GROUPS": groups, "SIZE": channels // groups, "EPS": float(eps), "WIDE": _wide(variance)}
        start(gradients, GRADIENTS, first.size, first.itemsize, places, **sizes)
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
        places = [address(mean), address(variance), address(running_mean), address(running_var)]
        start(
            track, TRACK, mean.size, mean.itemsize, [*places, _place(batches)],
            ROWS=len(mean), CHANNELS=mean.shape[1], NUMBERS=numbers, MOMENTUM=float(momentum or 0),
            CUMULATIVE=int(momentum is None), WIDE=_wide(variance),
        )  # fmt: skip

    def in_order(self, x: Array) -> Array:
        """Return an array in C order: itself where it is, or a copy."""
        return in_order(x)

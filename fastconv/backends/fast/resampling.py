"""The gradient of resampling on the fast engine, one launch for each axis."""

from __future__ import annotations

from math import prod

import numpy as np

from fastconv.backends.base import Array
from fastconv.backends.fast.machine.launch import address, by_tasks, launch
from fastconv.backends.fast.memory.copying import in_order
from fastconv.backends.fast.memory.plan_cache import plan_cache
from fastconv.backends.fast.memory.workspace import apart, borrowed
from fastconv.backends.fast.resampling_kernel import RESAMPLING, SIDE_BY_SIDE
from fastconv.backends.fast.resampling_kernel import resample_backward as kernel
from fastconv.backends.resampling import Resampling
from fastconv.backends.settings import get_num_threads

_SERIAL_SHARES = 2**15  # products below which one thread does it all
_SCRATCH_BYTES = apart(SIDE_BY_SIDE * 8)
_DY, _OUT, _SCRATCH = (RESAMPLING.index[name] for name in ("DY", "OUT", "SCRATCH"))
_BY_TASKS = by_tasks(RESAMPLING)


def resample_backward(dy: Array, axis: int, resampling: Resampling) -> Array:
    """See `Backend.resample_backward`; the result is in C order."""
    dy = in_order(dy)
    before, after = dy.shape[:axis], dy.shape[axis + 1 :]
    dx = np.empty((*before, resampling.cells, *after), dy.dtype)
    if dx.size:
        block, threads, work, _ = _plan(resampling, prod(before), prod(after), get_num_threads())
        arguments = block.copy()
        with borrowed(threads * _SCRATCH_BYTES) as memory:
            arguments[_DY], arguments[_OUT], arguments[_SCRATCH] = address(dy), address(dx), address(memory)
            launch(kernel.address(dy.itemsize), arguments, threads, threads, work, _BY_TASKS)
    return dx


@plan_cache(256)
def _plan(
    resampling: Resampling, outer: int, inner: int, threads: int
) -> tuple[Array, int, int, tuple[Array, Array, Array]]:
    """Argument block but for the addresses of arrays, threads, products, and the tables that the block points to."""
    first, count, weights = tables = resampling.shares()
    work = outer * inner * int(count.sum())
    threads = 1 if work < _SERIAL_SHARES else threads
    block = RESAMPLING.fill(
        DY=0, OUT=0, FIRST=address(first), COUNT=address(count), WEIGHTS=address(weights), OUTER=outer,
        SIZE=resampling.out, CELLS=resampling.cells, INNER=inner, MOST=weights.shape[1], SCRATCH=0,
        SCRATCH_STRIDE=_SCRATCH_BYTES, TASKS=threads,
    )  # fmt: skip
    return block, threads, work, tables

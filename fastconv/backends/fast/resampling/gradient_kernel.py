"""The gradient of resampling along an axis, over memory without gaps: (OUTER, SIZE, INNER) to (OUTER, CELLS, INNER).

Every cell sums what the results that look at it say, which are neighbours, times their weights. What lies inside of the
axis is summed side by side, in vectors. Sums are in float64, in one order. The twin to read is in
`backends.resampling`.
"""

from __future__ import annotations

import numpy as np

from fastconv.backends.fast.machine.blocks import Block
from fastconv.backends.fast.machine.intrinsics import (
    integer,
    load_at,
    load_double,
    size_of,
    store_double,
    store_number_at,
)
from fastconv.backends.fast.machine.jit import helper
from fastconv.backends.fast.machine.kernel import kernel

# FIRST and COUNT have a number for each of CELLS, WEIGHTS a row of MOST; see `Resampling.shares`
RESAMPLING = Block(
    "DY OUT FIRST COUNT WEIGHTS OUTER SIZE CELLS INNER MOST SCRATCH SCRATCH_STRIDE TASKS",
    results="OUT",
)
SIDE_BY_SIDE = 256  # sums at once: they stay in the L1 cache


@helper
def _sum(dy, weights, count, number):
    """One sum of numbers that lie side by side."""
    total = 0.0
    for i in range(count):
        total += load_double(weights, i) * np.float64(load_at(dy, i, number))
    return total


@helper
def _sums(dy, out, weights, count, inner, sums, number):
    """The sums of what lies inside of the axis."""
    item = size_of(number)
    for start in range(0, inner, SIDE_BY_SIDE):
        width = min(SIDE_BY_SIDE, inner - start)
        for i in range(width):
            store_double(sums, i, 0.0)
        for result in range(count):
            weight, row = load_double(weights, result), dy + (result * inner + start) * item
            for i in range(width):
                store_double(sums, i, load_double(sums, i) + weight * np.float64(load_at(row, i, number)))
        for i in range(width):
            store_number_at(out + start * item, i, load_double(sums, i), number)


@kernel(RESAMPLING)
def resample_backward(args, task, number):
    """OUT = for some cells, the sum of WEIGHTS times DY."""
    size, cells, inner, tasks = args.SIZE, args.CELLS, args.INNER, args.TASKS
    line, sums = inner * size_of(number), args.SCRATCH + task * args.SCRATCH_STRIDE
    row, stop = args.OUTER * cells * task // tasks, args.OUTER * cells * (task + 1) // tasks
    while row < stop:
        outer = row // cells
        start = row - outer * cells
        end = min(cells, start + stop - row)
        for i in range(start, end):
            dy = args.DY + (outer * size + integer(args.FIRST, i)) * line
            out, weights, count = args.OUT + (outer * cells + i) * line, args.WEIGHTS + i * args.MOST * 8, args.COUNT
            if inner == 1:
                store_number_at(out, 0, _sum(dy, weights, integer(count, i), number), number)
            else:
                _sums(dy, out, weights, integer(count, i), inner, sums, number)
        row += end - start

"""Norms of many arrays together, limits on them, and penalties: sums in float64, in an order that no thread changes.

Arrays are cut into chunks of `CHUNK` numbers, each of which has two results: the sum of the squares and, where that
overflows, the sum of the squares of scaled numbers, by which the norm is known.
"""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba.core import types

from fastconv.backends.fast.machine import twins
from fastconv.backends.fast.machine.blocks import Block, entry_of
from fastconv.backends.fast.machine.emitter import Loop, across, constant
from fastconv.backends.fast.machine.intrinsics import load_at, load_double, rounded, size_of, store_at, store_double
from fastconv.backends.fast.machine.jit import code, emitted, helper
from fastconv.backends.fast.machine.kernel import kernel
from fastconv.backends.fast.update.rows_kernel import SHARE, share_of
from fastconv.backends.parameters import SLACK

# What is shared among the tasks is chunks.
SQUARES_ROW = Block(SHARE, "DATA NUMBERS")
SQUARES = Block("OUT ROWS TOTAL TASKS", results="OUT", rows=SQUARES_ROW)
TOTAL = Block("PARTS CHUNKS OUT", results="OUT")
LIMIT_ROW = Block(SHARE, "DATA", results="DATA")
LIMIT = Block("NORM LIMIT ROWS TOTAL TASKS", rows=LIMIT_ROW)
ADD_SCALED_ROW = Block(SHARE, "TARGET SOURCE", results="TARGET")
ADD_SCALED = Block("FACTOR ROWS TOTAL TASKS", rows=ADD_SCALED_ROW)

CHUNK, GROUP = 2**12, 16
SCALE = 2.0**-600  # the square of the largest float64 times this is finite
_I32, _DOUBLE = ir.IntType(32), ir.DoubleType()
_SQUARES_HEADER, _LIMIT_HEADER, _ADD_SCALED_HEADER = SQUARES.nbytes, LIMIT.nbytes, ADD_SCALED.nbytes


@emitted(twins.sum_squares)
def _sum_groups(typing_context, number, data, groups, scale):
    """Float64 sum of the squares of ``groups * GROUP`` numbers, at least one group, times `scale`.

    Number i is added to sum i % GROUP, whatever the width of the vectors of the CPU, and at the end the second half of
    the sums to the first, until one is left.
    """
    wide = ir.VectorType(_DOUBLE, GROUP)

    def emit(builder, zero, data, groups, scale):
        kind = ir.VectorType(zero.type, GROUP)
        factor = _broadcast(builder, scale, wide)
        loop = Loop(builder, "group", [ir.Constant(wide, None)])
        place = builder.add(data, builder.mul(loop.count, constant(GROUP * number.bitwidth // 8)))
        values = builder.load(builder.inttoptr(place, kind.as_pointer()), align=number.bitwidth // 8)
        scaled = builder.fmul(values if kind == wide else builder.fpext(values, wide), factor)
        total = builder.fadd(loop.values[0], builder.fmul(scaled, scaled))
        loop.end(groups, [total])
        return across(builder, total, GROUP)

    return code(types.float64(number, types.intp, types.intp, types.float64), emit)


def _broadcast(builder, value, kind):
    """Vector whose lanes are all `value`."""
    first = builder.insert_element(ir.Constant(kind, ir.Undefined), value, ir.Constant(_I32, 0))
    return builder.shuffle_vector(first, first, ir.Constant(ir.VectorType(_I32, kind.count), None))


@helper
def _sum_of_squares(data, numbers, scale, number):
    """Sum of the squares of a chunk times `scale`, those beyond the last group one by one."""
    total, groups = 0.0, numbers // GROUP
    if groups:
        total = _sum_groups(number, data, groups, scale)
    for i in range(groups * GROUP, numbers):
        x = float(load_at(data, i, number)) * scale
        total += x * x
    return total


@kernel(SQUARES)
def sum_squares(args, task, number):
    """Both results of some chunks."""
    for r in range(args.ROWS):
        row = entry_of(SQUARES_ROW, args + _SQUARES_HEADER, r)
        first, stop = share_of(row, args.TOTAL, task, args.TASKS)
        for chunk in range(first, stop):
            data, numbers = row.DATA + chunk * CHUNK * size_of(number), min(CHUNK, row.NUMBERS - chunk * CHUNK)
            out, total, scaled = args.OUT + (row.START + chunk) * 16, _sum_of_squares(data, numbers, 1.0, number), 0.0
            if total == np.inf:
                scaled = _sum_of_squares(data, numbers, SCALE, number)
            store_double(out, 0, total)
            store_double(out, 1, scaled)


@kernel(TOTAL, typed=False, root=(False, True))
def total_squares(args, task, root):
    """Sum of the results of all chunks, or the root of it, in one task."""
    parts, total, scaled = args.PARTS, 0.0, 0.0
    for chunk in range(args.CHUNKS):
        total += load_double(parts, 2 * chunk)
        scaled += load_double(parts, 2 * chunk + 1)
    if root:
        total = np.sqrt(scaled) / SCALE if total == np.inf else np.sqrt(total)
    store_double(args.OUT, 0, total)


@kernel(LIMIT)
def limit_norm(args, task, number):
    """Multiply all numbers by limit / norm where that is below one, or the norm is NaN."""
    ratio = load_double(args.LIMIT, 0) / (load_double(args.NORM, 0) + SLACK)
    factor, rows = rounded(ratio, number), args.ROWS
    if ratio >= 1.0:
        rows = 0
    for r in range(rows):
        row = entry_of(LIMIT_ROW, args + _LIMIT_HEADER, r)
        first, stop = share_of(row, args.TOTAL, task, args.TASKS)
        data = row.DATA
        for i in range(first, stop):
            store_at(data, i, load_at(data, i, number) * factor)


@kernel(ADD_SCALED)
def add_scaled(args, task, number):
    """TARGET += SOURCE * factor."""
    factor = rounded(load_double(args.FACTOR, 0), number)
    for r in range(args.ROWS):
        row = entry_of(ADD_SCALED_ROW, args + _ADD_SCALED_HEADER, r)
        first, stop = share_of(row, args.TOTAL, task, args.TASKS)
        target, source = row.TARGET, row.SOURCE
        for i in range(first, stop):
            store_at(target, i, load_at(target, i, number) + load_at(source, i, number) * factor)

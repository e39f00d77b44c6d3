"""Short runs of numbers, copied or added a vector at a time, the last one masked: no call, no loop over numbers."""

from __future__ import annotations

from llvmlite import ir
from numba.core import types

from fastconv.backends.fast.machine import twins
from fastconv.backends.fast.machine.emitter import Emitter, Loop, constant
from fastconv.backends.fast.machine.jit import code, emitted
from fastconv.backends.fast.machine.target import host

GROUP = 8  # numbers that `sum_groups` takes at once


def _each_vector(number, combine):
    """Code in which every vector of the target becomes ``combine(row, source vector, address of the target)``."""
    item = number.bitwidth // 8

    def emit(builder, _, target, source, count):
        loop = Loop(builder, "run", step=host().lanes(item))
        row = Emitter(builder, item, tail=builder.sub(count, loop.count))
        offset = builder.mul(loop.count, constant(item))
        place = builder.add(target, offset)
        row.store_vector(combine(row, row.load_vector(builder.add(source, offset), 0), place), place, 0)
        loop.end(count)

    return code(types.void(number, types.intp, types.intp, types.intp), emit)


@emitted(twins.accumulate)
def accumulate(typing_context, number, target, source, count):
    """``target[i] += source[i]`` for i below `count`, which is at least 1; `number` says the type."""
    return _each_vector(number, lambda row, vector, place: row.builder.fadd(row.load_vector(place, 0), vector))


@emitted(twins.copy_run)
def copy_run(typing_context, number, target, source, count):
    """``target[i] = source[i]`` for i below `count`, which is at least 1; `number` says the type."""
    return _each_vector(number, lambda row, vector, place: vector)


@emitted(twins.sum_groups)
def sum_groups(typing_context, number, totals, source, groups):
    """``totals[i] += source[8 g + i]`` in float64 for g below `groups`, at least 1; `number` has the type of source."""
    item = number.bitwidth // 8

    def emit(builder, _, totals, source, groups):
        wide = ir.VectorType(ir.DoubleType(), GROUP)
        narrow = ir.VectorType(ir.FloatType() if item == 4 else ir.DoubleType(), GROUP)
        place = builder.inttoptr(totals, wide.as_pointer())
        loop = Loop(builder, "groups", [builder.load(place, align=8)])
        offset = builder.mul(loop.count, constant(GROUP * item))
        numbers = builder.load(builder.inttoptr(builder.add(source, offset), narrow.as_pointer()), align=item)
        total = builder.fadd(loop.values[0], numbers if item == 8 else builder.fpext(numbers, wide))
        loop.end(groups, [total])
        builder.store(total, place, align=8)

    return code(types.void(number, types.intp, types.intp, types.intp), emit)

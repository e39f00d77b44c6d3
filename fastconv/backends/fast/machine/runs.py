"""Short runs of numbers, copied or added a vector at a time, the last one masked: no call, no loop over numbers."""

from __future__ import annotations

from llvmlite import ir
from numba.core import types

from fastconv.backends.fast.machine import twins
from fastconv.backends.fast.machine.emitter import Emitter
from fastconv.backends.fast.machine.jit import emitted
from fastconv.backends.fast.machine.target import host
from fastconv.backends.fast.machine.tile import Tile

GROUP = 8  # numbers that `sum_groups` takes at once

_I64 = ir.IntType(64)


def _each_vector(builder, item, arguments, combine):
    """Emit the loop: every vector of the target becomes ``combine(emit, source vector, address of the target)``."""
    _, target, source, count = arguments
    size = host().lanes(item)
    before, loop = builder.block, builder.append_basic_block("run")
    done = builder.append_basic_block("run_end")
    builder.branch(loop)
    builder.position_at_end(loop)
    first = builder.phi(_I64)
    first.add_incoming(ir.Constant(_I64, 0), before)
    emit = Emitter(builder, Tile(0, 1, 1, size, item, 1), builder.sub(count, first))
    offset = builder.mul(first, ir.Constant(_I64, item))
    place = builder.add(target, offset)
    emit.store_vector(combine(emit, emit.load_vector(builder.add(source, offset), 0), place), place, 0)
    following = builder.add(first, ir.Constant(_I64, size))
    first.add_incoming(following, loop)
    builder.cbranch(builder.icmp_signed("<", following, count), loop, done)
    builder.position_at_end(done)


@emitted(twins.accumulate)
def accumulate(typing_context, number, target, source, count):
    """``target[i] += source[i]`` for i below `count`, which is at least 1; `number` says the type."""

    def codegen(context, builder, signature, arguments):
        _each_vector(
            builder,
            number.bitwidth // 8,
            arguments,
            lambda emit, vector, place: builder.fadd(emit.load_vector(place, 0), vector),
        )
        return context.get_dummy_value()

    return types.void(number, types.intp, types.intp, types.intp), codegen


@emitted(twins.copy_run)
def copy_run(typing_context, number, target, source, count):
    """``target[i] = source[i]`` for i below `count`, which is at least 1; `number` says the type."""

    def codegen(context, builder, signature, arguments):
        _each_vector(builder, number.bitwidth // 8, arguments, lambda emit, vector, place: vector)
        return context.get_dummy_value()

    return types.void(number, types.intp, types.intp, types.intp), codegen


@emitted(twins.sum_groups)
def sum_groups(typing_context, number, totals, source, groups):
    """``totals[i] += source[8 g + i]`` in float64 for g below `groups`, at least 1; `number` has the type of source."""

    def codegen(context, builder, signature, arguments):
        _, totals, source, groups = arguments
        wide = ir.VectorType(ir.DoubleType(), GROUP)
        narrow = ir.VectorType(ir.FloatType() if number.bitwidth == 32 else ir.DoubleType(), GROUP)
        place = builder.inttoptr(totals, wide.as_pointer())
        before, loop = builder.block, builder.append_basic_block("groups")
        done = builder.append_basic_block("groups_end")
        start = builder.load(place, align=8)
        builder.branch(loop)
        builder.position_at_end(loop)
        group, total = builder.phi(_I64), builder.phi(wide)
        group.add_incoming(ir.Constant(_I64, 0), before)
        total.add_incoming(start, before)
        offset = builder.mul(group, ir.Constant(_I64, GROUP * number.bitwidth // 8))
        pointer = builder.inttoptr(builder.add(source, offset), narrow.as_pointer())
        numbers = builder.load(pointer, align=number.bitwidth // 8)
        more = builder.fadd(total, numbers if number.bitwidth == 64 else builder.fpext(numbers, wide))
        following = builder.add(group, ir.Constant(_I64, 1))
        group.add_incoming(following, loop)
        total.add_incoming(more, loop)
        builder.cbranch(builder.icmp_signed("<", following, groups), loop, done)
        builder.position_at_end(done)
        builder.store(more, place, align=8)
        return context.get_dummy_value()

    return types.void(number, types.intp, types.intp, types.intp), codegen

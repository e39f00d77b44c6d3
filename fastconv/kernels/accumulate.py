"""A run of numbers added to another in memory, a vector at a time, the last one masked."""

from __future__ import annotations

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from fastconv.kernels.jit import INTERPRETED
from fastconv.kernels.target import host
from fastconv.kernels.tile import Emitter, Tile

__all__ = ["accumulate"]

_I64 = ir.IntType(64)


@intrinsic
def accumulate(typing_context, number, target, source, count):
    """``target[i] += source[i]`` for i below `count`, which is at least 1; `number` says the type."""
    item = number.bitwidth // 8
    size = host().lanes(item)

    def codegen(context, builder, signature, arguments):
        _, target_, source_, count_ = arguments
        before, loop = builder.block, builder.append_basic_block("run")
        done = builder.append_basic_block("run_end")
        builder.branch(loop)
        builder.position_at_end(loop)
        first = builder.phi(_I64)
        first.add_incoming(ir.Constant(_I64, 0), before)
        emit = Emitter(builder, Tile(0, 1, 1, size, item, 1), builder.sub(count_, first))
        offset = builder.mul(first, ir.Constant(_I64, item))
        place = builder.add(target_, offset)
        total = builder.fadd(emit.load_vector(place, 0), emit.load_vector(builder.add(source_, offset), 0))
        emit.store_vector(total, place, 0)
        following = builder.add(first, ir.Constant(_I64, size))
        first.add_incoming(following, loop)
        builder.cbranch(builder.icmp_signed("<", following, count_), loop, done)
        builder.position_at_end(done)
        return context.get_dummy_value()

    return types.void(number, types.intp, types.intp, types.intp), codegen


if INTERPRETED:
    from fastconv.kernels.twins import accumulate

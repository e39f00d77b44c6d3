"""The floating-point peak of the chip: independent chains of multiply-adds, and nothing else.

A multiply-add takes about four cycles and a core starts two (Apple: four) of them in each, so that eight to sixteen
chains must be under way for every cycle to be used. Three quarters of the vector registers hold one chain each: 24 of
32, 12 of 16. Nothing is loaded or stored in the loop.
"""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba.core import types

from fastconv.backends.fast.machine.blocks import Block
from fastconv.backends.fast.machine.emitter import Emitter
from fastconv.backends.fast.machine.jit import emitted
from fastconv.backends.fast.machine.kernel import kernel
from fastconv.backends.fast.machine.target import host
from fastconv.backends.fast.machine.tile import Tile
from fastconv.backends.fast.machine.twins import load, matrix

_I64 = ir.IntType(64)

# factor, term: addresses of a number; result: address of one vector for each task
PEAK = Block("REPEATS FACTOR TERM RESULT RESULT_STEP")


def chains() -> int:
    """Independent chains of multiply-adds: what three quarters of the vector registers hold."""
    return host().registers * 3 // 4


def repeat_flops(itemsize: int) -> int:
    """Floating-point operations of one repeat; a multiply-add counts as two."""
    return 2 * chains() * host().lanes(itemsize)


def _chains_in_python(number, repeats, factor, term, result):
    """The readable twin of `multiply_add_chains`."""
    item = number.itemsize
    sums = np.arange(1, chains() + 1, dtype=type(number))
    for _ in range(repeats):
        sums = sums * load(factor, number) + load(term, number)
    matrix(result, (host().lanes(item),), (item,), item)[...] = sums.sum()


@emitted(_chains_in_python)
def multiply_add_chains(typing_context, number, repeats, factor, term, result):
    """``sum[c] = sum[c] * factor + term`` in every chain c, `repeats` times; their sum goes to `result`.

    `number` says the type; `factor` and `term` are addresses, so that the compiler knows neither.
    """
    item = number.bitwidth // 8

    def codegen(context, builder, signature, arguments):
        _, repeats_, factor_, term_, result_ = arguments
        emit = Emitter(builder, Tile(0, 1, 1, host().lanes(item), item, 0), ir.Constant(_I64, 0))
        factor_vector, term_vector = emit.broadcast(factor_), emit.broadcast(term_)
        before, loop = builder.block, builder.append_basic_block("repeat")
        done = builder.append_basic_block("repeat_end")
        builder.branch(loop)
        builder.position_at_end(loop)
        count = builder.phi(_I64)
        count.add_incoming(ir.Constant(_I64, 0), before)
        sums = [builder.phi(emit.vector) for _ in range(chains())]
        results = [emit.multiply_add(chain, factor_vector, term_vector) for chain in sums]
        for chain, (phi, value) in enumerate(zip(sums, results)):
            phi.add_incoming(ir.Constant(emit.vector, [float(chain + 1)] * emit.tile.lanes), before)
            phi.add_incoming(value, loop)
        following = builder.add(count, ir.Constant(_I64, 1))
        count.add_incoming(following, loop)
        builder.cbranch(builder.icmp_signed("<", following, repeats_), loop, done)
        builder.position_at_end(done)
        total = results[0]
        for value in results[1:]:
            total = builder.fadd(total, value)
        emit.store_vector(total, result_, 0)
        return context.get_dummy_value()

    return types.void(number, types.intp, types.intp, types.intp, types.intp), codegen


@kernel(PEAK)
def peak(args, task, number):
    """All chains of one thread."""
    result = args.RESULT + task * args.RESULT_STEP
    multiply_add_chains(number, args.REPEATS, args.FACTOR, args.TERM, result)

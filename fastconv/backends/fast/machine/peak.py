"""The floating-point peak of the chip: independent chains of multiply-adds, and nothing else.

A multiply-add takes about four cycles and a core starts two (Apple: four) of them in each, so that eight to sixteen
chains must be under way for every cycle to be used. Three quarters of the vector registers hold one chain each: 24 of
32, 12 of 16. Nothing is loaded or stored in the loop.
"""

from __future__ import annotations

from functools import reduce

import numpy as np
from llvmlite import ir
from numba.core import types

from fastconv.backends.fast.machine.blocks import Block
from fastconv.backends.fast.machine.emitter import Emitter, Loop
from fastconv.backends.fast.machine.jit import code, emitted
from fastconv.backends.fast.machine.kernel import kernel
from fastconv.backends.fast.machine.target import host
from fastconv.backends.fast.machine.twins import load, matrix

# factor, term: addresses of a number; result: address of one vector for each task
PEAK = Block("REPEATS FACTOR TERM RESULT RESULT_STEP", results="RESULT")


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

    def emit(builder, _, repeats, factor, term, result):
        row = Emitter(builder, number.bitwidth // 8)
        factors, terms = row.broadcast(factor), row.broadcast(term)
        start = [ir.Constant(row.vector, [float(chain + 1)] * row.lanes) for chain in range(chains())]
        loop = Loop(builder, "repeat", start)
        sums = [row.multiply_add(chain, factors, terms) for chain in loop.values]
        loop.end(repeats, sums)
        row.store_vector(reduce(builder.fadd, sums), result, 0)

    return code(types.void(number, *[types.intp] * 4), emit)


@kernel(PEAK)
def peak(args, task, number):
    """All chains of one thread."""
    result = args.RESULT + task * args.RESULT_STEP
    multiply_add_chains(number, args.REPEATS, args.FACTOR, args.TERM, result)

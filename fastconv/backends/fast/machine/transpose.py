"""A square block transposed in registers: the one building block of every change of order.

`lanes` rows of `lanes` numbers are loaded as vectors, go through log2(lanes) rounds of two-input shuffles (each round
exchanges one bit of the row number with the same bit of the column number), and are stored as columns. A plain loop
touches a cache line per number; this takes four shuffles per vector.
"""

from __future__ import annotations

from llvmlite import ir
from numba.core import types

from fastconv.backends.fast.machine import twins
from fastconv.backends.fast.machine.emitter import Emitter
from fastconv.backends.fast.machine.jit import emitted
from fastconv.backends.fast.machine.target import host
from fastconv.backends.fast.machine.tile import Tile

_I32, _I64 = ir.IntType(32), ir.IntType(64)


def _exchange(builder: ir.IRBuilder, rows: list[ir.Value], bit: int) -> list[ir.Value]:
    """Exchange one bit of the row number with the same bit of the column number."""
    lanes = len(rows)
    result = list(rows)
    for i in range(lanes):
        if i & bit:
            continue
        upper = [j if not j & bit else lanes + j - bit for j in range(lanes)]
        lower = [j + bit if not j & bit else lanes + j for j in range(lanes)]
        for target, lane_numbers in ((i, upper), (i + bit, lower)):
            mask = ir.Constant(ir.VectorType(_I32, lanes), lane_numbers)
            result[target] = builder.shuffle_vector(rows[i], rows[i + bit], mask)
    return result


@emitted(twins.transpose_block)
def transpose_block(typing_context, number, source, rows, columns, target, table, step):
    """Transpose a block: row i is at ``source + rows[i]``, column j goes to ``target + table[j] * step``.

    `number` says the type. `rows` and `table` are addresses of int64; a column whose entry is negative is dropped, and
    so are those beyond `columns`.
    """
    item = number.bitwidth // 8
    size = host().lanes(item)

    def codegen(context, builder, signature, arguments):
        _, source_, rows_, columns_, target_, table_, step_ = arguments
        emit = Emitter(builder, Tile(0, size, 1, size, item, 1), columns_)
        offsets = builder.inttoptr(rows_, _I64.as_pointer())
        starts = [builder.load(builder.gep(offsets, [ir.Constant(_I64, i)])) for i in range(size)]
        rows = [emit.load_vector(builder.add(source_, start), 0) for start in starts]
        bit = 1
        while bit < size:
            rows = _exchange(builder, rows, bit)
            bit *= 2
        entries = builder.inttoptr(table_, _I64.as_pointer())
        for j, column in enumerate(rows):
            index = ir.Constant(_I64, j)
            with builder.if_then(builder.icmp_signed("<", index, columns_)):
                place = builder.load(builder.gep(entries, [index]))
                with builder.if_then(builder.icmp_signed(">=", place, ir.Constant(_I64, 0))):
                    address = builder.add(target_, builder.mul(place, step_))
                    builder.store(column, emit.pointer(address, 0, emit.vector), align=item)
        return context.get_dummy_value()

    return types.void(number, *[types.intp] * 6), codegen

"""A square block transposed in registers: the one building block of every change of order.

`lanes` rows of `lanes` numbers are loaded as vectors, go through log2(lanes) rounds of two-input shuffles (each round
exchanges one bit of the row number with the same bit of the column number), and are stored as columns. A plain loop
touches a cache line per number; this takes four shuffles per vector.
"""

from __future__ import annotations

from llvmlite import ir
from numba.core import types

from fastconv.backends.fast.machine import twins
from fastconv.backends.fast.machine.emitter import Emitter, constant
from fastconv.backends.fast.machine.jit import code, emitted

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

    def emit(builder, _, source, rows, columns, target, table, step):
        row = Emitter(builder, number.bitwidth // 8, tail=columns)
        offsets = builder.inttoptr(rows, _I64.as_pointer())
        starts = [builder.load(builder.gep(offsets, [constant(i)])) for i in range(row.lanes)]
        vectors, bit = [row.load_vector(builder.add(source, start), 0) for start in starts], 1
        while bit < row.lanes:
            vectors = _exchange(builder, vectors, bit)
            bit *= 2
        entries = builder.inttoptr(table, _I64.as_pointer())
        for j, column in enumerate(vectors):
            with builder.if_then(builder.icmp_signed("<", constant(j), columns)):
                place = builder.load(builder.gep(entries, [constant(j)]))
                with builder.if_then(builder.icmp_signed(">=", place, constant(0))):
                    address = builder.add(target, builder.mul(place, step))
                    builder.store(column, row.pointer(address, 0, row.vector), align=row.itemsize)

    return code(types.void(number, *[types.intp] * 6), emit)

"""Every second number of a dense row, whole vectors at a time, as LLVM IR: windows with stride 2.

LLVM does not vectorise a loop over every second number. A group reads two vectors and keeps their even places, so the
last number that it reads is one beyond the last that it needs: the caller leaves the last numbers of a row out, or
knows that there is more of the array behind them.
"""

from __future__ import annotations

from llvmlite import ir
from numba.core import types

from fastconv.backends.fast.machine import twins
from fastconv.backends.fast.machine.emitter import Loop, constant
from fastconv.backends.fast.machine.jit import code, emitted

GROUP_BYTES = 32  # of one vector: rows of pooling are short, and the rest of a row costs as much as the groups
_I32 = ir.IntType(32)


class _Row:
    """Vectors of one type, in a row of `number`."""

    def __init__(self, builder, number):
        self.builder, self.item = builder, number.bitwidth // 8
        self.lanes = GROUP_BYTES // self.item
        self.vector = ir.VectorType(ir.FloatType() if number.bitwidth == 32 else ir.DoubleType(), self.lanes)
        self.doubles = ir.VectorType(ir.DoubleType(), self.lanes)

    def pointer(self, address, kind):
        return self.builder.inttoptr(address, kind.as_pointer())

    def load(self, address, kind=None):
        return self.builder.load(self.pointer(address, kind or self.vector), align=self.item)

    def store(self, vector, address):
        self.builder.store(vector, self.pointer(address, self.vector), align=self.item)

    def shuffle(self, a, b, places):
        return self.builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(_I32, len(places)), places))

    def both(self, address):
        """Two neighbouring vectors."""
        return self.load(address), self.load(self.builder.add(address, constant(GROUP_BYTES)))

    def seconds(self, address):
        """Numbers 0, 2, 4 and so on from `address`."""
        first, second = self.both(address)
        return self.shuffle(first, second, list(range(0, 2 * self.lanes, 2)))

    def widened(self, vector):
        return vector if self.item == 8 else self.builder.fpext(vector, self.doubles)

    def narrowed(self, vector):
        return vector if self.item == 8 else self.builder.fptrunc(vector, self.vector)


def _offset(builder, address, group, step):
    return builder.add(address, builder.mul(group, constant(step)))


@emitted(twins.add_every_second)
def add_every_second(typing_context, totals, x, groups, number):
    """``totals[i] += x[2 i]`` for `groups` vectors; the totals are float64."""

    def emit(builder, totals, x, groups, _):
        row, loop = _Row(builder, number), Loop(builder, "seconds")
        place = row.pointer(_offset(builder, totals, loop.count, 8 * row.lanes), row.doubles)
        more = row.widened(row.seconds(_offset(builder, x, loop.count, 2 * GROUP_BYTES)))
        builder.store(builder.fadd(builder.load(place, align=8), more), place, align=8)
        loop.end(groups)

    return code(types.void(types.intp, types.intp, types.intp, number), emit)


@emitted(twins.spread_to_every_second)
def spread_to_every_second(typing_context, x, shares, groups, number):
    """``x[2 i] += shares[i]`` for `groups` vectors; the shares are float64.

    What lies between is written back as it was read: it must belong to the same task.
    """

    def emit(builder, x, shares, groups, _):
        row, loop = _Row(builder, number), Loop(builder, "seconds")
        place = _offset(builder, x, loop.count, 2 * GROUP_BYTES)
        share = row.pointer(_offset(builder, shares, loop.count, 8 * row.lanes), row.doubles)
        first, second = row.both(place)
        even, odd = (row.shuffle(first, second, list(range(start, 2 * row.lanes, 2))) for start in (0, 1))
        even = row.narrowed(builder.fadd(row.widened(even), builder.load(share, align=8)))
        for part in (0, 1):
            places = [(i + part * row.lanes) // 2 + i % 2 * row.lanes for i in range(row.lanes)]
            row.store(row.shuffle(even, odd, places), builder.add(place, constant(part * GROUP_BYTES)))
        loop.end(groups)

    return code(types.void(types.intp, types.intp, types.intp, number), emit)

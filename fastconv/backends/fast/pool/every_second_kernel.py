"""Every second number of a dense row, whole vectors at a time, as LLVM IR: windows with stride 2.

LLVM does not vectorise a loop over every second number. A group reads two vectors and keeps their even places, so the
last number that it reads is one beyond the last that it needs: the caller leaves the last numbers of a row out, or
knows that there is more of the array behind them.
"""

from __future__ import annotations

from llvmlite import ir
from numba.core import types

from fastconv.backends.fast.machine import twins
from fastconv.backends.fast.machine.jit import emitted

GROUP_BYTES = 32  # of one vector: rows of pooling are short, and the rest of a row costs as much as the groups
_I32, _I64 = ir.IntType(32), ir.IntType(64)


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

    def shuffle(self, a, b, places):
        return self.builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(_I32, len(places)), places))

    def both(self, address):
        """Two neighbouring vectors."""
        return self.load(address), self.load(self.builder.add(address, ir.Constant(_I64, GROUP_BYTES)))

    def seconds(self, address):
        """Numbers 0, 2, 4 and so on from `address`."""
        first, second = self.both(address)
        return self.shuffle(first, second, list(range(0, 2 * self.lanes, 2)))

    def widened(self, vector):
        return vector if self.item == 8 else self.builder.fpext(vector, self.doubles)

    def narrowed(self, vector):
        return vector if self.item == 8 else self.builder.fptrunc(vector, self.vector)


def _each_group(builder, groups, body):
    """Emit a loop; `body` gets the number of the group, of which there is at least one."""
    before, loop = builder.block, builder.append_basic_block("seconds")
    done = builder.append_basic_block("seconds_end")
    builder.branch(loop)
    builder.position_at_end(loop)
    group = builder.phi(_I64)
    group.add_incoming(ir.Constant(_I64, 0), before)
    body(group)
    following = builder.add(group, ir.Constant(_I64, 1))
    group.add_incoming(following, loop)
    builder.cbranch(builder.icmp_signed("<", following, groups), loop, done)
    builder.position_at_end(done)


def _offset(builder, address, group, step):
    return builder.add(address, builder.mul(group, ir.Constant(_I64, step)))


def _wins(builder, value, best):
    """Lanes in which a value beats the best so far: it is larger, or the first NaN."""
    nan = builder.and_(builder.fcmp_unordered("uno", value, value), builder.fcmp_ordered("ord", best, best))
    return builder.or_(builder.fcmp_ordered(">", value, best), nan)


@emitted(twins.larger_of_every_second)
def larger_of_every_second(typing_context, y, x, groups, number):
    """``y[i] = max(y[i], x[2 i])`` for `groups` vectors; NaN wins, and of equals y."""

    def codegen(context, builder, signature, arguments):
        y, x, groups, _ = arguments
        row = _Row(builder, number)

        def body(group):
            place = _offset(builder, y, group, GROUP_BYTES)
            value, best = row.seconds(_offset(builder, x, group, 2 * GROUP_BYTES)), row.load(place)
            wins = _wins(builder, value, best)
            builder.store(builder.select(wins, value, best), row.pointer(place, row.vector), align=row.item)

        _each_group(builder, groups, body)
        return context.get_dummy_value()

    return types.void(types.intp, types.intp, types.intp, number), codegen


@emitted(twins.larger_of_every_second_at)
def larger_of_every_second_at(typing_context, y, index, x, position, step, groups, number):
    """The same with indices: where ``x[2 i]`` wins, or ``index[i]`` is negative, it becomes ``position + i * step``."""

    def codegen(context, builder, signature, arguments):
        y, index, x, position, step, groups, _ = arguments
        row = _Row(builder, number)
        integers = ir.VectorType(_I64, row.lanes)

        def spread(scalar):
            one = builder.insert_element(ir.Constant(integers, ir.Undefined), scalar, ir.Constant(_I32, 0))
            return builder.shuffle_vector(one, one, ir.Constant(ir.VectorType(_I32, row.lanes), [0] * row.lanes))

        steps = builder.mul(spread(step), ir.Constant(integers, list(range(row.lanes))))
        along = builder.mul(step, ir.Constant(_I64, row.lanes))

        def body(group):
            place, where = _offset(builder, y, group, GROUP_BYTES), _offset(builder, index, group, 8 * row.lanes)
            value, best = row.seconds(_offset(builder, x, group, 2 * GROUP_BYTES)), row.load(place)
            before = row.load(where, integers)
            wins = builder.or_(
                _wins(builder, value, best), builder.icmp_signed("<", before, ir.Constant(integers, None))
            )
            first = builder.add(position, builder.mul(group, along))
            after = builder.select(wins, builder.add(spread(first), steps), before)
            builder.store(builder.select(wins, value, best), row.pointer(place, row.vector), align=row.item)
            builder.store(after, row.pointer(where, integers), align=8)

        _each_group(builder, groups, body)
        return context.get_dummy_value()

    return types.void(*[types.intp] * 6, number), codegen


@emitted(twins.add_every_second)
def add_every_second(typing_context, totals, x, groups, number):
    """``totals[i] += x[2 i]`` for `groups` vectors; the totals are float64."""

    def codegen(context, builder, signature, arguments):
        totals, x, groups, _ = arguments
        row = _Row(builder, number)

        def body(group):
            place = _offset(builder, totals, group, 8 * row.lanes)
            more = row.widened(row.seconds(_offset(builder, x, group, 2 * GROUP_BYTES)))
            total = builder.load(row.pointer(place, row.doubles), align=8)
            builder.store(builder.fadd(total, more), row.pointer(place, row.doubles), align=8)

        _each_group(builder, groups, body)
        return context.get_dummy_value()

    return types.void(types.intp, types.intp, types.intp, number), codegen


@emitted(twins.spread_to_every_second)
def spread_to_every_second(typing_context, x, shares, groups, number):
    """``x[2 i] += shares[i]`` for `groups` vectors; the shares are float64.

    What lies between is written back as it was read: it must belong to the same task.
    """

    def codegen(context, builder, signature, arguments):
        x, shares, groups, _ = arguments
        row = _Row(builder, number)

        def body(group):
            place = _offset(builder, x, group, 2 * GROUP_BYTES)
            share = builder.load(row.pointer(_offset(builder, shares, group, 8 * row.lanes), row.doubles), align=8)
            first, second = row.both(place)
            even = row.shuffle(first, second, list(range(0, 2 * row.lanes, 2)))
            odd = row.shuffle(first, second, list(range(1, 2 * row.lanes, 2)))
            even = row.narrowed(builder.fadd(row.widened(even), share))
            half = row.lanes // 2
            for part in (0, 1):
                places = [i // 2 + part * half + i % 2 * row.lanes for i in range(row.lanes)]
                here = builder.add(place, ir.Constant(_I64, part * GROUP_BYTES))
                builder.store(row.shuffle(even, odd, places), row.pointer(here, row.vector), align=row.item)

        _each_group(builder, groups, body)
        return context.get_dummy_value()

    return types.void(types.intp, types.intp, types.intp, number), codegen

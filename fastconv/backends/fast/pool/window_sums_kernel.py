"""Sums of single windows in registers, as LLVM IR: every row of taps goes to eight sums in turn.

The same order in both forms: of many channels, whose eight sums are vectors, and of one channel, whose eight sums are
one vector. The eight are added up in halves: number i and i + 4, then i + 2, then i + 1.
"""

from __future__ import annotations

from llvmlite import ir
from numba.core import types

from fastconv.backends.fast.machine import twins
from fastconv.backends.fast.machine.emitter import Emitter, Loop, across, constant, prefetch_line
from fastconv.backends.fast.machine.jit import code, emitted
from fastconv.backends.fast.machine.runs import GROUP
from fastconv.backends.fast.machine.target import host

VECTOR = host().lanes(8)  # channels of a vector: eight sums fill half of 16 registers
PAIRS = host().registers >= 32  # two vectors at once, a cache line of float32


def _when(builder, condition, values, change):
    """``change(values)`` where a condition holds, else the values."""
    before, then, after = builder.block, builder.append_basic_block("then"), builder.append_basic_block("after")
    builder.cbranch(condition, then, after)
    builder.position_at_end(then)
    changed = change(values)
    last = builder.block
    builder.branch(after)
    builder.position_at_end(after)
    chosen = [builder.phi(value.type) for value in values]
    for phi, old, new in zip(chosen, values, changed):
        phi.add_incoming(old, before)
        phi.add_incoming(new, last)
    return chosen


def _rows(builder, x, taps, sums, add_row):
    """``sums = add_row(sums, address, taps, bytes between two)`` for every row of a window."""
    depth, d_step, height, h_step, width, w_step = (builder.extract_value(taps, i) for i in range(6))
    outer = Loop(builder, "depth", [x, *sums])
    inner = Loop(builder, "height", outer.values)
    sums = add_row(inner.values[1:], inner.values[0], width, w_step)
    inner.end(height, [builder.add(inner.values[0], h_step), *sums])
    outer.end(depth, [builder.add(outer.values[0], d_step), *sums])
    return sums


def _in_groups(builder, sums, row, width, step, whole, rest):
    """``whole(sums, address)`` for every `GROUP` of taps of a row, ``rest(sums, address, count)`` for the others."""
    groups, left = builder.ashr(width, constant(3)), builder.and_(width, constant(GROUP - 1))

    def loop(sums):
        taps = Loop(builder, "groups", [row, *sums])
        sums = whole(taps.values[1:], taps.values[0])
        taps.end(groups, [builder.add(taps.values[0], builder.mul(step, constant(GROUP))), *sums])
        return sums

    sums = _when(builder, builder.icmp_signed(">", groups, constant(0)), sums, loop)
    start = builder.add(row, builder.mul(builder.mul(groups, constant(GROUP)), step))
    return rest(sums, start, left)


@emitted(twins.sum_window_of_channels, literal=True)
def sum_window_of_channels(typing_context, vectors, number, x, totals, taps):
    """Sums of a window of as many `vectors` of `VECTOR` channels, from address `x` to float64 numbers at `totals`.

    `taps` are how many there are, at least 1, and the bytes between two, along the depth, the height and the width.
    """
    if not isinstance(vectors, types.IntegerLiteral):
        return None
    vectors_each, item = vectors.literal_value, number.bitwidth // 8
    wide = ir.VectorType(ir.DoubleType(), VECTOR)
    narrow = ir.VectorType(ir.FloatType(), VECTOR) if item == 4 else wide

    def emit(builder, _, __, x, totals, taps):
        def added(sums, place):
            if vectors_each > 1:  # those that come next: no CPU sees steps of kilobytes coming
                prefetch_line(builder, builder.add(place, constant(2 * vectors_each * VECTOR * item)))
            places = (builder.add(place, constant(i * VECTOR * item)) for i in range(vectors_each))
            numbers = [builder.load(builder.inttoptr(place, narrow.as_pointer()), align=item) for place in places]
            return [
                builder.fadd(total, more if item == 8 else builder.fpext(more, wide))
                for total, more in zip(sums, numbers)
            ]

        def tap(sums, i):
            return sums[i * vectors_each : (i + 1) * vectors_each]

        def add_row(sums, row, width, step):
            def at(place, i):
                return builder.add(place, builder.mul(step, constant(i)))

            def whole(sums, place):
                return [total for i in range(GROUP) for total in added(tap(sums, i), at(place, i))]

            def rest(sums, place, count):
                sums = list(sums)
                for i in range(GROUP - 1):
                    more = builder.icmp_signed(">", count, constant(i))
                    chosen = _when(builder, more, tap(sums, i), lambda some, i=i: added(some, at(place, i)))
                    sums[i * vectors_each : (i + 1) * vectors_each] = chosen
                return sums

            return _in_groups(builder, sums, row, width, step, whole, rest)

        zeros = [ir.Constant(wide, [0.0] * VECTOR)] * (GROUP * vectors_each)
        sums = _rows(builder, x, taps, zeros, add_row)
        while len(sums) > vectors_each:
            half = len(sums) // 2
            sums = [builder.fadd(a, b) for a, b in zip(sums[:half], sums[half:])]
        for i, total in enumerate(sums):
            place = builder.add(totals, constant(8 * i * VECTOR))
            builder.store(total, builder.inttoptr(place, wide.as_pointer()), align=8)

    return code(types.void(vectors, number, types.int64, types.int64, taps), emit)


@emitted(twins.sum_window)
def sum_window(typing_context, number, x, taps):
    """Sum of a window of one channel whose rows are dense; `taps` as in `sum_window_of_channels`."""
    item = number.bitwidth // 8
    wide = ir.VectorType(ir.DoubleType(), GROUP)

    def emit(builder, _, x, taps):
        def widened(numbers):
            return numbers if item == 8 else builder.fpext(numbers, wide)

        def whole(sums, place):
            row = Emitter(builder, item, lanes=GROUP)
            return [builder.fadd(sums[0], widened(row.load_vector(place, 0)))]

        def rest(sums, place, count):
            def some(sums):
                row = Emitter(builder, item, lanes=GROUP, tail=count)
                return [builder.fadd(sums[0], widened(row.load_vector(place, 0)))]

            return _when(builder, builder.icmp_signed(">", count, constant(0)), sums, some)

        def add_row(sums, row, width, step):
            return _in_groups(builder, sums, row, width, step, whole, rest)

        (total,) = _rows(builder, x, taps, [ir.Constant(wide, [0.0] * GROUP)], add_row)
        return across(builder, total, GROUP)

    return code(types.float64(number, types.int64, taps), emit)

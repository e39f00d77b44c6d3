"""Maxima: what every form of max pooling compares with, and the largest of a run of cells as LLVM IR.

LLVM does not vectorise a maximum that NaN must get through. In `largest` and `skip_others`, which take whole vectors of
a dense run, NaN are watched apart from it.
"""

from __future__ import annotations

from functools import reduce

from llvmlite import ir
from numba.core import types

from fastconv.backends.fast.machine import twins
from fastconv.backends.fast.machine.emitter import Loop, constant
from fastconv.backends.fast.machine.intrinsics import integer, load_at, size_of, store_at, store_integer, store_number
from fastconv.backends.fast.machine.jit import code, emitted, helper

LOWEST = -float("inf")


@helper
def beats(value, best):
    """Whether a later element replaces the best so far: greater, or the first NaN."""
    return (value > best) | ((value != value) & (best == best))  # without branches, so that loops vectorise


@helper
def begin(x, y, index, position, channels, with_index, number):
    """The first tap: y becomes x."""
    for c in range(channels):
        store_at(y, c, load_at(x, c, number))
    if with_index:
        for c in range(channels):
            store_integer(index, c, position)


@helper
def improve(x, y, index, position, channels, with_index, number):
    """Any other tap: y becomes x where that is larger."""
    for c in range(channels):
        value, best = load_at(x, c, number), load_at(y, c, number)
        wins = beats(value, best)
        store_at(y, c, value if wins else best)
        if with_index:
            store_integer(index, c, position if wins else integer(index, c))


@helper
def no_cell(y, index, channels, with_index, number):
    """Windows without a real cell."""
    for c in range(channels):
        store_number(y + c * size_of(number), LOWEST, number)
        if with_index:
            store_integer(index, c, -1)


_I32, _I64 = ir.IntType(32), ir.IntType(64)
_BYTES = 64  # of a vector; LLVM cuts it where the CPU has shorter ones
_CHAINS = 4  # vectors under way at once
SPAN = 64  # cells: what one step of `largest` takes of float32, and two of float64


def _kinds(number):
    kind = ir.FloatType() if number.bitwidth == 32 else ir.DoubleType()
    lanes = _BYTES * 8 // number.bitwidth
    return kind, lanes, ir.VectorType(kind, lanes)


def _vector(builder, address, offset, vector, number):
    pointer = builder.inttoptr(builder.add(address, offset), vector.as_pointer())
    return builder.load(pointer, align=number.bitwidth // 8)


def _any(builder, mask, lanes):
    return builder.icmp_unsigned("!=", builder.bitcast(mask, ir.IntType(lanes)), ir.Constant(ir.IntType(lanes), 0))


def _larger(builder, a, b):
    return builder.select(builder.fcmp_ordered(">", a, b), a, b)


@emitted(twins.largest)
def largest(typing_context, source, spans, number):
    """Largest of ``spans * SPAN`` cells from `source` on, at least one span, or NaN where there is one."""

    def emit(builder, source, spans, _):
        kind, lanes, vector = _kinds(number)
        chains = min(_CHAINS, SPAN // lanes)
        steps = builder.mul(spans, constant(SPAN // (lanes * chains)))
        start = _vector(builder, source, constant(0), vector, number)
        nowhere = ir.Constant(ir.VectorType(ir.IntType(1), lanes), [0] * lanes)
        loop = Loop(builder, "largest", [nowhere, *[start] * chains])
        missing, *bests = loop.values
        offset = builder.mul(loop.count, constant(_BYTES * chains))
        for chain, best in enumerate(bests):
            numbers = _vector(builder, source, offset, vector, number)
            missing = builder.or_(missing, builder.fcmp_unordered("uno", numbers, numbers))
            bests[chain] = _larger(builder, numbers, best)
            offset = builder.add(offset, constant(_BYTES))
        loop.end(steps, [missing, *bests])
        best = reduce(lambda best, other: _larger(builder, other, best), bests)
        half = lanes // 2
        while half:  # the upper half against the lower one, down to one number
            order = ir.Constant(ir.VectorType(_I32, lanes), [(i + half) % lanes for i in range(lanes)])
            best = _larger(builder, builder.shuffle_vector(best, ir.Constant(vector, ir.Undefined), order), best)
            half //= 2
        value = builder.extract_element(best, ir.Constant(_I32, 0))
        return builder.select(_any(builder, missing, lanes), ir.Constant(kind, float("nan")), value)

    return code(number(types.intp, types.intp, number), emit)


@emitted(twins.skip_others)
def skip_others(typing_context, source, spans, best):
    """Spans before the first that has a cell equal to `best`, or NaN where that is NaN; `spans` where none has."""
    number = best

    def emit(builder, source, spans, value):
        _, lanes, vector = _kinds(number)
        before, loop = builder.block, builder.append_basic_block("skip")
        look, done = builder.append_basic_block("skip_look"), builder.append_basic_block("skip_end")
        wanted = builder.insert_element(ir.Constant(vector, ir.Undefined), value, ir.Constant(_I32, 0))
        zeros = ir.Constant(ir.VectorType(_I32, lanes), [0] * lanes)
        wanted = builder.shuffle_vector(wanted, ir.Constant(vector, ir.Undefined), zeros)
        nothing = builder.fcmp_unordered("uno", wanted, wanted)
        builder.branch(loop)
        builder.position_at_end(loop)
        span = builder.phi(_I64)
        span.add_incoming(constant(0), before)
        builder.cbranch(builder.icmp_signed("<", span, spans), look, done)
        builder.position_at_end(look)
        offset, hits = builder.mul(span, constant(SPAN * number.bitwidth // 8)), []
        for _ in range(SPAN // lanes):
            numbers = _vector(builder, source, offset, vector, number)
            missing = builder.and_(nothing, builder.fcmp_unordered("uno", numbers, numbers))
            hits.append(builder.or_(builder.fcmp_ordered("==", numbers, wanted), missing))
            offset = builder.add(offset, constant(_BYTES))
        span.add_incoming(builder.add(span, constant(1)), look)
        builder.cbranch(_any(builder, reduce(builder.or_, hits), lanes), done, loop)
        builder.position_at_end(done)
        return span

    return code(types.intp(types.intp, types.intp, best), emit)

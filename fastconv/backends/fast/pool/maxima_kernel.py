"""Maxima: what every form of max pooling compares with, and the largest of a run of cells as LLVM IR.

LLVM does not vectorise a maximum that NaN must get through. In `largest` and `skip_others`, which take whole vectors of
a dense run, NaN are watched apart from it.
"""

from __future__ import annotations

from llvmlite import ir
from numba.core import types

from fastconv.backends.fast.machine import twins
from fastconv.backends.fast.machine.intrinsics import integer, load_at, size_of, store_at, store_integer, store_number
from fastconv.backends.fast.machine.jit import emitted, helper

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


_I64 = ir.IntType(64)
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


@emitted(twins.largest)
def largest(typing_context, source, spans, number):
    """Largest of ``spans * SPAN`` cells from `source` on, at least one span, or NaN where there is one."""

    def codegen(context, builder, signature, arguments):
        source, spans, _ = arguments
        kind, lanes, vector = _kinds(number)
        width = ir.Constant(_I64, _BYTES)
        chains = min(_CHAINS, SPAN // lanes)
        steps = builder.mul(spans, ir.Constant(_I64, SPAN // (lanes * chains)))
        before, loop = builder.block, builder.append_basic_block("largest")
        done = builder.append_basic_block("largest_end")
        start = _vector(builder, source, ir.Constant(_I64, 0), vector, number)
        mask = ir.VectorType(ir.IntType(1), lanes)
        builder.branch(loop)
        builder.position_at_end(loop)
        step, missing = builder.phi(_I64), builder.phi(mask)
        bests = [builder.phi(vector) for _ in range(chains)]
        step.add_incoming(ir.Constant(_I64, 0), before)
        missing.add_incoming(ir.Constant(mask, [0] * lanes), before)
        offset, found, more = builder.mul(step, ir.Constant(_I64, _BYTES * chains)), missing, []
        for best in bests:
            best.add_incoming(start, before)
            numbers = _vector(builder, source, offset, vector, number)
            found = builder.or_(found, builder.fcmp_unordered("uno", numbers, numbers))
            more.append(builder.select(builder.fcmp_ordered(">", numbers, best), numbers, best))
            offset = builder.add(offset, width)
        following = builder.add(step, ir.Constant(_I64, 1))
        step.add_incoming(following, loop)
        missing.add_incoming(found, loop)
        for best, value in zip(bests, more):
            best.add_incoming(value, loop)
        builder.cbranch(builder.icmp_signed("<", following, steps), loop, done)
        builder.position_at_end(done)
        best = more[0]
        for other in more[1:]:
            best = builder.select(builder.fcmp_ordered(">", other, best), other, best)
        half = lanes // 2
        while half:  # the upper half against the lower one, down to one number
            order = ir.Constant(ir.VectorType(ir.IntType(32), lanes), [(i + half) % lanes for i in range(lanes)])
            other = builder.shuffle_vector(best, ir.Constant(vector, ir.Undefined), order)
            best = builder.select(builder.fcmp_ordered(">", other, best), other, best)
            half //= 2
        value = builder.extract_element(best, ir.Constant(ir.IntType(32), 0))
        return builder.select(_any(builder, found, lanes), ir.Constant(kind, float("nan")), value)

    return number(types.intp, types.intp, number), codegen


@emitted(twins.skip_others)
def skip_others(typing_context, source, spans, best):
    """Spans before the first that has a cell equal to `best`, or NaN where that is NaN; `spans` where none has."""
    number = best

    def codegen(context, builder, signature, arguments):
        source, spans, value = arguments
        _, lanes, vector = _kinds(number)
        before, loop = builder.block, builder.append_basic_block("skip")
        look, done = builder.append_basic_block("skip_look"), builder.append_basic_block("skip_end")
        wanted = builder.insert_element(ir.Constant(vector, ir.Undefined), value, ir.Constant(ir.IntType(32), 0))
        zeros = ir.Constant(ir.VectorType(ir.IntType(32), lanes), [0] * lanes)
        wanted = builder.shuffle_vector(wanted, ir.Constant(vector, ir.Undefined), zeros)
        nothing = builder.fcmp_unordered("uno", wanted, wanted)
        builder.branch(loop)
        builder.position_at_end(loop)
        span = builder.phi(_I64)
        span.add_incoming(ir.Constant(_I64, 0), before)
        builder.cbranch(builder.icmp_signed("<", span, spans), look, done)
        builder.position_at_end(look)
        offset, hit = builder.mul(span, ir.Constant(_I64, SPAN * number.bitwidth // 8)), None
        for _ in range(SPAN // lanes):
            numbers = _vector(builder, source, offset, vector, number)
            missing = builder.and_(nothing, builder.fcmp_unordered("uno", numbers, numbers))
            equal = builder.or_(builder.fcmp_ordered("==", numbers, wanted), missing)
            hit = equal if hit is None else builder.or_(hit, equal)
            offset = builder.add(offset, ir.Constant(_I64, _BYTES))
        span.add_incoming(builder.add(span, ir.Constant(_I64, 1)), look)
        builder.cbranch(_any(builder, hit, lanes), done, loop)
        builder.position_at_end(done)
        return span

    return types.intp(types.intp, types.intp, best), codegen

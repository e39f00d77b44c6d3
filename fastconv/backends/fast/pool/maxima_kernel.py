"""Maxima: what every form of max pooling is made of.

Windows side by side, or channels of one window, are lanes: their largest taps stay in registers until all taps were
read (`pool.maxima_tile_kernel`). LLVM does not vectorise a maximum that NaN must get through. So vectors look for NaN
beside it, and where there is one the windows are done one by one, as they are where there are too few for a vector.

Which tap won can be kept beside its value: as its number within the window in a byte, or as a position in the plane.
"""

from __future__ import annotations

from functools import reduce

from llvmlite import ir
from numba.core import types

from fastconv.backends.fast.machine import twins
from fastconv.backends.fast.machine.blocks import view
from fastconv.backends.fast.machine.emitter import Loop, constant
from fastconv.backends.fast.machine.intrinsics import load, size_of, store, store_byte, store_integer, store_number
from fastconv.backends.fast.machine.jit import code, emitted, helper
from fastconv.backends.fast.pool.maxima_tile_kernel import MANY, MAXIMA, call_maxima

_I32, _I64 = ir.IntType(32), ir.IntType(64)
LOWEST = -float("inf")


@helper
def beats(value, best):
    """Whether a later element replaces the best so far: greater, or the first NaN."""
    return (value > best) | ((value != value) & (best == best))


@helper
def kept_at(args, here, number):
    """Address of what is kept of the maximum that lies `here` bytes after the first."""
    return args.INDEX + here // size_of(number) * view(MAXIMA, args.TABLE).KEPT_BYTES


@helper
def keep(kept, i, value, nbytes):
    """Store which tap was the largest, in so many bytes."""
    if nbytes == 1:
        store_byte(kept, i, value)
    elif nbytes:
        store_integer(kept, i, value)


@helper
def no_cell(y, y_step, kept, nbytes, count, number):
    """Windows without a real cell, of which `nbytes` are kept."""
    for o in range(count):
        store_number(y + o * y_step, LOWEST, number)
        keep(kept, o * (y_step // size_of(number)), 0 if nbytes == 1 else -1, nbytes)


@helper
def _largest_of_window(x, taps, x_steps, number):
    depth, height, width = taps
    best = load(x, number)
    for kd in range(depth):
        for kh in range(height):
            row = x + kd * x_steps[0] + kh * x_steps[1]
            for kw in range(width):
                value = load(row + kw * x_steps[2], number)
                if beats(value, best):
                    best = value
    return best


@helper
def _place_in_window(x, taps, x_steps, numbers, number):
    (depth, height, width), best, found = taps, load(x, number), 0
    for kd in range(depth):
        for kh in range(height):
            row, first = x + kd * x_steps[0] + kh * x_steps[1], kd * numbers[0] + kh * numbers[1]
            for kw in range(width):
                value = load(row + kw * x_steps[2], number)
                if beats(value, best):
                    best, found = value, first + kw * numbers[2]
    return best, found


@helper
def maximum(table, x, y, kept, base, taps, number):
    """One window: `x` is its first cell, the rest as in `maxima`."""
    steps = view(MAXIMA, table)
    x_steps = steps.DEPTH_X, steps.HEIGHT_X, steps.WIDTH_X
    if steps.KEPT_BYTES == 0:
        store(y, _largest_of_window(x, taps, x_steps, number))
    else:
        numbers = steps.DEPTH_KEPT, steps.HEIGHT_KEPT, steps.WIDTH_KEPT
        best, found = _place_in_window(x, taps, x_steps, numbers, number)
        store(y, best)
        keep(kept, 0, base + found, steps.KEPT_BYTES)


@helper
def _beside(table, place, windows, number):
    """Place of the first of some windows: in x, in y and in what is kept, and the number of its first tap."""
    steps, (x, y, kept, base) = view(MAXIMA, table), place
    here = windows * steps.SIDE_Y
    kept += here // size_of(number) * steps.KEPT_BYTES
    return x + windows * steps.SIDE_X, y + here, kept, base + windows * steps.SIDE_KEPT


@helper
def _one_by_one(table, place, count, rows, taps, number):
    """A block of windows of which `count` are side by side; the rest as in `maxima`."""
    steps, item = view(MAXIMA, table), size_of(number)
    for row in range(rows):
        for o in range(count):
            x, y, kept, base = _beside(table, place, o, number)
            here = row * steps.DOWN_Y
            kept += here // item * steps.KEPT_BYTES
            maximum(table, x + row * steps.DOWN_X, y + here, kept, base + row * steps.DOWN_KEPT, taps, number)


@helper
def _groups(tile, table, place, groups, lanes, rows, taps, number):
    """Groups of `lanes` windows side by side, and all below them; those with a NaN once more, one by one."""
    (x, y, kept, base), (depth, height, width) = place, taps
    if call_maxima(tile, table, groups, x, y, kept, base, rows, depth, height, width):
        for group in range(groups):
            x, y, kept, base = _beside(table, place, group * lanes, number)
            if groups == 1 or call_maxima(tile, table, 1, x, y, kept, base, rows, depth, height, width):
                _one_by_one(table, (x, y, kept, base), lanes, rows, taps, number)


@helper
def maxima(table, place, count, rows, taps, number):
    """A block of windows that have the same taps, all of them on cells; the first has its `place`, see `_beside`.

    `count` of them are side by side, windows of a row or channels, and `rows` below each other; `taps` are how many
    there are along the depth, the height and the width. What lies between two of each says the `table`, a `MAXIMA`
    block. The last vector of a row also has windows of the one before it.
    """
    steps, item, (depth, height, width) = view(MAXIMA, table), size_of(number), taps
    wide = count >= 64 // item
    each = (64 if wide else 32) // item
    last = (depth - 1) * steps.DEPTH_KEPT + (height - 1) * steps.HEIGHT_KEPT + (width - 1) * steps.WIDTH_KEPT
    if count < each or (last >= 2**31 and item == 4):  # vectors have numbers of as many bytes
        _one_by_one(table, place, count, rows, taps, number)
        return
    done = 0
    while done < count:
        tile, lanes = steps.WIDE if wide else steps.HALF, each
        if steps.MANY and wide and done + MANY * each <= count:
            tile, lanes = steps.MANY, MANY * each
        done = min(done, count - lanes)
        groups = (count - done) // lanes
        _groups(tile, table, _beside(table, place, done, number), groups, lanes, rows, taps, number)
        done += groups * lanes


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

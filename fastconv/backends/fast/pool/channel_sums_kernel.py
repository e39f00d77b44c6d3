"""Sums over taps of many channels at a time, in registers, as LLVM IR: what pooling in channels-last memory is made of.

The taps are those of a window, or, for the gradient, the windows that have a cell in common. The sums are float64
numbers; each result is scaled, rounded and written once, and nothing of it is read.
"""

from __future__ import annotations

from llvmlite import ir
from numba.core import types

from fastconv.backends.fast.machine import twins
from fastconv.backends.fast.machine.emitter import Loop, constant
from fastconv.backends.fast.machine.intrinsics import size_of
from fastconv.backends.fast.machine.jit import code, emitted, helper

LANES = 8  # channels of a vector: one of float64 in AVX-512, two in AVX2
_I32 = ir.IntType(32)


@helper
def scale_of(count, number):
    """What `sum_channels` takes for a mean of `count` numbers: in float32 a factor, in float64 the divisor."""
    return 1.0 / count if size_of(number) == 4 and count else 1.0 * count


@helper
def scaled(total, scale, number):
    """A float64 sum of one channel scaled as `sum_channels` does it."""
    return total * scale if size_of(number) == 4 else total / scale


@helper
def sums_of_channels(x, y, channels, taps, copies, scale, number):
    """At least `LANES` channels; the last vector also has channels of the one before it."""
    item = size_of(number)
    done = 0
    while done + 4 * LANES <= channels:  # a loop over taps costs as much as a vector
        sum_channels(4, number, x + done * item, y + done * item, taps, copies, scale)
        done += 4 * LANES
    if done + 2 * LANES <= channels:
        sum_channels(2, number, x + done * item, y + done * item, taps, copies, scale)
        done += 2 * LANES
    while done < channels:
        done = min(done, channels - LANES)
        sum_channels(1, number, x + done * item, y + done * item, taps, copies, scale)
        done += LANES


@emitted(twins.sum_channels, literal=True)
def sum_channels(typing_context, vectors, number, x, y, taps, copies, scale):
    """Scaled sums of as many `vectors` of channels, from address `x` to address `y`.

    `taps` are how many there are, at least 1, and the bytes between two, along the depth, the height and the width.
    `copies` are how many of the results there are, at least 1, and the bytes between two.
    """
    if not isinstance(vectors, types.IntegerLiteral):
        return None
    count, item = vectors.literal_value, number.bitwidth // 8
    doubles = ir.VectorType(ir.DoubleType(), LANES)
    kind = ir.VectorType(ir.FloatType(), LANES) if item == 4 else doubles

    def emit(builder, _, __, x, y, taps, copies, scale):
        def place(address, vector):
            address = builder.add(address, constant(vector * LANES * item))
            return builder.inttoptr(address, kind.as_pointer())

        counts, steps = ([builder.extract_value(taps, 2 * axis + i) for axis in range(3)] for i in range(2))
        zero = ir.Constant(doubles, [0.0] * LANES)
        loops = [Loop(builder, "depth", [x, *[zero] * count])]
        for name in ("height", "width"):
            loops.append(Loop(builder, name, loops[-1].values))
        cell, *sums = loops[-1].values
        for vector in range(count):
            numbers = builder.load(place(cell, vector), align=item)
            sums[vector] = builder.fadd(sums[vector], numbers if item == 8 else builder.fpext(numbers, doubles))
        for loop, stop, step in [*zip(loops, counts, steps)][::-1]:
            loop.end(stop, [builder.add(loop.values[0], step), *sums])
        factor = builder.insert_element(ir.Constant(doubles, ir.Undefined), scale, ir.Constant(_I32, 0))
        same = ir.Constant(ir.VectorType(_I32, LANES), [0] * LANES)
        factor = builder.shuffle_vector(factor, ir.Constant(doubles, ir.Undefined), same)
        if item == 4:
            results = [builder.fptrunc(builder.fmul(total, factor), kind) for total in sums]
        else:
            results = [builder.fdiv(total, factor) for total in sums]
        copy = Loop(builder, "copies", [y])
        for vector, result in enumerate(results):
            builder.store(result, place(copy.values[0], vector), align=item)
        copy.end(builder.extract_value(copies, 0), [builder.add(copy.values[0], builder.extract_value(copies, 1))])

    return code(types.void(vectors, number, types.int64, types.int64, taps, copies, types.float64), emit)

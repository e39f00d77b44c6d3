"""Sums that normalisation needs, in vector registers: along a run of numbers, or down the columns of rows.

There are five kinds, told apart by a literal:

- `SUM`: the sum of x;
- `SQUARES`: the sums of ``(x - mean) * scale`` and of its square;
- `PRODUCTS`: the sums of dy and of ``dy * (x - mean)``;
- `MASKED`: the same of the dy that a ReLU after the normalisation lets through, where its output y is within bounds;
- `RECOMPUTED`: the same, where ``(x - mean) * scale + shift`` is, so that y need not be read.

The order of a sum is the same both ways. Number i of a run is added to sum i % RESIDUES: a lane of one of four
vectors along a run, a number of a table down the columns. At the end the second half of these sums is added to the
first, and so on until one is left. Callers keep runs short (see `moments_kernel`), which bounds the rounding.
"""

from __future__ import annotations

import math

from llvmlite import ir
from numba.core import cgutils, types

from fastconv.backends.fast.machine import twins
from fastconv.backends.fast.machine.emitter import Emitter, across, constant
from fastconv.backends.fast.machine.jit import code, emitted

SUM, SQUARES, PRODUCTS, MASKED, RECOMPUTED = 0, 1, 2, 3, 4
VECTORS = 4  # accumulators: as many additions under way as one unit takes

_I32, _I64 = ir.IntType(32), ir.IntType(64)


def bounds(emit, rectified, ceiling):
    """Bounds of a ReLU: 0 if `rectified`, and `ceiling` if that is not 0; a bound that is NaN bounds nothing."""
    builder, nothing = emit.builder, ir.Constant(emit.scalar, math.nan)
    low = builder.select(builder.icmp_signed("!=", rectified, constant(0)), ir.Constant(emit.scalar, 0.0), nothing)
    number = builder.sitofp(ceiling, emit.scalar)
    high = builder.select(builder.icmp_signed("!=", ceiling, constant(0)), number, nothing)
    firsts = (builder.insert_element(emit.undefined, bound, ir.Constant(_I32, 0)) for bound in (low, high))
    return [builder.shuffle_vector(first, emit.undefined, emit.spread) for first in firsts]


def let_through(emit, gradient, y, low, high):
    """A vector of gradients where `y` is within the bounds or NaN, else 0."""
    builder = emit.builder
    inside = builder.and_(builder.fcmp_unordered("ugt", y, low), builder.fcmp_unordered("ult", y, high))
    return builder.select(inside, gradient, emit.zero)


class _Sums:
    """Accumulators of one kind of sum, in memory that LLVM turns into registers.

    Y lies `y_shift` bytes after dy; of `SQUARES` and `RECOMPUTED`, scale lies so many after mean, and shift after that.
    """

    def __init__(self, emit, kind, y_shift, ceiling):
        self.kind, self.builder, self.y_shift = kind, emit.builder, y_shift
        self.bounds = bounds(emit, constant(1), ceiling) if kind in (MASKED, RECOMPUTED) else []
        self.sums = [
            [cgutils.alloca_once_value(emit.builder, emit.zero) for _ in range(VECTORS)]
            for _ in range(1 if kind == SUM else 2)
        ]

    def factors(self, mean):
        """Addresses of what is needed beside x and dy."""
        if self.kind == SUM:
            return []
        scale = self.builder.add(mean, self.y_shift)
        beside = {SQUARES: [scale], RECOMPUTED: [scale, self.builder.add(scale, self.y_shift)]}
        return [mean, *beside.get(self.kind, [])]

    def add(self, emit, place, x, dy, factors, j):
        """Add vector number j of x and dy to the sums at `place`; lanes beyond a tail add zero."""
        if self.kind == SUM:
            terms = [emit.load_vector(x, j)]
        else:
            mean, *forward = factors
            if self.kind == SQUARES:  # scales are powers of two: one multiply-add in the place of a subtraction
                (scale,) = forward
                negative = emit.builder.fneg(emit.builder.fmul(mean, scale))
                deviation = emit.multiply_add(emit.load_vector(x, j), scale, negative)
                terms = [deviation, emit.builder.fmul(deviation, deviation)]
            else:
                deviation = emit.builder.fsub(emit.load_vector(x, j), mean)
                gradient = emit.load_vector(dy, j)
                if self.kind == MASKED:
                    y = emit.load_vector(self.builder.add(dy, self.y_shift), j)
                    gradient = let_through(emit, gradient, y, *self.bounds)
                elif self.kind == RECOMPUTED:
                    y = emit.multiply_add(deviation, *forward)
                    gradient = let_through(emit, gradient, y, *self.bounds)
                terms = [gradient, emit.builder.fmul(gradient, deviation)]
        for sums, term in zip(self.sums, terms):
            kept = emit.builder.select(emit.mask, term, emit.zero) if emit.is_masked(j) else term
            self.builder.store(self.builder.fadd(self.builder.load(sums[place]), kept), sums[place])

    def total(self, emit, number):
        """Sum over all accumulators and lanes of one sum, the second half added to the first each time."""
        builder, parts = self.builder, [self.builder.load(place) for place in self.sums[number]]
        while len(parts) > 1:
            half = len(parts) // 2
            parts = [builder.fadd(a, b) for a, b in zip(parts[:half], parts[half:])]
        return across(builder, parts[0], emit.lanes)


@emitted(twins.lane_total)
def lane_total(typing_context, number, x, valid):
    """Sum of the first `valid` numbers, at least one and at most a vector, at `x`; `number` says the type."""

    def emit(builder, _, x, valid):
        row = Emitter(builder, number.bitwidth // 8, tail=valid)
        return across(builder, builder.select(row.mask, row.load_vector(x, 0), row.zero), row.lanes)

    return code(number(number, types.intp, types.intp), emit)


@emitted(twins.reduce_run, literal=True)
def reduce_run(typing_context, kind, number, x, dy, mean, count, runs, step, y_shift, ceiling, out):
    """Sums over `runs` runs of `count` numbers, `step` bytes apart, of `x` (and `dy`).

    `mean` is the address of one number, `out` of one or two. `y_shift` is as of `_Sums`, and `ceiling` that of the
    ReLU, or 0.
    """
    if not isinstance(kind, types.IntegerLiteral):
        return None
    item, name = number.bitwidth // 8, kind.literal_value

    def emit(builder, _, __, x, dy, mean, count, runs, step, y_shift, ceiling, out):
        row = Emitter(builder, item, vectors=VECTORS)
        sums = _Sums(row, name, y_shift, ceiling)
        factors = [row.broadcast(place) for place in sums.factors(mean)]
        group = VECTORS * row.lanes
        groups = builder.sdiv(count, constant(group))
        done = builder.mul(groups, constant(group))
        with cgutils.for_range(builder, runs, intp=_I64) as run:
            start = builder.mul(run.index, step)
            with cgutils.for_range(builder, groups, intp=_I64) as loop:
                offset = builder.add(start, builder.mul(loop.index, constant(group * item)))
                for j in range(VECTORS):
                    sums.add(row, j, builder.add(x, offset), builder.add(dy, offset), factors, j)
            for j in range(VECTORS):
                first = builder.add(done, constant(j * row.lanes))
                rest = builder.sub(count, first)
                with builder.if_then(builder.icmp_signed(">", rest, constant(0))):
                    offset = builder.add(start, builder.mul(first, constant(item)))
                    last = Emitter(builder, item, tail=rest)
                    sums.add(last, j, builder.add(x, offset), builder.add(dy, offset), factors, 0)
        for i in range(len(sums.sums)):
            builder.store(sums.total(row, i), row.pointer(out, i * item, row.scalar), align=item)

    return code(types.void(kind, number, *[types.intp] * 9), emit)


@emitted(twins.reduce_columns, literal=True)
def reduce_columns(
    typing_context, kind, number, vectors, x, dy, mean, rows, step, valid, y_shift, ceiling, out, out_step
):  # fmt: skip
    """Add the columns of `rows` rows that are `step` bytes apart to the sums at `out`.

    `vectors` is 4, for as many whole vectors of columns, or 1, for one of which `valid` lanes count. `mean` is the
    address of one number per column; the second sums go to ``out + out_step``. `y_shift` as in `reduce_run`.
    """
    if not isinstance(kind, types.IntegerLiteral) or not isinstance(vectors, types.IntegerLiteral):
        return None
    item, name, width = number.bitwidth // 8, kind.literal_value, vectors.literal_value

    def emit(builder, _, __, ___, x, dy, mean, rows, step, valid, y_shift, ceiling, out, out_step):
        row = Emitter(builder, item, vectors=width, tail=valid if width == 1 else None)
        sums = _Sums(row, name, y_shift, ceiling)
        targets = [builder.add(out, out_step) if i else out for i in range(len(sums.sums))]
        for places, target in zip(sums.sums, targets):
            for j in range(width):
                builder.store(row.load_vector(target, j), places[j])
        factors = [[row.load_vector(place, j) for place in sums.factors(mean)] for j in range(width)]
        with cgutils.for_range(builder, rows, intp=_I64) as loop:
            offset = builder.mul(loop.index, step)
            for j in range(width):
                sums.add(row, j, builder.add(x, offset), builder.add(dy, offset), factors[j], j)
        for places, target in zip(sums.sums, targets):
            for j in range(width):
                row.store_vector(builder.load(places[j]), target, j)

    return code(types.void(kind, number, vectors, *[types.intp] * 10), emit)

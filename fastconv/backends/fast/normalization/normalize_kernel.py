"""The elementwise passes of a normalisation, over rows of consecutive numbers.

Forward ``y = (x - mean) * scale + shift``; backward ``dx = dy * scale + (x - mean) * slope + shift``. The factors are
those of a row (planes: one channel each), or there is one for every number of a row (channels-last: a pixel is a row).
"""

from __future__ import annotations

from llvmlite import ir
from numba.core import cgutils, types

from fastconv.backends.fast.machine import twins
from fastconv.backends.fast.machine.blocks import Block
from fastconv.backends.fast.machine.emitter import Emitter, constant
from fastconv.backends.fast.machine.intrinsics import size_of
from fastconv.backends.fast.machine.jit import code, emitted
from fastconv.backends.fast.machine.kernel import kernel

# ROWS rows of LENGTH numbers. The factors of row r are number r // REPEAT % PERIOD of their tables, or with `columns`
# LENGTH numbers at that place. OUT is y or dx.
NORMALIZE = Block("X DY OUT MEAN SCALE SLOPE SHIFT REPEAT PERIOD ROWS LENGTH TASKS", results="OUT")

_I64 = ir.IntType(64)


@emitted(twins.normalize_run, literal=True)
def normalize_run(typing_context, backward, columns, number, x, dy, out, mean, scale, slope, shift, count):
    """One row of `count` numbers; `columns` says whether every number has factors of its own."""
    if not isinstance(backward, types.Literal) or not isinstance(columns, types.Literal):
        return None
    item, is_backward, lanewise = number.bitwidth // 8, backward.literal_value, columns.literal_value

    def emit(builder, _, __, ___, x, dy, out, mean, scale, slope, shift, count):
        whole, tables = Emitter(builder, item), (mean, scale, slope, shift)
        spread = None if lanewise else [whole.broadcast(table) for table in tables]

        def vector(row, offset):
            mean, scale, slope, shift = spread or [row.load_vector(builder.add(table, offset), 0) for table in tables]
            result = builder.fsub(row.load_vector(builder.add(x, offset), 0), mean)
            if is_backward:
                result = row.multiply_add(result, slope, shift)
                result = row.multiply_add(row.load_vector(builder.add(dy, offset), 0), scale, result)
            else:
                result = row.multiply_add(result, scale, shift)
            row.store_vector(result, builder.add(out, offset), 0)

        vectors = builder.sdiv(count, constant(whole.lanes))
        with cgutils.for_range(builder, vectors, intp=_I64) as loop:
            vector(whole, builder.mul(loop.index, constant(whole.lanes * item)))
        done = builder.mul(vectors, constant(whole.lanes))
        rest = builder.sub(count, done)
        with cgutils.if_unlikely(builder, builder.icmp_signed(">", rest, constant(0))):
            vector(Emitter(builder, item, tail=rest), builder.mul(done, constant(item)))

    return code(types.void(backward, columns, number, *[types.intp] * 8), emit)


@kernel(NORMALIZE, columns=(False, True), backward=(False, True))
def normalize(args, task, number, columns, backward):
    """Some of the rows."""
    rows, length, tasks, item = args.ROWS, args.LENGTH, args.TASKS, size_of(number)
    entry = length * item if columns else item
    for row in range(rows * task // tasks, rows * (task + 1) // tasks):
        offset = row * length * item
        place = row // args.REPEAT % args.PERIOD * entry
        normalize_run(
            backward, columns, number,
            args.X + offset, args.DY + offset, args.OUT + offset,
            args.MEAN + place, args.SCALE + place,
            args.SLOPE + place, args.SHIFT + place, length,
        )  # fmt: skip

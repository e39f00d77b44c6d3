"""The elementwise passes of a normalisation, over rows of consecutive numbers.

Forward ``y = (x - mean) * scale + shift``; backward ``dx = dy * scale + ((x - mean) * slope + shift) * inverse``,
whose last factor is apart because its products with slopes may be too small for float32. The factors are those of a row
(planes: one channel each), or there is one for every number of a row (channels-last: a pixel is a row).

There may be an ending, the sum with another array and a ReLU, which is bounds of y. Backward, dy then counts where y is
within them. Without a sum y is computed again, with what was the shift forward, `before` here; with one it is read, and
what counts is stored as well, as the gradient of the other array.
"""

from __future__ import annotations

from numba.core import types

from fastconv.backends.fast.machine import twins
from fastconv.backends.fast.machine.blocks import Block
from fastconv.backends.fast.machine.emitter import Emitter, of_vectors
from fastconv.backends.fast.machine.intrinsics import size_of
from fastconv.backends.fast.machine.jit import code, emitted
from fastconv.backends.fast.machine.kernel import kernel
from fastconv.backends.fast.normalization.reductions_kernel import bounds, let_through

# ROWS rows of LENGTH numbers. The factors of row r are number r // REPEAT % PERIOD of their tables, or with `columns`
# LENGTH numbers at that place. OUT is y or dx. OTHER is what a sum adds, and backward its y; MASKED is for the dy that
# this lets through. The bounds are 0 if RECTIFIED, and CEILING if that is not 0.
NORMALIZE = Block(
    "X DY OUT MEAN SCALE SLOPE SHIFT BEFORE INVERSE OTHER MASKED RECTIFIED CEILING REPEAT PERIOD ROWS LENGTH TASKS",
    results="OUT MASKED",
)
PLAIN, RELU, SUM = 0, 1, 2
FORMS = {"plain": PLAIN, "relu": RELU, "sum": SUM}


@emitted(twins.normalize_run, literal=True)
def normalize_run(
    typing_context, form, backward, columns, number,
    x, dy, out, mean, scale, slope, shift, before, inverse, other, masked, rectified, ceiling, count,
):  # fmt: skip
    """One row of `count` numbers; `columns` says whether every number has factors of its own."""
    if not all(isinstance(flag, types.Literal) for flag in (form, backward, columns)):
        return None
    item, is_backward, lanewise = number.bitwidth // 8, backward.literal_value, columns.literal_value
    ending = form.literal_value

    def emit(
        builder, _, __, ___, ____,
        x, dy, out, mean, scale, slope, shift, before, inverse, other, masked, rectified, ceiling, count,
    ):  # fmt: skip
        whole, tables = Emitter(builder, item), (mean, scale, slope, shift, before, inverse)
        spread = None if lanewise else [whole.broadcast(table) for table in tables]
        low, high = bounds(whole, rectified, ceiling)

        def forward_of(row, offset, deviation, scale, shift):
            y = row.multiply_add(deviation, scale, shift)
            if ending == SUM:
                y = builder.fadd(y, row.load_vector(builder.add(other, offset), 0))
            if ending != PLAIN:
                y = builder.select(builder.fcmp_unordered("ugt", y, low), y, low)
                y = builder.select(builder.fcmp_unordered("ult", y, high), y, high)
            return y

        def gradient_of(row, offset, deviation, scale, before):
            gradient = row.load_vector(builder.add(dy, offset), 0)
            if ending == RELU:
                gradient = let_through(row, gradient, row.multiply_add(deviation, scale, before), low, high)
            if ending == SUM:
                y = row.load_vector(builder.add(other, offset), 0)
                gradient = let_through(row, gradient, y, low, high)
                row.store_vector(gradient, builder.add(masked, offset), 0)
            return gradient

        def vector(row, offset):
            factors = spread or [row.load_vector(builder.add(table, offset), 0) for table in tables]
            mean, scale, slope, shift, before, inverse = factors
            deviation = builder.fsub(row.load_vector(builder.add(x, offset), 0), mean)
            if is_backward:
                gradient = gradient_of(row, offset, deviation, scale, before)
                result = row.multiply_add(
                    gradient, scale, builder.fmul(row.multiply_add(deviation, slope, shift), inverse)
                )
            else:
                result = forward_of(row, offset, deviation, scale, shift)
            row.store_vector(result, builder.add(out, offset), 0)

        of_vectors(builder, item, count, vector)

    return code(types.void(form, backward, columns, number, *[types.intp] * 14), emit)


@kernel(NORMALIZE, columns=(False, True), backward=(False, True), form=FORMS)
def normalize(args, task, number, columns, backward, form):
    """Some of the rows."""
    rows, length, tasks, item = args.ROWS, args.LENGTH, args.TASKS, size_of(number)
    entry = length * item if columns else item
    for row in range(rows * task // tasks, rows * (task + 1) // tasks):
        offset = row * length * item
        place = row // args.REPEAT % args.PERIOD * entry
        normalize_run(
            form, backward, columns, number,
            args.X + offset, args.DY + offset, args.OUT + offset,
            args.MEAN + place, args.SCALE + place,
            args.SLOPE + place, args.SHIFT + place, args.BEFORE + place, args.INVERSE + place,
            args.OTHER + offset, args.MASKED + offset, args.RECTIFIED, args.CEILING, length,
        )  # fmt: skip

"""The elementwise pass of layer normalisation: rows with factors of their own, and factors of the elements of a row.

``y = (x - mean) * scale * weight + bias``, rounded as the two passes are that do one after the other: ``+ 0`` after the
first product, and one rounding of the second product and its sum.
"""

from __future__ import annotations

from numba.core import types

from fastconv.backends.fast.machine import twins
from fastconv.backends.fast.machine.blocks import Block
from fastconv.backends.fast.machine.emitter import Emitter, of_vectors
from fastconv.backends.fast.machine.intrinsics import size_of
from fastconv.backends.fast.machine.jit import code, emitted
from fastconv.backends.fast.machine.kernel import kernel

# ROWS rows of LENGTH numbers; a number of MEAN and SCALE for each row, of WEIGHT and BIAS for each element
ELEMENTS = Block("X OUT MEAN SCALE WEIGHT BIAS ROWS LENGTH TASKS", results="OUT")


@emitted(twins.normalize_row)
def normalize_row(typing_context, number, x, out, mean, scale, weight, bias, count):
    """One row of `count` numbers; `mean` and `scale` are addresses of one."""
    item = number.bitwidth // 8

    def emit(builder, _, x, out, mean, scale, weight, bias, count):
        own_mean, own_scale = (Emitter(builder, item).broadcast(table) for table in (mean, scale))

        def vector(row, offset):
            numbers, weights, biases = (row.load_vector(builder.add(place, offset), 0) for place in (x, weight, bias))
            normal = row.multiply_add(builder.fsub(numbers, own_mean), own_scale, row.zero)
            row.store_vector(row.multiply_add(normal, weights, biases), builder.add(out, offset), 0)

        of_vectors(builder, item, count, vector)

    return code(types.void(number, *[types.intp] * 7), emit)


@kernel(ELEMENTS)
def normalize_elements(args, task, number):
    """Some of the rows."""
    rows, length, tasks, item = args.ROWS, args.LENGTH, args.TASKS, size_of(number)
    for row in range(rows * task // tasks, rows * (task + 1) // tasks):
        place, own = row * length * item, row * item
        normalize_row(
            number, args.X + place, args.OUT + place, args.MEAN + own, args.SCALE + own, args.WEIGHT, args.BIAS, length
        )

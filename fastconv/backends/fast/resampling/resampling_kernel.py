"""Planes in another size, over memory without gaps: (OUTER, SIZE, LINE) to (OUTER, ROWS, COLUMNS * INNER).

A row of the result is a copy or a weighted sum of rows of a plane, and its columns, of INNER numbers each, are copies
or weighted sums of the columns of that. Each sum starts with its first product and takes the others in their order, in
the type of the numbers, as NumPy does: the twin to read is `backends.resampling.gathered`.
"""

from __future__ import annotations

from llvmlite import ir
from numba.core import types

from fastconv.backends.fast.machine.blocks import Block
from fastconv.backends.fast.machine.emitter import of_vectors
from fastconv.backends.fast.machine.intrinsics import clear_bytes, copy_bytes, integer, load_at, size_of, store_at
from fastconv.backends.fast.machine.jit import code, emitted, helper
from fastconv.backends.fast.machine.kernel import kernel

# ROW_CELLS and COLUMN_CELLS are the rows and columns that each one of the result looks at: the first of all, then the
# second, and so on. Columns RUN to RUN_STOP are copies of neighbours; with `zeros`, these are all that are copies, and
# so are rows of no negative number.
SIZES = Block("OUTER SIZE ROWS LINE COLUMNS INNER TASKS")
COPIES = Block("X Y ROW_CELLS COLUMN_CELLS RUN RUN_STOP TWICE", SIZES, results="Y")
SUMS = Block(
    "X Y ROW_CELLS ROW_WEIGHTS ROW_TAPS COLUMN_CELLS COLUMN_WEIGHTS COLUMN_TAPS SCRATCH SCRATCH_STRIDE",
    SIZES,
    results="Y SCRATCH",
)


def _copy(number, y, count, x):
    """Y = X."""
    for i in range(count):
        store_at(y, i, load_at(x, i, number))


@emitted(_copy)
def copy_numbers(typing_context, number, y, count, x):
    """Y = X, for so few numbers that a call of memcpy takes longer."""

    def emit(builder, _, y, count, x):
        def vector(row, offset):
            row.store_vector(row.load_vector(builder.add(x, offset), 0), builder.add(y, offset), 0)

        of_vectors(builder, number.bitwidth // 8, count, vector)

    return code(types.void(number, *[types.intp] * 3), emit)


def _add(number, y, count, p, q, a, b):
    """Y = P * a + Q * b."""
    for i in range(count):
        store_at(y, i, load_at(p, i, number) * a + load_at(q, i, number) * b)


@emitted(_add)
def add_products(typing_context, number, y, count, p, q, a, b):
    """Y = P * a + Q * b, where Y may be P."""

    def emit(builder, _, y, count, p, q, a, b):
        def vector(row, offset):
            products = (
                builder.fmul(row.load_vector(builder.add(place, offset), 0), _in_all_lanes(row, weight))
                for place, weight in ((p, a), (q, b))
            )
            row.store_vector(builder.fadd(*products), builder.add(y, offset), 0)

        of_vectors(builder, number.bitwidth // 8, count, vector)

    return code(types.void(number, *[types.intp] * 4, number, number), emit)


def _in_all_lanes(row, number):
    vector = row.builder.insert_element(row.undefined, number, ir.Constant(ir.IntType(32), 0))
    return row.builder.shuffle_vector(vector, row.undefined, row.spread)


def _add_corners(number, y, count, p, q, r, s, a, b, c, d):
    """Y = (P * a + Q * b) * c + (R * a + S * b) * d."""
    for i in range(count):
        left = load_at(p, i, number) * a + load_at(q, i, number) * b
        right = load_at(r, i, number) * a + load_at(s, i, number) * b
        store_at(y, i, left * c + right * d)


@emitted(_add_corners)
def add_corners(typing_context, number, y, count, p, q, r, s, a, b, c, d):
    """Y = (P * a + Q * b) * c + (R * a + S * b) * d."""

    def emit(builder, _, y, count, p, q, r, s, *weights):
        def vector(row, offset):
            a, b, c, d = (_in_all_lanes(row, weight) for weight in weights)
            corners = [row.load_vector(builder.add(place, offset), 0) for place in (p, q, r, s)]
            left, right = (
                builder.fadd(builder.fmul(upper, a), builder.fmul(lower, b))
                for upper, lower in (corners[:2], corners[2:])
            )
            total = builder.fadd(builder.fmul(left, c), builder.fmul(right, d))
            row.store_vector(total, builder.add(y, offset), 0)

        of_vectors(builder, number.bitwidth // 8, count, vector)

    return code(types.void(number, *[types.intp] * 6, *[number] * 4), emit)


@helper
def _copy_some(args, x, y, first, stop, number):
    """Columns that are no neighbours, one by one."""
    cells, inner = args.COLUMN_CELLS, args.INNER
    step = inner * size_of(number)
    if inner == 1:
        for i in range(first, stop):
            store_at(y, i, load_at(x, integer(cells, i), number))
    else:
        for i in range(first, stop):
            copy_numbers(number, y + i * step, inner, x + integer(cells, i) * step)


@helper
def _copy_columns(args, x, y, number, zeros):
    """One row of copies; TWICE says that each number is there two times."""
    run, stop, step = args.RUN, args.RUN_STOP, args.INNER * size_of(number)
    if zeros:
        clear_bytes(y, run * step)
        copy_bytes(y + run * step, x + integer(args.COLUMN_CELLS, run) * step, (stop - run) * step)
        clear_bytes(y + stop * step, (args.COLUMNS - stop) * step)
    elif args.TWICE:
        for i in range(args.LINE):
            value = load_at(x, i, number)
            store_at(y, 2 * i, value)
            store_at(y, 2 * i + 1, value)
    else:
        _copy_some(args, x, y, 0, run, number)
        copy_bytes(y + run * step, x + integer(args.COLUMN_CELLS, run) * step, (stop - run) * step)
        _copy_some(args, x, y, stop, args.COLUMNS, number)


@kernel(COPIES, zeros=(False, True))
def resample_by_copies(args, task, number, zeros):
    """Some rows, each a copy of columns of one row; where the row before is the same, a copy of that."""
    rows, size, tasks, item = args.ROWS, args.SIZE, args.TASKS, size_of(number)
    line, y_line = args.LINE * item, args.COLUMNS * args.INNER * item
    first = args.OUTER * rows * task // tasks
    for place in range(first, args.OUTER * rows * (task + 1) // tasks):
        plane, row = place // rows, place % rows
        y, cell = args.Y + place * y_line, integer(args.ROW_CELLS, row)
        if zeros and cell < 0:
            clear_bytes(y, y_line)
        elif not zeros and row > 0 and place > first and integer(args.ROW_CELLS, row - 1) == cell:
            copy_bytes(y, y - y_line, y_line)
        else:
            _copy_columns(args, args.X + (plane * size + cell) * line, y, number, zeros)


@helper
def _tap(cells, weights, count, tap, i, number):
    """Cell and weight of one result."""
    return integer(cells, tap * count + i), load_at(weights, tap * count + i, number)


@helper
def _add_rows(args, plane, row, y, number):
    """A weighted sum of rows of a plane."""
    line, one = args.LINE, number + type(number)(1)
    step = line * size_of(number)
    i, a = _tap(args.ROW_CELLS, args.ROW_WEIGHTS, args.ROWS, 0, row, number)
    j, b = _tap(args.ROW_CELLS, args.ROW_WEIGHTS, args.ROWS, 1, row, number)
    add_products(number, y, line, plane + i * step, plane + j * step, a, b)
    for tap in range(2, args.ROW_TAPS):
        i, a = _tap(args.ROW_CELLS, args.ROW_WEIGHTS, args.ROWS, tap, row, number)
        add_products(number, y, line, y, plane + i * step, one, a)


@helper
def _add_columns(args, x, y, number):
    """Weighted sums of columns of a row."""
    columns, inner, one = args.COLUMNS, args.INNER, number + type(number)(1)
    step = inner * size_of(number)
    for column in range(columns):
        place = y + column * step
        i, a = _tap(args.COLUMN_CELLS, args.COLUMN_WEIGHTS, columns, 0, column, number)
        j, b = _tap(args.COLUMN_CELLS, args.COLUMN_WEIGHTS, columns, 1, column, number)
        add_products(number, place, inner, x + i * step, x + j * step, a, b)
        for tap in range(2, args.COLUMN_TAPS):
            i, a = _tap(args.COLUMN_CELLS, args.COLUMN_WEIGHTS, columns, tap, column, number)
            add_products(number, place, inner, place, x + i * step, one, a)


@helper
def _add_numbers(args, x, y, number):
    """The same where a column is one number: one tap after the other, which LLVM vectorises."""
    columns, cells, weights = args.COLUMNS, args.COLUMN_CELLS, args.COLUMN_WEIGHTS
    for i in range(columns):
        total = load_at(x, integer(cells, i), number) * load_at(weights, i, number)
        more = load_at(x, integer(cells, columns + i), number) * load_at(weights, columns + i, number)
        store_at(y, i, total + more)
    for tap in range(2, args.COLUMN_TAPS):
        tap_cells, tap_weights = cells + tap * columns * 8, weights + tap * columns * size_of(number)
        for i in range(columns):
            more = load_at(x, integer(tap_cells, i), number) * load_at(tap_weights, i, number)
            store_at(y, i, load_at(y, i, number) + more)


@helper
def _add_both(args, plane, row, y, number):
    """A row of sums of four corners, without a sum of rows in between."""
    columns, inner, item = args.COLUMNS, args.INNER, size_of(number)
    line, step = args.LINE * item, inner * item
    i, a = _tap(args.ROW_CELLS, args.ROW_WEIGHTS, args.ROWS, 0, row, number)
    j, b = _tap(args.ROW_CELLS, args.ROW_WEIGHTS, args.ROWS, 1, row, number)
    upper, lower = plane + i * line, plane + j * line
    for column in range(columns):
        k, c = _tap(args.COLUMN_CELLS, args.COLUMN_WEIGHTS, columns, 0, column, number)
        m, d = _tap(args.COLUMN_CELLS, args.COLUMN_WEIGHTS, columns, 1, column, number)
        left, right = k * step, m * step
        add_corners(
            number, y + column * step, inner, upper + left, lower + left, upper + right, lower + right, a, b, c, d
        )


@kernel(SUMS)
def resample_by_sums(args, task, number):
    """Some rows, each weighted sums of columns of a weighted sum of rows."""
    rows, tasks, item = args.ROWS, args.TASKS, size_of(number)
    line, y_line = args.LINE * item, args.COLUMNS * args.INNER * item
    scratch = args.SCRATCH + task * args.SCRATCH_STRIDE
    for place in range(args.OUTER * rows * task // tasks, args.OUTER * rows * (task + 1) // tasks):
        row, plane, y = place % rows, args.X + place // rows * args.SIZE * line, args.Y + place * y_line
        if args.INNER > 1 and args.ROW_TAPS == 2 and args.COLUMN_TAPS == 2:
            _add_both(args, plane, row, y, number)
        else:
            x = plane + row * line
            if args.ROW_TAPS > 0:
                x = y if args.COLUMN_TAPS == 0 else scratch
                _add_rows(args, plane, row, x, number)
            if args.COLUMN_TAPS > 0 and args.INNER > 1:
                _add_columns(args, x, y, number)
            elif args.COLUMN_TAPS > 0:
                _add_numbers(args, x, y, number)

"""The micro-kernels that transform tiles, channels-last: vectors of channels or filters, made from exact matrices.

Products are taken point by point, for some tiles of a pass at a time, and lie side by side for each tile::

    V[tile, channel / 16, point, 16]      U[block of filters, point, channel, filter]      M[tile, point, filter]

``INPUT`` : a run of tiles of x to V. A table has the address of every row of the tile, and bytes to that of the next.
``WEIGHTS`` : packed weights [tap, channel, filter] to U.
``OUTPUT`` : M, with the bias, to tiles of y, after an ending (`machine.endings`). Where a number of it is not finite,
    0 is stored at `fine`: infinity and NaN have spread over their tile then, or what is finite has become too large.
``GRADIENT`` : a run of tiles of dy to Z[tile, point, filter], the transposed output transform.
``TAPS`` : sums of V times Z, of a channel, to the gradient of its weights [tap, filter]: the transposed transform of
    weights. What is not finite is noted as by OUTPUT.

Numbers of a row that lie outside x are read as zeros. The readable twins are in `winograd.twins`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from fastconv.backends.fast.machine.emitter import ADDS, ENDINGS, Emitter, Loop, constant
from fastconv.backends.fast.machine.endings import ending_function
from fastconv.backends.fast.machine.intrinsics import TRANSFORM_ARGUMENTS
from fastconv.backends.fast.machine.jit import code
from fastconv.backends.fast.machine.kernel import micro_kernel_address
from fastconv.backends.fast.machine.target import AVX512, host
from fastconv.backends.fast.winograd import twins
from fastconv.backends.fast.winograd.points import GROUP, Matrix, points_of, transforms

INPUT, WEIGHTS, OUTPUT, GRADIENT, TAPS = range(5)

_SIX_POINTS = transforms(4, 4, 3).bt
_I64 = ir.IntType(64)
Vectors = list[ir.Value]


class Transform(NamedTuple):
    """Shape of a micro-kernel; `ending` and `slope` as in `machine.tile`."""

    kind: int
    rows: int  # outputs of its tiles
    columns: int
    all_rows: int  # of the largest tiles
    all_columns: int
    row_taps: int
    column_taps: int
    lanes: int
    vectors: int  # of a block of filters
    masked: int  # whether the last vector has lanes that must not be touched
    ending: int = 0
    slope: int = 0

    @property
    def points(self) -> tuple[int, int]:
        """Points of the largest tile, along rows and columns."""
        return self.all_rows + self.row_taps - 1, self.all_columns + self.column_taps - 1

    def places(self, step: int) -> list[list[int]]:
        """Byte offset of every point of its tiles, where those of the largest are so many bytes apart."""
        rows = points_of(self.rows, self.all_rows, self.row_taps)
        columns = points_of(self.columns, self.all_columns, self.column_taps)
        return [[step * (i * self.points[1] + j) for j in columns] for i in rows]

    @property
    def axes(self) -> list[tuple[int, int, int]]:
        """Outputs, those of the largest tile, and taps, along rows and columns."""
        return [(self.rows, self.all_rows, self.row_taps), (self.columns, self.all_columns, self.column_taps)]


class _Sums:
    """Linear combinations of vectors, one instruction for each term but the first."""

    def __init__(self, emit: Emitter) -> None:
        self.emit, self.builder = emit, emit.builder

    def _splat(self, factor: Fraction) -> ir.Constant:
        return ir.Constant(self.emit.vector, [float(factor)] * self.emit.lanes)

    def add(self, total: ir.Value | None, factor: Fraction | float, vector: ir.Value) -> ir.Value:
        """Add factor times vector to a total, where there is one."""
        if total is None:
            return vector if factor == 1 else self.builder.fmul(self._splat(Fraction(factor)), vector)
        if abs(factor) == 1:
            return (self.builder.fadd if factor > 0 else self.builder.fsub)(total, vector)
        return self.emit.multiply_add(self._splat(Fraction(factor)), vector, total)

    def of(self, factors: Sequence[Fraction], vectors: Vectors, total: ir.Value | None = None) -> ir.Value:
        """Sum of factors times vectors, with a factor of one first where there is one."""
        terms = [(factor, vector) for factor, vector in zip(factors, vectors) if factor]
        for factor, vector in sorted(terms, key=lambda term: term[0] != 1):
            total = self.add(total, factor, vector)
        return total

    def times(self, matrix: Matrix, vectors: Vectors) -> Vectors:
        """A matrix times vectors; where its first column is ones, the second and third share a sum and a difference.

        These belong to the points 1 and -1, whose powers differ in sign alone.
        """
        if len(vectors) < 4 or any(abs(row[1]) != 1 for row in matrix):
            return [self.of(row, vectors) for row in matrix]
        pair = self.builder.fadd(*vectors[1:3]), self.builder.fsub(*vectors[1:3])
        rest = [vectors[0], *vectors[3:]]
        return [self.of((row[0], *row[3:]), rest, pair[k % 2]) for k, row in enumerate(matrix)]

    def inner(self, bt: Matrix, vectors: Vectors) -> tuple[Vectors, ir.Value, ir.Value]:
        """BT of all but the first and the last of some vectors: at the inner points, at the first and at the last.

        The first vector occurs at the first point only, and the last at the last.
        """
        if bt != _SIX_POINTS:
            values = [self.of(row[1:-1], vectors) for row in bt]
            return values[1:-1], values[0], values[-1]
        a, b, c, d = vectors  # 14 operations instead of 22
        even, odd = self.builder.fsub(d, b), self.builder.fsub(c, a)
        g, h = self.add(even, 1.5, c), self.add(odd, 1.5, b)
        inner = [self.builder.fadd(g, h), self.builder.fsub(g, h), self.add(even, 2, odd), self.add(even, -0.5, odd)]
        first = self.builder.fsub(self.add(even, 1.5, odd), b)
        return inner, first, self.builder.fsub(self.add(self.builder.fneg(odd), 1.5, even), c)


def _step(builder: ir.IRBuilder, address: ir.Value, step: ir.Value, times: int) -> ir.Value:
    """Address `times` steps on."""
    return builder.add(address, builder.mul(step, constant(times))) if times else address


def _tail(builder: ir.IRBuilder, shape: Transform, count: ir.Value, first: ir.Value) -> ir.Value | None:
    """Numbers that are left of a count, where that may be less than a vector."""
    return builder.sub(count, first) if shape.masked else None


class _Window:
    """Vectors of the columns of a tile of x, zeros where these are outside: `first` <= column < `last` is inside."""

    def __init__(
        self, builder: ir.IRBuilder, start: ir.Value, count: int, pixel: ir.Value, first: ir.Value, last: ir.Value
    ) -> None:
        self.builder, self.inside, self.offsets = builder, [], []
        masks, end = host() == AVX512, builder.sub(last, constant(1))
        for j in range(count):
            column = builder.add(start, constant(j))
            low, high = (builder.icmp_signed(*test) for test in (("<", column, first), (">", column, end)))
            self.inside.append(builder.not_(builder.or_(low, high)))
            if not masks:  # a column that is there, whose numbers are not taken
                column = builder.select(low, first, builder.select(high, end, column))
            self.offsets.append(builder.mul(builder.sub(column, start), pixel))

    def load(self, emit: Emitter, row: ir.Value, j: int) -> ir.Value:
        """Vector of a row, in column j."""
        address, inside, builder = self.builder.add(row, self.offsets[j]), self.inside[j], self.builder
        if host() != AVX512:
            return builder.select(inside, emit.load_vector(address, 0), emit.zero)
        mask = builder.bitcast(builder.sext(inside, ir.IntType(emit.lanes)), ir.VectorType(ir.IntType(1), emit.lanes))
        if emit.mask is not None:
            mask = builder.and_(mask, emit.mask)
        arguments = [emit.pointer(address, 0, emit.vector), ir.Constant(ir.IntType(32), 4), mask, emit.zero]
        return emit.intrinsic(f"llvm.masked.load.{emit.suffix}.p0", emit.vector, arguments)


def _emit_input(builder: ir.IRBuilder, shape: Transform, arguments: Vectors) -> None:
    table, pixel, first, last, channels, v, v_tile, count, *_ = arguments
    (_, bt_rows, _), (_, bt_columns, _) = (transforms(*axis) for axis in shape.axes)
    height, width = len(bt_rows), len(bt_columns)
    line, places = 4 * GROUP * shape.points[0] * shape.points[1], shape.places(4 * GROUP)
    entries = [builder.inttoptr(builder.add(table, constant(8 * i)), _I64.as_pointer()) for i in range(2 * height)]
    starts, steps = ([builder.load(entry) for entry in entries[part::2]] for part in (0, 1))
    tile = Loop(builder, "tile", [v, *starts])
    window = _Window(builder, builder.mul(tile.count, constant(shape.columns)), width, pixel, first, last)
    channel = Loop(builder, "channel", step=shape.lanes)
    c = channel.count
    emit = Emitter(builder, 4, lanes=shape.lanes, tail=_tail(builder, shape, channels, c))
    sums, rows = _Sums(emit), [builder.add(row, builder.mul(c, constant(4))) for row in tile.values[1:]]
    group = builder.mul(builder.lshr(c, constant(4)), constant(line))
    target = builder.add(builder.add(tile.values[0], group), builder.mul(builder.and_(c, constant(15)), constant(4)))

    def column(j: int) -> Vectors:
        values = [window.load(emit, row, j) for row in rows]
        if height == 1:
            return values
        inner, top, bottom = sums.inner(bt_rows, values[1:-1])
        return [sums.add(top, bt_rows[0][0], values[0]), *inner, sums.add(bottom, 1, values[-1])]

    def store(value: ir.Value, i: int, j: int) -> None:
        emit.store_vector(value, builder.add(target, constant(places[i][j])), 0, masked=False)

    inner_columns = [column(j) for j in range(1, width - 1)]
    ends = []
    for i in range(height if width > 1 else 0):
        inner, left, right = sums.inner(bt_columns, [values[i] for values in inner_columns])
        for j, value in enumerate(inner, start=1):
            store(value, i, j)
        ends.append((left, right))
    for i, value in enumerate(column(0)):
        store(value if width == 1 else sums.add(ends[i][0], bt_columns[0][0], value), i, 0)
    if width > 1:
        for i, value in enumerate(column(width - 1)):
            store(sums.add(ends[i][1], 1, value), i, width - 1)
    channel.end(channels)
    tile.end(count, [builder.add(value, step) for value, step in zip(tile.values, [v_tile, *steps])])


def _emit_weights(builder: ir.IRBuilder, shape: Transform, arguments: Vectors) -> None:
    w, row, tap, u, point, count, *_ = arguments
    (_, _, g_rows), (_, _, g_columns) = (transforms(*axis) for axis in shape.axes)
    loop = Loop(builder, "vector", [w, u])
    emit = Emitter(builder, 4, lanes=shape.lanes)
    sums, (source, target) = _Sums(emit), loop.values

    def load(i: int, j: int) -> ir.Value:
        return emit.load_vector(_step(builder, _step(builder, source, row, i), tap, j), 0)

    columns = [_times_g(sums, g_rows, [load(i, j) for i in range(shape.row_taps)]) for j in range(shape.column_taps)]
    for i in range(len(g_rows)):
        for j, value in enumerate(_times_g(sums, g_columns, [column[i] for column in columns])):
            emit.store_vector(value, _step(builder, target, point, i * len(g_columns) + j), 0)
    loop.end(count, [builder.add(place, constant(4 * shape.lanes)) for place in loop.values])


def _times_g(sums: _Sums, g: Matrix, weights: Vectors) -> Vectors:
    """G times weights; the points 1 and -1 share the sums of the even and of the odd weights."""
    builder, values = sums.builder, []
    even = odd = None
    if len(g) > 3 and len(weights) > 1:
        even, odd = (sums.of([Fraction(1)] * len(part), part) for part in (weights[::2], weights[1::2]))
    for row in g:
        if even is not None and row[0] and len({abs(number) for number in row}) == 1:
            total = (builder.fadd if row[1] == row[0] else builder.fsub)(even, odd)
            values.append(sums.add(None, row[0], total))
        else:
            values.append(sums.of(row, weights))
    return values


def _emit_output(builder: ir.IRBuilder, shape: Transform, arguments: Vectors, function: Any) -> None:
    m, m_tile, bias, y, y_row, y_pixel, filters, fine, beside, count = arguments
    (at_rows, _, _), (at_columns, _, _) = (transforms(*axis) for axis in shape.axes)
    places = shape.places(4 * shape.lanes * shape.vectors)
    emit = Emitter(builder, 4, lanes=shape.lanes)
    seen = cgutils.alloca_once_value(builder, emit.zero)
    tile = Loop(builder, "tile", [m, y])
    vector = Loop(builder, "vector", step=shape.lanes)
    offset = builder.mul(vector.count, constant(4))
    source, target = (builder.add(place, offset) for place in tile.values)
    tail = _tail(builder, shape, filters, vector.count)
    emit = Emitter(builder, 4, lanes=shape.lanes, tail=tail, function=function)
    sums, one = _Sums(emit), (min(1, len(places) - 1), min(1, len(places[0]) - 1))

    def column(j: int) -> Vectors:
        values = [emit.load_vector(builder.add(source, constant(row[j])), 0, masked=False) for row in places]
        if j == one[1]:  # at the point 1 every output takes part with factor 1
            start = emit.load_vector(builder.add(bias, offset), 0)
            values[one[0]] = builder.fadd(values[one[0]], start)
        return sums.times(at_rows, values)

    columns, check = [column(j) for j in range(len(places[0]))], None
    for k in range(shape.rows):
        values = sums.times(at_columns, [values[k] for values in columns])
        for value in values:  # of all: a partial sum of any of them may be the only one that is too large
            check = builder.fmul(value, emit.zero) if check is None else emit.multiply_add(value, emit.zero, check)
        row = _step(builder, target, y_row, k)
        pixels = [_step(builder, row, y_pixel, n) for n in range(shape.columns)]
        if shape.ending & ADDS:
            others = [emit.load_vector(builder.add(pixel, beside), 0) for pixel in pixels]
            values = [builder.fadd(value, other) for value, other in zip(values, others)]
        for value, pixel in zip(emit.ended(values, shape.ending), pixels):
            emit.store_vector(value, pixel, 0)
    builder.store(builder.fadd(builder.load(seen), check), seen)  # once a tile: the next does not wait for it
    vector.end(filters)
    step = builder.mul(y_pixel, constant(shape.columns))
    tile.end(count, [builder.add(tile.values[0], m_tile), builder.add(tile.values[1], step)])
    _note(emit, seen, fine)


def _note(emit: Emitter, seen: ir.Value, fine: ir.Value) -> None:
    """Store 0 at `fine` where a sum of numbers, each times zero, is not zero."""
    builder = emit.builder
    unknown = builder.bitcast(builder.fcmp_unordered("uno", builder.load(seen), emit.zero), ir.IntType(emit.lanes))
    with builder.if_then(builder.icmp_unsigned("!=", unknown, ir.Constant(unknown.type, 0)), likely=False):
        builder.store(constant(0), builder.inttoptr(fine, _I64.as_pointer()))


def _emit_gradient(builder: ir.IRBuilder, shape: Transform, arguments: Vectors) -> None:
    dy, dy_row, dy_pixel, filters, z, z_tile, count, *_ = arguments
    (at_rows, _, _), (at_columns, _, _) = (transforms(*axis) for axis in shape.axes)
    places = shape.places(4 * shape.lanes * shape.vectors)
    tile = Loop(builder, "tile", [dy, z])
    vector = Loop(builder, "vector", step=shape.lanes)
    emit = Emitter(builder, 4, lanes=shape.lanes, tail=_tail(builder, shape, filters, vector.count))
    sums, offset = _Sums(emit), builder.mul(vector.count, constant(4))
    start, target = (builder.add(place, offset) for place in tile.values)
    rows = [_step(builder, start, dy_row, k) for k in range(shape.rows)]

    def column(n: int) -> Vectors:
        return _transposed(sums, at_rows, [emit.load_vector(_step(builder, row, dy_pixel, n), 0) for row in rows])

    columns = [column(n) for n in range(shape.columns)]
    for i, row in enumerate(places):
        for place, value in zip(row, _transposed(sums, at_columns, [values[i] for values in columns])):
            emit.store_vector(value, builder.add(target, constant(place)), 0, masked=False)
    vector.end(filters)
    step = builder.mul(dy_pixel, constant(shape.columns))
    tile.end(count, [builder.add(tile.values[0], step), builder.add(tile.values[1], z_tile)])


def _transposed(sums: _Sums, at: Matrix, vectors: Vectors) -> Vectors:
    """A times vectors; the points 1 and -1 share the sums of the even and of the odd ones."""
    builder, columns = sums.builder, list(zip(*at))
    if len(vectors) < 2 or len(columns) < 4:
        return [sums.of(column, vectors) for column in columns]
    even, odd = (sums.of([Fraction(1)] * len(part), part) for part in (vectors[::2], vectors[1::2]))
    pair = [builder.fadd(even, odd), builder.fsub(even, odd)]
    return [sums.of(columns[0], vectors), *pair, *(sums.of(column, vectors) for column in columns[3:])]


def _emit_taps(builder: ir.IRBuilder, shape: Transform, arguments: Vectors) -> None:
    du, point, dw, tap, filters, fine, *_ = arguments
    g_rows, g_columns = (transforms(*axis).g for axis in shape.axes)
    seen = cgutils.alloca_once_value(builder, Emitter(builder, 4, lanes=shape.lanes).zero)
    loop = Loop(builder, "vector", step=shape.lanes)
    emit = Emitter(builder, 4, lanes=shape.lanes, tail=_tail(builder, shape, filters, loop.count))
    sums, offset = _Sums(emit), builder.mul(loop.count, constant(4))
    source, target = builder.add(du, offset), builder.add(dw, offset)

    def column(j: int) -> Vectors:
        places = [_step(builder, source, point, i * len(g_columns) + j) for i in range(len(g_rows))]
        values = [emit.load_vector(place, 0, masked=False) for place in places]
        return [sums.of(factors, values) for factors in zip(*g_rows)]

    columns, check = [column(j) for j in range(len(g_columns))], None
    for a in range(shape.row_taps):
        for b, factors in enumerate(zip(*g_columns)):
            value = sums.of(factors, [values[a] for values in columns])
            emit.store_vector(value, _step(builder, target, tap, a * shape.column_taps + b), 0)
            check = builder.fmul(value, emit.zero) if check is None else emit.multiply_add(value, emit.zero, check)
    builder.store(builder.fadd(builder.load(seen), check), seen)
    loop.end(filters)
    _note(emit, seen, fine)


_EMITTERS: dict[int, Callable[..., None]] = {
    INPUT: _emit_input, WEIGHTS: _emit_weights, GRADIENT: _emit_gradient, TAPS: _emit_taps,
}  # fmt: skip
_TWINS: dict[int, Callable[..., None]] = {
    INPUT: twins.input_tiles, WEIGHTS: twins.weights, OUTPUT: twins.output_tiles, GRADIENT: twins.gradient_tiles,
    TAPS: twins.taps,
}  # fmt: skip
_NAMES = {INPUT: "input", WEIGHTS: "weights", OUTPUT: "output", GRADIENT: "gradient", TAPS: "taps"}


def emit_transform(builder: ir.IRBuilder, shape: Transform, arguments: Vectors, context: Any = None) -> None:
    """Emit a micro-kernel."""
    if shape.kind == OUTPUT:
        _emit_output(builder, shape, arguments, ending_function(context, shape.ending, 4, shape.slope))
    else:
        _EMITTERS[shape.kind](builder, shape, arguments)


@intrinsic(prefer_literal=True)
def _transform(
    typing_context, kind, rows, columns, all_rows, all_columns, row_taps, column_taps, lanes, vectors, masked, ending,
    slope, a0, a1, a2, a3, a4, a5, a6, a7, a8, a9,
):  # fmt: skip
    numbers = (
        kind, rows, columns, all_rows, all_columns, row_taps, column_taps, lanes, vectors, masked, ending, slope,
    )  # fmt: skip
    if not all(isinstance(number, types.IntegerLiteral) for number in numbers):
        return None
    shape = Transform(*(number.literal_value for number in numbers))
    signature = types.void(*numbers, *[types.intp] * TRANSFORM_ARGUMENTS)

    def emit(context, builder, *values):
        emit_transform(builder, shape, list(values[len(shape) :]), context)

    return code(signature, emit, in_context=True)


def transform_address(shape: Transform) -> int:
    """Address of the compiled micro-kernel; compiled on first use."""
    size = (
        f"{shape.rows}x{shape.columns}of{shape.all_rows}x{shape.all_columns}_taps{shape.row_taps}x{shape.column_taps}"
    )
    ending = ENDINGS[shape.ending] + (f"_{shape.slope:x}" if shape.slope else "")
    ending = ("_masked" if shape.masked else "") + ending
    name = f"winograd_{_NAMES[shape.kind]}_{size}_{shape.vectors * shape.lanes}{ending}"
    return micro_kernel_address(name, _transform, _TWINS[shape.kind], shape, TRANSFORM_ARGUMENTS)

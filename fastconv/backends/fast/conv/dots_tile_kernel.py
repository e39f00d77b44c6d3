"""The micro-kernel of few filters: every result is a dot of a window with the weights of a filter.

A tile is `rows` pixels × `filters`. The lanes of a sum run along the segments of a window, which are consecutive
numbers of x, and of the weights of each filter too; they are added up at the end::

    c[i, f] = init[i, f] + sum over segments r, sum over k < length:  a(r, i, k) * b(f, r, k)

So a vector of x is multiplied by all filters, and no lane is empty but in the last vector of a segment. The arguments
are those of `machine.tile` in PACKED mode, except that `ak` is the bytes from one filter to the next; nothing is asked
for ahead. The readable twin is `machine.twins.dots_product`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from fastconv.backends.fast.machine.emitter import ADDS, ENDINGS, Emitter, across, constant
from fastconv.backends.fast.machine.endings import ending_function
from fastconv.backends.fast.machine.intrinsics import TILE_ARGUMENTS
from fastconv.backends.fast.machine.jit import code
from fastconv.backends.fast.machine.kernel import micro_kernel_address
from fastconv.backends.fast.machine.partial_sums import MOST, emit_sums
from fastconv.backends.fast.machine.twins import dots_product

_I32, _I64 = ir.IntType(32), ir.IntType(64)
Values = list[ir.Value]


class DotsTile(NamedTuple):
    """Shape of a micro-kernel: pixels, filters, lanes of a vector, bytes of a number; others as in `machine.tile`."""

    rows: int
    filters: int
    lanes: int
    itemsize: int
    ending: int = 0
    slope: int = 0


def emit_dots_tile(builder: ir.IRBuilder, tile: DotsTile, arguments: Values, context: Any = None) -> None:
    """Emit the loops over whole vectors of all segments, and over what is left of each; then the results."""
    segments, offsets, length, a, ai, filter_bytes, b, _, init, init_row, c, c_row, _, _, _, beside = arguments
    rows, filters, count = range(tile.rows), range(tile.filters), tile.rows * tile.filters
    vector, segment_bytes = constant(tile.lanes * tile.itemsize), builder.mul(length, constant(tile.itemsize))
    whole, rest = builder.udiv(length, constant(tile.lanes)), builder.urem(length, constant(tile.lanes))
    row_offsets = [builder.mul(ai, constant(i)) for i in rows]
    filter_offsets = [builder.mul(filter_bytes, constant(f)) for f in filters]

    def loops(emit: Emitter, steps: ir.Value, first: ir.Value) -> Values:
        """Sums over so many vectors of each segment, from a byte of it on."""

        def load(address: ir.Value) -> ir.Value:
            loaded = emit.load_vector(address, 0)
            # what is loaded lane by lane has a number in every lane
            return builder.select(emit.mask, loaded, emit.zero) if emit.places else loaded

        def enter(segment: Values) -> Values:
            table, b_segment = segment
            start = builder.load(builder.inttoptr(table, _I64.as_pointer()))
            return [builder.add(builder.add(a, start), first), builder.add(b_segment, first)]

        def step(places: Values, sums: Values) -> tuple[Values, Values]:
            weights = [load(builder.add(places[1], offset)) for offset in filter_offsets]
            following = []
            for i in rows:
                numbers = load(builder.add(places[0], row_offsets[i]))
                of_row = sums[i * tile.filters : (i + 1) * tile.filters]
                following += [emit.multiply_add(numbers, other, total) for other, total in zip(weights, of_row)]
            return [builder.add(place, vector) for place in places], following

        def leave(segment: Values, _: Values) -> Values:
            return [builder.add(segment[0], constant(8)), builder.add(segment[1], segment_bytes)]

        return emit_sums(emit, count, segments, steps, MOST, [offsets, b], enter, step, leave)

    plain = Emitter(builder, tile.itemsize, lanes=tile.lanes)
    sums = _where(builder, whole, [plain.zero] * count, lambda: loops(plain, whole, constant(0)))

    def with_rest() -> Values:
        masked = Emitter(builder, tile.itemsize, lanes=tile.lanes, tail=rest)
        left = loops(masked, constant(1), builder.mul(whole, vector))
        return [builder.fadd(total, value) for total, value in zip(sums, left)]

    sums = _where(builder, rest, sums, with_rest)
    _store(builder, tile, sums, (init, init_row, c, c_row, beside), context)


def _where(builder: ir.IRBuilder, count: ir.Value, otherwise: Values, emit: Callable[[], Values]) -> Values:
    """Values of what is emitted, which runs where a count is not zero, or others."""
    before, taken, after = builder.block, builder.append_basic_block("some"), builder.append_basic_block("after")
    builder.cbranch(builder.icmp_signed("!=", count, constant(0)), taken, after)
    builder.position_at_end(taken)
    values = emit()
    last = builder.block
    builder.branch(after)
    builder.position_at_end(after)
    found = []
    for value, other in zip(values, otherwise):
        phi = builder.phi(value.type)
        phi.add_incoming(value, last)
        phi.add_incoming(other, before)
        found.append(phi)
    return found


def _store(builder: ir.IRBuilder, tile: DotsTile, sums: Values, places: tuple[ir.Value, ...], context: Any) -> None:
    """Add up the lanes of all sums, and make results of them."""
    init, init_row, c, c_row, beside = places
    function = ending_function(context, tile.ending, tile.itemsize, tile.slope)
    emit = Emitter(builder, tile.itemsize, lanes=tile.lanes, tail=constant(tile.filters), function=function)
    results, c_rows = [], [builder.add(c, builder.mul(c_row, constant(i))) for i in range(tile.rows)]
    for i in range(tile.rows):
        total = emit.zero
        for f in range(tile.filters):
            number = across(builder, sums[i * tile.filters + f], tile.lanes)
            total = builder.insert_element(total, number, ir.Constant(_I32, f))
        start = emit.load_vector(builder.add(init, builder.mul(init_row, constant(i))), 0)
        total = builder.fadd(start, total)
        if tile.ending & ADDS:
            total = builder.fadd(total, emit.load_vector(builder.add(c_rows[i], beside), 0))
        results.append(total)
    for row, value in zip(c_rows, emit.ended(results, tile.ending)):
        emit.store_vector(value, row, 0)


@intrinsic(prefer_literal=True)
def _dots_tile(
    typing_context, rows, filters, lanes, itemsize, ending, slope,
    segments, offsets, length, a, ai, ak, b, bk, init, init_row, c, c_row, tail, ahead, ahead_k, beside,
):  # fmt: skip
    shape = (rows, filters, lanes, itemsize, ending, slope)
    if not all(isinstance(number, types.IntegerLiteral) for number in shape):
        return None
    tile = DotsTile(*(number.literal_value for number in shape))
    signature = types.void(*shape, *[types.intp] * TILE_ARGUMENTS)

    def emit(context, builder, *values):
        emit_dots_tile(builder, tile, list(values[len(tile) :]), context)

    return code(signature, emit, in_context=True)


def dots_tile_address(tile: DotsTile) -> int:
    """Address of the compiled micro-kernel; compiled on first use."""
    ending = ENDINGS[tile.ending] + (f"_{tile.slope:x}" if tile.slope else "")
    name = f"tile_dots{tile.rows}x{tile.filters}_f{8 * tile.itemsize}{ending}"
    return micro_kernel_address(name, _dots_tile, dots_product, tile, TILE_ARGUMENTS)

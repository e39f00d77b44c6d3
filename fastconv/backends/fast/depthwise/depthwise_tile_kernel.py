"""The micro-kernels of depthwise convolution: one lane for each channel, and windows that tile.

A depthwise convolution multiplies each number of x with as many weights as there are taps, and with nothing else, so
that loading it once for each tap takes as long as the arithmetic. Here it is loaded once for all taps of a kernel row
that meet in it. There are three kinds, each of which goes over `rows` rows of an image:

``WINDOWS`` : forward and input gradient. `pixels` results side by side stay in registers::

    y[r, p] = init + sum over kernel rows h, taps k:  x[r, h, p * stride + k] * weight[h, k]

    A table of pairs of byte offsets says where the kernel rows of x and of the weights are, as in
    `machine.tile`.

``ROLLING`` : the same, at stride 1. A row of x is loaded once for all `runs` kernel rows: the results of as many rows
    of y stay in registers. Of the rows of x that meet y, those from `first` to before `last` are inside of it.

    In both kinds, the first `before` and the last `after` cells of a row are outside of x.

``TAPS`` : weight gradient. The sums of `runs` kernel rows stay in registers, `pixels` are done at a time::

    gradient[h, k] += sum over rows r, pixels p < count:  x[r, h, p * stride + k] * dy[r, p]

Taps, stride and kernel rows are a part of the code, so that which number meets which weight is known when it is made.
The readable twins are `machine.twins.depthwise_windows`, `depthwise_rolling` and `depthwise_taps`.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any, NamedTuple

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from fastconv.backends.fast.machine.emitter import ENDINGS, Emitter, Loop, constant
from fastconv.backends.fast.machine.endings import ending_function
from fastconv.backends.fast.machine.intrinsics import DEPTHWISE_TILE_ARGUMENTS
from fastconv.backends.fast.machine.jit import code
from fastconv.backends.fast.machine.kernel import micro_kernel_address
from fastconv.backends.fast.machine.partial_sums import MOST, emit_sums
from fastconv.backends.fast.machine.twins import depthwise_rolling, depthwise_taps, depthwise_windows

WINDOWS, TAPS, ROLLING = range(3)

_I64 = ir.IntType(64)


class DepthwiseTile(NamedTuple):
    """Shape of a micro-kernel; `ending` and `slope` are as in `machine.tile`."""

    kind: int
    pixels: int
    vectors: int
    lanes: int
    itemsize: int
    masked: int
    taps: int
    stride: int
    runs: int = 1
    ending: int = 0
    slope: int = 0
    before: int = 0
    after: int = 0


def _after(builder: ir.IRBuilder, address: ir.Value, step: ir.Value, times: int) -> ir.Value:
    """Address `times` steps on."""
    return builder.add(address, builder.mul(step, constant(times))) if times else address


def _cells(
    emit: Emitter, tile: DepthwiseTile, x: ir.Value, cell: ir.Value
) -> Iterator[tuple[ir.Value, int, list[tuple[int, int]]]]:
    """Vector j of every cell of one kernel row, with j and the (pixel, tap) that meet in it."""
    for number in range(tile.before, (tile.pixels - 1) * tile.stride + tile.taps - tile.after):
        pairs = [(p, number - p * tile.stride) for p in range(tile.pixels)]
        meeting = [(p, k) for p, k in pairs if 0 <= k < tile.taps]
        place = _after(emit.builder, x, cell, number)
        for j in range(tile.vectors if meeting else 0):
            yield emit.load_vector(place, j), j, meeting


def _emit_windows(emit: Emitter, tile: DepthwiseTile, arguments: list[ir.Value]) -> None:
    rows, segments, offsets, x, cell, x_row, b, b_k, init, c, c_pixel, c_row, _ = arguments
    builder, vectors = emit.builder, range(tile.vectors)
    start = [emit.load_vector(init, j) for j in vectors]
    row = Loop(builder, "row", [x, c])
    segment = Loop(builder, "segment", [offsets, *start * tile.pixels])
    table, *sums = segment.values
    x_start = builder.add(row.values[0], builder.load(emit.pointer(table, 0, _I64)))
    b_start = builder.add(b, builder.load(emit.pointer(table, 8, _I64)))
    places = [_after(builder, b_start, b_k, k) for k in range(tile.taps)]
    weights = [[emit.load_vector(place, j, masked=False) for j in vectors] for place in places]
    for number, j, meeting in _cells(emit, tile, x_start, cell):
        for p, k in meeting:
            i = p * tile.vectors + j
            sums[i] = emit.multiply_add(number, weights[k][j], sums[i])
    segment.end(segments, [builder.add(table, constant(16)), *sums])
    sums = emit.ended(sums, tile.ending)
    for p in range(tile.pixels):
        place = _after(builder, row.values[1], c_pixel, p)
        for j in vectors:
            emit.store_vector(sums[p * tile.vectors + j], place, j)
    row.end(rows, [builder.add(value, step) for value, step in zip(row.values, (x_row, c_row))])


def _emit_rolling(emit: Emitter, tile: DepthwiseTile, arguments: list[ir.Value]) -> None:
    rows, first, last, x, cell, x_row, b, b_k, init, c, c_pixel, c_row, _ = arguments
    builder, vectors, runs = emit.builder, range(tile.vectors), range(tile.runs)
    begun = [emit.load_vector(init, j) for j in vectors] * tile.pixels
    before = constant(tile.runs - 1)  # rows of x from which on results are complete
    row = Loop(builder, "row", [x, builder.sub(c, builder.mul(c_row, before)), *begun * (tile.runs - 1)])
    x_start, y_start, *sums = row.values
    outside, sums = builder.block, [*sums, *begun]
    inside = builder.and_(builder.icmp_signed(">=", row.count, first), builder.icmp_signed("<", row.count, last))
    added = list(sums)
    with builder.if_then(inside):
        places = [_after(builder, emit.anew(b), b_k, k) for k in range(tile.runs * tile.taps)]
        weights = [[emit.load_vector(place, j, masked=False) for j in vectors] for place in places]
        for number, j, meeting in _cells(emit, tile, x_start, cell):
            for (p, k), run in product(meeting, runs):
                i = ((tile.runs - 1 - run) * tile.pixels + p) * tile.vectors + j
                added[i] = emit.multiply_add(number, weights[run * tile.taps + k][j], added[i])
        products = builder.block
    for i, value in enumerate(added):
        added[i] = builder.phi(value.type)
        added[i].add_incoming(value, products)
        added[i].add_incoming(sums[i], outside)
    done = tile.pixels * tile.vectors
    with builder.if_then(builder.icmp_signed(">=", row.count, before)):
        ended = emit.ended(added[:done], tile.ending)
        for p in range(tile.pixels):
            place = _after(builder, y_start, c_pixel, p)
            for j in vectors:
                emit.store_vector(ended[p * tile.vectors + j], place, j)
    following = [builder.add(x_start, x_row), builder.add(y_start, c_row), *added[done:]]
    row.end(builder.add(rows, before), following)


def _emit_taps(emit: Emitter, tile: DepthwiseTile, arguments: list[ir.Value]) -> None:
    rows, steps, x, cell, x_run, x_row, dy, dy_pixel, dy_row, c, c_tap, c_run, _ = arguments
    builder, vectors, runs = emit.builder, range(tile.vectors), range(tile.runs)

    def step(places: list[ir.Value], sums: list[ir.Value]) -> tuple[list[ir.Value], list[ir.Value]]:
        x_start, dy_start = places
        pixels = [_after(builder, dy_start, dy_pixel, p) for p in range(tile.pixels)]
        factors, sums = [[emit.load_vector(place, j) for j in vectors] for place in pixels], list(sums)
        for run in runs:
            for number, j, meeting in _cells(emit, tile, _after(builder, x_start, x_run, run), cell):
                for p, k in meeting:
                    i = (run * tile.taps + k) * tile.vectors + j
                    sums[i] = emit.multiply_add(number, factors[p][j], sums[i])
        next_x = _after(builder, x_start, cell, tile.pixels * tile.stride)
        return [next_x, _after(builder, dy_start, dy_pixel, tile.pixels)], sums

    def leave(row: list[ir.Value], places: list[ir.Value]) -> list[ir.Value]:
        return [builder.add(row[0], x_row), builder.add(row[1], dy_row)]

    count, most = tile.runs * tile.taps * tile.vectors, max(1, MOST // tile.pixels)
    sums = emit_sums(emit, count, rows, steps, most, [x, dy], list, step, leave)
    for run in runs:
        for k in range(tile.taps):
            place = _after(builder, _after(builder, c, c_run, run), c_tap, k)
            for j in vectors:
                total = builder.fadd(emit.load_vector(place, j), sums[(run * tile.taps + k) * tile.vectors + j])
                emit.store_vector(total, place, j)


def emit_depthwise_tile(
    builder: ir.IRBuilder, tile: DepthwiseTile, arguments: list[ir.Value], context: Any = None
) -> None:
    """Emit a micro-kernel; its last argument is the number of valid lanes in the last vector."""
    tail = arguments[-1] if tile.masked else None
    function = ending_function(context, tile.ending, tile.itemsize, tile.slope)
    emit = Emitter(builder, tile.itemsize, lanes=tile.lanes, vectors=tile.vectors, tail=tail, function=function)
    {WINDOWS: _emit_windows, TAPS: _emit_taps, ROLLING: _emit_rolling}[tile.kind](emit, tile, arguments)


@intrinsic(prefer_literal=True)
def _depthwise_tile(
    typing_context, kind, pixels, vectors, lanes, itemsize, masked, taps, stride, runs, ending, slope, before, after,
    a0, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, tail,
):  # fmt: skip
    shape = (kind, pixels, vectors, lanes, itemsize, masked, taps, stride, runs, ending, slope, before, after)
    if not all(isinstance(number, types.IntegerLiteral) for number in shape):
        return None
    tile = DepthwiseTile(*(number.literal_value for number in shape))
    signature = types.void(*shape, *[types.intp] * DEPTHWISE_TILE_ARGUMENTS)

    def emit(context, builder, *values):
        emit_depthwise_tile(builder, tile, list(values[len(tile) :]), context)

    return code(signature, emit, in_context=True)


def depthwise_tile_address(tile: DepthwiseTile) -> int:
    """Address of the compiled micro-kernel; compiled on first use."""
    what = f"{('windows', 'taps', 'rolling')[tile.kind]}{tile.runs}x{tile.taps}"
    size = f"{tile.pixels}x{tile.vectors * tile.lanes}_f{8 * tile.itemsize}"
    size += f"_edges{tile.before}_{tile.after}" if tile.before or tile.after else ""
    ending = ENDINGS[tile.ending] + (f"_{tile.slope:x}" if tile.slope else "")
    name = f"depthwise_tile_{what}s{tile.stride}_{size}{'_masked' if tile.masked else ''}{ending}"
    twin = (depthwise_windows, depthwise_taps, depthwise_rolling)[tile.kind]
    return micro_kernel_address(name, _depthwise_tile, twin, tile, DEPTHWISE_TILE_ARGUMENTS)

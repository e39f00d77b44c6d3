"""The micro-kernel: one generator for every matrix product of the engine.

A *tile* is a block of `rows` × `vectors` results that stay in vector registers while the loop over the reduction runs::

    c[i, j] = init[i, j] + sum over segments r, sum over k < length:  a(r, i, k) * b(r, k, j)

The reduction is split into segments, runs of `length` numbers whose place is given by a table of byte offsets: for
convolution a segment is one kernel row of a channels-last image, KW*C consecutive numbers, so that the product reads
the im2col matrix in place and no columns are written. There are five modes, which differ in how a and b are addressed:

========  =============================  =======================  ==================================
mode      a                              b                        used for
========  =============================  =======================  ==================================
PACKED    scalar, next k 1 item on       packed, next k 1 row on  forward, input gradient
STRIDED   scalar, next row 1 item on     any step between k       weight gradient (k runs over pixels)
LANEWISE  vector: one number per lane    any step between k       depthwise, forward and gradients
ROWS      scalar, next k 1 item on       any step between k       linear layers: weights read in place
CHANNELS  vector: one number per lane    any step between k       weight gradient of small groups
========  =============================  =======================  ==================================

Small groups stand side by side in a vector, `depth` lanes each, and every lane needs each channel of its group. A
vector of a is loaded once, and shuffled for each of them: ``spread(a)[d, j] = a[j // depth * depth + d]``. In LANEWISE
mode the sum runs over these as well, and b has `depth` rows for each k; in CHANNELS mode each is a result of its own::

    c[i, j]    = init[i, j]    + sum over r, k, d < depth:  spread(a(r, i, k))[d, j] * b(r, k, d, j)
    c[i, d, j] = init[i, d, j] + sum over r, k:             spread(a(r, i, k))[d, j] * b(r, k, j)

In PACKED mode b continues from segment to segment; in the other modes the table holds pairs, one offset for a and one
for b. `tail` is the number of valid lanes in the last vector (masked tiles only). Step k, counted over all segments,
asks for the cache line at ``ahead + k * ahead_k``: data that a later tile needs and that may be beyond the L2 cache.
The readable twin is `machine.twins.tile_product`.

The whole loop nest is emitted as LLVM IR by one intrinsic, because accumulators are then SSA values that cannot spill
by accident, and because Numba sees a single call: a tile compiles in 0.1 s.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from fastconv.backends.fast.machine.emitter import ADDS, ENDINGS, Emitter, constant, prefetch_line
from fastconv.backends.fast.machine.endings import ending_function
from fastconv.backends.fast.machine.intrinsics import TILE_ARGUMENTS
from fastconv.backends.fast.machine.jit import code
from fastconv.backends.fast.machine.kernel import micro_kernel_address
from fastconv.backends.fast.machine.partial_sums import MOST, emit_sums
from fastconv.backends.fast.machine.twins import tile_product

PACKED, STRIDED, LANEWISE, ROWS, CHANNELS = range(5)

_I64 = ir.IntType(64)


class Tile(NamedTuple):
    """Shape of a micro-kernel: mode, rows, vectors, lanes per vector, bytes per number, masked last vector.

    With `stream`, results go past the caches: for results that are larger than the caches and are not read again soon.
    Their rows then start on cache lines, and no vector is masked. A `compensated` one adds what is rounded off where c
    is made to the numbers `lost` bytes behind those of c: for reductions of very many chunks. One with an `ending` adds
    the numbers that are there to its results, takes an activation function of them, or both; `slope` are the bits of
    the number, in float64, that belongs to that. `depth` is that of small groups side by side.
    """

    mode: int
    rows: int
    vectors: int
    lanes: int
    itemsize: int
    masked: int
    stream: int = 0
    compensated: int = 0
    ending: int = 0
    slope: int = 0
    depth: int = 1

    @property
    def width(self) -> int:
        """Results per row."""
        return self.vectors * self.lanes

    @property
    def result_rows(self) -> int:
        """Rows of results."""
        return self.rows * self.depth if self.mode == CHANNELS else self.rows

    @property
    def summed(self) -> int:
        """Rows of b, and terms of each sum, for every k."""
        return 1 if self.mode == CHANNELS else self.depth


def emit_tile(builder: ir.IRBuilder, tile: Tile, arguments: list[ir.Value], context: Any = None) -> None:
    """Emit the loop nest: over segments, over k, and inside it rows × vectors multiply-adds; then the results."""
    segments, offsets, length, a, ai, ak, b, bk, init, init_row, c, c_row, tail, ahead, ahead_k, lost = arguments
    tail = tail if tile.masked else None
    function = ending_function(context, tile.ending, tile.itemsize, tile.slope)
    emit = Emitter(
        builder, tile.itemsize, lanes=tile.lanes, vectors=tile.vectors, tail=tail, stream=tile.stream, function=function
    )
    rows, vectors, item = range(tile.rows), range(tile.vectors), constant(tile.itemsize)
    by_lane = tile.mode in (LANEWISE, CHANNELS)
    if tile.mode == PACKED:
        ak, bk = item, constant(tile.width * tile.itemsize)
    if tile.mode == ROWS:
        ak = item
    if tile.mode == STRIDED:
        ai = item
    row_offsets = [builder.mul(ai, constant(i)) for i in rows]
    # a vector that is loaded lane by lane comes first: a lanewise tile of NEON spills where it comes last
    order = vectors[::-1] if by_lane and emit.places else vectors
    # channels of a group that are multiplied together: more at a time, and what is shuffled early would spill
    half = tile.summed // 2
    parts = [(d, d + half) for d in range(half)] if half else [tuple(range(tile.depth))]
    b_lines = [builder.mul(bk, constant(d)) for d in range(tile.summed + 1)]

    def enter(segment: list[ir.Value]) -> list[ir.Value]:
        table, b_running, needed = segment
        a_start = builder.add(a, builder.load(builder.inttoptr(table, _I64.as_pointer())))
        if tile.mode != PACKED:
            b_running = builder.add(b, builder.load(emit.pointer(table, 8, _I64)))
        return [a_start, b_running, needed]

    def step(places: list[ir.Value], sums: list[ir.Value]) -> tuple[list[ir.Value], list[ir.Value]]:
        a_k, b_k, needed = places
        prefetch_line(builder, needed)
        following = list(sums)
        for together in parts:
            if together[0]:
                a_k, b_k = emit.anew(a_k), emit.anew(b_k)
            b_rows = {d: builder.add(b_k, b_lines[d]) if d else b_k for d in together[: tile.summed]}
            b_vectors = {
                d: [emit.load_vector(row, j, masked=tile.mode != PACKED) for j in vectors] for d, row in b_rows.items()
            }
            for i in rows:
                a_row = builder.add(a_k, row_offsets[i]) if i else a_k
                spread = None if by_lane else emit.broadcast(a_row)
                for j in order:
                    vector = spread if spread is not None else emit.load_vector(a_row, j)
                    for d in together:
                        row, b_row = (i, d) if tile.summed > 1 else (i * tile.depth + d, 0)
                        number, factor = row * tile.vectors + j, emit.of_group(vector, tile.depth, d)
                        following[number] = emit.multiply_add(factor, b_vectors[b_row][j], following[number])
        return [builder.add(a_k, ak), builder.add(b_k, b_lines[-1]), builder.add(needed, ahead_k)], following

    def leave(segment: list[ir.Value], places: list[ir.Value]) -> list[ir.Value]:
        return [builder.add(segment[0], constant(8 if tile.mode == PACKED else 16)), *places[1:]]

    count, most = tile.result_rows * tile.vectors, MOST // tile.summed
    sums = emit_sums(emit, count, segments, length, most, [offsets, b, ahead], enter, step, leave)
    c_rows = [builder.add(c, builder.mul(c_row, constant(i))) for i in range(tile.result_rows)]
    totals = []
    for i in range(tile.result_rows):
        init_address = builder.add(init, builder.mul(init_row, constant(i)))
        for j in vectors:
            start, part = emit.load_vector(init_address, j), sums[i * tile.vectors + j]
            total = builder.fadd(start, part)
            if tile.compensated:
                _emit_lost(emit, start, part, total, builder.add(c_rows[i], lost), j)
            if tile.ending & ADDS:
                total = builder.fadd(total, emit.load_vector(builder.add(c_rows[i], lost), j))
            totals.append(total)
    for number, value in enumerate(emit.ended(totals, tile.ending)):
        emit.store_vector(value, c_rows[number // tile.vectors], number % tile.vectors)


def _emit_lost(emit: Emitter, start: ir.Value, part: ir.Value, total: ir.Value, address: ir.Value, j: int) -> None:
    """Add what ``start + part`` rounds off, exactly (Knuth 1969, volume 2, 4.2.2), to vector j at an address.

    Where the total is not finite, that is not a number, and nothing is added.
    """
    builder = emit.builder
    taken = builder.fsub(total, start)
    rest = builder.fadd(builder.fsub(start, builder.fsub(total, taken)), builder.fsub(part, taken))
    known = builder.select(builder.fcmp_ordered("ord", rest, rest), rest, emit.zero)
    emit.store_vector(builder.fadd(emit.load_vector(address, j), known), address, j)


@intrinsic(prefer_literal=True)
def _tile(
    typing_context, mode, rows, vectors, lanes, itemsize, masked, stream, compensated, ending, slope, depth,
    segments, offsets, length, a, ai, ak, b, bk, init, init_row, c, c_row, tail, ahead, ahead_k, lost,
):  # fmt: skip
    shape = (mode, rows, vectors, lanes, itemsize, masked, stream, compensated, ending, slope, depth)
    if not all(isinstance(number, types.IntegerLiteral) for number in shape):
        return None
    tile = Tile(*(number.literal_value for number in shape))
    signature = types.void(*shape, *[types.intp] * TILE_ARGUMENTS)

    def emit(context, builder, *values):
        emit_tile(builder, tile, list(values[len(tile) :]), context)

    return code(signature, emit, in_context=True)


def tile_address(tile: Tile) -> int:
    """Address of the compiled micro-kernel; compiled on first use."""
    kind = ("_masked" if tile.masked else "_stream" if tile.stream else "") + "_compensated" * tile.compensated
    kind += ENDINGS[tile.ending] + (f"_{tile.slope:x}" if tile.slope else "")
    kind += f"_groups{tile.depth}" if tile.depth > 1 else ""
    name = f"tile_{'pslrc'[tile.mode]}{tile.rows}x{tile.width}_f{8 * tile.itemsize}{kind}"
    return micro_kernel_address(name, _tile, tile_product, tile, TILE_ARGUMENTS)

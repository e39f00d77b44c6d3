"""The micro-kernel: one generator for every matrix product of the engine.

A *tile* is a block of `rows` × `vectors` results that stay in vector registers while the loop over the reduction runs::

    c[i, j] = init[i, j] + sum over segments r, sum over k < length:  a(r, i, k) * b(r, k, j)

The reduction is split into segments, runs of `length` numbers whose place is given by a table of byte offsets: for
convolution a segment is one kernel row of a channels-last image, KW*C consecutive numbers, so that the product reads
the im2col matrix in place and no columns are written. There are four modes, which differ in how a and b are addressed:

========  =============================  =======================  ==================================
mode      a                              b                        used for
========  =============================  =======================  ==================================
PACKED    scalar, next k 1 item on       packed, next k 1 row on  forward, input gradient
STRIDED   scalar, next row 1 item on     any step between k       weight gradient (k runs over pixels)
LANEWISE  vector: one number per lane    any step between k       depthwise, forward and gradients
ROWS      scalar, next k 1 item on       any step between k       linear layers: weights read in place
========  =============================  =======================  ==================================

In PACKED mode b continues from segment to segment; in the other modes the table holds pairs, one offset for a and one
for b. `tail` is the number of valid lanes in the last vector (masked tiles only). Step k asks for the cache line at
``ahead + k * ahead_k``, data that a later tile needs and that may be beyond the L2 cache. The readable twin is
`fastconv.kernels.twins.tile_product`.

The whole loop nest is emitted as LLVM IR by one intrinsic, because accumulators are then SSA values that cannot spill
by accident, and because Numba sees a single call: a tile compiles in 0.1 s.
"""

from __future__ import annotations

from functools import cache, partial
from typing import NamedTuple

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from fastconv.kernels.emitter import Emitter
from fastconv.kernels.jit import INTERPRETED, LOCK, REVISION, c_function
from fastconv.kernels.memory import TILE_ARGUMENTS
from fastconv.kernels.twins import tile_product

__all__ = ["LANEWISE", "PACKED", "ROWS", "STRIDED", "Tile", "emit_tile", "tile_address"]

PACKED, STRIDED, LANEWISE, ROWS = 0, 1, 2, 3

_I64 = ir.IntType(64)


class Tile(NamedTuple):
    """Shape of a micro-kernel: mode, rows, vectors, lanes per vector, bytes per number, masked last vector.

    With `stream`, results go past the caches: for results that are larger than the caches and are not read again soon.
    Their rows then start on cache lines, and no vector is masked.
    """

    mode: int
    rows: int
    vectors: int
    lanes: int
    itemsize: int
    masked: int
    stream: int = 0

    @property
    def width(self) -> int:
        """Results per row."""
        return self.vectors * self.lanes


def emit_tile(builder: ir.IRBuilder, tile: Tile, arguments: list[ir.Value]) -> None:
    """Emit the loop nest: over segments, over k, and inside it rows × vectors multiply-adds."""
    segments, offsets, length, a, ai, ak, b, bk, init, init_row, c, c_row, tail, ahead, ahead_k = arguments
    emit = Emitter(builder, tile, tail)
    rows, vectors, item = range(tile.rows), range(tile.vectors), ir.Constant(_I64, tile.itemsize)
    if tile.mode == PACKED:
        ak, bk = item, ir.Constant(_I64, tile.width * tile.itemsize)
    if tile.mode == ROWS:
        ak = item
    if tile.mode == STRIDED:
        ai = item
    row_offsets = [builder.mul(ai, ir.Constant(_I64, i)) for i in rows]

    before = builder.block
    segment_loop, k_loop = builder.append_basic_block("segment"), builder.append_basic_block("k")
    segment_end, done = builder.append_basic_block("segment_end"), builder.append_basic_block("done")
    builder.branch(segment_loop)

    builder.position_at_end(segment_loop)
    r, table, b_running = builder.phi(_I64), builder.phi(_I64), builder.phi(_I64)
    outer = [builder.phi(emit.vector) for _ in rows for _ in vectors]
    for phi, value in zip([r, table, b_running, *outer], [ir.Constant(_I64, 0), offsets, b, *[emit.zero] * len(outer)]):
        phi.add_incoming(value, before)
    a_start = builder.add(a, builder.load(builder.inttoptr(table, _I64.as_pointer())))
    b_start = b_running
    if tile.mode != PACKED:
        b_start = builder.add(b, builder.load(emit.pointer(table, 8, _I64)))
    builder.branch(k_loop)

    builder.position_at_end(k_loop)
    k, a_k, b_k = builder.phi(_I64), builder.phi(_I64), builder.phi(_I64)
    inner = [builder.phi(emit.vector) for _ in outer]
    for phi, value in zip([k, a_k, b_k, *inner], [ir.Constant(_I64, 0), a_start, b_start, *outer]):
        phi.add_incoming(value, segment_loop)
    emit.prefetch(builder.add(ahead, builder.mul(k, ahead_k)))
    b_vectors = [emit.load_vector(b_k, j, masked=tile.mode != PACKED) for j in vectors]
    sums = []
    for i in rows:
        a_row = builder.add(a_k, row_offsets[i]) if i else a_k
        spread = emit.broadcast(a_row) if tile.mode != LANEWISE else None
        for j in vectors:
            factor = spread if spread is not None else emit.load_vector(a_row, j)
            sums.append(emit.multiply_add(factor, b_vectors[j], inner[i * tile.vectors + j]))
    next_k, next_a, next_b = builder.add(k, ir.Constant(_I64, 1)), builder.add(a_k, ak), builder.add(b_k, bk)
    for phi, value in zip([k, a_k, b_k, *inner], [next_k, next_a, next_b, *sums]):
        phi.add_incoming(value, k_loop)
    builder.cbranch(builder.icmp_signed("<", next_k, length), k_loop, segment_end)

    builder.position_at_end(segment_end)
    next_r = builder.add(r, ir.Constant(_I64, 1))
    next_table = builder.add(table, ir.Constant(_I64, 8 if tile.mode == PACKED else 16))
    for phi, value in zip([r, table, b_running, *outer], [next_r, next_table, next_b, *sums]):
        phi.add_incoming(value, segment_end)
    builder.cbranch(builder.icmp_signed("<", next_r, segments), segment_loop, done)

    builder.position_at_end(done)
    for i in rows:
        init_address = builder.add(init, builder.mul(init_row, ir.Constant(_I64, i)))
        c_address = builder.add(c, builder.mul(c_row, ir.Constant(_I64, i)))
        for j in vectors:
            total = builder.fadd(emit.load_vector(init_address, j), sums[i * tile.vectors + j])
            emit.store_vector(total, c_address, j)


@intrinsic(prefer_literal=True)
def _tile(
    typing_context, mode, rows, vectors, lanes, itemsize, masked, stream,
    segments, offsets, length, a, ai, ak, b, bk, init, init_row, c, c_row, tail, ahead, ahead_k,
):  # fmt: skip
    shape = (mode, rows, vectors, lanes, itemsize, masked, stream)
    if not all(isinstance(number, types.IntegerLiteral) for number in shape):
        return None
    tile = Tile(*(number.literal_value for number in shape))

    def codegen(context, builder, signature, arguments):
        emit_tile(builder, tile, arguments[len(tile) :])
        return context.get_dummy_value()

    return types.void(*shape, *[types.intp] * TILE_ARGUMENTS), codegen


@cache
def _compiled(tile: Tile):
    revision = REVISION
    mode, rows, vectors, lanes, itemsize, masked, stream = tile

    def kernel(segments, offsets, length, a, ai, ak, b, bk, init, init_row, c, c_row, tail, ahead, ahead_k):
        revision  # noqa: B018 (a part of the cache key)
        _tile(
            mode, rows, vectors, lanes, itemsize, masked, stream,
            segments, offsets, length, a, ai, ak, b, bk, init, init_row, c, c_row, tail, ahead, ahead_k,
        )  # fmt: skip

    kind = "_masked" if masked else "_stream" if stream else ""
    name = f"tile_{'pslr'[mode]}{rows}x{vectors * lanes}_f{8 * itemsize}{kind}"
    if INTERPRETED:
        return c_function(name, "", partial(tile_product, tile))
    return c_function(name, f"void({', '.join(['intp'] * TILE_ARGUMENTS)})", kernel)


def tile_address(tile: Tile) -> int:
    """Address of the compiled micro-kernel; compiled on first use."""
    with LOCK:
        return _compiled(tile).address

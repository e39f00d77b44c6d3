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
from numba.core import cgutils, types
from numba.extending import intrinsic

from fastconv.kernels.jit import INTERPRETED, LOCK, REVISION, c_function
from fastconv.kernels.memory import TILE_ARGUMENTS
from fastconv.kernels.twins import tile_product

__all__ = ["LANEWISE", "PACKED", "ROWS", "STRIDED", "Emitter", "Tile", "emit_tile", "tile_address"]

PACKED, STRIDED, LANEWISE, ROWS = 0, 1, 2, 3

_I1, _I32, _I64 = ir.IntType(1), ir.IntType(32), ir.IntType(64)


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


class Emitter:
    """Typed helpers around an LLVM builder for one tile."""

    def __init__(self, builder: ir.IRBuilder, tile: Tile, tail: ir.Value) -> None:
        self.builder, self.tile = builder, tile
        self.scalar = ir.FloatType() if tile.itemsize == 4 else ir.DoubleType()
        self.vector = ir.VectorType(self.scalar, tile.lanes)
        self.suffix = f"v{tile.lanes}f{8 * tile.itemsize}"
        self.undefined = ir.Constant(self.vector, ir.Undefined)
        self.zero = ir.Constant(self.vector, [0.0] * tile.lanes)
        self.spread = ir.Constant(ir.VectorType(_I32, tile.lanes), [0] * tile.lanes)
        self.mask = self._mask(tail) if tile.masked else None
        self.places = self._places(tail) if tile.masked and tile.lanes * tile.itemsize <= 16 else []

    def _mask(self, tail: ir.Value) -> ir.Value:
        """Lanes below `tail`."""
        lanes = self.tile.lanes
        integers = ir.VectorType(_I64, lanes)
        undefined = ir.Constant(integers, ir.Undefined)
        bound = self.builder.insert_element(undefined, tail, ir.Constant(_I32, 0))
        bound = self.builder.shuffle_vector(bound, undefined, self.spread)
        return self.builder.icmp_signed("<", ir.Constant(integers, list(range(lanes))), bound)

    def _places(self, tail: ir.Value) -> list[ir.Value]:
        """Byte offsets of the lanes in memory; those beyond `tail` are at the last valid one."""
        last, item = self.builder.sub(tail, ir.Constant(_I64, 1)), ir.Constant(_I64, self.tile.itemsize)
        numbers = [ir.Constant(_I64, lane) for lane in range(self.tile.lanes)]
        valid = [self.builder.icmp_signed("<", number, last) for number in numbers]
        return [self.builder.mul(self.builder.select(*pair, last), item) for pair in zip(valid, numbers)]

    def intrinsic(self, name: str, result: ir.Type, arguments: list[ir.Value]) -> ir.Value:
        """Call an LLVM intrinsic by its full name."""
        function = ir.FunctionType(result, [argument.type for argument in arguments])
        return self.builder.call(cgutils.get_or_insert_function(self.builder.module, function, name), arguments)

    def pointer(self, address: ir.Value, offset: int, kind: ir.Type) -> ir.Value:
        """Pointer to a `kind`, `offset` bytes after an address."""
        if offset:
            address = self.builder.add(address, ir.Constant(_I64, offset))
        return self.builder.inttoptr(address, kind.as_pointer())

    def vector_bytes(self, j: int) -> int:
        """Byte offset of vector number j of a row."""
        return j * self.tile.lanes * self.tile.itemsize

    def is_masked(self, j: int) -> bool:
        """Whether vector number j has lanes that must not be touched."""
        return self.mask is not None and j == self.tile.vectors - 1

    def load_vector(self, address: ir.Value, j: int, *, masked: bool = True) -> ir.Value:
        """Vector number j of the row at an address; what lanes beyond the tail hold is never stored."""
        pointer = self.pointer(address, self.vector_bytes(j), self.vector)
        if masked and self.is_masked(j) and self.places:
            return self._load_lanes(address, j)
        if masked and self.is_masked(j):
            arguments = [pointer, ir.Constant(_I32, self.tile.itemsize), self.mask, self.zero]
            return self.intrinsic(f"llvm.masked.load.{self.suffix}.p0", self.vector, arguments)
        return self.builder.load(pointer, align=self.tile.itemsize)

    def _load_lanes(self, address: ir.Value, j: int) -> ir.Value:
        """The same number by number: SSE2 and NEON have no masked loads, LLVM makes a branch per lane of them."""
        vector = self.undefined
        for lane, place in enumerate(self.places):
            pointer = self.pointer(self.builder.add(address, place), self.vector_bytes(j), self.scalar)
            number = self.builder.load(pointer, align=self.tile.itemsize)
            vector = self.builder.insert_element(vector, number, ir.Constant(_I32, lane))
        return vector

    def store_vector(self, value: ir.Value, address: ir.Value, j: int) -> None:
        """Store vector number j of the row at an address; lanes beyond the tail are left alone."""
        pointer = self.pointer(address, self.vector_bytes(j), self.vector)
        if self.is_masked(j):
            arguments = [value, pointer, ir.Constant(_I32, self.tile.itemsize), self.mask]
            self.intrinsic(f"llvm.masked.store.{self.suffix}.p0", ir.VoidType(), arguments)
        elif self.tile.stream:
            store = self.builder.store(value, pointer, align=self.tile.lanes * self.tile.itemsize)
            store.set_metadata("nontemporal", self.builder.module.add_metadata([ir.Constant(_I32, 1)]))
        else:
            self.builder.store(value, pointer, align=self.tile.itemsize)

    def broadcast(self, address: ir.Value) -> ir.Value:
        """Vector whose lanes all hold the number at an address."""
        number = self.builder.load(self.pointer(address, 0, self.scalar), align=self.tile.itemsize)
        vector = self.builder.insert_element(self.undefined, number, ir.Constant(_I32, 0))
        return self.builder.shuffle_vector(vector, self.undefined, self.spread)

    def prefetch(self, address: ir.Value) -> None:
        """Ask for the cache line at an address; never faults."""
        pointer = self.pointer(address, 0, ir.IntType(8))
        arguments = [pointer, *(ir.Constant(_I32, number) for number in (0, 3, 1))]  # read, keep close, data
        self.intrinsic("llvm.prefetch.p0", ir.VoidType(), arguments)

    def multiply_add(self, a: ir.Value, b: ir.Value, c: ir.Value) -> ir.Value:
        """Return a * b + c."""
        # fmuladd, not fma: one instruction where the CPU has it, and no library call where it has not
        return self.intrinsic(f"llvm.fmuladd.{self.suffix}", self.vector, [a, b, c])


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

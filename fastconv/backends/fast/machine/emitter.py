"""Vectors in LLVM IR: what the generators of the micro-kernels share."""

from __future__ import annotations

from typing import Protocol

from llvmlite import ir
from numba.core import cgutils

_I32, _I64 = ir.IntType(32), ir.IntType(64)


class Shape(Protocol):
    """What the vectors of a micro-kernel are like."""

    @property
    def vectors(self) -> int:
        """Vectors of a row of results."""
        ...

    @property
    def lanes(self) -> int:
        """Numbers in a vector."""
        ...

    @property
    def itemsize(self) -> int:
        """Bytes of a number."""
        ...

    @property
    def masked(self) -> int:
        """Whether the last vector has lanes that must not be touched."""
        ...

    @property
    def stream(self) -> int:
        """Whether results go past the caches."""
        ...


class Emitter:
    """Typed helpers around an LLVM builder for one tile."""

    def __init__(self, builder: ir.IRBuilder, tile: Shape, tail: ir.Value) -> None:
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

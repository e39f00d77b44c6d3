"""Vectors in LLVM IR: what the generators of the micro-kernels share."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from llvmlite import ir
from numba.core import cgutils

from fastconv.backends.fast.machine.target import host

# What a tile does with its results before it stores them: the sum with other numbers, then one of these functions.
RELU, ADDS, RELU6, LEAKY_RELU, HARDSIGMOID, HARDSWISH, SIGMOID, SILU = (1 << bit for bit in range(8))
_FUNCTIONS = {
    RELU: "relu",
    RELU6: "relu6",
    LEAKY_RELU: "leaky_relu",
    HARDSIGMOID: "hardsigmoid",
    HARDSWISH: "hardswish",
    SIGMOID: "sigmoid",
    SILU: "silu",
}
ENDINGS = {0: "", ADDS: "_sum"}  # how each is called in the name of a tile
ENDINGS.update({adds | bit: f"{ENDINGS[adds]}_{name}" for bit, name in _FUNCTIONS.items() for adds in (0, ADDS)})

_I32, _I64 = ir.IntType(32), ir.IntType(64)


def constant(number: int) -> ir.Constant:
    """Integer that is known when the code is made."""
    return ir.Constant(_I64, number)


def prefetch_line(builder: ir.IRBuilder, address: ir.Value) -> None:
    """Ask for the cache line at an address; never faults."""
    byte = ir.IntType(8).as_pointer()
    kind = ir.FunctionType(ir.VoidType(), [byte, _I32, _I32, _I32])
    function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
    how = (ir.Constant(_I32, number) for number in (0, 3, 1))  # read, keep close, data
    builder.call(function, [builder.inttoptr(address, byte), *how])


def across(builder: ir.IRBuilder, vector: ir.Value, lanes: int) -> ir.Value:
    """Sum of the lanes of a vector: the second half added to the first, until one is left."""
    while lanes > 1:
        lanes //= 2
        halves = (ir.Constant(ir.VectorType(_I32, lanes), list(range(i, i + lanes))) for i in (0, lanes))
        vector = builder.fadd(*(builder.shuffle_vector(vector, vector, half) for half in halves))
    return builder.extract_element(vector, ir.Constant(_I32, 0))


class Loop:
    """A loop that runs at least once; its count, and the values that it carries, are phi nodes at its head."""

    def __init__(self, builder: ir.IRBuilder, name: str, start: Sequence[ir.Value] = (), step: int = 1) -> None:
        self.builder, self.step = builder, constant(step)
        before, self.head = builder.block, builder.append_basic_block(name)
        builder.branch(self.head)
        builder.position_at_end(self.head)
        self.count = builder.phi(_I64)
        self.values = [builder.phi(value.type) for value in start]
        self._take([constant(0), *start], before)

    def _take(self, values: list[ir.Value], before: ir.Block) -> None:
        for phi, value in zip([self.count, *self.values], values):
            phi.add_incoming(value, before)

    def end(self, stop: ir.Value, following: Sequence[ir.Value] = ()) -> None:
        """Go back to the head while the count is below `stop`; then go on behind it."""
        builder, count = self.builder, self.builder.add(self.count, self.step)
        self._take([count, *following], builder.block)
        done = builder.append_basic_block("done")
        builder.cbranch(builder.icmp_signed("<", count, stop), self.head, done)
        builder.position_at_end(done)


class Emitter:
    """Typed helpers around an LLVM builder for rows of vectors.

    Where the last of `vectors` has lanes that must not be touched, `tail` is the number of the others. With `stream`,
    results go past the caches. `function` emits a loop over numbers in memory, which gets an address and a count.
    """

    def __init__(
        self, builder: ir.IRBuilder, itemsize: int, *, lanes: int = 0, vectors: int = 1,
        tail: ir.Value | None = None, stream: int = 0, function: Callable[..., None] | None = None,
    ) -> None:  # fmt: skip
        self.builder, self.itemsize, self.vectors, self.stream = builder, itemsize, vectors, stream
        self.function = function
        self.lanes = lanes = lanes or host().lanes(itemsize)
        self.scalar = ir.FloatType() if itemsize == 4 else ir.DoubleType()
        self.vector = ir.VectorType(self.scalar, lanes)
        self.suffix = f"v{lanes}f{8 * itemsize}"
        self.undefined = ir.Constant(self.vector, ir.Undefined)
        self.zero = ir.Constant(self.vector, [0.0] * lanes)
        self.spread = ir.Constant(ir.VectorType(_I32, lanes), [0] * lanes)
        self.mask = None if tail is None else self._mask(tail)
        self.places = [] if tail is None or lanes * itemsize > 16 else self._places(tail)

    def _mask(self, tail: ir.Value) -> ir.Value:
        """Lanes below `tail`."""
        integers = ir.VectorType(_I64, self.lanes)
        undefined = ir.Constant(integers, ir.Undefined)
        bound = self.builder.insert_element(undefined, tail, ir.Constant(_I32, 0))
        bound = self.builder.shuffle_vector(bound, undefined, self.spread)
        return self.builder.icmp_signed("<", ir.Constant(integers, list(range(self.lanes))), bound)

    def _places(self, tail: ir.Value) -> list[ir.Value]:
        """Byte offsets of the lanes in memory; those beyond `tail` are at the last valid one."""
        last, builder = self.builder.sub(tail, constant(1)), self.builder
        lanes = [constant(lane) for lane in range(self.lanes)]
        valid = [builder.select(builder.icmp_signed("<", lane, last), lane, last) for lane in lanes]
        return [builder.mul(lane, constant(self.itemsize)) for lane in valid]

    def intrinsic(self, name: str, result: ir.Type, arguments: list[ir.Value]) -> ir.Value:
        """Call an LLVM intrinsic by its full name."""
        function = ir.FunctionType(result, [argument.type for argument in arguments])
        return self.builder.call(cgutils.get_or_insert_function(self.builder.module, function, name), arguments)

    def pointer(self, address: ir.Value, offset: int, kind: ir.Type) -> ir.Value:
        """Pointer to a `kind`, `offset` bytes after an address."""
        if offset:
            address = self.builder.add(address, constant(offset))
        return self.builder.inttoptr(address, kind.as_pointer())

    def vector_bytes(self, j: int) -> int:
        """Byte offset of vector number j of a row."""
        return j * self.lanes * self.itemsize

    def is_masked(self, j: int) -> bool:
        """Whether vector number j has lanes that must not be touched."""
        return self.mask is not None and j == self.vectors - 1

    def load_vector(self, address: ir.Value, j: int, *, masked: bool = True) -> ir.Value:
        """Vector number j of the row at an address; what lanes beyond the tail hold is never stored."""
        pointer = self.pointer(address, self.vector_bytes(j), self.vector)
        if masked and self.is_masked(j) and self.places:
            return self._load_lanes(address, j)
        if masked and self.is_masked(j):
            arguments = [pointer, ir.Constant(_I32, self.itemsize), self.mask, self.zero]
            return self.intrinsic(f"llvm.masked.load.{self.suffix}.p0", self.vector, arguments)
        return self.builder.load(pointer, align=self.itemsize)

    def _load_lanes(self, address: ir.Value, j: int) -> ir.Value:
        """The same number by number: SSE2 and NEON have no masked loads, LLVM makes a branch per lane of them."""
        vector = self.undefined
        for lane, place in enumerate(self.places):
            pointer = self.pointer(self.builder.add(address, place), self.vector_bytes(j), self.scalar)
            number = self.builder.load(pointer, align=self.itemsize)
            vector = self.builder.insert_element(vector, number, ir.Constant(_I32, lane))
        return vector

    def store_vector(self, value: ir.Value, address: ir.Value, j: int, *, masked: bool = True) -> None:
        """Store vector number j of the row at an address; lanes beyond the tail are left alone."""
        pointer = self.pointer(address, self.vector_bytes(j), self.vector)
        if masked and self.is_masked(j):
            arguments = [value, pointer, ir.Constant(_I32, self.itemsize), self.mask]
            self.intrinsic(f"llvm.masked.store.{self.suffix}.p0", ir.VoidType(), arguments)
        elif self.stream:
            store = self.builder.store(value, pointer, align=self.lanes * self.itemsize)
            store.set_metadata("nontemporal", self.builder.module.add_metadata([ir.Constant(_I32, 1)]))
        else:
            self.builder.store(value, pointer, align=self.itemsize)

    def broadcast(self, address: ir.Value) -> ir.Value:
        """Vector whose lanes all hold the number at an address."""
        number = self.builder.load(self.pointer(address, 0, self.scalar), align=self.itemsize)
        vector = self.builder.insert_element(self.undefined, number, ir.Constant(_I32, 0))
        return self.builder.shuffle_vector(vector, self.undefined, self.spread)

    def of_group(self, vector: ir.Value, depth: int, channel: int) -> ir.Value:
        """Vector with a channel of their group in all lanes, where each `depth` lanes are a group."""
        if depth == 1:
            return vector
        places = [lane // depth * depth + channel for lane in range(self.lanes)]
        return self.builder.shuffle_vector(vector, vector, ir.Constant(ir.VectorType(_I32, self.lanes), places))

    def anew(self, address: ir.Value) -> ir.Value:
        """The same address, but LLVM does not know: what it has loaded from there is loaded again, not kept."""
        return self.builder.asm(ir.FunctionType(_I64, [_I64]), "", "=r,0", [address], False)

    def ended(self, values: list[ir.Value], ending: int) -> list[ir.Value]:
        """Vectors after the function of an ending, or as they are; NaN stays."""
        if self.function is None:
            return [self._rectified(value, ending) for value in values]
        # through the stack, where a loop over all lanes is the one that the function has elsewhere, with its bits
        builder = self.builder
        memory = cgutils.alloca_once(builder, ir.ArrayType(self.vector, len(values)))
        places = [builder.gep(memory, [ir.Constant(_I32, 0), ir.Constant(_I32, i)]) for i in range(len(values))]
        for value, place in zip(values, places):
            builder.store(value, place, align=self.itemsize)
        self.function(builder, builder.ptrtoint(memory, _I64), constant(len(values) * self.lanes))
        return [builder.load(place, align=self.itemsize) for place in places]

    def _rectified(self, value: ir.Value, ending: int) -> ir.Value:
        """A vector after the ReLU or ReLU6 of an ending, or as it is."""
        builder = self.builder
        if ending & (RELU | RELU6):
            value = builder.select(builder.fcmp_unordered("ugt", value, self.zero), value, self.zero)
        if ending & RELU6:
            six = ir.Constant(self.vector, [6.0] * self.lanes)
            value = builder.select(builder.fcmp_unordered("ult", value, six), value, six)
        return value

    def multiply_add(self, a: ir.Value, b: ir.Value, c: ir.Value) -> ir.Value:
        """Return a * b + c."""
        # fmuladd, not fma: one instruction where the CPU has it, and no library call where it has not
        return self.intrinsic(f"llvm.fmuladd.{self.suffix}", self.vector, [a, b, c])


def of_vectors(
    builder: ir.IRBuilder, itemsize: int, count: ir.Value, vector: Callable[[Emitter, ir.Value], None]
) -> None:
    """``vector(row, offset)`` for every vector of `count` numbers, at byte `offset`; the last may have fewer lanes."""
    whole = Emitter(builder, itemsize)
    vectors = builder.sdiv(count, constant(whole.lanes))
    with cgutils.for_range(builder, vectors, intp=_I64) as loop:
        vector(whole, builder.mul(loop.index, constant(whole.lanes * itemsize)))
    done = builder.mul(vectors, constant(whole.lanes))
    rest = builder.sub(count, done)
    with cgutils.if_unlikely(builder, builder.icmp_signed(">", rest, constant(0))):
        vector(Emitter(builder, itemsize, tail=rest), builder.mul(done, constant(itemsize)))

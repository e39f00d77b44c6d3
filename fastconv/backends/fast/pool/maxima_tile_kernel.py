"""The micro-kernel of max pooling: groups of vectors of windows side by side, and of those below them.

    y[row, lane] = largest of  x(row, lane, tap)  over all taps

The largest taps, and which they are, stay in registers until all were read. One comparison looks for a NaN in two
vectors: where there is one the results are not right, and the micro-kernel returns 1. The readable twin is
`machine.twins.largest_of_taps`.
"""

from __future__ import annotations

from typing import NamedTuple

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from fastconv.backends.fast.machine import twins
from fastconv.backends.fast.machine.blocks import Block
from fastconv.backends.fast.machine.emitter import Loop, constant
from fastconv.backends.fast.machine.jit import code, emitted
from fastconv.backends.fast.machine.kernel import micro_kernel_address
from fastconv.backends.fast.machine.target import host

# Bytes in x and in y from a window to the next one beside it (or from a channel to the next) and below it, bytes of x
# from a tap to the next along each axis, and what each of these steps adds to the number that is kept; the bytes of
# that, and whether it is a position in the plane; micro-kernels of 64 and of 32 bytes, and of `MANY` times 64 or 0
MAXIMA = Block(
    """
    SIDE_X SIDE_Y SIDE_KEPT DOWN_X DOWN_Y DOWN_KEPT DEPTH_X DEPTH_KEPT HEIGHT_X HEIGHT_KEPT WIDTH_X WIDTH_KEPT
    KEPT_BYTES POSITIONS WIDE HALF MANY
"""
)
MANY = 4 if host().registers >= 32 else 2  # vectors of channels at once: they, and which taps won, stay in registers
MAXIMA_ARGUMENTS = 10
_I32, _I64 = ir.IntType(32), ir.IntType(64)


class MaximaTile(NamedTuple):
    """Shape of a micro-kernel: `vectors` of `nbytes`, of numbers of `itemsize`, and `kept` bytes beside each or 0.

    `every` is 1 or 2 where x has dense numbers, of which every first or second is a window's, and y is dense; or 0. A
    vector of every second number ends with the last one that it needs.
    """

    every: int
    nbytes: int
    vectors: int
    itemsize: int
    kept: int


class _Group:
    """Vectors of one type, of windows side by side."""

    def __init__(self, tile: MaximaTile):
        self.item, self.every, self.vectors, self.nbytes = tile.itemsize, tile.every, tile.vectors, tile.nbytes
        self.kept, self.lanes = tile.kept, tile.nbytes // tile.itemsize
        self.kind = ir.FloatType() if self.item == 4 else ir.DoubleType()
        self.integer = ir.IntType(8 * self.item)  # as wide as a number: what is kept is chosen by the same mask
        self.vector, self.integers = (ir.VectorType(kind, self.lanes) for kind in (self.kind, self.integer))

    def emit(self, builder, table, groups, x, y, kept, base, rows, *counts):
        """Loops over the rows of windows, the groups and the taps."""
        self.builder, self.table = builder, table
        axes = ("DEPTH", "HEIGHT", "WIDTH")
        steps, numbers = ([self.entry(f"{axis}_{what}") for axis in axes] for what in ("X", "KEPT"))
        x_step = None if self.every else self.entry("SIDE_X")
        row = Loop(builder, "row", [ir.Constant(self.vector, [0.0] * self.lanes), x, y, kept, base])
        group = Loop(builder, "group", row.values)
        missing, x, y, kept, base = group.values
        start = [self.load(self.at(x, i), x_step) for i in range(self.vectors)]
        none = [ir.Constant(self.integers, [0] * self.lanes)] * (self.vectors if self.kept else 0)
        loops = [Loop(builder, "depth", [x, constant(0), missing, *start, *none])]
        for name in ("height", "width"):
            loops.append(Loop(builder, name, loops[-1].values))
        place, tap, missing, *found = loops[-1].values
        best, found = found[: self.vectors], found[self.vectors :]
        values = [self.load(self.at(place, i), x_step) for i in range(self.vectors)]
        mark = self.spread(builder.trunc(tap, self.integer) if self.item == 4 else tap)
        for i, value in enumerate(values):
            wins = builder.fcmp_ordered(">", value, best[i])
            if self.kept:
                found[i] = builder.select(wins, mark, found[i])
            best[i] = builder.select(wins, value, best[i])
        for one, other in zip(values[::2], [*values[1::2], values[0]]):
            missing = builder.select(builder.fcmp_unordered("uno", one, other), self.nowhere(), missing)
        for loop, count, step, number in [*zip(loops, counts, steps, numbers)][::-1]:
            place, tap = builder.add(loop.values[0], step), builder.add(loop.values[1], number)
            loop.end(count, [place, tap, missing, *best, *found])
        y_step = None if self.every else self.entry("SIDE_Y")
        for i in range(self.vectors):
            self.store(best[i], self.at(y, i), y_step)
        if self.kept:
            self.store_kept(found, 8 * self.kept, kept, y_step, base, self.entry("SIDE_KEPT"))
        # read where they are needed: what is kept in registers is what the loops over taps use
        group.end(groups, [missing, *self.following("SIDE", self.vectors * self.lanes, x, y, kept, base)])
        row.end(rows, [missing, *self.following("DOWN", 1, *row.values[1:])])
        bits = ir.IntType(self.lanes)
        mask = builder.bitcast(builder.fcmp_unordered("uno", missing, missing), bits)
        return builder.zext(builder.icmp_signed("!=", mask, ir.Constant(bits, 0)), _I64)

    def entry(self, name):
        """Entry of the table."""
        pointer = self.builder.inttoptr(self.table, _I64.as_pointer())
        return self.builder.load(self.builder.gep(pointer, [constant(MAXIMA.index[name])]))

    def following(self, way, windows, x, y, kept, base):
        """Place of the window that is so many windows away, beside this one or below it."""
        builder, count = self.builder, constant(windows)
        x_step, y_step, number = (builder.mul(self.entry(f"{way}_{what}"), count) for what in ("X", "Y", "KEPT"))
        if self.kept:
            kept = builder.add(kept, builder.mul(builder.sdiv(y_step, constant(self.item)), constant(self.kept)))
        return builder.add(x, x_step), builder.add(y, y_step), kept, builder.add(base, number)

    def nowhere(self):
        """Vector of NaN."""
        return ir.Constant(self.vector, [float("nan")] * self.lanes)

    def at(self, address, i):
        """Address of vector number i, where there are several, which are dense."""
        return self.builder.add(address, constant(i * self.nbytes)) if i else address

    def spread(self, scalar, integers=None):
        """Vector whose lanes all hold an integer."""
        undefined = ir.Constant(integers or self.integers, ir.Undefined)
        one = self.builder.insert_element(undefined, scalar, ir.Constant(_I32, 0))
        return self.builder.shuffle_vector(
            one, undefined, ir.Constant(ir.VectorType(_I32, self.lanes), [0] * self.lanes)
        )

    def lane(self, address, step, lane):
        """Address of a lane."""
        return self.builder.add(address, self.builder.mul(step, constant(lane)))

    def load(self, place, step):
        """One tap of all windows."""
        builder, vector = self.builder, ir.Constant(self.vector, ir.Undefined)
        if self.every == 0:
            for lane in range(self.lanes):
                pointer = builder.inttoptr(self.lane(place, step, lane), self.kind.as_pointer())
                vector = builder.insert_element(vector, builder.load(pointer, align=self.item), ir.Constant(_I32, lane))
            return vector
        offsets = (0, (self.lanes - 1) * self.item)[: self.every]
        parts = [
            builder.load(
                builder.inttoptr(builder.add(place, constant(offset)), self.vector.as_pointer()), align=self.item
            )
            for offset in offsets
        ]
        if self.every == 1:
            return parts[0]
        chosen = [*range(0, self.lanes, 2), *range(self.lanes + 1, 2 * self.lanes, 2)]
        return builder.shuffle_vector(*parts, ir.Constant(ir.VectorType(_I32, self.lanes), chosen))

    def store(self, vector, place, step):
        """One number for each window."""
        builder = self.builder
        nbytes = vector.type.element.width // 8 if isinstance(vector.type.element, ir.IntType) else self.item
        if self.every:
            builder.store(vector, builder.inttoptr(place, vector.type.as_pointer()), align=nbytes)
            return
        for lane in range(self.lanes):
            pointer = builder.inttoptr(self.lane(place, step, lane), vector.type.element.as_pointer())
            builder.store(builder.extract_element(vector, ir.Constant(_I32, lane)), pointer, align=nbytes)

    def store_kept(self, found, bits, kept, y_step, base, along):
        """What is kept of each window, as integers of so many bits."""
        builder, kind = self.builder, ir.VectorType(ir.IntType(bits), self.lanes)
        step = None if self.every else builder.mul(builder.sdiv(y_step, constant(self.item)), constant(bits // 8))
        for i, one in enumerate(found):
            if bits == 64:
                one = one if self.item == 8 else builder.sext(one, kind)
                lanes = ir.Constant(kind, list(range(self.lanes)))
                one = builder.add(one, builder.mul(self.spread(along, kind), lanes))
                one = builder.add(one, self.spread(base, kind))
            else:
                one = builder.add(builder.trunc(one, kind), self.spread(builder.trunc(base, kind.element), kind))
            self.store(one, builder.add(kept, constant(i * self.lanes * bits // 8)), step)


def emit_maxima_tile(builder: ir.IRBuilder, tile: MaximaTile, arguments: list[ir.Value]) -> ir.Value:
    """Emit the loops; return whether there is a NaN."""
    return _Group(tile).emit(builder, *arguments)


@intrinsic(prefer_literal=True)
def _maxima_tile(
    typing_context, every, nbytes, vectors, itemsize, kept_bytes,
    table, groups, x, y, kept, base, rows, depth, height, width,
):  # fmt: skip
    shape = (every, nbytes, vectors, itemsize, kept_bytes)
    if not all(isinstance(number, types.IntegerLiteral) for number in shape):
        return None
    tile = MaximaTile(*(number.literal_value for number in shape))
    signature = types.intp(*shape, *[types.intp] * MAXIMA_ARGUMENTS)
    return code(signature, lambda builder, *values: emit_maxima_tile(builder, tile, list(values[len(shape) :])))


def maxima_tile_address(tile: MaximaTile) -> int:
    """Address of the compiled micro-kernel, which returns whether there is a NaN; compiled on first use."""
    name = f"maxima_{tile.every}x{tile.vectors}x{tile.nbytes}_kept{tile.kept}_f{8 * tile.itemsize}"
    return micro_kernel_address(name, _maxima_tile, twins.largest_of_taps, tile, MAXIMA_ARGUMENTS, returns="intp")


@emitted(twins.call)
def call_maxima(typing_context, tile, table, groups, x, y, kept, base, rows, depth, height, width):
    """Call the micro-kernel at an address; `table` is a `MAXIMA` block, the rest as in `pool.maxima_kernel`."""

    def emit(builder, target, *arguments):
        function = ir.FunctionType(_I64, [_I64] * MAXIMA_ARGUMENTS)
        return builder.call(builder.inttoptr(target, function.as_pointer()), arguments)

    return code(types.intp(*[types.intp] * (MAXIMA_ARGUMENTS + 1)), emit)

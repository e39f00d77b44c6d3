"""Maxima: what every form of max pooling is made of.

Windows side by side, or channels of one window, are lanes: their largest taps stay in registers until all taps were
read (`largest_of_taps`). LLVM does not vectorise a maximum that NaN must get through. So vectors look for NaN beside
it, and where there is one the windows are done one by one, as they are where there are too few for a vector.

Which tap won can be kept beside its value: as its number within the window in a byte, or as a position in the plane.
"""

from __future__ import annotations

from functools import reduce

from llvmlite import ir
from numba.core import types

from fastconv.backends.fast.machine import twins
from fastconv.backends.fast.machine.emitter import Loop, constant
from fastconv.backends.fast.machine.intrinsics import load, size_of, store, store_byte, store_integer, store_number
from fastconv.backends.fast.machine.jit import code, emitted, helper, optimised
from fastconv.backends.fast.machine.target import host

MANY = 4 if host().registers >= 32 else 2  # vectors of channels at once: they, and which taps won, stay in registers
_I32, _I64 = ir.IntType(32), ir.IntType(64)
LOWEST = -float("inf")
VALUE, PLACE, INDEX = 0, 1, 2
KEEPS = {"value": VALUE, "place": PLACE, "index": INDEX}  # what is kept of a maximum


@helper
def beats(value, best):
    """Whether a later element replaces the best so far: greater, or the first NaN."""
    return (value > best) | ((value != value) & (best == best))


@helper
def kept_at(args, here, keeps, number):
    """Address of what is kept of the maximum that lies `here` bytes after the first."""
    return args.INDEX + here // size_of(number) * (8 if keeps == INDEX else 1)


@helper
def keep(kept, i, value, keeps):
    """Store which tap was the largest."""
    if keeps == PLACE:
        store_byte(kept, i, value)
    elif keeps == INDEX:
        store_integer(kept, i, value)


@helper
def no_cell(y, y_step, kept, keeps, count, number):
    """Windows without a real cell."""
    for o in range(count):
        store_number(y + o * y_step, LOWEST, number)
        keep(kept, o * (y_step // size_of(number)), 0 if keeps == PLACE else -1, keeps)


@helper
def maximum(x, y, kept, keeps, base, taps, number):
    """One window: `x` is its first cell, and `taps` are as in `maxima`."""
    depth, d_step, d_number, height, h_step, h_number, width, w_step, w_number = taps
    best, found = load(x, number), 0
    for kd in range(depth):
        for kh in range(height):
            row, first = x + kd * d_step + kh * h_step, kd * d_number + kh * h_number
            for kw in range(width):
                value = load(row + kw * w_step, number)
                if beats(value, best):
                    best, found = value, first + kw * w_number
    store(y, best)
    keep(kept, 0, base + found, keeps)


@helper
def _group(x, y, kept, keeps, base, side, down, wide, taps, number):
    """A vector of windows side by side, and all below them; whether there is a NaN, and they are not right."""
    item = size_of(number)
    _, x_step, y_step, _ = side
    if y_step != item or (x_step != item and x_step != 2 * item):
        if wide:
            return largest_of_taps(0, 64, 1, number, x, y, kept, keeps, base, side, down, taps)
        return largest_of_taps(0, 32, 1, number, x, y, kept, keeps, base, side, down, taps)
    if x_step == item:
        if wide:
            return largest_of_taps(1, 64, 1, number, x, y, kept, keeps, base, side, down, taps)
        return largest_of_taps(1, 32, 1, number, x, y, kept, keeps, base, side, down, taps)
    if wide:
        return largest_of_taps(2, 64, 1, number, x, y, kept, keeps, base, side, down, taps)
    return largest_of_taps(2, 32, 1, number, x, y, kept, keeps, base, side, down, taps)


@helper
def _channels(x, y, kept, keeps, base, side, down, vectors, wide, taps, number):
    """Some vectors of channels of windows, as in `_group`."""
    if vectors > 1:
        return largest_of_taps(1, 64, MANY, number, x, y, kept, keeps, base, side, down, taps)
    if wide:
        return largest_of_taps(1, 64, 1, number, x, y, kept, keeps, base, side, down, taps)
    return largest_of_taps(1, 32, 1, number, x, y, kept, keeps, base, side, down, taps)


@helper
def _one_by_one(x, y, kept, keeps, base, side, count, down, taps, number):
    """A block of windows of which `count` are side by side; the rest as in `maxima`."""
    item, (_, x_step, y_step, along), (rows, x_row, y_row, below) = size_of(number), side, down
    for row in range(rows):
        for o in range(count):
            offset = row * y_row + o * y_step
            place = kept + offset // item * (8 if keeps == INDEX else 1)
            first = base + row * below + o * along
            maximum(x + row * x_row + o * x_step, y + offset, place, keeps, first, taps, number)


@optimised
def maxima(x, y, kept, keeps, base, side, down, taps, channels, number):
    """A block of windows that have the same taps, all of them on cells; `x`, `y`, `kept` and `base` are of the first.

    `side` and `down` are how many there are side by side and below each other, the bytes between two of them in x and
    in y, and what is added to the number that is kept. `taps` are how many there are, the bytes between two, and what
    is added to that number, along the depth, the height and the width. The last vector of a row also has windows of
    the one before it. Side by side may also be `channels`, a constant, which are dense.
    """
    item = size_of(number)
    count, x_step, y_step, along = side
    wide = count >= 64 // item
    each = (64 if wide else 32) // item
    last = (taps[0] - 1) * taps[2] + (taps[3] - 1) * taps[5] + (taps[6] - 1) * taps[8]
    alone = count < each or (last >= 2**31 and item == 4)  # vectors have numbers of as many bytes
    kept_item = 8 if keeps == INDEX else 1
    done = 0
    while done < count:
        vectors = MANY if channels and wide and done + MANY * each <= count else 1
        lanes = vectors * each
        if done + lanes > count and not alone:
            done = count - lanes
        stop, place = min(done + lanes, count), kept + done * (y_step // item) * kept_item
        here, target, first = x + done * x_step, y + done * y_step, base + done * along
        if alone:
            right = False
        elif channels:
            right = _channels(here, target, place, keeps, first, side, down, vectors, wide, taps, number) == 0
        else:
            right = _group(here, target, place, keeps, first, side, down, wide, taps, number) == 0
        if not right:
            _one_by_one(here, target, place, keeps, first, side, stop - done, down, taps, number)
        done = stop


@emitted(twins.largest_of_taps, literal=True)
def largest_of_taps(typing_context, every, nbytes, vectors, number, x, y, kept, keeps, base, side, down, taps):
    """Largest taps of so many `vectors` of windows side by side, and of those below: 1 if there is a NaN.

    A vector has `nbytes` of numbers. The rest as in `maxima`; with a NaN the results are not right. `every` is 1 or 2
    where x has dense numbers, of which every first or second is a window's, and y is dense; or 0. A vector of every
    second number ends with the last one that it needs.
    """
    literals = every, nbytes, vectors
    if not all(isinstance(literal, types.IntegerLiteral) for literal in literals):
        return None
    group = _Group(number, *(literal.literal_value for literal in literals))
    return code(types.int64(*literals, number, *[types.int64] * 5, side, down, taps), group.emit)


class _Group:
    """Vectors of one type, of windows side by side."""

    def __init__(self, number, every, nbytes, vectors):
        self.item, self.every, self.vectors, self.nbytes = number.bitwidth // 8, every, vectors, nbytes
        self.lanes = nbytes // self.item
        self.kind = ir.FloatType() if self.item == 4 else ir.DoubleType()
        self.integer = ir.IntType(8 * self.item)  # as wide as a number: what is kept is chosen by the same mask
        self.vector, self.integers = (ir.VectorType(kind, self.lanes) for kind in (self.kind, self.integer))

    def emit(self, builder, every, nbytes, vectors, zero, x, y, kept, keeps, base, side, down, taps):
        """Loops over the rows of windows and over the taps."""
        self.builder = builder
        counts, steps, numbers = ([builder.extract_value(taps, 3 * axis + i) for axis in range(3)] for i in range(3))
        _, x_step, y_step, along = (builder.extract_value(side, i) for i in range(4))
        rows, x_row, y_row, row_along = (builder.extract_value(down, i) for i in range(4))
        kept_row = builder.sdiv(y_row, constant(self.item))
        number = ir.Constant(self.vector, [0.0] * self.lanes)
        row = Loop(builder, "row", [number, x, y, kept, base])
        missing, x, y, kept, base = row.values
        start = [self.load(self.at(x, i), x_step) for i in range(self.vectors)]
        none = [ir.Constant(self.integers, [0] * self.lanes)] * self.vectors
        loops = [Loop(builder, "depth", [x, constant(0), missing, *start, *none])]
        for name in ("height", "width"):
            loops.append(Loop(builder, name, loops[-1].values))
        place, tap, missing, *found = loops[-1].values
        best, found = found[: self.vectors], found[self.vectors :]
        values = [self.load(self.at(place, i), x_step) for i in range(self.vectors)]
        mark = self.spread(builder.trunc(tap, self.integer) if self.item == 4 else tap)
        for i, value in enumerate(values):
            wins = builder.fcmp_ordered(">", value, best[i])
            found[i] = builder.select(wins, mark, found[i])
            best[i] = builder.select(wins, value, best[i])
        for one, other in zip(values[::2], [*values[1::2], values[0]]):  # one comparison sees a NaN in either
            missing = builder.select(builder.fcmp_unordered("uno", one, other), self.nowhere(), missing)
        for loop, count, step, number in [*zip(loops, counts, steps, numbers)][::-1]:
            place, tap = builder.add(loop.values[0], step), builder.add(loop.values[1], number)
            loop.end(count, [place, tap, missing, *best, *found])
        for i in range(self.vectors):
            self.store(best[i], self.at(y, i), y_step)
        in_bytes = builder.icmp_signed("==", keeps, constant(PLACE))
        with builder.if_then(in_bytes):
            self.store_kept(found, 8, kept, y_step, base, along)
        with builder.if_then(builder.icmp_signed("==", keeps, constant(INDEX))):
            self.store_kept(found, 64, kept, y_step, base, along)
        kept_row = builder.select(in_bytes, kept_row, builder.mul(kept_row, constant(8)))
        following = [(x, x_row), (y, y_row), (kept, kept_row), (base, row_along)]
        row.end(rows, [missing, *(builder.add(value, step) for value, step in following)])
        bits = ir.IntType(self.lanes)
        mask = builder.bitcast(builder.fcmp_unordered("uno", missing, missing), bits)
        return builder.zext(builder.icmp_signed("!=", mask, ir.Constant(bits, 0)), _I64)

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
        step = builder.mul(builder.sdiv(y_step, constant(self.item)), constant(bits // 8))
        for i, one in enumerate(found):
            if bits == 64:
                one = one if self.item == 8 else builder.sext(one, kind)
                lanes = ir.Constant(kind, list(range(self.lanes)))
                one = builder.add(one, builder.mul(self.spread(along, kind), lanes))
                one = builder.add(one, self.spread(base, kind))
            else:
                one = builder.add(builder.trunc(one, kind), self.spread(builder.trunc(base, kind.element), kind))
            self.store(one, builder.add(kept, constant(i * self.lanes * bits // 8)), step)


_BYTES = 64  # of a vector; LLVM cuts it where the CPU has shorter ones
_CHAINS = 4  # vectors under way at once
SPAN = 64  # cells: what one step of `largest` takes of float32, and two of float64


def _kinds(number):
    kind = ir.FloatType() if number.bitwidth == 32 else ir.DoubleType()
    lanes = _BYTES * 8 // number.bitwidth
    return kind, lanes, ir.VectorType(kind, lanes)


def _vector(builder, address, offset, vector, number):
    pointer = builder.inttoptr(builder.add(address, offset), vector.as_pointer())
    return builder.load(pointer, align=number.bitwidth // 8)


def _any(builder, mask, lanes):
    return builder.icmp_unsigned("!=", builder.bitcast(mask, ir.IntType(lanes)), ir.Constant(ir.IntType(lanes), 0))


def _larger(builder, a, b):
    return builder.select(builder.fcmp_ordered(">", a, b), a, b)


@emitted(twins.largest)
def largest(typing_context, source, spans, number):
    """Largest of ``spans * SPAN`` cells from `source` on, at least one span, or NaN where there is one."""

    def emit(builder, source, spans, _):
        kind, lanes, vector = _kinds(number)
        chains = min(_CHAINS, SPAN // lanes)
        steps = builder.mul(spans, constant(SPAN // (lanes * chains)))
        start = _vector(builder, source, constant(0), vector, number)
        nowhere = ir.Constant(ir.VectorType(ir.IntType(1), lanes), [0] * lanes)
        loop = Loop(builder, "largest", [nowhere, *[start] * chains])
        missing, *bests = loop.values
        offset = builder.mul(loop.count, constant(_BYTES * chains))
        for chain, best in enumerate(bests):
            numbers = _vector(builder, source, offset, vector, number)
            missing = builder.or_(missing, builder.fcmp_unordered("uno", numbers, numbers))
            bests[chain] = _larger(builder, numbers, best)
            offset = builder.add(offset, constant(_BYTES))
        loop.end(steps, [missing, *bests])
        best = reduce(lambda best, other: _larger(builder, other, best), bests)
        half = lanes // 2
        while half:  # the upper half against the lower one, down to one number
            order = ir.Constant(ir.VectorType(_I32, lanes), [(i + half) % lanes for i in range(lanes)])
            best = _larger(builder, builder.shuffle_vector(best, ir.Constant(vector, ir.Undefined), order), best)
            half //= 2
        value = builder.extract_element(best, ir.Constant(_I32, 0))
        return builder.select(_any(builder, missing, lanes), ir.Constant(kind, float("nan")), value)

    return code(number(types.intp, types.intp, number), emit)


@emitted(twins.skip_others)
def skip_others(typing_context, source, spans, best):
    """Spans before the first that has a cell equal to `best`, or NaN where that is NaN; `spans` where none has."""
    number = best

    def emit(builder, source, spans, value):
        _, lanes, vector = _kinds(number)
        before, loop = builder.block, builder.append_basic_block("skip")
        look, done = builder.append_basic_block("skip_look"), builder.append_basic_block("skip_end")
        wanted = builder.insert_element(ir.Constant(vector, ir.Undefined), value, ir.Constant(_I32, 0))
        zeros = ir.Constant(ir.VectorType(_I32, lanes), [0] * lanes)
        wanted = builder.shuffle_vector(wanted, ir.Constant(vector, ir.Undefined), zeros)
        nothing = builder.fcmp_unordered("uno", wanted, wanted)
        builder.branch(loop)
        builder.position_at_end(loop)
        span = builder.phi(_I64)
        span.add_incoming(constant(0), before)
        builder.cbranch(builder.icmp_signed("<", span, spans), look, done)
        builder.position_at_end(look)
        offset, hits = builder.mul(span, constant(SPAN * number.bitwidth // 8)), []
        for _ in range(SPAN // lanes):
            numbers = _vector(builder, source, offset, vector, number)
            missing = builder.and_(nothing, builder.fcmp_unordered("uno", numbers, numbers))
            hits.append(builder.or_(builder.fcmp_ordered("==", numbers, wanted), missing))
            offset = builder.add(offset, constant(_BYTES))
        span.add_incoming(builder.add(span, constant(1)), look)
        builder.cbranch(_any(builder, reduce(builder.or_, hits), lanes), done, loop)
        builder.position_at_end(done)
        return span

    return code(types.intp(types.intp, types.intp, best), emit)

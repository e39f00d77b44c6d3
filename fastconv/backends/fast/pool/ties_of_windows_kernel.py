"""Windows whose gradient goes to all of their maxima, or is shared by them: one by one, and in whole vectors.

A window is gone through tap by tap: for its maximum; for the number of cells that have it, where these share the
gradient; and to add to these cells. Where vectors do it, as LLVM IR, windows lie side by side, and begin `stride` cells
apart. Of all of them together, that many taps are one run of cells, in which cell i is of window ``i // stride``. So
nothing is gathered: what is found of the cells is brought together once, and what is known of a window is spread once.
"""

from __future__ import annotations

from functools import reduce
from math import inf

import numpy as np
from llvmlite import ir
from numba.core import types

from fastconv.backends.fast.machine.emitter import Loop, constant
from fastconv.backends.fast.machine.intrinsics import load, store
from fastconv.backends.fast.machine.jit import code, emitted, helper

_I32 = ir.IntType(32)


@helper
def _largest(x, taps, number):
    """Maximum of a window, NaN if there is one."""
    depth, d_step, height, h_step, width, w_step = taps
    best = load(x, number)
    for kd in range(depth):
        for kh in range(height):
            for kw in range(width):
                value = load(x + kd * d_step + kh * h_step + kw * w_step, number)
                if (value > best) | (value != value):
                    best = value
    return best


@helper
def _count(x, best, taps, number):
    """How many cells of a window have its maximum."""
    depth, d_step, height, h_step, width, w_step = taps
    cells, one = number, number + np.float32(1)
    for kd in range(depth):
        for kh in range(height):
            for kw in range(width):
                if load(x + kd * d_step + kh * h_step + kw * w_step, number) == best:
                    cells += one
    return cells


@helper
def ties_of_window(x, gap, dy, taps, split, number):
    """One window with its first cell at `x`; the gradient of a cell lies `gap` bytes behind it, that of y at `dy`.

    `taps` are how many there are, and the bytes between two, along the depth, the height and the width.
    """
    depth, d_step, height, h_step, width, w_step = taps
    best, given = _largest(x, taps, number), load(dy, number)
    if split:
        cells = _count(x, best, taps, number)
        if cells > number:
            given /= cells
    for kd in range(depth):
        for kh in range(height):
            for kw in range(width):
                cell = x + kd * d_step + kh * h_step + kw * w_step
                if load(cell, number) == best:
                    store(cell + gap, load(cell + gap, number) + given)


@helper
def ties_of_rows(x, gap, dy, down, taps, split, number):
    """Windows below each other: `down` are how many, and the bytes between two of them, in x and in dy."""
    rows, x_row, dy_row = down
    for row in range(rows):
        ties_of_window(x + row * x_row, gap, dy + row * dy_row, taps, split, number)


def _one_by_one(stride, nbytes, number, x, gap, dy, skipped, split, down, taps):
    item = number.itemsize
    for lane in range(skipped, nbytes // item):
        ties_of_rows(x + lane * stride * item, gap, dy + lane * item, down, taps, split, number)


@emitted(_one_by_one, literal=True)
def ties_of_windows(typing_context, stride, nbytes, number, x, gap, dy, skipped, split, down, taps):
    """`ties_of_rows` for `nbytes` of windows side by side, but for the first few, which are `skipped`.

    With a `stride` of more than 1 the taps of a row are dense, and cells are read, and written back as they were, up to
    the next multiple of it.
    """
    literals = stride, nbytes
    if not all(isinstance(literal, types.IntegerLiteral) for literal in literals):
        return None
    windows = _Windows(number, *(literal.literal_value for literal in literals))
    return code(types.void(*literals, number, *[types.int64] * 4, types.boolean, down, taps), windows.emit)


class _Windows:
    """A vector of windows, and the vectors of cells that `stride` taps of them are."""

    def __init__(self, number, stride, nbytes):
        self.item, self.stride, self.nbytes = number.bitwidth // 8, stride, nbytes
        self.lanes = nbytes // self.item
        kind = ir.FloatType() if self.item == 4 else ir.DoubleType()
        self.vector, self.integers = (ir.VectorType(each, self.lanes) for each in (kind, _I32))

    def emit(self, builder, stride, nbytes, number, x, gap, dy, skipped, split, down, taps):
        """Of one row after the other the maxima, the shares and the sums."""
        self.builder, self.taps = builder, [builder.extract_value(taps, i) for i in range(6)]
        rows, x_row, dy_row = (builder.extract_value(down, i) for i in range(3))
        row = Loop(builder, "row", [x, dy])
        x, dy = row.values
        best = self.spread(self.largest(x))
        share = self.load(dy)
        before = builder.block
        with builder.if_then(split):
            part, counted = builder.fdiv(share, self.count(x, best)), builder.block
        merged = builder.phi(self.vector)
        merged.add_incoming(share, before)
        merged.add_incoming(part, counted)
        wanted = builder.icmp_signed(">=", self.order(range(self.lanes)), self.filled(skipped))
        self.add(x, gap, best, self.spread(builder.select(wanted, merged, self.constant(0.0))))
        row.end(rows, [builder.add(x, x_row), builder.add(dy, dy_row)])

    def largest(self, x):
        """Maxima of the windows, NaN where there is one."""
        builder = self.builder

        def take(place, last, values):
            best, missing = values[: self.stride], values[self.stride :]
            for i, (cell, valid) in enumerate(zip(self.cells(place), self.valid(last))):
                value = self.load(cell)
                if valid is not None:
                    value = builder.select(valid, value, self.constant(-inf))
                best[i] = builder.select(builder.fcmp_ordered(">", value, best[i]), value, best[i])
                missing[i] = builder.select(builder.fcmp_unordered("uno", value, value), value, missing[i])
            return [*best, *missing]

        found = self.each_tap(x, [*[self.constant(-inf)] * self.stride, *[self.constant(0.0)] * self.stride], take)
        best, missing = (self.gathered(part) for part in (found[: self.stride], found[self.stride :]))
        best = reduce(lambda a, b: builder.select(builder.fcmp_ordered(">", b, a), b, a), best)
        missing = reduce(builder.fadd, missing)  # NaN if one of them is
        return builder.select(builder.fcmp_unordered("uno", missing, missing), missing, best)

    def count(self, x, best):
        """How many cells of the windows have their maxima, which are spread."""

        def take(place, last, values):
            one = self.constant(1.0)
            counted = [self.builder.select(hits, one, self.constant(0.0)) for hits in self.hits(place, last, best)]
            return [self.builder.fadd(value, more) for value, more in zip(values, counted)]

        return reduce(self.builder.fadd, self.gathered(self.each_tap(x, [self.constant(0.0)] * self.stride, take)))

    def add(self, x, gap, best, shares):
        """Add shares, which are spread, to the cells that have the maxima."""
        builder = self.builder

        def take(place, last, values):
            cells = self.cells(builder.add(place, gap))
            for cell, hits, share in zip(cells, self.hits(place, last, best), shares):
                more = builder.select(hits, share, self.constant(0.0))
                builder.store(builder.fadd(self.load(cell), more), self.pointer(cell), align=self.item)
            return values

        self.each_tap(x, [], take)

    def each_tap(self, x, start, take):
        """Values after ``take(place, last, values)`` for each run of taps; along a row the last one comes first."""
        builder, (depth, d_step, height, h_step, width, w_step) = self.builder, self.taps
        if self.stride > 1:
            width = builder.sdiv(builder.add(width, constant(self.stride - 1)), constant(self.stride))
            w_step = constant(self.stride * self.item)
        x = builder.add(x, builder.mul(builder.sub(width, constant(1)), w_step))
        steps, loops = (d_step, h_step, builder.neg(w_step)), [Loop(builder, "depth", [x, *start])]
        for name in ("height", "width"):
            loops.append(Loop(builder, name, loops[-1].values))
        place, *values = loops[-1].values
        values = take(place, builder.icmp_signed("==", loops[-1].count, constant(0)), values)
        for loop, count, step in [*zip(loops, (depth, height, width), steps)][::-1]:
            loop.end(count, [builder.add(loop.values[0], step), *values])
        return values

    def valid(self, last):
        """For each vector of cells those that are taps; None where all are."""
        if self.stride == 1:
            return [None]
        builder, stride = self.builder, constant(self.stride)
        left = builder.add(builder.srem(builder.sub(self.taps[4], constant(1)), stride), constant(1))
        taps = self.filled(builder.select(last, left, stride))
        orders = [[cell % self.stride for cell in cells] for cells in self.runs()]
        return [builder.icmp_signed("<", self.order(order), taps) for order in orders]

    def hits(self, place, last, best):
        """For each vector of cells those that have the maxima, which are spread."""
        found = []
        for cell, valid, value in zip(self.cells(place), self.valid(last), best):
            equal = self.builder.fcmp_ordered("==", self.load(cell), value)
            found.append(equal if valid is None else self.builder.and_(equal, valid))
        return found

    def runs(self):
        """Numbers of the cells in each vector of them."""
        return [range(i * self.lanes, (i + 1) * self.lanes) for i in range(self.stride)]

    def spread(self, windows):
        """Vectors of cells with what there is of their windows."""
        return [self.shuffled(windows, windows, [cell // self.stride for cell in cells]) for cells in self.runs()]

    def gathered(self, cells):
        """For each tap of a run a vector of windows with what there is of the cells."""
        found = []
        for tap in range(self.stride):
            wanted, windows = range(tap, self.lanes * self.stride, self.stride), cells[0]
            for run, vector in zip(self.runs(), cells):
                places = [self.lanes + cell - run[0] if cell in run else i for i, cell in enumerate(wanted)]
                windows = self.shuffled(windows, vector, places)
            found.append(windows)
        return found

    def shuffled(self, one, other, places):
        return self.builder.shuffle_vector(one, other, self.order(places))

    def constant(self, value):
        """Vector whose lanes all hold a number that is known."""
        return ir.Constant(self.vector, [value] * self.lanes)

    def order(self, numbers):
        """Vector of integers that are known."""
        return ir.Constant(self.integers, list(numbers))

    def filled(self, integer):
        """Vector whose lanes all hold an integer."""
        undefined = ir.Constant(self.integers, ir.Undefined)
        one = self.builder.insert_element(undefined, self.builder.trunc(integer, _I32), ir.Constant(_I32, 0))
        return self.shuffled(one, undefined, [0] * self.lanes)

    def cells(self, place):
        """Address of each vector of cells."""
        return [self.builder.add(place, constant(i * self.nbytes)) for i in range(self.stride)]

    def pointer(self, address):
        return self.builder.inttoptr(address, self.vector.as_pointer())

    def load(self, address):
        return self.builder.load(self.pointer(address), align=self.item)

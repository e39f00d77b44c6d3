"""The micro-kernels of depthwise convolution: one lane for each channel, and windows that slide.

A depthwise convolution multiplies each number of x with as many weights as there are taps, and with nothing else, so
that loading it once for each tap takes as long as the arithmetic. Here it is loaded once for all taps of a kernel row
that meet in it. There are two kinds, each of which goes over `rows` rows of an image:

``WINDOWS`` : forward and input gradient. `pixels` results side by side stay in registers::

    y[r, p] = init + sum over kernel rows h, taps k:  x[r, h, p * stride + k] * weight[h, k]

    A table of pairs of byte offsets says where the kernel rows of x and of the weights are, as in
    `machine.tile`.

``TAPS`` : weight gradient. The sums of `runs` kernel rows stay in registers, `pixels` are done at a time::

    gradient[h, k] += sum over rows r, pixels p < count:  x[r, h, p * stride + k] * dy[r, p]

Taps, stride and kernel rows are a part of the code, so that which number meets which weight is known when it is made.
The readable twins are `machine.twins.slide_windows` and `slide_taps`.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from fastconv.backends.fast.machine.emitter import Emitter
from fastconv.backends.fast.machine.intrinsics import SLIDE_ARGUMENTS
from fastconv.backends.fast.machine.jit import INTERPRETED, address_of
from fastconv.backends.fast.machine.partial_sums import MOST, emit_sums
from fastconv.backends.fast.machine.twins import slide_taps, slide_windows

__all__ = ["TAPS", "WINDOWS", "Slide", "emit_slide", "slide_address"]

WINDOWS, TAPS = 0, 1

_I64 = ir.IntType(64)


class Slide(NamedTuple):
    """Shape of a micro-kernel; `runs` counts the kernel rows of a weight gradient."""

    kind: int
    pixels: int
    vectors: int
    lanes: int
    itemsize: int
    masked: int
    taps: int
    stride: int
    runs: int = 1

    @property
    def stream(self) -> int:
        """Results stay in the caches: the next layer reads them."""
        return 0


class _Loop:
    """A loop that runs at least once; the values that it carries are phi nodes at its head."""

    def __init__(self, builder: ir.IRBuilder, name: str, start: list[ir.Value]) -> None:
        self.builder = builder
        before, self.head = builder.block, builder.append_basic_block(name)
        builder.branch(self.head)
        builder.position_at_end(self.head)
        self.count = builder.phi(_I64)
        self.values = [builder.phi(value.type) for value in start]
        for phi, value in zip([self.count, *self.values], [_constant(0), *start]):
            phi.add_incoming(value, before)

    def end(self, times: ir.Value, following: list[ir.Value]) -> None:
        """Go back to the head until it ran so many times; then go on behind it."""
        builder, count = self.builder, self.builder.add(self.count, _constant(1))
        for phi, value in zip([self.count, *self.values], [count, *following]):
            phi.add_incoming(value, builder.block)
        done = builder.append_basic_block("done")
        builder.cbranch(builder.icmp_signed("<", count, times), self.head, done)
        builder.position_at_end(done)


def _constant(number: int) -> ir.Constant:
    return ir.Constant(_I64, number)


def _after(builder: ir.IRBuilder, address: ir.Value, step: ir.Value, times: int) -> ir.Value:
    """Address `times` steps on."""
    return builder.add(address, builder.mul(step, _constant(times))) if times else address


def _cells(
    emit: Emitter, slide: Slide, x: ir.Value, cell: ir.Value
) -> Iterator[tuple[ir.Value, int, list[tuple[int, int]]]]:
    """Vector j of every cell of one kernel row, with j and the (pixel, tap) that meet in it."""
    for number in range((slide.pixels - 1) * slide.stride + slide.taps):
        pairs = [(p, number - p * slide.stride) for p in range(slide.pixels)]
        meeting = [(p, k) for p, k in pairs if 0 <= k < slide.taps]
        place = _after(emit.builder, x, cell, number)
        for j in range(slide.vectors if meeting else 0):
            yield emit.load_vector(place, j), j, meeting


def _emit_windows(emit: Emitter, slide: Slide, arguments: list[ir.Value]) -> None:
    rows, segments, offsets, x, cell, x_row, b, b_k, init, c, c_pixel, c_row, _ = arguments
    builder, vectors = emit.builder, range(slide.vectors)
    start = [emit.load_vector(init, j) for j in vectors]
    row = _Loop(builder, "row", [x, c])
    segment = _Loop(builder, "segment", [offsets, *start * slide.pixels])
    table, *sums = segment.values
    x_start = builder.add(row.values[0], builder.load(emit.pointer(table, 0, _I64)))
    b_start = builder.add(b, builder.load(emit.pointer(table, 8, _I64)))
    places = [_after(builder, b_start, b_k, k) for k in range(slide.taps)]
    weights = [[emit.load_vector(place, j, masked=False) for j in vectors] for place in places]
    for number, j, meeting in _cells(emit, slide, x_start, cell):
        for p, k in meeting:
            i = p * slide.vectors + j
            sums[i] = emit.multiply_add(number, weights[k][j], sums[i])
    segment.end(segments, [builder.add(table, _constant(16)), *sums])
    for p in range(slide.pixels):
        place = _after(builder, row.values[1], c_pixel, p)
        for j in vectors:
            emit.store_vector(sums[p * slide.vectors + j], place, j)
    row.end(rows, [builder.add(value, step) for value, step in zip(row.values, (x_row, c_row))])


def _emit_taps(emit: Emitter, slide: Slide, arguments: list[ir.Value]) -> None:
    rows, steps, x, cell, x_run, x_row, dy, dy_pixel, dy_row, c, c_tap, c_run, _ = arguments
    builder, vectors, runs = emit.builder, range(slide.vectors), range(slide.runs)

    def step(places: list[ir.Value], sums: list[ir.Value]) -> tuple[list[ir.Value], list[ir.Value]]:
        x_start, dy_start = places
        pixels = [_after(builder, dy_start, dy_pixel, p) for p in range(slide.pixels)]
        factors, sums = [[emit.load_vector(place, j) for j in vectors] for place in pixels], list(sums)
        for run in runs:
            for number, j, meeting in _cells(emit, slide, _after(builder, x_start, x_run, run), cell):
                for p, k in meeting:
                    i = (run * slide.taps + k) * slide.vectors + j
                    sums[i] = emit.multiply_add(number, factors[p][j], sums[i])
        next_x = _after(builder, x_start, cell, slide.pixels * slide.stride)
        return [next_x, _after(builder, dy_start, dy_pixel, slide.pixels)], sums

    def leave(row: list[ir.Value], places: list[ir.Value]) -> list[ir.Value]:
        return [builder.add(row[0], x_row), builder.add(row[1], dy_row)]

    count, most = slide.runs * slide.taps * slide.vectors, max(1, MOST // slide.pixels)
    sums = emit_sums(emit, count, rows, steps, most, [x, dy], list, step, leave)
    for run in runs:
        for k in range(slide.taps):
            place = _after(builder, _after(builder, c, c_run, run), c_tap, k)
            for j in vectors:
                total = builder.fadd(emit.load_vector(place, j), sums[(run * slide.taps + k) * slide.vectors + j])
                emit.store_vector(total, place, j)


def emit_slide(builder: ir.IRBuilder, slide: Slide, arguments: list[ir.Value]) -> None:
    """Emit a micro-kernel; its last argument is the number of valid lanes in the last vector."""
    emit = Emitter(builder, slide, arguments[-1])
    (_emit_taps if slide.kind == TAPS else _emit_windows)(emit, slide, arguments)


@intrinsic(prefer_literal=True)
def _slide(
    typing_context, kind, pixels, vectors, lanes, itemsize, masked, taps, stride, runs,
    a0, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, tail,
):  # fmt: skip
    shape = (kind, pixels, vectors, lanes, itemsize, masked, taps, stride, runs)
    if not all(isinstance(number, types.IntegerLiteral) for number in shape):
        return None
    slide = Slide(*(number.literal_value for number in shape))

    def codegen(context, builder, signature, values):
        emit_slide(builder, slide, values[len(slide) :])
        return context.get_dummy_value()

    return types.void(*shape, *[types.intp] * SLIDE_ARGUMENTS), codegen


def _function(slide: Slide):
    if INTERPRETED:
        return partial(slide_taps if slide.kind == TAPS else slide_windows, slide)
    kind, pixels, vectors, lanes, itemsize, masked, taps, stride, runs = slide

    def kernel(a0, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, tail):
        _slide(
            kind, pixels, vectors, lanes, itemsize, masked, taps, stride, runs,
            a0, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, tail,
        )  # fmt: skip

    return kernel


def slide_address(slide: Slide) -> int:
    """Address of the compiled micro-kernel; compiled on first use."""
    what = f"taps{slide.runs}x{slide.taps}" if slide.kind == TAPS else f"windows{slide.taps}"
    size = f"{slide.pixels}x{slide.vectors * slide.lanes}_f{8 * slide.itemsize}{'_masked' if slide.masked else ''}"
    return address_of(f"slide_{what}s{slide.stride}_{size}", partial(_function, slide), SLIDE_ARGUMENTS)

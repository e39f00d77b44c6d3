"""Dropout: masks, a byte for each number or each channel, drawn by counting; and arrays with a mask applied."""

from __future__ import annotations

from llvmlite import ir
from numba.core import types

from fastconv.backends.dropout import FACTORS, SHIFTS, STEP
from fastconv.backends.fast.machine.blocks import Block
from fastconv.backends.fast.machine.emitter import constant
from fastconv.backends.fast.machine.intrinsics import (
    double_of,
    integer,
    load_at,
    load_byte,
    rounded,
    size_of,
    store_at,
    store_byte,
)
from fastconv.backends.fast.machine.jit import code, emitted, helper
from fastconv.backends.fast.machine.kernel import kernel

# ROWS numbers, each by itself, or rows of LENGTH: the planes of channels, or, channels last, the PIXELS of images.
DRAW = Block("SEED MASK ROWS LENGTH PIXELS LEAST TASKS", results="MASK")
DROPOUT = Block("X MASK Y ROWS LENGTH PIXELS SCALE TASKS", results="Y")
NUMBERS, PLANES, PIXELS = 0, 1, 2


def _signed(bits):
    """The int64 number that has these bits."""
    return bits - 2**64 if bits >= 2**63 else bits


def _kept(seed, position, least):
    """Whether a position is kept, 1 or 0; the same as `backends.dropout.kept`."""
    bits = (seed + (position + 1) * STEP) % 2**64
    for shift, factor in zip(SHIFTS, (*FACTORS, 1)):
        bits = (bits ^ bits >> shift) * factor % 2**64
    return int(bits >> 32 >= least)


@emitted(_kept)
def kept(typing_context, seed, position, least):
    """Whether a position is kept, 1 or 0; the same as `backends.dropout.kept`."""

    def emit(builder, seed, position, least):
        bits = builder.add(seed, builder.mul(builder.add(position, constant(1)), constant(_signed(STEP))))
        for shift, factor in zip(SHIFTS, (*FACTORS, 1)):
            bits = builder.mul(builder.xor(bits, builder.lshr(bits, constant(shift))), constant(_signed(factor)))
        return builder.zext(builder.icmp_unsigned(">=", builder.lshr(bits, constant(32)), least), ir.IntType(64))

    return code(types.int64(types.int64, types.int64, types.int64), emit)


@kernel(DRAW, typed=False, last=(False, True))
def draw_mask(args, task, last):
    """Draw some numbers of a mask, or some pixels, channels last."""
    rows, length, pixels, tasks = args.ROWS, args.LENGTH, args.PIXELS, args.TASKS
    seed, least, mask = integer(args.SEED, 0), args.LEAST, args.MASK
    for row in range(rows * task // tasks, rows * (task + 1) // tasks):
        if last:  # channel c has the position that it has in the order of the axes
            first = row // pixels * length * pixels + row % pixels
            for c in range(length):
                store_byte(mask + row * length, c, kept(seed, first + c * pixels, least))
        else:
            store_byte(mask, row, kept(seed, row, least))


@helper
def _factor(mask, i, number):
    """Byte i of a mask as a number, 0 or 1."""
    return rounded(float(load_byte(mask, i)), number)


@kernel(DROPOUT, form={"numbers": NUMBERS, "planes": PLANES, "pixels": PIXELS})
def apply_mask(args, task, number, form):
    """Y = X * MASK * SCALE: a byte for each number, for each plane, or for each channel of an image, channels last."""
    rows, length, pixels, tasks = args.ROWS, args.LENGTH, args.PIXELS, args.TASKS
    scale, mask, x, y = rounded(double_of(args.SCALE), number), args.MASK, args.X, args.Y
    for row in range(rows * task // tasks, rows * (task + 1) // tasks):
        place = row * length * size_of(number)
        if form == NUMBERS:
            store_at(y, row, load_at(x, row, number) * _factor(mask, row, number) * scale)
        elif form == PLANES:
            factor = _factor(mask, row, number)
            for i in range(length):
                store_at(y + place, i, load_at(x + place, i, number) * factor * scale)
        else:
            own = mask + row // pixels * length
            for c in range(length):
                store_at(y + place, c, load_at(x + place, c, number) * _factor(own, c, number) * scale)

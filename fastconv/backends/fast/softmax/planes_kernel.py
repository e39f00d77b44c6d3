"""Softmax, its logarithm, and their gradients, where each of the CLASSES along the axis is a plane of INNER numbers.

A block of PIXELS numbers of a plane is gone through class after class, in loops that LLVM vectorises. Each number has
the bits that it has in a row: sums are of float64, in the order of `sum_of`, four of them under way.
"""

from __future__ import annotations

import numpy as np

from fastconv.backends.fast.machine.blocks import Block
from fastconv.backends.fast.machine.elementary import exp, log
from fastconv.backends.fast.machine.intrinsics import (
    clear_bytes,
    load_at,
    load_double,
    rounded,
    size_of,
    store_at,
    store_double,
)
from fastconv.backends.fast.machine.jit import helper
from fastconv.backends.fast.machine.kernel import kernel

PLANES = Block("X OUT OUTER CLASSES INNER SCRATCH SCRATCH_STRIDE TASKS", results="OUT SCRATCH")
PLANES_GRADIENT = Block("DY Y OUT OUTER CLASSES INNER SCRATCH SCRATCH_STRIDE TASKS", results="OUT SCRATCH")
PIXELS = 128
_LINE = 8 * PIXELS  # bytes in scratch memory
_SUMS, _LARGEST, _TOTALS, SCRATCH_BYTES = 0, 4 * _LINE, 5 * _LINE, 6 * _LINE  # where each starts, and all of a task


@helper
def _find_largest(x, step, classes, count, scratch, number):
    """The largest number of all classes, but for NaN, at each pixel."""
    largest = scratch + _LARGEST
    for i in range(count):
        store_at(largest, i, load_at(x, i, number))
    for k in range(1, classes):
        plane = x + k * step
        for i in range(count):
            value, best = load_at(plane, i, number), load_at(largest, i, number)
            store_at(largest, i, value if value > best else best)


@helper
def _find_exponentials(x, out, step, classes, count, scratch, number):
    """OUT = e^(x - largest)."""
    largest = scratch + _LARGEST
    for k in range(classes):
        source, target = x + k * step, out + k * step
        for i in range(count):
            store_at(target, i, exp(load_at(source, i, number) - load_at(largest, i, number)))


@helper
def _add_up(x, step, classes, count, scratch, number):
    """Sums over some of the classes: every fourth one, and the first of them the last ones, too."""
    clear_bytes(scratch + _SUMS, 4 * _LINE)
    whole = classes // 4 * 4
    for k in range(classes):
        plane, total = x + k * step, scratch + _SUMS + (k % 4 if k < whole else 0) * _LINE
        for i in range(count):
            store_double(total, i, load_double(total, i) + np.float64(load_at(plane, i, number)))


@helper
def _sum_of(scratch, i):
    a, b = load_double(scratch + _SUMS, i), load_double(scratch + _SUMS + _LINE, i)
    c, d = load_double(scratch + _SUMS + 2 * _LINE, i), load_double(scratch + _SUMS + 3 * _LINE, i)
    return (a + b) + (c + d)


@helper
def _find_totals(x, step, classes, count, scratch, number):
    """The sum over all classes at each pixel."""
    _add_up(x, step, classes, count, scratch, number)
    for i in range(count):
        store_at(scratch + _TOTALS, i, rounded(_sum_of(scratch, i), number))


@helper
def _softmax(x, out, step, classes, count, scratch, number):
    _find_largest(x, step, classes, count, scratch, number)
    _find_exponentials(x, out, step, classes, count, scratch, number)
    _find_totals(out, step, classes, count, scratch, number)
    totals = scratch + _TOTALS
    for k in range(classes):
        target = out + k * step
        for i in range(count):
            store_at(target, i, load_at(target, i, number) / load_at(totals, i, number))


@helper
def _log_softmax(x, out, step, classes, count, scratch, number):
    _find_largest(x, step, classes, count, scratch, number)
    _find_exponentials(x, out, step, classes, count, scratch, number)
    _add_up(out, step, classes, count, scratch, number)
    largest, totals = scratch + _LARGEST, scratch + _TOTALS
    for i in range(count):
        store_at(totals, i, rounded(log(np.float64(_sum_of(scratch, i))), number))
    for k in range(classes):
        source, target = x + k * step, out + k * step
        for i in range(count):
            shifted = load_at(source, i, number) - load_at(largest, i, number)
            store_at(target, i, shifted - load_at(totals, i, number))


@helper
def _softmax_backward(dy, y, out, step, classes, count, scratch, number):
    for k in range(classes):
        first, second, target = dy + k * step, y + k * step, out + k * step
        for i in range(count):
            store_at(target, i, load_at(first, i, number) * load_at(second, i, number))
    _find_totals(out, step, classes, count, scratch, number)
    totals = scratch + _TOTALS
    for k in range(classes):
        first, second, target = dy + k * step, y + k * step, out + k * step
        for i in range(count):
            share = load_at(first, i, number) - load_at(totals, i, number)
            store_at(target, i, share * load_at(second, i, number))


@helper
def _log_softmax_backward(dy, y, out, step, classes, count, scratch, number):
    _find_totals(dy, step, classes, count, scratch, number)
    totals = scratch + _TOTALS
    for k in range(classes):
        first, second, target = dy + k * step, y + k * step, out + k * step
        for i in range(count):
            part = exp(load_at(second, i, number)) * load_at(totals, i, number)
            store_at(target, i, load_at(first, i, number) - part)


@helper
def _blocks(args):
    return (args.INNER + PIXELS - 1) // PIXELS


@helper
def _place(args, block, number):
    """Where a block starts, in bytes, and how many pixels it has."""
    outer, first = block // _blocks(args), block % _blocks(args) * PIXELS
    return (outer * args.CLASSES * args.INNER + first) * size_of(number), min(PIXELS, args.INNER - first)


@kernel(PLANES, function={"softmax": _softmax, "log_softmax": _log_softmax})
def softmax_of_planes(args, task, number, function):
    """OUT = function of X, some blocks of pixels."""
    blocks, tasks, scratch = args.OUTER * _blocks(args), args.TASKS, args.SCRATCH + task * args.SCRATCH_STRIDE
    step = args.INNER * size_of(number)
    for block in range(blocks * task // tasks, blocks * (task + 1) // tasks):
        place, count = _place(args, block, number)
        function(args.X + place, args.OUT + place, step, args.CLASSES, count, scratch, number)


@kernel(PLANES_GRADIENT, function={"softmax": _softmax_backward, "log_softmax": _log_softmax_backward})
def softmax_of_planes_backward(args, task, number, function):
    """OUT = gradient from DY and Y, what the function gave, of some blocks of pixels."""
    blocks, tasks, scratch = args.OUTER * _blocks(args), args.TASKS, args.SCRATCH + task * args.SCRATCH_STRIDE
    step = args.INNER * size_of(number)
    for block in range(blocks * task // tasks, blocks * (task + 1) // tasks):
        place, count = _place(args, block, number)
        function(args.DY + place, args.Y + place, args.OUT + place, step, args.CLASSES, count, scratch, number)

"""Sums of numbers in an order that their count alone decides, and what becomes of the sum of a loss."""

from __future__ import annotations

import numpy as np

from fastconv.backends.fast.machine.blocks import Block
from fastconv.backends.fast.machine.intrinsics import double_of, integer, load_at, load_double, store_double
from fastconv.backends.fast.machine.jit import helper
from fastconv.backends.fast.machine.kernel import kernel

# LOSS is the sum of COUNT float64 numbers at PARTS, divided by `terms_of`, times SCALE.
TOTAL = Block("PARTS COUNT TERMS DIVISOR SCALE LOSS", results="LOSS")
WEIGHTS = Block("LABELS WEIGHTS ROWS CLASSES TERMS", results="TERMS")


@helper
def sum_of(x, count, number):
    """Float64 sum of `count` numbers at x: four sums under way at a time, for an addition takes four cycles."""
    a = b = c = d = 0.0
    whole = count // 4 * 4
    for i in range(0, whole, 4):
        a += np.float64(load_at(x, i, number))
        b += np.float64(load_at(x, i + 1, number))
        c += np.float64(load_at(x, i + 2, number))
        d += np.float64(load_at(x, i + 3, number))
    for i in range(whole, count):
        a += np.float64(load_at(x, i, number))
    return (a + b) + (c + d)


@helper
def terms_of(args):
    """What the sum is divided by: the number at TERMS, where a kernel left it, or DIVISOR."""
    return load_double(args.TERMS, 0) if args.TERMS != 0 else double_of(args.DIVISOR)


@helper
def finish(args, count):
    """Store the loss."""
    share = sum_of(args.PARTS, count, np.float64(0)) / terms_of(args)
    store_double(args.LOSS, 0, share * double_of(args.SCALE))


@kernel(TOTAL, typed=False)
def loss_total(args, task):
    """The loss, from its parts."""
    finish(args, args.COUNT)


@kernel(WEIGHTS)
def label_weights(args, task, number):
    """TERMS = sum of the weights of the labels; a label out of range has none."""
    total, classes, labels, weights = 0.0, args.CLASSES, args.LABELS, args.WEIGHTS
    for row in range(args.ROWS):
        label = integer(labels, row)
        if 0 <= label < classes:
            total += np.float64(load_at(weights, label, number))
    store_double(args.TERMS, 0, total)

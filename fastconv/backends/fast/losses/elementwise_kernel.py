"""Losses that compare one number with another, over memory without gaps, and their gradients.

Each chunk of numbers is gone through three times while it is in the L1 cache: its losses, into the place of the
gradient, their sum, and the gradient. The first and the last are loops that LLVM vectorises.
"""

from __future__ import annotations

import numpy as np

from fastconv.backends.fast.losses.total_kernel import finish, sum_of, terms_of
from fastconv.backends.fast.machine.blocks import Block
from fastconv.backends.fast.machine.elementary import exp, log, log1p, sigmoid
from fastconv.backends.fast.machine.intrinsics import double_of, load_at, rounded, size_of, store_at, store_double
from fastconv.backends.fast.machine.jit import helper
from fastconv.backends.fast.machine.kernel import kernel
from fastconv.backends.losses import LEAST_LOG, LEAST_VARIANCE

# CHUNK numbers have one float64 number at PARTS. With one task it also stores the LOSS; otherwise `loss_total` does.
ELEMENTWISE = Block("X TARGETS TERMS DX PARTS LOSS NUMBERS CHUNK DIVISOR SCALE TASKS", results="DX PARTS LOSS")
SQUARED, PROBABILITIES, LOGITS = 0, 1, 2


@helper
def _at_least(value, least):
    """The larger of both; NaN stays."""
    return least if value < least else value


@helper
def _loss(x, target, form, number):
    """Loss of one number; of a squared error the difference."""
    if form == SQUARED:
        return x - target
    one = rounded(1.0, number)
    if form == LOGITS:
        return (_at_least(x, number) - x * target) + log1p(exp(-abs(x)))
    least = rounded(LEAST_LOG, number)
    return -(_at_least(log(x), least) * target + _at_least(log1p(-x), least) * (one - target))


@helper
def _gradient(x, target, form, number):
    """Derivative of that loss; of a squared error half of it."""
    if form == SQUARED:
        return x - target
    if form == LOGITS:
        return sigmoid(x) - target
    return (x - target) / _at_least(x * (rounded(1.0, number) - x), rounded(LEAST_VARIANCE, number))


@helper
def _squares(x, count, number):
    """Float64 sum of the squares of `count` numbers at x, as in `sum_of`."""
    a = b = c = d = 0.0
    whole = count // 4 * 4
    for i in range(0, whole, 4):
        a += np.float64(load_at(x, i, number)) * np.float64(load_at(x, i, number))
        b += np.float64(load_at(x, i + 1, number)) * np.float64(load_at(x, i + 1, number))
        c += np.float64(load_at(x, i + 2, number)) * np.float64(load_at(x, i + 2, number))
        d += np.float64(load_at(x, i + 3, number)) * np.float64(load_at(x, i + 3, number))
    for i in range(whole, count):
        a += np.float64(load_at(x, i, number)) * np.float64(load_at(x, i, number))
    return (a + b) + (c + d)


@kernel(ELEMENTWISE, form={"squared": SQUARED, "probabilities": PROBABILITIES, "logits": LOGITS})
def loss_elementwise(args, task, number, form):
    """Some chunks of numbers: their losses, and their gradients."""
    numbers, chunk, tasks, item = args.NUMBERS, args.CHUNK, args.TASKS, size_of(number)
    chunks = (numbers + chunk - 1) // chunk
    part = (2.0 if form == SQUARED else 1.0) * double_of(args.SCALE) / terms_of(args)
    factor = rounded(part, number)
    for i in range(chunks * task // tasks, chunks * (task + 1) // tasks):
        place, count = i * chunk * item, min(chunk, numbers - i * chunk)
        x, targets, dx = args.X + place, args.TARGETS + place, args.DX + place
        for k in range(count):
            store_at(dx, k, _loss(load_at(x, k, number), load_at(targets, k, number), form, number))
        store_double(args.PARTS, i, _squares(dx, count, number) if form == SQUARED else sum_of(dx, count, number))
        for k in range(count):
            store_at(dx, k, factor * _gradient(load_at(x, k, number), load_at(targets, k, number), form, number))
    if tasks == 1:
        finish(args, chunks)

"""Losses of scores for classes, (rows, classes) side by side, and their gradients; and targets of one class each.

A row is gone through in loops without a condition, which LLVM vectorises, and in sums of float64, whose order is fixed.
A label out of range is never used as an index: it makes the loss NaN, and the gradient of its row zero.
"""

from __future__ import annotations

import numpy as np

from fastconv.backends.fast.losses.total_kernel import finish, sum_of, terms_of
from fastconv.backends.fast.machine.blocks import Block
from fastconv.backends.fast.machine.elementary import exp, log
from fastconv.backends.fast.machine.intrinsics import (
    double_of,
    integer,
    load_at,
    rounded,
    size_of,
    store_at,
    store_double,
)
from fastconv.backends.fast.machine.jit import helper
from fastconv.backends.fast.machine.kernel import kernel

# CHUNK rows have one float64 number at PARTS. NUMBER is the label smoothing, or the margin. With one task it also
# stores the LOSS; otherwise `loss_total` does.
OF_CLASSES = Block(
    "X TARGETS WEIGHTS TERMS DX PARTS LOSS ROWS CLASSES CHUNK NUMBER DIVISOR SCALE TASKS", results="DX PARTS LOSS"
)
ONE_HOT = Block("LABELS OUT ROWS CLASSES TASKS", results="OUT")


@helper
def _chunks(args):
    return (args.ROWS + args.CHUNK - 1) // args.CHUNK


@helper
def largest_of(x, classes, number):
    """Largest of a row, but for NaN."""
    a = b = c = d = load_at(x, 0, number)
    whole = classes // 4 * 4
    for i in range(0, whole, 4):
        first, second, third, fourth = (
            load_at(x, i, number),
            load_at(x, i + 1, number),
            load_at(x, i + 2, number),
            load_at(x, i + 3, number),
        )
        a = first if first > a else a
        b = second if second > b else b
        c = third if third > c else c
        d = fourth if fourth > d else d
    for i in range(whole, classes):
        value = load_at(x, i, number)
        a = value if value > a else a
    a = b if b > a else a
    c = d if d > c else c
    return c if c > a else a


@helper
def _weight(args, label, number):
    return np.float64(load_at(args.WEIGHTS, label, number)) if args.WEIGHTS != 0 else 1.0


@helper
def _exponentials(x, dx, classes, largest, number):
    """Store e^(x - largest), and return the sum."""
    for k in range(classes):
        store_at(dx, k, exp(load_at(x, k, number) - largest))
    return sum_of(dx, classes, number)


@helper
def _label_row(args, x, dx, label, part, number):
    """Loss of a row with a label, and its gradient times `part`."""
    classes, smoothing = args.CLASSES, double_of(args.NUMBER)
    if label < 0 or label >= classes:
        for k in range(classes):
            store_at(dx, k, number)
        return np.nan
    even = smoothing / classes  # of every class's weight
    largest = largest_of(x, classes, number)
    own = (1.0 - smoothing) * _weight(args, label, number)
    everything = others = 0.0
    if smoothing != 0.0:
        for k in range(classes):
            weight = _weight(args, k, number)
            everything += weight
            others += weight * np.float64(load_at(x, k, number) - largest)
    right = np.float64(load_at(x, label, number) - largest)
    total = _exponentials(x, dx, classes, largest, number)
    log_total = log(total)
    factor = rounded(part * ((own + even * everything) / total), number)
    if smoothing == 0.0:
        for k in range(classes):
            store_at(dx, k, load_at(dx, k, number) * factor)
    elif args.WEIGHTS == 0:
        share = rounded(part * even, number)
        for k in range(classes):
            store_at(dx, k, load_at(dx, k, number) * factor - share)
    else:
        share, weights = rounded(part * even, number), args.WEIGHTS
        for k in range(classes):
            store_at(dx, k, load_at(dx, k, number) * factor - share * load_at(weights, k, number))
    store_at(dx, label, load_at(dx, label, number) - rounded(part * own, number))
    loss = own * (log_total - right)
    return loss if smoothing == 0.0 else loss + even * (everything * log_total - others)


@helper
def _goal(targets, weights, k, smoothing, even, number):
    """What class k should get: its target, smoothed, times its weight."""
    share = np.float64(load_at(targets, k, number)) * (1.0 - smoothing) + even
    return share * np.float64(load_at(weights, k, number)) if weights != 0 else share


@helper
def _target_row(args, x, targets, dx, part, number):
    """Loss of a row with a target for every class, and its gradient times `part`."""
    classes, weights, smoothing = args.CLASSES, args.WEIGHTS, double_of(args.NUMBER)
    even = smoothing / classes
    largest = largest_of(x, classes, number)
    goals = right = 0.0
    for k in range(classes):
        goal = _goal(targets, weights, k, smoothing, even, number)
        goals += goal
        right += goal * np.float64(load_at(x, k, number) - largest)
    total = _exponentials(x, dx, classes, largest, number)
    factor = rounded(part * (goals / total), number)
    for k in range(classes):
        goal = rounded(part * _goal(targets, weights, k, smoothing, even, number), number)
        store_at(dx, k, load_at(dx, k, number) * factor - goal)
    return goals * log(total) - right


@helper
def _hinge_row(args, x, dx, label, part, number):
    """Hinge loss of a row, and its gradient times `part`."""
    classes = args.CLASSES
    if label < 0 or label >= classes:
        for k in range(classes):
            store_at(dx, k, number)
        return np.nan
    right, margin = load_at(x, label, number), rounded(double_of(args.NUMBER), number)
    for k in range(classes):
        distance = (load_at(x, k, number) - right) + margin
        store_at(dx, k, number if distance <= number else distance)  # NaN stays
    store_at(dx, label, number)
    loss, one = sum_of(dx, classes, number), rounded(1.0, number)
    for k in range(classes):
        distance = load_at(dx, k, number)
        store_at(dx, k, one if distance > number else distance)
    counted, share = sum_of(dx, classes, number), rounded(part, number)
    store_at(dx, label, rounded(-counted, number))
    for k in range(classes):
        store_at(dx, k, load_at(dx, k, number) * share)
    return loss


LABELS, TARGETS, HINGE = 0, 1, 2


@kernel(OF_CLASSES, form={"softmax_of_labels": LABELS, "softmax_of_targets": TARGETS, "hinge": HINGE})
def loss_of_classes(args, task, number, form):
    """Some chunks of rows: their losses, and the gradient of every score."""
    rows, classes, chunk, tasks = args.ROWS, args.CLASSES, args.CHUNK, args.TASKS
    chunks, step, part = _chunks(args), classes * size_of(number), 1.0 / terms_of(args)
    for i in range(chunks * task // tasks, chunks * (task + 1) // tasks):
        loss = 0.0
        for row in range(i * chunk, min(rows, (i + 1) * chunk)):
            x, dx = args.X + row * step, args.DX + row * step
            if form == LABELS:
                loss += _label_row(args, x, dx, integer(args.TARGETS, row), part, number)
            elif form == TARGETS:
                loss += _target_row(args, x, args.TARGETS + row * step, dx, part, number)
            else:
                loss += _hinge_row(args, x, dx, integer(args.TARGETS, row), part, number)
        store_double(args.PARTS, i, loss)
    if tasks == 1:
        finish(args, chunks)


@kernel(ONE_HOT)
def targets_of_labels(args, task, number):
    """OUT[row] = 1 for the class of the label and 0 for the others; a label out of range has no class."""
    rows, classes, tasks = args.ROWS, args.CLASSES, args.TASKS
    one = rounded(1.0, number)
    for row in range(rows * task // tasks, rows * (task + 1) // tasks):
        out, label = args.OUT + row * classes * size_of(number), integer(args.LABELS, row)
        for k in range(classes):
            store_at(out, k, number)
        if 0 <= label < classes:
            store_at(out, label, one)

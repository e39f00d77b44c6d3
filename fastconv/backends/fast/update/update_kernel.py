"""Updates of parameters: one launch for all that have the same dtype and as many slots.

The operations are those of the optimisers in NumPy, in their order and in the dtype of the parameter, so that the bits
are the same. The loops are over indices and have no branches, so that LLVM vectorises them.
"""

from __future__ import annotations

import numpy as np

from fastconv.backends.fast.machine.blocks import Block, entry_of
from fastconv.backends.fast.machine.intrinsics import load_at, load_double, rounded, store_at
from fastconv.backends.fast.machine.jit import helper
from fastconv.backends.fast.machine.kernel import kernel
from fastconv.backends.fast.update.rows_kernel import SHARE, share_of

# Slots of an optimiser in the order of `Optimizer.slots_of`, and float64 numbers in that of `Optimizer._numbers_of`.
UPDATE_ROW = Block(SHARE, "DATA GRAD SLOT0 SLOT1 SLOT2 NUMBERS", results="DATA SLOT0 SLOT1 SLOT2")
# If one of the GUARDS float64 numbers at GUARD is not finite, nothing is changed.
UPDATE = Block("GUARD GUARDS ROWS TOTAL TASKS", rows=UPDATE_ROW)

_HEADER = UPDATE.nbytes
_RUN = 2**10  # numbers of Adam that two loops go through, one after the other, while they are in the L1 cache


@helper
def _rows(args):
    """Rows to go through: none where the guard forbids it."""
    guard, rows = args.GUARD, args.ROWS
    for i in range(args.GUARDS):
        value = load_double(guard, i)
        if not value - value == 0.0:  # NaN, also where it is infinite
            rows = 0
    return rows


@helper
def _with_decay(grad, data, decay):
    """Gradient with that of the L2 penalty, if there is one."""
    both = data * decay + grad
    return grad if decay == 0 else both


@kernel(UPDATE, momentum=(False, True))
def update_sgd(args, task, number, momentum):
    """Numbers: lr, weight decay, momentum, 1 - dampening, whether it is Nesterov's; slot: velocity."""
    for r in range(_rows(args)):
        row = entry_of(UPDATE_ROW, args + _HEADER, r)
        first, stop = share_of(row, args.TOTAL, task, args.TASKS)
        data, grad, velocity, numbers = row.DATA, row.GRAD, row.SLOT0, row.NUMBERS
        lr, decay = rounded(load_double(numbers, 0), number), rounded(load_double(numbers, 1), number)
        kept, share = rounded(load_double(numbers, 2), number), rounded(load_double(numbers, 3), number)
        nesterov = load_double(numbers, 4) != 0
        for i in range(first, stop):
            old = load_at(data, i, number)
            change = _with_decay(load_at(grad, i, number), old, decay)
            if momentum:
                moved = load_at(velocity, i, number) * kept + change * share
                store_at(velocity, i, moved)
                ahead = moved * kept + change
                change = ahead if nesterov else moved
            store_at(data, i, old - change * lr)


@kernel(UPDATE, momentum=(False, True))
def update_rmsprop(args, task, number, momentum):
    """Numbers: lr, weight decay, alpha, 1 - alpha, eps, momentum; slots: mean square, velocity."""
    for r in range(_rows(args)):
        row = entry_of(UPDATE_ROW, args + _HEADER, r)
        first, stop = share_of(row, args.TOTAL, task, args.TASKS)
        data, grad, squares, velocity, numbers = row.DATA, row.GRAD, row.SLOT0, row.SLOT1, row.NUMBERS
        lr, decay = rounded(load_double(numbers, 0), number), rounded(load_double(numbers, 1), number)
        alpha, fresh = rounded(load_double(numbers, 2), number), rounded(load_double(numbers, 3), number)
        eps, kept = rounded(load_double(numbers, 4), number), rounded(load_double(numbers, 5), number)
        for i in range(first, stop):
            old = load_at(data, i, number)
            slope = _with_decay(load_at(grad, i, number), old, decay)
            square = load_at(squares, i, number) * alpha + slope * slope * fresh
            store_at(squares, i, square)
            change = slope / (np.sqrt(square) + eps)
            if momentum:
                change = load_at(velocity, i, number) * kept + change
                store_at(velocity, i, change)
            store_at(data, i, old - change * lr)


@helper
def _adam_squares(row, first, stop, number, amsgrad):
    """Running means of the squares, and the largest of them so far."""
    data, grad, squares, largest, numbers = row.DATA, row.GRAD, row.SLOT1, row.SLOT2, row.NUMBERS
    decay = rounded(load_double(numbers, 1), number)
    kept, fresh = rounded(load_double(numbers, 4), number), rounded(load_double(numbers, 5), number)
    for i in range(first, stop):
        slope = _with_decay(load_at(grad, i, number), load_at(data, i, number), decay)
        square = load_at(squares, i, number) * kept + slope * slope * fresh
        store_at(squares, i, square)
        if amsgrad:
            most = load_at(largest, i, number)
            store_at(largest, i, most if most >= square or most != most else square)


@helper
def _adam_step(row, first, stop, number, amsgrad):
    """Running means of the gradients, and the step itself."""
    data, grad, means, numbers = row.DATA, row.GRAD, row.SLOT0, row.NUMBERS
    squares = row.SLOT2 if amsgrad else row.SLOT1
    lr, decay = rounded(load_double(numbers, 0), number), rounded(load_double(numbers, 1), number)
    shrink, fresh = rounded(load_double(numbers, 2), number), rounded(load_double(numbers, 3), number)
    whole, eps = rounded(load_double(numbers, 6), number), rounded(load_double(numbers, 7), number)
    for i in range(first, stop):
        old, mean = load_at(data, i, number), load_at(means, i, number)
        slope = _with_decay(load_at(grad, i, number), old, decay)
        mean += (slope - mean) * fresh
        store_at(means, i, mean)
        root = np.sqrt(load_at(squares, i, number)) * whole + eps
        store_at(data, i, old * shrink - mean / root * lr)


@kernel(UPDATE, amsgrad=(False, True))
def update_adam(args, task, number, amsgrad):
    """Numbers: see `Adam._numbers_of`; slots: mean, mean square, largest mean square.

    In two loops, so that neither has more arrays than LLVM compares the addresses of.
    """
    for r in range(_rows(args)):
        row = entry_of(UPDATE_ROW, args + _HEADER, r)
        first, stop = share_of(row, args.TOTAL, task, args.TASKS)
        for start in range(first, stop, _RUN):
            _adam_squares(row, start, min(start + _RUN, stop), number, amsgrad)
            _adam_step(row, start, min(start + _RUN, stop), number, amsgrad)

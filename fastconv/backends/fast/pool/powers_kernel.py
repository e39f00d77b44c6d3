"""Powers and roots, number by number, in float64: what Lp pooling does before and after its sums.

With y = t^(1/p), t the sum of the p-th powers of a window, the four maps are

- ``power``: |x|^p,
- ``root``: t^(1/p),
- ``share``: dy / y^(p-1), or 0 where t is 0,
- ``slope``: s * sign(x) * |x|^(p-1), s the sum of the shares that reach a cell.
"""

from __future__ import annotations

from math import sqrt

import numpy as np

from fastconv.backends.fast.machine.blocks import Block
from fastconv.backends.fast.machine.intrinsics import load_at, load_double, store_double, store_number_at
from fastconv.backends.fast.machine.jit import helper
from fastconv.backends.fast.machine.kernel import kernel

POWERS = Block("A B Y COUNT TASKS", results="Y")
POWER, ROOT, SHARE, SLOPE = 0, 1, 2, 3
EXPONENTS = (1, 2, 3, 4)  # products and square roots do
ROOTS = (1, 2, 4)  # those whose root is one of them


@helper
def power(size, p):
    """size^p for a size of at least 0."""
    square = size * size
    if p == 1:
        return size
    if p == 2:
        return square
    return square * size if p == 3 else square * square


@helper
def root(total, p):
    """total^(1/p), p one of `ROOTS`."""
    if p == 1:
        return total
    if p == 2:
        return sqrt(total)
    return sqrt(sqrt(total))


@helper
def share(dy, total, p):
    """Gradient over y^(p-1), p one of `ROOTS`."""
    if total == 0.0:
        return 0.0
    if p == 1:
        return dy
    if p == 2:
        return dy / sqrt(total)
    return dy / (sqrt(total) * sqrt(sqrt(total)))


@helper
def slope(x, p):
    """sign(x) |x|^(p-1)."""
    if p == 1:
        return 1.0 if x > 0.0 else (-1.0 if x < 0.0 else x)
    if p == 2:
        return x
    return x * abs(x) if p == 3 else x * x * x


@kernel(POWERS, form={"power": POWER, "root": ROOT, "share": SHARE, "slope": SLOPE}, p=(2,))
def powers(args, task, number, form, p):
    """One of the four maps, for one of `EXPONENTS`."""
    count, tasks = args.COUNT, args.TASKS
    a, b, y = args.A, args.B, args.Y
    for i in range(count * task // tasks, count * (task + 1) // tasks):
        if form == POWER:
            store_double(y, i, power(abs(np.float64(load_at(a, i, number))), p))
        elif form == ROOT:
            store_number_at(y, i, root(load_double(a, i), p), number)
        elif form == SHARE:
            store_double(y, i, share(np.float64(load_at(a, i, number)), load_double(b, i), p))
        else:
            store_number_at(y, i, load_double(b, i) * slope(np.float64(load_at(a, i, number)), p), number)

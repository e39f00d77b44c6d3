"""Powers and roots, number by number, in float64: what Lp pooling does before and after its sums.

With y = t^(1/p), t the sum of the p-th powers of a window, the four maps are

- ``power``: |x|^p,
- ``root``: t^(1/p),
- ``share``: dy / y^(p-1), or 0 where t is 0,
- ``slope``: s * sign(x) * |x|^(p-1), s the sum of the shares that reach a cell.
"""

from __future__ import annotations

from functools import cache
from math import sqrt

import numpy as np

from fastconv.kernels.arguments import Block
from fastconv.kernels.jit import LOCK, REVISION, ZERO, c_function, helper
from fastconv.kernels.memory import integer, load_at, load_double, store_double, store_number_at

__all__ = ["EXPONENTS", "POWERS", "ROOTS", "powers_address"]

POWERS = Block("A B Y COUNT TASKS")
A, B, Y, COUNT, TASKS = range(len(POWERS.names))
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


def _driver(number, form, p):
    revision = REVISION
    is_power, is_root, is_share = form == "power", form == "root", form == "share"

    def powers(args, task):
        revision  # noqa: B018 (a part of the cache key)
        count, tasks = integer(args, COUNT), integer(args, TASKS)
        a, b, y = integer(args, A), integer(args, B), integer(args, Y)
        for i in range(count * task // tasks, count * (task + 1) // tasks):
            if is_power:
                store_double(y, i, power(abs(np.float64(load_at(a, i, number))), p))
            elif is_root:
                store_number_at(y, i, root(load_double(a, i), p), number)
            elif is_share:
                store_double(y, i, share(np.float64(load_at(a, i, number)), load_double(b, i), p))
            else:
                store_number_at(y, i, load_double(b, i) * slope(np.float64(load_at(a, i, number)), p), number)

    return powers


@cache
def _compiled(form, itemsize, p):
    return c_function(f"powers_{form}_{p}_f{8 * itemsize}", "void(intp, intp)", _driver(ZERO[itemsize], form, p))


def powers_address(form: str, itemsize: int, p: int) -> int:
    """Address of "power", "root", "share" or "slope" for one of `EXPONENTS`; compiled on first use."""
    with LOCK:
        return _compiled(form, itemsize, p).address

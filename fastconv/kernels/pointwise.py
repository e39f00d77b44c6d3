"""Element by element, over memory without gaps: ReLU, its gradient, sums, and ReLU of a sum.

LLVM vectorises these loops by itself, to the full width of the CPU; beyond the caches they run at the speed of memory.
"""

from __future__ import annotations

from functools import cache

from fastconv.kernels.arguments import Block
from fastconv.kernels.jit import LOCK, REVISION, ZERO, c_function
from fastconv.kernels.memory import integer, load_at, store_at

__all__ = ["POINTWISE", "pointwise_address"]

POINTWISE = Block("A B OUT NUMBERS TASKS")
A, B, OUT, NUMBERS, TASKS = (POINTWISE.index[name] for name in POINTWISE.names)

# `number` is a zero of the type. A NaN fails every comparison, so ReLU and its gradient let it through.


def _relu(number):
    revision = REVISION

    def relu(args, task):
        """OUT = A where A is positive or NaN, else zero."""
        revision  # noqa: B018 (a part of the cache key)
        numbers, tasks, a, out = integer(args, NUMBERS), integer(args, TASKS), integer(args, A), integer(args, OUT)
        for i in range(numbers * task // tasks, numbers * (task + 1) // tasks):
            value = load_at(a, i, number)
            store_at(out, i, number if value <= number else value)

    return relu


def _relu_backward(number):
    revision = REVISION

    def relu_backward(args, task):
        """OUT = A (the gradient) where B (the output) is positive or NaN, else zero."""
        revision  # noqa: B018 (a part of the cache key)
        numbers, tasks = integer(args, NUMBERS), integer(args, TASKS)
        a, b, out = integer(args, A), integer(args, B), integer(args, OUT)
        for i in range(numbers * task // tasks, numbers * (task + 1) // tasks):
            store_at(out, i, number if load_at(b, i, number) <= number else load_at(a, i, number))

    return relu_backward


def _add(number):
    revision = REVISION

    def add(args, task):
        """OUT = A + B."""
        revision  # noqa: B018 (a part of the cache key)
        numbers, tasks = integer(args, NUMBERS), integer(args, TASKS)
        a, b, out = integer(args, A), integer(args, B), integer(args, OUT)
        for i in range(numbers * task // tasks, numbers * (task + 1) // tasks):
            store_at(out, i, load_at(a, i, number) + load_at(b, i, number))

    return add


def _add_relu(number):
    revision = REVISION

    def add_relu(args, task):
        """OUT = A + B where that is positive or NaN, else zero."""
        revision  # noqa: B018 (a part of the cache key)
        numbers, tasks = integer(args, NUMBERS), integer(args, TASKS)
        a, b, out = integer(args, A), integer(args, B), integer(args, OUT)
        for i in range(numbers * task // tasks, numbers * (task + 1) // tasks):
            total = load_at(a, i, number) + load_at(b, i, number)
            store_at(out, i, number if total <= number else total)

    return add_relu


_FORMS = {"relu": _relu, "relu_backward": _relu_backward, "add": _add, "add_relu": _add_relu}


@cache
def _compiled(form, itemsize):
    return c_function(f"{form}_f{8 * itemsize}", "void(intp, intp)", _FORMS[form](ZERO[itemsize]))


def pointwise_address(form: str, itemsize: int) -> int:
    """Address of "relu", "relu_backward", "add" or "add_relu"; compiled on first use."""
    with LOCK:
        return _compiled(form, itemsize).address

"""Element by element, over memory without gaps: ReLU, its gradient, sums, and ReLU of a sum.

LLVM vectorises these loops by itself, to the full width of the CPU; beyond the caches they run at the speed of memory.
"""

from __future__ import annotations

from fastconv.backends.fast.machine.blocks import Block
from fastconv.backends.fast.machine.intrinsics import load_at, store_at
from fastconv.backends.fast.machine.kernel import kernel

POINTWISE = Block("A B OUT NUMBERS TASKS")

# `number` is a zero of the type. A NaN fails every comparison, so ReLU and its gradient let it through.


@kernel(POINTWISE)
def relu(args, task, number):
    """OUT = A where A is positive or NaN, else zero."""
    numbers, tasks, a, out = args.NUMBERS, args.TASKS, args.A, args.OUT
    for i in range(numbers * task // tasks, numbers * (task + 1) // tasks):
        value = load_at(a, i, number)
        store_at(out, i, number if value <= number else value)


@kernel(POINTWISE)
def relu_backward(args, task, number):
    """OUT = A (the gradient) where B (the output) is positive or NaN, else zero."""
    numbers, tasks = args.NUMBERS, args.TASKS
    a, b, out = args.A, args.B, args.OUT
    for i in range(numbers * task // tasks, numbers * (task + 1) // tasks):
        store_at(out, i, number if load_at(b, i, number) <= number else load_at(a, i, number))


@kernel(POINTWISE)
def add(args, task, number):
    """OUT = A + B."""
    numbers, tasks = args.NUMBERS, args.TASKS
    a, b, out = args.A, args.B, args.OUT
    for i in range(numbers * task // tasks, numbers * (task + 1) // tasks):
        store_at(out, i, load_at(a, i, number) + load_at(b, i, number))


@kernel(POINTWISE)
def add_relu(args, task, number):
    """OUT = A + B where that is positive or NaN, else zero."""
    numbers, tasks = args.NUMBERS, args.TASKS
    a, b, out = args.A, args.B, args.OUT
    for i in range(numbers * task // tasks, numbers * (task + 1) // tasks):
        total = load_at(a, i, number) + load_at(b, i, number)
        store_at(out, i, number if total <= number else total)


FORMS = {"relu": relu, "relu_backward": relu_backward, "add": add, "add_relu": add_relu}

"""Element by element, over memory without gaps: ReLU, its gradient, sums, ReLU of a sum, and products.

LLVM vectorises these loops by itself, to the full width of the CPU; beyond the caches they run at the speed of memory.
"""

from __future__ import annotations

from fastconv.backends.fast.machine.blocks import Block
from fastconv.backends.fast.machine.intrinsics import load_at, store_at
from fastconv.backends.fast.machine.kernel import kernel

POINTWISE = Block("A B OUT NUMBERS TASKS", results="OUT")
RELU, RELU_BACKWARD, ADD, ADD_RELU, MULTIPLY = 0, 1, 2, 3, 4
_FORMS = {"relu": RELU, "relu_backward": RELU_BACKWARD, "add": ADD, "add_relu": ADD_RELU, "multiply": MULTIPLY}


@kernel(POINTWISE, form=_FORMS)
def pointwise(args, task, number, form):
    """OUT = A + B, or A * B, or A or A + B where that is positive or NaN, else zero; backward A where B is, else zero.

    `number` is a zero of the type. A NaN fails every comparison, so ReLU and its gradient let it through.
    """
    numbers, tasks = args.NUMBERS, args.TASKS
    a, b, out = args.A, args.B, args.OUT
    for i in range(numbers * task // tasks, numbers * (task + 1) // tasks):
        if form == RELU_BACKWARD:  # A is the gradient, B the output
            value = number if load_at(b, i, number) <= number else load_at(a, i, number)
        elif form == MULTIPLY:
            value = load_at(a, i, number) * load_at(b, i, number)
        else:
            value = load_at(a, i, number) if form == RELU else load_at(a, i, number) + load_at(b, i, number)
            if form != ADD and value <= number:
                value = number
        store_at(out, i, value)

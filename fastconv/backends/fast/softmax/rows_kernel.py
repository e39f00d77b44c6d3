"""Softmax, its logarithm, and their gradients, where the numbers along the axis lie side by side: in rows.

Some rows at a time, whose numbers stay in the L1 cache: exponentials are of all of them in one loop, which LLVM
vectorises however short a row is. Sums are of float64, in a fixed order. What each function computes is in
`backends.softmax`, its NumPy twin.
"""

from __future__ import annotations

from fastconv.backends.fast.losses.of_classes_kernel import largest_of
from fastconv.backends.fast.losses.total_kernel import sum_of
from fastconv.backends.fast.machine.blocks import Block
from fastconv.backends.fast.machine.elementary import exp, log
from fastconv.backends.fast.machine.intrinsics import load_at, rounded, size_of, store_at
from fastconv.backends.fast.machine.jit import helper
from fastconv.backends.fast.machine.kernel import kernel

ROWS = Block("X OUT ROWS CLASSES TASKS", results="OUT")
ROWS_GRADIENT = Block("DY Y OUT ROWS CLASSES TASKS", results="OUT")
_NUMBERS = 2**11  # of some rows


@helper
def _find_exponentials(x, out, rows, classes, number):
    """OUT = e^(x - largest of the row)."""
    step = classes * size_of(number)
    for row in range(rows):
        source, target = x + row * step, out + row * step
        largest = largest_of(source, classes, number)
        for k in range(classes):
            store_at(target, k, load_at(source, k, number) - largest)
    for i in range(rows * classes):
        store_at(out, i, exp(load_at(out, i, number)))


@helper
def _softmax(x, out, rows, classes, number):
    _find_exponentials(x, out, rows, classes, number)
    for row in range(rows):
        target = out + row * classes * size_of(number)
        total = rounded(sum_of(target, classes, number), number)
        for k in range(classes):
            store_at(target, k, load_at(target, k, number) / total)


@helper
def _log_softmax(x, out, rows, classes, number):
    _find_exponentials(x, out, rows, classes, number)
    step = classes * size_of(number)
    for row in range(rows):
        source, target = x + row * step, out + row * step
        largest = largest_of(source, classes, number)
        log_total = rounded(log(sum_of(target, classes, number)), number)
        for k in range(classes):
            store_at(target, k, (load_at(source, k, number) - largest) - log_total)


@helper
def _softmax_backward(dy, y, out, rows, classes, number):
    step = classes * size_of(number)
    for i in range(rows * classes):
        store_at(out, i, load_at(dy, i, number) * load_at(y, i, number))
    for row in range(rows):
        first, second, target = dy + row * step, y + row * step, out + row * step
        total = rounded(sum_of(target, classes, number), number)
        for k in range(classes):
            store_at(target, k, (load_at(first, k, number) - total) * load_at(second, k, number))


@helper
def _log_softmax_backward(dy, y, out, rows, classes, number):
    step = classes * size_of(number)
    for i in range(rows * classes):
        store_at(out, i, exp(load_at(y, i, number)))
    for row in range(rows):
        first, target = dy + row * step, out + row * step
        total = rounded(sum_of(first, classes, number), number)
        for k in range(classes):
            store_at(target, k, load_at(first, k, number) - load_at(target, k, number) * total)


@helper
def _some(classes):
    """How many rows are gone through at a time."""
    return max(1, _NUMBERS // classes)


@kernel(ROWS, function={"softmax": _softmax, "log_softmax": _log_softmax})
def softmax_of_rows(args, task, number, function):
    """OUT = function of each row of X."""
    rows, classes, tasks, some = args.ROWS, args.CLASSES, args.TASKS, _some(args.CLASSES)
    stop, step = rows * (task + 1) // tasks, classes * size_of(number)
    for row in range(rows * task // tasks, stop, some):
        function(args.X + row * step, args.OUT + row * step, min(some, stop - row), classes, number)


@kernel(ROWS_GRADIENT, function={"softmax": _softmax_backward, "log_softmax": _log_softmax_backward})
def softmax_of_rows_backward(args, task, number, function):
    """OUT = gradient from each row of DY and of Y, what the function gave."""
    rows, classes, tasks, some = args.ROWS, args.CLASSES, args.TASKS, _some(args.CLASSES)
    stop, step = rows * (task + 1) // tasks, classes * size_of(number)
    for row in range(rows * task // tasks, stop, some):
        place, count = row * step, min(some, stop - row)
        function(args.DY + place, args.Y + place, args.OUT + place, count, classes, number)

"""Numbers at indices: added (the gradient of max pooling), put (unpooling) or taken (its gradient).

x has a number per cell of a plane, y one per index. Tasks own blocks of channels of an image, so that no two of them
write to one cell, and go through the indices in row-major order.
"""

from __future__ import annotations

from functools import cache

from fastconv.kernels.arguments import Block
from fastconv.kernels.jit import LOCK, REVISION, ZERO, c_function, helper
from fastconv.kernels.memory import integer, load, size_of, store

__all__ = ["PICKS", "picks_address"]

PICKS = Block("X X_N X_C X_W Y Y_N Y_C Y_W INDEX FIRST STOP BATCH CHANNELS CHANNEL_BLOCK TASKS")
X, X_N, X_C, X_W, Y, Y_N, Y_C, Y_W, INDEX, FIRST, STOP, BATCH, CHANNELS, CHANNEL_BLOCK, TASKS = range(len(PICKS.names))
FORMS = {"add": 0, "put": 1, "take": 2}


@helper
def _pick(x, y, index, form, number):
    """One index: x is the address of the cell, y that of the number."""
    if form == 2:
        store(y, load(x, number))
    elif form == 1:
        store(x, load(y, number))
    elif index >= 0:
        store(x, load(x, number) + load(y, number))


def _driver(number, form):
    revision = REVISION

    def picks(args, task):
        revision  # noqa: B018 (a part of the cache key)
        channels, step, tasks = integer(args, CHANNELS), integer(args, CHANNEL_BLOCK), integer(args, TASKS)
        blocks, item_size = (channels + step - 1) // step, size_of(number)
        items = integer(args, BATCH) * blocks
        x_c, y_c, x_w, y_w = integer(args, X_C), integer(args, Y_C), integer(args, X_W), integer(args, Y_W)
        for item in range(items * task // tasks, items * (task + 1) // tasks):
            n, first = item // blocks, item % blocks * step
            plane = integer(args, X) + n * integer(args, X_N) + first * x_c
            offset = n * integer(args, Y_N) + first * y_c
            y, indices = integer(args, Y) + offset, integer(args, INDEX) + offset // item_size * 8
            if y_w == item_size and x_w == item_size:
                for p in range(integer(args, FIRST), integer(args, STOP)):
                    index = integer(indices, p)
                    _pick(plane + index * item_size, y + p * item_size, index, form, number)
            else:
                for p in range(integer(args, FIRST), integer(args, STOP)):
                    for c in range(min(step, channels - first)):
                        here = p * y_w + c * y_c
                        index = integer(indices, here // item_size)
                        _pick(plane + index * x_w + c * x_c, y + here, index, form, number)

    return picks


@cache
def _compiled(form, itemsize):
    return c_function(f"picks_{form}_f{8 * itemsize}", "void(intp, intp)", _driver(ZERO[itemsize], FORMS[form]))


def picks_address(form: str, itemsize: int) -> int:
    """Address of "add", "put" or "take" for numbers of `itemsize` bytes; compiled on first use."""
    with LOCK:
        return _compiled(form, itemsize).address

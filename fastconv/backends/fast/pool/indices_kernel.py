"""Numbers at indices: added (the gradient of max pooling), put (unpooling) or taken (its gradient).

x has a number per cell of a plane, y one per index. Tasks own blocks of channels of an image, so that no two of them
write to one cell, and go through the indices in row-major order.
"""

from __future__ import annotations

from fastconv.backends.fast.machine.blocks import Block
from fastconv.backends.fast.machine.intrinsics import clear_bytes, integer, load, size_of, store, store_at
from fastconv.backends.fast.machine.jit import helper
from fastconv.backends.fast.machine.kernel import kernel

AT_INDICES = Block("X X_N X_C X_W Y Y_N Y_C Y_W INDEX CELLS FIRST STOP BATCH CHANNELS CHANNEL_BLOCK TASKS")
ADD, PUT, TAKE = 0, 1, 2


@helper
def _move(x, y, index, form, number):
    """One index: x is the address of the cell, y that of the number."""
    if form == TAKE:
        store(y, load(x, number))
    elif form == PUT:
        store(x, load(y, number))
    elif index >= 0:
        store(x, load(x, number) + load(y, number))


@helper
def _clear(args, plane, channels, number):
    """Set some channels of an image of x to zero, unless other numbers were put there before."""
    step = args.X_W
    if args.FIRST == 0:
        if step == channels * size_of(number):
            clear_bytes(plane, args.CELLS * step)
        else:
            for p in range(args.CELLS):
                for c in range(channels):
                    store_at(plane + p * step, c, number)


@helper
def _at_indices(args, task, number, form):
    """Some blocks of channels of some images."""
    channels, step, tasks = args.CHANNELS, args.CHANNEL_BLOCK, args.TASKS
    blocks, item_size = (channels + step - 1) // step, size_of(number)
    items = args.BATCH * blocks
    x_c, y_c, x_w, y_w = args.X_C, args.Y_C, args.X_W, args.Y_W
    for item in range(items * task // tasks, items * (task + 1) // tasks):
        n, first = item // blocks, item % blocks * step
        plane = args.X + n * args.X_N + first * x_c
        offset = n * args.Y_N + first * y_c
        if form != TAKE:
            _clear(args, plane, min(step, channels - first), number)
        y, indices = args.Y + offset, args.INDEX + offset // item_size * 8
        if y_w == item_size and x_w == item_size:
            for p in range(args.FIRST, args.STOP):
                index = integer(indices, p)
                _move(plane + index * item_size, y + p * item_size, index, form, number)
        else:
            for p in range(args.FIRST, args.STOP):
                for c in range(min(step, channels - first)):
                    here = p * y_w + c * y_c
                    index = integer(indices, here // item_size)
                    _move(plane + index * x_w + c * x_c, y + here, index, form, number)


@kernel(AT_INDICES, results="X")
def add_at_indices(args, task, number):
    """The gradient of max pooling."""
    _at_indices(args, task, number, ADD)


@kernel(AT_INDICES, results="X")
def put_at_indices(args, task, number):
    """Unpooling."""
    _at_indices(args, task, number, PUT)


@kernel(AT_INDICES, results="Y")
def take_at_indices(args, task, number):
    """The gradient of unpooling."""
    _at_indices(args, task, number, TAKE)


AT = {"add": add_at_indices, "put": put_at_indices, "take": take_at_indices}

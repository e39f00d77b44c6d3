"""Numbers at indices: added (the gradient of max pooling), put (unpooling) or taken (its gradient).

x has a number per cell of a plane, y one per index. Tasks own blocks of channels of an image, so that no two of them
write to one cell, and go through the indices in row-major order.
"""

from __future__ import annotations

import numpy as np

from fastconv.backends.fast.machine.blocks import Block
from fastconv.backends.fast.machine.intrinsics import clear_bytes, integer, load, size_of, store, store_at
from fastconv.backends.fast.machine.jit import helper
from fastconv.backends.fast.machine.kernel import kernel

AT_INDICES = Block("X X_N X_C X_W Y Y_N Y_C Y_W INDEX CELLS COUNT FIRST STOP BATCH CHANNELS CHANNEL_BLOCK TASKS")
ADD, PUT, TAKE = 0, 1, 2
NEAR = 2**13  # bytes of indices that are read twice, first for the last cell that they mean


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
def _clear(args, plane, channels, start, stop, number):
    """Set some channels of cells `start` to ``stop - 1`` of an image of x to zero."""
    step = args.X_W
    if step == channels * size_of(number):
        clear_bytes(plane + start * step, (stop - start) * step)
    else:
        for p in range(start, stop):
            for c in range(channels):
                store_at(plane + p * step, c, number)


@helper
def _beyond(indices, first, stop, row, channels, cleared):
    """One after the last cell that indices of some channels mean, where that is beyond those that are cleared."""
    last = np.int64(cleared)
    if row == channels:  # one run, which is long where channels are few
        for i in range(first * row, stop * row):
            last = max(last, integer(indices, i) + 1)
        return last
    for p in range(first, stop):
        for c in range(channels):
            last = max(last, integer(indices, p * row + c) + 1)
    return last


@helper
def _row(args, plane, y, indices, channels, first, stop, form, number):
    """Indices `first` to ``stop - 1``, of some channels that are dense."""
    item, x_w, y_w = size_of(number), args.X_W, args.Y_W
    row = y_w // item
    for p in range(first, stop):
        source, places = y + p * y_w, indices + p * row * 8
        for c in range(channels):
            index = integer(places, c)
            _move(plane + index * x_w + c * item, source + c * item, index, form, number)


@helper
def _channels(args, plane, y, indices, channels, form, number):
    """All indices of some channels of an image, channels-last; cells are cleared shortly before they are added to."""
    first, stop, cells, whole = args.FIRST, args.STOP, args.CELLS, args.FIRST == 0 and args.STOP == args.COUNT
    some, row = max(1, NEAR // (channels * 8)), args.Y_W // size_of(number)
    cleared = cells if form == TAKE or first > 0 else 0
    if form != TAKE and not whole and first == 0:
        _clear(args, plane, channels, 0, cells, number)
        cleared = cells
    for p in range(first, stop, some):
        end = min(p + some, stop)
        if cleared < cells:
            needed = min(_beyond(indices, p, end, row, channels, cleared), cells)
            _clear(args, plane, channels, cleared, needed, number)
            cleared = needed
        _row(args, plane, y, indices, channels, p, end, form, number)
    if cleared < cells:
        _clear(args, plane, channels, cleared, cells, number)


@helper
def _plane(args, plane, y, indices, form, number):
    """All indices of a plane."""
    item = size_of(number)
    if form != TAKE and args.FIRST == 0:
        clear_bytes(plane, args.CELLS * item)
    for p in range(args.FIRST, args.STOP):
        index = integer(indices, p)
        _move(plane + index * item, y + p * item, index, form, number)


@helper
def _at_indices(args, task, number, form):
    """Some blocks of channels of some images."""
    channels, step, tasks, item = args.CHANNELS, args.CHANNEL_BLOCK, args.TASKS, size_of(number)
    blocks = (channels + step - 1) // step
    items = args.BATCH * blocks
    for i in range(items * task // tasks, items * (task + 1) // tasks):
        n, first = i // blocks, i % blocks * step
        plane = args.X + n * args.X_N + first * args.X_C
        offset = n * args.Y_N + first * args.Y_C
        y, indices = args.Y + offset, args.INDEX + offset // item * 8
        if args.X_W == item and args.Y_W == item:
            _plane(args, plane, y, indices, form, number)
        else:
            _channels(args, plane, y, indices, min(step, channels - first), form, number)


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

"""The places of maxima, numbers of taps in their windows: the gradient of max pooling, and the indices that they mean.

A table has what each tap adds to the address, or to the position, of the first. Tasks own blocks of channels of an
image, so that no two of them write to one cell, and go through the windows in row-major order.
"""

from __future__ import annotations

import numpy as np

from fastconv.backends.fast.machine.intrinsics import byte, integer, load, size_of, store, store_integer
from fastconv.backends.fast.machine.jit import helper
from fastconv.backends.fast.machine.kernel import kernel
from fastconv.backends.fast.pool.windows_kernel import WINDOWS, D, H, W, clear, columns, window


@helper
def _row(args, plane, here, channels, depths, heights, start, stop, finds, number):
    """Some windows of a row, of some channels."""
    item, step, x_step, table, stride = size_of(number), args.Y_C, args.X_C, args.TABLE, args.Y_W
    empty, pad, s_w, x_w = depths[1] == depths[2] or heights[1] == heights[2], args.PAD_W, args.S_W, args.X_W
    dense = args.DIL_D * args.DIL_H * args.DIL_W == 1  # such a window has a cell
    position = (depths[0] * args.IN_H + heights[0]) * args.IN_W
    row, source, places = plane + depths[0] * args.X_D + heights[0] * args.X_H, args.Y + here, args.INDEX + here // item
    for ow in range(start, stop):
        w = ow * s_w - pad
        nowhere = False
        if not dense:
            _, first, last = window(args, W, ow)
            nowhere = empty or first == last
        y, place, x = source + ow * stride, places + ow * (stride // item), row + w * x_w
        for c in range(channels):
            offset = integer(table, byte(place, c * (step // item)))
            if finds:
                store_integer(y + c * step, 0, -1 if nowhere else position + w + offset)
            elif not nowhere:
                cell = x + offset + c * x_step
                store(cell, load(cell, number) + load(y + c * step, number))


@helper
def _images(args, task, number, finds):
    """Some blocks of channels of some images."""
    step, tasks, height = args.CHANNEL_BLOCK, args.TASKS, args.OUT_H
    blocks = (args.CHANNELS + step - 1) // step
    items = args.BATCH * blocks
    for item in range(items * task // tasks, items * (task + 1) // tasks):
        n, first = item // blocks, item % blocks * step
        channels = min(step, args.CHANNELS - first)
        plane = args.X + n * args.X_N + first * args.X_C
        image = n * args.Y_N + first * args.Y_C
        if not finds:
            clear(args, plane, channels, number)
        for od in range(args.OUT_D):
            depths = window(args, D, od)
            for oh in range(height):
                start, stop = columns(args, od * height + oh)
                here, heights = image + od * args.Y_D + oh * args.Y_H, window(args, H, oh)
                _row(args, plane, here, channels, depths, heights, start, stop, finds, number)


@kernel(WINDOWS, results="X")
def add_at_places(args, task, number):
    """Every gradient goes to the cell that won: y is that of the windows, x that of the planes."""
    _images(args, task, number, False)


@kernel(WINDOWS, typed=False, results="Y")
def indices_of_places(args, task):
    """Positions in the planes: y has int64 numbers."""
    _images(args, task, np.float64(0), True)

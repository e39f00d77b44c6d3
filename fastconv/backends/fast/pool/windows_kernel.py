"""Sliding windows without products: argument block and helpers shared by pooling, im2col and col2im.

Windows that are reduced one by one are those of adaptive and global pooling, and long ones. There `SCALE` is how many
cells of memory there are to a cell of an axis, where whole rows are taken for one long row, and `FACTOR` what the axes
that are part of it add to a divisor. Windows may share the axes out instead, with `ADAPTIVE`.
"""

from __future__ import annotations

import numpy as np

from fastconv.backends.fast.machine.blocks import Block, view
from fastconv.backends.fast.machine.intrinsics import clear_bytes, size_of, store_at
from fastconv.backends.fast.machine.jit import INTERPRETED, helper

# x: the plane-sized array; y: the window-sized one. SAME is what the means of all windows are divided by, or 0 where
# they differ. FIRST to STOP - 1: the windows of a plane that are reduced now, or for im2col and col2im the taps; all of
# them, but for launches that take long (`machine.launch`).
WINDOWS = Block(
    """
    X X_N X_C Y Y_N Y_C INDEX BATCH CHANNELS SAME FACTOR ADAPTIVE
    SCRATCH SCRATCH_STRIDE CHANNEL_BLOCK TASKS FIRST STOP TABLE
    IN_D OUT_D K_D S_D DIL_D PAD_D FROM_D TO_D X_D Y_D SCALE_D
    IN_H OUT_H K_H S_H DIL_H PAD_H FROM_H TO_H X_H Y_H SCALE_H
    IN_W OUT_W K_W S_W DIL_W PAD_W FROM_W TO_W X_W Y_W SCALE_W
""",
    results="Y INDEX SCRATCH",
)
# one axis of them; a mean is over the taps on cells FROM to TO - 1
AXIS = Block("IN OUT K S DIL PAD FROM TO X Y SCALE")
D, H, W = (8 * WINDOWS.index[f"IN_{letter}"] for letter in "DHW")  # where the entries of an axis begin


@helper
def first_tap(start, dilation):
    """First tap of a window from cell `start` on that lies at cell 0 or after."""
    return 0 if start >= 0 else (-start + dilation - 1) // dilation


@helper
def stop_tap(start, dilation, kernel, size):
    """One after the last tap that lies before cell `size`; 0 or less where there is none."""
    if start + (kernel - 1) * dilation < size:  # for most windows; a division takes as long as a short row
        return kernel
    return (size - 1 - start) // dilation + 1


@helper
def along(args, axis):
    """Entries of one of the axes `D`, `H`, `W`."""
    return view(AXIS, args + axis)


@helper
def window(args, axis, o):
    """(first cell of window `o`, first tap, stop tap) along one of the axes `D`, `H`, `W`."""
    line = along(args, axis)
    start = o * line.S - line.PAD
    dilation = line.DIL
    first = first_tap(start, dilation)
    return start, first, max(first, stop_tap(start, dilation, line.K, line.IN))


@helper
def counted(args, axis, o):
    """Taps of window `o` along one axis that are on cells which count."""
    line = along(args, axis)
    start = o * line.S - line.PAD - line.FROM
    dilation, cells = line.DIL, line.TO - line.FROM
    return max(0, stop_tap(start, dilation, line.K, cells) - first_tap(start, dilation))


@helper
def whole(args, axis):
    """Range of the windows along one axis all of whose taps are on cells that count."""
    line = along(args, axis)
    beyond, first = (line.K - 1) * line.DIL, line.FROM
    cells = line.TO - first - beyond
    return inside(-line.PAD - first, line.S, cells, line.OUT)


@helper
def columns(args, row):
    """Range of the windows of a row of windows that are reduced now; `row` counts them over the plane."""
    width = args.OUT_W
    first = min(max(args.FIRST - row * width, 0), width)
    return first, max(first, min(args.STOP - row * width, width))


@helper
def row_of(args, row):
    """(image, channel, depth, height) of a row of windows, counted over all planes."""
    channels, height, depth = args.CHANNELS, args.OUT_H, args.OUT_D
    plane = row // (height * depth)
    return plane // channels, plane % channels, row // height % depth, row % height


@helper
def row_at(args, row):
    """(address of the plane in x, byte offset of the row in y, depth, height) of a row of windows."""
    n, c, od, oh = row_of(args, row)
    here = n * args.Y_N + c * args.Y_C + od * args.Y_D + oh * args.Y_H
    return args.X + n * args.X_N + c * args.X_C, here, od, oh


@helper
def block_at(args, item, blocks, number):
    """(address in x, byte offset in y, channels, depth, height, width) of a window in a block of channels."""
    height, width, depth = args.OUT_H, args.OUT_W, args.OUT_D
    place, first = item // blocks, item % blocks * args.CHANNEL_BLOCK
    row, ow = place // width, place % width
    n, od, oh = row // (height * depth), row // height % depth, row % height
    start = first * size_of(number)
    here = n * args.Y_N + start + od * args.Y_D + oh * args.Y_H + ow * args.Y_W
    return args.X + n * args.X_N + start, here, min(args.CHANNEL_BLOCK, args.CHANNELS - first), od, oh, ow


@helper
def inside(start, step, size, count):
    """Range of the o < count for which cell ``start + o * step`` lies in ``[0, size)``."""
    if start >= 0 and start + (count - 1) * step < size:
        return 0, count
    first = min(0 if start >= 0 else (-start + step - 1) // step, count)
    stop = 0 if start >= size else (size - 1 - start) // step + 1
    return first, max(first, min(stop, count))


@helper
def last_number(args):
    """Address of the number of x whose positions are the last along all axes: up to it, everything may be read."""
    place = args.X + (args.BATCH - 1) * args.X_N
    place += (args.CHANNELS - 1) * args.X_C + (args.IN_D - 1) * args.X_D
    return place + (args.IN_H - 1) * args.X_H + (args.IN_W - 1) * args.X_W


@helper
def clear(args, plane, channels, number):
    """Set some channels of an image of x, which is dense, to zero, unless other windows were added to it before."""
    item, step, width = size_of(number), args.X_W, args.IN_W * max(args.SCALE_W, 1)
    for d in range(args.IN_D if args.FIRST == 0 else 0):
        for h in range(args.IN_H):
            row = plane + d * args.X_D + h * args.X_H
            if step == channels * item:
                clear_bytes(row, width * step)
            else:
                for w in range(width):
                    for c in range(channels):
                        store_at(row + w * step, c, number)


@helper
def ratio(number, divisor):
    """``number // divisor`` of numbers from 0 on: a signed division also rounds."""
    if INTERPRETED:  # Python's integers stay what they are: addresses are made of them
        return number // divisor
    return np.int64(np.uint64(number) // np.uint64(divisor))


@helper
def span(args, axis, o):
    """(byte offset of the first tap, taps, bytes between taps, first cell) of window `o` along `D`, `H` or `W`."""
    line = along(args, axis)
    dilation, stride, scale = line.DIL, line.X, line.SCALE
    if args.ADAPTIVE:
        size, out = line.IN, line.OUT
        start = ratio(o * size, out)
        taps = ratio((o + 1) * size + out - 1, out) - start
    else:
        start, first, stop = window(args, axis, o)
        start, taps = start + first * dilation, stop - first
    return start * scale * stride, taps * scale, dilation * stride, start * scale


@helper
def divisor(args, depths, heights, widths, od, oh, ow):
    """What the mean of a window with these spans is divided by."""
    if args.SAME:
        return args.SAME
    if args.ADAPTIVE:
        return depths[1] * heights[1] * widths[1]
    return args.FACTOR * counted(args, D, od) * counted(args, H, oh) * counted(args, W, ow)

"""Sliding windows without products: argument block and helpers shared by pooling, im2col and col2im."""

from __future__ import annotations

from fastconv.kernels.arguments import Block
from fastconv.kernels.jit import helper
from fastconv.kernels.memory import integer

__all__ = [
    "SAME",
    "WINDOWS",
    "D",
    "H",
    "W",
    "columns",
    "counted",
    "first_tap",
    "inside",
    "last_number",
    "stop_tap",
    "whole",
    "window",
]

# x: the plane-sized array; y: the window-sized one. A mean is over the taps on cells FROM to TO - 1; SAME is what all
# windows are divided by, or 0 where they differ. FIRST to STOP - 1: the windows of a plane that are reduced now, or for
# im2col and col2im the taps; all of them, but for launches that take long (`fastconv.kernels.launch`).
WINDOWS = Block(
    """
    X X_N X_C X_D X_H X_W Y Y_N Y_C Y_D Y_H Y_W INDEX BATCH CHANNELS
    IN_D IN_H IN_W OUT_D OUT_H OUT_W K_D K_H K_W S_D S_H S_W DIL_D DIL_H DIL_W PAD_D PAD_H PAD_W
    FROM_D FROM_H FROM_W TO_D TO_H TO_W SAME SCRATCH SCRATCH_STRIDE CHANNEL_BLOCK TASKS FIRST STOP
"""
)


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


_I = WINDOWS.index
X, X_N, X_C, X_D, X_H, X_W = (_I[name] for name in ("X", "X_N", "X_C", "X_D", "X_H", "X_W"))
BATCH, CHANNELS, SAME, FIRST, STOP = (_I[name] for name in ("BATCH", "CHANNELS", "SAME", "FIRST", "STOP"))
D, H, W = (
    tuple(_I[f"{name}_{axis}"] for name in ("IN", "OUT", "K", "S", "DIL", "PAD", "FROM", "TO")) for axis in "DHW"
)


@helper
def window(args, axis, o):
    """(first cell of window `o`, first tap, stop tap) along one of the axes `D`, `H`, `W`."""
    start = o * integer(args, axis[3]) - integer(args, axis[5])
    dilation = integer(args, axis[4])
    first = first_tap(start, dilation)
    return start, first, max(first, stop_tap(start, dilation, integer(args, axis[2]), integer(args, axis[0])))


@helper
def counted(args, axis, o):
    """Taps of window `o` along one axis that are on cells which count."""
    start = o * integer(args, axis[3]) - integer(args, axis[5]) - integer(args, axis[6])
    dilation, cells = integer(args, axis[4]), integer(args, axis[7]) - integer(args, axis[6])
    return max(0, stop_tap(start, dilation, integer(args, axis[2]), cells) - first_tap(start, dilation))


@helper
def whole(args, axis):
    """Range of the windows along one axis all of whose taps are on cells that count."""
    beyond, first = (integer(args, axis[2]) - 1) * integer(args, axis[4]), integer(args, axis[6])
    cells = integer(args, axis[7]) - first - beyond
    return inside(-integer(args, axis[5]) - first, integer(args, axis[3]), cells, integer(args, axis[1]))


@helper
def columns(args, row):
    """Range of the windows of a row of windows that are reduced now; `row` counts them over the plane."""
    width = integer(args, W[1])
    first = min(max(integer(args, FIRST) - row * width, 0), width)
    return first, max(first, min(integer(args, STOP) - row * width, width))


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
    place = integer(args, X) + (integer(args, BATCH) - 1) * integer(args, X_N)
    place += (integer(args, CHANNELS) - 1) * integer(args, X_C) + (integer(args, D[0]) - 1) * integer(args, X_D)
    return place + (integer(args, H[0]) - 1) * integer(args, X_H) + (integer(args, W[0]) - 1) * integer(args, X_W)

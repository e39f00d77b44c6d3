"""Windows given by tables, reduced one by one: adaptive and global pooling, and windows that are long.

Along each axis a table has the first real cell of every window, another its real taps, a third what the mean is
divided by. x is the plane-sized array, y the window-sized one.
"""

from __future__ import annotations

from fastconv.kernels.arguments import Block
from fastconv.kernels.jit import helper
from fastconv.kernels.memory import integer

__all__ = ["BOXES", "D", "H", "W", "divisor", "span"]

BOXES = Block(
    """
    X X_N X_C X_D X_H X_W Y Y_N Y_C Y_D Y_H Y_W INDEX BATCH CHANNELS IN_H IN_W OUT_D OUT_H OUT_W
    START_D START_H START_W TAPS_D TAPS_H TAPS_W COUNT_D COUNT_H COUNT_W DIL_D DIL_H DIL_W
    SCRATCH SCRATCH_STRIDE CHANNEL_BLOCK TASKS
"""
)
_I = BOXES.index
D, H, W = (tuple(_I[f"{name}_{axis}"] for name in ("START", "TAPS", "COUNT", "DIL", "X")) for axis in "DHW")


@helper
def span(args, axis, o):
    """(byte offset of the first tap, taps, bytes between taps, first cell) of window `o` along `D`, `H` or `W`."""
    start, stride = integer(integer(args, axis[0]), o), integer(args, axis[4])
    return start * stride, integer(integer(args, axis[1]), o), integer(args, axis[3]) * stride, start


@helper
def divisor(args, od, oh, ow):
    """What the mean of a window is divided by."""
    count = integer(integer(args, D[2]), od) * integer(integer(args, H[2]), oh)
    return count * integer(integer(args, W[2]), ow)

"""Windows that are reduced one by one: adaptive and global pooling, and windows that are long.

The argument block is that of `fastconv.kernels.windows`, with a `SCALE` per axis: as many cells of memory to a cell of
the axis, where whole rows are taken for one long row. Its windows may share the axis out instead, adaptively. x is the
plane-sized array, y the window-sized one.
"""

from __future__ import annotations

import numpy as np

from fastconv.kernels import windows
from fastconv.kernels.arguments import Block
from fastconv.kernels.jit import INTERPRETED, helper
from fastconv.kernels.memory import integer
from fastconv.kernels.windows import SAME, WINDOWS, counted, window

__all__ = ["BOXES", "D", "H", "W", "divisor", "span"]

# FACTOR: what the axes that are part of a long row add to a divisor
BOXES = Block(" ".join(WINDOWS.names) + " SCALE_D SCALE_H SCALE_W FACTOR ADAPTIVE")
_I = BOXES.index
D, H, W = ((*getattr(windows, axis), _I[f"X_{axis}"], _I[f"SCALE_{axis}"]) for axis in "DHW")
FACTOR, ADAPTIVE = _I["FACTOR"], _I["ADAPTIVE"]


@helper
def _ratio(number, divisor):
    """``number // divisor`` of numbers from 0 on: a signed division also rounds."""
    if INTERPRETED:  # Python's integers stay what they are: addresses are made of them
        return number // divisor
    return np.int64(np.uint64(number) // np.uint64(divisor))


@helper
def span(args, axis, o):
    """(byte offset of the first tap, taps, bytes between taps, first cell) of window `o` along `D`, `H` or `W`."""
    dilation, stride, scale = integer(args, axis[4]), integer(args, axis[8]), integer(args, axis[9])
    if integer(args, ADAPTIVE):
        size, out = integer(args, axis[0]), integer(args, axis[1])
        start = _ratio(o * size, out)
        taps = _ratio((o + 1) * size + out - 1, out) - start
    else:
        start, first, stop = window(args, axis, o)
        start, taps = start + first * dilation, stop - first
    return start * scale * stride, taps * scale, dilation * stride, start * scale


@helper
def divisor(args, depths, heights, widths, od, oh, ow):
    """What the mean of a window with these spans is divided by."""
    if integer(args, SAME):
        return integer(args, SAME)
    if integer(args, ADAPTIVE):
        return depths[1] * heights[1] * widths[1]
    return integer(args, FACTOR) * counted(args, D, od) * counted(args, H, oh) * counted(args, W, ow)

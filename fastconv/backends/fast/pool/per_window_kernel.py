"""Windows that are reduced one by one: adaptive and global pooling, and windows that are long.

`SCALE` is how many cells of memory there are to a cell of an axis, where whole rows are taken for one long row, and
`FACTOR` what the axes that are part of it add to a divisor. Windows may share the axes out instead, with `ADAPTIVE`.
"""

from __future__ import annotations

import numpy as np

from fastconv.backends.fast.machine.jit import INTERPRETED, helper
from fastconv.backends.fast.pool.windows_kernel import D, H, W, along, counted, window

__all__ = ["divisor", "span"]


@helper
def _ratio(number, divisor):
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
        start = _ratio(o * size, out)
        taps = _ratio((o + 1) * size + out - 1, out) - start
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

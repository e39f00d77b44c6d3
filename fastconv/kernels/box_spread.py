"""The gradient of means over the windows of `fastconv.kernels.boxes`: every gradient is shared by its cells.

Where windows overlap, or leave cells out, shares are added to zeros; windows that cover a plane side by side are
filled, and their memory is written once.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from fastconv.kernels.boxes import BOXES, D, H, W, divisor, span
from fastconv.kernels.jit import LOCK, REVISION, ZERO, c_function, helper
from fastconv.kernels.memory import (
    copy_bytes,
    integer,
    load,
    load_at,
    load_double,
    size_of,
    store_double,
    store_number,
    store_number_at,
)
from fastconv.kernels.windows import columns

__all__ = ["box_spread_address"]

_I = BOXES.index
X, X_N, X_C, Y, Y_N, Y_C = (_I[name] for name in ("X", "X_N", "X_C", "Y", "Y_N", "Y_C"))
Y_D, Y_H, Y_W, OUT_D, OUT_H = (_I[name] for name in ("Y_D", "Y_H", "Y_W", "OUT_D", "OUT_H"))
BATCH, CHANNELS, TASKS, CHANNEL_BLOCK = _I["BATCH"], _I["CHANNELS"], _I["TASKS"], _I["CHANNEL_BLOCK"]
SCRATCH, SCRATCH_STRIDE = _I["SCRATCH"], _I["SCRATCH_STRIDE"]


@helper
def _along(x, step, count, share, fill, number):
    """A run of cells; where it is dense, by an index that LLVM's vectoriser can follow."""
    if step == size_of(number):
        for i in range(count):
            store_number_at(x, i, share if fill else np.float64(load_at(x, i, number)) + share, number)
    else:
        for i in range(count):
            store_number(x + i * step, share if fill else np.float64(load(x + i * step, number)) + share, number)


@helper
def _window_plane(plane, spans, share, fill, number):
    """All cells of one window of one channel."""
    (d0, depth, d_step, _), (h0, height, h_step, _), (w0, width, w_step, _) = spans
    for kd in range(depth):
        for kh in range(height):
            row = plane + d0 + kd * d_step + h0 + kh * h_step + w0
            _along(row, w_step, width, share, fill, number)


@helper
def _window_lanes(plane, spans, shares, channels, fill, number):
    """All cells of one window, of some channels; `shares` are numbers to copy, or float64 numbers to add."""
    (d0, depth, d_step, _), (h0, height, h_step, _), (w0, width, w_step, _) = spans
    item = size_of(number)
    for kd in range(depth):
        for kh in range(height):
            row = plane + d0 + kd * d_step + h0 + kh * h_step + w0
            for kw in range(width):
                x = row + kw * w_step
                if fill:
                    copy_bytes(x, shares, channels * item)
                else:
                    for c in range(channels):
                        store_number_at(x, c, np.float64(load_at(x, c, number)) + load_double(shares, c), number)


@helper
def _shares(y, shares, count, channels, fill, number):
    for c in range(channels):
        share = np.float64(load_at(y, c, number)) / count
        if fill:
            store_number_at(shares, c, share, number)
        else:
            store_double(shares, c, share)


def _lanes(number, fill):
    revision = REVISION

    def box_spread_lanes(args, task):
        revision  # noqa: B018 (a part of the cache key)
        step, item, tasks = integer(args, CHANNEL_BLOCK), size_of(number), integer(args, TASKS)
        blocks = (integer(args, CHANNELS) + step - 1) // step
        items = integer(args, BATCH) * blocks
        shares = integer(args, SCRATCH) + task * integer(args, SCRATCH_STRIDE)
        for i in range(items * task // tasks, items * (task + 1) // tasks):
            n, first = i // blocks, i % blocks * step
            channels = min(step, integer(args, CHANNELS) - first)
            plane = integer(args, X) + n * integer(args, X_N) + first * item
            source = integer(args, Y) + n * integer(args, Y_N) + first * item
            for od in range(integer(args, OUT_D)):
                for oh in range(integer(args, OUT_H)):
                    row = source + od * integer(args, Y_D) + oh * integer(args, Y_H)
                    depths, heights = span(args, D, od), span(args, H, oh)
                    for ow in range(*columns(args, od * integer(args, OUT_H) + oh)):
                        widths = span(args, W, ow)
                        count = divisor(args, depths, heights, widths, od, oh, ow)
                        if count:
                            _shares(row + ow * integer(args, Y_W), shares, count, channels, fill, number)
                            _window_lanes(plane, (depths, heights, widths), shares, channels, fill, number)

    return box_spread_lanes


def _plane(number, fill):
    revision = REVISION

    def box_spread_plane(args, task):
        revision  # noqa: B018 (a part of the cache key)
        channels, tasks = integer(args, CHANNELS), integer(args, TASKS)
        planes = integer(args, BATCH) * channels
        for item in range(planes * task // tasks, planes * (task + 1) // tasks):
            n, c = item // channels, item % channels
            plane = integer(args, X) + n * integer(args, X_N) + c * integer(args, X_C)
            source = integer(args, Y) + n * integer(args, Y_N) + c * integer(args, Y_C)
            for od in range(integer(args, OUT_D)):
                for oh in range(integer(args, OUT_H)):
                    row = source + od * integer(args, Y_D) + oh * integer(args, Y_H)
                    depths, heights = span(args, D, od), span(args, H, oh)
                    for ow in range(*columns(args, od * integer(args, OUT_H) + oh)):
                        widths = span(args, W, ow)
                        count = divisor(args, depths, heights, widths, od, oh, ow)
                        if count:
                            share = np.float64(load(row + ow * integer(args, Y_W), number)) / count
                            _window_plane(plane, (depths, heights, widths), share, fill, number)

    return box_spread_plane


_FORMS = {"lanes": _lanes, "plane": _plane}


@cache
def _compiled(form, itemsize, fill):
    name = f"box_{'fill' if fill else 'spread'}_{form}_f{8 * itemsize}"
    return c_function(name, "void(intp, intp)", _FORMS[form](ZERO[itemsize], fill))


def box_spread_address(form: str, itemsize: int, *, fill: bool) -> int:
    """Address of "lanes" or "plane" for numbers of `itemsize` bytes; compiled on first use."""
    with LOCK:
        return _compiled(form, itemsize, fill).address

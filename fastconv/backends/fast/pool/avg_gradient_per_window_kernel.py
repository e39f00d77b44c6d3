"""The gradient of means over windows one by one (see `pool.windows_kernel`): every gradient is shared by its cells.

Where windows overlap, or leave cells out, shares are added to zeros; windows that cover a plane side by side are
filled, and their memory is written once.
"""

from __future__ import annotations

import numpy as np

from fastconv.backends.fast.machine.intrinsics import (
    copy_bytes,
    load,
    load_at,
    load_double,
    size_of,
    store_double,
    store_number,
    store_number_at,
)
from fastconv.backends.fast.machine.jit import helper
from fastconv.backends.fast.machine.kernel import kernel
from fastconv.backends.fast.pool.windows_kernel import WINDOWS, D, H, W, clear, columns, divisor, span


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


@kernel(WINDOWS, results="X SCRATCH", fill=(False, True))
def avg_gradient_per_window_lanes(args, task, number, fill):
    """On blocks of channels that no other task writes."""
    step, item, tasks = args.CHANNEL_BLOCK, size_of(number), args.TASKS
    blocks = (args.CHANNELS + step - 1) // step
    items = args.BATCH * blocks
    shares = args.SCRATCH + task * args.SCRATCH_STRIDE
    for i in range(items * task // tasks, items * (task + 1) // tasks):
        n, first = i // blocks, i % blocks * step
        channels = min(step, args.CHANNELS - first)
        plane = args.X + n * args.X_N + first * item
        source = args.Y + n * args.Y_N + first * item
        if not fill:
            clear(args, plane, channels, number)
        for od in range(args.OUT_D):
            for oh in range(args.OUT_H):
                row = source + od * args.Y_D + oh * args.Y_H
                depths, heights = span(args, D, od), span(args, H, oh)
                for ow in range(*columns(args, od * args.OUT_H + oh)):
                    widths = span(args, W, ow)
                    count = divisor(args, depths, heights, widths, od, oh, ow)
                    if count:
                        _shares(row + ow * args.Y_W, shares, count, channels, fill, number)
                        _window_lanes(plane, (depths, heights, widths), shares, channels, fill, number)


@kernel(WINDOWS, results="X SCRATCH", fill=(False, True))
def avg_gradient_per_window_plane(args, task, number, fill):
    """On planes that no other task writes."""
    channels, tasks = args.CHANNELS, args.TASKS
    planes = args.BATCH * channels
    for item in range(planes * task // tasks, planes * (task + 1) // tasks):
        n, c = item // channels, item % channels
        plane = args.X + n * args.X_N + c * args.X_C
        source = args.Y + n * args.Y_N + c * args.Y_C
        if not fill:
            clear(args, plane, 1, number)
        for od in range(args.OUT_D):
            for oh in range(args.OUT_H):
                row = source + od * args.Y_D + oh * args.Y_H
                depths, heights = span(args, D, od), span(args, H, oh)
                for ow in range(*columns(args, od * args.OUT_H + oh)):
                    widths = span(args, W, ow)
                    count = divisor(args, depths, heights, widths, od, oh, ow)
                    if count:
                        share = np.float64(load(row + ow * args.Y_W, number)) / count
                        _window_plane(plane, (depths, heights, widths), share, fill, number)


AVG_GRADIENT_PER_WINDOW = {"lanes": avg_gradient_per_window_lanes, "plane": avg_gradient_per_window_plane}

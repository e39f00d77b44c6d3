"""im2col and col2im: one row of columns for each channel and tap; x has any strides, the columns are contiguous."""

from __future__ import annotations

from fastconv.backends.fast.machine.intrinsics import clear_bytes, load, size_of, store
from fastconv.backends.fast.machine.jit import helper
from fastconv.backends.fast.machine.kernel import kernel
from fastconv.backends.fast.pool.windows_kernel import WINDOWS, clear, inside


@helper
def move(row, x, step, first, stop, adjoint, number):
    """One output row of one tap: from x to the columns, or added to x from the columns."""
    itemsize = size_of(number)
    if adjoint:
        for o in range(first, stop):
            cell = x + o * step
            store(cell, load(cell, number) + load(row + o * itemsize, number))
    else:
        for o in range(first, stop):
            store(row + o * itemsize, load(x + o * step, number))


@helper
def tap(args, plane, row, kd, kh, kw, adjoint, number):
    """All output rows of one tap of one plane."""
    itemsize = size_of(number)
    width, step = args.OUT_W, args.S_W * args.X_W
    left = kw * args.DIL_W - args.PAD_W
    first, stop = inside(left, args.S_W, args.IN_W, width)
    for od in range(args.OUT_D):
        d = od * args.S_D + kd * args.DIL_D - args.PAD_D
        for oh in range(args.OUT_H):
            h = oh * args.S_H + kh * args.DIL_H - args.PAD_H
            real = 0 <= d < args.IN_D and 0 <= h < args.IN_H
            if real:
                x = plane + d * args.X_D + h * args.X_H + left * args.X_W
                move(row, x, step, first, stop, adjoint, number)
            if not adjoint:
                clear_bytes(row, (first if real else width) * itemsize)
                clear_bytes(row + stop * itemsize, (width - stop if real else 0) * itemsize)
            row += width * itemsize


@helper
def _planes(args, task, number, adjoint):
    """Some of the planes."""
    itemsize = size_of(number)
    channels, tasks = args.CHANNELS, args.TASKS
    planes = args.BATCH * channels
    windows = args.OUT_D * args.OUT_H * args.OUT_W
    taps = args.K_D * args.K_H * args.K_W
    for item in range(planes * task // tasks, planes * (task + 1) // tasks):
        n, c = item // channels, item % channels
        plane = args.X + n * args.X_N + c * args.X_C
        if adjoint:
            clear(args, plane, 1, number)
        for k in range(args.FIRST, args.STOP):
            row = args.Y + (item * taps + k) * windows * itemsize
            kw, kh = k % args.K_W, k // args.K_W % args.K_H
            tap(args, plane, row, k // (args.K_W * args.K_H), kh, kw, adjoint, number)


@kernel(WINDOWS, results="Y")
def im2col(args, task, number):
    """Windows as columns."""
    _planes(args, task, number, False)


@kernel(WINDOWS, results="X")
def col2im(args, task, number):
    """The adjoint: columns added back into planes."""
    _planes(args, task, number, True)

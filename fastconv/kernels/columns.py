"""im2col and col2im: one row of columns for each channel and tap; x has any strides, the columns are contiguous."""

from __future__ import annotations

from functools import cache

from fastconv.kernels.jit import LOCK, REVISION, ZERO, c_function, helper
from fastconv.kernels.memory import clear_bytes, integer, load, size_of, store
from fastconv.kernels.windows import WINDOWS, inside

__all__ = ["columns_address"]

_I = WINDOWS.index
X, X_N, X_C, X_D, X_H, X_W = (_I[name] for name in ("X", "X_N", "X_C", "X_D", "X_H", "X_W"))
Y, BATCH, CHANNELS, TASKS = _I["Y"], _I["BATCH"], _I["CHANNELS"], _I["TASKS"]
FIRST, STOP = _I["FIRST"], _I["STOP"]
IN_D, IN_H, IN_W, OUT_D, OUT_H, OUT_W = (_I[name] for name in ("IN_D", "IN_H", "IN_W", "OUT_D", "OUT_H", "OUT_W"))
K_D, K_H, K_W, S_D, S_H, S_W = (_I[name] for name in ("K_D", "K_H", "K_W", "S_D", "S_H", "S_W"))
DIL_D, DIL_H, DIL_W = _I["DIL_D"], _I["DIL_H"], _I["DIL_W"]
PAD_D, PAD_H, PAD_W = _I["PAD_D"], _I["PAD_H"], _I["PAD_W"]


@helper
def move(row, x, step, first, stop, scatter, number):
    """One output row of one tap: from x to the columns, or added to x from the columns."""
    itemsize = size_of(number)
    if scatter:
        for o in range(first, stop):
            cell = x + o * step
            store(cell, load(cell, number) + load(row + o * itemsize, number))
    else:
        for o in range(first, stop):
            store(row + o * itemsize, load(x + o * step, number))


@helper
def tap(args, plane, row, kd, kh, kw, scatter, number):
    """All output rows of one tap of one plane."""
    itemsize = size_of(number)
    width, step = integer(args, OUT_W), integer(args, S_W) * integer(args, X_W)
    left = kw * integer(args, DIL_W) - integer(args, PAD_W)
    first, stop = inside(left, integer(args, S_W), integer(args, IN_W), width)
    for od in range(integer(args, OUT_D)):
        d = od * integer(args, S_D) + kd * integer(args, DIL_D) - integer(args, PAD_D)
        for oh in range(integer(args, OUT_H)):
            h = oh * integer(args, S_H) + kh * integer(args, DIL_H) - integer(args, PAD_H)
            real = 0 <= d < integer(args, IN_D) and 0 <= h < integer(args, IN_H)
            if real:
                x = plane + d * integer(args, X_D) + h * integer(args, X_H) + left * integer(args, X_W)
                move(row, x, step, first, stop, scatter, number)
            if not scatter:
                clear_bytes(row, (first if real else width) * itemsize)
                clear_bytes(row + stop * itemsize, (width - stop if real else 0) * itemsize)
            row += width * itemsize


def _driver(number, scatter):
    revision = REVISION

    def columns(args, task):
        revision  # noqa: B018 (a part of the cache key)
        itemsize = size_of(number)
        channels, tasks = integer(args, CHANNELS), integer(args, TASKS)
        planes = integer(args, BATCH) * channels
        windows = integer(args, OUT_D) * integer(args, OUT_H) * integer(args, OUT_W)
        taps = integer(args, K_D) * integer(args, K_H) * integer(args, K_W)
        for item in range(planes * task // tasks, planes * (task + 1) // tasks):
            n, c = item // channels, item % channels
            plane = integer(args, X) + n * integer(args, X_N) + c * integer(args, X_C)
            for k in range(integer(args, FIRST), integer(args, STOP)):
                row = integer(args, Y) + (item * taps + k) * windows * itemsize
                kw, kh = k % integer(args, K_W), k // integer(args, K_W) % integer(args, K_H)
                tap(args, plane, row, k // (integer(args, K_W) * integer(args, K_H)), kh, kw, scatter, number)

    return columns


@cache
def _compiled(itemsize, scatter):
    name = f"{'col2im' if scatter else 'im2col'}_f{8 * itemsize}"
    return c_function(name, "void(intp, intp)", _driver(ZERO[itemsize], scatter))


def columns_address(itemsize: int, *, scatter: bool) -> int:
    """Address of im2col, or with `scatter` of col2im; compiled on first use."""
    with LOCK:
        return _compiled(itemsize, scatter).address

"""Max and average pooling, and their gradients.

Two forms of each: *lanes* for channels-last memory, where the inner loop runs over channels and is vectorised by LLVM,
and *plane* for any other strides, where every window is reduced on its own. Sums are taken in float64.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from fastconv.kernels.jit import LOCK, REVISION, c_function, helper
from fastconv.kernels.memory import integer, load, load_double, store, store_double, store_integer, store_number
from fastconv.kernels.windows import WINDOWS, D, H, W, window

__all__ = ["pool_address"]

_I = WINDOWS.index
X, X_N, X_C, X_D, X_H, X_W = (_I[name] for name in ("X", "X_N", "X_C", "X_D", "X_H", "X_W"))
Y, Y_N, Y_C, Y_D, Y_H, Y_W = (_I[name] for name in ("Y", "Y_N", "Y_C", "Y_D", "Y_H", "Y_W"))
INDEX, BATCH, CHANNELS, TASKS = _I["INDEX"], _I["BATCH"], _I["CHANNELS"], _I["TASKS"]
IN_H, IN_W, OUT_D, OUT_H, OUT_W = _I["IN_H"], _I["IN_W"], _I["OUT_D"], _I["OUT_H"], _I["OUT_W"]
DIL_D, DIL_H, DIL_W = _I["DIL_D"], _I["DIL_H"], _I["DIL_W"]
COUNT_D, COUNT_H, COUNT_W = _I["COUNT_D"], _I["COUNT_H"], _I["COUNT_W"]
SCRATCH, SCRATCH_STRIDE, CHANNEL_BLOCK = _I["SCRATCH"], _I["SCRATCH_STRIDE"], _I["CHANNEL_BLOCK"]


@helper
def _wins(value, best):
    """Whether a later element replaces the best so far: greater, or the first NaN."""
    return value > best or (value != value and best == best)


def _max_lanes(itemsize, with_index):
    revision = REVISION

    @helper
    def first(x, y, index, position, channels):
        for c in range(channels):
            store(y + c * itemsize, load(x + c * itemsize, itemsize))
        if with_index:
            for c in range(channels):
                store_integer(index, c, position)

    @helper
    def update(x, y, index, position, channels):
        for c in range(channels):
            value, best = load(x + c * itemsize, itemsize), load(y + c * itemsize, itemsize)
            wins = _wins(value, best)
            store(y + c * itemsize, value if wins else best)
            if with_index:
                store_integer(index, c, position if wins else integer(index, c))

    @helper
    def nothing(y, index, channels):
        for c in range(channels):
            store_number(y + c * itemsize, -float("inf"), itemsize)
            if with_index:
                store_integer(index, c, -1)

    @helper
    def pixel(args, plane, y, index, d0, d1, ds, h0, h1, hs, ow):
        channels = integer(args, CHANNELS)
        ws, w0, w1 = window(args, W, ow)
        if d0 >= d1 or h0 >= h1 or w0 >= w1:
            nothing(y, index, channels)
            return
        is_first = True
        for kd in range(d0, d1):
            d = ds + kd * integer(args, DIL_D)
            for kh in range(h0, h1):
                h = hs + kh * integer(args, DIL_H)
                for kw in range(w0, w1):
                    w = ws + kw * integer(args, DIL_W)
                    x = plane + d * integer(args, X_D) + h * integer(args, X_H) + w * integer(args, X_W)
                    position = (d * integer(args, IN_H) + h) * integer(args, IN_W) + w
                    if is_first:
                        first(x, y, index, position, channels)
                        is_first = False
                    else:
                        update(x, y, index, position, channels)

    def max_lanes(args, task):
        revision  # noqa: B018 (a part of the cache key)
        height, depth, tasks = integer(args, OUT_H), integer(args, OUT_D), integer(args, TASKS)
        rows = integer(args, BATCH) * depth * height
        for row in range(rows * task // tasks, rows * (task + 1) // tasks):
            n = row // (depth * height)
            od, oh = row // height - n * depth, row % height
            ds, d0, d1 = window(args, D, od)
            hs, h0, h1 = window(args, H, oh)
            plane = integer(args, X) + n * integer(args, X_N)
            offset = n * integer(args, Y_N) + od * integer(args, Y_D) + oh * integer(args, Y_H)
            for ow in range(integer(args, OUT_W)):
                y = integer(args, Y) + offset + ow * integer(args, Y_W)
                index = integer(args, INDEX) + (offset + ow * integer(args, Y_W)) // itemsize * 8
                pixel(args, plane, y, index, d0, d1, ds, h0, h1, hs, ow)

    return max_lanes


def _max_plane(itemsize, with_index):
    revision = REVISION

    @helper
    def pixel(args, plane, y, index, d0, d1, ds, h0, h1, hs, ow):
        ws, w0, w1 = window(args, W, ow)
        if d0 >= d1 or h0 >= h1 or w0 >= w1:
            store_number(y, -float("inf"), itemsize)
            if with_index:
                store_integer(index, 0, -1)
            return
        d, h, w = ds + d0 * integer(args, DIL_D), hs + h0 * integer(args, DIL_H), ws + w0 * integer(args, DIL_W)
        best = load(plane + d * integer(args, X_D) + h * integer(args, X_H) + w * integer(args, X_W), itemsize)
        position = (d * integer(args, IN_H) + h) * integer(args, IN_W) + w
        for kd in range(d0, d1):
            d = ds + kd * integer(args, DIL_D)
            for kh in range(h0, h1):
                h = hs + kh * integer(args, DIL_H)
                row = plane + d * integer(args, X_D) + h * integer(args, X_H)
                for kw in range(w0, w1):
                    w = ws + kw * integer(args, DIL_W)
                    value = load(row + w * integer(args, X_W), itemsize)
                    if _wins(value, best):
                        best = value
                        position = (d * integer(args, IN_H) + h) * integer(args, IN_W) + w
        store(y, best)
        if with_index:
            store_integer(index, 0, position)

    def max_plane(args, task):
        revision  # noqa: B018 (a part of the cache key)
        channels, tasks = integer(args, CHANNELS), integer(args, TASKS)
        planes = integer(args, BATCH) * channels
        for item in range(planes * task // tasks, planes * (task + 1) // tasks):
            n, c = item // channels, item % channels
            plane = integer(args, X) + n * integer(args, X_N) + c * integer(args, X_C)
            target = n * integer(args, Y_N) + c * integer(args, Y_C)
            for od in range(integer(args, OUT_D)):
                ds, d0, d1 = window(args, D, od)
                for oh in range(integer(args, OUT_H)):
                    hs, h0, h1 = window(args, H, oh)
                    offset = target + od * integer(args, Y_D) + oh * integer(args, Y_H)
                    for ow in range(integer(args, OUT_W)):
                        y = integer(args, Y) + offset + ow * integer(args, Y_W)
                        index = integer(args, INDEX) + (offset + ow * integer(args, Y_W)) // itemsize * 8
                        pixel(args, plane, y, index, d0, d1, ds, h0, h1, hs, ow)

    return max_plane


@helper
def _count(args, od, oh, ow):
    """Divisor of one average; the counts along each axis are given by tables."""
    count = integer(integer(args, COUNT_D), od) * integer(integer(args, COUNT_H), oh)
    return count * integer(integer(args, COUNT_W), ow)


def _avg_lanes(itemsize, _):
    revision = REVISION

    @helper
    def pixel(args, plane, y, total, count, d0, d1, ds, h0, h1, hs, ow):
        channels = integer(args, CHANNELS)
        ws, w0, w1 = window(args, W, ow)
        for c in range(channels):
            store_double(total, c, 0.0)
        for kd in range(d0, d1):
            for kh in range(h0, h1):
                row = plane + (ds + kd * integer(args, DIL_D)) * integer(args, X_D)
                row += (hs + kh * integer(args, DIL_H)) * integer(args, X_H)
                for kw in range(w0, w1):
                    x = row + (ws + kw * integer(args, DIL_W)) * integer(args, X_W)
                    for c in range(channels):
                        store_double(total, c, load_double(total, c) + load(x + c * itemsize, itemsize))
        for c in range(channels):
            store_number(y + c * itemsize, load_double(total, c) / count if count else np.nan, itemsize)

    def avg_lanes(args, task):
        revision  # noqa: B018 (a part of the cache key)
        height, depth, tasks = integer(args, OUT_H), integer(args, OUT_D), integer(args, TASKS)
        rows = integer(args, BATCH) * depth * height
        total = integer(args, SCRATCH) + task * integer(args, SCRATCH_STRIDE)
        for row in range(rows * task // tasks, rows * (task + 1) // tasks):
            n = row // (depth * height)
            od, oh = row // height - n * depth, row % height
            ds, d0, d1 = window(args, D, od)
            hs, h0, h1 = window(args, H, oh)
            plane = integer(args, X) + n * integer(args, X_N)
            target = integer(args, Y) + n * integer(args, Y_N) + od * integer(args, Y_D) + oh * integer(args, Y_H)
            for ow in range(integer(args, OUT_W)):
                count = _count(args, od, oh, ow)
                pixel(args, plane, target + ow * integer(args, Y_W), total, count, d0, d1, ds, h0, h1, hs, ow)

    return avg_lanes


def _avg_plane(itemsize, _):
    revision = REVISION

    @helper
    def pixel(args, plane, y, count, d0, d1, ds, h0, h1, hs, ow):
        ws, w0, w1 = window(args, W, ow)
        total = 0.0
        for kd in range(d0, d1):
            for kh in range(h0, h1):
                row = plane + (ds + kd * integer(args, DIL_D)) * integer(args, X_D)
                row += (hs + kh * integer(args, DIL_H)) * integer(args, X_H)
                for kw in range(w0, w1):
                    total += load(row + (ws + kw * integer(args, DIL_W)) * integer(args, X_W), itemsize)
        store_number(y, total / count if count else np.nan, itemsize)

    def avg_plane(args, task):
        revision  # noqa: B018 (a part of the cache key)
        channels, tasks = integer(args, CHANNELS), integer(args, TASKS)
        planes = integer(args, BATCH) * channels
        for item in range(planes * task // tasks, planes * (task + 1) // tasks):
            n, c = item // channels, item % channels
            plane = integer(args, X) + n * integer(args, X_N) + c * integer(args, X_C)
            target = integer(args, Y) + n * integer(args, Y_N) + c * integer(args, Y_C)
            for od in range(integer(args, OUT_D)):
                ds, d0, d1 = window(args, D, od)
                for oh in range(integer(args, OUT_H)):
                    hs, h0, h1 = window(args, H, oh)
                    row = target + od * integer(args, Y_D) + oh * integer(args, Y_H)
                    for ow in range(integer(args, OUT_W)):
                        count = _count(args, od, oh, ow)
                        pixel(args, plane, row + ow * integer(args, Y_W), count, d0, d1, ds, h0, h1, hs, ow)

    return avg_plane


def _avg_backward(itemsize, _):
    """Scatter form, on blocks of channels that no other task writes; x is the gradient of the input, zero at first."""
    revision = REVISION

    @helper
    def pixel(args, plane, y, count, channels, d0, d1, ds, h0, h1, hs, ow):
        ws, w0, w1 = window(args, W, ow)
        x_c, y_c = integer(args, X_C), integer(args, Y_C)
        for kd in range(d0, d1):
            for kh in range(h0, h1):
                row = plane + (ds + kd * integer(args, DIL_D)) * integer(args, X_D)
                row += (hs + kh * integer(args, DIL_H)) * integer(args, X_H)
                for kw in range(w0, w1):
                    x = row + (ws + kw * integer(args, DIL_W)) * integer(args, X_W)
                    for c in range(channels):
                        share = load(y + c * y_c, itemsize) / count
                        store_number(x + c * x_c, load(x + c * x_c, itemsize) + share, itemsize)

    def avg_backward(args, task):
        revision  # noqa: B018 (a part of the cache key)
        channels, step, tasks = integer(args, CHANNELS), integer(args, CHANNEL_BLOCK), integer(args, TASKS)
        blocks = (channels + step - 1) // step
        items = integer(args, BATCH) * blocks
        for item in range(items * task // tasks, items * (task + 1) // tasks):
            n, first = item // blocks, item % blocks * step
            count_c = min(step, channels - first)
            plane = integer(args, X) + n * integer(args, X_N) + first * integer(args, X_C)
            source = integer(args, Y) + n * integer(args, Y_N) + first * integer(args, Y_C)
            for od in range(integer(args, OUT_D)):
                ds, d0, d1 = window(args, D, od)
                for oh in range(integer(args, OUT_H)):
                    hs, h0, h1 = window(args, H, oh)
                    row = source + od * integer(args, Y_D) + oh * integer(args, Y_H)
                    for ow in range(integer(args, OUT_W)):
                        count = _count(args, od, oh, ow)
                        if count:
                            y = row + ow * integer(args, Y_W)
                            pixel(args, plane, y, count, count_c, d0, d1, ds, h0, h1, hs, ow)

    return avg_backward


def _max_backward(itemsize, _):
    """Gradients to the cells that won, on blocks of channels that no other task writes; X_W is the step of a cell."""
    revision = REVISION

    def max_backward(args, task):
        revision  # noqa: B018 (a part of the cache key)
        channels, step, tasks = integer(args, CHANNELS), integer(args, CHANNEL_BLOCK), integer(args, TASKS)
        blocks = (channels + step - 1) // step
        items = integer(args, BATCH) * blocks
        x_c, y_c, x_w, y_w = integer(args, X_C), integer(args, Y_C), integer(args, X_W), integer(args, Y_W)
        for item in range(items * task // tasks, items * (task + 1) // tasks):
            n, first = item // blocks, item % blocks * step
            plane = integer(args, X) + n * integer(args, X_N) + first * x_c
            offset = n * integer(args, Y_N) + first * y_c
            for p in range(integer(args, OUT_W)):
                for c in range(min(step, channels - first)):
                    here = offset + p * y_w + c * y_c
                    winner = integer(integer(args, INDEX) + here // itemsize * 8, 0)
                    if winner >= 0:
                        x = plane + winner * x_w + c * x_c
                        store(x, load(x, itemsize) + load(integer(args, Y) + here, itemsize))

    return max_backward


_FORMS = {
    "max_lanes": _max_lanes,
    "max_plane": _max_plane,
    "avg_lanes": _avg_lanes,
    "avg_plane": _avg_plane,
    "avg_backward": _avg_backward,
    "max_backward": _max_backward,
}


@cache
def _compiled(form, itemsize, with_index):
    name = f"{form}{'_index' if with_index else ''}_f{8 * itemsize}"
    return c_function(name, "void(intp, intp)", _FORMS[form](itemsize, with_index))


def pool_address(form: str, itemsize: int, with_index: bool = False) -> int:
    """Address of one of the pooling kernels; compiled on first use."""
    with LOCK:
        return _compiled(form, itemsize, with_index).address

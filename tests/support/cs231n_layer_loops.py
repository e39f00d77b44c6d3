"""What the layers of the assignments compute, as plain loops, and caches as the originals and students make them."""

from __future__ import annotations

from typing import Any

import numpy as np
from strategies import Array

Pair = tuple[int, int]

POOL_KEYS = ("pool_height", "pool_width", "stride")


def pair(value: int | Pair) -> Pair:
    return value if isinstance(value, tuple) else (value, value)


def padded(x: Array, pad: int | Pair) -> Array:
    ph, pw = pair(pad)
    n, c, h, w = x.shape
    out = np.zeros((n, c, h + 2 * ph, w + 2 * pw), x.dtype)
    out[:, :, ph : ph + h, pw : pw + w] = x
    return out


def places(size: int, window: int, stride: int) -> list[slice]:
    """Every window that fits, from the first cell on."""
    return [slice(start, start + window) for start in range(0, size - window + 1, stride)]


def windows(x: Array, height: int, width: int, stride: int | Pair) -> list[list[tuple[slice, slice]]]:
    sh, sw = pair(stride)
    return [[(row, column) for column in places(x.shape[3], width, sw)] for row in places(x.shape[2], height, sh)]


def conv_forward(x: Array, w: Array, b: Array, conv_param: dict[str, Any]) -> Array:
    x = padded(x, conv_param["pad"])
    grid = windows(x, w.shape[2], w.shape[3], conv_param["stride"])
    out = np.zeros((len(x), len(w), len(grid), len(grid[0])))
    for n, f, i, j in np.ndindex(*out.shape):
        rows, columns = grid[i][j]
        out[n, f, i, j] = np.sum(x[n, :, rows, columns] * w[f]) + b[f]
    return out


def conv_backward(dout: Array, x: Array, w: Array, conv_param: dict[str, Any]) -> tuple[Array, Array, Array]:
    ph, pw = pair(conv_param["pad"])
    x = padded(x, conv_param["pad"])
    grid = windows(x, w.shape[2], w.shape[3], conv_param["stride"])
    dx, dw, db = np.zeros(x.shape), np.zeros(w.shape), np.zeros(len(w))
    for n, f, i, j in np.ndindex(*dout.shape):
        rows, columns = grid[i][j]
        db[f] += dout[n, f, i, j]
        dw[f] += x[n, :, rows, columns] * dout[n, f, i, j]
        dx[n, :, rows, columns] += w[f] * dout[n, f, i, j]
    return dx[:, :, ph : x.shape[2] - ph, pw : x.shape[3] - pw], dw, db


def max_pool_forward(x: Array, pool_param: dict[str, Any]) -> Array:
    grid = windows(x, *(pool_param[key] for key in POOL_KEYS))
    out = np.zeros((*x.shape[:2], len(grid), len(grid[0])))
    for n, c, i, j in np.ndindex(*out.shape):
        out[n, c, i, j] = np.max(x[n, c][grid[i][j]])
    return out


def max_pool_backward(dout: Array, x: Array, pool_param: dict[str, Any]) -> Array:
    """To the first maximum alone, and added where windows overlap."""
    grid = windows(x, *(pool_param[key] for key in POOL_KEYS))
    dx = np.zeros(x.shape)
    for n, c, i, j in np.ndindex(*dout.shape):
        window, target = x[n, c][grid[i][j]], dx[n, c][grid[i][j]]
        target[np.unravel_index(np.argmax(window), window.shape)] += dout[n, c, i, j]
    return dx


def avg_pool_forward(x: Array, pool_param: dict[str, Any]) -> Array:
    grid = windows(x, *(pool_param[key] for key in POOL_KEYS))
    out = np.zeros((*x.shape[:2], len(grid), len(grid[0])))
    for n, c, i, j in np.ndindex(*out.shape):
        out[n, c, i, j] = np.mean(x[n, c][grid[i][j]])
    return out


def avg_pool_backward(dout: Array, x: Array, pool_param: dict[str, Any]) -> Array:
    grid = windows(x, *(pool_param[key] for key in POOL_KEYS))
    dx = np.zeros(x.shape)
    for n, c, i, j in np.ndindex(*dout.shape):
        target = dx[n, c][grid[i][j]]
        target += dout[n, c, i, j] / target.size
    return dx


def columns_6d(x: Array, height: int, width: int, pad: int | Pair, stride: int | Pair) -> Array:
    """(C, HH, WW, N, OH, OW)."""
    x = padded(x, pad)
    grid = windows(x, height, width, stride)
    cols = np.zeros((x.shape[1], height, width, len(x), len(grid), len(grid[0])), x.dtype)
    for i, j in np.ndindex(*cols.shape[4:]):
        rows, columns = grid[i][j]
        cols[..., i, j] = np.moveaxis(x[:, :, rows, columns], 0, -1)
    return cols


def columns(x: Array, height: int, width: int, pad: int | Pair, stride: int | Pair, *, batch_last: bool) -> Array:
    """(C * HH * WW, N * OH * OW), or with the batch running fastest."""
    cols = columns_6d(x, height, width, pad, stride)
    if batch_last:
        cols = cols.transpose(0, 1, 2, 4, 5, 3)
    c, _, _, *others = cols.shape
    return cols.reshape(c * height * width, others[0] * others[1] * others[2])


def conv_caches(x: Array, w: Array, b: Array, conv_param: dict[str, Any]) -> dict[str, Any]:
    """Caches of a convolution as the originals and students make them."""
    sizes = w.shape[2], w.shape[3], conv_param["pad"], conv_param["stride"]
    plain = (x, w, b, conv_param)
    return {
        "naive": plain,
        "list": list(plain),
        "strides": (*plain, columns(x, *sizes, batch_last=False)),
        "im2col": (*plain, columns(x, *sizes, batch_last=True)),
        "padded": (padded(x, conv_param["pad"]), w, b, conv_param),
        "without b": (x, w, conv_param),
        "and more": (*plain, w.reshape(len(w), -1), None),
    }


def pool_caches(x: Array, pool_param: dict[str, Any]) -> dict[str, Any]:
    """Caches of a max pooling as the originals make them, and what is inside of them."""
    height, width, stride = (pool_param[key] for key in POOL_KEYS)
    n, c, h, w = x.shape
    cols = columns(x.reshape(n * c, 1, h, w), height, width, 0, stride, batch_last=True)
    im2col = (x, cols, np.argmax(cols, axis=0), pool_param)
    caches: dict[str, Any] = {
        "naive": (x, pool_param),
        "list": [x, pool_param],
        "im2col": ("im2col", im2col),
        "inside of im2col": im2col,
        "and more": (x, pool_param, np.argmax(cols, axis=0)),
        "parameters last": (x, None, pool_param),
    }
    if height == width == stride and h % height == w % width == 0:
        reshaped = x.reshape(n, c, h // height, height, w // width, width)
        reshape = (x, reshaped, reshaped.max(axis=3).max(axis=4))
        caches |= {"reshape": ("reshape", reshape), "inside of reshape": reshape}
    return caches


def normalized(x: Array, axes: tuple[int, ...], eps: float) -> Array:
    normal: Array = (x - x.mean(axis=axes, keepdims=True)) / np.sqrt(x.var(axis=axes, keepdims=True) + eps)
    return normal

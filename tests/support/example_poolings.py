"""Poolings as people write them, each in a style of its own; `POOLINGS` has one real call of each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

rng = np.random.default_rng(0)


def normal(*shape: int) -> Any:
    return rng.standard_normal(shape)


def pooled(x: Any, reduce: Any, k: tuple[int, int], s: tuple[int, int]) -> Any:
    """(N, C, H, W): what several styles below have inside."""
    rows, columns = (x.shape[2] - k[0]) // s[0] + 1, (x.shape[3] - k[1]) // s[1] + 1
    y = np.zeros((*x.shape[:2], rows, columns))
    for i in range(rows):
        for j in range(columns):
            y[:, :, i, j] = reduce(x[:, :, i * s[0] : i * s[0] + k[0], j * s[1] : j * s[1] + k[1]], axis=(2, 3))
    return y


# functions


def side_by_side(feature_map: Any) -> Any:
    return pooled(feature_map, np.max, (2, 2), (2, 2))


def batch_channels_last(batch: Any, window: int, hop: int) -> Any:
    n, h, w, c = batch.shape
    y = np.empty((n, (h - window) // hop + 1, (w - window) // hop + 1, c))
    for i in range(y.shape[1]):
        for j in range(y.shape[2]):
            y[:, i, j] = np.amax(batch[:, i * hop : i * hop + window, j * hop : j * hop + window], axis=(1, 2))
    return y


def one_image(image: Any, size: int = 2, stride: int = 2) -> Any:
    return pooled(image[None], np.max, (size, size), (stride, stride))[0]


def one_photo(photo: Any, f: int = 2) -> Any:
    return np.stack([plane(photo[..., c], f) for c in range(photo.shape[-1])], -1)


def plane(values: Any, block: int = 2) -> Any:
    rows, columns = values.shape[0] // block, values.shape[1] // block
    return np.array(
        [
            [values[r * block : (r + 1) * block, c * block : (c + 1) * block].max() for c in range(columns)]
            for r in range(rows)
        ]
    )


def means(x: Any, size: int, step: int) -> Any:
    return pooled(x, np.mean, (size, size), (step, step))


def means_of_a_plane(values: Any) -> Any:
    return pooled(values[None, None], np.mean, (3, 3), (1, 1))[0, 0]


def in_pairs(x: Any, window: tuple[int, int], strides: tuple[int, int]) -> Any:
    return pooled(x, np.max, window, strides)


def four_numbers(x: Any, rows: int, columns: int, down: int, right: int) -> Any:
    return pooled(x, np.max, (rows, columns), (down, right))


def settings(x: Any, hp: dict[str, int]) -> Any:
    return pooled(x, np.max, (hp["f"], hp["f"]), (hp["stride"], hp["stride"]))


def by_a_word(x: Any, f: int, mode: str = "max") -> Any:
    return pooled(x, np.max if mode == "max" else np.mean, (f, f), (f, f))


def with_a_border(x: Any, k: int, s: int, p: int) -> Any:
    padded = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)), constant_values=-np.inf)
    return pooled(padded, np.max, (k, k), (s, s))


def reshaped(x: Any) -> Any:
    n, c, h, w = x.shape
    return x.reshape(n, c, h // 2, 2, w // 2, 2).max(axis=(3, 5))


def corners(x: Any) -> Any:
    return np.maximum(
        np.maximum(x[:, ::2, ::2], x[:, 1::2, ::2]),
        np.maximum(x[:, ::2, 1::2], x[:, 1::2, 1::2]),
    )


def strided(x: Any, k: int = 3) -> Any:
    return np.lib.stride_tricks.sliding_window_view(x, (k, k), axis=(2, 3))[:, :, ::2, ::2].max(axis=(4, 5))


def batch_at_the_end(x: Any, k: int) -> Any:
    return pooled(x.transpose(3, 2, 0, 1), np.max, (k, k), (k, k)).transpose(2, 3, 1, 0)


def with_its_input(x: Any, k: int) -> Any:
    return [pooled(x, np.max, (k, k), (k, k)), x, k]


def float32_alone(x: Any) -> Any:
    return pooled(x, np.mean, (2, 2), (2, 2)).astype(np.float32)


def closure(k: int) -> Callable[..., Any]:
    return lambda maps: pooled(maps, np.max, (k, k), (k, k))


# objects


class Halving:
    """(H, W, C), the first of the largest gets the gradient."""

    def forward(self, image: Any) -> Any:
        self.last = image
        return one_photo(image)

    def backprop(self, d_out: Any) -> Any:
        dx = np.zeros(self.last.shape)
        for i in range(d_out.shape[0]):
            for j in range(d_out.shape[1]):
                for c in range(d_out.shape[2]):
                    block = self.last[2 * i : 2 * i + 2, 2 * j : 2 * j + 2, c]
                    r, s = np.unravel_index(block.argmax(), block.shape)
                    dx[2 * i + r, 2 * j + s, c] = d_out[i, j, c]
        return dx


class Largest:
    """Windows as rows of a matrix, and the place of the largest in each."""

    def __init__(self, k: int, s: int) -> None:
        self.k, self.s = k, s

    def forward(self, x: Any) -> Any:
        k, s = self.k, self.s
        view = np.lib.stride_tricks.sliding_window_view(x, (k, k), axis=(2, 3))[:, :, ::s, ::s]
        rows = view.reshape(*view.shape[:4], k * k)
        self.shape, self.best = x.shape, rows.argmax(axis=-1)
        return rows.max(axis=-1)

    def backward(self, dout: Any) -> Any:
        dx = np.zeros(self.shape)
        for at in np.ndindex(*dout.shape):
            r, c = divmod(self.best[at], self.k)
            dx[at[0], at[1], at[2] * self.s + r, at[3] * self.s + c] += dout[at]
        return dx


class Mean:
    """(N, H, W, C)."""

    def __init__(self, pool_size: tuple[int, int], stride: int) -> None:
        self.pool_size, self.stride = pool_size, stride

    def forward(self, inputs: Any) -> Any:
        self.inputs = inputs
        y = pooled(inputs.transpose(0, 3, 1, 2), np.mean, self.pool_size, (self.stride, self.stride))
        self.output = y.transpose(0, 2, 3, 1)
        return self.output

    def backward(self, grad_out: Any) -> Any:
        (kh, kw), s = self.pool_size, self.stride
        self.d_inputs = np.zeros(self.inputs.shape)
        for i in range(grad_out.shape[1]):
            for j in range(grad_out.shape[2]):
                share = grad_out[:, i : i + 1, j : j + 1] / (kh * kw)
                self.d_inputs[:, i * s : i * s + kh, j * s : j * s + kw] += share
        return self.d_inputs


class Called:
    """Only ``__call__``."""

    def __init__(self, config: dict[str, int]) -> None:
        self.config = config

    def __call__(self, x: Any) -> Any:
        return settings(x, self.config)


class Kept:
    """Output and gradient in attributes."""

    def __init__(self) -> None:
        self.y = self.dx = None

    def forward(self, x: Any) -> None:
        self.x, self.y = x, means(x, 2, 2)

    def backward(self, dy: Any) -> None:
        self.dx = np.repeat(np.repeat(dy, 2, axis=2), 2, axis=3) / 4
        rest = [(0, 0), (0, 0), *((0, n - m) for n, m in zip(self.x.shape[2:], self.dx.shape[2:]))]
        self.dx = np.pad(self.dx, rest)


class OneImage:
    """(C, H, W), overlapping windows, input given again."""

    def __init__(self, size: int, step: int) -> None:
        self.size, self.step = size, step

    def forward(self, image: Any) -> Any:
        return one_image(image, self.size, self.step)

    def backward(self, image: Any, delta: Any) -> Any:
        dx = np.zeros_like(image)
        for c, i, j in np.ndindex(*delta.shape):
            top, left = i * self.step, j * self.step
            block = image[c, top : top + self.size, left : left + self.size]
            r, s = np.unravel_index(np.argmax(block), block.shape)
            dx[c, top + r, left + s] += delta[c, i, j]
        return dx


class EveryMaximum:
    """Of several equal maxima every one gets the gradient."""

    def __init__(self, k: int, s: int) -> None:
        self.k, self.s = k, s

    def share(self, hits: Any) -> Any:
        return hits

    def forward(self, x: Any) -> Any:
        self.x = x
        return pooled(x, np.max, (self.k, self.k), (self.s, self.s))

    def backward(self, dout: Any) -> Any:
        dx = np.zeros_like(self.x)
        for i in range(dout.shape[2]):
            for j in range(dout.shape[3]):
                at = (..., slice(i * self.s, i * self.s + self.k), slice(j * self.s, j * self.s + self.k))
                block = self.x[at]
                dx[at] += self.share(block == block.max((2, 3), keepdims=True)) * dout[:, :, i : i + 1, j : j + 1]
        return dx


class SharedMaximum(EveryMaximum):
    """Several equal maxima share the gradient."""

    def share(self, hits: Any) -> Any:
        return hits / hits.sum(axis=(2, 3), keepdims=True)


MAPS = normal(2, 3, 8, 6)
# What is accelerated, by what example, and how many functions become fast.
POOLINGS: dict[str, Callable[[], tuple[Any, Any, int]]] = {
    "side_by_side": lambda: (side_by_side, MAPS, 1),
    "batch_channels_last": lambda: (batch_channels_last, (normal(2, 8, 8, 3), 2, 2), 1),
    "one_image": lambda: (one_image, normal(3, 8, 8), 1),
    "one_photo": lambda: (one_photo, normal(8, 8, 4), 1),
    "plane": lambda: (plane, normal(6, 6), 1),
    "means": lambda: (means, (MAPS, 2, 2), 1),
    "means_of_a_plane": lambda: (means_of_a_plane, normal(7, 7), 1),
    "in_pairs": lambda: (in_pairs, (MAPS, (2, 2), (2, 2)), 1),
    "four_numbers": lambda: (four_numbers, (MAPS, 2, 2, 2, 2), 1),
    "settings": lambda: (settings, (MAPS, {"f": 2, "stride": 2}), 1),
    "by_a_word": lambda: (by_a_word, (MAPS, 2), 1),
    "with_a_border": lambda: (with_a_border, (MAPS, 3, 2, 1), 1),
    "reshaped": lambda: (reshaped, MAPS, 1),
    "corners": lambda: (corners, normal(2, 6, 6), 1),
    "strided": lambda: (strided, MAPS, 1),
    "batch_at_the_end": lambda: (batch_at_the_end, (normal(6, 6, 3, 2), 2), 1),
    "with_its_input": lambda: (with_its_input, (MAPS, 2), 1),
    "float32_alone": lambda: (float32_alone, MAPS, 1),
    "closure": lambda: (closure(2), MAPS, 1),
    "Halving": lambda: (Halving(), normal(8, 8, 3), 2),
    "Largest": lambda: (Largest(2, 2), MAPS, 2),
    "EveryMaximum": lambda: (EveryMaximum(2, 2), np.round(MAPS), 2),
    "SharedMaximum": lambda: (SharedMaximum(3, 2), np.round(MAPS), 2),
    "Mean": lambda: (Mean((2, 2), 2), normal(2, 6, 6, 3), 2),
    "Called": lambda: (Called({"f": 2, "stride": 2}), MAPS, 1),
    "Kept": lambda: (Kept(), MAPS, 2),
    "OneImage": lambda: (OneImage(3, 2), normal(3, 7, 7), 2),
}

"""Convolutions as people write them, each in a style of its own; `CONVOLUTIONS` has one real call of each."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

rng = np.random.default_rng(0)


def normal(*shape: int) -> Any:
    return rng.standard_normal(shape)


def correlate(x: Any, w: Any, s: int = 1, p: int = 0) -> Any:
    """(N, C, H, W) with (F, C, KH, KW): what several styles below have inside."""
    x = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)))
    kh, kw = w.shape[2:]
    rows, columns = (x.shape[2] - kh) // s + 1, (x.shape[3] - kw) // s + 1
    y = np.zeros((len(x), len(w), rows, columns))
    for i in range(rows):
        for j in range(columns):
            y[:, :, i, j] = np.tensordot(x[:, :, i * s : i * s + kh, j * s : j * s + kw], w, ((1, 2, 3), (1, 2, 3)))
    return y


# functions


def loops_nchw(inp: Any, ker: Any, off: Any, jump: int, border: int) -> Any:
    return correlate(inp, ker, jump, border) + off[None, :, None, None]


def loops_nhwc(batch: Any, ker: Any) -> Any:
    n, h, w, c = batch.shape
    kh, kw, _, f = ker.shape
    y = np.empty((n, h - kh + 1, w - kw + 1, f))
    for i in range(y.shape[1]):
        for j in range(y.shape[2]):
            for k in range(f):
                y[:, i, j, k] = (batch[:, i : i + kh, j : j + kw, :] * ker[..., k]).sum(axis=(1, 2, 3))
    return y


def one_image_chw(image: Any, filters: Any, biases: Any) -> Any:
    return correlate(image[None], filters)[0] + biases.reshape(-1, 1, 1)


def one_image_hwc(photo: Any, bank: Any, step: int = 1) -> Any:
    k = bank.shape[0]
    h, w = (photo.shape[0] - k) // step + 1, (photo.shape[1] - k) // step + 1
    out = np.zeros((h, w, bank.shape[3]))
    for r in range(h):
        for c in range(w):
            patch = photo[r * step : r * step + k, c * step : c * step + k]
            out[r, c] = np.einsum("hwc,hwcf->f", patch, bank)
    return out


def plane(a: Any, mask: Any) -> Any:
    m, n = mask.shape
    return np.array(
        [[(a[i : i + m, j : j + n] * mask).sum() for j in range(a.shape[1] - n + 1)] for i in range(a.shape[0] - m + 1)]
    )


def plane_turned(a: Any, mask: Any) -> Any:
    return plane(a, np.flipud(np.fliplr(mask)))


def plane_with_number(picture: Any, stencil: Any, shift: float = 0.0) -> Any:
    return plane(picture, stencil) + shift


def gray_batch(pictures: Any, stencils: Any) -> Any:
    return correlate(pictures[:, None], stencils[:, None])


def every_channel_alone(photo: Any, blur: Any) -> Any:
    return np.stack([plane(photo[:, :, c], blur) for c in range(photo.shape[2])], axis=2)


def settings_in_dicts(data: Any, layer: dict[str, Any], how: dict[str, int]) -> Any:
    return correlate(data, layer["W"], how["hop"], how["edge"]) + layer["b"].reshape(1, -1, 1, 1)


def by_name_alone(*, tensor: Any, taps: Any, every: int = 1) -> Any:
    return {"out": correlate(tensor, taps, every), "tensor": tensor}


def with_what_it_was_given(x: Any, w: Any, b: Any, opt: dict[str, int]) -> Any:
    return correlate(x, w, opt["s"], opt["p"]) + b[:, None, None], (x, w, b, opt)


def into_an_array(source: Any, weights: Any, target: Any) -> None:
    target[...] = correlate(source, weights)


def two_steps(x: Any, w: Any, steps: tuple[int, int]) -> Any:
    return correlate(x, w)[:, :, :: steps[0], :: steps[1]]


def with_holes(x: Any, w: Any, rate: int = 1) -> Any:
    f, c, kh, kw = w.shape
    wide = np.zeros((f, c, rate * (kh - 1) + 1, rate * (kw - 1) + 1))
    wide[:, :, ::rate, ::rate] = w
    return correlate(x, wide)


def filters_first_channels_last(x: Any, w: Any) -> Any:
    return correlate(x.transpose(0, 3, 1, 2), w.transpose(0, 3, 1, 2)).transpose(0, 2, 3, 1)


def batch_last(x: Any, w: Any) -> Any:
    return correlate(x.transpose(3, 2, 0, 1), w.transpose(3, 2, 0, 1)).transpose(2, 3, 1, 0)


def half_around(x: Any, w: Any) -> Any:
    return correlate(x, w, 1, w.shape[2] // 2)


def strided_view(x: Any, w: Any, verbose: bool = False) -> Any:
    windows = np.lib.stride_tricks.sliding_window_view(x, w.shape[2:], axis=(2, 3))
    return np.einsum("nchwij,fcij->nfhw", windows, w)


def float32_alone(x: Any, w: Any) -> Any:
    return correlate(x, w).astype(np.float32)


def closure(stride: int, pad: int) -> Callable[..., Any]:
    def convolve(signal: Any, taps: Any) -> Any:
        return correlate(signal, taps, stride, pad)

    return convolve


# objects


class Switched:
    """Keeps its input in training alone, and may end with an activation."""

    def __init__(self, weights: Any, activation: str | None = None) -> None:
        self.weights, self.activation, self.name, self.cache = weights, activation, None, (None, None)

    def forward(self, x: Any, train: bool = True) -> Any:
        y = correlate(x, self.weights)
        if self.activation == "relu":
            y = y.clip(0)
        if train:
            self.cache = x, x.mean() + 1
        return y

    def backward(self, d: Any) -> Any:
        x, _ = self.cache
        dx = np.zeros_like(x)
        for i in range(d.shape[2]):
            for j in range(d.shape[3]):
                dx[:, :, i : i + 3, j : j + 3] += np.tensordot(d[:, :, i, j], self.weights, 1)
        return dx


class Measured(Switched):
    """Tells more of its last input."""

    def brightness(self) -> Any:
        return self.cache[1]


class Keeping:
    """Keeps its input, for nobody."""

    def __init__(self, weights: Any) -> None:
        self.weights, self.last = weights, None

    def forward(self, x: Any) -> Any:
        self.last = x
        return correlate(x, self.weights)


class Tiny:
    """Planes to (H, W, F), its own step of gradient descent."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.bank = normal(count, 3, 3) / 9

    def forward(self, image: Any) -> Any:
        self.seen = image
        h, w = image.shape
        out = np.zeros((h - 2, w - 2, self.count))
        for i in range(h - 2):
            for j in range(w - 2):
                out[i, j] = (image[i : i + 3, j : j + 3] * self.bank).sum(axis=(1, 2))
        return out

    def backprop(self, d_out: Any, learn_rate: float) -> None:
        step = np.zeros(self.bank.shape)
        for i in range(d_out.shape[0]):
            for j in range(d_out.shape[1]):
                for f in range(self.count):
                    step[f] += d_out[i, j, f] * self.seen[i : i + 3, j : j + 3]
        self.bank -= learn_rate * step


class ChannelsLast:
    """(N, H, W, C), parameters in a dict, gradients divided by the number of images in another."""

    def __init__(self, k: int, channels: int, filters: int, stride: int, pad: int) -> None:
        self.k, self.stride, self.pad = k, stride, pad
        self.params = {"W": normal(k, k, channels, filters), "b": np.zeros((1, 1, 1, filters))}
        self.grads: dict[str, Any] = {}

    def forward(self, x: Any) -> Any:
        self.x = x
        y = correlate(x.transpose(0, 3, 1, 2), self.params["W"].transpose(3, 2, 0, 1), self.stride, self.pad)
        return y.transpose(0, 2, 3, 1) + self.params["b"]

    def backward(self, dout: Any) -> Any:
        n, h, w, _ = self.x.shape
        k, s, p = self.k, self.stride, self.pad
        padded = np.pad(self.x, ((0, 0), (p, p), (p, p), (0, 0)))
        dx, dw = np.zeros_like(padded), np.zeros_like(self.params["W"])
        for i in range(dout.shape[1]):
            for j in range(dout.shape[2]):
                at = (slice(None), slice(i * s, i * s + k), slice(j * s, j * s + k))
                dw += np.tensordot(padded[at], dout[:, i, j], (0, 0))
                dx[at] += np.tensordot(dout[:, i, j], self.params["W"], (1, 3))
        self.grads["W"] = dw / n
        self.grads["b"] = dout.sum(axis=(0, 1, 2), keepdims=True) / n
        return dx[:, p : p + h, p : p + w]


class AsMatrix:
    """Columns times a matrix (F, C*K*K), bias (F, 1), gradients in attributes."""

    def __init__(self, channels: int, filters: int, k: int) -> None:
        self.shape = (channels, k)
        self.kernel = normal(filters, channels * k * k)
        self.offset = normal(filters, 1)
        self.d_kernel = self.d_offset = None

    def columns(self, x: Any) -> Any:
        k = self.shape[1]
        view = np.lib.stride_tricks.sliding_window_view(x, (k, k), axis=(2, 3))
        return view.transpose(1, 4, 5, 0, 2, 3).reshape(self.shape[0] * k * k, -1)

    def forward(self, x: Any) -> Any:
        self.x, self.col = x, self.columns(x)
        k = self.shape[1]
        y = self.kernel @ self.col + self.offset
        return y.reshape(-1, len(x), x.shape[2] - k + 1, x.shape[3] - k + 1).transpose(1, 0, 2, 3)

    def backward(self, grad: Any) -> Any:
        flat = grad.transpose(1, 0, 2, 3).reshape(len(self.kernel), -1)
        self.d_kernel = flat @ self.col.T
        self.d_offset = flat.sum(axis=1, keepdims=True)
        n, k = len(self.x), self.shape[1]
        cols = (self.kernel.T @ flat).reshape(self.shape[0], k, k, n, *grad.shape[2:])
        dx = np.zeros_like(self.x)
        for i in range(k):
            for j in range(k):
                dx[:, :, i : i + grad.shape[2], j : j + grad.shape[3]] += cols[:, i, j].transpose(1, 0, 2, 3)
        return dx


class MatrixOfColumns:
    """(N, H, W, C) by a matrix (K*K*C, F)."""

    def __init__(self, k: int, channels: int, filters: int) -> None:
        self.k = k
        self.matrix = normal(k * k * channels, filters)

    def predict(self, x: Any) -> Any:
        view = np.lib.stride_tricks.sliding_window_view(x, (self.k, self.k), axis=(1, 2))
        return view.transpose(0, 1, 2, 4, 5, 3).reshape(*view.shape[:3], -1) @ self.matrix


class InLists:
    """Parameters and gradients in lists; gradients are written in place."""

    def __init__(self, w: Any, b: Any, stride: int, pad: int) -> None:
        self.params = [w, b]
        self.grads = [np.zeros_like(w), np.zeros_like(b)]
        self.stride, self.pad = stride, pad

    def forward(self, x: Any) -> Any:
        w, b = self.params
        self.x = x
        return correlate(x, w, self.stride, self.pad) + b.reshape(1, -1, 1, 1)

    def backward(self, dout: Any) -> Any:
        (w, _), s, p = self.params, self.stride, self.pad
        padded = np.pad(self.x, ((0, 0), (0, 0), (p, p), (p, p)))
        dx, dw = np.zeros_like(padded), np.zeros_like(w)
        for i in range(dout.shape[2]):
            for j in range(dout.shape[3]):
                at = (..., slice(i * s, i * s + w.shape[2]), slice(j * s, j * s + w.shape[3]))
                dw += np.tensordot(dout[:, :, i, j], padded[at], (0, 0))
                dx[at] += np.tensordot(dout[:, :, i, j], w, 1)
        self.grads[0][...] = dw
        self.grads[1][...] = dout.sum(axis=(0, 2, 3))
        return dx[:, :, p : p + self.x.shape[2], p : p + self.x.shape[3]]


class BiasEverywhere:
    """One image (C, H, W), a bias for every position, its own step of gradient descent."""

    def __init__(self, input_shape: tuple[int, int, int], k: int, depth: int) -> None:
        c, h, w = input_shape
        self.depth, self.input_shape = depth, input_shape
        self.kernels = normal(depth, c, k, k)
        self.biases = normal(depth, h - k + 1, w - k + 1)

    def forward(self, image: Any) -> Any:
        self.image = image
        self.output = np.copy(self.biases)
        for d in range(self.depth):
            for c in range(self.input_shape[0]):
                self.output[d] += plane(image[c], self.kernels[d, c])
        return self.output

    def backward(self, output_gradient: Any, learning_rate: float) -> Any:
        step, dx = np.zeros(self.kernels.shape), np.zeros(self.input_shape)
        k = self.kernels.shape[2]
        for d in range(self.depth):
            for c in range(self.input_shape[0]):
                step[d, c] = plane(self.image[c], output_gradient[d])
                dx[c] += plane_turned(np.pad(output_gradient[d], k - 1), self.kernels[d, c])
        self.kernels -= learning_rate * step
        self.biases -= learning_rate * output_gradient
        return dx


class WeightsAtFirstCall:
    """The channels are known when the first images come."""

    def __init__(self, filters: int, k: int) -> None:
        self.filters, self.k, self.w, self.b = filters, k, None, None

    def forward(self, x: Any) -> Any:
        if self.w is None:
            drawn = np.random.default_rng(2).standard_normal((self.filters, x.shape[1], self.k, self.k))
            self.w, self.b = drawn, np.zeros(self.filters)
        return correlate(x, self.w) + self.b[:, None, None]


class Callable_:
    """Only ``__call__``."""

    def __init__(self, w: Any) -> None:
        self.w = w

    def __call__(self, x: Any) -> Any:
        return correlate(x, self.w)


class OutputOnly:
    """Returns nothing, keeps its output."""

    def __init__(self, w: Any) -> None:
        self.weights, self.out = w, None

    def forward(self, x: Any) -> None:
        self.out = correlate(x, self.weights)


class Rebinding:
    """The new weights are another array; the rate is an attribute."""

    def __init__(self, w: Any, b: Any, lr: float) -> None:
        self.w, self.b, self.lr = w, b, lr

    def feed_forward(self, x: Any) -> Any:
        self.last = x
        return correlate(x, self.w, 1, 1) + self.b[:, None, None]

    def back_propagate(self, delta: Any) -> Any:
        padded = np.pad(self.last, ((0, 0), (0, 0), (1, 1), (1, 1)))
        dw = correlate(padded.transpose(1, 0, 2, 3), delta.transpose(1, 0, 2, 3)).transpose(1, 0, 2, 3)
        k = self.w.shape[2]
        dx = correlate(delta, self.w[:, :, ::-1, ::-1].transpose(1, 0, 2, 3), 1, k - 1)[:, :, 1:-1, 1:-1]
        self.w = self.w - self.lr * dw
        self.b = self.b - self.lr * delta.sum(axis=(0, 2, 3))
        return dx


class Several:
    """Returns its gradients."""

    def __init__(self, w: Any, stride: int) -> None:
        self.opts = SimpleNamespace(w=w, stride=stride)

    def forward(self, x: Any) -> Any:
        return correlate(x, self.opts.w, self.opts.stride)

    def gradients(self, x: Any, dy: Any) -> Any:
        s, w = self.opts.stride, self.opts.w
        dx, dw = np.zeros_like(x), np.zeros_like(w)
        for i in range(dy.shape[2]):
            for j in range(dy.shape[3]):
                at = (..., slice(i * s, i * s + w.shape[2]), slice(j * s, j * s + w.shape[3]))
                dw += np.tensordot(dy[:, :, i, j], x[at], (0, 0))
                dx[at] += np.tensordot(dy[:, :, i, j], w, 1)
        return {"input": dx, "weights": dw}


IMAGES = normal(2, 3, 8, 7)
# What is accelerated, by what example, and how many functions become fast.
CONVOLUTIONS: dict[str, Callable[[], tuple[Any, Any, int]]] = {
    "loops_nchw": lambda: (loops_nchw, (IMAGES, normal(4, 3, 3, 2), np.zeros(4), 2, 1), 1),
    "loops_nhwc": lambda: (loops_nhwc, (normal(2, 7, 8, 3), normal(3, 3, 3, 5)), 1),
    "one_image_chw": lambda: (one_image_chw, (normal(3, 8, 8), normal(3, 3, 3, 3), normal(3)), 1),
    "one_image_hwc": lambda: (one_image_hwc, (normal(9, 9, 3), normal(3, 3, 3, 8)), 1),
    "plane": lambda: (plane, (normal(8, 8), np.ones((3, 3))), 1),
    "plane_turned": lambda: (plane_turned, (np.arange(36.0).reshape(6, 6), np.ones((3, 3))), 1),
    "plane_with_number": lambda: (plane_with_number, (normal(8, 8), np.ones((3, 3)), 0.0), 1),
    "gray_batch": lambda: (gray_batch, (normal(5, 8, 8), normal(4, 3, 3)), 1),
    "every_channel_alone": lambda: (every_channel_alone, (normal(8, 8, 3), normal(3, 3)), 1),
    "settings_in_dicts": lambda: (
        settings_in_dicts,
        (IMAGES, {"W": normal(3, 3, 3, 3), "b": normal(3)}, {"hop": 1, "edge": 1}),
        1,
    ),
    "by_name_alone": lambda: (by_name_alone, {"tensor": IMAGES, "taps": normal(2, 3, 3, 3)}, 1),
    "with_what_it_was_given": lambda: (
        with_what_it_was_given,
        (IMAGES, normal(4, 3, 3, 3), normal(4), {"s": 2, "p": 1}),
        1,
    ),
    "into_an_array": lambda: (into_an_array, (IMAGES, normal(4, 3, 3, 3), np.zeros((2, 4, 6, 5))), 1),
    "two_steps": lambda: (two_steps, (IMAGES, normal(4, 3, 3, 3), (1, 2)), 1),
    "with_holes": lambda: (with_holes, (normal(2, 3, 9, 9), normal(4, 3, 3, 3), 2), 1),
    "filters_first_channels_last": lambda: (filters_first_channels_last, (normal(2, 8, 8, 3), normal(4, 3, 3, 3)), 1),
    "batch_last": lambda: (batch_last, (normal(8, 8, 3, 2), normal(3, 3, 3, 4)), 1),
    "half_around": lambda: (half_around, (IMAGES, normal(4, 3, 5, 5)), 1),
    "strided_view": lambda: (strided_view, (IMAGES, normal(4, 3, 3, 3)), 1),
    "float32_alone": lambda: (float32_alone, (IMAGES, normal(4, 3, 3, 3)), 1),
    "closure": lambda: (closure(2, 1), (IMAGES, normal(4, 3, 3, 3)), 1),
    "Tiny": lambda: (Tiny(8), normal(12, 12), 2),
    "ChannelsLast": lambda: (ChannelsLast(3, 3, 8, 2, 1), normal(4, 8, 8, 3), 2),
    "AsMatrix": lambda: (AsMatrix(3, 4, 3), IMAGES, 2),
    "MatrixOfColumns": lambda: (MatrixOfColumns(3, 2, 4).predict, normal(2, 8, 8, 2), 1),
    "InLists": lambda: (InLists(normal(4, 3, 3, 3), normal(4), 1, 1), IMAGES, 2),
    "BiasEverywhere": lambda: (BiasEverywhere((2, 7, 6), 3, 4), normal(2, 7, 6), 2),
    "WeightsAtFirstCall": lambda: (WeightsAtFirstCall(4, 3), IMAGES, 1),
    "Callable_": lambda: (Callable_(normal(4, 3, 3, 3)), IMAGES, 1),
    "OutputOnly": lambda: (OutputOnly(normal(4, 3, 3, 3)), IMAGES, 1),
    "Rebinding": lambda: (Rebinding(normal(4, 3, 3, 3), normal(4), 0.01), IMAGES, 2),
    "Several": lambda: (Several(normal(4, 3, 3, 3), 2), IMAGES, 2),
}

"""Loops as other people write them, one module per convention, right in every case; mistakes are put in by tests."""

from __future__ import annotations

import inspect
import sys
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from fastconv.testing import assert_close

CS231N = """
import numpy as np


def conv_forward_naive(x, w, b, conv_param):
    stride, pad = conv_param["stride"], conv_param["pad"]
    N, C, H, W = x.shape
    F, _, HH, WW = w.shape
    padded = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    OH, OW = 1 + (H + 2 * pad - HH) // stride, 1 + (W + 2 * pad - WW) // stride
    out = np.zeros((N, F, OH, OW), dtype=np.result_type(x, w, b))
    for n in range(N):
        for f in range(F):
            for i in range(OH):
                for j in range(OW):
                    patch = padded[n, :, i * stride : i * stride + HH, j * stride : j * stride + WW]
                    out[n, f, i, j] = np.sum(patch * w[f]) + b[f]
    return out, (x, w, b, conv_param)


def conv_backward_naive(dout, cache):
    x, w, b, conv_param = cache
    stride, pad = conv_param["stride"], conv_param["pad"]
    N, C, H, W = x.shape
    F, _, HH, WW = w.shape
    padded = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    dpadded, dw, db = np.zeros_like(padded), np.zeros_like(w), np.zeros_like(b)
    for n in range(N):
        for f in range(F):
            for i in range(dout.shape[2]):
                for j in range(dout.shape[3]):
                    rows, cols = slice(i * stride, i * stride + HH), slice(j * stride, j * stride + WW)
                    db[f] += dout[n, f, i, j]
                    dw[f] += padded[n, :, rows, cols] * dout[n, f, i, j]
                    dpadded[n, :, rows, cols] += w[f] * dout[n, f, i, j]
    return dpadded[:, :, pad : pad + H, pad : pad + W], dw, db


def max_pool_forward_naive(x, pool_param):
    HH, WW, stride = pool_param["pool_height"], pool_param["pool_width"], pool_param["stride"]
    N, C, H, W = x.shape
    OH, OW = 1 + (H - HH) // stride, 1 + (W - WW) // stride
    out = np.zeros((N, C, OH, OW), dtype=x.dtype)
    for i in range(OH):
        for j in range(OW):
            window = x[:, :, i * stride : i * stride + HH, j * stride : j * stride + WW]
            out[:, :, i, j] = window.max(axis=(2, 3))
    return out, (x, pool_param)


def max_pool_backward_naive(dout, cache):
    x, pool_param = cache
    HH, WW, stride = pool_param["pool_height"], pool_param["pool_width"], pool_param["stride"]
    dx = np.zeros_like(x)
    for n in range(x.shape[0]):
        for c in range(x.shape[1]):
            for i in range(dout.shape[2]):
                for j in range(dout.shape[3]):
                    window = x[n, c, i * stride : i * stride + HH, j * stride : j * stride + WW]
                    k, l = np.unravel_index(window.argmax(), window.shape)
                    dx[n, c, i * stride + k, j * stride + l] += dout[n, c, i, j]
    return dx


def avg_pool_forward_naive(x, pool_param):
    HH, WW, stride = pool_param["pool_height"], pool_param["pool_width"], pool_param["stride"]
    N, C, H, W = x.shape
    OH, OW = 1 + (H - HH) // stride, 1 + (W - WW) // stride
    out = np.zeros((N, C, OH, OW))
    for i in range(OH):
        for j in range(OW):
            out[:, :, i, j] = x[:, :, i * stride : i * stride + HH, j * stride : j * stride + WW].mean(axis=(2, 3))
    return out, (x, pool_param)


def avg_pool_backward_naive(dout, cache):
    x, pool_param = cache
    HH, WW, stride = pool_param["pool_height"], pool_param["pool_width"], pool_param["stride"]
    dx = np.zeros_like(x)
    for i in range(dout.shape[2]):
        for j in range(dout.shape[3]):
            share = dout[:, :, i, j][:, :, None, None] / (HH * WW)
            dx[:, :, i * stride : i * stride + HH, j * stride : j * stride + WW] += share
    return dx
"""

COURSERA = """
import numpy as np


def conv_forward(A_prev, W, b, hparameters):
    (m, H, Wd, C_prev), (f, f, C_prev, C) = A_prev.shape, W.shape
    stride, pad = hparameters["stride"], hparameters["pad"]
    n_H, n_W = int((H - f + 2 * pad) / stride) + 1, int((Wd - f + 2 * pad) / stride) + 1
    Z = np.zeros((m, n_H, n_W, C))
    padded = np.pad(A_prev, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    for i in range(m):
        for h in range(n_H):
            for w in range(n_W):
                patch = padded[i, h * stride : h * stride + f, w * stride : w * stride + f]
                for c in range(C):
                    Z[i, h, w, c] = np.sum(patch * W[..., c]) + float(b[0, 0, 0, c])
    return Z, (A_prev, W, b, hparameters)


def conv_backward(dZ, cache):
    A_prev, W, b, hparameters = cache
    stride, pad = hparameters["stride"], hparameters["pad"]
    f = W.shape[0]
    padded = np.pad(A_prev, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    dpadded, dW, db = np.zeros(padded.shape), np.zeros(W.shape), np.zeros((1, 1, 1, W.shape[3]))
    m, n_H, n_W, C = dZ.shape
    for i in range(m):
        for h in range(n_H):
            for w in range(n_W):
                rows, cols = slice(h * stride, h * stride + f), slice(w * stride, w * stride + f)
                for c in range(C):
                    dpadded[i, rows, cols] += W[..., c] * dZ[i, h, w, c]
                    dW[..., c] += padded[i, rows, cols] * dZ[i, h, w, c]
                    db[..., c] += dZ[i, h, w, c]
    return dpadded[:, pad : pad + A_prev.shape[1], pad : pad + A_prev.shape[2]], dW, db


def pool_forward(A_prev, hparameters, mode="max"):
    m, H, Wd, C = A_prev.shape
    f, stride = hparameters["f"], hparameters["stride"]
    n_H, n_W = 1 + (H - f) // stride, 1 + (Wd - f) // stride
    A = np.zeros((m, n_H, n_W, C))
    for h in range(n_H):
        for w in range(n_W):
            window = A_prev[:, h * stride : h * stride + f, w * stride : w * stride + f]
            A[:, h, w] = window.max(axis=(1, 2)) if mode == "max" else window.mean(axis=(1, 2))
    return A, (A_prev, hparameters)


def pool_backward(dA, cache, mode="max"):
    A_prev, hparameters = cache
    f, stride = hparameters["f"], hparameters["stride"]
    dA_prev = np.zeros(A_prev.shape)
    m, n_H, n_W, C = dA.shape
    for i in range(m):
        for h in range(n_H):
            for w in range(n_W):
                for c in range(C):
                    rows, cols = slice(h * stride, h * stride + f), slice(w * stride, w * stride + f)
                    if mode == "max":
                        window = A_prev[i, rows, cols, c]
                        k, l = np.unravel_index(window.argmax(), window.shape)
                        dA_prev[i, h * stride + k, w * stride + l, c] += dA[i, h, w, c]
                    else:
                        dA_prev[i, rows, cols, c] += dA[i, h, w, c] / (f * f)
    return dA_prev
"""

SCRATCH = """
import numpy as np


def im2col(input_data, filter_h, filter_w, stride=1, pad=0):
    N, C, H, W = input_data.shape
    out_h, out_w = (H + 2 * pad - filter_h) // stride + 1, (W + 2 * pad - filter_w) // stride + 1
    img = np.pad(input_data, [(0, 0), (0, 0), (pad, pad), (pad, pad)])
    col = np.zeros((N, C, filter_h, filter_w, out_h, out_w))
    for y in range(filter_h):
        for x in range(filter_w):
            col[:, :, y, x] = img[:, :, y : y + stride * out_h : stride, x : x + stride * out_w : stride]
    return col.transpose(0, 4, 5, 1, 2, 3).reshape(N * out_h * out_w, -1)


def col2im(col, input_shape, filter_h, filter_w, stride=1, pad=0):
    N, C, H, W = input_shape
    out_h, out_w = (H + 2 * pad - filter_h) // stride + 1, (W + 2 * pad - filter_w) // stride + 1
    col = col.reshape(N, out_h, out_w, C, filter_h, filter_w).transpose(0, 3, 4, 5, 1, 2)
    img = np.zeros((N, C, H + 2 * pad + stride - 1, W + 2 * pad + stride - 1))
    for y in range(filter_h):
        for x in range(filter_w):
            img[:, :, y : y + stride * out_h : stride, x : x + stride * out_w : stride] += col[:, :, y, x]
    return img[:, :, pad : H + pad, pad : W + pad]


class Convolution:
    def __init__(self, W, b, stride=1, pad=0):
        self.W, self.b, self.stride, self.pad = W, b, stride, pad
        self.x = self.col = self.col_W = self.dW = self.db = None

    def forward(self, x):
        FN, C, FH, FW = self.W.shape
        N, C, H, W = x.shape
        out_h, out_w = 1 + (H + 2 * self.pad - FH) // self.stride, 1 + (W + 2 * self.pad - FW) // self.stride
        col, col_W = im2col(x, FH, FW, self.stride, self.pad), self.W.reshape(FN, -1).T
        self.x, self.col, self.col_W = x, col, col_W
        return (np.dot(col, col_W) + self.b).reshape(N, out_h, out_w, -1).transpose(0, 3, 1, 2)

    def backward(self, dout):
        FN, C, FH, FW = self.W.shape
        dout = dout.transpose(0, 2, 3, 1).reshape(-1, FN)
        self.db = np.sum(dout, axis=0)
        self.dW = np.dot(self.col.T, dout).transpose(1, 0).reshape(FN, C, FH, FW)
        return col2im(np.dot(dout, self.col_W.T), self.x.shape, FH, FW, self.stride, self.pad)


class Pooling:
    def __init__(self, pool_h, pool_w, stride=1, pad=0):
        self.pool_h, self.pool_w, self.stride, self.pad = pool_h, pool_w, stride, pad
        self.x = self.arg_max = None

    def forward(self, x):
        if self.pad:
            raise NotImplementedError("padding")
        N, C, H, W = x.shape
        out_h, out_w = 1 + (H - self.pool_h) // self.stride, 1 + (W - self.pool_w) // self.stride
        col = im2col(x, self.pool_h, self.pool_w, self.stride, self.pad).reshape(-1, self.pool_h * self.pool_w)
        self.x, self.arg_max = x, np.argmax(col, axis=1)
        return np.max(col, axis=1).reshape(N, out_h, out_w, C).transpose(0, 3, 1, 2)

    def backward(self, dout):
        dout = dout.transpose(0, 2, 3, 1)
        size = self.pool_h * self.pool_w
        dmax = np.zeros((dout.size, size))
        dmax[np.arange(self.arg_max.size), self.arg_max.flatten()] = dout.flatten()
        dcol = dmax.reshape(dout.shape[0] * dout.shape[1] * dout.shape[2], -1)
        return col2im(dcol, self.x.shape, self.pool_h, self.pool_w, self.stride, self.pad)
"""

TUTORIAL = """
import numpy as np


def get_patch(input_array, i, j, filter_width, filter_height, stride):
    rows, cols = slice(i * stride, i * stride + filter_height), slice(j * stride, j * stride + filter_width)
    return input_array[rows, cols] if input_array.ndim == 2 else input_array[:, rows, cols]


def conv(input_array, kernel_array, output_array, stride, bias):
    for i in range(output_array.shape[0]):
        for j in range(output_array.shape[1]):
            width, height = kernel_array.shape[-1], kernel_array.shape[-2]
            patch = get_patch(input_array, i, j, width, height, stride)
            output_array[i][j] = (patch * kernel_array).sum() + bias


def padding(input_array, zp):
    return np.pad(input_array, [(0, 0)] * (input_array.ndim - 2) + [(zp, zp)] * 2)


def element_wise_op(array, op):
    for i in np.nditer(array, op_flags=["readwrite"]):
        i[...] = op(i)


class ReluActivator:
    def forward(self, weighted_input):
        return max(0, weighted_input)

    def backward(self, output):
        return 1 if output > 0 else 0


class Filter:
    def __init__(self, width, height, depth):
        self.weights = np.random.uniform(-1e-4, 1e-4, (depth, height, width))
        self.bias = 0
        self.weights_grad, self.bias_grad = np.zeros(self.weights.shape), 0

    def get_weights(self):
        return self.weights

    def get_bias(self):
        return self.bias

    def update(self, learning_rate):
        self.weights -= learning_rate * self.weights_grad
        self.bias -= learning_rate * self.bias_grad


class ConvLayer:
    def __init__(
        self, input_width, input_height, channel_number, filter_width, filter_height, filter_number, zero_padding,
        stride, activator, learning_rate,
    ):
        self.input_width, self.input_height, self.channel_number = input_width, input_height, channel_number
        self.filter_width, self.filter_height, self.filter_number = filter_width, filter_height, filter_number
        self.zero_padding, self.stride, self.activator = zero_padding, stride, activator
        self.learning_rate = learning_rate
        self.output_width = ConvLayer.calculate_output_size(input_width, filter_width, zero_padding, stride)
        self.output_height = ConvLayer.calculate_output_size(input_height, filter_height, zero_padding, stride)
        self.output_array = np.zeros((filter_number, self.output_height, self.output_width))
        self.filters = [Filter(filter_width, filter_height, channel_number) for _ in range(filter_number)]

    @staticmethod
    def calculate_output_size(input_size, filter_size, zero_padding, stride):
        return (input_size - filter_size + 2 * zero_padding) // stride + 1

    def forward(self, input_array):
        self.input_array = input_array
        self.padded_input_array = padding(input_array, self.zero_padding)
        for f in range(self.filter_number):
            each = self.filters[f]
            conv(self.padded_input_array, each.get_weights(), self.output_array[f], self.stride, each.get_bias())
        element_wise_op(self.output_array, self.activator.forward)

    def backward(self, input_array, sensitivity_array, activator):
        self.forward(input_array)
        self.bp_sensitivity_map(sensitivity_array, activator)
        self.bp_gradient(sensitivity_array)

    def update(self):
        for each in self.filters:
            each.update(self.learning_rate)

    def bp_sensitivity_map(self, sensitivity_array, activator):
        zp, stride = self.zero_padding, self.stride
        padded = np.zeros(self.padded_input_array.shape)
        for f in range(self.filter_number):
            for i in range(self.output_height):
                for j in range(self.output_width):
                    patch = get_patch(padded, i, j, self.filter_width, self.filter_height, stride)
                    patch += self.filters[f].get_weights() * sensitivity_array[f, i, j]
        derivative_array = np.array(self.input_array, dtype=float)
        element_wise_op(derivative_array, activator.backward)
        self.delta_array = padded[:, zp : zp + self.input_height, zp : zp + self.input_width] * derivative_array

    def bp_gradient(self, sensitivity_array):
        for f in range(self.filter_number):
            each = self.filters[f]
            each.weights_grad[...] = 0
            for i in range(self.output_height):
                for j in range(self.output_width):
                    patch = get_patch(
                        self.padded_input_array, i, j, self.filter_width, self.filter_height, self.stride
                    )
                    each.weights_grad += patch * sensitivity_array[f, i, j]
            each.bias_grad = sensitivity_array[f].sum()


class MaxPoolingLayer:
    def __init__(self, input_width, input_height, channel_number, filter_width, filter_height, stride):
        self.input_width, self.input_height, self.channel_number = input_width, input_height, channel_number
        self.filter_width, self.filter_height, self.stride = filter_width, filter_height, stride
        self.output_width = (input_width - filter_width) // stride + 1
        self.output_height = (input_height - filter_height) // stride + 1
        self.output_array = np.zeros((channel_number, self.output_height, self.output_width))

    def forward(self, input_array):
        for d in range(self.channel_number):
            for i in range(self.output_height):
                for j in range(self.output_width):
                    patch = get_patch(input_array[d], i, j, self.filter_width, self.filter_height, self.stride)
                    self.output_array[d, i, j] = patch.max()

    def backward(self, input_array, sensitivity_array):
        self.delta_array = np.zeros(input_array.shape)
        for d in range(self.channel_number):
            for i in range(self.output_height):
                for j in range(self.output_width):
                    patch = get_patch(input_array[d], i, j, self.filter_width, self.filter_height, self.stride)
                    k, l = np.unravel_index(patch.argmax(), patch.shape)
                    self.delta_array[d, i * self.stride + k, j * self.stride + l] += sensitivity_array[d, i, j]
"""

COLUMNS = """
import numpy as np


def get_im2col_indices(x_shape, field_height, field_width, padding=1, stride=1):
    N, C, H, W = x_shape
    OH, OW = (H + 2 * padding - field_height) // stride + 1, (W + 2 * padding - field_width) // stride + 1
    i0 = np.tile(np.repeat(np.arange(field_height), field_width), C)
    j0 = np.tile(np.arange(field_width), field_height * C)
    i = i0.reshape(-1, 1) + (stride * np.repeat(np.arange(OH), OW)).reshape(1, -1)
    j = j0.reshape(-1, 1) + (stride * np.tile(np.arange(OW), OH)).reshape(1, -1)
    return np.repeat(np.arange(C), field_height * field_width).reshape(-1, 1), i, j


def im2col_indices(x, field_height, field_width, padding=1, stride=1):
    p = padding
    x_padded = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)))
    k, i, j = get_im2col_indices(x.shape, field_height, field_width, padding, stride)
    return x_padded[:, k, i, j].transpose(1, 2, 0).reshape(field_height * field_width * x.shape[1], -1)


def col2im_indices(cols, x_shape, field_height=3, field_width=3, padding=1, stride=1):
    N, C, H, W = x_shape
    x_padded = np.zeros((N, C, H + 2 * padding, W + 2 * padding), dtype=cols.dtype)
    k, i, j = get_im2col_indices(x_shape, field_height, field_width, padding, stride)
    cols_reshaped = cols.reshape(C * field_height * field_width, -1, N).transpose(2, 0, 1)
    np.add.at(x_padded, (slice(None), k, i, j), cols_reshaped)
    return x_padded[:, :, padding : padding + H, padding : padding + W]


def col2im_python(cols, N, C, H, W, field_height, field_width, padding, stride):
    return col2im_indices(cols, (N, C, H, W), field_height, field_width, padding, stride)


def col2im_6d_python(cols, N, C, H, W, HH, WW, pad, stride):
    x_padded = np.zeros((N, C, H + 2 * pad, W + 2 * pad), dtype=cols.dtype)
    OH, OW = cols.shape[4:]
    for i in range(HH):
        for j in range(WW):
            part = cols[:, i, j].transpose(1, 0, 2, 3)
            x_padded[:, :, i : i + stride * OH : stride, j : j + stride * OW : stride] += part
    return x_padded[:, :, pad : pad + H, pad : pad + W]
"""

PLAIN = """
import numpy as np


def pair(value):
    return value if isinstance(value, tuple) else (value, value)


def windows(x, kernel, stride, padding, dilation=1, fill=0):
    (KH, KW), (sh, sw), (ph, pw), (dh, dw) = map(pair, (kernel, stride, padding, dilation))
    padded = np.pad(x, ((0, 0), (0, 0), (ph, ph), (pw, pw)), constant_values=fill)
    OH = (padded.shape[2] - dh * (KH - 1) - 1) // sh + 1
    OW = (padded.shape[3] - dw * (KW - 1) - 1) // sw + 1
    for i in range(OH):
        for j in range(OW):
            rows, cols = slice(i * sh, i * sh + dh * (KH - 1) + 1, dh), slice(j * sw, j * sw + dw * (KW - 1) + 1, dw)
            yield (OH, OW), i, j, padded, (slice(None), slice(None), rows, cols)


def conv2d(x, weight, bias=None, stride=1, padding=0, dilation=1):
    y = None
    for out, i, j, padded, window in windows(x, weight.shape[2:], stride, padding, dilation):
        if y is None:
            y = np.zeros((len(x), len(weight), *out), np.result_type(x, weight))
        y[:, :, i, j] = np.tensordot(padded[window], weight, ((1, 2, 3), (1, 2, 3)))
    return y if bias is None else y + bias[:, None, None]


def conv2d_backward(dy, x, weight, stride=1, padding=0, dilation=1):
    ph, pw = pair(padding)
    dweight = np.zeros(weight.shape)
    for _, i, j, padded, window in windows(x, weight.shape[2:], stride, padding, dilation):
        if (i, j) == (0, 0):
            dpadded = np.zeros(padded.shape)
        dpadded[window] += np.tensordot(dy[:, :, i, j], weight, 1)
        dweight += np.tensordot(dy[:, :, i, j], padded[window], ((0,), (0,)))
    H, W = x.shape[2:]
    return dpadded[:, :, ph : ph + H, pw : pw + W], dweight, dy.sum(axis=(0, 2, 3))


def max_pool2d(x, kernel_size, stride=None, padding=0):
    y = None
    x = x.astype(float)
    for out, i, j, padded, window in windows(x, pair(kernel_size), stride or kernel_size, padding, fill=-np.inf):
        if y is None:
            y = np.zeros((*x.shape[:2], *out))
        y[:, :, i, j] = padded[window].max(axis=(2, 3))
    return y


def avg_pool2d(img, size, strides=2):
    y = None
    for out, i, j, padded, window in windows(img, pair(size), strides, 0):
        if y is None:
            y = np.zeros((*img.shape[:2], *out))
        y[:, :, i, j] = padded[window].mean(axis=(2, 3))
    return y
"""

IMAGES = """
import numpy as np


def conv(image, filters, bias, stride=1, pad=0):
    image = np.pad(image, ((0, 0), (pad, pad), (pad, pad)))
    F, C, KH, KW = filters.shape
    OH, OW = (image.shape[1] - KH) // stride + 1, (image.shape[2] - KW) // stride + 1
    y = np.zeros((F, OH, OW))
    for f in range(F):
        for i in range(OH):
            for j in range(OW):
                y[f, i, j] = (image[:, i * stride : i * stride + KH, j * stride : j * stride + KW] * filters[f]).sum()
    return y + bias.reshape(-1, 1, 1)


def convolve2d(image, kernel):
    rows, columns = image.shape[0] - kernel.shape[0] + 1, image.shape[1] - kernel.shape[1] + 1
    y = np.zeros((rows, columns))
    for i in range(rows):
        for j in range(columns):
            y[i, j] = (image[i : i + kernel.shape[0], j : j + kernel.shape[1]] * kernel).sum()
    return y


def maxpool(image, size=2, stride=2):
    channels, height, width = image.shape
    rows, columns = (height - size) // stride + 1, (width - size) // stride + 1
    y = np.zeros((channels, rows, columns))
    for i in range(rows):
        for j in range(columns):
            y[:, i, j] = image[:, i * stride : i * stride + size, j * stride : j * stride + size].max(axis=(1, 2))
    return y
"""


AVERAGE = """
import numpy as np


class AvgPooling:
    def __init__(self, pool_h, pool_w, stride=1, padding=0):
        self.pool_h, self.pool_w, self.stride, self.padding = pool_h, pool_w, stride, padding

    def windows(self, H, W):
        for i in range((H + 2 * self.padding - self.pool_h) // self.stride + 1):
            for j in range((W + 2 * self.padding - self.pool_w) // self.stride + 1):
                top, left = i * self.stride, j * self.stride
                yield i, j, slice(top, top + self.pool_h), slice(left, left + self.pool_w)

    def forward(self, x):
        self.x, p = x, self.padding
        padded = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)))
        found = {(i, j): padded[:, :, rows, cols].mean(axis=(2, 3)) for i, j, rows, cols in self.windows(*x.shape[2:])}
        i, j = max(found)
        return np.stack([found[place] for place in sorted(found)], axis=-1).reshape(*x.shape[:2], i + 1, j + 1)

    def backward(self, dout):
        (N, C, H, W), p = self.x.shape, self.padding
        dx = np.zeros((N, C, H + 2 * p, W + 2 * p))
        for i, j, rows, cols in self.windows(H, W):
            dx[:, :, rows, cols] += dout[:, :, i, j][:, :, None, None] / (self.pool_h * self.pool_w)
        return dx[:, :, p : p + H, p : p + W]
"""

# As in the notes of a course: the gradient of the pooling is wrong, the rest is right.
COURSE_NOTES = """
import numpy as np


def conv_forward_naive(x, w, b, conv_param):
    stride, pad = conv_param["stride"], conv_param["pad"]
    N, C, H, W = x.shape
    F, C, HH, WW = w.shape
    x_padded = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)), mode="constant")
    H_new = 1 + (H + 2 * pad - HH) // stride
    W_new = 1 + (W + 2 * pad - WW) // stride
    s = stride
    out = np.zeros((N, F, H_new, W_new))
    for i in range(N):
        for f in range(F):
            for j in range(H_new):
                for k in range(W_new):
                    out[i, f, j, k] = np.sum(x_padded[i, :, j*s:HH+j*s, k*s:WW+k*s] * w[f]) + b[f]
    return out, (x, w, b, conv_param)


def conv_backward_naive(dout, cache):
    x, w, b, conv_param = cache
    pad, stride = conv_param["pad"], conv_param["stride"]
    F, C, HH, WW = w.shape
    N, C, H, W = x.shape
    H_new = 1 + (H + 2 * pad - HH) // stride
    W_new = 1 + (W + 2 * pad - WW) // stride
    dx, dw, db = np.zeros_like(x), np.zeros_like(w), np.zeros_like(b)
    s = stride
    x_padded = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)), "constant")
    dx_padded = np.pad(dx, ((0, 0), (0, 0), (pad, pad), (pad, pad)), "constant")
    for i in range(N):
        for f in range(F):
            for j in range(H_new):
                for k in range(W_new):
                    window = x_padded[i, :, j*s:HH+j*s, k*s:WW+k*s]
                    db[f] += dout[i, f, j, k]
                    dw[f] += window * dout[i, f, j, k]
                    dx_padded[i, :, j*s:HH+j*s, k*s:WW+k*s] += w[f] * dout[i, f, j, k]
    return dx_padded[:, :, pad:pad+H, pad:pad+W], dw, db


def max_pool_forward_naive(x, pool_param):
    HH, WW = pool_param["pool_height"], pool_param["pool_width"]
    s = pool_param["stride"]
    N, C, H, W = x.shape
    H_new = 1 + (H - HH) // s
    W_new = 1 + (W - WW) // s
    out = np.zeros((N, C, H_new, W_new))
    for i in range(N):
        for j in range(C):
            for k in range(H_new):
                for l in range(W_new):
                    out[i, j, k, l] = np.max(x[i, j, k*s:HH+k*s, l*s:WW+l*s])
    return out, (x, pool_param)


def max_pool_backward_naive(dout, cache):
    x, pool_param = cache
    HH, WW = pool_param["pool_height"], pool_param["pool_width"]
    s = pool_param["stride"]
    N, C, H, W = x.shape
    H_new = 1 + (H - HH) // s
    W_new = 1 + (W - WW) // s
    dx = np.zeros_like(x)
    for i in range(N):
        for j in range(C):
            for k in range(H_new):
                for l in range(W_new):
                    window = x[i, j, k*s:HH+k*s, l*s:WW+l*s]
                    m = np.max(window)
                    dx[i, j, k*s:HH+k*s, l*s:WW+l*s] = (window == m) * dout[i, j, k, l]
    return dx
"""

# The same where of several equal maxima the last gets the gradient.
LAST_OF_TIES = COURSE_NOTES.replace(
    "= (window == m) * dout[i, j, k, l]",
    "+= (np.arange(window.size).reshape(window.shape) == np.flatnonzero(window == m)[-1]) * dout[i, j, k, l]",
)

# Functions and methods to be replaced in each.
COUNTS = {"CS231N": 6, "COURSERA": 4, "SCRATCH": 6, "TUTORIAL": 6, "COLUMNS": 4, "PLAIN": 4, "IMAGES": 3, "AVERAGE": 2}
CONV_PARAM = {"stride": 2, "pad": 1}
POOL_PARAM = {"pool_height": 2, "pool_width": 3, "stride": 1}

# The padded image is kept, and the backward function relies on it.
PAD = "padded = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))"
OPAQUE = (
    ("return out, (x, w, b, conv_param)", "return out, (padded, w, b, conv_param)"),
    (f"    {PAD}\n    dpadded", "    padded, H, W = x, H - 2 * pad, W - 2 * pad\n    dpadded"),
)

# Right for arrays in C order alone.
CONV2D = "    y = None\n    for out, i, j, padded, window in windows(x, weight.shape[2:], stride"
HARD_CODED_STRIDES = (
    CONV2D,
    "    steps = [x.itemsize * int(np.prod(x.shape[axis + 1 :])) for axis in range(4)]\n"
    "    x = x if x.base is not None else np.lib.stride_tricks.as_strided(x, x.shape, steps)\n" + CONV2D,
)


def load(monkeypatch: pytest.MonkeyPatch, source: str, name: str = "somebodys_loops") -> ModuleType:
    """The code as a module that has been imported under a name."""
    module = ModuleType(name)
    monkeypatch.setitem(sys.modules, name, module)
    exec(compile(source, f"{name}.py", "exec"), vars(module))
    return module


def changed(source: str, *pairs: tuple[str, str]) -> str:
    """The code with something else in some places, each of which must be there."""
    for old, new in pairs:
        assert old in source, old
        source = source.replace(old, new)
    return source


def numbers(*shape: int, dtype: Any = np.float64) -> Any:
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(dtype)


def tree(value: Any) -> Any:
    """What a result is made of: tuples, and shape and dtype of every array."""
    if isinstance(value, tuple):
        return tuple(tree(item) for item in value)
    return (value.shape, value.dtype) if isinstance(value, np.ndarray) else value


def same(actual: Any, desired: Any) -> None:
    assert tree(actual) == tree(desired)
    for one, other in zip(arrays(actual), arrays(desired)):
        assert_close(one, other, magnitude=100)


def arrays(value: Any) -> list[Any]:
    if isinstance(value, tuple):
        return [array for item in value for array in arrays(item)]
    return [value] if isinstance(value, np.ndarray) else []


def bound(module: ModuleType) -> dict[str, Any]:
    """Every function of a module and every method of its classes."""
    found = {name: value for name, value in vars(module).items() if inspect.isfunction(value)}
    for name, value in vars(module).items():
        if isinstance(value, type):
            found.update({f"{name}.{method}": each for method, each in vars(value).items()})
    return found

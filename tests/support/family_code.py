"""Layers and functions of the kinds that people write, each a class or function of a family of its own."""

from __future__ import annotations

import numpy as np


def _padded(x, padding):
    """Zeros around the last two axes."""
    return np.pad(x, [(0, 0)] * (x.ndim - 2) + [(padding, padding)] * 2)


class ConvInOut:
    """Constructed by `in_channels, out_channels, kernel_size, stride, padding`; gradients in attributes."""

    def __init__(self, in_channels, out_channels, kernel_size, stride=1, padding=0):
        self.kernel_size, self.stride, self.padding = kernel_size, stride, padding
        self.weight = np.random.randn(out_channels, in_channels, kernel_size, kernel_size)
        self.bias = np.zeros(out_channels)
        self.dweight = self.dbias = None

    def forward(self, x):
        self.x = x
        k, s = self.kernel_size, self.stride
        padded = _padded(x, self.padding)
        rows, columns = ((size - k) // s + 1 for size in padded.shape[2:])
        y = np.zeros((len(x), len(self.weight), rows, columns))
        for i in range(rows):
            for j in range(columns):
                window = padded[:, :, i * s : i * s + k, j * s : j * s + k]
                y[:, :, i, j] = np.einsum("nckl,fckl->nf", window, self.weight) + self.bias
        return y

    def backward(self, grad):
        k, s, p = self.kernel_size, self.stride, self.padding
        padded = _padded(self.x, p)
        dx, self.dweight = np.zeros(padded.shape), np.zeros(self.weight.shape)
        self.dbias = grad.sum((0, 2, 3))
        for i in range(grad.shape[2]):
            for j in range(grad.shape[3]):
                at = (slice(None), slice(None), slice(i * s, i * s + k), slice(j * s, j * s + k))
                dx[at] += np.einsum("nf,fckl->nckl", grad[:, :, i, j], self.weight)
                self.dweight += np.einsum("nf,nckl->fckl", grad[:, :, i, j], padded[at])
        return dx[:, :, p : p + self.x.shape[2], p : p + self.x.shape[3]]


class PairsConv:
    """As above with pairs for sizes, and parameters in objects of their own."""

    class Parameter:
        def __init__(self, data):
            self.data = data

    def __init__(self, in_channels, out_channels, kernel_size, stride=(1, 1), padding=(0, 0)):
        self.kernel_size, self.stride, self.padding = kernel_size, stride, padding
        self.w = self.Parameter(np.random.randn(out_channels, in_channels, *kernel_size))
        self.b = self.Parameter(np.zeros((out_channels, 1, 1)))

    def __call__(self, x):
        (kh, kw), (sh, sw), (ph, pw) = self.kernel_size, self.stride, self.padding
        x = np.pad(x, ((0, 0), (0, 0), (ph, ph), (pw, pw)))
        rows, columns = (x.shape[2] - kh) // sh + 1, (x.shape[3] - kw) // sw + 1
        y = np.empty((len(x), len(self.w.data), rows, columns))
        for i, j in np.ndindex(rows, columns):
            window = x[:, :, i * sh : i * sh + kh, j * sw : j * sw + kw]
            y[:, :, i, j] = np.tensordot(window, self.w.data, ((1, 2, 3), (1, 2, 3)))
        return y + self.b.data


class Conv3x3:
    """A plane in, (H, W, F) out, no bias; `backprop` takes a step at once."""

    def __init__(self, num_filters):
        self.num_filters = num_filters
        self.filters = np.random.randn(num_filters, 3, 3) / 9

    def regions(self, image):
        for i in range(image.shape[0] - 2):
            for j in range(image.shape[1] - 2):
                yield i, j, image[i : i + 3, j : j + 3]

    def forward(self, image):
        self.last = image
        y = np.zeros((image.shape[0] - 2, image.shape[1] - 2, self.num_filters))
        for i, j, region in self.regions(image):
            y[i, j] = (region * self.filters).sum((1, 2))
        return y

    def backprop(self, d_out, learn_rate):
        step = np.zeros(self.filters.shape)
        for i, j, region in self.regions(self.last):
            for f in range(self.num_filters):
                step[f] += d_out[i, j, f] * region
        self.filters -= learn_rate * step


class MaxPool2:
    """(H, W, C) halved, whatever the size."""

    def forward(self, image):
        self.last = image
        rows, columns, channels = image.shape
        y = np.zeros((rows // 2, columns // 2, channels))
        for i, j in np.ndindex(rows // 2, columns // 2):
            y[i, j] = image[2 * i : 2 * i + 2, 2 * j : 2 * j + 2].max((0, 1))
        return y


class ConvOfShape:
    """One image, its shape told to the constructor, and a bias for every position of the output."""

    def __init__(self, input_shape, kernel_size, depth):
        channels, height, width = input_shape
        self.input_shape, self.depth = input_shape, depth
        self.output_shape = depth, height - kernel_size + 1, width - kernel_size + 1
        self.kernels = np.random.randn(depth, channels, kernel_size, kernel_size)
        self.biases = np.random.randn(*self.output_shape)

    @staticmethod
    def _valid(plane, kernel):
        windows = np.lib.stride_tricks.sliding_window_view(plane, kernel.shape)
        return np.einsum("ijkl,kl->ij", windows, kernel)

    def forward(self, x):
        self.x = x
        y = self.biases.copy()
        for f in range(self.depth):
            for c in range(self.input_shape[0]):
                y[f] += self._valid(x[c], self.kernels[f, c])
        return y

    def backward(self, output_gradient, learning_rate):
        step, dx = np.zeros(self.kernels.shape), np.zeros(self.input_shape)
        rows, columns = self.kernels.shape[2:]
        for f in range(self.depth):
            for c in range(self.input_shape[0]):
                step[f, c] = self._valid(self.x[c], output_gradient[f])
                wide = np.pad(output_gradient[f], ((rows - 1,) * 2, (columns - 1,) * 2))
                dx[c] += self._valid(wide, self.kernels[f, c, ::-1, ::-1])
        self.kernels -= learning_rate * step
        self.biases -= learning_rate * output_gradient
        return dx


class ConvChannelsLast:
    """(N, H, W, C), filters (KH, KW, C, F), the gradient of the filters divided by the number of images."""

    def __init__(self, filters, kernel_size, in_channels=3, stride=1):
        self.stride = stride
        self.weights = np.random.randn(kernel_size, kernel_size, in_channels, filters)
        self.bias = np.zeros(filters)

    def forward(self, x):
        self.x, k, s = x, len(self.weights), self.stride
        rows, columns = (x.shape[1] - k) // s + 1, (x.shape[2] - k) // s + 1
        y = np.zeros((len(x), rows, columns, self.weights.shape[-1]))
        for i, j in np.ndindex(rows, columns):
            y[:, i, j] = np.tensordot(x[:, i * s : i * s + k, j * s : j * s + k], self.weights, 3) + self.bias
        return y

    def backward(self, d_out, learning_rate):
        k, s, n = len(self.weights), self.stride, len(d_out)
        dx, dw = np.zeros(self.x.shape), np.zeros(self.weights.shape)
        for i, j in np.ndindex(*d_out.shape[1:3]):
            at = (slice(None), slice(i * s, i * s + k), slice(j * s, j * s + k))
            dw += np.einsum("nklc,nf->klcf", self.x[at], d_out[:, i, j])
            dx[at] += np.einsum("nf,klcf->nklc", d_out[:, i, j], self.weights)
        self.weights -= learning_rate * dw / n
        self.bias -= learning_rate * d_out.sum((0, 1, 2)) / n
        return dx


class LazyConv:
    """Makes its filters when it sees the first image."""

    def __init__(self, num_filters, kernel_size):
        self.num_filters, self.kernel_size, self.weights = num_filters, kernel_size, None

    def forward(self, x):
        k = self.kernel_size
        if self.weights is None:
            self.weights = np.random.randn(self.num_filters, x.shape[1], k, k)
            self.bias = np.zeros(self.num_filters)
        self.last, self.shape = x, x.shape
        rows, columns = x.shape[2] - k + 1, x.shape[3] - k + 1
        y = np.zeros((len(x), self.num_filters, rows, columns))
        for i, j in np.ndindex(rows, columns):
            y[:, :, i, j] = np.tensordot(x[:, :, i : i + k, j : j + k], self.weights, ((1, 2, 3),) * 2) + self.bias
        return y


class BuiltConv:
    """Told the shape of its input by `build`, as in Keras."""

    def __init__(self, filters, kernel_size, activation=None):
        self.filters, self.kernel_size, self.activation = filters, kernel_size, activation

    def build(self, input_shape):
        self.kernel = np.random.randn(self.kernel_size, self.kernel_size, input_shape[-1], self.filters)
        self.bias = np.zeros(self.filters)

    def call(self, inputs):
        k = self.kernel_size
        rows, columns = inputs.shape[1] - k + 1, inputs.shape[2] - k + 1
        y = np.zeros((len(inputs), rows, columns, self.filters))
        for i, j in np.ndindex(rows, columns):
            y[:, i, j] = np.tensordot(inputs[:, i : i + k, j : j + k], self.kernel, 3) + self.bias
        return y if self.activation is None else self.activation(y)


class SummingConv:
    """(H, W, C) in, (F, H, W) out; gradients are added to those of the calls before, until `zero_grad`."""

    def __init__(self, num_filters, filter_size, input_channels):
        self.filters = np.random.randn(num_filters, filter_size, filter_size, input_channels)
        self.biases = np.zeros((num_filters, 1))
        self.zero_grad()

    def zero_grad(self):
        self.d_filters, self.d_biases = np.zeros(self.filters.shape), None

    def forward(self, image):
        self.image, k = image, self.filters.shape[1]
        y = np.zeros((len(self.filters), image.shape[0] - k + 1, image.shape[1] - k + 1))
        for f, i, j in np.ndindex(*y.shape):
            y[f, i, j] = (image[i : i + k, j : j + k] * self.filters[f]).sum() + self.biases[f, 0]
        return y

    def backward(self, grad):
        dx, k = np.zeros(self.image.shape), self.filters.shape[1]
        for f, i, j in np.ndindex(*grad.shape):
            self.d_filters[f] += grad[f, i, j] * self.image[i : i + k, j : j + k]
            dx[i : i + k, j : j + k] += grad[f, i, j] * self.filters[f]
        db = grad.sum((1, 2))[:, None]
        self.d_biases = db if self.d_biases is None else self.d_biases + db
        return dx


class AvgPooling:
    """(N, C, H, W) under a window and a stride."""

    def __init__(self, pool_size, stride):
        self.pool_size, self.stride = pool_size, stride

    def forward(self, x):
        self.shape, k, s = x.shape, self.pool_size, self.stride
        y = np.zeros((*x.shape[:2], (x.shape[2] - k) // s + 1, (x.shape[3] - k) // s + 1))
        for i, j in np.ndindex(*y.shape[2:]):
            y[:, :, i, j] = x[:, :, i * s : i * s + k, j * s : j * s + k].mean((2, 3))
        return y

    def backward(self, dy):
        dx, k, s = np.zeros(self.shape), self.pool_size, self.stride
        for i, j in np.ndindex(*dy.shape[2:]):
            dx[:, :, i * s : i * s + k, j * s : j * s + k] += dy[:, :, i, j, None, None] / k**2
        return dx


def convolution(image, filt, bias, s=1):
    """One image (C, H, W), for a loop over the batch."""
    filters, _, k, _ = filt.shape
    rows, columns = (image.shape[1] - k) // s + 1, (image.shape[2] - k) // s + 1
    y = np.zeros((filters, rows, columns))
    for f, i, j in np.ndindex(*y.shape):
        y[f, i, j] = (filt[f] * image[:, i * s : i * s + k, j * s : j * s + k]).sum() + bias[f]
    return y


def conv_same(image, kernel):
    """One plane that keeps its size."""
    rows, columns = kernel.shape
    wide = np.pad(image, ((rows // 2,) * 2, (columns // 2,) * 2))
    y = np.zeros(image.shape)
    for i, j in np.ndindex(*y.shape):
        y[i, j] = (wide[i : i + rows, j : j + columns] * kernel).sum()
    return y


def pool_last(feature_map, size=2, stride=2):
    """Maxima of one image (H, W, C)."""
    rows, columns = ((length - size) // stride + 1 for length in feature_map.shape[:2])
    y = np.zeros((rows, columns, feature_map.shape[2]))
    for i, j in np.ndindex(rows, columns):
        y[i, j] = feature_map[i * stride : i * stride + size, j * stride : j * stride + size].max((0, 1))
    return y

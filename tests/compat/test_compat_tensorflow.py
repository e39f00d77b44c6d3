"""``tf.nn`` in NHWC: SAME and VALID by hand and by loops, lists of four, gradients by adjointness, and refusals."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from strategies import BACKENDS, Array

import fastconv as fc
import fastconv.compat.tensorflow as tf
from fastconv.errors import InvalidTypeError, InvalidValueError
from fastconv.testing import assert_close

on_every_backend = pytest.mark.parametrize("backend", BACKENDS)

IMAGES, FILTERS = (2, 6, 9, 4), (3, 2, 4, 5)  # NHWC, HWIO

# strides, padding, dilations as a user of TensorFlow writes them, and the same as loops want them:
# (stride, stride), ((top, bottom), (left, right)), (dilation, dilation), worked out for 6×9 images and 3×2 windows
WINDOWS = [
    ([1, 1, 1, 1], "VALID", None, (1, 1), ((0, 0), (0, 0)), (1, 1)),
    ([1, 2, 3, 1], "VALID", None, (2, 3), ((0, 0), (0, 0)), (1, 1)),
    ([1, 1, 1, 1], "SAME", None, (1, 1), ((1, 1), (0, 1)), (1, 1)),
    (2, "same", None, (2, 2), ((0, 1), (0, 1)), (1, 1)),  # 6 in 3 steps of 2: one cell short, after
    ([4], "SAME", None, (4, 4), ((0, 1), (0, 1)), (1, 1)),
    ([5, 2], "valid", None, (5, 2), ((0, 0), (0, 0)), (1, 1)),
    ([1, 7, 7, 1], "SAME", None, (7, 7), ((0, 0), (0, 0)), (1, 1)),  # one window, larger steps than images
    ([1, 1, 1, 1], "SAME", [1, 2, 3, 1], (1, 1), ((2, 2), (1, 2)), (2, 3)),
    ([1, 2, 1, 1], [[0, 0], [1, 0], [0, 3], [0, 0]], [2, 1], (2, 1), ((1, 0), (0, 3)), (2, 1)),
]
every_window = pytest.mark.parametrize(("strides", "padding", "dilations", "stride", "pads", "dilation"), WINDOWS)


def random(shape: tuple[int, ...], seed: int = 0, dtype: str = "float64") -> Array:
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def loop_windows(shape: tuple[int, ...], kernel: Any, stride: Any, pads: Any, dilation: Any) -> Any:
    """(output position, [(tap, cell)]) of every window over NHWC images, without the cells in the padding."""
    starts = []
    for size, k, s, (before, after), d in zip(shape[1:3], kernel, stride, pads, dilation):
        last = before + size + after - (d * (k - 1) + 1)
        starts.append([start - before for start in range(0, last + 1, s)])
    for (i, top), (j, left) in product(enumerate(starts[0]), enumerate(starts[1])):
        taps = product(range(kernel[0]), range(kernel[1]))
        cells = [((k, m), (top + k * dilation[0], left + m * dilation[1])) for k, m in taps]
        yield (i, j), [(t, c) for t, c in cells if 0 <= c[0] < shape[1] and 0 <= c[1] < shape[2]]


def loop_conv(x: Array, filters: Array, stride: Any, pads: Any, dilation: Any) -> Array:
    found = list(loop_windows(x.shape, filters.shape[:2], stride, pads, dilation))
    y = np.zeros((len(x), found[-1][0][0] + 1, found[-1][0][1] + 1, filters.shape[3]))
    for (i, j), cells in found:
        for (k, m), (row, column) in cells:
            y[:, i, j] += x[:, row, column] @ filters[k, m]
    return y


def loop_pool(x: Array, kernel: Any, stride: Any, pads: Any, reduce: Any) -> Array:
    found = list(loop_windows(x.shape, kernel, stride, pads, (1, 1)))
    y = np.zeros((len(x), found[-1][0][0] + 1, found[-1][0][1] + 1, x.shape[3]))
    for (i, j), cells in found:
        y[:, i, j] = reduce([x[:, row, column] for _, (row, column) in cells], axis=0)
    return y


def nchw(x: Array) -> Array:
    return np.ascontiguousarray(x.transpose(0, 3, 1, 2))


# Forward.


@on_every_backend
@every_window
def test_conv2d_against_loops(
    strides: Any, padding: Any, dilations: Any, stride: Any, pads: Any, dilation: Any, backend: str
) -> None:
    x, filters = random(IMAGES), random(FILTERS, 1)
    with fc.use_backend(backend):
        y = tf.conv2d(x, filters, strides, padding, dilations=dilations)
    assert_close(y, loop_conv(x, filters, stride, pads, dilation))


def test_same_by_hand() -> None:
    """Thirteen cells, a window of six, steps of five: three outputs, one cell before and two after."""
    x = np.arange(1.0, 14).reshape(1, 1, 13, 1)
    y = tf.conv2d(x, np.ones((1, 6, 1, 1)), [1, 1, 5, 1], "SAME")
    assert y.ravel().tolist() == [1 + 2 + 3 + 4 + 5, 5 + 6 + 7 + 8 + 9 + 10, 10 + 11 + 12 + 13]
    y = tf.conv2d(x, np.ones((1, 6, 1, 1)), [1, 1, 5, 1], "VALID")
    assert y.ravel().tolist() == [1 + 2 + 3 + 4 + 5 + 6, 6 + 7 + 8 + 9 + 10 + 11]
    assert tf.max_pool(-x, [1, 1, 6, 1], [1, 1, 5, 1], "SAME").ravel().tolist() == [-1, -5, -10]
    assert tf.avg_pool(x, [1, 1, 6, 1], [1, 1, 5, 1], "SAME").ravel().tolist() == [3, 7.5, 11.5]


def test_the_line_filters_of_the_tutorial() -> None:
    """Its code, without the session: two photographs, a vertical and a horizontal line of ones."""
    dataset = np.random.default_rng(0).integers(0, 256, (2, 41, 62, 3)).astype(np.float32)
    _, height, width, channels = dataset.shape
    filters = np.zeros(shape=(7, 7, channels, 2), dtype=np.float32)
    filters[:, 3, :, 0] = 1  # vertical line
    filters[3, :, :, 1] = 1  # horizontal line
    output = tf.nn.conv2d(dataset, filters, strides=[1, 2, 2, 1], padding="SAME")
    assert output.shape == (2, -(-height // 2), -(-width // 2), 2)
    assert output.dtype == np.float32
    summed = np.pad(dataset.sum(axis=3), [(0, 0), (3, 3), (2, 3)])
    for i, j in ((0, 0), (5, 7), (20, 30)):  # corners and the middle
        window = summed[:, 2 * i : 2 * i + 7, 2 * j : 2 * j + 7]
        np.testing.assert_array_equal(output[:, i, j, 0], window[:, :, 3].sum(axis=1))
        np.testing.assert_array_equal(output[:, i, j, 1], window[:, 3, :].sum(axis=1))
    pooled = tf.nn.max_pool(dataset, ksize=[1, 2, 2, 1], strides=[1, 2, 2, 1], padding="VALID")
    halves = dataset[:, :40].reshape(2, 20, 2, 31, 2, 3)
    np.testing.assert_array_equal(pooled, halves.max(axis=(2, 4)))
    assert pooled[0].astype(np.uint8).shape == (20, 31, 3)
    means = tf.nn.avg_pool(dataset, ksize=[1, 2, 2, 1], strides=[1, 2, 2, 1], padding="VALID")
    assert_close(means, halves.mean(axis=(2, 4)))


@on_every_backend
@pytest.mark.parametrize(
    ("ksize", "strides", "padding", "kernel", "stride", "pads"),
    [
        ([1, 2, 2, 1], [1, 2, 2, 1], "VALID", (2, 2), (2, 2), ((0, 0), (0, 0))),
        ([1, 3, 2, 1], [1, 1, 2, 1], "SAME", (3, 2), (1, 2), ((1, 1), (0, 1))),
        (3, 2, "SAME", (3, 3), (2, 2), ((0, 1), (1, 1))),
        ([2, 5], [3], "VALID", (2, 5), (3, 3), ((0, 0), (0, 0))),
        (2, [3, 4], [[0, 0], [1, 0], [0, 1], [0, 0]], (2, 2), (3, 4), ((1, 0), (0, 1))),
    ],
)
def test_pools_against_loops(
    ksize: Any, strides: Any, padding: Any, kernel: Any, stride: Any, pads: Any, backend: str
) -> None:
    x = random(IMAGES, 2) - 5  # all negative: a zero in the padding would win
    with fc.use_backend(backend):
        maxima, means = tf.max_pool(x, ksize, strides, padding), tf.avg_pool(x, ksize, strides, padding)
    np.testing.assert_array_equal(maxima, loop_pool(x, kernel, stride, pads, np.max))
    assert_close(means, loop_pool(x, kernel, stride, pads, np.mean))


@on_every_backend
@every_window
def test_depthwise_against_loops(
    strides: Any, padding: Any, dilations: Any, stride: Any, pads: Any, dilation: Any, backend: str
) -> None:
    x, filters = random(IMAGES), random((3, 2, 4, 3), 3)
    with fc.use_backend(backend):
        y = tf.depthwise_conv2d(x, filters, strides, padding, dilations=dilations)
    for c, m in product(range(4), range(3)):
        alone = loop_conv(x[..., [c]], filters[:, :, [c]][..., [m]], stride, pads, dilation)
        assert_close(y[..., 3 * c + m], alone[..., 0])


def test_groups_follow_from_the_filters() -> None:
    x, filters = random(IMAGES), random((3, 2, 2, 6), 4)
    y = tf.conv2d(x, filters, 1, "SAME")
    halves = [tf.conv2d(x[..., 2 * g : 2 * g + 2], filters[..., 3 * g : 3 * g + 3], 1, "SAME") for g in range(2)]
    assert_close(y, np.concatenate(halves, axis=-1))


@pytest.mark.parametrize("padding", ["SAME", "VALID", [[0, 0], [0, 0], [1, 2], [0, 1]]])
def test_nchw_is_nhwc_turned(padding: Any) -> None:
    x, filters = random(IMAGES), random(FILTERS, 1)
    last = padding if isinstance(padding, str) else [[0, 0], [1, 2], [0, 1], [0, 0]]
    turned = {"data_format": "NCHW"}
    for operation, arguments in (
        (tf.conv2d, (filters, [1, 1, 2, 1], last, [1, 1, 2, 3])),
        (tf.depthwise_conv2d, (filters, [1, 1, 2, 1], last, [1, 1, 2, 3])),
        (tf.max_pool, ([1, 3, 2, 1], [1, 1, 2, 1], last, [1, 1, 2, 3])),
        (tf.avg_pool, ([1, 3, 2, 1], [1, 1, 2, 1], last, [1, 1, 2, 3])),
    ):
        first, *rest = arguments
        shape = [1, 1, 3, 2] if isinstance(first, list) else first
        y = operation(nchw(x), shape, [1, 1, 1, 2], padding, **turned)
        assert_close(y, nchw(operation(x, first, rest[0], last)))


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_dtypes_are_kept(dtype: str) -> None:
    x, filters = random(IMAGES, dtype=dtype), random(FILTERS, 1, dtype)
    assert tf.conv2d(x, filters, 1, "SAME").dtype == dtype
    assert tf.max_pool(x, 2, 2, "SAME").dtype == tf.avg_pool(x, 2, 2, "SAME").dtype == dtype
    assert tf.conv2d_transpose(random((2, 6, 9, 5), dtype=dtype), filters, IMAGES, 1).dtype == dtype


def test_names_of_tensorflow_1() -> None:
    x, filters = random(IMAGES), random(FILTERS, 1)
    y = tf.conv2d(x, filters, 1, "SAME", "NHWC", [1, 1, 1, 1], "layer")
    np.testing.assert_array_equal(tf.conv2d(x, filter=filters, strides=1, padding="SAME", use_cudnn_on_gpu=False), y)
    for pool in (tf.max_pool, tf.avg_pool):
        np.testing.assert_array_equal(pool(value=x, ksize=2, strides=2, padding="SAME"), pool(x, 2, 2, "SAME"))
    dy = random(y.shape)
    turned = tf.conv2d_transpose(value=dy, filter=filters, output_shape=IMAGES, strides=1)
    np.testing.assert_array_equal(turned, tf.conv2d_transpose(dy, filters, np.array(IMAGES), [1, 1, 1, 1]))
    np.testing.assert_array_equal(
        tf.depthwise_conv2d(x, filters, 1, "SAME", rate=[2, 1]),
        tf.depthwise_conv2d(x, filters, 1, "SAME", None, [2, 1]),
    )


def test_no_data_format_is_nhwc() -> None:
    x, filters = random(IMAGES), random(FILTERS, 1)
    dy = random((2, 6, 9, 5))
    for operation, arguments in (
        (tf.conv2d, (x, filters, 1, "SAME")),
        (tf.depthwise_conv2d, (x, filters, 1, "SAME")),
        (tf.conv2d_transpose, (dy, filters, IMAGES, 1, "SAME")),
        (tf.conv2d_backprop_input, (IMAGES, filters, dy, 1, "SAME")),
        (tf.conv2d_backprop_filter, (x, FILTERS, dy, 1, "SAME")),
        (tf.max_pool, (x, [1, 2, 3, 1], 2, "SAME")),
        (tf.avg_pool, (x, [1, 2, 3, 1], 2, "SAME")),
    ):
        np.testing.assert_array_equal(operation(*arguments, data_format=None), operation(*arguments))


def test_functions_are_in_the_package_and_in_nn() -> None:
    for name in tf.nn.__all__:
        assert getattr(tf, name) is getattr(tf.nn, name)


# Gradients.


@on_every_backend
@every_window
def test_gradients_are_adjoint(
    strides: Any, padding: Any, dilations: Any, stride: Any, pads: Any, dilation: Any, backend: str
) -> None:
    """<conv(x, w), dy> is <x, dx> and <w, dw>, and the transposed convolution is dx."""
    x, filters = random(IMAGES), random(FILTERS, 1)
    y = loop_conv(x, filters, stride, pads, dilation)
    dy = random(y.shape, 5)
    options = {"padding": padding, "dilations": dilations}
    with fc.use_backend(backend):
        dx = tf.conv2d_backprop_input(IMAGES, filters, dy, strides, **options)
        dfilters = tf.conv2d_backprop_filter(x, FILTERS, dy, strides, **options)
        turned = tf.conv2d_transpose(dy, filters, IMAGES, strides, **options)
    assert dx.shape == IMAGES
    assert dfilters.shape == FILTERS
    size = np.abs(y * dy).sum()
    assert_close(np.vdot(x, dx), np.vdot(y, dy), magnitude=size)
    assert_close(np.vdot(filters, dfilters), np.vdot(y, dy), magnitude=size)
    np.testing.assert_array_equal(turned, dx)
    # one number at a time: a window further on must not be taken for this one
    one = np.zeros(dy.shape)
    one[1, -1, -1, 2] = 1.0
    with fc.use_backend(backend):
        dx = tf.conv2d_backprop_input(IMAGES, filters, one, strides, **options)
    probe = np.zeros(IMAGES)
    for n, i, j, c in ((1, 5, 8, 0), (1, 4, 7, 3), (1, 2, 0, 1)):
        probe[...] = 0
        probe[n, i, j, c] = 1.0
        assert_close(dx[n, i, j, c], loop_conv(probe, filters, stride, pads, dilation)[1, -1, -1, 2])


def test_transposed_by_hand() -> None:
    x = np.array([[[[1.0], [2.0]]]])
    filters = np.array([[[[1.0]], [[10.0]], [[100.0]]]])
    y = tf.conv2d_transpose(x, filters, [1, 1, 4, 1], [1, 1, 2, 1])  # SAME: one cell is cut off after
    assert y.ravel().tolist() == [1, 10, 102, 20]
    y = tf.conv2d_transpose(x, filters, [1, 1, 3, 1], [1, 1, 2, 1])  # 3 cells: one before and one after
    assert y.ravel().tolist() == [10, 102, 20]
    y = tf.conv2d_transpose(x, filters, [1, 1, 6, 1], [1, 1, 2, 1], padding="VALID")
    assert y.ravel().tolist() == [1, 10, 102, 20, 200, 0]


@pytest.mark.parametrize("groups", [1, 2])
def test_against_torch(groups: int) -> None:
    torch = pytest.importorskip("torch", reason="torch is the oracle")
    x, filters = random(IMAGES), random((3, 2, 4 // groups, 6), 1)
    tx = torch.from_numpy(nchw(x)).requires_grad_()
    tw = torch.from_numpy(np.ascontiguousarray(filters.transpose(3, 2, 0, 1))).requires_grad_()
    padded = torch.nn.functional.pad(tx, (0, 1, 0, 1))  # SAME for 3×2 windows in steps of 2 over 6×9
    ty = torch.nn.functional.conv2d(padded, tw, stride=2, groups=groups)
    y = tf.conv2d(x, filters, 2, "SAME")
    assert_close(nchw(y), ty.detach().numpy())
    dy = random(y.shape, 6)
    ty.backward(torch.from_numpy(nchw(dy)))
    assert_close(nchw(tf.conv2d_backprop_input(x.shape, filters, dy, 2, "SAME")), tx.grad.numpy())
    dfilters = tf.conv2d_backprop_filter(x, filters.shape, dy, 2, "SAME")
    assert_close(dfilters.transpose(3, 2, 0, 1), tw.grad.numpy())


# What is refused.

X, W = np.zeros(IMAGES), np.zeros(FILTERS)
DY = np.zeros((2, 3, 5, 5))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: tf.conv2d(X, W, [2, 2, 2, 1], "SAME"),
            InvalidValueError,
            r"conv2d: strides must be 1 over batch and c",
        ),
        (
            lambda: tf.conv2d(X, W, [1, 2, 2, 3], "SAME"),
            InvalidValueError,
            r"batch and channels, but got \[1, 2, 2, 3\]",
        ),
        (
            lambda: tf.conv2d(X, W, [1, 1, 2, 2], "SAME", "NCHW"),
            InvalidValueError,
            "have the in_channels of input, 6",
        ),
        (
            lambda: tf.conv2d(X, W, 1, "SAME", dilations=[1, 2, 2, 2]),
            InvalidValueError,
            "dilations must be 1 over batch",
        ),
        (
            lambda: tf.max_pool(X, [2, 2, 2, 1], 1, "SAME"),
            InvalidValueError,
            "max_pool: ksize must be 1 over batch and",
        ),
        (
            lambda: tf.avg_pool(X, [1, 2, 2, 2], 1, "SAME"),
            InvalidValueError,
            "avg_pool: ksize must be 1 over batch and",
        ),
        (
            lambda: tf.max_pool(X, 2, [1, 2, 2, 4], "SAME"),
            InvalidValueError,
            "max_pool: strides must be 1 over batch and",
        ),
        (
            lambda: tf.conv2d(X, W, [1, 2, 2], "SAME"),
            InvalidValueError,
            "strides must be one integer or a list of one, two",
        ),
        (lambda: tf.conv2d(X, W, 1.5, "SAME"), InvalidTypeError, "conv2d: strides must be an integer .* got 1.5"),
        (lambda: tf.conv2d(X, W, 0, "SAME"), InvalidValueError, "conv2d: strides must be at least 1"),
        (lambda: tf.conv2d(X, W, 1, "FULL"), InvalidValueError, "conv2d: padding must be one of 'SAME', 'VALID'"),
        (lambda: tf.conv2d(X, W, 1, 1), InvalidTypeError, "padding must be 'SAME', 'VALID' or four pairs"),
        (lambda: tf.conv2d(X, W, 1, b"SAME"), InvalidTypeError, "padding must be 'SAME', 'VALID' or four pairs"),
        (lambda: tf.conv2d(X, W, 1, [0, 1, 1, 0]), InvalidValueError, "padding must be 'SAME', 'VALID' or four pairs"),
        (
            lambda: tf.conv2d(X, W, 1, [[1, 1], [1, 1]]),
            InvalidValueError,
            "padding must be .* four pairs .* one per axis",
        ),
        (
            lambda: tf.conv2d(X, W, 1, [[1, 1], [0, 0], [0, 0], [0, 0]]),
            InvalidValueError,
            r"padding must be \(0, 0\) over batch and channels",
        ),
        (
            lambda: tf.conv2d(X, W, 1, "SAME", True),
            InvalidTypeError,
            "data_format must be one of 'NHWC', 'NCHW', but got T",
        ),
        (lambda: tf.conv2d(X[0], W, 1, "SAME"), InvalidValueError, r"input must have 4 axes \(N, H, W, C\), but got 3"),
        (
            lambda: tf.conv2d(X, W[0], 1, "SAME"),
            InvalidValueError,
            r"filters must have four axes \(height, width, in_ch",
        ),
        (
            lambda: tf.conv2d(X, W[:, :, :3], 1, "SAME"),
            InvalidValueError,
            "filters must have the in_channels of input, 4,",
        ),
        (lambda: tf.conv2d(X, W[:, :, :2], 1, "SAME"), InvalidValueError, "in_channels 2 and out_channels 5"),
        (lambda: tf.conv2d(X, W, padding="SAME"), InvalidTypeError, "conv2d: strides must be given, but got nothing"),
        (
            lambda: tf.conv2d(X, strides=1, padding="SAME"),
            InvalidTypeError,
            "filters or filter must be given, but got no",
        ),
        (
            lambda: tf.conv2d(X, W, 1, "SAME", filter=W),
            InvalidTypeError,
            "filters or filter must be given, but got both",
        ),
        (
            lambda: tf.max_pool(ksize=2, strides=2, padding="SAME"),
            InvalidTypeError,
            "max_pool: input or value must be giv",
        ),
        (
            lambda: tf.conv2d(X, np.zeros((9, 9, 4, 1)), 1, "VALID"),
            InvalidValueError,
            "conv2d: the window must fit into t",
        ),
        (lambda: tf.conv2d(X + 1j, W, 1, "SAME"), InvalidTypeError, "conv2d: input must have a float16"),
        (
            lambda: tf.depthwise_conv2d(X, W[:, :, :2], 1, "SAME"),
            InvalidValueError,
            "depthwise_conv2d: filter must have the in_channels of input, 4, but got 2",
        ),
        (
            lambda: tf.conv2d_transpose(DY, W, (2, 8, 9, 4), 2),
            InvalidValueError,
            r"conv2d_transpose: input must have shape \(2, 4, 5, 5\) \(what a convolution of \(2, 8, 9, 4\) gives\)",
        ),
        (
            lambda: tf.conv2d_transpose(DY, W, (2, 6, 9), 2),
            InvalidValueError,
            "output_shape must be a sequence of 4 int",
        ),
        (
            lambda: tf.conv2d_transpose(DY, W, (2, 6, 9, 0), 2),
            InvalidValueError,
            "axis C of output_shape must not be empty",
        ),
        (
            lambda: tf.conv2d_transpose(DY, W, (2, 6, 9, 3), 2),
            InvalidValueError,
            "filters must have the in_channels of output_shape, 3",
        ),
        (
            lambda: tf.conv2d_backprop_filter(X, FILTERS, DY[:, 1:], 2, "SAME"),
            InvalidValueError,
            r"conv2d_backprop_filter: out_backprop must have shape \(2, 3, 5, 5\)",
        ),
    ],
)
def test_refusals(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()

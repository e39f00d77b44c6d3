"""``img_conv_layer`` and ``simple_img_conv_pool``: x before y, groups, transposition, biases, chains, gradients."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from strategies import BACKENDS, Array

import fastconv as fc
import fastconv.compat.paddle as paddle
from fastconv.compat.paddle import (
    ExtraAttr,
    ParamAttr,
    ReluActivation,
    data_layer,
    img_conv_layer,
    img_pool_layer,
    simple_img_conv_pool,
)
from fastconv.errors import InvalidTypeError, InvalidValueError, NotRunError
from fastconv.testing import assert_close, gradient_check

on_every_backend = pytest.mark.parametrize("backend", BACKENDS)

IMAGES = (2, 4, 6, 9)


def random(shape: tuple[int, ...] = IMAGES, seed: int = 0, dtype: str = "float64") -> Array:
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def positions(shape: tuple[int, ...], kernel: Any, stride: Any, pad: Any, dilation: Any) -> list[range]:
    """Rows and columns of the output, as many as windows fit."""
    sizes = zip(shape[2:], kernel, stride, pad, dilation)
    return [range((size + 2 * p - d * (k - 1) - 1) // s + 1) for size, k, s, p, d in sizes]


def taps(shape: tuple[int, ...], kernel: Any, stride: Any, pad: Any, dilation: Any) -> Any:
    """(output row, output column, tap row, tap column, row, column), everything height first, padding left out."""
    rows, columns = positions(shape, kernel, stride, pad, dilation)
    for i, j, k, m in product(rows, columns, range(kernel[0]), range(kernel[1])):
        row, column = i * stride[0] + k * dilation[0] - pad[0], j * stride[1] + m * dilation[1] - pad[1]
        if 0 <= row < shape[2] and 0 <= column < shape[3]:
            yield i, j, k, m, row, column


def loop_conv(x: Array, w: Array, stride: Any, pad: Any, dilation: Any, groups: int) -> Array:
    y = np.zeros((len(x), len(w), *map(len, positions(x.shape, w.shape[2:], stride, pad, dilation))))
    each = len(w) // groups
    for f, (i, j, k, m, row, column) in product(range(len(w)), taps(x.shape, w.shape[2:], stride, pad, dilation)):
        first = f // each * w.shape[1]
        y[:, f, i, j] += x[:, first : first + w.shape[1], row, column] @ w[f, :, k, m]
    return y


def loop_transposed(
    x: Array, w: Array, out: tuple[int, int], stride: Any, pad: Any, dilation: Any, groups: int
) -> Array:
    """Every pixel of x spread over a window of the output."""
    y = np.zeros((len(x), w.shape[1] * groups, *out))
    each = len(w) // groups
    for c, (i, j, k, m, row, column) in product(range(len(w)), list(taps(y.shape, w.shape[2:], stride, pad, dilation))):
        first = c // each * w.shape[1]
        y[:, first : first + w.shape[1], row, column] += x[:, c, i, j, None] * w[c, :, k, m]
    return y


# arguments of the layer, and what they mean height first: kernel, stride, padding, dilation
SIZES: list[tuple[dict[str, Any], Any, Any, Any, Any]] = [
    ({"filter_size": 3}, (3, 3), (1, 1), (0, 0), (1, 1)),
    ({"filter_size": 3, "filter_size_y": 2, "stride": 2}, (2, 3), (2, 2), (0, 0), (1, 1)),
    ({"filter_size": (4, 1), "stride": (3, 1), "padding": [2, 0]}, (1, 4), (1, 3), (0, 2), (1, 1)),
    (
        {"filter_size": 2, "stride": 1, "stride_y": 2, "padding": 0, "padding_y": 3, "dilation": 3, "dilation_y": 1},
        (2, 2), (2, 1), (3, 0), (1, 3),
    ),
    ({"filter_size": [3, 2], "padding": 1, "dilation": (1, 2)}, (2, 3), (1, 1), (1, 1), (2, 1)),
]  # fmt: skip


@on_every_backend
@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize(("sizes", "kernel", "stride", "pad", "dilation"), SIZES)
def test_convolution_against_loops(
    sizes: dict[str, Any], kernel: Any, stride: Any, pad: Any, dilation: Any, groups: int, backend: str
) -> None:
    x = random()
    with fc.use_backend(backend):
        layer = img_conv_layer(x, num_filters=6, act="linear", groups=groups, **sizes)
        assert layer.weight.shape == (6, 4 // groups, *kernel)
        layer.bias = random((6,), 3)
        y = loop_conv(x, layer.weight.data, stride, pad, dilation, groups) + random((6,), 3)[:, None, None]
        assert_close(layer.output, y)
    assert layer.image_shape == y.shape[1:]
    assert (layer.num_filters, layer.size) == (6, y[0].size)


@on_every_backend
@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize(("sizes", "kernel", "stride", "pad", "dilation"), SIZES)
def test_transposed_convolution_against_loops(
    sizes: dict[str, Any], kernel: Any, stride: Any, pad: Any, dilation: Any, groups: int, backend: str
) -> None:
    x = random()
    with fc.use_backend(backend):
        layer = img_conv_layer(x, num_filters=6, act="", groups=groups, trans=True, **sizes)
        assert layer.weight.shape == (4, 6 // groups, *kernel)
        out = tuple(
            (n - 1) * s - 2 * p + d * (k - 1) + 1 for n, s, p, d, k in zip((6, 9), stride, pad, dilation, kernel)
        )
        assert_close(layer.output, loop_transposed(x, layer.weight.data, out, stride, pad, dilation, groups))  # type: ignore[arg-type]
    assert layer.layer_type == "convt"


@pytest.mark.parametrize("pool_type", ["max", "avg"])
@pytest.mark.parametrize(
    ("sizes", "out"),
    [({"pool_size": 2, "stride": 2}, (3, 5)), ({"pool_size": (3, 2), "stride": (2, 3), "padding": (1, 0)}, (2, 5))],
)
def test_pools_round_up_and_leave_padding_out(sizes: dict[str, Any], out: tuple[int, int], pool_type: str) -> None:
    x = random() - 5
    layer = img_pool_layer(x, pool_type=pool_type, **sizes)
    (pw, ph) = sizes.get("padding", (0, 0))
    kernel, stride = (sizes["pool_size"], sizes["stride"])
    (kw, kh), (sw, sh) = ((v, v) if isinstance(v, int) else v for v in (kernel, stride))
    wanted = np.zeros((2, 4, *out))
    for i, j in product(range(out[0]), range(out[1])):
        window = x[:, :, max(i * sh - ph, 0) : i * sh - ph + kh, max(j * sw - pw, 0) : j * sw - pw + kw]
        wanted[:, :, i, j] = window.max(axis=(2, 3)) if pool_type == "max" else window.mean(axis=(2, 3))
    assert_close(layer.output, wanted)
    floor = img_pool_layer(x, pool_type=pool_type, ceil_mode=False, **sizes)
    assert floor.output.shape[2:] != out or np.array_equal(floor.output, layer.output)


def test_pools_round_down_when_told_to() -> None:
    x = np.array([[[[1.0, 5.0, 2.0]]]])
    options = {"pool_size": 2, "pool_size_y": 1, "stride": 2, "stride_y": 1}
    assert img_pool_layer(x, **options).output.ravel().tolist() == [5, 2]
    assert img_pool_layer(x, **options, ceil_mode=False).output.ravel().tolist() == [5]
    options.update(padding=1, padding_y=0, pool_type=paddle.pooling.Avg())
    assert img_pool_layer(x, **options).output.ravel().tolist() == [1, 3.5]
    assert img_pool_layer(x, **options, exclude_mode=False).output.ravel().tolist() == [0.5, 3.5]


# The code of the tutorial, with the import changed.


def test_the_simple_network_of_the_tutorial() -> None:
    img = paddle.layer.data(name="pixel", type=paddle.data_type.dense_vector(784))
    conv_pool_1 = paddle.networks.simple_img_conv_pool(
        input=img,
        filter_size=5,
        num_filters=20,
        num_channel=1,
        pool_size=2,
        pool_stride=2,
        act=paddle.activation.Relu(),
    )
    conv_pool_2 = paddle.networks.simple_img_conv_pool(
        input=conv_pool_1,
        filter_size=5,
        num_filters=50,
        num_channel=20,
        pool_size=2,
        pool_stride=2,
        act=paddle.activation.Relu(),
    )
    x = random((3, 784), dtype="float32")
    y = conv_pool_2.forward(x)
    assert y.shape == (3, 50, 4, 4)
    assert y.dtype == np.float32
    first, second = conv_pool_1.weight.data, conv_pool_2.weight.data
    images = fc.max_pool2d(fc.conv2d(x.reshape(3, 1, 28, 28), first).clip(0), 2)
    assert_close(y, fc.max_pool2d(fc.conv2d(images, second).clip(0), 2))
    dx = conv_pool_2.backward(np.ones((3, 800), np.float32))
    assert dx.shape == (3, 784)
    assert [each.grad is not None for each in conv_pool_2.parameters()] == [True] * 4


def test_the_convolution_of_the_tutorial() -> None:
    data = random((2, 8, 5, 7))
    conv = img_conv_layer(
        input=data,
        filter_size=1,
        filter_size_y=1,
        num_channels=8,
        num_filters=16,
        stride=1,
        bias_attr=False,
        act=ReluActivation(),
    )
    wanted = np.einsum("nchw,fc->nfhw", data, conv.weight.data[:, :, 0, 0]).clip(0)
    assert_close(conv.output, wanted)
    assert conv.bias is None
    assert conv.parents[0].output is data


# Gradients.


@on_every_backend
@pytest.mark.parametrize("trans", [False, True])
@pytest.mark.parametrize("shared", [False, True])
def test_gradients_of_a_chain(trans: bool, shared: bool, backend: str) -> None:
    x = random()
    with fc.use_backend(backend):
        first = img_conv_layer(
            x, (3, 2), 6, act="tanh", groups=2, stride=(2, 1), trans=trans, shared_biases=shared,
            bias_attr=ParamAttr(initial_std=0.5),
        )  # fmt: skip
        last = simple_img_conv_pool(
            first, (2, 1), 3, 2, pool_type="avg", act=paddle.activation.Sigmoid, conv_padding=(0, 1),
            shared_bias=shared, pool_stride=3,
        )  # fmt: skip
        shape = last.image_shape
        assert shape is not None
        bias = first.bias
        assert bias is not None
        assert bias.shape == ((6,) if shared else first.image_shape)
        gradient_check(last, x, dy=random((2, *shape), 8))


def test_gradients_are_those_of_torch() -> None:
    torch = pytest.importorskip("torch", reason="torch is the oracle")
    x = random()
    layer = simple_img_conv_pool(x, (3, 2), 6, (3, 2), groups=2, conv_stride=(1, 2), conv_padding=(2, 1), pool_stride=2)
    tx = torch.from_numpy(x).requires_grad_()
    tw = torch.from_numpy(layer.weight.data.copy()).requires_grad_()
    ty = torch.nn.functional.conv2d(tx, tw, stride=(2, 1), padding=(1, 2), groups=2).relu()
    ty = torch.nn.functional.max_pool2d(ty, (2, 3), stride=2, ceil_mode=True)
    assert_close(layer.output, ty.detach().numpy())
    dy = random(layer.output.shape, 6)
    dx = layer.backward(dy)
    ty.backward(torch.from_numpy(dy))
    assert_close(dx, tx.grad.numpy())
    assert layer.weight.grad is not None
    assert_close(layer.weight.grad, tw.grad.numpy())


def test_two_layers_on_one() -> None:
    x = random()
    trunk = img_conv_layer(x, 3, 4, act="tanh")
    left, right = img_conv_layer(trunk, 2, 3, act=""), img_pool_layer(trunk, 2)
    dy, dz = random(left.output.shape, 1), random(right.output.shape, 2)
    dx = left.backward(dy) + right.backward(dz)
    both = trunk.weight.grad
    assert both is not None
    left.zero_grad()
    gradient = fc.conv2d_backward(dy, trunk.output, left.weight.data).dx
    wanted = trunk.backward(gradient + fc.max_pool2d_backward(dz, *_maxima(trunk.output)))
    assert_close(dx, wanted)
    assert trunk.weight.grad is not None
    assert_close(both, trunk.weight.grad)


def _maxima(x: Array) -> tuple[Array, tuple[int, ...]]:
    return fc.max_pool2d(x, 2, stride=1, return_indices=True)[1], x.shape


# What is drawn.


def test_weights_are_drawn_as_there() -> None:
    x = random((1, 3, 8, 9), dtype="float32")
    np.random.seed(5)  # noqa: NPY002 - the generator of the original
    layer = img_conv_layer(x, (5, 2), 6, groups=3)
    np.random.seed(5)  # noqa: NPY002
    drawn = np.random.normal(0.0, (2.0 / (5**2 * 3)) ** 0.5, (6, 1, 2, 5))  # noqa: NPY002 - by the width alone
    assert_close(layer.weight.data, drawn.astype(np.float32), magnitude=0)
    assert layer.bias is not None
    assert not layer.bias.data.any()


@pytest.mark.parametrize(
    ("attribute", "draw"),
    [
        (ParamAttr(initial_std=0.5, initial_mean=2.0), lambda r, s: r.normal(2.0, 0.5, s)),
        (ParamAttr(initial_std=0.5), lambda r, s: r.normal(0.0, 0.5, s)),
        (ParamAttr(initial_mean=1.0), lambda r, s: r.normal(1.0, 0.01, s)),
        (ParamAttr(initial_max=3.0, initial_min=1.0), lambda r, s: r.uniform(1.0, 3.0, s)),
        (ParamAttr(initial_smart=False), lambda r, s: r.normal(0.0, 0.01, s)),
    ],
)
def test_attributes_say_how(attribute: ParamAttr, draw: Any) -> None:
    said = dict(attribute.attr)
    np.random.seed(6)  # noqa: NPY002
    layer = img_conv_layer(random(), 2, 3, param_attr=attribute, bias_attr=attribute)
    np.random.seed(6)  # noqa: NPY002
    assert_close(layer.weight.data, draw(np.random, (3, 4, 2, 2)), magnitude=0)
    assert layer.bias is not None
    assert_close(layer.bias.data, draw(np.random, (3,)), magnitude=0)
    assert attribute.attr == said  # another layer can use it


@pytest.mark.parametrize("bias_attr", [None, True, ParamAttr(), ParamAttr(learning_rate=2.0)])
def test_biases_start_at_zero(bias_attr: Any) -> None:
    layer = img_conv_layer(random(), 2, 3, bias_attr=bias_attr)
    assert layer.bias is not None
    assert layer.bias.data.tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("act", "function"),
    [
        (None, lambda v: np.maximum(v, 0)),
        ("relu", lambda v: np.maximum(v, 0)),
        (paddle.activation.Identity(), lambda v: v),
        (paddle.LinearActivation, lambda v: v),
        ("tanh", np.tanh),
        (paddle.SigmoidActivation(), lambda v: 1 / (1 + np.exp(-v))),
    ],
)
def test_activations(act: Any, function: Any) -> None:
    x = random()
    layer = img_conv_layer(x, 2, 3, act=act)
    assert_close(layer.output, function(loop_conv(x, layer.weight.data, (1, 1), (0, 0), (1, 1), 1)))


def test_parameters_have_the_dtype_of_the_images() -> None:
    wanted = {"float64": "float64", "float32": "float32", "float16": "float32", "uint8": "float32"}
    for dtype, parameter in wanted.items():
        assert img_conv_layer(random().astype(dtype), 2, 3).weight.dtype == parameter


# Chains.


@pytest.mark.parametrize("shape", [(4, 6, 9), (1, 4, 6, 9)])
def test_one_image(shape: tuple[int, ...]) -> None:
    x = random(shape)
    layer = img_conv_layer(x, 2, 3, num_channels=4)
    assert layer.output.shape == (1, 3, 5, 8)
    assert layer.backward(np.ones((1, 3, 5, 8))).shape == shape


def test_rows_are_square_images_unless_data_says_otherwise() -> None:
    rows = random((3, 2 * 25))
    layer = img_conv_layer(rows, 2, 3, num_channels=2)
    assert_close(layer.output, layer.forward(rows.reshape(3, 2, 5, 5)))
    wide = data_layer("wide", 2 * 5 * 10, height=5, width=10)
    assert img_conv_layer(wide, 2, 3).forward(random((3, 100))).shape == (3, 3, 4, 9)
    wide = paddle.layer.data("wide", paddle.data_type.dense_vector(100), height=5, width=10)
    assert img_pool_layer(wide, 2, stride=2).forward(random((3, 100))).shape == (3, 2, 3, 5)


def test_an_empty_batch() -> None:
    layer = simple_img_conv_pool(data_layer("img", 49), 3, 2, 2, num_channel=1, pool_stride=2)
    assert layer.forward(np.zeros((0, 49))).shape == (0, 2, 3, 3)
    assert layer.backward(np.zeros((0, 2, 3, 3))).shape == (0, 49)


def test_new_images_of_another_size() -> None:
    layer = simple_img_conv_pool(random(), 3, 5, 2, pool_stride=2)
    assert layer.forward(random((7, 4, 10, 12))).shape == (7, 5, 4, 5)
    assert layer.forward().shape == (7, 5, 4, 5)  # the last images again
    fixed = img_conv_layer(random(), 3, 5, shared_biases=False)
    with pytest.raises(InvalidValueError, match="PositionBias: images must have the size that the bias was made for"):
        fixed.forward(random((7, 4, 10, 12)))


def test_an_output_belongs_to_the_weights_of_its_time() -> None:
    layer = simple_img_conv_pool(random(), 3, 5, 2, act="linear", pool_type="avg")
    before = layer.output
    assert layer.output is before
    layer.weight = 2 * layer.weight.data
    assert_close(layer.output, 2 * before)
    conv = layer.parents[0]
    conv.bias = np.full(5, 3.0)
    assert_close(layer.output, 2 * before + 3)
    conv.weight.data[...] /= 2  # in place, as an optimiser does
    assert_close(layer.output, before + 3)
    last = img_pool_layer(layer, 1)
    assert last.output is last.output
    conv.bias = np.zeros(5)  # two layers before
    assert_close(last.output, before)
    np.testing.assert_array_equal(np.asarray(layer), layer.output)
    assert np.asarray(layer, np.float32).dtype == np.float32


def test_a_step_with_factors() -> None:
    x = random()
    layer = img_conv_layer(
        x, 2, 3, act="linear", param_attr=ParamAttr(learning_rate=0.5), bias_attr=ParamAttr(is_static=True)
    )
    weight, before = layer.weight.data.copy(), layer.output
    dy = random(before.shape, 1)
    layer.backward(dy)
    layer.update(0.1)
    gradient = fc.conv2d_backward(dy, x, weight).dweight
    assert_close(layer.weight.data, weight - 0.05 * gradient)
    assert layer.weight.grad is None
    assert layer.bias is not None
    assert layer.bias.data.tolist() == [0, 0, 0]
    assert_close(layer.output, loop_conv(x, layer.weight.data, (1, 1), (0, 0), (1, 1), 1))


def test_a_chain_is_a_network_of_layers() -> None:
    x = random(dtype="float32")
    last = simple_img_conv_pool(img_conv_layer(x, 3, 5, name="first"), 2, 3, 2, name="block")
    network = last.network()
    np.testing.assert_array_equal(network(x), last.output)
    assert len(network) == 5  # convolution, ReLU, convolution, ReLU, pooling
    assert {id(p) for p in network.parameters()} == {id(p) for p in last.parameters()}
    assert [layer.name for layer in last.layers()] == ["first", "block_conv", "block_pool"]
    assert repr(last) == "LayerOutput(pool 'block_pool', image_shape=(3, 2, 5))"


def test_a_gradient_of_another_pass_is_refused() -> None:
    trunk = img_conv_layer(random(), 3, 4)
    left, right = img_conv_layer(trunk, 2, 3), img_pool_layer(trunk, 2)
    left.forward()
    right.forward(random(seed=1))
    with pytest.raises(NotRunError, match=r"conv.backward: the layers before must not have run since"):
        left.backward(np.ones((2, 3, 3, 6)))
    left.forward()
    left.backward(np.ones((2, 3, 3, 6)))
    top = img_conv_layer(left, 2, 3)
    top.forward()
    trunk.forward()
    with pytest.raises(NotRunError, match=r"conv.backward: the layers before must not have run since"):
        top.backward(np.ones((2, *top.image_shape)))  # type: ignore[misc]
    assert top.weight.grad is None


@pytest.mark.parametrize(
    ("options", "kind"),
    [({}, "conv"), ({"trans": True}, "convt"), ({"layer_type": "exconv"}, "exconv"),
     ({"layer_type": "cudnn_convt", "trans": True}, "cudnn_convt")],
)  # fmt: skip
def test_what_is_kept(options: dict[str, Any], kind: str) -> None:
    extra = ExtraAttr(device=1)
    layer = img_conv_layer(random(), 2, 3, name="a", layer_attr=extra, **options)
    assert (layer.name, layer.layer_type, layer.layer_attr) == ("a", kind, extra)
    assert (layer.activation.name, layer.num_filters) == ("relu", 3)  # type: ignore[union-attr]


# What is refused.

X = np.zeros(IMAGES)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: img_conv_layer(X, 3, 2, num_channels=3),
            InvalidValueError,
            "num_channels must be that of input, 4, but",
        ),
        (
            lambda: img_conv_layer(X[:, 0, 0], 3, 2),
            InvalidValueError,
            "num_channels must be given where input holds rows",
        ),
        (
            lambda: img_conv_layer(X[:, 0, 0], 3, 2, num_channels=3),
            InvalidValueError,
            "must be square images of num_chan",
        ),
        (
            lambda: img_conv_layer(X[0, 0, 0], 3, 2),
            InvalidValueError,
            r"input must be a layer, or an array of shape \(N, ",
        ),
        (
            lambda: img_conv_layer(X, (3, 2, 1), 2),
            InvalidValueError,
            r"filter_size must be one integer or a pair \(x, y\)",
        ),
        (lambda: img_conv_layer(X, (3, 2), 2, filter_size_y=2), InvalidValueError, r"got \[3, 2\] and filter_size_y=2"),
        (lambda: img_conv_layer(X, 3, 2, stride=0), InvalidValueError, "img_conv_layer: stride must be at least 1"),
        (
            lambda: img_conv_layer(X, 3, 2, padding_y=-1),
            InvalidValueError,
            "img_conv_layer: padding_y must be at least 0",
        ),
        (
            lambda: img_conv_layer(X, 2.5, 2),
            InvalidTypeError,
            "img_conv_layer: filter_size must be an integer, but got 2.5",
        ),
        (
            lambda: img_conv_layer(X, 3, 2, act="elu"),
            InvalidValueError,
            "act must be one of 'relu', '', 'linear', .* 'elu'",
        ),
        (lambda: img_conv_layer(X, 3, 2, act=3), InvalidTypeError, "act must be one of 'relu'"),
        (
            lambda: img_pool_layer(X, 2, pool_type="sum"),
            InvalidValueError,
            "pool_type must be one of 'max', 'average', 'a",
        ),
        (
            lambda: img_conv_layer(X, 3, 2, bias_attr="no"),
            InvalidTypeError,
            "bias_attr must be True, False, None or a Par",
        ),
        (
            lambda: img_conv_layer(X, 3, 2, param_attr={}),
            InvalidTypeError,
            "param_attr must be a ParameterAttribute or N",
        ),
        (
            lambda: img_conv_layer(X, 3, 2, layer_type="exconvt"),
            InvalidValueError,
            "layer_type must be one of 'exconv', 'c",
        ),
        (
            lambda: img_conv_layer(X, 3, 2, layer_type="exconv", trans=True),
            InvalidValueError,
            "layer_type must be .*'exconvt",
        ),
        (
            lambda: img_conv_layer(X, 3, 6, groups=3),
            InvalidValueError,
            "groups must divide num_channels and num_filters, but got groups=3",
        ),
        (lambda: img_conv_layer(X, 3, 6, layer_attr=3), InvalidTypeError, "layer_attr must be an ExtraLayerAttribute"),
        (lambda: img_pool_layer(X, 2, layer_attr=3), InvalidTypeError, "layer_attr must be an ExtraLayerAttribute"),
        (
            lambda: img_conv_layer(X, 3, 2).update(float("nan")),
            InvalidValueError,
            "conv.update: learning_rate must be a finite number",
        ),
        (lambda: img_conv_layer(X, (3, 7), 2), InvalidValueError, "the window must fit into the padded input"),
        (
            lambda: ParamAttr(l2_rate=0.1),
            InvalidValueError,
            "l2_rate must not be given, since it would change the numbers",
        ),
        (lambda: ParamAttr(initial_max=1.0), InvalidValueError, "initial values must be given by initial_std and"),
        (lambda: ParamAttr(initial_std=1.0, initial_smart=True), InvalidValueError, "or by initial_smart, but got"),
        (
            lambda: ParamAttr(initial_max=1.0, initial_min=2.0),
            InvalidValueError,
            "must have a spread of 0 or more, but got",
        ),
        (lambda: ParamAttr(initial_std=-1.0), InvalidValueError, "must have a spread of 0 or more, but got"),
        (lambda: ParamAttr(learning_rate=-1), InvalidValueError, "learning_rate must be at least 0"),
        (lambda: ExtraAttr(drop_rate=0.5), InvalidValueError, "drop_rate must not be given.* fastconv.layers.Dropout"),
        (
            lambda: ExtraAttr(error_clipping_threshold=1),
            InvalidValueError,
            "error_clipping_threshold must not be given",
        ),
        (
            lambda: data_layer("a", 100, height=7, width=3),
            InvalidValueError,
            r"size must be a multiple of height \* width",
        ),
        (
            lambda: data_layer("a", 100, height=10),
            InvalidTypeError,
            "data_layer: width must be an integer, but got None",
        ),
        (lambda: paddle.layer.data("a", 100), InvalidTypeError, "type must be data_type.dense_vector"),
        (
            lambda: img_pool_layer(X, 2).weight,
            InvalidValueError,
            "data: a layer must have parameters, but there is none",
        ),
        (lambda: _set_bias(img_conv_layer(X, 2, 3, bias_attr=False)), InvalidValueError, "conv: there must be a bias"),
        (
            lambda: img_conv_layer(data_layer("a", 4), 2, 3, num_channels=1).output,
            NotRunError,
            "data 'a': there must be im",
        ),
        (
            lambda: img_conv_layer(X, 2, 3).forward(np.zeros((2, 3, 6, 9))),
            InvalidValueError,
            r"shape \(N, 4, H, W\) or \(",
        ),
        (
            lambda: img_conv_layer(X, 2, 3).backward(np.zeros((2, 3, 5, 9))),
            InvalidValueError,
            r"\(2, 3, 5, 8\), but got",
        ),
    ],
)
def test_refusals(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


def _set_bias(layer: Any) -> None:
    layer.bias = np.zeros(3)


def test_names_of_both_versions_are_the_same_things() -> None:
    assert paddle.layer.img_conv is img_conv_layer
    assert paddle.layer.img_pool is img_pool_layer
    assert paddle.networks.simple_img_conv_pool is simple_img_conv_pool
    assert paddle.attr.Param is paddle.attr.ParamAttr is ParamAttr is paddle.ParameterAttribute
    assert paddle.attr.Extra is ExtraAttr is paddle.ExtraLayerAttribute
    assert paddle.pooling.Max is paddle.MaxPooling
    assert paddle.pooling.Avg is paddle.AvgPooling
    assert paddle.activation.Relu is ReluActivation
    assert paddle.activation.Identity is paddle.IdentityActivation is paddle.activation.Linear

"""The networks of CS231n: the same draws, losses and gradients as written out, and modes, names and dtypes."""
# ruff: noqa: NPY002 - the course draws from the global generator

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from cs231n_training_loops import POOL_PARAM, softmax_loops, three_layer_loops
from strategies import Array, normal

import fastconv as fc
from fastconv.compat.cs231n import fast_layers, layer_utils, layers
from fastconv.compat.cs231n.classifiers import cnn, fc_net
from fastconv.compat.cs231n.classifiers.cnn import ThreeLayerConvNet
from fastconv.compat.cs231n.classifiers.fc_net import FullyConnectedNet, TwoLayerNet
from fastconv.errors import InvalidTypeError, InvalidValueError
from fastconv.testing import assert_close

SMALL: dict[str, Any] = {"num_filters": 4, "filter_size": 3, "hidden_dim": 5, "num_classes": 6}
STEP = 1e-5


def small(**options: Any) -> ThreeLayerConvNet:
    np.random.seed(0)
    return ThreeLayerConvNet((3, 6, 8), **{**SMALL, "weight_scale": 0.3, "dtype": np.float64, **options})


def labels(count: int, classes: int) -> Array:
    return np.random.default_rng(1).integers(0, classes, count)


def check_gradients(model: Any, X: Array, y: Array, loss: Callable[[], float]) -> None:
    """Every gradient along a random direction: two evaluations for each parameter."""
    value, grads = model.loss(X, y)
    assert grads.keys() == model.params.keys()
    for number, (name, w) in enumerate(model.params.items()):
        direction = normal(w.shape, 40 + number)
        assert grads[name].shape == w.shape
        before = w.copy()
        sides = []
        for sign in (1, -1):
            w[...] = before + sign * STEP * direction
            sides.append(loss())
        w[...] = before
        # Rounding of the loss over the width of the step; the cube of the step is beyond it.
        slope = (sides[0] - sides[1]) / (2 * STEP)
        assert_close(slope, (grads[name] * direction).sum(), magnitude=8 * value / STEP, dtype=np.float64, name=name)


# the three-layer network


def test_initial_weights_are_those_of_the_expressions() -> None:
    np.random.seed(3)
    model = ThreeLayerConvNet()
    np.random.seed(3)
    W1 = 1e-3 * np.random.randn(32, 3, 7, 7)
    W2 = 1e-3 * np.random.randn(32 * 16 * 16, 100)
    W3 = np.random.normal(0, 1e-3, (100, 10))  # as the later years write it
    assert list(model.params) == ["W1", "b1", "W2", "b2", "W3", "b3"]
    for name, right in (("W1", W1), ("W2", W2), ("W3", W3)):
        np.testing.assert_array_equal(model.params[name], right.astype(np.float32))
    for name, size in (("b1", 32), ("b2", 100), ("b3", 10)):
        np.testing.assert_array_equal(model.params[name], np.zeros(size))
    assert {w.dtype for w in model.params.values()} == {np.dtype(np.float32)}
    assert sum(w.size for w in model.params.values()) == 825_046
    assert (model.reg, model.dtype) == (0.0, np.float32)


@pytest.mark.parametrize("reg", [0.0, 0.7])
@pytest.mark.parametrize(("size", "filter_size"), [((6, 8), 3), ((4, 6), 5), ((8, 4), 1), ((7, 5), 3), ((6, 9), 4)])
def test_scores_loss_and_gradients_are_those_of_the_loops(size: tuple[int, int], filter_size: int, reg: float) -> None:
    np.random.seed(2)
    options = {**SMALL, "filter_size": filter_size}
    model = ThreeLayerConvNet((3, *size), **options, weight_scale=0.3, reg=reg, dtype=np.float64)
    for number, name in enumerate(("b1", "b2", "b3")):
        model.params[name] = normal(model.params[name].shape, number)
    X, y = normal((5, 3, *size), 6), labels(5, 6)
    scores = model.loss(X)
    assert_close(scores, three_layer_loops(model.params, X, None, reg))
    loss, grads = model.loss(X, y)
    right, expected = three_layer_loops(model.params, X, y, reg)
    assert isinstance(loss, float)
    assert_close(loss, right)
    assert grads.keys() == model.params.keys()
    for name, gradient in expected.items():
        assert_close(grads[name], gradient, name=name)


@pytest.mark.parametrize(("size", "filter_size"), [((7, 9), 3), ((6, 5), 4), ((5, 8), 2)])
def test_sizes_that_the_pool_does_not_tile_and_even_filters(size: tuple[int, int], filter_size: int) -> None:
    """The original takes H * W / 4 for the size of its second layer, which is another one here."""
    model = ThreeLayerConvNet((2, *size), 3, filter_size, 4, 5, weight_scale=0.3, reg=0.1, dtype=np.float64)
    X, y = normal((4, 2, *size), 7), labels(4, 5)
    assert model.loss(X).shape == (4, 5)
    check_gradients(model, X, y, lambda: model.loss(X, y)[0])


def test_gradients_against_numerical_ones() -> None:
    model, X, y = small(reg=0.4), normal((5, 3, 6, 8), 8), labels(5, 6)
    check_gradients(model, X, y, lambda: model.loss(X, y)[0])


@pytest.mark.parametrize("make", [ThreeLayerConvNet, TwoLayerNet, partial(FullyConnectedNet, [20, 10])])
def test_the_first_loss_is_that_of_chance(make: Callable[..., Any]) -> None:
    np.random.seed(4)
    X, y = normal((20, 3, 32, 32), 9), labels(20, 10)
    loss, _ = make(weight_scale=1e-3).loss(X, y)
    assert round(loss, 2) == round(float(np.log(10)), 2)
    np.random.seed(4)
    with_penalty, _ = make(weight_scale=1e-3, reg=0.5).loss(X, y)
    assert with_penalty > loss


def test_images_are_computed_in_the_dtype_of_the_network() -> None:
    X, y = normal((5, 3, 6, 8), 10), labels(5, 6)
    model = small(dtype=np.float32)
    scores, (loss, grads) = model.loss(X), model.loss(X, y)
    assert scores.dtype == np.float32
    assert {gradient.dtype for gradient in grads.values()} == {np.dtype(np.float32)}
    np.testing.assert_array_equal(scores, model.loss(X.astype(np.float32)))
    wide = three_layer_loops({name: w.astype(np.float64) for name, w in model.params.items()}, X, y, 0.0)
    assert_close(np.float32(loss), np.float32(wide[0]))
    for name, gradient in wide[1].items():
        assert_close(grads[name], gradient.astype(np.float32), name=name)
    assert X.dtype == np.float64
    pixels = np.random.default_rng(2).integers(0, 256, (5, 3, 6, 8), np.uint8)
    np.testing.assert_array_equal(model.loss(pixels), model.loss(pixels.astype(np.float64)))


def test_the_gradient_of_the_images_is_not_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = []

    def recorded(*arrays: Array, needs: tuple[str, ...], **options: Any) -> Any:
        wanted.append(needs)
        return fc.conv2d_backward(*arrays, needs=needs, **options)

    monkeypatch.setattr("fastconv.compat.cs231n.windows.conv2d_backward", recorded)
    small().loss(normal((5, 3, 6, 8), 10), labels(5, 6))
    assert wanted == [("weight", "bias")]


def test_ties_and_negative_windows_go_as_in_the_layers_one_after_another() -> None:
    model = small(dtype=np.float32)
    X, y = normal((5, 3, 6, 8), 10, "float32"), labels(5, 6)
    X[0], X[1] = 0.0, -3.0  # the same number in every window
    W1, b1, W2, b2, W3, b3 = (model.params[name] for name in ("W1", "b1", "W2", "b2", "W3", "b3"))
    out, cache1 = layer_utils.conv_relu_pool_forward(X, W1, b1, {"stride": 1, "pad": 1}, POOL_PARAM)
    out, cache2 = layer_utils.affine_relu_forward(out, W2, b2)
    scores, cache3 = layers.affine_forward(out, W3, b3)
    loss, dout = layers.softmax_loss(scores, y)
    dout, _, _ = layers.affine_backward(dout, cache3)
    dout, _, _ = layer_utils.affine_relu_backward(dout, cache2)
    _, dW1, db1 = layer_utils.conv_relu_pool_backward(dout, cache1)
    actual, grads = model.loss(X, y)
    assert actual == loss
    np.testing.assert_array_equal(grads["W1"], dW1)
    np.testing.assert_array_equal(grads["b1"], db1)


def test_neither_images_nor_parameters_are_changed() -> None:
    model, X, y = small(reg=0.3), normal((5, 3, 6, 8), 11), labels(5, 6)
    X.flags.writeable = y.flags.writeable = False
    before = {name: w.copy() for name, w in model.params.items()}
    model.loss(X, y)
    for name, w in before.items():
        np.testing.assert_array_equal(model.params[name], w)


def test_a_subclass_with_a_loss_of_its_own() -> None:
    """Written with the names that the module hands on, as the notebooks' solutions are."""

    class WithoutPool(ThreeLayerConvNet):
        def loss(self, X: Array, y: Array | None = None) -> Any:
            out, self.cache = cnn.conv_relu_forward(X, self.params["W1"], self.params["b1"], {"stride": 1, "pad": 1})
            return out

    np.random.seed(0)
    model = WithoutPool((3, 6, 8), **SMALL)
    X = normal((2, 3, 6, 8), 12, "float32")
    expected = np.maximum(0, fc.conv2d(X, model.params["W1"], model.params["b1"], padding=1, backend="naive"))
    assert_close(model.loss(X), expected)


def test_star_imports_hand_on_the_layers() -> None:
    for module, own in ((cnn, {"ThreeLayerConvNet"}), (fc_net, {"TwoLayerNet", "FullyConnectedNet"})):
        names: dict[str, Any] = {}
        exec(f"from {module.__name__} import *", names)
        assert own <= names.keys()
        for source in (layers, fast_layers, layer_utils):
            for name in source.__all__:
                assert names[name] is getattr(source, name)
        assert {"np", "conv_relu_pool_forward", "affine_forward", "max_pool_forward_fast", "svm_loss"} <= names.keys()


@pytest.mark.parametrize("input_dim", [(3, 1, 8), (3, 8, 1)])
def test_nothing_left_after_the_pool(input_dim: tuple[int, int, int]) -> None:
    with pytest.raises(InvalidValueError, match=r"ThreeLayerConvNet: input_dim must leave windows of 2 x 2.*\(3, "):
        ThreeLayerConvNet(input_dim)


def test_images_of_another_size_are_refused() -> None:
    with pytest.raises(InvalidValueError, match=r"affine_forward: w must have shape \(D, M\), where D=36"):
        small().loss(np.zeros((2, 3, 6, 6)))
    with pytest.raises(InvalidValueError, match="conv_forward_fast: w must have 2 input channels"):
        small().loss(np.zeros((2, 2, 6, 8)))


# two layers


def notebook_net(reg: float = 0.0) -> tuple[TwoLayerNet, Array]:
    """The network and the images of the course's first cell."""
    D, H, C, N = 5, 50, 7, 3
    model = TwoLayerNet(input_dim=D, hidden_dim=H, num_classes=C, reg=reg)
    model.params["W1"] = np.linspace(-0.7, 0.3, num=D * H).reshape(D, H)
    model.params["b1"] = np.linspace(-0.1, 0.9, num=H)
    model.params["W2"] = np.linspace(-0.3, 0.4, num=H * C).reshape(H, C)
    model.params["b2"] = np.linspace(-0.9, 0.1, num=C)
    return model, np.linspace(-5.5, 4.5, num=N * D).reshape(D, N).T


def test_the_numbers_of_the_notebook() -> None:
    model, X = notebook_net()
    y = np.array([0, 5, 1])
    assert model.loss(X)[0].round(8).tolist() == [
        11.53165108,
        12.2917344,
        13.05181771,
        13.81190102,
        14.57198434,
        15.33206765,
        16.09215096,
    ]
    assert round(model.loss(X, y)[0], 10) == 3.4702243556
    assert round(notebook_net(reg=1.0)[0].loss(X, y)[0], 10) == 26.5948426952


def test_two_layers() -> None:
    np.random.seed(5)
    model = TwoLayerNet(6, 4, 3, weight_scale=0.5, reg=0.2)
    np.random.seed(5)
    np.testing.assert_array_equal(model.params["W1"], 0.5 * np.random.randn(6, 4))
    np.testing.assert_array_equal(model.params["W2"], np.random.normal(0, 0.5, (4, 3)))
    assert list(model.params) == ["W1", "b1", "W2", "b2"]
    assert {w.dtype for w in model.params.values()} == {np.dtype(np.float64)}
    X, y = normal((7, 2, 3), 13), labels(7, 3)
    check_gradients(model, X, y, lambda: model.loss(X, y)[0])
    assert [w.shape for w in TwoLayerNet().params.values()] == [(3072, 100), (100,), (100, 10), (10,)]


# any number of layers


def plain_network(model: FullyConnectedNet, X: Array, mode: str, running: list[tuple[Array, Array]]) -> Array:
    """Scores, row by row and layer by layer; `running` has the statistics for test mode."""
    out = X.reshape(len(X), -1)
    depth = len([name for name in model.params if name.startswith("W")])
    for layer in range(1, depth):
        out = out @ model.params[f"W{layer}"] + model.params[f"b{layer}"]
        if f"gamma{layer}" in model.params:
            if model.normalization == "layernorm":
                out = np.array([(row - row.mean()) / np.sqrt(row.var() + 1e-5) for row in out])
            else:
                mean, var = (out.mean(axis=0), out.var(axis=0)) if mode == "train" else running[layer - 1]
                out = (out - mean) / np.sqrt(var + 1e-5)
            out = model.params[f"gamma{layer}"] * out + model.params[f"beta{layer}"]
        out = np.maximum(0, out)
        if mode == "train" and "p" in model.dropout_param:
            keep = model.dropout_param["p"]
            np.random.seed(model.dropout_param["seed"])
            out = out * (np.random.rand(*out.shape) < keep) / keep
    return out @ model.params[f"W{depth}"] + model.params[f"b{depth}"]


@pytest.mark.parametrize("keep", [1, 0.6])
@pytest.mark.parametrize("normalization", [None, "batchnorm", "layernorm"])
@pytest.mark.parametrize("hidden", [[], [5], [7, 4, 5]])
def test_a_network_of_any_depth(hidden: list[int], normalization: str | None, keep: float) -> None:
    np.random.seed(6)
    model = FullyConnectedNet(hidden, 6, 4, keep, normalization, reg=0.3, weight_scale=0.5, dtype=np.float64, seed=123)
    for number, name in enumerate(model.params):
        if name[0] in "bg":  # biases, beta, gamma
            model.params[name] = 0.5 + normal(model.params[name].shape, number)
    X, y = normal((8, 2, 3), 14), labels(8, 4)
    expected, _ = softmax_loops(plain_network(model, X, "train", []), y)
    expected += 0.15 * sum((w**2).sum() for name, w in model.params.items() if name[0] == "W")
    loss, _ = model.loss(X, y)
    assert_close(loss, expected, magnitude=10 * expected)
    running = [(bn.get("running_mean"), bn.get("running_var")) for bn in model.bn_params]
    scores = plain_network(model, X, "test", running)  # type: ignore[arg-type]
    assert_close(model.loss(X), scores, magnitude=10 * np.abs(scores).max())
    check_gradients(model, X, y, lambda: model.loss(X, y)[0])


def test_names_draws_and_attributes() -> None:
    np.random.seed(7)
    model = FullyConnectedNet((4, 5), 6, 3, normalization="batchnorm", weight_scale=0.1)
    np.random.seed(7)
    for name, shape in (("W1", (6, 4)), ("W2", (4, 5)), ("W3", (5, 3))):
        np.testing.assert_array_equal(model.params[name], (0.1 * np.random.randn(*shape)).astype(np.float32))
    assert set(model.params) == {"W1", "b1", "W2", "b2", "W3", "b3", "gamma1", "beta1", "gamma2", "beta2"}
    assert model.params["gamma2"].tolist() == [1.0] * 5
    assert model.params["beta1"].tolist() == [0.0] * 4
    assert {w.dtype for w in model.params.values()} == {np.dtype(np.float32)}
    assert (model.num_layers, model.use_dropout, model.dropout_param, model.reg) == (3, False, {}, 0.0)
    assert model.bn_params == [{"mode": "train"}, {"mode": "train"}]
    assert FullyConnectedNet([4], 6, 3).bn_params == []
    assert FullyConnectedNet([4, 5], 6, 3, normalization="layernorm").bn_params == [{}, {}]
    assert [w.shape for w in FullyConnectedNet([7]).params.values()] == [(3072, 7), (7,), (7, 10), (10,)]


def test_modes_follow_the_labels() -> None:
    model = FullyConnectedNet([4, 5], 6, 3, dropout=0.5, normalization="batchnorm", seed=3)
    X, y = normal((8, 6), 15), labels(8, 3)
    model.loss(X, y)
    running = [bn["running_mean"].copy() for bn in model.bn_params]
    assert {bn["mode"] for bn in model.bn_params} == {model.dropout_param["mode"]} == {"train"}
    np.testing.assert_array_equal(model.loss(X), model.loss(X))
    assert {bn["mode"] for bn in model.bn_params} == {model.dropout_param["mode"]} == {"test"}
    for before, bn in zip(running, model.bn_params, strict=True):
        np.testing.assert_array_equal(bn["running_mean"], before)
        assert np.abs(before).max() > 0


def test_images_are_converted_to_the_dtype() -> None:
    model = FullyConnectedNet([4], 6, 3, normalization="layernorm", dropout=0.5)
    X, y = normal((8, 6), 16), labels(8, 3)
    assert model.loss(X).dtype == np.float32
    _, grads = model.loss(X, y)
    assert {gradient.dtype for gradient in grads.values()} == {np.dtype(np.float32)}


def test_without_a_seed_dropout_differs_each_time() -> None:
    X, y = normal((20, 6), 17), labels(20, 3)
    np.random.seed(8)
    model = FullyConnectedNet([40], 6, 3, dropout=0.5, weight_scale=1.0)
    assert model.dropout_param == {"mode": "train", "p": 0.5}
    assert model.loss(X, y)[0] != model.loss(X, y)[0]
    seeded = FullyConnectedNet([40], 6, 3, dropout=0.5, weight_scale=1.0, seed=0)
    assert seeded.dropout_param == {"mode": "train", "p": 0.5, "seed": 0}
    assert seeded.loss(X, y)[0] == seeded.loss(X, y)[0]


def test_the_other_name_of_dropout() -> None:
    assert FullyConnectedNet([4], dropout_keep_ratio=0.25).dropout_param == {"mode": "train", "p": 0.25}
    assert FullyConnectedNet([4], dropout=0.25, dropout_keep_ratio=0.25).use_dropout
    assert not FullyConnectedNet([4], dropout_keep_ratio=1).use_dropout
    with pytest.raises(
        InvalidValueError, match=r"dropout and dropout_keep_ratio must be the same, but got 0.5 and 0.25"
    ):
        FullyConnectedNet([4], dropout=0.5, dropout_keep_ratio=0.25)


def test_what_a_network_refuses() -> None:
    for keep in (0, -0.5, 1.5):
        with pytest.raises(InvalidValueError, match=rf"FullyConnectedNet: dropout must be .*but got {keep}"):
            FullyConnectedNet([4], dropout=keep)
    with pytest.raises(InvalidTypeError, match="dropout_keep_ratio must be a number, but got 'half'"):
        FullyConnectedNet([4], dropout_keep_ratio="half")  # type: ignore[arg-type]
    for name in ("groupnorm", True):
        with pytest.raises(InvalidValueError, match=rf"normalization must be None, 'batchnorm' or .* got '?{name}"):
            FullyConnectedNet([4], normalization=name)  # type: ignore[arg-type]

"""Affine layers, ReLU, normalisation, dropout, losses and the layers that come together, as in the assignments."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import cs231n_layer_loops as loops
import numpy as np
import pytest
from cs231n_layer_loops import Array
from strategies import MEMORY, normal, stored

import fastconv as fc
from fastconv.compat.cs231n import affine, fast_layers, layer_utils, layers
from fastconv.errors import InvalidTypeError, InvalidValueError
from fastconv.testing import assert_close, gradient_check

# Affine layers and ReLU.


def test_the_affine_layer_that_the_notebook_publishes() -> None:
    x = np.linspace(-0.1, 0.5, num=240).reshape(2, 4, 5, 6)
    w = np.linspace(-0.2, 0.3, num=360).reshape(120, 3)
    out, _ = layers.affine_forward(x, w, np.linspace(-0.3, 0.1, num=3))
    assert out.round(8).tolist() == [[1.49834967, 1.70660132, 1.91485297], [3.25553199, 3.5141327, 3.77273342]]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("order", MEMORY)
def test_affine_layers_are_those_of_the_loops(order: str, dtype: str) -> None:
    x, w, b = normal((4, 2, 3), 0, dtype), normal((6, 5), 1, dtype), normal((5,), 2, dtype)
    out, cache = layers.affine_forward(stored(x, order), stored(w, order), stored(b, order))
    expected = np.array([[sum(row * w[:, m]) + b[m] for m in range(5)] for row in x.reshape(4, 6)])
    assert_close(out, expected, dtype=dtype)
    dout = normal((4, 5), 3, dtype)
    dx, dw, db = layers.affine_backward(stored(dout, order), cache)
    assert_close(dx, np.array([[sum(g * w[d]) for d in range(6)] for g in dout]).reshape(4, 2, 3), dtype=dtype)
    assert_close(dw, np.array([[sum(x.reshape(4, 6)[:, d] * dout[:, m]) for m in range(5)] for d in range(6)]))
    assert_close(db, np.array([sum(dout[:, m]) for m in range(5)]))
    assert dw.flags.c_contiguous


def test_the_affine_cache_is_x_w_b() -> None:
    given = normal((2, 3, 4), 0), normal((12, 5), 1), normal((5,), 2)
    assert all(kept is one for kept, one in zip(layers.affine_forward(*given)[1], given, strict=True))


def test_biases_in_a_row() -> None:
    x, w, b = normal((4, 2, 3), 0), normal((6, 5), 1), normal((5,), 2)
    out, cache = layers.affine_forward(x, w, b[None])
    plain, plain_cache = layers.affine_forward(x, w, b)
    assert_close(out, plain, magnitude=0)
    _, _, db = layers.affine_backward(out, cache)
    assert_close(db, layers.affine_backward(out, plain_cache)[2][None], magnitude=0)


@pytest.mark.parametrize(
    ("given", "expected"),  # x, w, b, dout; out, dx, dw, db: what NumPy gives the two that are multiplied
    [
        ("f8 f4 f4 f8", "f8 f8 f8 f8"),
        ("f4 f4 f8 f8", "f8 f8 f8 f8"),
        ("f8 f4 f4 f4", "f8 f4 f8 f4"),
        ("f4 f8 f4 f4", "f8 f8 f4 f4"),
        ("f2 f2 f2 f2", "f2 f2 f2 f2"),
        ("i8 i8 i8 i8", "f8 f8 f8 f8"),
        ("u1 f4 f4 f4", "f4 f4 f4 f4"),
    ],
)
def test_dtypes_of_affine_layers_are_those_of_numpy(given: str, expected: str) -> None:
    shapes = (4, 2, 3), (6, 5), (5,), (4, 5)
    x, w, b, dout = (normal(shape, seed, dtype) for seed, (shape, dtype) in enumerate(zip(shapes, given.split())))
    out, cache = layers.affine_forward(x, w, b)
    results = out, *layers.affine_backward(dout, cache)
    rows, w, b, dout = (array.astype("f8") for array in (x.reshape(4, 6), w, b, dout))
    right = rows @ w + b, (dout @ w.T).reshape(x.shape), rows.T @ dout, dout.sum(axis=0)
    sizes = abs(rows) @ abs(w) + abs(b), abs(dout) @ abs(w).T, abs(rows).T @ abs(dout), abs(dout).sum(axis=0)
    for result, wanted, size, dtype in zip(results, right, sizes, expected.split(), strict=True):
        assert_close(result, wanted, magnitude=size.reshape(wanted.shape), dtype=np.dtype(dtype))


@pytest.mark.parametrize("rows", [0, 1, 4, 30])
@pytest.mark.parametrize("backend", ["fast", "numpy", "naive"])
def test_affine_layers_on_every_backend(backend: str, rows: int) -> None:
    x, w, b, dout = normal((rows, 2, 9), 0), normal((18, 37), 1), normal((37,), 2), normal((rows, 37), 3)
    with fc.use_backend(backend):
        out, cache = layers.affine_forward(x, w, b)
        dx, dw, db = layers.affine_backward(dout, cache)
    flat = x.reshape(rows, 18)
    assert_close(out, flat @ w + b, magnitude=abs(flat) @ abs(w) + abs(b))
    assert_close(dx, (dout @ w.T).reshape(x.shape), magnitude=(abs(dout) @ abs(w).T).reshape(x.shape))
    assert_close(dw, flat.T @ dout, magnitude=abs(flat).T @ abs(dout))
    assert_close(db, dout.sum(axis=0), magnitude=abs(dout).sum(axis=0))


def test_weights_are_read_where_they_lie(monkeypatch: pytest.MonkeyPatch) -> None:
    given = []
    x, w, b = normal((4, 6), 0), normal((6, 5), 1), normal((5,), 2)
    for name in ("linear", "linear_backward"):
        original = getattr(affine, name)

        def recorded(*arrays: Array, _original: Callable[..., Any] = original, **options: Any) -> Any:
            given.extend(array for array in arrays if array.shape in ((6, 5), (5, 6)) and array.strides != (0, 0))
            return _original(*arrays, **options)

        monkeypatch.setattr(affine, name, recorded)
    layers.affine_backward(*layers.affine_forward(x, w, b))
    assert [array is w for array in given] == [True, True]


def test_affine_layers_of_an_empty_batch() -> None:
    out, cache = layers.affine_forward(np.zeros((0, 2, 3)), np.ones((6, 5)), np.ones(5))
    dx, dw, db = layers.affine_backward(out, cache)
    assert (out.shape, dx.shape, dw.shape, db.shape) == ((0, 5), (0, 2, 3), (6, 5), (5,))


def test_gradients_of_affine_layers_are_numerical_ones() -> None:
    def backward(dout: Array, *arrays: Array) -> Any:
        return layers.affine_backward(dout, arrays)

    arrays = normal((3, 2, 3), 0), normal((6, 4), 1), normal((4,), 2)
    gradient_check((lambda *arrays: layers.affine_forward(*arrays)[0], backward), arrays)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
def test_relu(dtype: str) -> None:
    x = np.array([[-2, 0, 3], [4, -1, 0]], dtype)
    out, cache = layers.relu_forward(x)
    wanted = np.float32 if dtype == "float32" else np.float64
    assert_close(out, np.array([[0, 0, 3], [4, 0, 0]]), dtype=wanted)
    assert_close(layers.ReLU(x), out, magnitude=0)
    assert cache is x
    dout = np.array([[1, 2, 3], [4, 5, 6]], wanted)
    before = dout.copy()
    assert_close(layers.relu_backward(dout, cache), np.array([[0, 0, 3], [4, 0, 0]]), dtype=wanted)
    assert_close(dout, before, magnitude=0)


@pytest.mark.parametrize(
    ("dout", "x", "dx"), [("f4", "f8", "f4"), ("f8", "f4", "f8"), ("f4", "?", "f4"), ("i8", "f4", "f8")]
)
def test_the_gradient_of_relu_has_the_dtype_of_dout(dout: str, x: str, dx: str) -> None:
    gradient = layers.relu_backward(np.array([1, 2, 3], dout), np.array([0, 1, 0], x))
    assert_close(gradient, np.array([0, 2, 0]), dtype=np.dtype(dx))


# Normalisation.

GAMMA, BETA = normal((5,), 1), normal((5,), 2)


def forward_of(name: str) -> Callable[..., Any]:
    function: Callable[..., Any] = getattr(layers, f"{name}_forward")
    return function


def backward_of(name: str) -> Callable[..., Any]:
    function: Callable[..., Any] = getattr(layers, f"{name}_backward")
    return function


def test_batch_normalisation_of_training() -> None:
    x = 3 + 2 * normal((7, 5), 0)
    bn_param: dict[str, Any] = {"mode": "train", "eps": 0.01}
    out, _ = layers.batchnorm_forward(x, GAMMA, BETA, bn_param)
    assert_close(out, GAMMA * loops.normalized(x, (0,), 0.01) + BETA)
    assert_close(bn_param["running_mean"], 0.1 * x.mean(axis=0))
    assert_close(bn_param["running_var"], 0.1 * x.var(axis=0))


def test_running_statistics_are_written_back() -> None:
    mean, variance = normal((5,), 3), np.square(normal((5,), 4))
    bn_param: dict[str, Any] = {"mode": "train", "momentum": 0.75, "running_mean": mean, "running_var": variance}
    kept = mean.copy()
    x = normal((7, 5), 0)
    layers.batchnorm_forward(x, GAMMA, BETA, bn_param)
    assert_close(bn_param["running_mean"], 0.75 * mean + 0.25 * x.mean(axis=0))
    assert_close(bn_param["running_var"], 0.75 * variance + 0.25 * x.var(axis=0))
    assert_close(mean, kept, magnitude=0)


def test_batch_normalisation_of_test_mode() -> None:
    mean, variance = normal((5,), 3), np.square(normal((5,), 4))
    bn_param: dict[str, Any] = {"mode": "test", "running_mean": mean, "running_var": variance}
    x = normal((7, 5), 0)
    out, cache = layers.batchnorm_forward(x, GAMMA, BETA, bn_param)
    normal_x = (x - mean) / np.sqrt(variance + 1e-5)
    assert_close(out, GAMMA * normal_x + BETA)
    assert bn_param["running_mean"] is mean
    dx, dgamma, dbeta = layers.batchnorm_backward(np.ones_like(x), cache)
    assert_close(dx, np.broadcast_to(GAMMA / np.sqrt(variance + 1e-5), x.shape))
    assert_close(dgamma, normal_x.sum(axis=0), magnitude=np.abs(normal_x).sum(axis=0))
    assert_close(dbeta, np.full(5, 7.0))


def test_test_mode_before_any_training_has_zeros() -> None:
    bn_param: dict[str, Any] = {"mode": "test"}
    x = normal((7, 5), 0, "float32")
    out, _ = layers.batchnorm_forward(x, np.ones(5, "float32"), np.zeros(5, "float32"), bn_param)
    assert_close(out, x / np.sqrt(np.float32(1e-5)))
    assert bn_param["running_var"].tolist() == [0.0] * 5


def test_spatial_batch_normalisation_is_that_of_channels() -> None:
    x = normal((2, 5, 3, 4), 0)
    flat, spatial = ({"mode": "train"} for _ in range(2))
    rows = x.transpose(0, 2, 3, 1).reshape(-1, 5)
    out, cache = layers.spatial_batchnorm_forward(x, GAMMA, BETA, spatial)
    expected, expected_cache = layers.batchnorm_forward(rows, GAMMA, BETA, flat)
    assert_close(out, expected.reshape(2, 3, 4, 5).transpose(0, 3, 1, 2))
    assert_close(spatial["running_mean"], flat["running_mean"])
    assert_close(spatial["running_var"], flat["running_var"])
    dout = normal(x.shape, 5)
    dx, *others = layers.spatial_batchnorm_backward(dout, cache)
    wanted_dx, *wanted = layers.batchnorm_backward(dout.transpose(0, 2, 3, 1).reshape(-1, 5), expected_cache)
    assert_close(dx, wanted_dx.reshape(2, 3, 4, 5).transpose(0, 3, 1, 2))
    for actual, expected in zip(others, wanted, strict=True):
        assert_close(actual, expected)


def test_layer_normalisation() -> None:
    x = 3 + 2 * normal((7, 5), 0)
    out, _ = layers.layernorm_forward(x, GAMMA, BETA, {"eps": 0.01})
    assert_close(out, GAMMA * loops.normalized(x, (1,), 0.01) + BETA)


@pytest.mark.parametrize("shape", [(1, 6, 1, 1), (6,)])
def test_group_normalisation(shape: tuple[int, ...]) -> None:
    x, gamma, beta = normal((2, 6, 4, 3), 0), normal((6,), 1).reshape(shape), normal((6,), 2).reshape(shape)
    out, cache = layers.spatial_groupnorm_forward(x, gamma, beta, 2, {})
    normal_x = loops.normalized(x.reshape(2, 2, 3, 4, 3), (2, 3, 4), 1e-5).reshape(x.shape)
    assert_close(out, gamma.reshape(6, 1, 1) * normal_x + beta.reshape(6, 1, 1))
    dout = normal(x.shape, 5)
    _, dgamma, dbeta = layers.spatial_groupnorm_backward(dout, cache)
    assert_close(dgamma, (dout * normal_x).sum(axis=(0, 2, 3)).reshape(shape))
    assert_close(dbeta, dout.sum(axis=(0, 2, 3)).reshape(shape))


NORMS: dict[str, tuple[tuple[int, ...], tuple[int, ...], tuple[Any, ...]]] = {
    "batchnorm": ((7, 5), (5,), ({"mode": "train"},)),
    "spatial_batchnorm": ((2, 5, 3, 4), (5,), ({"mode": "train"},)),
    "layernorm": ((7, 5), (5,), ({},)),
    "spatial_groupnorm": ((2, 6, 3, 4), (1, 6, 1, 1), (3, {})),
}


@pytest.mark.parametrize("name", NORMS)
def test_gradients_of_normalisation_are_numerical_ones(name: str) -> None:
    x_shape, shape, others = NORMS[name]

    def forward(*arrays: Array) -> Array:
        out: Array = forward_of(name)(*arrays, *others)[0]
        return out

    def backward(dout: Array, *arrays: Array) -> Any:
        return backward_of(name)(dout, forward_of(name)(*arrays, *others)[1])

    gradient_check((forward, backward), (normal(x_shape, 0), normal(shape, 1), normal(shape, 2)))


@pytest.mark.parametrize("name", NORMS)
def test_normalisation_keeps_float32_and_its_inputs(name: str) -> None:
    x_shape, shape, others = NORMS[name]
    given = [normal(x_shape, 0, "float32"), normal(shape, 1, "float32"), normal(shape, 2, "float32")]
    before = [array.copy() for array in given]
    out, cache = forward_of(name)(*given, *others)
    dout = normal(out.shape, 5, "float32")
    gradients = backward_of(name)(dout, cache)
    assert [array.dtype for array in (out, *gradients)] == [np.float32] * 4
    assert [gradient.shape for gradient in gradients] == [x_shape, shape, shape]
    for actual, wanted in zip((*given, dout), (*before, normal(out.shape, 5, "float32")), strict=True):
        assert_close(actual, wanted, magnitude=0)


@pytest.mark.parametrize("name", NORMS)
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda cache: pickle.loads(pickle.dumps(cache))])
def test_caches_of_normalisation_can_be_copied(name: str, copied: Callable[[Any], Any]) -> None:
    x_shape, shape, others = NORMS[name]
    out, cache = forward_of(name)(normal(x_shape, 0), normal(shape, 1), normal(shape, 2), *others)
    for actual, wanted in zip(backward_of(name)(out, copied(cache)), backward_of(name)(out, cache), strict=True):
        assert_close(actual, wanted, magnitude=0)


def test_both_backward_names_of_batch_normalisation_agree() -> None:
    out, cache = layers.batchnorm_forward(normal((7, 5), 0), GAMMA, BETA, {"mode": "train"})
    for actual, wanted in zip(
        layers.batchnorm_backward_alt(out, cache), layers.batchnorm_backward(out, cache), strict=True
    ):
        assert_close(actual, wanted, magnitude=0)


# Dropout.


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("p", [0.25, 0.4, 1])
def test_dropout_draws_what_the_original_draws(p: float, dtype: str) -> None:
    x = normal((20, 30), 0, dtype)
    dropout_param = {"p": p, "mode": "train", "seed": 123}
    out, cache = layers.dropout_forward(x, dropout_param)
    np.random.seed(123)  # noqa: NPY002 - the generator of the original
    kept = np.random.rand(*x.shape) < p  # noqa: NPY002
    assert_close(out, np.where(kept, x / p, 0), dtype=dtype)
    assert cache[0] is dropout_param
    dout = normal(x.shape, 1, dtype)
    assert_close(layers.dropout_backward(dout, cache), np.where(kept, dout / p, 0), dtype=dtype)


def test_dropout_without_a_seed_goes_on_drawing() -> None:
    np.random.seed(5)  # noqa: NPY002
    masks = [layers.dropout_forward(np.ones(50), {"p": 0.5, "mode": "train"})[1][1] for _ in range(2)]
    np.random.seed(5)  # noqa: NPY002
    for mask in masks:
        assert_close(mask, np.where(np.random.rand(50) < 0.5, 2.0, 0.0), magnitude=0)  # noqa: NPY002


@pytest.mark.parametrize("p", [0, 0.3])
def test_dropout_in_test_mode_does_nothing(p: float) -> None:
    x = normal((3, 4), 0, "float32")
    out, cache = layers.dropout_forward(x, {"p": p, "mode": "test"})
    assert_close(out, x, magnitude=0)
    assert cache[1] is None
    assert_close(layers.dropout_backward(x, cache), x, magnitude=0)


# Losses.


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_losses_are_those_of_the_loops(dtype: str) -> None:
    x, y = normal((6, 4), 0, dtype), np.array([0, 3, 1, 1, 2, 3])
    wide = x.astype(np.float64)
    margins = [[max(0, row[c] - row[k] + 1) if c != k else 0 for c in range(4)] for row, k in zip(wide, y)]
    loss, dx = layers.svm_loss(x, y)
    assert_close(np.asarray(loss, dtype), np.asarray(np.sum(margins) / 6, dtype))
    hits = np.array(margins) > 0
    expected = [[hits[n, c] - (c == y[n]) * hits[n].sum() for c in range(4)] for n in range(6)]
    assert_close(dx, np.array(expected) / 6, dtype=dtype)
    loss, dx = layers.softmax_loss(x, y)
    probabilities = np.exp(wide) / np.exp(wide).sum(axis=1, keepdims=True)
    assert_close(np.asarray(loss, dtype), np.asarray(-np.log(probabilities[np.arange(6), y]).mean(), dtype))
    assert_close(dx, (probabilities - np.eye(4)[y]) / 6, dtype=dtype)


@pytest.mark.parametrize("name", ["svm_loss", "softmax_loss"])
def test_gradients_of_losses_are_numerical_ones(name: str) -> None:
    gradient_check(getattr(layers, name), (normal((5, 4), 0), np.array([0, 3, 1, 1, 2])))


def test_the_losses_that_the_notebook_expects() -> None:
    x, y = 0.001 * normal((50, 10), 0), np.arange(50) % 10
    assert round(layers.svm_loss(x, y)[0], 1) == 9.0
    assert round(layers.softmax_loss(x, y)[0], 1) == 2.3


# Layers that come together.

CONV, POOL = {"stride": 1, "pad": 1}, {"pool_height": 2, "pool_width": 2, "stride": 2}


def test_affine_and_relu() -> None:
    given = normal((4, 2, 3), 0), normal((6, 5), 1), normal((5,), 2)
    out, (fc_cache, relu_cache) = layer_utils.affine_relu_forward(*given)
    a, _ = layers.affine_forward(*given)
    assert_close(out, np.maximum(a, 0), magnitude=0)
    assert_close(relu_cache, a, magnitude=0)
    assert fc_cache[0] is given[0]


def test_convolution_batch_normalisation_and_relu() -> None:
    x, w, b = normal((2, 3, 4, 6), 0), normal((5, 3, 3, 3), 1), normal((5,), 2)
    bn_param: dict[str, Any] = {"mode": "train"}
    out, caches = layer_utils.conv_bn_relu_forward(x, w, b, GAMMA, BETA, CONV, bn_param)
    assert len(caches) == 3
    a = loops.conv_forward(x, w, b, CONV)
    expected = GAMMA.reshape(5, 1, 1) * loops.normalized(a, (0, 2, 3), 1e-5) + BETA.reshape(5, 1, 1)
    assert_close(out, np.maximum(expected, 0))
    assert bn_param["running_mean"].shape == (5,)


def test_convolution_relu_and_pooling() -> None:
    x, w, b = normal((2, 3, 4, 6), 0), normal((5, 3, 3, 3), 1), normal((5,), 2)
    out, caches = layer_utils.conv_relu_pool_forward(x, w, b, CONV, POOL)
    assert len(caches) == 3
    rectified = np.maximum(loops.conv_forward(x, w, b, CONV), 0)
    assert_close(out, loops.max_pool_forward(rectified, POOL))
    assert_close(layer_utils.conv_relu_forward(x, w, b, CONV)[0], rectified)


TOGETHER: dict[str, tuple[int, tuple[Any, ...]]] = {
    "affine_relu": (3, ()),
    "conv_relu": (3, (CONV,)),
    "conv_relu_pool": (3, (CONV, POOL)),
    "conv_bn_relu": (5, (CONV, {"mode": "train"})),
}


@pytest.mark.parametrize("name", TOGETHER)
def test_gradients_of_layers_together_are_numerical_ones(name: str) -> None:
    number, others = TOGETHER[name]
    affine = name == "affine_relu"
    w = normal((72, 5) if affine else (5, 3, 3, 3), 1)
    arrays = (normal((2, 3, 4, 6), 0), w, normal((5,), 2), GAMMA, BETA)[:number]
    forward, backward = (getattr(layer_utils, f"{name}_{way}") for way in ("forward", "backward"))

    def gradients(dout: Array, *arrays: Array) -> Any:
        return backward(dout, forward(*arrays, *others)[1])

    gradient_check((lambda *arrays: forward(*arrays, *others)[0], gradients), arrays)


# What `import *` brings.


def star(module: str) -> set[str]:
    names: dict[str, Any] = {}
    exec(f"from fastconv.compat.cs231n.{module} import *", names)
    return set(names) - {"__builtins__"}


def test_what_code_that_imports_everything_finds() -> None:
    columns = {"get_im2col_indices", "im2col_indices", "col2im_indices"}
    compiled = {"im2col_cython", "col2im_cython", "col2im_6d_cython"}
    assert star("im2col") == {"np"} | columns
    assert star("im2col_cython") == compiled
    assert {"np"} | columns | compiled | {"conv_forward_fast", "max_pool_backward_reshape"} <= star("fast_layers")
    assert {"np", "ReLU", "affine_forward", "spatial_groupnorm_backward", "svm_loss"} <= star("layers")
    assert star("layer_utils") >= star("layers") | star("fast_layers") | {"conv_bn_relu_backward"}


def test_the_package_hands_out_its_modules() -> None:
    import fastconv.compat
    from fastconv.compat import cs231n

    assert fastconv.compat.cs231n is cs231n
    assert cs231n.fast_layers is fast_layers
    assert {"fast_layers", "install"} <= set(dir(cs231n))
    assert "cs231n" in dir(fastconv.compat)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        cs231n.nothing  # noqa: B018
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        fastconv.compat.nothing  # noqa: B018


# Errors.

X, SCORES = np.ones((4, 2, 3)), np.ones((4, 5))
IMAGES = np.ones((2, 6, 3, 3))
ERRORS: dict[str, tuple[str, tuple[Any, ...], type[Exception], str]] = {
    "affine rows": (
        "affine_forward",
        (X, np.ones((5, 2)), 0),
        InvalidValueError,
        r"w must have shape \(D, M\), where D=6",
    ),
    "affine bias": ("affine_forward", (X, np.ones((6, 2)), np.ones(3)), InvalidValueError, r"b must have shape \(2,\)"),
    "affine cache": ("affine_backward", (X, (X, X)), InvalidTypeError, r"cache must be \(x, w, b\)"),
    "affine dout": (
        "affine_backward",
        (SCORES, (X, np.ones((6, 2)), 0)),
        InvalidValueError,
        r"dout must have shape \(4, 2\)",
    ),
    "relu dout": ("relu_backward", (X, SCORES), InvalidValueError, r"dout must have shape \(4, 5\) \(that of x\)"),
    "no mode": ("batchnorm_forward", (SCORES, 1, 0, {}), InvalidValueError, "bn_param must have the key 'mode'"),
    "mode": (
        "batchnorm_forward",
        (SCORES, 1, 0, {"mode": "eval"}),
        InvalidValueError,
        r"bn_param\['mode'\] must be one of 'train', 'test'",
    ),
    "bn axes": (
        "spatial_batchnorm_forward",
        (SCORES, 1, 0, {"mode": "train"}),
        InvalidValueError,
        r"x must have shape \(N, C, H, W\), but got \(4, 5\)",
    ),
    "gamma": (
        "batchnorm_forward",
        (SCORES, np.ones(4), np.ones(5), {"mode": "train"}),
        InvalidValueError,
        r"gamma must have shape \(5,\)",
    ),
    "bn cache": ("batchnorm_backward", (SCORES, (SCORES,)), InvalidTypeError, "cache must be what the forward pass"),
    "ln dict": ("layernorm_forward", (SCORES, 1, 0, None), InvalidTypeError, "ln_param must be a dictionary"),
    "ln axes": ("layernorm_forward", (X, 1, 0, {}), InvalidValueError, r"x must have shape \(N, D\)"),
    "groups": (
        "spatial_groupnorm_forward",
        (IMAGES, np.ones(6), np.ones(6), 4, {}),
        InvalidValueError,
        "G must divide the channels of x",
    ),
    "gn gamma": (
        "spatial_groupnorm_forward",
        (IMAGES, np.ones((6, 1, 1, 1)), np.ones(6), 2, {}),
        InvalidValueError,
        r"gamma must have shape \(6,\)",
    ),
    "layernorm cache": (
        "batchnorm_backward",
        (SCORES, layers.layernorm_forward(SCORES, GAMMA, BETA, {})[1]),
        InvalidTypeError,
        "cache must be what the forward pass of batchnorm in this module returned, but got that of layernorm",
    ),
    "batchnorm cache": (
        "spatial_groupnorm_backward",
        (IMAGES, layers.spatial_batchnorm_forward(IMAGES, np.ones(6), np.ones(6), {"mode": "train"})[1]),
        InvalidTypeError,
        "cache must be .* groupnorm in this module returned, but got that of batchnorm",
    ),
    "momentum": (
        "batchnorm_forward",
        (SCORES, GAMMA, BETA, {"mode": "train", "momentum": None}),
        InvalidTypeError,
        r"bn_param\['momentum'\] must be a number, but got None",
    ),
    "affine columns": (
        "affine_forward",
        (X, np.ones((6, 0)), np.ones(0)),
        InvalidValueError,
        r"w must not have an empty axis, but got shape \(6, 0\)",
    ),
    "dropout p": ("dropout_forward", (X, {"mode": "train"}), InvalidValueError, "dropout_param must have the key 'p'"),
    "dropout all": (
        "dropout_forward",
        (X, {"p": 0, "mode": "train"}),
        InvalidValueError,
        r"dropout_param\['p'\] must be more than 0 to train, but got 0. It is the probability of keeping .*1 - p is",
    ),
    "dropout mode": (
        "dropout_forward",
        (X, {"p": 0.5, "mode": "eval"}),
        InvalidValueError,
        r"dropout_param\['mode'\] must be one of",
    ),
    "dropout dout": ("dropout_backward", (X, ({}, SCORES)), InvalidValueError, r"dout must have shape \(4, 5\)"),
    "dropout cache": ("dropout_backward", (X, SCORES), InvalidTypeError, r"cache must be \(dropout_param, mask\)"),
    "labels": ("svm_loss", (SCORES, [0, 1, 2, 5]), InvalidValueError, "y must be at least 0 and less than 5"),
    "scores": ("softmax_loss", (SCORES[0], [0]), InvalidValueError, "x must have at least 2 axes"),
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors_of_layers(case: str) -> None:
    name, arguments, kind, match = ERRORS[case]
    with pytest.raises(kind, match=f"^{name}: {match}"):
        getattr(layers, name)(*arguments)

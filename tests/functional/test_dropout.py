"""Dropout of numbers and of channels."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from strategies import FLOATS, Array, normal, stored

from fastconv.errors import InvalidTypeError, InvalidValueError, NotRunError
from fastconv.layers import Dropout, Dropout1d, Dropout2d, Dropout3d, Linear, Sequential, inference_mode, predict
from fastconv.testing import assert_close

SHAPES: dict[str, tuple[Callable[..., Dropout], tuple[int, ...]]] = {
    "Dropout": (Dropout, (6, 7, 4, 5)),
    "Dropout of rows": (Dropout, (40, 30)),
    "Dropout1d": (Dropout1d, (6, 11, 5)),
    "Dropout2d": (Dropout2d, (6, 11, 4, 5)),
    "Dropout3d": (Dropout3d, (6, 11, 2, 3, 4)),
}
every_layer = pytest.mark.parametrize("name", SHAPES)


def made(name: str, p: float = 0.3, rng: Any = 0) -> tuple[Dropout, Array]:
    make, shape = SHAPES[name]
    return make(p, rng=rng), normal(shape, 1, np.float32) + 10  # no number is zero by itself


@every_layer
def test_what_is_kept_is_scaled_up(name: str) -> None:
    layer, x = made(name)
    y = layer(x)
    kept = y != 0
    assert_close(y, np.where(kept, x / np.float32(0.7), np.float32(0)))
    assert 0.1 < 1 - kept.mean() < 0.5
    if name[-1] == "d":  # whole channels
        flat = kept.reshape(*kept.shape[:2], -1)
        assert (flat.all(axis=2) | ~flat.any(axis=2)).all()
        assert not kept.all()


def test_p_is_the_probability_of_zeroing() -> None:
    y = Dropout(0.2, rng=3)(np.ones(200_000, np.float32))
    assert abs(float((y == 0).mean()) - 0.2) < 5 * (0.2 * 0.8 / y.size) ** 0.5  # five standard deviations


@every_layer
def test_backward_drops_the_same(name: str) -> None:
    layer, x = made(name)
    kept = layer(x) != 0
    dy = normal(x.shape, 2, np.float32) + 5
    before = dy.copy()
    dx = layer.backward(dy)
    assert_close(dx, np.where(kept, dy / np.float32(0.7), np.float32(0)))
    assert np.array_equal(dy, before)
    assert layer.backward(dy, input_gradient=False) is None


@every_layer
def test_evaluation_and_p_zero_are_the_identity(name: str) -> None:
    layer, x = made(name)
    state = copy.deepcopy(layer.rng.bit_generator.state)
    assert np.array_equal(layer.eval()(x), x)
    assert np.array_equal(layer.backward(x), x)
    assert layer.rng.bit_generator.state == state  # nothing is drawn
    idle, _ = made(name, 0.0)
    assert np.array_equal(idle(x), x)
    assert idle.kept_bytes(x.shape, 4) == layer.kept_bytes(x.shape, 4) == 0


@every_layer
def test_p_one_gives_zeros(name: str) -> None:
    layer, x = made(name, 1.0)
    assert not layer(x).any()
    dx = layer.backward(x)
    assert dx is not None
    assert not dx.any()


@every_layer
def test_the_generator_decides(name: str) -> None:
    (first, x), (second, _), (other, _) = made(name), made(name), made(name, rng=1)
    assert np.array_equal(first(x), second(x))
    assert not np.array_equal(first(x), other(x))
    saved = first.rng.bit_generator.state
    expected = first(x)
    first.rng.bit_generator.state = saved
    assert np.array_equal(first(x), expected)
    generator = np.random.default_rng(5)
    assert Dropout(rng=generator).rng is generator


@pytest.mark.parametrize("order", ["Fortran", "channels-last", "sliced", "read-only"])
@every_layer
def test_memory_order_does_not_decide(name: str, order: str) -> None:
    (layer, x), (other, _) = made(name), made(name)
    assert np.array_equal(other(stored(x, order)), layer(x))
    assert np.array_equal(other.backward(x), layer.backward(x))


def test_memory_order_is_kept() -> None:
    layer, x = made("Dropout")
    moved = stored(x, "channels-last")
    y = layer(moved)
    assert y.strides == moved.strides
    dx = layer.backward(moved)
    assert dx is not None
    assert dx.strides == moved.strides


@pytest.mark.parametrize("dtype", FLOATS)
@every_layer
def test_dtypes_are_kept(name: str, dtype: str) -> None:
    layer, x = made(name)
    assert layer(x.astype(dtype)).dtype == dtype
    assert np.asarray(layer.backward(x.astype(dtype))).dtype == dtype
    assert layer(x.astype(np.int64)).dtype == np.float64


@every_layer
def test_what_is_kept_for_the_backward_pass(name: str) -> None:
    layer, x = made(name)
    layer(x)
    mask = layer._kept()[1]
    assert mask.nbytes == layer.kept_bytes(x.shape, 4) <= x.size
    assert layer.output_shape(x.shape) == x.shape
    assert layer.flops(x.shape) == 2 * x.size
    with inference_mode():
        layer(x)
    with pytest.raises(NotRunError, match="inference_mode"):
        layer.backward(x)


def test_layouts() -> None:
    x = normal((6, 4, 5, 11), 0, np.float32) + 10
    kept = Dropout2d(0.4, layout="NHWC", rng=0)(x) != 0
    flat = kept.reshape(6, -1, 11)
    assert (flat.all(axis=1) | ~flat.any(axis=1)).all()
    assert 0 < kept.mean() < 1


@every_layer
def test_copies_draw_the_same(name: str) -> None:
    layer, x = made(name)
    layer(x)
    twins = copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))
    expected = layer(x)
    for twin in twins:
        assert np.array_equal(twin(x), expected)
        assert repr(twin) == repr(layer)
        assert twin.state_dict() == {}


def test_infinities_and_nan_give_no_warning() -> None:
    assert np.isnan(Dropout(0.5, rng=0)(np.full(100, np.nan, np.float32))).any()
    Dropout(0.5, rng=0)(np.full(100, np.inf, np.float16))
    Dropout(0.9, rng=0)(np.full(100, 6e4, np.float16))


def test_in_a_network() -> None:
    model = Sequential(Linear(7, 5, rng=0), Dropout(0.5, rng=1), Linear(5, 2, rng=2))
    x = normal((4, 7), 0, np.float32)
    first, second = model(x), model(x)
    assert not np.array_equal(first, second)
    assert np.array_equal(predict(model, x), predict(model, x))
    model(x)
    assert model.backward(np.ones((4, 2), np.float32)).shape == x.shape  # type: ignore[union-attr]


@pytest.mark.parametrize("name", ["Dropout", "Dropout2d"])
def test_evaluation_against_pytorch(name: str) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")
    layer, x = made(name)
    twin = getattr(torch.nn, name)(0.3)
    assert np.array_equal(layer.eval()(x), twin.eval()(torch.tensor(x)).numpy())
    y = twin.train()(torch.tensor(x)).numpy()
    assert_close(y, np.where(y != 0, x / np.float32(0.7), np.float32(0)))  # it scales as this one does


WRONG: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: Dropout(-0.1), InvalidValueError, "Dropout: p must be between 0 and 1, but got -0.1"),
    (lambda: Dropout2d(1.5), InvalidValueError, "Dropout2d: p must be between 0 and 1, but got 1.5"),
    (lambda: Dropout("half"), InvalidTypeError, "Dropout: p must be a number"),  # type: ignore[arg-type]
    (lambda: Dropout(True), InvalidTypeError, "Dropout: p must be a number"),
    (lambda: Dropout(rng=-1), InvalidTypeError, "rng must be a numpy.random.Generator, a non-negative seed or None"),
    (lambda: Dropout2d(layout="NCW"), InvalidValueError, "Dropout2d: layout must be 'NCHW' or 'NHWC'"),
    (lambda: Dropout2d()(np.ones((2, 3))), InvalidValueError, "Dropout2d.output_shape: input_shape must be a sequence"),
    (lambda: Dropout()(np.ones(3, complex)), InvalidTypeError, "Dropout: x must have a float16, float32, float64"),
]


@pytest.mark.parametrize(("call", "kind", "message"), WRONG, ids=[message[:50] for _, _, message in WRONG])
def test_wrong_calls(call: Callable[[], Any], kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        call()


def test_backward_refuses_another_shape() -> None:
    layer, x = made("Dropout")
    layer(x)
    with pytest.raises(InvalidValueError, match="dy must have the shape of the output"):
        layer.backward(x[:2])

"""Dropout of numbers and of channels."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from strategies import BACKENDS, FLOATS, Array, normal, stored

import fastconv as fc
from fastconv.backends import resolve_backend
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


# the masks


SPLITMIX64 = {  # published with the generator: its first numbers from these seeds
    0: (0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F),
    1234567: (6457827717110365317, 3203168211198807973, 9817491932198370423),
}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("seed", SPLITMIX64)
def test_the_numbers_of_the_generator(seed: int, backend: str) -> None:
    for i, number in enumerate(SPLITMIX64[seed]):
        for p, expected in (((number >> 32) / 2**32, True), (((number >> 32) + 1) / 2**32, False)):
            mask = resolve_backend(backend).dropout_mask(np.array([seed], np.uint64), p, np.empty(3))
            assert mask[i] == expected


@pytest.mark.parametrize("order", ["C", "Fortran", "channels-last", "sliced"])
@pytest.mark.parametrize(
    "shape", [(7,), (300, 301), (3, 5, 11), (2, 3, 40, 33), (2, 3, 4, 5, 6), (0, 3, 2, 2), (3, 1, 2, 5)]
)
def test_the_mask_is_one_of_seed_and_position(shape: tuple[int, ...], order: str) -> None:
    seed, x = np.array([2**64 - 3], np.uint64), np.zeros(shape, np.float32)
    expected = resolve_backend("numpy").dropout_mask(seed, 0.4, x)
    like = stored(x, order) if order != "C" else x
    for backend in BACKENDS:
        for threads in (1, 2):
            with fc.use_num_threads(threads):
                mask = resolve_backend(backend).dropout_mask(seed, 0.4, like)
            assert np.array_equal(mask, expected)
            assert mask.dtype == np.bool_


@pytest.mark.parametrize("dtype", FLOATS)
@every_layer
def test_all_backends_give_the_same_bits(name: str, dtype: str) -> None:
    make, shape = SHAPES[name]
    for order in ("C", "Fortran", "channels-last"):
        results = []
        for backend in BACKENDS:
            layer, x = make(0.3, rng=4), normal(shape, 1, dtype)
            x.reshape(-1)[:3] = np.nan, np.inf, -0.0
            x = stored(x, order) if order != "C" else x
            with fc.use_backend(backend):
                y = layer(x)
            dx = layer.backward(np.ascontiguousarray(x))
            results.append([np.ascontiguousarray(array).tobytes() for array in (y, dx)])
        assert all(result == results[0] for result in results)


@pytest.mark.skipif("fast" not in BACKENDS, reason="the fast backend needs Numba")
@every_layer
def test_launches_are_all_that_it_does(name: str) -> None:
    """The seed is read from one array, which `draw` fills; nothing else comes from Python."""
    from fastconv.backends.fast.machine.record import recording

    layer, x = made(name)
    seed = layer._seed
    with fc.use_backend("fast"), recording() as record:
        layer(x)
        layer.backward(x)
    assert len(record.runs) == 3
    assert layer._seed is seed
    assert any(array is seed for array in record.arrays)
    before = seed.copy()
    layer.draw()
    assert layer._seed is seed
    assert seed != before


def masks(p: float, count: int, shape: tuple[int, ...]) -> Array:
    """Masks of a layer, one after the other."""
    layer = Dropout(p, rng=11)
    return np.array([layer(np.ones(shape, np.float32)) != 0 for _ in range(count)])


@pytest.mark.parametrize("p", [0.01, 0.1, 0.5, 0.9])
def test_statistics_of_the_mask(p: float) -> None:
    """Means, neighbours in every direction, and other seeds, within five standard deviations."""
    kept = masks(p, 8, (50, 60, 70)).astype(np.float64) - (1 - p)
    variance = p * (1 - p)
    assert abs(kept.mean()) < 5 * (variance / kept.size) ** 0.5
    for axis in range(4):  # the first one is that of the seeds
        size = kept.shape[axis]
        for lag in (1, 2, 3, 8, 16, 32):
            if lag < size:
                a, b = kept.take(range(size - lag), axis), kept.take(range(lag, size), axis)
                assert abs((a * b).mean()) < 5 * variance / a.size**0.5, (axis, lag)
        other = tuple(i for i in range(4) if i != axis)
        means, terms = kept.mean(axis=other), kept.size / size
        assert np.abs(means).max() < 5.5 * (variance / terms) ** 0.5


def test_runs_of_what_is_kept_are_as_long_as_they_should_be() -> None:
    """Lengths of runs are geometric: chi-squared of them, with 12 degrees of freedom."""
    kept = masks(0.5, 1, (400_000,))[0]
    ends = np.flatnonzero(np.diff(kept)) + 1
    lengths = np.bincount(np.minimum(np.diff(ends), 13))[1:]
    share = 0.5 ** np.arange(1, 14)
    share[-1] *= 2  # 13 and longer
    expected = share * lengths.sum()
    assert ((lengths - expected) ** 2 / expected).sum() < 40  # one in 14,000


def test_seeds_that_differ_by_one_bit_have_nothing_in_common() -> None:
    backend, x, seed = resolve_backend("numpy"), np.empty(100_000), 0x0123456789ABCDEF
    first = backend.dropout_mask(np.array([seed], np.uint64), 0.5, x)
    for bit in range(64):
        other = backend.dropout_mask(np.array([seed ^ (1 << bit)], np.uint64), 0.5, x)
        assert abs((first == other).mean() - 0.5) < 5 * 0.5 / x.size**0.5

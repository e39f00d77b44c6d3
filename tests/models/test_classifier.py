"""A network that is asked about pictures: batches, programs, probabilities, and that it is a layer like its network."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import fastconv as fc
from fastconv.data import Preprocessing
from fastconv.errors import InvalidTypeError, InvalidValueError
from fastconv.layers import Flatten, Linear, Sequential, Softmax
from fastconv.models import Architecture, Classifier, architecture_of, as_probabilities, by_name
from fastconv.models.classifier import score_rows

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (7, 1, 28, 28), np.uint8)
BACKENDS = [name for name in ("numpy", "fast") if name in fc.available_backends()]


def classifier() -> Classifier:
    return Classifier(by_name("lenet5", rng=0), Preprocessing(size=28, channels=1), [f"digit {i}" for i in range(10)])


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("batch_size", [3, 128])
def test_batches_and_programs_say_what_the_network_says(backend: str, batch_size: int) -> None:
    model = classifier()
    with fc.use_backend(backend):
        expected = model.network(IMAGES / np.float32(255))
        scores = model.scores(IMAGES, batch_size=batch_size)
        fc.testing.assert_close(scores, expected)
        np.testing.assert_array_equal(model.predict(IMAGES, batch_size=batch_size), expected.argmax(axis=1))
        shares = model.predict_proba(IMAGES, batch_size=batch_size)
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(shares.argmax(axis=1), expected.argmax(axis=1))
    assert model.predict(IMAGES).dtype == np.int64


def test_new_weights_and_another_backend_are_taken() -> None:
    model, other = classifier(), by_name("lenet5", rng=1)
    before = model.scores(IMAGES)
    model.load_state_dict(other.state_dict())
    after = model.scores(IMAGES)
    assert np.abs(after - before).max() > 1e-3
    with fc.use_backend("numpy"):
        np.testing.assert_allclose(model.scores(IMAGES), after, rtol=1e-4, atol=1e-5)


def test_pictures_of_any_size_and_none_at_all() -> None:
    pytest.importorskip("PIL", reason="Pillow is not installed")
    model = classifier()
    assert model.predict([np.zeros((3, 30, 40), np.uint8), IMAGES[0]]).shape == (2,)
    assert model.predict_proba(IMAGES[:0]).shape == (0, 10)


def test_it_is_a_layer_with_the_names_of_its_network() -> None:
    model = classifier()
    assert list(model.state_dict()) == list(model.network.state_dict())
    assert not model.training
    assert not model.network.training
    x = (IMAGES[:2] / np.float32(255)).astype(np.float32)
    np.testing.assert_array_equal(model(x), model.network(x))
    assert model.backward(np.ones((2, 10), np.float32)).shape == x.shape  # type: ignore[union-attr]
    assert model.output_shape(x.shape) == (2, 10)
    assert model.multiply_adds(x.shape) == model.network.multiply_adds(x.shape)
    assert fc.summary(model, x.shape).parameters == fc.summary(model.network, x.shape).parameters
    assert sum(p.size for p in model.train().parameters()) == 61706
    assert model.network.training


def test_it_is_copied_and_pickled() -> None:
    model = classifier()
    expected = model.predict_proba(IMAGES)
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(other.predict_proba(IMAGES), expected)
        assert other.class_names == model.class_names


def test_without_preprocessing_it_takes_what_the_network_takes() -> None:
    model = Classifier(Linear(3, 2, rng=0))
    np.testing.assert_array_equal(model.scores(np.eye(3)), model.network(np.eye(3)))


def test_probabilities_are_left_and_logarithms_understood() -> None:
    shares = as_probabilities(RNG.normal(size=(6, 10)))
    np.testing.assert_array_equal(as_probabilities(shares), shares)
    np.testing.assert_allclose(as_probabilities(np.log(shares)), shares)
    halves = shares.astype(np.float16)
    np.testing.assert_array_equal(as_probabilities(halves), halves)
    one_row_is_none = np.concatenate([shares, np.full((1, 10), 0.2)])
    assert np.abs(as_probabilities(one_row_is_none)[:6] - shares).max() > 0.01
    model = Classifier(Sequential(Linear(3, 2, rng=0), Softmax()))
    np.testing.assert_array_equal(model.predict_proba(np.eye(3)), model(np.eye(3)))


def test_axes_of_one_cell_are_no_scores_of_pixels() -> None:
    pools = Classifier(fc.layers.GlobalAvgPool2d())
    assert pools.predict_proba(np.ones((2, 3, 4, 5))).shape == (2, 3)
    with pytest.raises(InvalidValueError, match=r"one row of scores for each picture, but got shape \(2, 3, 4, 5\)"):
        Classifier(fc.layers.ReLU()).predict(np.ones((2, 3, 4, 5)))


@pytest.mark.parametrize("scores", [np.ones((2, 1)), np.ones((2, 3), np.int64)])
def test_numbers_of_classes_and_one_score_are_no_scores_of_classes(scores: NDArray[Any]) -> None:
    with pytest.raises(InvalidValueError, match=f"scores of two or more classes, but got {scores.dtype} of shape"):
        score_rows(scores)


def test_what_is_no_network_is_refused() -> None:
    with pytest.raises(InvalidTypeError, match="network must be a Layer"):
        Classifier("lenet5")  # type: ignore[arg-type]
    with pytest.raises(InvalidTypeError, match=r"preprocessing must be a fastconv.data.Preprocessing"):
        Classifier(Flatten(), lambda x: x)  # type: ignore[arg-type]
    with pytest.raises(InvalidTypeError, match="class_names must be strings"):
        Classifier(Flatten(), None, [1, 2])  # type: ignore[list-item]


def test_a_network_knows_its_name_until_its_layers_change() -> None:
    model = by_name("vgg-small", widths=(4, 8), hidden=5, classes=3, rng=0)
    arguments = {"input_shape": [3, 32, 32], "classes": 3, "dtype": "float32", "widths": [4, 8], "hidden": 5}
    assert architecture_of(model) == Architecture("vgg-small", arguments)
    assert architecture_of(copy.deepcopy(model)) == architecture_of(model)
    model._layers["relu"] = fc.layers.Tanh()  # type: ignore[attr-defined]
    assert architecture_of(model) is None
    assert architecture_of(Linear(3, 2)) is None

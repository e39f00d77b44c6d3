"""The estimators: scikit-learn's own checks, and what a user of it expects."""

from __future__ import annotations

import pickle
from functools import partial
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn.base", reason="the estimators need scikit-learn")

from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from fastconv.data.augment import RandomFlip
from fastconv.errors import InvalidTypeError, InvalidValueError
from fastconv.layers import Conv2d, Flatten, GlobalAvgPool2d, Linear, Sequential
from fastconv.models import LeNet5
from fastconv.optim import SGD
from fastconv.sklearn import CNNClassifier, CNNRegressor

# docs/sklearn.md has the same list.
EXCEPTIONS = {
    "check_methods_subset_invariance": "float32: the same input in a batch of another size may round otherwise",
}


def pictures(count: int = 90) -> tuple[Any, Any]:
    """Bright above, below, or on the left."""
    rng = np.random.default_rng(0)
    X, y = rng.random((count, 2, 6, 8)), np.arange(count) % 3
    X[y == 0, :, :3] += 1
    X[y == 1, :, 3:] += 1
    X[y == 2, :, :, :4] += 1
    return X, np.array(["above", "below", "left"])[y]


def weights(model: Any) -> list[Any]:
    return list(model.network_.state_dict().values())


def same_bits(one: Any, other: Any) -> bool:
    return all(np.array_equal(first, second) for first, second in zip(weights(one), weights(other)))


@pytest.mark.slow
@pytest.mark.parametrize("estimator", [CNNClassifier(), CNNRegressor()], ids=lambda each: type(each).__name__)
def test_the_checks_of_scikit_learn_pass(estimator: Any) -> None:
    results = check_estimator(estimator, on_fail=None, on_skip=None)
    assert len(results) > 40
    failed = {result["check_name"]: result["exception"] for result in results if result["status"] == "failed"}
    assert failed.keys() <= EXCEPTIONS.keys(), failed


@pytest.mark.parametrize("kind", [CNNClassifier, CNNRegressor])
def test_inputs_in_another_batch_differ_by_rounding_alone(kind: Any) -> None:
    X, y = pictures()
    model = kind(epochs=2, random_state=0).fit(X, y if kind is CNNClassifier else X.mean(axis=(1, 2, 3)))
    say = model.predict_proba if kind is CNNClassifier else model.predict
    np.testing.assert_allclose(say(X), np.concatenate([say(X[i : i + 7]) for i in range(0, len(X), 7)]), atol=2e-6)


def test_it_learns_and_says_names_and_probabilities() -> None:
    X, y = pictures()
    model = CNNClassifier(epochs=5, random_state=0).fit(X[:60], y[:60])
    assert model.score(X[60:], y[60:]) == 1.0
    assert model.classes_.tolist() == ["above", "below", "left"]
    probabilities = model.predict_proba(X[:3])
    assert probabilities.shape == (3, 3)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-12)
    assert model.n_iter_ == len(model.history_.epochs) == 5
    assert model.input_shape_ == (2, 6, 8)


def test_a_seed_gives_the_same_bits() -> None:
    X, y = pictures()
    one, other, third = (CNNClassifier(epochs=2, random_state=seed).fit(X, y) for seed in (3, 3, 4))
    assert same_bits(one, other)
    assert not same_bits(one, third)
    assert same_bits(clone(one).fit(X, y), one)


def test_partial_fit_goes_on_like_epochs_of_one_fit_and_after_a_pickle() -> None:
    X, y = pictures()
    whole = CNNClassifier(epochs=3, random_state=0).fit(X, y)
    model = CNNClassifier(random_state=0).partial_fit(X, y).partial_fit(X, y)
    again = pickle.loads(pickle.dumps(model))
    assert np.array_equal(again.predict(X), model.predict(X))
    for each in (model, again):
        assert same_bits(each.partial_fit(X, y), whole)


def test_partial_fit_takes_classes_that_come_later() -> None:
    X, y = pictures()
    model = CNNClassifier(random_state=0).partial_fit(X[:1], y[:1], classes=["left", "below", "above"])
    assert model.partial_fit(X, y).predict_proba(X).shape == (90, 3)
    with pytest.raises(InvalidValueError, match=r"y must have labels of \['above', 'below', 'left'\].*'right'"):
        model.partial_fit(X[:2], ["left", "right"])


def test_flat_features_become_images_and_bytes_stay_bytes() -> None:
    X, y = pictures()
    stored = (X * 100).astype(np.uint8)
    options: dict[str, Any] = {"epochs": 1, "random_state": 0}
    model = CNNClassifier(**options).fit(stored, y)
    flat = CNNClassifier(input_shape=(2, 6, 8), **options).fit(stored.reshape(90, -1), y)
    assert same_bits(model, flat)
    assert np.array_equal(flat.predict(stored.reshape(90, -1)), model.predict(stored))
    grey = CNNClassifier(input_shape=(1, 6, 8), **options).fit(stored[:, 0], y)
    assert grey.input_shape_ == (1, 6, 8)


@pytest.mark.parametrize("shape", [(5,), (2, 9), (2, 4, 5), (1, 3, 4, 5)])
def test_inputs_of_any_rank(shape: tuple[int, ...]) -> None:
    X = np.random.default_rng(0).random((40, *shape))
    model = CNNClassifier(epochs=1, random_state=0).fit(X, np.arange(40) % 2)
    assert model.predict(X).shape == (40,)


@pytest.mark.parametrize(
    "network",
    [
        "lenet5",
        LeNet5,
        lambda input_shape, classes, rng: Sequential(
            Conv2d(input_shape[0], classes, 3, rng=rng), GlobalAvgPool2d(), Flatten()
        ),
    ],
)
def test_networks_by_name_and_by_function(network: Any) -> None:
    X, y = np.random.default_rng(0).random((12, 1, 16, 18)), np.arange(12) % 3
    model = CNNClassifier(network, epochs=1, optimizer=partial(SGD, momentum=0.9), augment=RandomFlip()).fit(X, y)
    assert model.predict(X).shape == (12,)


def test_early_stopping_keeps_the_best_weights() -> None:
    X, y = pictures()
    y = np.random.default_rng(1).permutation(y)  # nothing to be learned
    model = CNNClassifier(epochs=60, early_stopping=True, validation_fraction=0.2, n_iter_no_change=3, random_state=0)
    model.fit(X, y)
    losses = [record.validation_loss for record in model.history_.epochs]
    best = int(np.argmin(losses))
    assert model.n_iter_ == len(losses) == best + 4 < 60
    shorter = CNNClassifier(epochs=best + 1, early_stopping=True, validation_fraction=0.2, random_state=0).fit(X, y)
    assert same_bits(model, shorter)


def test_grid_search_through_a_pipeline() -> None:
    X, y = pictures(60)
    pipeline = make_pipeline(StandardScaler(), CNNClassifier(input_shape=(2, 6, 8), epochs=2, random_state=0))
    search = GridSearchCV(pipeline, {"cnnclassifier__lr": [1e-6, 0.01]}, cv=2).fit(X.reshape(60, -1), y)
    assert search.best_params_ == {"cnnclassifier__lr": 0.01}
    assert search.predict(X.reshape(60, -1)).tolist() == y.tolist()


def test_a_regressor_speaks_in_the_unit_of_its_targets() -> None:
    X, _ = pictures()
    upper, left = X[:, :, :3].mean(axis=(1, 2, 3)), X[..., :4].mean(axis=(1, 2, 3))
    y = np.stack([1e4 + 100 * upper, left], axis=1)
    model = CNNRegressor(epochs=20, random_state=0).fit(X[:60], y[:60])
    assert model.predict(X).shape == (90, 2)
    assert model.score(X[60:], y[60:]) > 0.5
    one = CNNRegressor(epochs=2, random_state=0).fit(X, y[:, 0])
    parts = CNNRegressor(random_state=0).partial_fit(X, y[:, 0]).partial_fit(X, y[:, 0])
    assert one.predict(X).shape == (90,)
    assert same_bits(one, parts)


def test_verbose_prints_a_line_for_each_epoch(capsys: pytest.CaptureFixture[str]) -> None:
    X, y = pictures(30)
    CNNClassifier(epochs=2, verbose=True).fit(X, y)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == ["epoch 1/2", "epoch 2/2"]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (
            {"input_shape": (3, 6, 8)},
            InvalidValueError,
            r"as many cells as an input has features, 96, but got \(3, 6, 8\)",
        ),
        ({"input_shape": 96}, InvalidTypeError, "input_shape must be a tuple of sizes, but got 96"),
        ({"network": 3}, InvalidTypeError, "network must be 'auto', a name of fastconv.models.MODELS, or a function"),
        ({"network": lambda **_: 3}, InvalidTypeError, "network must return a Layer, but got int"),
        ({"network": "lenet"}, InvalidValueError, "name must be one of"),
        ({"optimizer": "adams"}, InvalidValueError, "optimizer must be one of"),
        ({"optimizer": 3}, InvalidTypeError, "optimizer must be a name or a function, but got 3"),
        ({"epochs": 0}, InvalidValueError, "epochs must be at least 1"),
        ({"network": lambda **_: Linear(8, 3, rng=0)}, InvalidValueError, "the model must take the images"),
    ],
)
def test_what_is_refused(options: dict[str, Any], error: type[Exception], message: str) -> None:
    X, y = pictures(30)
    with pytest.raises(error, match=message):
        CNNClassifier(**options).fit(X, y)


def test_inputs_of_another_shape_are_refused() -> None:
    X, y = pictures(30)
    model = CNNClassifier(epochs=1).fit(X, y)
    with pytest.raises(InvalidValueError, match=r"96.*X of shape \(30, 2, 6, 9\)|\(30, 2, 6, 9\)"):
        model.predict(np.zeros((30, 2, 6, 9)))
    with pytest.raises(InvalidValueError, match="two or more classes, but got 1 class"):
        CNNClassifier().fit(X, np.zeros(30, int))

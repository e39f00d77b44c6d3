"""A network that does not learn is told so while it trains: its loss is that of guessing."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from math import log
from pathlib import Path

import numpy as np
import pytest

from fastconv import cli, models
from fastconv.backends import use_backend
from fastconv.data import Dataset, Preprocessing
from fastconv.errors import LearningWarning
from fastconv.layers import Flatten, Layer, Linear, Sequential
from fastconv.losses import multiclass_svm
from fastconv.optim import SGD, Adam
from fastconv.training import Progress, Trainer
from fastconv.training.stalling import Guessing


def stripes(count: int, shares: tuple[float, ...] = (0.25, 0.25, 0.25, 0.25)) -> Dataset:
    """Images whose class is the brightest row; bytes, all of them dark."""
    rng = np.random.default_rng(0)
    labels = rng.choice(len(shares), count, p=shares)
    images = rng.integers(0, 40, (count, 1, len(shares), 6), np.uint8)
    images[np.arange(count), 0, labels] += 12
    return Dataset(images, labels, tuple("abcd")[: len(shares)])


def linear(lr: float, **options: object) -> Trainer:
    model = Sequential(Flatten(), Linear(24, 4, rng=0))
    return Trainer(model, SGD(model.parameters(), lr=lr), compile=False, **options)  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def numpy_backend() -> object:
    with use_backend("numpy"):
        yield


def test_what_guessing_reaches() -> None:
    even, odd = Guessing(np.repeat(np.arange(8), 5)), Guessing(np.array([0] * 9 + [2]))
    assert (even.classes, even.accuracy) == (8, 0.125)
    assert even.loss == pytest.approx(log(8))
    assert (odd.classes, odd.accuracy) == (2, 0.9)
    assert odd.loss == pytest.approx(-0.9 * log(0.9) - 0.1 * log(0.1))
    assert not Guessing(np.zeros(5, np.int64)).explains([0.0] * 99, 1.0, images=99)  # nothing to learn


@pytest.mark.parametrize(
    ("losses", "accuracy", "said"),
    [
        ([1.3863] * 60, 0.25, True),
        ([1.3863] * 49, 0.25, False),  # too early
        ([1.3863] * 60 + [1.3] * 60, 0.25, False),  # on its way
        ([5.0] * 20 + [1.0] * 40, 0.25, False),  # a bad beginning
        ([0.5] * 200 + [1.39] * 100, 0.25, True),  # it has collapsed
        ([1.5] * 60, 0.5, False),  # a penalty is in the loss, but it learns
    ],
)
def test_loss_and_accuracy_of_the_last_steps_decide(losses: list[float], accuracy: float, said: bool) -> None:
    assert Guessing(np.array([0, 1, 2, 3])).explains(losses, accuracy, images=1600) is said


def test_it_is_said_once_while_it_happens_and_says_what_to_try() -> None:
    run, seen = linear(1e-9), []

    def progress(report: Progress) -> None:
        seen.append(len(found))

    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        run.fit(stripes(640), epochs=6, batch_size=32, progress=progress)  # 20 steps an epoch
    (one,) = found
    assert issubclass(one.category, LearningWarning)
    assert "guessing among 4 classes has 1.38" in str(one.message)
    assert "a tenth or ten times of the learning rate, 1e-09" in str(one.message)
    assert seen.index(1) == 61  # the last step of the third epoch, two reports of epochs before
    assert Path(one.filename).name == Path(__file__).name


def learns() -> Trainer:
    return linear(0.5, prepare=Preprocessing.fitted(stripes(640)))


@pytest.mark.parametrize("make", [learns, lambda: linear(1e-9, loss=multiclass_svm)], ids=["it learns", "another loss"])
def test_nothing_is_said(make: Callable[[], Trainer]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        make().fit(stripes(640), epochs=4, batch_size=32)


def test_the_networks_of_small_images_leave_guessing_behind_with_their_rates() -> None:
    data = stripes(160)
    tall = data.with_images(data.images.repeat(4, axis=2).repeat(3, axis=3))  # 16×18
    for name in ("lenet5", "lenet5-tanh", "three-layer"):
        model: Layer = models.by_name(name, input_shape=tall.image_shape, classes=4, rng=0)
        rule = Adam(model.parameters(), lr=models.MODELS[name].lr)
        run = Trainer(model, rule, prepare=Preprocessing.fitted(tall), compile=False)
        assert run.fit(tall, epochs=3, batch_size=16).epochs[-1].train_loss < 0.7 * log(4), name


def test_the_command_line_says_it_between_its_epochs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("typer")
    data = stripes(640)
    np.savez(tmp_path / "some.npz", images=data.images, labels=data.labels)
    arguments = ["train", str(tmp_path / "some.npz"), "--model", "three-layer", "--backend", "numpy", "--epochs", "6"]
    for extra, said in ((["--lr", "1e-9"], True), ([], False)):
        monkeypatch.setattr(sys, "argv", ["fastconv", *arguments, *extra])
        assert cli.main() == 0
        lines = capsys.readouterr().out.splitlines()
        (header,) = (place for place, line in enumerate(lines) if line.startswith("epoch  train loss"))
        places = [place for place, line in enumerate(lines) if "the network does not learn" in line]
        assert [place - header for place in places] == [4] * said  # 15 steps an epoch: before the line of the fourth

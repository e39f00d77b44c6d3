"""What a network may learn from: inputs of any rank, and labels, numbers, images or signals as targets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastconv as fc
from fastconv.data import Dataset
from fastconv.layers import Conv1d, Conv2d, Conv3d, Flatten, Layer, Linear, ReLU, Sequential
from fastconv.optim import Adam
from fastconv.training import EarlyStopping, Trainer, evaluate, plot_history

RNG = np.random.default_rng(0)
SIGNALS = RNG.standard_normal((48, 2, 10))
PICTURES = RNG.standard_normal((48, 2, 5, 6))
BRIGHT = PICTURES.mean(axis=(1, 2, 3))

Network = tuple[Layer, Any, Any, str]


def networks() -> dict[str, Network]:
    """A network with its inputs, its targets and its loss."""
    flat = Flatten()
    volumes = RNG.standard_normal((48, 1, 3, 4, 5))
    return {
        "features, classes": (Linear(10, 2, rng=0), SIGNALS[:, 0], (SIGNALS[:, 0, 0] > 0).astype(int), "softmax"),
        "signals, classes": (
            Sequential(Conv1d(2, 4, 3, rng=0), ReLU(), flat, Linear(32, 2, rng=1)),
            SIGNALS,
            (SIGNALS[:, 0, 0] > 0).astype(int),
            "svm",
        ),
        "pictures, numbers": (Sequential(flat, Linear(60, 1, rng=0)), PICTURES, BRIGHT, "squared_error"),
        "pictures, two numbers": (
            Sequential(flat, Linear(60, 2, rng=0)),
            PICTURES,
            np.stack([BRIGHT, -BRIGHT], axis=1),
            "squared_error",
        ),
        "pictures, pictures": (Conv2d(2, 1, 3, padding=1, rng=0), PICTURES, PICTURES[:, :1], "squared_error"),
        "pictures, classes of pixels": (
            Conv2d(2, 3, 3, padding=1, rng=0),
            PICTURES,
            (PICTURES[:, 0] > 0).astype(int),
            "softmax",
        ),
        "pictures, shares of classes": (
            Sequential(flat, Linear(60, 2, rng=0)),
            PICTURES,
            np.tile([0.25, 0.75], (48, 1)),
            "softmax",
        ),
        "signals, signals": (
            Conv1d(2, 1, 1, rng=0),
            SIGNALS,
            (SIGNALS[:, :1] > 0).astype(float),
            "binary_cross_entropy_with_logits",
        ),
        "volumes, volumes": (Conv3d(1, 1, 1, rng=0), volumes, 2 * volumes, "squared_error"),
    }


def trained(case: str, train: Any = None, **how: Any) -> tuple[Trainer, Any]:
    model, x, y, loss = networks()[case]
    trainer = Trainer(model, Adam(model.parameters(), lr=0.02), loss, seed=0)
    data = (x, y) if train is None else train
    trainer.fit(data, **{"validation": (x, y), "epochs": 6, "batch_size": 20, **how})
    return trainer, (x, y)


@pytest.mark.parametrize("case", networks())
@pytest.mark.parametrize("backend", ["fast", "numpy"])
def test_it_learns_and_measures(case: str, backend: str) -> None:
    with fc.use_backend(backend):
        trainer, (x, y) = trained(case)
        first, *_, last = trainer.history.epochs
        assert last.train_loss < first.train_loss
        loss, accuracy = trainer.evaluate((x, y))
        assert loss == pytest.approx(last.validation_loss, rel=1e-5)
        scores = trainer.model.eval()(x.astype(np.float32))
    if y.dtype.kind == "f":
        assert accuracy is last.train_accuracy is last.validation_accuracy is None
        assert trainer.history.best.validation_loss == min(each.validation_loss or 0 for each in trainer.history.epochs)
    else:
        assert accuracy == pytest.approx((scores.argmax(axis=1) == y).mean())


def test_a_number_each_is_compared_with_the_one_output() -> None:
    model, x, y, _ = networks()["pictures, numbers"]
    metrics = evaluate(model, (x, y), Trainer(model, Adam(model.parameters()), "squared_error").loss)
    expected = np.square(model(x.astype(np.float32))[:, 0] - y.astype(np.float32)).mean()
    assert metrics.loss == pytest.approx(expected, rel=1e-5)


def test_a_pair_is_a_dataset() -> None:
    _, x, y, _ = networks()["pictures, classes of pixels"]
    pair, _ = trained("pictures, classes of pixels")
    dataset, _ = trained("pictures, classes of pixels", Dataset(x.astype(np.float32), y))
    assert pair.history.step_losses == dataset.history.step_losses


def test_bytes_stay_bytes_and_are_divided() -> None:
    stored = RNG.integers(0, 256, (30, 1, 4, 5), np.uint8)
    losses = []
    for x in (stored, stored / np.float32(255)):
        model = Sequential(Flatten(), Linear(20, 2, rng=0))
        trainer = Trainer(model, Adam(model.parameters()), seed=0)
        losses.append(trainer.fit((x, np.arange(30) % 2), epochs=1).step_losses)
    assert losses[0] == losses[1]


@pytest.mark.parametrize("case", ["pictures, numbers", "pictures, classes of pixels", "signals, signals"])
def test_a_stopped_run_goes_on_to_the_same_bits(case: str, tmp_path: Path) -> None:
    class CutError(Exception):
        pass

    def cut(progress: Any) -> None:
        if (progress.epoch, progress.step) == (3, 2):
            raise CutError

    folder: dict[str, Any] = {"checkpoint": tmp_path, "checkpoint_every": 1}
    with pytest.raises(CutError):
        trained(case, progress=cut, **folder)
    resumed, (x, y) = trained(case, resume=True, **folder)
    assert resumed.history.step_losses == trained(case)[0].history.step_losses
    with pytest.raises(ValueError, match="checksum of the labels"):
        trained(case, (x, y[::-1]), resume=True, checkpoint=tmp_path)


def test_early_stopping_and_the_picture_go_by_the_loss(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    trainer, _ = trained("pictures, numbers", epochs=300, early_stopping=EarlyStopping(2, min_delta=1e-3))
    assert len(trainer.history.epochs) < 300
    plot_history(trainer.history, tmp_path / "curve.svg")
    assert "accuracy" not in (tmp_path / "curve.svg").read_text()


@pytest.mark.parametrize(
    ("case", "y", "message"),
    [
        (
            "pictures, numbers",
            BRIGHT[:, None, None],
            r"shape of the output of the model, \('N', 1\), but got \('N', 1, 1\)",
        ),
        ("pictures, pictures", PICTURES, r"\('N', 1, 5, 6\), but got \('N', 2, 5, 6\).*classes have an integer dtype"),
        ("pictures, classes of pixels", np.zeros(48, int), r"one row of scores for each image.*\('N', 3, 5, 6\)"),
        ("pictures, classes of pixels", np.full((48, 5, 6), 3), r"of the \(5, 6\) labels of an image.*labels up to 3"),
        ("features, classes", np.zeros((48, 2), int), r"of the \(2,\) labels of an image.*floating dtype"),
    ],
)
def test_targets_that_are_not_like_the_output(case: str, y: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        trained(case, (networks()[case][1], y))

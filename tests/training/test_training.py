"""The training loop: what it computes, what it remembers, what it refuses."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from strategies import Array
from training_runs import BATCH, IMAGES, fit, images, network, trainer

import fastconv as fc
from fastconv.data import Dataset, load_digits, normalise
from fastconv.errors import DivergedError
from fastconv.layers import (
    BatchNorm1d,
    BatchNorm2d,
    Conv2d,
    Flatten,
    Identity,
    Layer,
    Linear,
    MaxPool2d,
    ReLU,
    Residual,
    Sequential,
)
from fastconv.losses import LOSSES, softmax_cross_entropy
from fastconv.optim import SGD, Adam, CosineAnnealingLR, ExponentialLR
from fastconv.testing import assert_close
from fastconv.training import EarlyStopping, EpochRecord, History, Metrics, Progress, Trainer, plot_history

STEPS = -(-IMAGES // BATCH)


@pytest.fixture(autouse=True)
def numpy_backend() -> None:
    fc.set_backend("numpy")


def weights(run: Trainer) -> list[Any]:
    return list(run.model.state_dict().values())


def trained(run: Trainer) -> list[Any]:
    return [parameter.data.copy() for parameter in run.model.parameters()]


def equal(one: Trainer, other: Trainer) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(weights(one), weights(other)))


# what it computes


def test_a_step_is_what_one_would_write_by_hand() -> None:
    data = images(5, stored=np.float32)
    model, by_hand = Sequential(Flatten(), Linear(48, 4, rng=0)), Linear(48, 4, rng=0)
    run = Trainer(model, SGD(model.parameters(), lr=0.5), l2=0.25)
    loss, right = run.train_step(data.images, data.labels)
    scores = by_hand(data.images.reshape(5, -1))
    expected, dy = softmax_cross_entropy(scores, data.labels)
    by_hand.backward(dy)
    assert by_hand.bias is not None
    assert_close(np.float32(loss), np.float32(expected + 0.125 * np.square(by_hand.weight.data).sum()), name="loss")
    assert right == (scores.argmax(axis=1) == data.labels).sum()
    wanted = by_hand.weight.data - 0.5 * (by_hand.weight.grad + 0.25 * by_hand.weight.data)  # type: ignore[operator]
    assert_close(model.parameters()[0].data, wanted, name="weight")
    assert_close(model.parameters()[1].data, by_hand.bias.data - 0.5 * by_hand.bias.grad, name="bias")  # type: ignore[operator]


def test_every_epoch_sees_every_image_once_in_an_order_of_its_own() -> None:
    data = images()
    numbered = Dataset(np.arange(IMAGES, dtype=np.float32).reshape(-1, 1, 1, 1), data.labels, data.classes)
    seen: list[list[float]] = [[]]

    def watch(batch: Any) -> Any:
        seen[-1] += batch.ravel().tolist()
        return batch

    model = Sequential(Flatten(), Linear(1, 4, rng=0))
    run = Trainer(model, SGD(model.parameters(), lr=1e-6), prepare=watch)
    run.fit(numbered, epochs=2, batch_size=BATCH, progress=lambda p: seen.append([]) if p.record else None)
    first, second = (epoch[-IMAGES:] for epoch in seen[:2])  # a probe of the shape comes before
    assert sorted(first) == sorted(second) == list(range(IMAGES))
    assert first != second


def test_it_learns() -> None:
    run = trainer(model=network(), augment=None)
    history = run.fit(images(400), images(40, seed=9), epochs=8, batch_size=BATCH)
    assert history.epochs[-1].train_loss < history.epochs[0].train_loss / 2
    assert run.evaluate(images(80, seed=3)).accuracy > 0.9


def test_the_digits_of_scikit_learn() -> None:
    pytest.importorskip("sklearn")
    train, test = load_digits()
    model = Sequential(Conv2d(1, 8, 3, padding=1, rng=0), ReLU(), MaxPool2d(2), Flatten(), Linear(128, 10, rng=1))
    run = Trainer(model, Adam(model.parameters(), lr=0.01))
    run.fit(train, epochs=5, batch_size=64)
    assert run.evaluate(test).accuracy >= 0.94


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_by_its_name(name: str) -> None:
    model = Sequential(Flatten(), Linear(48, 4, rng=0))
    if name == "binary_cross_entropy":
        from fastconv.layers import Sigmoid

        model.append(Sigmoid())
    run = Trainer(model, Adam(model.parameters(), lr=0.02), loss=name)
    history = run.fit(images(), epochs=6, batch_size=BATCH)
    assert history.epochs[-1].train_loss < history.epochs[0].train_loss


def test_bytes_are_divided_and_floats_are_left_alone() -> None:
    one, other = trainer(augment=None), trainer(augment=None)
    one.fit(images(), epochs=2, batch_size=BATCH)
    other.fit(images(stored=np.float32), epochs=2, batch_size=BATCH)
    assert equal(one, other)


def test_prepare_is_used_for_training_and_evaluation() -> None:
    data = images()

    def centred(batch: Any) -> Any:
        return normalise(batch, 60.0, 50.0)

    one, other = trainer(augment=None, prepare=centred), trainer(augment=None)
    one.fit(data, epochs=1, batch_size=BATCH)
    other.fit(centred(data), epochs=1, batch_size=BATCH)
    assert equal(one, other)
    assert one.evaluate(data) == other.evaluate(centred(data))


def test_augmentation_changes_training_images_alone() -> None:
    calls: list[int] = []

    def count(batch: Any, rng: np.random.Generator) -> Any:
        calls.append(len(batch))
        return batch

    run = trainer(augment=count)
    run.fit(images(), images(12), epochs=1, batch_size=BATCH)
    assert calls == [1, *[BATCH] * 3, IMAGES % BATCH]  # one image to find out the shape
    run.evaluate(images(12))
    assert len(calls) == 1 + STEPS


def test_evaluation_is_that_of_the_whole_dataset_at_once() -> None:
    run, data = trainer(), images(23, stored=np.float32)
    run.model.eval()
    scores = run.model(data.images)
    metrics = run.evaluate(data, batch_size=5)
    assert isinstance(metrics, Metrics)
    assert_close(np.float32(metrics.loss), np.float32(softmax_cross_entropy(scores, data.labels)[0]))
    assert metrics.accuracy == (scores.argmax(axis=1) == data.labels).mean()


def test_modes_are_restored() -> None:
    run = trainer()
    run.model.eval()
    run.model[0].train()  # type: ignore[index]
    before = [layer.training for _, layer in run.model.named_layers()]
    run.fit(images(), images(12), epochs=1, batch_size=BATCH)
    assert [layer.training for _, layer in run.model.named_layers()] == before


def test_the_same_seed_gives_the_same_weights() -> None:
    one, other, third = trainer(), trainer(), trainer(seed=6)
    for run in (one, other, third):
        fit(run, None, checkpoint_every=None)
    assert equal(one, other)
    assert not equal(one, third)


def test_no_result_depends_on_the_number_of_threads() -> None:
    runs = []
    for threads in (1, 2):
        with fc.use_backend("fast"), fc.use_num_threads(min(threads, fc.get_num_threads() or 1)):
            run = trainer()
            fit(run, None, checkpoint_every=None)
        runs.append(run)
    assert equal(*runs)
    assert runs[0].history.step_losses == runs[1].history.step_losses


def test_two_calls_are_one_run() -> None:
    one, two = trainer(), trainer()
    one.fit(images(), epochs=4, batch_size=BATCH)
    for _ in range(2):
        two.fit(images(), epochs=2, batch_size=BATCH)
    assert equal(one, two)
    assert [record.epoch for record in two.history.epochs] == [1, 2, 3, 4]


def test_schedules_by_step_and_by_epoch() -> None:
    model = network()
    optimizer = SGD(model.parameters(), lr=0.1)
    by_epoch = trainer(model=model, optimizer=optimizer, schedule=ExponentialLR(optimizer, 0.5))
    assert [record.lr for record in by_epoch.fit(images(), epochs=3, batch_size=BATCH).epochs] == [0.1, 0.05, 0.025]
    optimizer = SGD(model.parameters(), lr=0.1)
    schedule = CosineAnnealingLR(optimizer, 2 * STEPS, interval="step")
    rates: list[float] = []
    run = trainer(model=model, optimizer=optimizer, schedule=schedule)
    run.fit(images(), epochs=2, batch_size=BATCH, progress=lambda p: p.record or rates.append(p.lr))
    assert rates == [schedule.lr_at(0.1, step) for step in range(2 * STEPS)]


# what it tells


def test_progress_after_every_step_and_epoch() -> None:
    seen: list[Progress] = []
    run = trainer()
    run.fit(images(), images(12), epochs=2, batch_size=BATCH, progress=seen.append)
    steps = [(p.epoch, p.step) for p in seen if p.record is None]
    assert steps == [(epoch, step) for epoch in (1, 2) for step in range(1, STEPS + 1)]
    assert [p.record for p in seen if p.record] == run.history.epochs
    assert {(p.epochs, p.steps) for p in seen} == {(2, STEPS)}
    assert all(p.seconds_left >= 0 and p.images_per_second > 0 and 0 <= p.accuracy <= 1 for p in seen)
    assert seen[-1].seconds_left == 0
    assert seen[STEPS - 1].loss == seen[STEPS].loss == run.history.epochs[0].train_loss


def test_the_history_goes_through_json() -> None:
    run = trainer()
    history = run.fit(images(), images(12), epochs=2, batch_size=BATCH)
    assert len(history.step_losses) == 2 * STEPS
    assert History.from_dict(json.loads(json.dumps(history.to_dict()))) == history
    sizes = [BATCH] * (STEPS - 1) + [IMAGES % BATCH]
    expected = sum(loss * size for loss, size in zip(history.step_losses, sizes)) / IMAGES
    assert_close(np.float64(history.epochs[0].train_loss), np.float64(expected))
    validated = run.evaluate(images(12))
    assert (history.epochs[-1].validation_loss, history.epochs[-1].validation_accuracy) == validated


def test_best_epochs() -> None:
    def record(epoch: int, loss: float, accuracy: float | None) -> EpochRecord:
        return EpochRecord(epoch, loss, 0.5, None if accuracy is None else loss, accuracy, 0.1, 1.0, 1.0)

    assert History([record(1, 3, 0.5), record(2, 2, 0.7), record(3, 1, 0.6)]).best.epoch == 2
    assert History([record(1, 3, 0.7), record(2, 2, 0.7), record(3, 2, 0.7)]).best.epoch == 2
    assert History([record(1, 3, None), record(2, 1, None), record(3, 2, None)]).best.epoch == 2
    with pytest.raises(ValueError, match="there must be a finished epoch"):
        _ = History().best


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_the_picture_of_a_run(tmp_path: Path, suffix: str) -> None:
    pytest.importorskip("matplotlib")
    history = trainer().fit(images(), images(12), epochs=2, batch_size=BATCH)
    plot_history(history, tmp_path / f"run.{suffix}")
    assert (tmp_path / f"run.{suffix}").stat().st_size > 1000
    with pytest.raises(ValueError, match="path must end in one of pdf, png, svg"):
        plot_history(history, tmp_path / "run.gif")
    with pytest.raises(ValueError, match="must have a step"):
        plot_history(History(), tmp_path / "run.png")


def test_the_picture_of_a_run_whose_first_epoch_is_not_finished(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    plot_history(History([], [2.0, 1.5]), tmp_path / "run.png", steps_per_epoch=7)
    assert (tmp_path / "run.png").stat().st_size > 1000
    with pytest.raises(ValueError, match="steps_per_epoch must be given where no epoch is finished"):
        plot_history(History([], [2.0, 1.5]), tmp_path / "again.png")


# when it stops


@pytest.mark.parametrize(
    ("stopping", "stops_after"),
    [
        (EarlyStopping(1), 3),
        (EarlyStopping(2), 6),
        (EarlyStopping(2, min_delta=0.6), 3),
        (EarlyStopping(3, "validation_accuracy"), 4),
        (EarlyStopping(6, "train_loss"), None),
    ],
)
def test_early_stopping(stopping: EarlyStopping, stops_after: int | None) -> None:
    losses = [3.0, 2.5, 2.7, 2.0, 2.1, 2.2, 1.0]
    records = [EpochRecord(i, loss, 0.5, loss, 0.25, 0.1, 1.0, 1.0) for i, loss in enumerate(losses, 1)]
    reached = [stopping.reached(History(records[:count])) for count in range(len(records) + 1)]
    assert (reached.index(True) if True in reached else None) == stops_after


def test_early_stopping_ends_a_run() -> None:
    run = trainer(optimizer=None)
    history = run.fit(
        images(), images(12), epochs=30, batch_size=BATCH, early_stopping=EarlyStopping(2, min_delta=100.0)
    )
    assert len(history.epochs) == 3


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_stops_before_the_step(value: float) -> None:
    calls: list[int] = []

    def loss(scores: Any, labels: Any) -> tuple[float, Any]:
        calls.append(1)
        result, dy = softmax_cross_entropy(scores, labels)
        return (value if len(calls) == STEPS + 2 else result), dy

    run = trainer(loss=loss)
    snapshots: list[list[Any]] = []
    match = rf"the loss must stay finite, but got {value} in epoch 2, step 2 with a learning rate of [\d.]+\. Try a"
    with pytest.raises(DivergedError, match=match):
        run.fit(images(), epochs=3, batch_size=BATCH, progress=lambda p: snapshots.append(trained(run)))
    assert all(np.array_equal(a, b) for a, b in zip(snapshots[-1], trained(run)))


def test_a_gradient_that_is_not_finite_stops_where_it_is_clipped() -> None:
    def loss(scores: Any, labels: Any) -> tuple[float, Any]:
        result, dy = softmax_cross_entropy(scores, labels)
        dy[0, 0] = np.nan
        return result, dy

    with pytest.raises(FloatingPointError, match="norm of the gradients must stay finite, but got nan in epoch 1"):
        trainer(loss=loss).fit(images(), epochs=1, batch_size=BATCH)


def test_a_validation_loss_that_is_not_finite_stops() -> None:
    def loss(scores: Any, labels: Any) -> tuple[float, Any]:
        result, dy = softmax_cross_entropy(scores, labels)
        return (float("nan") if len(labels) == 12 else result), dy

    with pytest.raises(DivergedError, match="loss of the validation must stay finite, but got nan after epoch 1"):
        trainer(loss=loss).fit(images(), images(12), epochs=1, batch_size=BATCH)


def test_it_runs_in_other_threads_too() -> None:
    run = trainer()
    thread = threading.Thread(target=lambda: run.fit(images(), epochs=1, batch_size=BATCH))
    thread.start()
    thread.join()
    assert len(run.history.epochs) == 1


# what is refused


def test_what_a_trainer_refuses() -> None:
    model = network()
    optimizer = SGD(model.parameters(), lr=0.1)
    cases: list[tuple[dict[str, Any], type[Exception], str]] = [
        ({"model": None}, TypeError, "model must be of the class Layer, but got NoneType"),
        ({"optimizer": 3}, TypeError, "optimizer must be of the class Optimizer, but got int"),
        ({"optimizer": SGD(network().parameters())}, ValueError, "none in common"),
        ({"loss": "hinge"}, ValueError, "loss must be one of softmax, svm"),
        ({"loss": 3}, TypeError, "loss must be a function or a name, but got 3"),
        ({"schedule": 0.9}, TypeError, "schedule must be of the class Schedule"),
        ({"schedule": ExponentialLR(SGD(network().parameters()), 0.9)}, ValueError, "schedule must be one of the opt"),
        ({"augment": "flip"}, TypeError, "augment must be a function or None, but got 'flip'"),
        ({"prepare": 255}, TypeError, "prepare must be a function or None, but got 255"),
        ({"seed": None}, TypeError, "seed must be an integer"),
        ({"l2": -1}, ValueError, "l2 must not be negative"),
        ({"clip_norm": 0}, ValueError, "clip_norm must be positive"),
    ]
    for changed, error, match in cases:
        with pytest.raises(error, match=match):
            Trainer(**{"model": model, "optimizer": optimizer, **changed})


def test_what_fit_refuses(tmp_path: Path) -> None:
    data = images()
    small = Dataset(data.images[:, :, :4], data.labels, data.classes)
    many = Dataset(data.images, data.labels + 3)
    cases: list[tuple[dict[str, Any], type[Exception], str]] = [
        ({"train": data.images}, TypeError, r"train must be a .*Dataset, but got ndarray.*\(images, labels\) will do"),
        ({"train": (data.images, data.labels[:3])}, ValueError, r"labels must have shape \(50,\) or"),
        (
            {"train": (data.images, data.labels / 2)},
            ValueError,
            r"numbers must have the shape.*\('N', 4\), but got \('N',\)",
        ),
        (
            {"train": (data.images, data.images[:, 0])},
            ValueError,
            r"one row of scores for each of the \(6, 8\) labels of an image",
        ),
        ({"train": data[:0]}, ValueError, "train must not be empty"),
        ({"validation": data[:0]}, ValueError, "validation must not be empty"),
        ({"train": small}, ValueError, r"the model must take the images, \(1, 4, 8\), but it does not: Linear"),
        ({"train": many}, ValueError, r"one column for each class, but got shape \('N', 4\) for labels up to 6"),
        ({"epochs": 0}, ValueError, "epochs must be at least 1"),
        ({"batch_size": 0}, ValueError, "batch_size must be at least 1"),
        ({"drop_last": 1}, TypeError, "drop_last must be True or False"),
        ({"drop_last": True, "batch_size": 51}, ValueError, "at most the 50 training images where drop_last=True"),
        ({"resume": True}, ValueError, "checkpoint must name a folder for resume"),
        ({"checkpoint_every": 5}, ValueError, "checkpoint must name a folder for resume and checkpoint_every"),
        ({"checkpoint": tmp_path, "checkpoint_every": 0}, ValueError, "checkpoint_every must be at least 1"),
        ({"early_stopping": 3}, TypeError, "early_stopping must be an EarlyStopping or None, but got 3"),
        ({"early_stopping": EarlyStopping()}, ValueError, "validation_loss needs validation images"),
    ]
    for changed, error, match in cases:
        with pytest.raises(error, match=match):
            trainer(augment=None).fit(**{"train": data, **changed})
    with pytest.raises(ValueError, match="monitor must be one of 'validation_accuracy'"):
        EarlyStopping(3, "loss")
    with pytest.raises(ValueError, match="patience must be at least 1"):
        EarlyStopping(0)
    with pytest.raises(ValueError, match="validation_accuracy must have been measured"):
        EpochRecord(1, 1.0, 0.5, None, None, 0.1, 1.0, 1.0).score("validation_accuracy")
    assert list(tmp_path.iterdir()) == []


def rows(layer: Layer) -> Trainer:
    """A network that normalises rows of 48 numbers by such a layer."""
    model = Sequential(Flatten(), layer, Linear(48, 4, rng=0))
    return Trainer(model, SGD(model.parameters(), lr=0.01), seed=0)


@pytest.mark.parametrize(
    ("layer", "count", "batch", "words"),
    [
        (BatchNorm1d(48), 49, 16, r"got 1 of the images with batch_size=16\. Pass drop_last=True .*or another"),
        (BatchNorm1d(48), 49, 1, r"got 1 of the images with batch_size=1\. Take a larger batch_size"),
        (
            Residual(BatchNorm1d(48), Identity()),
            49,
            16,
            r"Layer 1\.0 says: BatchNorm1d: the input must have more than 1",
        ),
    ],
)
def test_a_last_batch_of_which_a_layer_learns_nothing_is_found_before_the_epoch(
    layer: Layer, count: int, batch: int, words: str
) -> None:
    run, steps = rows(layer), []
    with pytest.raises(ValueError, match=r"Trainer\.fit: the last batch of an epoch must .*" + words):
        run.fit(images(count), epochs=1, batch_size=batch, progress=steps.append)
    assert steps == []
    run.model.eval()
    run.fit(images(count), epochs=1, batch_size=28)
    assert not run.model.training


def test_drop_last_leaves_out_a_smaller_batch_that_each_epoch_draws_anew() -> None:
    seen: list[Array] = []
    run, steps = rows(BatchNorm1d(48)), []
    run.prepare = lambda stored: seen.append(stored.copy()) or stored.astype(np.float32)  # type: ignore[func-returns-value]
    run.fit(images(49), epochs=3, batch_size=16, drop_last=True, progress=steps.append)
    batches = [stored for stored in seen if len(stored) == 16]
    assert [len(stored) for stored in seen if len(stored) > 1] == [16] * 9
    assert [(step.epoch, step.step, step.steps) for step in steps if step.record is None][-1] == (3, 3, 3)
    epochs = [{image.tobytes() for stored in batches[i : i + 3] for image in stored} for i in (0, 3, 6)]
    assert [len(epoch) for epoch in epochs] == [48] * 3
    assert len(set.union(*epochs)) == 49


@pytest.mark.parametrize("frozen", [False, True])
def test_recorded_steps_are_those_of_the_layers_whatever_the_mode_of_a_layer(frozen: bool) -> None:
    losses = []
    for compiled in (True, False):
        rng = np.random.default_rng(3)
        model = Sequential(Conv2d(1, 4, 3, rng=0), BatchNorm2d(4), ReLU(), Flatten(), Linear(4 * 36, 10, rng=1))
        trainer = Trainer(model, SGD(model.parameters(), lr=0.01, momentum=0.9), compile=compiled)
        model.train()
        model[1].training = not frozen
        steps = [(rng.standard_normal((6, 1, 8, 8), np.float32), rng.integers(0, 10, 6)) for _ in range(3)]
        losses.append([trainer.train_step(*step) for step in steps])
    assert losses[0] == losses[1]

"""How a network does on labelled images: counts by hand, names in another order, pictures, and what cannot be."""

from __future__ import annotations

from math import log
from pathlib import Path

import numpy as np
import pytest

from fastconv.data import Dataset, Preprocessing
from fastconv.models.evaluating import evaluate_dataset
from fastconv.models.evaluations import ClassScore, Evaluation, plot_confusion
from fastconv.report import read_record

NAMES = ("cat", "dog", "owl")
TAKEN = np.array([0, 0, 1, 1, 0])  # what the network says of five images


def run(x: np.ndarray) -> np.ndarray:
    """Take the first pixel for the class, with probability 0.8."""
    return np.where(np.arange(3) == x[:, 0, 0, :1], 0.8, 0.1)


def dataset(labels: list[int], classes: tuple[str, ...] = NAMES) -> Dataset:
    images = np.zeros((5, 1, 2, 3), np.float32)
    images[:, 0, 0, 0] = TAKEN
    return Dataset(images, labels, classes, "pets")


def evaluated(labels: list[int], classes: tuple[str, ...] = NAMES, names: tuple[str, ...] = NAMES) -> Evaluation:
    return evaluate_dataset(
        dataset(labels, classes), run, Preprocessing(), model="net", class_names=names, batch_size=2
    )


def test_counts_by_hand() -> None:
    found = evaluated([0, 0, 0, 1, 1])
    assert found.confusion == ((2, 1, 0), (1, 1, 0), (0, 0, 0))
    assert (found.images, found.accuracy) == (5, 0.6)
    assert found.loss == pytest.approx(-(3 * log(0.8) + 2 * log(0.1)) / 5)
    assert found.rows == (
        ClassScore("cat", 3, 2 / 3, 2 / 3, "dog"),
        ClassScore("dog", 2, 1 / 2, 1 / 2, "cat"),
        ClassScore("owl", 0, None, None, None),
    )


def test_scikit_learn_counts_the_same() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(0)
    labels, scores = rng.integers(0, 6, 300), rng.standard_normal((300, 6)).astype(np.float32)
    data = Dataset(np.arange(300, dtype=np.float32).reshape(-1, 1, 1, 1), labels)
    found = evaluate_dataset(data, lambda x: scores[x[:, 0, 0, 0].astype(int)], Preprocessing(), model="net")
    taken = scores.argmax(axis=1)
    np.testing.assert_array_equal(found.confusion, metrics.confusion_matrix(labels, taken))
    recall, precision = ([getattr(row, name) for row in found.rows] for name in ("recall", "precision"))
    np.testing.assert_allclose(recall, metrics.recall_score(labels, taken, average=None))
    np.testing.assert_allclose(precision, metrics.precision_score(labels, taken, average=None))
    shares = np.exp(scores.astype(float)) / np.exp(scores.astype(float)).sum(axis=1, keepdims=True)
    assert found.loss == pytest.approx(metrics.log_loss(labels, shares))


def test_classes_are_matched_by_name_or_else_by_order() -> None:
    same = evaluated([0, 0, 0, 1, 1])
    assert evaluated([2, 2, 2, 0, 0], ("dog", "owl", "cat")) == same
    assert evaluated([0, 0, 0, 1, 1], ("0", "1")) == same
    assert evaluated([0, 0, 0, 1, 1], NAMES, ()) == same
    assert [row.name for row in evaluated([0, 0, 0, 1, 1], NAMES[:2], ()).rows] == ["0", "1", "2"]


@pytest.mark.parametrize(
    ("classes", "names", "said"),
    [
        (("cat", "cow"), NAMES, "must be those of the network, cat, dog, owl, but got cow"),
        (("a", "b", "c", "d"), NAMES, "it has 3 for 4 classes"),
        (NAMES, ("cat", "dog"), "a name for each of the 3 classes of the network, but got 2"),
    ],
)
def test_what_cannot_be(classes: tuple[str, ...], names: tuple[str, ...], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        evaluated([0, 0, 0, 1, 1], classes, names)


def test_a_dataset_of_nothing_and_something_else_are_refused(tmp_path: Path) -> None:
    empty = dataset([0, 0, 0, 1, 1])[:0]
    with pytest.raises(ValueError, match="dataset must have an image"):
        evaluate_dataset(empty, run, Preprocessing(), model="net")
    numbers = Dataset(np.zeros((2, 1, 2, 3), np.float32), np.zeros(2, np.float32))
    with pytest.raises(ValueError, match="dataset must have one class for each image"):
        evaluate_dataset(numbers, run, Preprocessing(), model="net")
    with pytest.raises(TypeError, match=r"dataset must be a fastconv\.data\.Dataset, but got list"):
        evaluate_dataset([], run, Preprocessing(), model="net")  # type: ignore[arg-type]


def test_the_verdict_comes_first_and_many_classes_do_not_fill_screens() -> None:
    few = evaluated([0, 0, 0, 1, 1])
    text = str(few).splitlines()
    assert text[0] == f"accuracy 60.00% (loss {few.loss:.4f}) on 5 images of pets"
    assert "1 dog" in str(few)
    assert max(map(len, text[:-4])) <= 60
    count = 300
    many = evaluate_dataset(
        Dataset(np.arange(count, dtype=np.float32).reshape(-1, 1, 1, 1), np.arange(count)),
        lambda x: np.eye(count)[np.where(x[:, 0, 0, 0] == 7, 3, x[:, 0, 0, 0]).astype(int)],
        Preprocessing(),
        model="net",
    )
    assert len(str(many).splitlines()) < 35
    title = str(many).index("The 20 of 300 classes that are found least")
    assert str(many)[title:].splitlines()[4].split() == ["7", "3", "1", "0.0%", "–"]


@pytest.mark.parametrize("count", [3, 30])
def test_saved_and_drawn(tmp_path: Path, count: int) -> None:
    pytest.importorskip("matplotlib")
    data = Dataset(np.zeros((4, 1, 1, 1), np.float32), [0, 1, 1, 2])
    found = evaluate_dataset(data, lambda x: np.eye(count)[[0] * len(x)], Preprocessing(), model="a $_net")
    assert read_record(Evaluation, found.to_dict()) == found
    plot_confusion(found, tmp_path / "matrix.svg")
    assert "<svg" in (tmp_path / "matrix.svg").read_text(encoding="utf-8")
    with pytest.raises(ValueError, match="path must end in one of"):
        plot_confusion(found, tmp_path / "matrix.gif")

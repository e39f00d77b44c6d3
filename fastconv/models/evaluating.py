"""From labelled images to how a network does on them: scores, a confusion matrix, a score for each class."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from fastconv.backends import get_backend
from fastconv.data.dataset import Dataset
from fastconv.data.network_input import Preprocessing
from fastconv.errors import InvalidTypeError, InvalidValueError, shown
from fastconv.models.classifier import as_probabilities, score_rows
from fastconv.models.evaluations import ClassScore, Evaluation
from fastconv.models.predictions import preparation_in_words
from fastconv.validation.arrays import Array
from fastconv.validation.sizes import check_integer

_NAME = "evaluate_dataset"

Progress = Callable[[str, float], None]


def evaluate_dataset(
    dataset: Dataset,
    run: Callable[[Array], Array],
    preprocessing: Preprocessing,
    *,
    model: str,
    class_names: Sequence[str] = (),
    batch_size: int = 128,
    progress: Progress | None = None,
) -> Evaluation:
    """Ask a network about labelled images, and count what it says.

    Parameters
    ----------
    dataset : Dataset
        At least one image.
    run : callable
        Takes a batch as `preprocessing` makes it, returns scores or probabilities, a row for each image.
    preprocessing : Preprocessing
        What is done to the images before.
    model : str
        What the network is called.
    class_names : sequence of str
        Names of the columns of the scores. Where the dataset has the same names, in whichever order, labels are matched
        by them; otherwise, or where none are known, a label is the index of a column.
    batch_size : int
        Images at a time.
    progress : callable, optional
        Called as ``progress(text, fraction)``.

    Returns
    -------
    Evaluation
        Probabilities are those of `as_probabilities`.

    Raises
    ------
    ValueError
        If there is no image, or a class of the dataset has no column.
    TypeError
        If it is no `Dataset`.
    """
    if not isinstance(dataset, Dataset):
        raise InvalidTypeError(f"{_NAME}: dataset must be a fastconv.data.Dataset, but got {type(dataset).__name__}.")
    if not len(dataset):
        raise InvalidValueError(f"{_NAME}: dataset must have an image, but got {shown(dataset)}.")
    if not dataset.has_classes or dataset.labels.ndim > 1:
        raise InvalidValueError(f"{_NAME}: dataset must have one class for each image, but got {shown(dataset)}.")
    size = check_integer(_NAME, "batch_size", batch_size, 1)
    scores = []
    for first in range(0, len(dataset), size):
        if progress is not None:
            progress(f"{len(dataset):,} images", first / len(dataset))
        scores.append(score_rows(run(preprocessing(dataset.images[first : first + size]))))
    rows = np.concatenate(scores).astype(np.float64)
    names = tuple(class_names) or _names(dataset.classes, rows.shape[1])
    if len(names) != rows.shape[1]:
        raise InvalidValueError(
            f"{_NAME}: there must be a name for each of the {rows.shape[1]} classes of the network, but got "
            f"{len(names)}."
        )
    labels = _columns(dataset.classes, names)[dataset.labels]
    confusion = _confusion(labels, rows.argmax(axis=1), len(names))
    return Evaluation(
        model=model,
        backend=get_backend(),
        dataset=dataset.name or "a dataset",
        prepared=preparation_in_words(preprocessing),
        images=len(dataset),
        accuracy=float(confusion.trace()) / len(dataset),
        loss=_cross_entropy(rows, labels),
        rows=tuple(_class_score(index, names, confusion) for index in range(len(names))),
        confusion=tuple(tuple(map(int, row)) for row in confusion),
    )


def _names(classes: Sequence[str], count: int) -> tuple[str, ...]:
    """Names of the columns of a network that has none: those of the dataset, where there are as many."""
    return tuple(classes) if len(classes) == count else tuple(map(str, range(count)))


def _columns(classes: Sequence[str], names: Sequence[str]) -> NDArray[np.int64]:
    """Return the column of each class of the dataset."""
    if set(classes) <= set(names):
        return np.array([names.index(name) for name in classes], np.int64)
    if len(classes) > len(names):
        raise InvalidValueError(
            f"{_NAME}: the network must have a score for every class of the dataset, but it has {len(names)} for "
            f"{len(classes)} classes."
        )
    if all(name.isdigit() for name in classes) or all(name.isdigit() for name in names):
        return np.arange(len(classes))
    unknown = [name for name in classes if name not in names]
    raise InvalidValueError(
        f"{_NAME}: the classes of the dataset must be those of the network, {', '.join(names)}, but got "
        f"{', '.join(unknown)}. Name them alike, or pass names for the network."
    )


def _confusion(labels: NDArray[np.int64], taken: NDArray[np.int64], classes: int) -> NDArray[np.int64]:
    """``(N,), (N,) -> (classes, classes)``: images by their class and by what they were taken for."""
    return np.bincount(labels * classes + taken, minlength=classes**2).reshape(classes, classes)


def _class_score(index: int, names: Sequence[str], confusion: NDArray[np.int64]) -> ClassScore:
    images, taken, right = int(confusion[index].sum()), int(confusion[:, index].sum()), int(confusion[index, index])
    mistaken = confusion[index].copy()
    mistaken[index] = 0
    return ClassScore(
        name=names[index],
        images=images,
        recall=right / images if images else None,
        precision=right / taken if taken else None,
        taken_for=names[int(mistaken.argmax())] if mistaken.any() else None,
    )


def _cross_entropy(scores: Array, labels: NDArray[np.int64]) -> float:
    shares = as_probabilities(scores)[np.arange(len(labels)), labels]
    return float(-np.log(np.maximum(shares, np.finfo(np.float64).tiny)).mean())

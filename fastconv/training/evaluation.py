"""Loss and accuracy of a network over a dataset."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fastconv.data.dataset import Dataset
from fastconv.errors import InvalidTypeError, InvalidValueError
from fastconv.layers.base import Layer
from fastconv.layers.inference import inference_mode
from fastconv.losses import accuracy
from fastconv.training.gathering import Gather, Prepare
from fastconv.training.records import Metrics
from fastconv.validation.arrays import Array
from fastconv.validation.sizes import check_integer

__all__ = ["Loss", "OneHot", "check_dataset", "check_fit", "evaluate", "hits"]

Loss = Callable[[Array, Array], tuple[Any, Array]]


def check_dataset(operation: str, subject: str, dataset: object) -> Dataset:
    """Return a dataset, which must have images."""
    if not isinstance(dataset, Dataset):
        raise InvalidTypeError(
            f"{operation}: {subject} must be a fastconv.data.Dataset, but got {type(dataset).__name__}. "
            "Make one with Dataset(images, labels)."
        )
    if len(dataset) == 0:
        raise InvalidValueError(f"{operation}: {subject} must not be empty, but got {dataset!r}.")
    return dataset


def check_fit(operation: str, model: Layer, dataset: Dataset, image_shape: tuple[int, ...]) -> None:
    """Refuse images that the network does not take, and labels that it has no score for; nothing is computed."""
    try:
        scores = model.output_shape((1, *image_shape))
    except (InvalidValueError, InvalidTypeError) as error:
        raise InvalidValueError(
            f"{operation}: the model must take the images, {image_shape}, but it does not: {error}"
        ) from error
    largest = int(dataset.labels.max())
    if len(scores) != 2 or largest >= scores[1]:
        raise InvalidValueError(
            f"{operation}: the output of the model must be one row of scores for each image, with one column for each "
            f"class, but got shape {('N', *scores[1:])} for labels up to {largest}."
        )


def hits(scores: Array, labels: Array) -> int:
    """Number of images whose highest score is that of their class."""
    return round(float(accuracy(scores, labels)) * len(labels))


class OneHot:
    """A loss between numbers as one between scores and labels: the target is 1 for the class and 0 for the others.

    Parameters
    ----------
    loss : callable
        ``loss(prediction, target) -> (loss, gradient)``, such as `fastconv.losses.squared_error`.
    """

    def __init__(self, loss: Loss) -> None:
        self._loss = loss
        self.__qualname__ = f"one-hot {getattr(loss, '__qualname__', loss)}"

    def __call__(self, scores: Array, labels: Array) -> tuple[Any, Array]:
        """Return loss and gradient."""
        target = np.zeros(scores.shape, scores.dtype)
        target[np.arange(len(labels)), labels] = 1
        return self._loss(scores, target)


def evaluate(
    model: Layer,
    dataset: Dataset,
    loss: Loss,
    prepare: Prepare | None = None,
    *,
    batch_size: int = 128,
    between: Callable[[], object] = lambda: None,
) -> Metrics:
    """Measure a network over a dataset, in evaluation mode and with the memory of inference.

    Parameters
    ----------
    model : Layer
        The network; its mode is restored afterwards.
    dataset : Dataset
        At least one image.
    loss : callable
        ``loss(scores, labels) -> (loss, gradient)``.
    prepare : callable, optional
        Turns images into what the network takes; by default bytes are divided by 255.
    batch_size : int
        Images at a time.
    between : callable
        Is called after each batch.

    Returns
    -------
    Metrics
        Means over the images.
    """
    check_dataset("evaluate", "dataset", dataset)
    size = check_integer("evaluate", "batch_size", batch_size, 1)
    gather, rng = Gather(dataset, size, prepare), np.random.default_rng(0)  # which draws nothing
    modes = [(layer, layer.training) for _, layer in model.named_layers()]
    total, right = 0.0, 0
    model.eval()
    try:
        with inference_mode():
            for first in range(0, len(dataset), size):
                images, labels = gather(np.arange(first, min(first + size, len(dataset))), None, rng)
                scores = model.forward(images)
                total += float(loss(scores, labels)[0]) * len(labels)
                right += hits(scores, labels)
                between()
    finally:
        for layer, mode in modes:
            layer.training = mode
    return Metrics(total / len(dataset), right / len(dataset))

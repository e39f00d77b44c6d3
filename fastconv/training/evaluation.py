"""From a dataset to what a network takes, and the loss and accuracy of the network over it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastconv.backends import resolve_backend
from fastconv.data.augment import Augmentation
from fastconv.data.dataset import Dataset, layout_as_is
from fastconv.errors import InvalidTypeError, InvalidValueError, shown
from fastconv.layers.base import Layer, Step, Value
from fastconv.layers.containers import modes_kept
from fastconv.layers.inference import inference_mode
from fastconv.losses import accuracy
from fastconv.losses.arguments import check_labels
from fastconv.training.records import Metrics
from fastconv.validation.arrays import Array
from fastconv.validation.sizes import check_integer
from fastconv.validation.types import Shape

Loss = Callable[[Array, Array], tuple[Any, Array]]
Prepare = Callable[[Array], Array]


Data = Dataset | tuple[ArrayLike, ArrayLike]


def as_dataset(operation: str, subject: str, data: object) -> Dataset:
    """Return a dataset, which must have images; a pair of arrays becomes one, inputs of other dtypes as float32."""
    if isinstance(data, tuple) and len(data) == 2:
        inputs, targets = (np.asarray(each) for each in data)
        if inputs.dtype.kind in "biuf" and inputs.dtype != np.uint8:
            inputs = inputs.astype(np.float32, copy=False)
        data = Dataset(inputs, targets, layout=layout_as_is(inputs))  # `check_fit` says what a network does not take
    return check_dataset(operation, subject, data)


def check_dataset(operation: str, subject: str, dataset: object) -> Dataset:
    """Return a dataset, which must have images."""
    if not isinstance(dataset, Dataset):
        raise InvalidTypeError(
            f"{operation}: {subject} must be a fastconv.data.Dataset, but got {type(dataset).__name__}. "
            "Make one with Dataset(images, labels); where a network learns or is judged, (images, labels) will do."
        )
    if len(dataset) == 0:
        raise InvalidValueError(f"{operation}: {subject} must not be empty, but got {shown(dataset)}.")
    return dataset


def check_fit(operation: str, model: Layer, dataset: Dataset, image_shape: tuple[int, ...]) -> None:
    """Refuse images that the network does not take, and targets that are not like its output; nothing is computed."""
    try:
        scores = model.output_shape((1, *image_shape))
    except (InvalidValueError, InvalidTypeError) as error:
        raise InvalidValueError(
            f"{operation}: the model must take the images, {image_shape}, but it does not: {error}"
        ) from None
    if not dataset.has_classes:
        _check_numbers(operation, scores[1:], dataset.labels.shape[1:])
        return
    largest, pixels = int(dataset.labels.max()), dataset.labels.shape[1:]
    if len(scores) < 2 or scores[2:] != pixels or largest >= scores[1]:
        raise InvalidValueError(
            f"{operation}: the output of the model must be one row of scores for each "
            f"{f'of the {pixels} labels of an image' if pixels else 'image'}, with one column for each class, but got "
            f"shape {('N', *scores[1:])} for labels up to {largest}. Labels that are numbers, and no classes, have a "
            "floating dtype."
        )


def check_last_batch(operation: str, model: Layer, shape: Shape, batch_size: int) -> None:
    """Refuse a last batch of an epoch, of that shape, from which a layer cannot learn; nothing is computed."""
    steps: list[Step] = []
    with modes_kept(model):
        model.train().trace(Value(0, shape), steps)
        for step in steps:
            try:
                step.layer.check_batch(step.inputs[0].shape)
            except InvalidValueError as error:
                change = "Pass drop_last=True (--drop-last), or another" if shape[0] < batch_size else "Take a larger"
                raise InvalidValueError(
                    f"{operation}: the last batch of an epoch must be one that the model learns from, but got "
                    f"{shape[0]} of the images with batch_size={batch_size}. {change} batch_size. Layer {step.name} "
                    f"says: {error}"
                ) from None


def _check_numbers(operation: str, output: tuple[int, ...], target: tuple[int, ...]) -> None:
    """Refuse numbers of another shape than the output; of one number each the axis may be missing."""
    if output != target and (output, target) != ((1,), ()):
        raise InvalidValueError(
            f"{operation}: labels that are numbers must have the shape of the output of the model, {('N', *output)}, "
            f"but got {('N', *target)}. Labels that are classes have an integer dtype."
        )


class Gather:
    """Copies batches out of a dataset into memory that is the same for every batch.

    Parameters
    ----------
    dataset : Dataset
        Images and labels.
    batch_size : int
        The largest batch.
    prepare : callable or None
        Turns images into what the network takes; None divides bytes by 255 and leaves float32 alone.
    """

    def __init__(self, dataset: Dataset, batch_size: int, prepare: Prepare | None) -> None:
        self._dataset = dataset
        self._prepare = prepare
        self._stored = np.empty((min(batch_size, len(dataset)), *dataset.image_shape), dataset.images.dtype)
        self._floats: NDArray[np.float32] | None = None

    def __call__(
        self, chosen: NDArray[np.int64], augment: Augmentation | None, rng: np.random.Generator
    ) -> tuple[Array, Array]:
        """Return the images and labels at these positions; the images stand until the next call."""
        images: Array = self._stored[: len(chosen)]
        # "clip": with "raise", which cannot happen, np.take would copy through a buffer
        np.take(self._dataset.images, chosen, axis=0, out=images, mode="clip")
        if augment is not None:
            images = augment(images, rng)
        return self.prepared(images), self._dataset.labels[chosen]

    def prepared(self, images: Array) -> Array:
        """Return images as the network takes them."""
        if self._prepare is not None:
            return self._prepare(images)
        if images.dtype != np.uint8:
            return images
        if self._floats is None or self._floats.shape[1:] != images.shape[1:] or len(self._floats) < len(images):
            self._floats = np.empty(images.shape, np.float32)
        return np.divide(images, np.float32(255), out=self._floats[: len(images)], dtype=np.float32)


def hits(scores: Array, labels: Array) -> float:
    """Number of images whose highest score is that of their class; 0 of those whose targets are numbers.

    Where every pixel has a class, an image counts as the share of its pixels.
    """
    if labels.dtype.kind == "f":
        return 0
    right = float(accuracy(scores, labels)) * len(labels)
    return round(right) if labels.ndim == 1 else right


class OneHot:
    """A loss between numbers as one between scores and labels: the target is 1 for the class and 0 for the others.

    Labels that are numbers are compared as they are.

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
        if labels.dtype.kind == "f":
            return self._loss(scores, labels.reshape(scores.shape) if labels.ndim == 1 else labels)
        labels = check_labels("OneHot", labels, scores.shape)
        return self._loss(scores, resolve_backend(None, "OneHot").one_hot(labels, scores.shape[1], scores.dtype))


def evaluate(
    model: Layer,
    dataset: Data,
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
    dataset : Dataset or (x, y)
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
    dataset = as_dataset("evaluate", "dataset", dataset)
    size = check_integer("evaluate", "batch_size", batch_size, 1)
    gather, rng = Gather(dataset, size, prepare), np.random.default_rng(0)  # which draws nothing
    total, right = 0.0, 0.0
    with modes_kept(model), inference_mode():
        model.eval()
        for first in range(0, len(dataset), size):
            images, labels = gather(np.arange(first, min(first + size, len(dataset))), None, rng)
            scores = model.forward(images)
            total += float(loss(scores, labels)[0]) * len(labels)
            right += hits(scores, labels)
            between()
    return Metrics(total / len(dataset), right / len(dataset) if dataset.has_classes else None)

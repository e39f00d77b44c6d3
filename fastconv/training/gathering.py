"""From the positions of images in a dataset to what a network takes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from fastconv.data.augment import Augmentation
from fastconv.data.dataset import Dataset
from fastconv.validation.arrays import Array

__all__ = ["Gather", "Prepare"]

Prepare = Callable[[Array], Array]


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
    ) -> tuple[Array, NDArray[np.int64]]:
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

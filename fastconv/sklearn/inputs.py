"""From the features of scikit-learn to what a network takes: their shape, and mean 0 and deviation 1."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np

from fastconv.data.dataset import colours_last
from fastconv.data.preprocessing import channel_statistics, normalise
from fastconv.errors import InvalidTypeError, InvalidValueError, shown
from fastconv.validation.arrays import Array
from fastconv.validation.sizes import check_integer, entries_of
from fastconv.validation.types import Shape


def input_shape_of(estimator: str, given: object, X: Array) -> Shape:
    """Return the shape of one input: what is given, or that of X; flat features are one channel of a signal."""
    if given is None:
        if colours_last(X.shape):
            raise InvalidValueError(
                f"{estimator}: X must be (N, C, H, W), but got shape {X.shape}, which looks like (N, H, W, C). Pass "
                f"X.transpose(0, 3, 1, 2) if it is, or input_shape={X.shape[1:]} if there are {X.shape[1]} channels."
            )
        return (1, *X.shape[1:]) if X.ndim == 2 else X.shape[1:]
    entries = entries_of(given)
    if entries is None:
        raise InvalidTypeError(f"{estimator}: input_shape must be a tuple of sizes, but got {shown(given)}.")
    sizes = tuple(check_integer(estimator, "input_shape", size, 1) for size in entries)
    if prod(sizes) != prod(X.shape[1:]):
        raise InvalidValueError(
            f"{estimator}: input_shape must have as many cells as an input has features, {prod(X.shape[1:])}, but got "
            f"{shown(sizes)} for X of shape {X.shape}."
        )
    return sizes


@dataclass(frozen=True, eq=False)
class Standardised:
    """Gives each channel mean 0 and deviation 1: ``(N, C, ...) -> (N, C, ...) float32``.

    Attributes
    ----------
    mean, std : ndarray, shape (C,)
        Of the inputs that a network learned from. What was the same everywhere keeps its deviation.
    """

    mean: Array
    std: Array

    @classmethod
    def fitted(cls, inputs: Array) -> Standardised:
        """Measure some inputs."""
        mean, std = channel_statistics(_as_images(inputs))
        return cls(mean, np.where(std > 0, std, 1))

    def __call__(self, inputs: Array) -> Array:
        """Return inputs as the network takes them."""
        return normalise(_as_images(inputs), self.mean, self.std).reshape(inputs.shape)


def _as_images(inputs: Array) -> Array:
    """View (N, C, ...) as (N, C, 1, W)."""
    N, C, *sizes = inputs.shape
    return inputs.reshape(N, C, 1, prod(sizes))

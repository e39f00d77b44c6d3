"""The network of an estimator: by its name, by a function, or a small one for inputs of any rank."""

from __future__ import annotations

from typing import Any

from fastconv.errors import InvalidTypeError, InvalidValueError, shown
from fastconv.layers import (
    Conv1d,
    Conv2d,
    Conv3d,
    Flatten,
    Layer,
    Linear,
    MaxPool1d,
    MaxPool2d,
    MaxPool3d,
    ReLU,
    Sequential,
)
from fastconv.models import by_name
from fastconv.validation.sizes import check_rng
from fastconv.validation.types import Shape

AUTO = "auto"
_FILTERS = 32  # of the first convolution; the second has twice as many
_OF_RANK: dict[int, tuple[Any, Any]] = {1: (Conv1d, MaxPool1d), 2: (Conv2d, MaxPool2d), 3: (Conv3d, MaxPool3d)}


def make_network(estimator: str, network: object, input_shape: Shape, outputs: int, seed: int) -> Layer:
    """Return a network with fresh weights for inputs of a shape, with so many numbers for each of them."""
    if isinstance(network, str) and network == AUTO:
        return small_network(estimator, input_shape, outputs, seed)
    if isinstance(network, str):
        return by_name(network, input_shape=input_shape, classes=outputs, rng=seed)
    if not callable(network):
        raise InvalidTypeError(
            f"{estimator}: network must be {AUTO!r}, a name of fastconv.models.MODELS, or a function of input_shape, "
            f"classes and rng, but got {shown(network)}."
        )
    made = network(input_shape=input_shape, classes=outputs, rng=seed)
    if not isinstance(made, Layer):
        raise InvalidTypeError(f"{estimator}: network must return a Layer, but got {type(made).__name__}.")
    return made


def small_network(estimator: str, input_shape: Shape, outputs: int, seed: int) -> Sequential:
    """Two convolutions of 3, a max pool of 2, and a linear layer: `fastconv.models.DigitsNet` for every rank.

    ``(N, C, *spatial) -> (N, outputs)``
    """
    channels, *sizes = input_shape
    if len(sizes) not in _OF_RANK:
        raise InvalidValueError(
            f"{estimator}: inputs must have a channel axis and one to three others for the network {AUTO!r}, but got "
            f"{input_shape}. Pass a function as network, or another input_shape."
        )
    conv, pool = _OF_RANK[len(sizes)]
    rng, windows = check_rng(estimator, seed), [min(size, 2) for size in sizes]
    features = 2 * _FILTERS
    for size, window in zip(sizes, windows):
        features *= size // window
    return Sequential(
        conv(channels, _FILTERS, 3, padding=1, rng=rng),
        ReLU(),
        conv(_FILTERS, 2 * _FILTERS, 3, padding=1, rng=rng),
        ReLU(),
        pool(tuple(windows)),
        Flatten(),
        Linear(features, outputs, rng=rng),
    )

"""Networks by name."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from fastconv.layers import Layer
from fastconv.models.architecture import remember
from fastconv.models.plain import DigitsNet, LeNet5, SmallVGG, ThreeLayerConvNet
from fastconv.models.resnet import ResNet
from fastconv.validation.sizes import check_choice

Image = tuple[int, int, int]


class ModelEntry(NamedTuple):
    """A network that has a name.

    Attributes
    ----------
    make : callable
        Takes ``input_shape``, ``classes``, ``dtype``, ``rng`` and options of its own, returns a `Layer`.
    input_shape : (C, H, W)
        Shape of the images that it was made for.
    description : str
        One line.
    """

    make: Callable[..., Layer]
    input_shape: Image
    description: str


MODELS: dict[str, ModelEntry] = {
    "digits": ModelEntry(DigitsNet, (1, 8, 8), "two convolutions for the digits of scikit-learn"),
    "lenet5": ModelEntry(LeNet5, (1, 28, 28), "LeCun et al. (1998), with ReLU and max pools"),
    "lenet5-tanh": ModelEntry(partial(LeNet5, activation="tanh"), (1, 28, 28), "the same with tanh, as in the paper"),
    "three-layer": ModelEntry(ThreeLayerConvNet, (3, 32, 32), "conv - ReLU - pool - linear - ReLU - linear, of CS231n"),
    "vgg-small": ModelEntry(SmallVGG, (3, 32, 32), "six convolutions of 3×3 with batch norm, in three stages"),
    **{
        f"resnet{depth}": ModelEntry(
            partial(ResNet, depth), (3, 32, 32), f"He et al. (2016), {depth} layers for CIFAR-10"
        )
        for depth in (20, 32, 44, 56)
    },
}


def _entry(operation: str, name: object) -> ModelEntry:
    return MODELS[check_choice(operation, "name", name, tuple(MODELS))]


def input_shape_of(name: str) -> Image:
    """Shape of the images that a network was made for.

    Parameters
    ----------
    name : str
        A name of `MODELS`.

    Returns
    -------
    (C, H, W)
        Without the batch.

    Examples
    --------
    >>> input_shape_of("resnet20")
    (3, 32, 32)
    """
    return _entry("input_shape_of", name).input_shape


def by_name(
    name: str,
    *,
    input_shape: Any = None,
    classes: int = 10,
    dtype: DTypeLike = np.float32,
    rng: Any = None,
    **options: Any,
) -> Layer:
    """Make a network by its name.

    Parameters
    ----------
    name : str
        A name of `MODELS`.
    input_shape : (C, H, W), optional
        Shape of an image; by default that of the data that the network was made for.
    classes : int
        Scores per image.
    dtype : dtype
        Of the parameters.
    rng : Generator, int or None
        Where the weights come from.
    **options
        What else the network takes.

    Returns
    -------
    Layer
        The network, with fresh weights.

    Raises
    ------
    ValueError
        If there is no such network, or it does not take images of that shape.

    Examples
    --------
    >>> by_name("three-layer", input_shape=(1, 28, 28), rng=0).output_shape((5, 1, 28, 28))
    (5, 10)
    """
    entry = _entry("by_name", name)
    shape = entry.input_shape if input_shape is None else input_shape
    model = entry.make(input_shape=shape, classes=classes, dtype=dtype, rng=rng, **options)
    remember(model, name, {"input_shape": shape, "classes": classes, "dtype": np.dtype(dtype).name, **options})
    return model

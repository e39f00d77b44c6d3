"""Networks by name."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from inspect import Parameter, signature
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from fastconv.errors import InvalidTypeError, meant
from fastconv.layers import Layer
from fastconv.models.alexnet import AlexNet
from fastconv.models.architecture import remember
from fastconv.models.imagenet_resnet import ImageNetResNet
from fastconv.models.mobilenet import MobileNetV2
from fastconv.models.plain import DigitsNet, LeNet5, ThreeLayerConvNet
from fastconv.models.resnet import ResNet
from fastconv.models.squeezenet import SqueezeNet
from fastconv.models.unet import UNet
from fastconv.models.vgg import VGG, SmallVGG
from fastconv.validation.registry import Registry
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
    classes : int
        Scores that it was made for.
    lr : float
        Learning rate of Adam with which it learns, on inputs of mean 0 and deviation 1. Other optimisers take theirs in
        proportion.
    """

    make: Callable[..., Layer]
    input_shape: Image
    description: str
    classes: int = 10
    lr: float = 2e-3


def _of_imagenet(make: Callable[..., Layer], description: str, lr: float = 1e-3) -> ModelEntry:
    return ModelEntry(make, (3, 224, 224), description, 1000, lr)


_SMALL: Image = (3, 32, 32)
_DEEP = 1e-4  # learning rate of large networks without normalisation

MODELS: dict[str, ModelEntry] = Registry(
    "MODELS",
    {
        "digits": ModelEntry(DigitsNet, (1, 8, 8), "two convolutions for the digits of scikit-learn"),
        "lenet5": ModelEntry(LeNet5, (1, 28, 28), "LeCun et al. (1998), with ReLU and max pools"),
        "lenet5-tanh": ModelEntry(
            partial(LeNet5, activation="tanh"), (1, 28, 28), "the same with tanh, as in the paper"
        ),
        "three-layer": ModelEntry(
            ThreeLayerConvNet, _SMALL, "conv - ReLU - pool - linear - ReLU - linear, of CS231n", lr=1e-3
        ),
        "vgg-small": ModelEntry(SmallVGG, _SMALL, "six convolutions of 3×3 with batch norm, in three stages"),
        **{
            f"resnet{depth}": ModelEntry(
                partial(ResNet, depth), _SMALL, f"He et al. (2016), {depth} layers for CIFAR-10"
            )
            for depth in (20, 32, 44, 56)
        },
        "mobilenetv2-small": ModelEntry(
            partial(MobileNetV2, small_images=True), _SMALL, "Sandler et al. (2018), for images of about 32×32"
        ),
        "unet": ModelEntry(UNet, (3, 64, 64), "Ronneberger et al. (2015), two levels, scores of every pixel", 2),
        "alexnet": _of_imagenet(AlexNet, "Krizhevsky (2014), five convolutions", _DEEP),
        "vgg11": _of_imagenet(partial(VGG, 11), "Simonyan and Zisserman (2015), configuration A", _DEEP),
        "vgg11-bn": _of_imagenet(partial(VGG, 11, batch_norm=True), "the same with batch norm"),
        "vgg16": _of_imagenet(partial(VGG, 16), "Simonyan and Zisserman (2015), configuration D", _DEEP),
        "vgg16-bn": _of_imagenet(partial(VGG, 16, batch_norm=True), "the same with batch norm"),
        **{
            f"resnet{depth}": _of_imagenet(
                partial(ImageNetResNet, depth), f"He et al. (2016), {depth} layers for ImageNet"
            )
            for depth in (18, 34, 50)
        },
        "squeezenet": _of_imagenet(SqueezeNet, "Iandola et al. (2016), version 1.1", 3e-4),
        "mobilenetv2": _of_imagenet(MobileNetV2, "Sandler et al. (2018), for ImageNet"),
    },
)


def _entry(operation: str, name: object) -> ModelEntry:
    return MODELS[check_choice(operation, "name", name, tuple(MODELS))]


def _check_options(name: str, make: Callable[..., Layer], options: dict[str, Any]) -> None:
    """Refuse what a network does not take, by the name that somebody typed and not by that of its class."""
    taken = signature(make).parameters
    if any(each.kind is Parameter.VAR_KEYWORD for each in taken.values()):
        return
    for option in options:
        if option not in taken:
            raise InvalidTypeError(
                f"by_name: {name} must have options among {', '.join(taken)}, but got {option!r}.{meant(option, taken)}"
            )


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
    classes: int | None = None,
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
    classes : int, optional
        Scores per image; by default those of the data that the network was made for.
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
    TypeError
        If the network has no such option.

    Examples
    --------
    >>> by_name("three-layer", input_shape=(1, 28, 28), rng=0).output_shape((5, 1, 28, 28))
    (5, 10)
    """
    entry = _entry("by_name", name)
    _check_options(name, entry.make, options)
    shape = entry.input_shape if input_shape is None else input_shape
    scores = entry.classes if classes is None else classes
    model = entry.make(input_shape=shape, classes=scores, dtype=dtype, rng=rng, **options)
    remember(model, name, {"input_shape": shape, "classes": scores, "dtype": np.dtype(dtype).name, **options})
    return model

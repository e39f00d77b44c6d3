"""Named networks: those of `fastconv.models`, and others that people run, which are measured against other engines."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from importlib import import_module
from typing import Any

import numpy as np

from fastconv.errors import InvalidValueError, shown
from fastconv.layers import BatchNorm1d, Conv1d, Flatten, GlobalAvgPool1d, Layer, Linear, MaxPool1d, ReLU, Sequential

SGD, ADAM = "sgd", "adam"  # update rules of a training step

_HERE = __name__
_SPREAD = 0.1  # standard deviation of the running means that are drawn


@dataclass(frozen=True)
class Network:
    """One network, and what is run of it.

    Parameters
    ----------
    name : str
        Short and stable: it appears in saved results.
    place : str
        Where the function is that makes it, ``module:function``; it takes `arguments` and ``rng``.
    input_shape : tuple of int
        Shape of the input, without the batch.
    description : str
        What the network stands for.
    arguments : dict
        What the function takes.
    classes : int
        Scores, of every pixel where the network has as many of them.
    inference : tuple of int
        Batches of an inference.
    training : tuple of (int, str)
        Batches of a training step, with their update rules.

    Examples
    --------
    >>> network = by_name("unet")
    >>> network.make().output_shape((3, *network.input_shape))
    (3, 2, 64, 64)
    """

    name: str
    place: str
    input_shape: tuple[int, ...]
    description: str = ""
    arguments: dict[str, Any] = field(default_factory=dict, hash=False)
    classes: int = 10
    inference: tuple[int, ...] = ()
    training: tuple[tuple[int, str], ...] = ()

    def make(self, seed: int = 0) -> Layer:
        """Make it with weights of that seed; running statistics are drawn too, so that they are no identity."""
        module, _, function = self.place.partition(":")
        rng = np.random.default_rng(seed)
        model: Layer = getattr(import_module(module), function)(**self.arguments, rng=rng)
        for name, table in model.named_buffers():
            if name.endswith("running_mean"):
                table[...] = rng.normal(0, _SPREAD, table.shape)
            elif name.endswith("running_var"):
                table[...] = rng.uniform(0.5, 1.5, table.shape)
        return model


def signal_network(classes: int = 10, *, rng: Any = None) -> Sequential:
    """Return three convolutions over time, as for a heartbeat or a vibration: ``(N, 1, L) -> (N, classes)``."""
    rng = np.random.default_rng(rng)
    return Sequential(
        *(Conv1d(1, 32, 7, padding=3, rng=rng), BatchNorm1d(32), ReLU(), MaxPool1d(2)),
        *(Conv1d(32, 64, 5, padding=2, rng=rng), BatchNorm1d(64), ReLU(), MaxPool1d(2)),
        *(Conv1d(64, 64, 3, padding=1, rng=rng), ReLU()),
        *(GlobalAvgPool1d(), Flatten(), Linear(64, classes, rng=rng)),
    )


def _of_models(
    name: str,
    shape: tuple[int, ...],
    description: str,
    *training: tuple[int, str],
    inference: tuple[int, ...] = (1, 32),
    **arguments: Any,
) -> Network:
    """Return a network of `fastconv.models`; what drops numbers is told not to, as engines would not drop the same."""
    arguments = {"name": name, "classes": 10, **arguments}
    return Network(
        name, "fastconv.models:by_name", shape, description, arguments, arguments["classes"], inference, training
    )


_SMALL, _LARGE = (3, 32, 32), (3, 224, 224)

NETWORKS: tuple[Network, ...] = (
    _of_models("lenet5", (1, 28, 28), "LeNet-5 for MNIST", (64, SGD)),
    _of_models("three-layer", _SMALL, "ThreeLayerConvNet of CS231n", (50, SGD)),
    _of_models("vgg-small", _SMALL, "six 3×3 convolutions with batch norm", (64, SGD)),
    _of_models("resnet20", _SMALL, "ResNet-20 for CIFAR-10", (128, SGD), (128, ADAM)),
    replace(
        _of_models("mobilenetv2-small", _SMALL, "MobileNetV2 for CIFAR-10", (32, SGD), inference=(1, 8), dropout=0.0),
        name="mobilenet-v2",
    ),
    _of_models(
        "unet", (3, 64, 64), "U-Net with two levels, every pixel of two classes", (4, SGD), inference=(1, 8), classes=2
    ),
    Network(
        "signal",
        f"{_HERE}:signal_network",
        (1, 512),
        "three convolutions over a signal",
        inference=(1, 32),
        training=((32, SGD),),
    ),
    _of_models("resnet18", _LARGE, "ResNet-18 for ImageNet", inference=(1,), classes=1000),
    _of_models("squeezenet", _LARGE, "SqueezeNet 1.1 for ImageNet", inference=(1,), classes=1000, dropout=0.0),
)


def by_name(name: str) -> Network:
    """Return the network of that name; `InvalidValueError` lists all of them.

    Examples
    --------
    >>> by_name("signal").input_shape
    (1, 512)
    """
    for network in NETWORKS:
        if network.name == name:
            return network
    names = ", ".join(network.name for network in NETWORKS)
    raise InvalidValueError(f"by_name: a network must be one of {names}, but got {shown(name)}.")

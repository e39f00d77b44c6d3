"""Named networks: those of `fastconv.models`, and others that people run, which are measured against other engines."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import numpy as np

from fastconv.errors import InvalidValueError
from fastconv.layers import (
    BatchNorm1d,
    BatchNorm2d,
    Concat,
    Conv1d,
    Conv2d,
    ConvTranspose2d,
    Flatten,
    GlobalAvgPool1d,
    GlobalAvgPool2d,
    Identity,
    Layer,
    Linear,
    MaxPool1d,
    MaxPool2d,
    ReLU,
    ReLU6,
    Residual,
    Sequential,
)

SGD, ADAM = "sgd", "adam"  # update rules of a training step

_HERE = __name__
_SPREAD = 0.1  # standard deviation of the running means that are drawn
# Of MobileNetV2, table 2 of the paper: expansion, channels, blocks, stride of the first; strides as for 32×32 images.
_BOTTLENECKS = (
    (1, 16, 1, 1),
    (6, 24, 2, 1),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
# Of SqueezeNet 1.1: channels of a squeeze and of each of its two expansions; None is a pool.
_FIRES = (None, (16, 64), (16, 64), None, (32, 128), (32, 128), None, (48, 192), (48, 192), (64, 256), (64, 256))


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


def mobilenet_v2(classes: int = 10, *, rng: Any = None) -> Sequential:
    """MobileNetV2 for images of 32×32: ``(N, 3, H, W) -> (N, classes)``.

    Sandler et al. (2018), "MobileNetV2: Inverted Residuals and Linear Bottlenecks", table 2. The first convolution and
    the first stage of two blocks have stride 1.
    """
    rng = np.random.default_rng(rng)
    layers: list[Layer] = _convolved(3, 32, 3, ReLU6, rng)
    channels = 32
    for expansion, filters, blocks, stride in _BOTTLENECKS:
        for block in range(blocks):
            layers.append(_inverted_residual(channels, filters, expansion, 1 if block else stride, rng))
            channels = filters
    layers += _convolved(channels, 1280, 1, ReLU6, rng)
    return Sequential(*layers, GlobalAvgPool2d(), Flatten(), Linear(1280, classes, rng=rng))


def _convolved(
    channels: int, filters: int, kernel: int, unit: type[Layer] | None, rng: Any, **options: Any
) -> list[Layer]:
    """Return a convolution that keeps the size at stride 1, its batch norm, and an activation where there is one."""
    convolution = Conv2d(channels, filters, kernel, padding=kernel // 2, bias=False, rng=rng, **options)
    return [convolution, BatchNorm2d(filters), *([] if unit is None else [unit()])]


def _inverted_residual(channels: int, filters: int, expansion: int, stride: int, rng: Any) -> Layer:
    hidden = channels * expansion
    wide = _convolved(channels, hidden, 1, ReLU6, rng) if expansion > 1 else []
    depthwise = _convolved(hidden, hidden, 3, ReLU6, rng, stride=stride, groups=hidden)
    body = Sequential(*wide, *depthwise, *_convolved(hidden, filters, 1, None, rng))
    return Residual(body) if (stride, channels) == (1, filters) else body


def unet(classes: int = 2, *, width: int = 16, rng: Any = None) -> Sequential:
    """Return a small U-Net with two levels: ``(N, 3, H, W) -> (N, classes, H, W)``, sizes that 4 divides.

    Ronneberger, Fischer and Brox (2015), "U-Net: Convolutional Networks for Biomedical Image Segmentation", figure 1;
    padded, with batch norm.
    """
    rng = np.random.default_rng(rng)
    wide, wider = 2 * width, 4 * width
    deepest = Sequential(MaxPool2d(2), *_pair(wide, wider, rng), ConvTranspose2d(wider, wide, 2, stride=2, rng=rng))
    deep = Sequential(
        MaxPool2d(2),
        *_pair(width, wide, rng),
        Concat(Identity(), deepest),
        *_padded(wider, wide, rng),
        ConvTranspose2d(wide, width, 2, stride=2, rng=rng),
    )
    outside = _pair(3, width, rng)
    return Sequential(
        *outside, Concat(Identity(), deep), *_padded(wide, width, rng), Conv2d(width, classes, 1, rng=rng)
    )


def _padded(channels: int, filters: int, rng: Any) -> list[Layer]:
    return [Conv2d(channels, filters, 3, padding=1, rng=rng), BatchNorm2d(filters), ReLU()]


def _pair(channels: int, filters: int, rng: Any) -> list[Layer]:
    return [*_padded(channels, filters, rng), *_padded(filters, filters, rng)]


def signal_network(classes: int = 10, *, rng: Any = None) -> Sequential:
    """Return three convolutions over time, as for a heartbeat or a vibration: ``(N, 1, L) -> (N, classes)``."""
    rng = np.random.default_rng(rng)
    return Sequential(
        *(Conv1d(1, 32, 7, padding=3, rng=rng), BatchNorm1d(32), ReLU(), MaxPool1d(2)),
        *(Conv1d(32, 64, 5, padding=2, rng=rng), BatchNorm1d(64), ReLU(), MaxPool1d(2)),
        *(Conv1d(64, 64, 3, padding=1, rng=rng), ReLU()),
        *(GlobalAvgPool1d(), Flatten(), Linear(64, classes, rng=rng)),
    )


def resnet18(classes: int = 1000, *, rng: Any = None) -> Sequential:
    """ResNet-18: ``(N, 3, H, W) -> (N, classes)``.

    He, Zhang, Ren and Sun (2016), "Deep Residual Learning for Image Recognition", table 1, with shortcuts B.
    """
    rng = np.random.default_rng(rng)
    layers: list[Layer] = [*_convolved(3, 64, 7, ReLU, rng, stride=2), MaxPool2d(3, 2, padding=1)]
    channels = 64
    for filters in (64, 128, 256, 512):
        for stride in (1 if filters == 64 else 2, 1):
            first, second = (channels, filters, 3, ReLU), (filters, filters, 3, None)
            body = Sequential(*_convolved(*first, rng, stride=stride), *_convolved(*second, rng))
            same = (stride, channels) == (1, filters)
            around = [] if same else [Sequential(*_convolved(channels, filters, 1, None, rng, stride=stride))]
            layers += [Residual(body, *around), ReLU()]
            channels = filters
    return Sequential(*layers, GlobalAvgPool2d(), Flatten(), Linear(512, classes, rng=rng))


def squeezenet(classes: int = 1000, *, rng: Any = None) -> Sequential:
    """SqueezeNet 1.1: ``(N, 3, H, W) -> (N, classes)``.

    Iandola et al. (2016), "SqueezeNet: AlexNet-level accuracy with 50x fewer parameters and <0.5MB model size"; version
    1.1 is that of its authors' repository, with 2.4 times less computation.
    """
    rng = np.random.default_rng(rng)
    layers: list[Layer] = [Conv2d(3, 64, 3, 2, rng=rng), ReLU()]
    channels = 64
    for sizes in _FIRES:
        if sizes is None:
            layers.append(MaxPool2d(3, 2, ceil_mode=True))
            continue
        squeeze, expand = sizes
        small, large = Conv2d(squeeze, expand, 1, rng=rng), Conv2d(squeeze, expand, 3, padding=1, rng=rng)
        layers += [Conv2d(channels, squeeze, 1, rng=rng), ReLU()]
        layers.append(Concat(Sequential(small, ReLU()), Sequential(large, ReLU())))
        channels = 2 * expand
    last = Conv2d(channels, classes, 1, rng=rng)
    return Sequential(*layers, last, ReLU(), GlobalAvgPool2d(), Flatten())


def _of_models(name: str, shape: tuple[int, ...], description: str, *training: tuple[int, str]) -> Network:
    """Return a network of `fastconv.models`, for one image and for 32."""
    arguments = {"name": name, "classes": 10}
    return Network(name, "fastconv.models:by_name", shape, description, arguments, 10, (1, 32), training)


_SMALL, _LARGE = (3, 32, 32), (3, 224, 224)

NETWORKS: tuple[Network, ...] = (
    _of_models("lenet5", (1, 28, 28), "LeNet-5 for MNIST", (64, SGD)),
    _of_models("three-layer", _SMALL, "ThreeLayerConvNet of CS231n", (50, SGD)),
    _of_models("vgg-small", _SMALL, "six 3×3 convolutions with batch norm", (64, SGD)),
    _of_models("resnet20", _SMALL, "ResNet-20 for CIFAR-10", (128, SGD), (128, ADAM)),
    Network(
        "mobilenet-v2",
        f"{_HERE}:mobilenet_v2",
        _SMALL,
        "MobileNetV2 for CIFAR-10",
        inference=(1, 8),
        training=((32, SGD),),
    ),
    Network(
        "unet",
        f"{_HERE}:unet",
        (3, 64, 64),
        "U-Net with two levels, every pixel of two classes",
        classes=2,
        inference=(1, 8),
        training=((4, SGD),),
    ),
    Network(
        "signal",
        f"{_HERE}:signal_network",
        (1, 512),
        "three convolutions over a signal",
        inference=(1, 32),
        training=((32, SGD),),
    ),
    Network("resnet18", f"{_HERE}:resnet18", _LARGE, "ResNet-18 for ImageNet", classes=1000, inference=(1,)),
    Network("squeezenet", f"{_HERE}:squeezenet", _LARGE, "SqueezeNet 1.1 for ImageNet", classes=1000, inference=(1,)),
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
    raise InvalidValueError(f"by_name: a network must be one of {names}, but got {name!r}.")

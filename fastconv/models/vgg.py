"""VGG: 3×3 convolutions in stages, with a max pool after each; as published, and a small one."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from fastconv.errors import InvalidValueError, shown
from fastconv.layers import AdaptiveAvgPool2d, BatchNorm2d, Conv2d, Flatten, Layer, Linear, MaxPool2d, ReLU, Sequential
from fastconv.models.arguments import check_depth, check_image
from fastconv.models.blocks import dropped, normalized
from fastconv.validation.sizes import check_integer, check_rng, entries_of

_WIDTHS = (64, 128, 256, 512, 512)
_CONVOLUTIONS = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}
_UNITS = 4096  # of each hidden linear layer


class VGG(Sequential):
    """VGG for ImageNet, of 11, 13, 16 or 19 layers.

    ``(N, C, H, W) -> (N, classes)``

    Parameters
    ----------
    depth : {11, 13, 16, 19}
        Layers with weights: configurations A, B, D and E of the paper.
    input_shape : (C, H, W)
        Shape of an image, at least 32×32; every stage halves height and width, and what is left is averaged to 7×7.
    classes : int
        Scores per image.
    batch_norm : bool
        Whether batch norm follows every convolution, which the paper does not have.
    dropout : float
        Probability of dropping a number before each of the last two linear layers.
    dtype : dtype
        Of the parameters.
    rng : Generator, int or None
        Where the weights come from, layer after layer, and what is dropped.

    Raises
    ------
    ValueError
        If a size or the depth is impossible.

    Notes
    -----
    Simonyan and Zisserman (2015), "Very Deep Convolutional Networks for Large-Scale Image Recognition", table 1.
    Parameters for RGB and 1000 classes: 132,863,336 (11 layers) and 138,357,544 (16).

    Layers and state dict have the names of torchvision's networks: ``features.0``, ..., ``classifier.6``.

    Examples
    --------
    >>> from fastconv.initializers import undrawn
    >>> with undrawn():  # the weights are those of somebody else, or not needed
    ...     model = VGG(11, (1, 32, 40), 3)
    >>> model.output_shape((2, 1, 32, 40)), sum(parameter.size for parameter in model.parameters())
    ((2, 3), 128777475)
    """

    def __init__(
        self,
        depth: int = 16,
        input_shape: tuple[int, int, int] = (3, 224, 224),
        classes: int = 1000,
        *,
        batch_norm: bool = False,
        dropout: float = 0.5,
        dtype: DTypeLike = np.float32,
        rng: Any = None,
    ) -> None:
        name = "VGG"
        depth = check_depth(name, depth, _CONVOLUTIONS)
        channels, _, _ = check_image(name, input_shape, 2 ** len(_WIDTHS))
        generator = check_rng(name, rng)
        options: dict[str, Any] = {"dtype": dtype, "rng": generator}
        features: list[Layer] = []
        for filters, convolutions in zip(_WIDTHS, _CONVOLUTIONS[depth]):
            for _ in range(convolutions):
                features.append(Conv2d(channels, filters, 3, padding=1, **options))
                features += [BatchNorm2d(filters, dtype=dtype), ReLU()] if batch_norm else [ReLU()]
                channels = filters
            features.append(MaxPool2d(2))
        layers: dict[str, Layer] = {
            "features": Sequential(*features),
            "avgpool": AdaptiveAvgPool2d(7),
            "flatten": Flatten(),
            "classifier": Sequential(
                *(Linear(channels * 7 * 7, _UNITS, **options), ReLU(), dropped(dropout, generator)),
                *(Linear(_UNITS, _UNITS, **options), ReLU(), dropped(dropout, generator)),
                Linear(_UNITS, check_integer(name, "classes", classes, 1), **options),
            ),
        }
        super().__init__(layers)


class SmallVGG(Sequential):
    """A small network in the manner of VGG: per stage two 3×3 convolutions with batch norm, then a 2×2 max pool.

    ``(N, C, H, W) -> (N, classes)``

    Parameters
    ----------
    input_shape : (C, H, W)
        Shape of an image; every stage halves height and width.
    widths : tuple of int
        Filters of the convolutions of each stage.
    hidden : int
        Units of the linear layer after the last stage.
    classes, dtype, rng
        As for `DigitsNet`.

    Raises
    ------
    ValueError
        If a size is impossible.

    Notes
    -----
    The layers are ``stage1``, ``stage2``, ..., ``flatten``, ``hidden``, ``relu``, ``scores``; in a stage ``conv1``,
    ``bn1``, ``relu1``, ``conv2``, ``bn2``, ``relu2``, ``pool``. The convolutions have no bias: batch norm has one.

    Simonyan and Zisserman (2015), "Very Deep Convolutional Networks for Large-Scale Image Recognition", section 2.1,
    with the batch normalisation of Ioffe and Szegedy (2015). 551,018 parameters with the arguments by default.

    Examples
    --------
    >>> model = SmallVGG((3, 32, 32), rng=0)
    >>> model.output_shape((2, 3, 32, 32)), sum(parameter.size for parameter in model.parameters())
    ((2, 10), 551018)
    """

    def __init__(
        self,
        input_shape: tuple[int, int, int] = (3, 32, 32),
        classes: int = 10,
        *,
        widths: tuple[int, ...] = (32, 64, 128),
        hidden: int = 128,
        dtype: DTypeLike = np.float32,
        rng: Any = None,
    ) -> None:
        name = "SmallVGG"
        stages = entries_of(widths)
        if not stages:
            raise InvalidValueError(
                f"{name}: widths must name the filters of at least one stage, but got {shown(widths)}."
            )
        channels, height, width = check_image(name, input_shape, 2 ** len(stages))
        generator = check_rng(name, rng)
        named: dict[str, Layer] = {}
        for stage, filters in enumerate(stages, start=1):
            named[f"stage{stage}"] = _vgg_stage(channels, filters, dtype, generator)
            channels, height, width = filters, height // 2, width // 2
        options: dict[str, Any] = {"dtype": dtype, "rng": generator}
        named["flatten"] = Flatten()
        named["hidden"] = Linear(channels * height * width, hidden, **options)
        named["relu"] = ReLU()
        named["scores"] = Linear(hidden, check_integer(name, "classes", classes, 1), **options)
        super().__init__(named)


def _vgg_stage(channels: int, filters: int, dtype: DTypeLike, generator: np.random.Generator) -> Sequential:
    named: dict[str, Layer] = {}
    for i in (1, 2):
        named[f"conv{i}"], named[f"bn{i}"] = normalized(channels, filters, 3, dtype=dtype, rng=generator)
        named[f"relu{i}"] = ReLU()
        channels = filters
    return Sequential({**named, "pool": MaxPool2d(2)})

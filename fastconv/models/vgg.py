"""A small VGG with batch norm."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from fastconv.errors import InvalidValueError
from fastconv.layers import BatchNorm2d, Conv2d, Flatten, Layer, Linear, MaxPool2d, ReLU, Sequential
from fastconv.layers.arguments import check_rng
from fastconv.models.arguments import check_classes, check_image

__all__ = ["SmallVGG"]


class SmallVGG(Sequential):
    """A small network in the manner of VGG: per stage two 3×3 convolutions with batch norm, then a 2×2 max pool.

    ``(N, C, H, W) -> (N, classes)``

    Parameters
    ----------
    input_shape : (C, H, W)
        Shape of an image; every stage halves height and width.
    classes : int
        Scores per image.
    widths : tuple of int
        Filters of the convolutions of each stage.
    hidden : int
        Units of the linear layer after the last stage.
    dtype : dtype
        Of the parameters.
    rng : Generator, int or None
        Where the weights come from, layer after layer.

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
        if not widths:
            raise InvalidValueError(f"{name}: widths must name the filters of at least one stage, but got {widths!r}.")
        channels, height, width = check_image(name, input_shape, 2 ** len(widths))
        generator = check_rng(name, rng)
        named: dict[str, Layer] = {}
        for stage, filters in enumerate(widths, start=1):
            named[f"stage{stage}"] = _vgg_stage(channels, filters, dtype, generator)
            channels, height, width = filters, height // 2, width // 2
        options: dict[str, Any] = {"dtype": dtype, "rng": generator}
        named["flatten"] = Flatten()
        named["hidden"] = Linear(channels * height * width, hidden, **options)
        named["relu"] = ReLU()
        named["scores"] = Linear(hidden, check_classes(name, classes), **options)
        super().__init__(named)


def _vgg_stage(channels: int, filters: int, dtype: DTypeLike, generator: np.random.Generator) -> Sequential:
    named: dict[str, Layer] = {}
    for i in (1, 2):
        named[f"conv{i}"] = Conv2d(channels, filters, 3, padding=1, bias=False, dtype=dtype, rng=generator)
        named[f"bn{i}"] = BatchNorm2d(filters, dtype=dtype)
        named[f"relu{i}"] = ReLU()
        channels = filters
    return Sequential({**named, "pool": MaxPool2d(2)})

"""MobileNetV2."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from fastconv.layers import Flatten, GlobalAvgPool2d, Layer, Linear, ReLU6, Residual, Sequential
from fastconv.models.arguments import check_image
from fastconv.models.blocks import dropped, normalized
from fastconv.validation.sizes import check_flag, check_integer, check_rng

# Table 2 of the paper: expansion, channels, blocks, stride of the first.
_STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
_FIRST, _LAST = 32, 1280  # channels


class MobileNetV2(Sequential):
    """MobileNetV2: depthwise convolutions between a 1×1 one that widens and a 1×1 one that narrows.

    ``(N, C, H, W) -> (N, classes)``

    Parameters
    ----------
    input_shape : (C, H, W)
        Shape of an image.
    classes : int
        Scores per image.
    small_images : bool
        Whether images are of about 32×32: the first convolution, and the first stage that would halve, keep their size.
    dropout, dtype, rng
        As for `VGG`; there is one dropout, before the linear layer.

    Raises
    ------
    ValueError
        If a size is impossible.

    Notes
    -----
    Sandler et al. (2018), "MobileNetV2: Inverted Residuals and Linear Bottlenecks", table 2. 3,504,872 parameters for
    RGB and 1000 classes.

    Layers and state dict have the names of torchvision's network: ``features.0.0``, ``features.1.conv.0.0``, ...,
    ``classifier.1``.

    Examples
    --------
    >>> model = MobileNetV2((3, 32, 48), 10, small_images=True, rng=0)
    >>> model.output_shape((2, 3, 32, 48)), sum(parameter.size for parameter in model.parameters())
    ((2, 10), 2236682)
    """

    def __init__(
        self,
        input_shape: tuple[int, int, int] = (3, 224, 224),
        classes: int = 1000,
        *,
        small_images: bool = False,
        dropout: float = 0.2,
        dtype: DTypeLike = np.float32,
        rng: Any = None,
    ) -> None:
        name = "MobileNetV2"
        image, _, _ = check_image(name, input_shape, 1)
        generator = check_rng(name, rng)
        options: dict[str, Any] = {"dtype": dtype, "rng": generator}
        early = 1 if check_flag(name, "small_images", small_images) else 2  # stride
        channels = _FIRST
        features: list[Layer] = [_convolved(image, channels, 3, early, **options)]
        for expansion, filters, blocks, stride in _STAGES:
            first = early if filters == 24 else stride
            for block in range(blocks):
                features.append(_inverted_residual(channels, filters, expansion, 1 if block else first, **options))
                channels = filters
        features.append(_convolved(channels, _LAST, 1, **options))
        scores = Linear(_LAST, check_integer(name, "classes", classes, 1), **options)
        layers: dict[str, Layer] = {
            "features": Sequential(*features),
            "avgpool": GlobalAvgPool2d(),
            "flatten": Flatten(),
            "classifier": Sequential(dropped(dropout, generator), scores),
        }
        super().__init__(layers)


def _convolved(in_channels: int, out_channels: int, kernel: int, stride: int = 1, **options: Any) -> Sequential:
    return Sequential(*normalized(in_channels, out_channels, kernel, stride, **options), ReLU6())


def _inverted_residual(channels: int, filters: int, expansion: int, stride: int, **options: Any) -> Layer:
    """Return the block of figure 4 (d) of the paper."""
    hidden = channels * expansion
    body = Sequential(
        *([_convolved(channels, hidden, 1, **options)] if expansion > 1 else []),
        _convolved(hidden, hidden, 3, stride, groups=hidden, **options),
        *normalized(hidden, filters, 1, **options),
    )
    return Residual({"conv": body}) if (stride, channels) == (1, filters) else Sequential({"conv": body})

"""SqueezeNet 1.1."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from fastconv.layers import Concat, Conv2d, Flatten, GlobalAvgPool2d, Layer, MaxPool2d, ReLU, Sequential
from fastconv.models.arguments import check_image
from fastconv.models.blocks import Block, dropped
from fastconv.validation.sizes import check_integer, check_rng

_LEAST = 25  # pixels that leave something to the last pool
# Channels of a squeeze and of each of its two expansions; None is a pool.
_FIRES = (None, (16, 64), (16, 64), None, (32, 128), (32, 128), None, (48, 192), (48, 192), (64, 256), (64, 256))


class SqueezeNet(Sequential):
    """SqueezeNet 1.1, for ImageNet: 1×1 convolutions squeeze the channels, 1×1 and 3×3 ones side by side expand them.

    ``(N, C, H, W) -> (N, classes)``

    Parameters
    ----------
    input_shape : (C, H, W)
        Shape of an image, at least 25×25.
    classes : int
        Scores per image.
    dropout, dtype, rng
        As for `VGG`; there is one dropout, before the last convolution.

    Raises
    ------
    ValueError
        If a size is impossible.

    Notes
    -----
    Iandola et al. (2016), "SqueezeNet: AlexNet-level accuracy with 50x fewer parameters and <0.5MB model size", figure
    2; version 1.1 is that of its authors' repository, with 2.4 times less computation. 1,235,496 parameters for RGB and
    1000 classes.

    Layers and state dict have the names of torchvision's network: ``features.3.squeeze``, ``features.3.expand1x1``,
    ..., ``classifier.1``.

    Examples
    --------
    >>> model = SqueezeNet((1, 25, 30), 3, rng=0)
    >>> model.output_shape((2, 1, 25, 30)), sum(parameter.size for parameter in model.parameters())
    ((2, 3), 722883)
    """

    def __init__(
        self,
        input_shape: tuple[int, int, int] = (3, 224, 224),
        classes: int = 1000,
        *,
        dropout: float = 0.5,
        dtype: DTypeLike = np.float32,
        rng: Any = None,
    ) -> None:
        name = "SqueezeNet"
        image, _, _ = check_image(name, input_shape, _LEAST)
        generator = check_rng(name, rng)
        options: dict[str, Any] = {"dtype": dtype, "rng": generator}
        channels = 64
        features: list[Layer] = [Conv2d(image, channels, 3, 2, **options), ReLU()]
        for sizes in _FIRES:
            if sizes is None:
                features.append(MaxPool2d(3, 2, ceil_mode=True))
            else:
                features.append(_fire(channels, *sizes, **options))
                channels = 2 * sizes[1]
        last = Conv2d(channels, check_integer(name, "classes", classes, 1), 1, **options)
        layers: dict[str, Layer] = {
            "features": Sequential(*features),
            "classifier": Sequential(dropped(dropout, generator), last, ReLU(), GlobalAvgPool2d()),
            "flatten": Flatten(),
        }
        super().__init__(layers)


def _fire(channels: int, squeeze: int, expand: int, **options: Any) -> Block:
    """Return the module of figure 1 of the paper."""
    small: dict[str, Layer] = {"expand1x1": Conv2d(squeeze, expand, 1, **options), "expand1x1_activation": ReLU()}
    large: dict[str, Layer] = {
        "expand3x3": Conv2d(squeeze, expand, 3, padding=1, **options),
        "expand3x3_activation": ReLU(),
    }
    layers: dict[str, Layer] = {
        "squeeze": Conv2d(channels, squeeze, 1, **options),
        "squeeze_activation": ReLU(),
        "expand": Concat({"small": Sequential(small), "large": Sequential(large)}),
    }
    return Block(layers, ("expand", "small", "large"))

"""AlexNet."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from fastconv.layers import AdaptiveAvgPool2d, Conv2d, Flatten, Layer, Linear, MaxPool2d, ReLU, Sequential
from fastconv.models.arguments import check_image
from fastconv.models.blocks import dropped
from fastconv.validation.sizes import check_integer, check_rng

_LEAST = 63  # pixels that leave something to the last pool


class AlexNet(Sequential):
    """AlexNet: five convolutions and three linear layers, for ImageNet.

    ``(N, C, H, W) -> (N, classes)``

    Parameters
    ----------
    input_shape : (C, H, W)
        Shape of an image, at least 63×63; what is left of it after the convolutions is averaged to 6×6.
    classes : int
        Scores per image.
    dropout, dtype, rng
        As for `VGG`.

    Raises
    ------
    ValueError
        If a size is impossible.

    Notes
    -----
    Krizhevsky (2014), "One weird trick for parallelizing convolutional neural networks": the network of Krizhevsky,
    Sutskever and Hinton (2012) in one column instead of two, without response normalisation. 61,100,840 parameters for
    RGB and 1000 classes.

    Layers and state dict have the names of torchvision's network: ``features.0``, ..., ``classifier.6``.

    Examples
    --------
    >>> from fastconv.initializers import undrawn
    >>> with undrawn():  # the weights are those of somebody else, or not needed
    ...     model = AlexNet((1, 63, 80), 3)
    >>> model.output_shape((2, 1, 63, 80)), sum(parameter.size for parameter in model.parameters())
    ((2, 3), 57000643)
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
        name = "AlexNet"
        channels, _, _ = check_image(name, input_shape, _LEAST)
        generator = check_rng(name, rng)
        options: dict[str, Any] = {"dtype": dtype, "rng": generator}
        layers: dict[str, Layer] = {
            "features": Sequential(
                *(Conv2d(channels, 64, 11, 4, padding=2, **options), ReLU(), MaxPool2d(3, 2)),
                *(Conv2d(64, 192, 5, padding=2, **options), ReLU(), MaxPool2d(3, 2)),
                *(Conv2d(192, 384, 3, padding=1, **options), ReLU()),
                *(Conv2d(384, 256, 3, padding=1, **options), ReLU()),
                *(Conv2d(256, 256, 3, padding=1, **options), ReLU(), MaxPool2d(3, 2)),
            ),
            "avgpool": AdaptiveAvgPool2d(6),
            "flatten": Flatten(),
            "classifier": Sequential(
                *(dropped(dropout, generator), Linear(256 * 6 * 6, 4096, **options), ReLU()),
                *(dropped(dropout, generator), Linear(4096, 4096, **options), ReLU()),
                Linear(4096, check_integer(name, "classes", classes, 1), **options),
            ),
        }
        super().__init__(layers)

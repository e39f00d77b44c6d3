"""A network for the digits of scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from fastconv.layers import Conv2d, Flatten, Linear, MaxPool2d, ReLU, Sequential
from fastconv.layers.arguments import check_rng
from fastconv.models.arguments import check_classes, check_image
from fastconv.validation.sizes import check_integer

__all__ = ["DigitsNet"]


class DigitsNet(Sequential):
    """A network for the 8×8 digits of scikit-learn: two 3×3 convolutions, a 2×2 max pool, a linear layer.

    ``(N, C, H, W) -> (N, classes)``

    Parameters
    ----------
    input_shape : (C, H, W)
        Shape of an image; height and width at least 2.
    classes : int
        Scores per image.
    filters : int
        Filters of the first convolution; the second has twice as many.
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
    The layers are ``conv1``, ``relu1``, ``conv2``, ``relu2``, ``pool``, ``flatten``, ``scores``.

    29,066 parameters with the arguments by default. Adam with a learning rate of 0.002 and batches of 32 takes it past
    97 % on held-out digits in a few epochs.

    Examples
    --------
    >>> model = DigitsNet(rng=0)
    >>> model.output_shape((5, 1, 8, 8)), sum(parameter.size for parameter in model.parameters())
    ((5, 10), 29066)
    """

    def __init__(
        self,
        input_shape: tuple[int, int, int] = (1, 8, 8),
        classes: int = 10,
        *,
        filters: int = 32,
        dtype: DTypeLike = np.float32,
        rng: Any = None,
    ) -> None:
        name = "DigitsNet"
        channels, height, width = check_image(name, input_shape, 2)
        filters = check_integer(name, "filters", filters, 1)
        options: dict[str, Any] = {"dtype": dtype, "rng": check_rng(name, rng)}
        super().__init__(
            {
                "conv1": Conv2d(channels, filters, 3, padding=1, **options),
                "relu1": ReLU(),
                "conv2": Conv2d(filters, 2 * filters, 3, padding=1, **options),
                "relu2": ReLU(),
                "pool": MaxPool2d(2),
                "flatten": Flatten(),
                "scores": Linear(2 * filters * (height // 2) * (width // 2), check_classes(name, classes), **options),
            }
        )

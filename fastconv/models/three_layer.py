"""The three-layer network of CS231n."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from fastconv.initializers import normal
from fastconv.layers import Conv2d, Flatten, Linear, MaxPool2d, ReLU, Sequential
from fastconv.layers.arguments import check_rng
from fastconv.models.arguments import check_classes, check_image
from fastconv.validation.sizes import check_integer

__all__ = ["ThreeLayerConvNet"]


class ThreeLayerConvNet(Sequential):
    """The network of Stanford's CS231n: conv - ReLU - 2×2 max pool - linear - ReLU - linear.

    ``(N, C, H, W) -> (N, classes)``

    Parameters
    ----------
    input_shape : (C, H, W)
        Shape of an image; height and width at least 2.
    classes : int
        Scores per image.
    filters, filter_size : int
        Filters of the convolution, and their height and width; "same" padding.
    hidden : int
        Units of the hidden linear layer.
    weight_scale : float
        Standard deviation of the initial weights; biases are zero.
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
    The layers are ``conv``, ``relu1``, ``pool``, ``flatten``, ``hidden``, ``relu2``, ``scores``.

    The softmax is in the loss. The course trains one epoch on CIFAR-10 with ``weight_scale=0.001``, ``hidden=500``,
    batches of 50, Adam with a learning rate of 0.001, and L2 regularisation ``reg=0.001``: it adds ``reg * weight`` to
    the gradient of every weight, not of the biases. 825,046 parameters with the arguments by default.

    Source: Li, Karpathy and Johnson (2016), CS231n, assignment 2, ``cnn.py``.

    Examples
    --------
    >>> import numpy as np
    >>> model = ThreeLayerConvNet((3, 32, 32), rng=0)
    >>> model(np.zeros((2, 3, 32, 32), np.float32)).shape
    (2, 10)
    >>> sum(parameter.size for parameter in model.parameters())
    825046
    """

    def __init__(
        self,
        input_shape: tuple[int, int, int] = (3, 32, 32),
        classes: int = 10,
        *,
        filters: int = 32,
        filter_size: int = 7,
        hidden: int = 100,
        weight_scale: float = 1e-3,
        dtype: DTypeLike = np.float32,
        rng: Any = None,
    ) -> None:
        name = "ThreeLayerConvNet"
        channels, height, width = check_image(name, input_shape, 2)
        generator, draw = check_rng(name, rng), normal(weight_scale)
        features = check_integer(name, "filters", filters, 1) * (height // 2) * (width // 2)
        options: dict[str, Any] = {"dtype": dtype, "rng": generator, "weight_init": draw}
        super().__init__(
            {
                "conv": Conv2d(channels, filters, filter_size, padding="same", **options),
                "relu1": ReLU(),
                "pool": MaxPool2d(2),
                "flatten": Flatten(),
                "hidden": Linear(features, hidden, **options),
                "relu2": ReLU(),
                "scores": Linear(hidden, check_classes(name, classes), **options),
            }
        )

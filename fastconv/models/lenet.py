"""LeNet-5."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from fastconv.layers import Conv2d, Flatten, Linear, MaxPool2d, ReLU, Sequential, Tanh
from fastconv.layers.arguments import check_rng
from fastconv.models.arguments import check_classes, check_image
from fastconv.validation.sizes import check_choice

__all__ = ["LeNet5"]


class LeNet5(Sequential):
    """LeNet-5 as it is built today: two convolutions of 5×5 with 2×2 max pools, then 120, 84 and the classes.

    ``(N, C, H, W) -> (N, classes)``

    Parameters
    ----------
    input_shape : (C, H, W)
        Shape of an image. Planes of 28×28 are padded by the first convolution to the 32×32 of the paper; planes of any
        other size are taken as they are, and must be at least 16×16.
    classes : int
        Scores per image.
    activation : {"relu", "tanh"}
        After every layer with weights but the last; the paper has a scaled tanh.
    dtype : dtype
        Of the parameters.
    rng : Generator, int or None
        Where the weights come from, layer after layer.

    Raises
    ------
    ValueError
        If a size or the activation is impossible.

    Notes
    -----
    The layers are ``conv1``, ``activation1``, ``pool1``, ``conv2``, ``activation2``, ``pool2``, ``flatten``, ``fc1``,
    ``activation3``, ``fc2``, ``activation4``, ``fc3``.

    LeCun, Bottou, Bengio and Haffner (1998), "Gradient-Based Learning Applied to Document Recognition", section II.B.
    What differs from it, as in most networks of this name: every filter of the second convolution sees all six maps
    (the paper leaves some out, table I), the pools take maxima instead of trained means, and the last layer is linear
    instead of radial. 61,706 parameters for one channel and ten classes.

    Examples
    --------
    >>> import numpy as np
    >>> LeNet5(rng=0)(np.zeros((2, 1, 28, 28), np.float32)).shape
    (2, 10)
    >>> sum(parameter.size for parameter in LeNet5((1, 32, 32), rng=0).parameters())
    61706
    """

    def __init__(
        self,
        input_shape: tuple[int, int, int] = (1, 28, 28),
        classes: int = 10,
        *,
        activation: str = "relu",
        dtype: DTypeLike = np.float32,
        rng: Any = None,
    ) -> None:
        name = "LeNet5"
        channels, height, width = check_image(name, input_shape, 16)
        check_choice(name, "activation", activation, ("relu", "tanh"))
        unit, draw = {"relu": (ReLU, "he_normal"), "tanh": (Tanh, "xavier_normal")}[activation]
        options: dict[str, Any] = {"dtype": dtype, "rng": check_rng(name, rng), "weight_init": draw}
        padding = 2 if (height, width) == (28, 28) else 0
        rows, columns = (((size + 2 * padding - 4) // 2 - 4) // 2 for size in (height, width))
        super().__init__(
            {
                "conv1": Conv2d(channels, 6, 5, padding=padding, **options),
                "activation1": unit(),
                "pool1": MaxPool2d(2),
                "conv2": Conv2d(6, 16, 5, **options),
                "activation2": unit(),
                "pool2": MaxPool2d(2),
                "flatten": Flatten(),
                "fc1": Linear(16 * rows * columns, 120, **options),
                "activation3": unit(),
                "fc2": Linear(120, 84, **options),
                "activation4": unit(),
                "fc3": Linear(84, check_classes(name, classes), **options),
            }
        )

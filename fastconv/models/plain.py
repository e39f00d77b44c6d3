"""Small networks whose layers follow one another: for digits, LeNet-5, and that of CS231n."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from fastconv.initializers import normal
from fastconv.layers import Conv2d, Flatten, Layer, Linear, MaxPool2d, ReLU, Sequential, Tanh
from fastconv.models.arguments import check_image
from fastconv.validation.sizes import check_choice, check_integer, check_rng


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
        features = 2 * filters * (height // 2) * (width // 2)
        layers: dict[str, Layer] = {
            "conv1": Conv2d(channels, filters, 3, padding=1, **options),
            "relu1": ReLU(),
            "conv2": Conv2d(filters, 2 * filters, 3, padding=1, **options),
            "relu2": ReLU(),
            "pool": MaxPool2d(2),
            "flatten": Flatten(),
            "scores": Linear(features, check_integer(name, "classes", classes, 1), **options),
        }
        super().__init__(layers)


class LeNet5(Sequential):
    """LeNet-5 as it is built today: two convolutions of 5×5 with 2×2 max pools, then 120, 84 and the classes.

    ``(N, C, H, W) -> (N, classes)``

    Parameters
    ----------
    input_shape : (C, H, W)
        Shape of an image. Planes of 28×28 are padded by the first convolution to the 32×32 of the paper; planes of any
        other size are taken as they are, and must be at least 16×16.
    activation : {"relu", "tanh"}
        After every layer with weights but the last; the paper has a scaled tanh.
    classes, dtype, rng
        As for `DigitsNet`.

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
        layers: dict[str, Layer] = {
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
            "fc3": Linear(84, check_integer(name, "classes", classes, 1), **options),
        }
        super().__init__(layers)


class ThreeLayerConvNet(Sequential):
    """The network of Stanford's CS231n: conv - ReLU - 2×2 max pool - linear - ReLU - linear.

    ``(N, C, H, W) -> (N, classes)``

    Parameters
    ----------
    input_shape : (C, H, W)
        Shape of an image; height and width at least 2.
    filters, filter_size : int
        Filters of the convolution, and their height and width; "same" padding.
    hidden : int
        Units of the hidden linear layer.
    weight_scale : float
        Standard deviation of the initial weights; biases are zero.
    classes, dtype, rng
        As for `DigitsNet`.

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
        layers: dict[str, Layer] = {
            "conv": Conv2d(channels, filters, filter_size, padding="same", **options),
            "relu1": ReLU(),
            "pool": MaxPool2d(2),
            "flatten": Flatten(),
            "hidden": Linear(features, hidden, **options),
            "relu2": ReLU(),
            "scores": Linear(hidden, check_integer(name, "classes", classes, 1), **options),
        }
        super().__init__(layers)

"""The residual networks for CIFAR-10."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from fastconv.errors import InvalidValueError
from fastconv.layers import Flatten, GlobalAvgPool2d, Identity, Layer, Linear, ReLU, Sequential, SubsampleShortcut
from fastconv.models.arguments import check_image
from fastconv.models.blocks import ResidualBlock, basic_body, normalized
from fastconv.validation.sizes import check_choice, check_integer, check_rng


class BasicBlock(ResidualBlock):
    """Two 3×3 convolutions with batch norm, around which a shortcut runs: ``relu(body(x) + shortcut(x))``.

    ``(N, in_channels, H, W) -> (N, out_channels, ceil(H / stride), ceil(W / stride))``

    Parameters
    ----------
    in_channels, out_channels : int
        Channels before and after.
    stride : int
        Of the first convolution and of the shortcut.
    shortcut : {"A", "B"}
        Where sizes change: "A" takes every second cell and adds channels of zeros, without parameters
        (`fastconv.layers.SubsampleShortcut`); "B" is a 1×1 convolution with batch norm. Elsewhere it is the identity.
    dtype : dtype
        Of the parameters.
    rng : Generator, int or None
        Where the weights come from.

    Raises
    ------
    ValueError
        If a size or the shortcut is impossible.

    Notes
    -----
    He, Zhang, Ren and Sun (2016), "Deep Residual Learning for Image Recognition", figure 2 and section 3.3. In a state
    dict the names are those of PyTorch's networks: ``conv1.weight``, ``bn1.running_mean``, ``shortcut.0.weight``.

    Examples
    --------
    >>> BasicBlock(16, 32, 2, rng=0).output_shape((2, 16, 9, 6))
    (2, 32, 5, 3)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        stride: int = 1,
        shortcut: str = "A",
        *,
        dtype: DTypeLike = np.float32,
        rng: Any = None,
    ) -> None:
        name = "BasicBlock"
        check_choice(name, "shortcut", shortcut, ("A", "B"))
        options: dict[str, Any] = {"dtype": dtype, "rng": check_rng(name, rng)}
        body = basic_body(in_channels, out_channels, stride, **options)
        around: Layer = Identity()
        if (stride, in_channels) != (1, out_channels) and shortcut == "A":
            around = SubsampleShortcut(in_channels, out_channels, stride)
        elif (stride, in_channels) != (1, out_channels):
            around = Sequential(*normalized(in_channels, out_channels, 1, stride, **options))
        super().__init__(body, {"shortcut": around})


class ResNet(Sequential):
    """A residual network for small images, of 20, 32, 44, 56... layers; `ImageNetResNet` is that for large ones.

    ``(N, C, H, W) -> (N, classes)``

    Parameters
    ----------
    depth : int
        Layers with weights: 6n + 2, for n blocks in each of three stages.
    input_shape : (C, H, W)
        Shape of an image; the second and the third stage halve height and width.
    shortcut : {"A", "B"}
        What runs around a block that changes sizes, see `BasicBlock`. The paper's networks for CIFAR-10 have "A".
    width : int
        Channels of the first stage; each of the others has twice as many as the one before.
    classes, dtype, rng
        As for `DigitsNet`.

    Raises
    ------
    ValueError
        If a size or the depth is impossible.

    Notes
    -----
    He, Zhang, Ren and Sun (2016), "Deep Residual Learning for Image Recognition", section 4.2: a 3×3 convolution, three
    stages of n blocks with 16, 32 and 64 channels, the mean of every plane, and a linear layer. The paper trains with
    momentum 0.9, a learning rate of 0.1 and a weight decay of 0.0001, in batches of 128, with images padded by 4,
    flipped and cropped.

    Parameters for RGB and ten classes, with shortcuts "A": 269,722 (20 layers), 464,154 (32), 658,586 (44), 853,018
    (56); with "B" 2,752 more.

    Layers and state dict have the names of Idelbayev's PyTorch networks ("Proper ResNet Implementation for CIFAR10",
    2018), so that their weights fit: ``conv1``, ``bn1``, ``layer1.0.conv1``, ..., ``layer3.2.bn2``, ``linear``.

    Examples
    --------
    >>> model = ResNet(20, rng=0)
    >>> model.output_shape((2, 3, 32, 32)), sum(parameter.size for parameter in model.parameters())
    ((2, 10), 269722)
    """

    def __init__(
        self,
        depth: int = 20,
        input_shape: tuple[int, int, int] = (3, 32, 32),
        classes: int = 10,
        *,
        shortcut: str = "A",
        width: int = 16,
        dtype: DTypeLike = np.float32,
        rng: Any = None,
    ) -> None:
        name = "ResNet"
        blocks, rest = divmod(check_integer(name, "depth", depth, 8) - 2, 6)
        if rest:
            raise InvalidValueError(f"{name}: depth must be 6 n + 2, such as 20, 32, 44 or 56, but got {depth}.")
        image, _, _ = check_image(name, input_shape, 1)
        channels = check_integer(name, "width", width, 1)
        options: dict[str, Any] = {"dtype": dtype, "rng": check_rng(name, rng)}
        conv1, bn1 = normalized(image, channels, 3, **options)
        named: dict[str, Layer] = {"conv1": conv1, "bn1": bn1, "relu": ReLU()}
        for stage in range(3):
            filters = width * 2**stage
            first = BasicBlock(channels, filters, min(stage, 1) + 1, shortcut, **options)  # it changes the size
            others = [BasicBlock(filters, filters, 1, shortcut, **options) for _ in range(blocks - 1)]
            named[f"layer{stage + 1}"] = Sequential(first, *others)
            channels = filters
        named["pool"] = GlobalAvgPool2d()
        named["flatten"] = Flatten()
        named["linear"] = Linear(channels, check_integer(name, "classes", classes, 1), **options)
        super().__init__(named)

"""The residual networks for ImageNet."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from fastconv.layers import Flatten, GlobalAvgPool2d, Layer, Linear, MaxPool2d, ReLU, Sequential
from fastconv.models.arguments import check_depth, check_image
from fastconv.models.blocks import ResidualBlock, basic_body, normalized
from fastconv.validation.sizes import check_integer, check_rng

_BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
_WIDTHS = (64, 128, 256, 512)
_BOTTLENECKS_FROM = 50  # layers
_EXPANSION = 4  # channels after a bottleneck, for each in it


class ImageNetResNet(Sequential):
    """A residual network for large images, of 18, 34, 50, 101 or 152 layers; `ResNet` is that for small ones.

    ``(N, C, H, W) -> (N, classes)``

    Parameters
    ----------
    depth : {18, 34, 50, 101, 152}
        Layers with weights; from 50 on, the blocks are bottlenecks.
    input_shape : (C, H, W)
        Shape of an image; height and width are halved five times.
    classes : int
        Scores per image.
    dtype, rng
        As for `VGG`.

    Raises
    ------
    ValueError
        If a size or the depth is impossible.

    Notes
    -----
    He, Zhang, Ren and Sun (2016), "Deep Residual Learning for Image Recognition", table 1, with shortcuts B. As in
    torchvision, the stride of a bottleneck is in its 3×3 convolution; in the paper it is in the 1×1 before it.

    Parameters for RGB and 1000 classes: 11,689,512 (18 layers), 21,797,672 (34), 25,557,032 (50).

    Layers and state dict have the names of torchvision's networks: ``conv1``, ``bn1``, ``layer1.0.conv1``,
    ``layer2.0.downsample.0``, ..., ``fc``.

    Examples
    --------
    >>> model = ImageNetResNet(18, (3, 32, 48), 10, rng=0)
    >>> model.output_shape((2, 3, 32, 48)), sum(parameter.size for parameter in model.parameters())
    ((2, 10), 11181642)
    """

    def __init__(
        self,
        depth: int = 18,
        input_shape: tuple[int, int, int] = (3, 224, 224),
        classes: int = 1000,
        *,
        dtype: DTypeLike = np.float32,
        rng: Any = None,
    ) -> None:
        name = "ImageNetResNet"
        depth = check_depth(name, depth, _BLOCKS)
        image, _, _ = check_image(name, input_shape, 1)
        options: dict[str, Any] = {"dtype": dtype, "rng": check_rng(name, rng)}
        channels = _WIDTHS[0]
        conv1, bn1 = normalized(image, channels, 7, 2, **options)
        layers: dict[str, Layer] = {"conv1": conv1, "bn1": bn1, "relu": ReLU(), "maxpool": MaxPool2d(3, 2, padding=1)}
        for stage, (width, blocks) in enumerate(zip(_WIDTHS, _BLOCKS[depth]), start=1):
            filters = width * _EXPANSION if depth >= _BOTTLENECKS_FROM else width
            named: list[Layer] = []
            for block in range(blocks):
                stride = 2 if stage > 1 and block == 0 else 1
                named.append(_block(channels, width, filters, stride, **options))
                channels = filters
            layers[f"layer{stage}"] = Sequential(*named)
        layers["avgpool"] = GlobalAvgPool2d()
        layers["flatten"] = Flatten()
        layers["fc"] = Linear(channels, check_integer(name, "classes", classes, 1), **options)
        super().__init__(layers)


def _block(channels: int, width: int, filters: int, stride: int, **options: Any) -> ResidualBlock:
    """Return a basic block, or a bottleneck where there are more filters than its width."""
    body = (basic_body if filters == width else _bottleneck_body)(channels, width, stride, **options)
    same = (stride, channels) == (1, filters)
    return ResidualBlock(
        body, {} if same else {"downsample": Sequential(*normalized(channels, filters, 1, stride, **options))}
    )


def _bottleneck_body(channels: int, width: int, stride: int, **options: Any) -> dict[str, Layer]:
    """A 1×1 convolution that narrows, a 3×3 one, and a 1×1 one that widens (figure 5, right)."""
    conv1, bn1 = normalized(channels, width, 1, **options)
    conv2, bn2 = normalized(width, width, 3, stride, **options)
    conv3, bn3 = normalized(width, width * _EXPANSION, 1, **options)
    narrow: dict[str, Layer] = {"conv1": conv1, "bn1": bn1, "relu1": ReLU()}
    return {**narrow, "conv2": conv2, "bn2": bn2, "relu2": ReLU(), "conv3": conv3, "bn3": bn3}

"""U-Net, which scores every pixel."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from fastconv.errors import InvalidValueError, shown
from fastconv.layers import Concat, Conv2d, ConvTranspose2d, Identity, Layer, MaxPool2d, ReLU, Sequential
from fastconv.models.arguments import check_image
from fastconv.models.blocks import Block, normalized
from fastconv.validation.sizes import check_integer, check_rng


class UNet(Block):
    """A small U-Net: down through max pools, up through transposed convolutions, and across at every level.

    ``(N, C, H, W) -> (N, classes, H, W)``

    Parameters
    ----------
    input_shape : (C, H, W)
        Shape of an image; ``2 ** levels`` divides height and width.
    classes : int
        Scores per pixel.
    levels : int
        How often height and width are halved; the paper has 4.
    width : int
        Channels of the outermost level, twice as many in each further one; the paper has 64.
    dtype, rng
        As for `VGG`.

    Raises
    ------
    ValueError
        If a size is impossible.

    Notes
    -----
    Ronneberger, Fischer and Brox (2015), "U-Net: Convolutional Networks for Biomedical Image Segmentation", figure 1;
    here the convolutions are padded, so that scores are as many as pixels, and have batch norm in place of a bias.
    117,378 parameters with the arguments by default.

    The layers are ``encoder1``, ``pool1``, ``encoder2``, ..., ``bottleneck``, ``up2``, ``decoder2``, ..., ``decoder1``,
    ``scores``; in an encoder, decoder and the bottleneck ``conv1``, ``bn1``, ``relu1``, ``conv2``, ``bn2``, ``relu2``.

    Examples
    --------
    >>> model = UNet((3, 64, 48), rng=0)
    >>> model.output_shape((2, 3, 64, 48)), sum(parameter.size for parameter in model.parameters())
    ((2, 2, 64, 48), 117378)
    """

    def __init__(
        self,
        input_shape: tuple[int, int, int] = (3, 64, 64),
        classes: int = 2,
        *,
        levels: int = 2,
        width: int = 16,
        dtype: DTypeLike = np.float32,
        rng: Any = None,
    ) -> None:
        name = "UNet"
        channels, height, width_ = check_image(name, input_shape, 1)
        check_integer(name, "levels", levels, 1)
        step = 2 ** min(levels, 63)  # divides no size in memory
        if height % step or width_ % step:
            raise InvalidValueError(
                f"{name}: input_shape must have a height and a width that {shown(step)} divides "
                f"(levels={shown(levels)}), but got "
                f"{(channels, height, width_)}."
            )
        check_integer(name, "width", width, 1)
        options: dict[str, Any] = {"dtype": dtype, "rng": check_rng(name, rng)}
        scores = Conv2d(width, check_integer(name, "classes", classes, 1), 1, **options)
        layers = {**_level(1, levels, channels, width, **options), "scores": scores}
        super().__init__(layers, [container for i in range(1, levels + 1) for container in (f"across{i}", f"down{i}")])


def _level(level: int, levels: int, channels: int, width: int, **options: Any) -> dict[str, Layer]:
    """Return what is done at a level and below it: images come in with `channels`, and leave with `width`."""
    if level > levels:
        return {"bottleneck": _pair(channels, width, **options)}
    encoder = _pair(channels, width, **options)
    below = _level(level + 1, levels, width, 2 * width, **options)
    up = ConvTranspose2d(2 * width, width, 2, stride=2, **options)
    down = Sequential({f"pool{level}": MaxPool2d(2), **below, f"up{level}": up})
    return {
        f"encoder{level}": encoder,
        f"across{level}": Concat({f"same{level}": Identity(), f"down{level}": down}),
        f"decoder{level}": _pair(2 * width, width, **options),
    }


def _pair(channels: int, filters: int, **options: Any) -> Sequential:
    conv1, bn1 = normalized(channels, filters, 3, **options)
    conv2, bn2 = normalized(filters, filters, 3, **options)
    return Sequential({"conv1": conv1, "bn1": bn1, "relu1": ReLU(), "conv2": conv2, "bn2": bn2, "relu2": ReLU()})

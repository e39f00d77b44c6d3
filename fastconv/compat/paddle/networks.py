"""Layers put together, as ``paddle.networks``."""

from __future__ import annotations

from typing import Any

from fastconv.compat.paddle.attr import ExtraLayerAttribute, ParameterAttribute
from fastconv.compat.paddle.layer import img_conv_layer, img_pool_layer
from fastconv.compat.paddle.output import LayerOutput

__all__ = ["simple_img_conv_pool"]


def simple_img_conv_pool(
    input: Any,
    filter_size: Any,
    num_filters: int,
    pool_size: Any,
    name: str | None = None,
    pool_type: Any = None,
    act: Any = None,
    groups: int = 1,
    conv_stride: Any = 1,
    conv_padding: Any = 0,
    bias_attr: Any = None,
    num_channel: int | None = None,
    param_attr: ParameterAttribute | None = None,
    shared_bias: bool = True,
    conv_layer_attr: ExtraLayerAttribute | None = None,
    pool_stride: Any = 1,
    pool_padding: Any = 0,
    pool_layer_attr: ExtraLayerAttribute | None = None,
) -> LayerOutput:
    """Convolve and pool images: `img_conv_layer`, then `img_pool_layer`.

    ``(N, C, H, W) -> (N, F, OH, OW)``

    Parameters
    ----------
    input, filter_size, num_filters, act, groups, bias_attr, param_attr
        As for `img_conv_layer`.
    conv_stride, conv_padding, num_channel, shared_bias, conv_layer_attr
        Its `stride`, `padding`, `num_channels`, `shared_biases` and `layer_attr`.
    pool_size, pool_type
        As for `img_pool_layer`.
    pool_stride, pool_padding, pool_layer_attr
        Its `stride`, `padding` and `layer_attr`.
    name : str, optional
        The layers are called ``name_conv`` and ``name_pool``.

    Returns
    -------
    LayerOutput
        The pooling; its ``weight`` and ``bias`` are those of the convolution, which is ``parents[0]``.

    Raises
    ------
    ValueError, TypeError
        As the two functions.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv.compat.paddle as paddle
    >>> img = paddle.layer.data(name="pixel", type=paddle.data_type.dense_vector(784))
    >>> conv_pool_1 = paddle.networks.simple_img_conv_pool(
    ...     input=img, filter_size=5, num_filters=20, num_channel=1, pool_size=2, pool_stride=2,
    ...     act=paddle.activation.Relu())
    >>> conv_pool_1.forward(np.ones((3, 784), np.float32)).shape
    (3, 20, 12, 12)
    """
    conv = img_conv_layer(
        input,
        filter_size,
        num_filters,
        name=None if name is None else f"{name}_conv",
        num_channels=num_channel,
        act=act,
        groups=groups,
        stride=conv_stride,
        padding=conv_padding,
        bias_attr=bias_attr,
        param_attr=param_attr,
        shared_biases=shared_bias,
        layer_attr=conv_layer_attr,
    )
    return img_pool_layer(
        conv,
        pool_size,
        name=None if name is None else f"{name}_pool",
        pool_type=pool_type,
        stride=pool_stride,
        padding=pool_padding,
        layer_attr=pool_layer_attr,
    )

"""``img_conv_layer`` and ``simple_img_conv_pool`` of PaddlePaddle, over the layers of fastconv.

The names of version 1 (``img_conv_layer``, ``ReluActivation``) are here, those of version 2 in `layer`, `networks`,
`activation`, `pooling`, `attr` and `data_type`: ``import fastconv.compat.paddle as paddle`` and
``paddle.networks.simple_img_conv_pool(...)`` run as they stand. ``docs/compat_paddle.md`` says what an input may be,
what comes back, and what differs.
"""

from fastconv.compat.paddle import activation, attr, data_type, layer, networks, pooling
from fastconv.compat.paddle.activation import (
    IdentityActivation,
    LinearActivation,
    ReluActivation,
    SigmoidActivation,
    TanhActivation,
)
from fastconv.compat.paddle.attr import ExtraAttr, ExtraLayerAttribute, ParamAttr, ParameterAttribute
from fastconv.compat.paddle.layer import data_layer, img_conv_layer, img_pool_layer
from fastconv.compat.paddle.networks import simple_img_conv_pool
from fastconv.compat.paddle.output import LayerOutput
from fastconv.compat.paddle.pooling import AvgPooling, MaxPooling

__all__ = [
    "AvgPooling",
    "ExtraAttr",
    "ExtraLayerAttribute",
    "IdentityActivation",
    "LayerOutput",
    "LinearActivation",
    "MaxPooling",
    "ParamAttr",
    "ParameterAttribute",
    "ReluActivation",
    "SigmoidActivation",
    "TanhActivation",
    "activation",
    "attr",
    "data_layer",
    "data_type",
    "img_conv_layer",
    "img_pool_layer",
    "layer",
    "networks",
    "pooling",
    "simple_img_conv_pool",
]

"""Layers: parameters and state around the operations of `fastconv`, with forward and backward passes."""

from fastconv.layers.activation import (
    ELU,
    GELU,
    SELU,
    HardSigmoid,
    Hardsigmoid,
    HardSwish,
    Hardswish,
    LeakyReLU,
    ReLU,
    ReLU6,
    Sigmoid,
    SiLU,
    Softplus,
    Softsign,
    Tanh,
)
from fastconv.layers.adaptive_pool import (
    AdaptiveAvgPool1d,
    AdaptiveAvgPool2d,
    AdaptiveAvgPool3d,
    AdaptiveMaxPool1d,
    AdaptiveMaxPool2d,
    AdaptiveMaxPool3d,
)
from fastconv.layers.base import Layer
from fastconv.layers.batch_normalization import BatchNorm1d, BatchNorm2d, BatchNorm3d
from fastconv.layers.containers import Sequential, predict
from fastconv.layers.conv import Conv1d, Conv2d, Conv3d
from fastconv.layers.conv_transpose import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from fastconv.layers.dropout import Dropout, Dropout1d, Dropout2d, Dropout3d
from fastconv.layers.global_pool import (
    GlobalAvgPool1d,
    GlobalAvgPool2d,
    GlobalAvgPool3d,
    GlobalMaxPool1d,
    GlobalMaxPool2d,
    GlobalMaxPool3d,
)
from fastconv.layers.group_normalization import GroupNorm
from fastconv.layers.inference import inference_mode
from fastconv.layers.instance_normalization import InstanceNorm1d, InstanceNorm2d, InstanceNorm3d
from fastconv.layers.layer_normalization import LayerNorm
from fastconv.layers.linear import Flatten, Identity, Linear
from fastconv.layers.merge import Concat, Residual, Skip
from fastconv.layers.parameter import Parameter
from fastconv.layers.pool import (
    AvgPool1d,
    AvgPool2d,
    AvgPool3d,
    LPPool1d,
    LPPool2d,
    LPPool3d,
    MaxPool1d,
    MaxPool2d,
    MaxPool3d,
)
from fastconv.layers.prelu import PReLU
from fastconv.layers.resample import Upsample, ZeroPad1d, ZeroPad2d, ZeroPad3d
from fastconv.layers.response_normalization import LocalResponseNorm
from fastconv.layers.shortcut import SubsampleShortcut
from fastconv.layers.softmax import LogSoftmax, Softmax
from fastconv.layers.state import load_state, save_state
from fastconv.layers.state_difference import StateDifference
from fastconv.layers.unpool import MaxUnpool1d, MaxUnpool2d, MaxUnpool3d

__all__ = [
    "BatchNorm1d",
    "BatchNorm2d",
    "BatchNorm3d",
    "InstanceNorm1d",
    "InstanceNorm2d",
    "InstanceNorm3d",
    "Dropout",
    "Dropout1d",
    "Dropout2d",
    "Dropout3d",
    "Concat",
    "Residual",
    "Skip",
    "GroupNorm",
    "LayerNorm",
    "LocalResponseNorm",
    "Upsample",
    "ZeroPad1d",
    "ZeroPad2d",
    "ZeroPad3d",
    "ELU",
    "GELU",
    "HardSigmoid",
    "HardSwish",
    "Hardsigmoid",
    "Hardswish",
    "LeakyReLU",
    "LogSoftmax",
    "PReLU",
    "ReLU",
    "ReLU6",
    "SELU",
    "Sigmoid",
    "SiLU",
    "Softmax",
    "Softplus",
    "Softsign",
    "Tanh",
    "MaxUnpool1d",
    "MaxUnpool2d",
    "MaxUnpool3d",
    "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d",
    "AdaptiveAvgPool3d",
    "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d",
    "AdaptiveMaxPool3d",
    "GlobalAvgPool1d",
    "GlobalAvgPool2d",
    "GlobalAvgPool3d",
    "GlobalMaxPool1d",
    "GlobalMaxPool2d",
    "GlobalMaxPool3d",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "ConvTranspose3d",
    "AvgPool1d",
    "AvgPool2d",
    "AvgPool3d",
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "Flatten",
    "Identity",
    "Layer",
    "Linear",
    "LPPool1d",
    "LPPool2d",
    "LPPool3d",
    "MaxPool1d",
    "MaxPool2d",
    "MaxPool3d",
    "Parameter",
    "Sequential",
    "StateDifference",
    "SubsampleShortcut",
    "inference_mode",
    "load_state",
    "predict",
    "save_state",
]

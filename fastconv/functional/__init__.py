"""The public operations: validate once, pick a backend, call.

Each function looks the same inside: check the arguments, view the arrays as (N, C, *spatial) in the dtype of the
computation, ask the backend, and give the result its layout and dtype. The mathematics is in the backends.
"""

from fastconv.functional import windows
from fastconv.functional.batch_normalization import batch_norm, batch_norm_backward, batch_norm_statistics
from fastconv.functional.elu import elu, elu_backward, selu, selu_backward
from fastconv.functional.gelu import gelu, gelu_backward
from fastconv.functional.group_normalization import group_norm, group_norm_backward, group_norm_statistics
from fastconv.functional.hardsigmoid import hardsigmoid, hardsigmoid_backward, hardswish, hardswish_backward
from fastconv.functional.instance_normalization import instance_norm, instance_norm_backward, instance_norm_statistics
from fastconv.functional.layer_normalization import layer_norm, layer_norm_backward, layer_norm_statistics
from fastconv.functional.padding import pad, pad_backward
from fastconv.functional.prelu import PReLUGradients, prelu, prelu_backward
from fastconv.functional.relu import add, leaky_relu, leaky_relu_backward, relu, relu6, relu6_backward, relu_backward
from fastconv.functional.resample import upsample, upsample_backward
from fastconv.functional.response_normalization import local_response_norm, local_response_norm_backward
from fastconv.functional.sigmoid import sigmoid, sigmoid_backward, silu, silu_backward, tanh, tanh_backward
from fastconv.functional.softmax import log_softmax, log_softmax_backward, softmax, softmax_backward
from fastconv.functional.softplus import softplus, softplus_backward, softsign, softsign_backward
from fastconv.functional.windows import *

__all__ = [
    "batch_norm",
    "batch_norm_backward",
    "batch_norm_statistics",
    "group_norm",
    "group_norm_backward",
    "group_norm_statistics",
    "instance_norm",
    "instance_norm_backward",
    "instance_norm_statistics",
    "layer_norm",
    "layer_norm_backward",
    "layer_norm_statistics",
    "pad",
    "pad_backward",
    "upsample",
    "upsample_backward",
    "local_response_norm",
    "local_response_norm_backward",
    "PReLUGradients",
    "add",
    "elu",
    "elu_backward",
    "gelu",
    "gelu_backward",
    "hardsigmoid",
    "hardsigmoid_backward",
    "hardswish",
    "hardswish_backward",
    "leaky_relu",
    "leaky_relu_backward",
    "log_softmax",
    "log_softmax_backward",
    "prelu",
    "prelu_backward",
    "relu",
    "relu6",
    "relu6_backward",
    "relu_backward",
    "selu",
    "selu_backward",
    "sigmoid",
    "sigmoid_backward",
    "silu",
    "silu_backward",
    "softmax",
    "softmax_backward",
    "softplus",
    "softplus_backward",
    "softsign",
    "softsign_backward",
    "tanh",
    "tanh_backward",
]
__all__ += windows.__all__

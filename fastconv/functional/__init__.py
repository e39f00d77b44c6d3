"""The public operations: validate once, pick a backend, call.

Each function looks the same inside: check the arguments, view the arrays as (N, C, *spatial) in the dtype of the
computation, ask the backend, and give the result its layout and dtype. The mathematics is in the backends.
"""

from fastconv.functional.adaptive_pool import (
    adaptive_avg_pool1d,
    adaptive_avg_pool1d_backward,
    adaptive_avg_pool2d,
    adaptive_avg_pool2d_backward,
    adaptive_avg_pool3d,
    adaptive_avg_pool3d_backward,
    adaptive_max_pool1d,
    adaptive_max_pool2d,
    adaptive_max_pool3d,
)
from fastconv.functional.avg_pool import (
    avg_pool1d,
    avg_pool1d_backward,
    avg_pool2d,
    avg_pool2d_backward,
    avg_pool3d,
    avg_pool3d_backward,
)
from fastconv.functional.batch_normalization import batch_norm, batch_norm_backward, batch_norm_statistics
from fastconv.functional.call import ConvGradients
from fastconv.functional.columns import col2im, im2col
from fastconv.functional.conv import conv1d, conv1d_backward, conv2d, conv2d_backward, conv3d, conv3d_backward
from fastconv.functional.conv_transpose import (
    conv_transpose1d,
    conv_transpose1d_backward,
    conv_transpose2d,
    conv_transpose2d_backward,
    conv_transpose3d,
    conv_transpose3d_backward,
)
from fastconv.functional.elu import elu, elu_backward, selu, selu_backward
from fastconv.functional.gelu import gelu, gelu_backward
from fastconv.functional.global_pool import (
    global_avg_pool1d,
    global_avg_pool1d_backward,
    global_avg_pool2d,
    global_avg_pool2d_backward,
    global_avg_pool3d,
    global_avg_pool3d_backward,
    global_max_pool1d,
    global_max_pool2d,
    global_max_pool3d,
)
from fastconv.functional.group_normalization import group_norm, group_norm_backward, group_norm_statistics
from fastconv.functional.hardsigmoid import hardsigmoid, hardsigmoid_backward, hardswish, hardswish_backward
from fastconv.functional.instance_normalization import instance_norm, instance_norm_backward, instance_norm_statistics
from fastconv.functional.layer_normalization import layer_norm, layer_norm_backward, layer_norm_statistics
from fastconv.functional.linear import linear, linear_backward
from fastconv.functional.lp_pool import (
    lp_pool1d,
    lp_pool1d_backward,
    lp_pool2d,
    lp_pool2d_backward,
    lp_pool3d,
    lp_pool3d_backward,
)
from fastconv.functional.max_pool import (
    max_pool1d,
    max_pool1d_backward,
    max_pool2d,
    max_pool2d_backward,
    max_pool3d,
    max_pool3d_backward,
)
from fastconv.functional.max_pool_ties import (
    max_pool1d_ties_backward,
    max_pool2d_ties_backward,
    max_pool3d_ties_backward,
)
from fastconv.functional.max_unpool import (
    max_unpool1d,
    max_unpool1d_backward,
    max_unpool2d,
    max_unpool2d_backward,
    max_unpool3d,
    max_unpool3d_backward,
)
from fastconv.functional.padding import pad, pad_backward
from fastconv.functional.prelu import PReLUGradients, prelu, prelu_backward
from fastconv.functional.relu import add, leaky_relu, leaky_relu_backward, relu, relu6, relu6_backward, relu_backward
from fastconv.functional.resample import upsample, upsample_backward
from fastconv.functional.response_normalization import local_response_norm, local_response_norm_backward
from fastconv.functional.sigmoid import sigmoid, sigmoid_backward, silu, silu_backward, tanh, tanh_backward
from fastconv.functional.softmax import log_softmax, log_softmax_backward, softmax, softmax_backward
from fastconv.functional.softplus import softplus, softplus_backward, softsign, softsign_backward

__all__ = [
    "ConvGradients",
    "PReLUGradients",
    "adaptive_avg_pool1d",
    "adaptive_avg_pool1d_backward",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool2d_backward",
    "adaptive_avg_pool3d",
    "adaptive_avg_pool3d_backward",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "adaptive_max_pool3d",
    "add",
    "avg_pool1d",
    "avg_pool1d_backward",
    "avg_pool2d",
    "avg_pool2d_backward",
    "avg_pool3d",
    "avg_pool3d_backward",
    "batch_norm",
    "batch_norm_backward",
    "batch_norm_statistics",
    "col2im",
    "conv1d",
    "conv1d_backward",
    "conv2d",
    "conv2d_backward",
    "conv3d",
    "conv3d_backward",
    "conv_transpose1d",
    "conv_transpose1d_backward",
    "conv_transpose2d",
    "conv_transpose2d_backward",
    "conv_transpose3d",
    "conv_transpose3d_backward",
    "elu",
    "elu_backward",
    "gelu",
    "gelu_backward",
    "global_avg_pool1d",
    "global_avg_pool1d_backward",
    "global_avg_pool2d",
    "global_avg_pool2d_backward",
    "global_avg_pool3d",
    "global_avg_pool3d_backward",
    "global_max_pool1d",
    "global_max_pool2d",
    "global_max_pool3d",
    "group_norm",
    "group_norm_backward",
    "group_norm_statistics",
    "hardsigmoid",
    "hardsigmoid_backward",
    "hardswish",
    "hardswish_backward",
    "im2col",
    "instance_norm",
    "instance_norm_backward",
    "instance_norm_statistics",
    "layer_norm",
    "layer_norm_backward",
    "layer_norm_statistics",
    "leaky_relu",
    "leaky_relu_backward",
    "linear",
    "linear_backward",
    "local_response_norm",
    "local_response_norm_backward",
    "log_softmax",
    "log_softmax_backward",
    "lp_pool1d",
    "lp_pool1d_backward",
    "lp_pool2d",
    "lp_pool2d_backward",
    "lp_pool3d",
    "lp_pool3d_backward",
    "max_pool1d",
    "max_pool1d_backward",
    "max_pool1d_ties_backward",
    "max_pool2d",
    "max_pool2d_backward",
    "max_pool2d_ties_backward",
    "max_pool3d",
    "max_pool3d_backward",
    "max_pool3d_ties_backward",
    "max_unpool1d",
    "max_unpool1d_backward",
    "max_unpool2d",
    "max_unpool2d_backward",
    "max_unpool3d",
    "max_unpool3d_backward",
    "pad",
    "pad_backward",
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
    "upsample",
    "upsample_backward",
]

"""Convolution and pooling with the names and arguments of ``tf.nn``: NHWC images, HWIO filters, lists of four.

``import fastconv.compat.tensorflow as tf`` and ``tf.nn.conv2d(...)`` run as they stand; arrays go in, arrays come out,
and there is no session. ``docs/compat_tensorflow.md`` lists what differs.
"""

from fastconv.compat.tensorflow import nn
from fastconv.compat.tensorflow.nn import (
    avg_pool,
    conv2d,
    conv2d_backprop_filter,
    conv2d_backprop_input,
    conv2d_transpose,
    depthwise_conv2d,
    max_pool,
)

__all__ = [
    "avg_pool",
    "conv2d",
    "conv2d_backprop_filter",
    "conv2d_backprop_input",
    "conv2d_transpose",
    "depthwise_conv2d",
    "max_pool",
    "nn",
]
